#include "peer.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/bio.h>
#include <openssl/quic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UPDATE_AFTER 100000
// Seconds for a handshake on a usable link, of which OpenSSL would take 30.
#define PATIENCE 10

struct request {
    const char *name;
    SSL *stream;
    FILE *file;
    bool done;
};

struct transfer {
    SSL *ssl;
    struct request *requests;
    int count, asked, done, is_begun;
    bool is_secured, updates;
};

static SSL_SESSION *session;
static char host[256], port[8];
static size_t received;
static volatile sig_atomic_t is_late;
static SSL *current;

static void give_up(int number) {
    (void)number;
    is_late = 1;
}

// Frees the connection, with which its qlog is written to the end, also where the process ends by a failure.
static void let_go(void) {
    SSL_free(current);
    current = NULL;
}

// Keeps a copy: the session itself cannot be resumed any more when its connection is freed.
static int keep(SSL *ssl, SSL_SESSION *ticket) {
    (void)ssl;
    SSL_SESSION_free(session);
    session = SSL_SESSION_dup(ticket);
    return 0;
}

// https://host:port/name, with the host of IPv6 in brackets.
static const char *parsed(const char *url) {
    const char *at = strstr(url, "://"), *slash = at ? strchr(at + 3, '/') : NULL;
    if (!slash) fail("a URL has no path");
    at += at[3] == '[' ? 4 : 3;
    size_t length = strcspn(at, at[-1] == '[' ? "]" : ":/");
    const char *colon = at + length + (at[length] == ']');
    snprintf(host, sizeof host, "%.*s", (int)length, at);
    snprintf(port, sizeof port, "%.*s", *colon == ':' ? (int)(slash - colon - 1) : 3, *colon == ':' ? colon + 1 : "443");
    return slash + 1;
}

static SSL *dial(SSL_CTX *context, int *fd) {
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found;
    if (getaddrinfo(host, port, &hints, &found)) fail("no such host");
    *fd = BIO_socket(found->ai_family, SOCK_DGRAM, 0, 0);
    BIO_ADDR *address = BIO_ADDR_new();
    bool six = found->ai_family == AF_INET6;
    const struct sockaddr_in6 *in6 = (void *)found->ai_addr;
    const struct sockaddr_in *in4 = (void *)found->ai_addr;
    BIO_ADDR_rawmake(address, found->ai_family, six ? (const void *)&in6->sin6_addr : &in4->sin_addr,
                     six ? sizeof in6->sin6_addr : sizeof in4->sin_addr, six ? in6->sin6_port : in4->sin_port);
    freeaddrinfo(found);
    SSL *ssl = SSL_new(context);
    if (*fd < 0 || !BIO_socket_nbio(*fd, 1) || !ssl) fail("no socket");
    BIO *bio = BIO_new_dgram(*fd, BIO_CLOSE);
    SSL_set_bio(ssl, bio, bio);
    SSL_set1_initial_peer_addr(ssl, address);
    BIO_ADDR_free(address);
    SSL_set_blocking_mode(ssl, 0);
    SSL_set_event_handling_mode(ssl, SSL_VALUE_EVENT_HANDLING_MODE_EXPLICIT);
    SSL_set_default_stream_mode(ssl, SSL_DEFAULT_STREAM_MODE_NONE);
    SSL_set_alpn_protos(ssl, (const unsigned char *)HQ, sizeof HQ - 1);
    if (!X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host)) {
        SSL_set_tlsext_host_name(ssl, host);
        SSL_set1_host(ssl, host);
    }
    if (session) SSL_set_session(ssl, session);
    return ssl;
}

static void check_open(SSL *ssl) {
    SSL_CONN_CLOSE_INFO info;
    char text[320];
    if (!SSL_get_conn_close_info(ssl, &info, sizeof info)) return;
    if (info.error_code == OSSL_QUIC_LOCAL_ERR_IDLE_TIMEOUT) fail("nothing arrived until the idle timeout");
    const char *who = info.flags & SSL_CONN_CLOSE_FLAG_LOCAL ? "closed by the client" : "closed by the server";
    snprintf(text, sizeof text, "%s with %#lx %.*s", who, (unsigned long)info.error_code, (int)info.reason_len,
             info.reason ? info.reason : "");
    fail(text);
}

