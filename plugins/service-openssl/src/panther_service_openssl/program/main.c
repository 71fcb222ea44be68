// A server and a client of files on the QUIC of OpenSSL, over hq-interop, driven like an endpoint of the QUIC interop runner.
#include "peer.h"

#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static FILE *keys;

static const char *const SERVES[] = {"handshake", "transfer", "retry", "resumption", "chacha20", "multiconnect", "keyupdate", "versionnegotiation", "connectionmigration"};
static const char *const FETCHES[] = {"handshake", "transfer", "retry", "resumption", "chacha20", "multiconnect", "keyupdate"};

const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

bool is_test(const char *name) { return !strcmp(setting("TESTCASE", ""), name); }

void fail(const char *what) {
    char text[256] = "";
    unsigned long code = ERR_peek_last_error();
    if (code) ERR_error_string_n(code, text, sizeof text);
    fprintf(stderr, "failed: %s%s%s\n", what, code ? ": " : "", text);
    exit(1);
}

static void log_key(const SSL *ssl, const char *line) {
    (void)ssl;
    fprintf(keys, "%s\n", line);
    fflush(keys);
}

SSL_CTX *new_context(const SSL_METHOD *method) {
    SSL_CTX *context = SSL_CTX_new(method);
    const char *path = setting("SSLKEYLOGFILE", NULL);
    if (!context) fail("no context");
    if (path && (keys = fopen(path, "a"))) SSL_CTX_set_keylog_callback(context, log_key);
    if (is_test("chacha20") && !SSL_CTX_set_ciphersuites(context, "TLS_CHACHA20_POLY1305_SHA256")) fail("no ChaCha20");
    return context;
}

void settle(SSL *ssl, bool (*advance)(void *), void *work) {
    do SSL_handle_events(ssl);
    while (advance(work));
}

void wait_for_events(SSL *ssl, int fd) {
    struct timeval left;
    int forever = 1, milliseconds = -1;
    if (SSL_get_event_timeout(ssl, &left, &forever) && !forever)
        milliseconds = (int)(left.tv_sec * 1000 + (left.tv_usec + 999) / 1000);
    struct pollfd item = {.fd = fd, .events = POLLIN | (SSL_net_write_desired(ssl) ? POLLOUT : 0)};
    poll(&item, 1, milliseconds);
}

static bool knows(const char *const *names, size_t count) {
    for (size_t at = 0; at < count; at++)
        if (is_test(names[at])) return true;
    fprintf(stderr, "unsupported test case: %s\n", setting("TESTCASE", ""));
    return false;
}

int main(int argc, char **argv) {
    if (!strcmp(setting("ROLE", ""), "server"))
        return knows(SERVES, sizeof SERVES / sizeof *SERVES) ? serve() : 127;
    if (!knows(FETCHES, sizeof FETCHES / sizeof *FETCHES)) return 127;
    if (argc > 1) return fetch(argc - 1, argv + 1);
    char *urls[4096], *rest = strdup(setting("REQUESTS", ""));
    int count = 0;
    for (char *word = strtok(rest, " "); word && count < 4096; word = strtok(NULL, " ")) urls[count++] = word;
    return count ? fetch(count, urls) : (fprintf(stderr, "failed: REQUESTS is empty\n"), 1);
}
