// What the two roles have in common: orders from the environment, as the QUIC interop runner gives them.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#define HQ "\x0ahq-interop"
#define LONGEST_REQUEST 4096

// A variable of the environment, or what stands for it where it is not set.
const char *setting(const char *name, const char *otherwise);

// Whether this is the test case.
bool is_test(const char *name);

// Ends the process with the reason, and with what OpenSSL says about it.
_Noreturn void fail(const char *what);

// A context that logs keys.
SSL_CTX *new_context(const SSL_METHOD *method);

// Lets packets come and go as long as that lets the work advance. Nothing else does, or something could arrive unseen
// between the last look and the wait.
void settle(SSL *ssl, bool (*advance)(void *work), void *work);

// Waits until something arrives or is due.
void wait_for_events(SSL *ssl, int fd);

int serve(void);
int fetch(int count, char **urls);
