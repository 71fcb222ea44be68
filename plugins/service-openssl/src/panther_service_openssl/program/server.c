#include "peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct stream {
    SSL *ssl;
    char line[LONGEST_REQUEST];
    size_t length;
    char *body;
    size_t size, sent;
    bool answered;
    struct stream *next;
};

struct connection {
    SSL *ssl;
    struct stream *streams;
    struct connection *next;
};

static volatile sig_atomic_t is_over;

static void end(int number) {
    (void)number;
    is_over = 1;
}

static int choose(SSL *ssl, const unsigned char **chosen, unsigned char *length, const unsigned char *offered, unsigned int size, void *ours) {
    (void)ssl, (void)ours;
    int found = SSL_select_next_proto((unsigned char **)chosen, length, (const unsigned char *)HQ, sizeof HQ - 1, offered, size);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Reads the file that a line asks for; there is nothing above the folder.
static bool load(struct stream *stream) {
    char path[2 * LONGEST_REQUEST];
    stream->line[strcspn(stream->line, "\r\n")] = 0;
    if (strncmp(stream->line, "GET /", 5) || strstr(stream->line, "..")) return false;
    snprintf(path, sizeof path, "%s/%s", setting("WWW", "/www"), stream->line + 5);
    struct stat about;
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    if (fstat(fileno(file), &about) || !S_ISREG(about.st_mode) || !(stream->body = malloc((size_t)about.st_size + 1))) {
        fclose(file);
        return false;
    }
    stream->size = fread(stream->body, 1, (size_t)about.st_size, file);
    fclose(file);
    return true;
}

// Goes on with a stream, which may move; returns whether it is finished.
static bool advance_stream(struct stream *stream, bool *moved) {
    size_t count;
    while (stream->length + 1 < sizeof stream->line &&
           SSL_read_ex(stream->ssl, stream->line + stream->length, sizeof stream->line - 1 - stream->length, &count))
        stream->length += count, *moved = true;
    bool ends = SSL_get_stream_read_state(stream->ssl) == SSL_STREAM_STATE_FINISHED;
    if (!stream->answered) {
        if (!ends && !strchr(stream->line, '\n')) return false;
        stream->answered = true;
        if (!load(stream)) {
            SSL_STREAM_RESET_ARGS why = {.quic_error_code = 1};
            SSL_stream_reset(stream->ssl, &why, sizeof why);
            return true;
        }
    }
    while (stream->sent < stream->size && SSL_write_ex(stream->ssl, stream->body + stream->sent, stream->size - stream->sent, &count))
        stream->sent += count, *moved = true;
    return stream->sent == stream->size && SSL_stream_conclude(stream->ssl, 0) && ends;
}

static void drop(struct stream *stream) {
    SSL_free(stream->ssl);
    free(stream->body);
    free(stream);
}

// Goes on with a connection, which may move; returns whether it is over.
static bool talk(struct connection *connection, bool *moved) {
    SSL *fresh;
    while ((fresh = SSL_accept_stream(connection->ssl, SSL_ACCEPT_STREAM_NO_BLOCK))) {
        struct stream *stream = calloc(1, sizeof *stream);
        SSL_set_mode(fresh, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        stream->ssl = fresh;
        stream->next = connection->streams;
        connection->streams = stream;
        *moved = true;
    }
    SSL_CONN_CLOSE_INFO info;
    bool is_closed = SSL_get_conn_close_info(connection->ssl, &info, sizeof info);
    for (struct stream **at = &connection->streams; *at;) {
        struct stream *stream = *at;
        if (is_closed || advance_stream(stream, moved)) {
            *moved = true;
            *at = stream->next;
            drop(stream);
        } else {
            at = &stream->next;
        }
    }
    if (is_closed) SSL_free(connection->ssl);
    return is_closed;
}

static SSL *listen_on(SSL_CTX *context, int *fd) {
    const char *ip = setting("IP", "::");
    bool six = strchr(ip, ':');
    unsigned char raw[16];
    BIO_ADDR *address = BIO_ADDR_new();
    inet_pton(six ? AF_INET6 : AF_INET, ip, raw);
    BIO_ADDR_rawmake(address, six ? AF_INET6 : AF_INET, raw, six ? 16 : 4, htons((unsigned short)atoi(setting("PORT", "443"))));
    *fd = BIO_socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0, 0);
    if (*fd < 0 || !BIO_bind(*fd, address, 0) || !BIO_socket_nbio(*fd, 1)) fail("the address cannot be bound");
    BIO_ADDR_free(address);
    SSL *listener = SSL_new_listener(context, is_test("retry") ? 0 : SSL_LISTENER_FLAG_NO_VALIDATE);
    if (!listener || !SSL_set_fd(listener, *fd) || !SSL_set_blocking_mode(listener, 0) || !SSL_listen(listener)) fail("no listener");
    return listener;
}

static bool advance(void *listener) {
    static struct connection *connections;
    SSL *fresh;
    bool moved = false;
    for (; (fresh = SSL_accept_connection(listener, SSL_ACCEPT_CONNECTION_NO_BLOCK)); moved = true) {
        struct connection *connection = calloc(1, sizeof *connection);
        SSL_set_blocking_mode(fresh, 0);
        SSL_set_event_handling_mode(fresh, SSL_VALUE_EVENT_HANDLING_MODE_EXPLICIT);
        SSL_set_default_stream_mode(fresh, SSL_DEFAULT_STREAM_MODE_NONE);
        SSL_set_incoming_stream_policy(fresh, SSL_INCOMING_STREAM_POLICY_ACCEPT, 0);
        connection->ssl = fresh;
        connection->next = connections;
        connections = connection;
    }
    for (struct connection **at = &connections; *at;) {
        struct connection *connection = *at;
        if (talk(connection, &moved)) {
            *at = connection->next;
            free(connection);
        } else {
            at = &connection->next;
        }
    }
    return moved && !is_over;
}

int serve(void) {
    SSL_CTX *context = new_context(OSSL_QUIC_server_method());
    char chain[LONGEST_REQUEST], key[LONGEST_REQUEST];
    snprintf(chain, sizeof chain, "%s/cert.pem", setting("CERTS", "/certs"));
    snprintf(key, sizeof key, "%s/priv.key", setting("CERTS", "/certs"));
    if (SSL_CTX_use_certificate_chain_file(context, chain) != 1 || SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        fail("no certificate");
    SSL_CTX_set_alpn_select_cb(context, choose, NULL);
    int fd;
    SSL *listener = listen_on(context, &fd);
    signal(SIGTERM, end);
    printf("listening\n");
    fflush(stdout);
    for (; !is_over; wait_for_events(listener, fd)) settle(listener, advance, listener);
    return 0;
}