// Opens the stream of a request, unless the server allows no more for now.
static bool ask(SSL *ssl, struct request *request) {
    char line[LONGEST_REQUEST], path[LONGEST_REQUEST];
    size_t written;
    if (!(request->stream = SSL_new_stream(ssl, SSL_STREAM_FLAG_NO_BLOCK))) return false;
    int length = snprintf(line, sizeof line, "GET /%s\r\n", request->name);
    if (!SSL_write_ex2(request->stream, line, (size_t)length, SSL_WRITE_FLAG_CONCLUDE, &written)) fail("a request was not taken");
    const char *slash = strrchr(request->name, '/');
    snprintf(path, sizeof path, "%s/%s", setting("DOWNLOADS", "/downloads"), slash ? slash + 1 : request->name);
    if (!(request->file = fopen(path, "wb"))) fail("a file cannot be written");
    return true;
}

// Takes what has arrived; returns whether that was something.
static bool take(struct request *request) {
    char part[16384];
    size_t got, before = received;
    while (SSL_read_ex(request->stream, part, sizeof part, &got)) {
        fwrite(part, 1, got, request->file);
        received += got;
    }
    int state = SSL_get_stream_read_state(request->stream);
    if (state == SSL_STREAM_STATE_RESET_REMOTE) fail("the server has reset the stream");
    if (state != SSL_STREAM_STATE_FINISHED) return received > before;
    if (fclose(request->file)) fail("a file cannot be written");
    SSL_free(request->stream);
    return request->done = true;
}

static bool advance(void *work) {
    struct transfer *all = work;
    bool moved = false;
    if (!all->is_secured) {
        int code = SSL_connect(all->ssl), error = SSL_get_error(all->ssl, code);
        if (is_late) fail("no handshake within 10 s");
        if (code != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) fail("no handshake");
        all->is_secured = code == 1;
        if (all->is_secured) alarm(0);
        return all->is_secured || !all->is_begun++;
    }
    check_open(all->ssl);
    for (; all->asked < all->count && ask(all->ssl, &all->requests[all->asked]); moved = true) all->asked++;
    for (int at = all->done; at < all->asked; at++)
        if (!all->requests[at].done && take(&all->requests[at])) moved = true;
    while (all->done < all->asked && all->requests[all->done].done) all->done++;
    if (all->updates && received > UPDATE_AFTER) {
        if (!SSL_key_update(all->ssl, SSL_KEY_UPDATE_REQUESTED)) fail("the keys cannot be updated");
        all->updates = false;
    }
    return moved;
}

// Fetches some files over one connection.
static void fetch_over_one(SSL_CTX *context, int count, char **urls, bool waits_for_ticket) {
    int fd;
    struct transfer all = {.requests = calloc((size_t)count, sizeof *all.requests), .count = count, .updates = is_test("keyupdate")};
    for (int at = 0; at < count; at++) all.requests[at].name = parsed(urls[at]);
    SSL *ssl = current = all.ssl = dial(context, &fd);
    SSL_CTX_sess_set_new_cb(context, keep);
    signal(SIGALRM, give_up);
    alarm(is_test("multiconnect") ? 0 : PATIENCE);
    for (;; wait_for_events(ssl, fd)) {
        settle(ssl, advance, &all);
        if (all.done == count && (session || !waits_for_ticket)) break;
    }
    SSL_shutdown_ex(ssl, SSL_SHUTDOWN_FLAG_RAPID, NULL, 0);
    SSL_handle_events(ssl);
    let_go();
    free(all.requests);
}

int fetch(int count, char **urls) {
    SSL_CTX *context = new_context(OSSL_QUIC_client_method());
    char ca[LONGEST_REQUEST];
    snprintf(ca, sizeof ca, "%s/ca.pem", setting("CERTS", "/certs"));
    if (!SSL_CTX_load_verify_locations(context, ca, NULL)) fail("there is no authority to trust");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    atexit(let_go);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    if (is_test("multiconnect")) {
        for (int at = 0; at < count; at++) fetch_over_one(context, 1, urls + at, false);
    } else if (is_test("resumption") && count > 1) {
        fetch_over_one(context, 1, urls, true);
        fetch_over_one(context, count - 1, urls + 1, false);
    } else {
        fetch_over_one(context, count, urls, false);
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
    return 0;
}
