/* MiniP server and client in one file of C99 and POSIX. The protocol's reference page describes every message.
 *
 *   cc -std=c99 -O2 -g -Wall -o ping-pong ping_pong.c
 *   ./ping-pong server --port 7117            ./ping-pong client --port 7117 --scenario ping --count 3
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_MESSAGE = 1400, LONGEST_VALUE = 64, MOST_FIELDS = 12, CHUNK = 1024, MOST_CHUNKS = 65536 };
enum { MOST_SESSIONS = 256, WINDOW = 32, TRIES = 12, MOST_UNREACHABLE = 3, BUFFER = 65536 };
enum { DONE = 0, USAGE = 2, UNUSABLE = 3, REFUSED = 4, SILENT = 5, WRONG = 6 };

/* ---- options ---- */

static const char *role = "", *dir = ".", *name = "", *seed = "0", *dice_seed = "0", *attempt = "1", *variant = "functional", *chance = "0.5";
static const char *address = "127.0.0.1", *port = "7117", *versions = "1", *version = "1", *server_address = "127.0.0.1";
static const char *scenario = "ping", *count = "5", *size = "32", *interval = "0.01", *duration = "1", *length = "2000";

static const struct { const char *flag; const char **value; } FLAGS[] = {
    {"--dir", &dir}, {"--name", &name}, {"--seed", &seed}, {"--dice", &dice_seed}, {"--attempt", &attempt}, {"--variant", &variant},
    {"--chance", &chance}, {"--address", &address}, {"--port", &port}, {"--versions", &versions}, {"--version", &version},
    {"--connect", &server_address}, {"--scenario", &scenario}, {"--count", &count}, {"--size", &size},
    {"--interval", &interval}, {"--duration", &duration}, {"--length", &length},
};

/* ---- time, log, end ---- */

static FILE *transcript;
static int wake[2]; /* a pipe through which a signal wakes the program up */
static double zero; /* seconds between the epoch and the start of the clock that never jumps */

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void end(int code, const char *result)
{
    fprintf(transcript, "{\"t\": %.6f, \"event\": \"end\", \"result\": \"%s\", \"code\": %d}\n", zero + now(), result, code);
    printf("%s, exit code %d\n", result, code);
    fflush(NULL);
    exit(code);
}

static void fail(int code, const char *result, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    end(code, result);
}

static void on_signal(int number)
{
    int kept = errno;
    if (write(wake[1], &number, 1) < 0) _exit(UNUSABLE);
    errno = kept;
}

/* ---- SHA-256 (FIPS 180-4) and CRC-32 ---- */

struct sha256 { uint32_t state[8]; uint64_t bytes; unsigned char block[64]; };

static const uint32_t ROUNDS[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turned(uint32_t value, int bits) { return value >> bits | value << (32 - bits); }

static void sha256_start(struct sha256 *hash)
{
    static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, START, sizeof START);
    hash->bytes = 0;
}

static void sha256_block(struct sha256 *hash)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
        const unsigned char *at = hash->block + 4 * i;
        w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t low = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t high = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    memcpy(s, hash->state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25);
        uint32_t one = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + ROUNDS[i] + w[i];
        uint32_t a = turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22);
        uint32_t two = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) hash->state[i] += s[i];
}

static void sha256_add(struct sha256 *hash, const void *data, size_t bytes)
{
    for (const unsigned char *at = data; bytes > 0; bytes--) {
        hash->block[hash->bytes++ % 64] = *at++;
        if (hash->bytes % 64 == 0) sha256_block(hash);
    }
}

static void sha256_end(struct sha256 *hash, unsigned char digest[32])
{
    uint64_t bits = hash->bytes * 8;
    sha256_add(hash, "\x80", 1);
    while (hash->bytes % 64 != 56) sha256_add(hash, "", 1);
    for (int i = 7; i >= 0; i--) sha256_add(hash, &(unsigned char){(unsigned char)(bits >> 8 * i)}, 1);
    for (int i = 0; i < 32; i++) digest[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

static uint32_t crc32(uint32_t crc, const unsigned char *data, size_t bytes)
{
    for (crc = ~crc; bytes > 0; bytes--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void as_hex(const unsigned char *digest, int bytes, char *text)
{
    for (int i = 0; i < bytes; i++) sprintf(text + 2 * i, "%02x", digest[i]);
}

/* 16 digits that only who has seen the words and the body can know. */
static void short_hash(char text[17], const void *body, size_t bytes, const char *format, ...)
{
    char words[1024];
    unsigned char digest[32];
    struct sha256 hash;
    va_list values;
    va_start(values, format);
    vsnprintf(words, sizeof words, format, values);
    va_end(values);
    sha256_start(&hash);
    sha256_add(&hash, words, strlen(words));
    sha256_add(&hash, body, bytes);
    sha256_end(&hash, digest);
    as_hex(digest, 8, text);
}

static void long_hash(char text[65], const unsigned char *data, size_t bytes)
{
    unsigned char digest[32];
    struct sha256 hash;
    sha256_start(&hash);
    sha256_add(&hash, data, bytes);
    sha256_end(&hash, digest);
    as_hex(digest, 32, text);
}

/* The pseudo-random bytes that belong to a label. */
static void stream(unsigned char *data, size_t bytes, const char *label)
{
    for (size_t at = 0; at < bytes; at += 32) {
        char words[256];
        unsigned char digest[32];
        struct sha256 hash;
        snprintf(words, sizeof words, "%s %zu", label, at / 32);
        sha256_start(&hash);
        sha256_add(&hash, words, strlen(words));
        sha256_end(&hash, digest);
        memcpy(data + at, digest, bytes - at < 32 ? bytes - at : 32);
    }
}

static void turn_round(char *text)
{
    for (size_t left = 0, right = strlen(text); left + 1 < right; left++) {
        char kept = text[left];
        text[left] = text[--right];
        text[right] = kept;
    }
}

static int misbehaves(const char *session)
{
    if (strcmp(variant, "random") == 0) {
        char dice[17];
        short_hash(dice, "", 0, "dice %s %s %s", dice_seed, attempt, session);
        dice[8] = 0;
        return (double)strtoul(dice, NULL, 16) / 4294967296.0 >= atof(chance);
    }
    return strcmp(variant, "fail") == 0 || (strcmp(variant, "flaky") == 0 && atoi(attempt) == 1);
}

/* ---- messages ---- */

struct message {
    char copy[BUFFER]; /* the text line; everything else points into it */
    const char *version, *type, *key[MOST_FIELDS], *value[MOST_FIELDS];
    int fields;
    unsigned char body[BUFFER];
    size_t body_bytes, bytes;
};

struct peer { struct sockaddr_storage address; socklen_t bytes; };

static const char *field(const struct message *message, const char *key)
{
    for (int i = 0; i < message->fields; i++)
        if (strcmp(message->key[i], key) == 0) return message->value[i];
    return "";
}

static int is(const struct message *message, const char *type) { return strcmp(message->type, type) == 0; }

static int same(const char *one, const char *other) { return strcmp(one, other) == 0; }

/* The defect of the variant "vulnerable": it believes the sender that a nonce is short. */
struct nonce { char text[LONGEST_VALUE]; void (*volatile forget)(struct nonce *); };

static void forget(struct nonce *nonce) { free(nonce); }

static void remember(const char *text)
{
    struct nonce *nonce = malloc(sizeof *nonce);
    if (nonce == NULL) return;
    nonce->forget = forget;
    memcpy(nonce->text, text, strlen(text) + 1);
    nonce->forget(nonce);
}

/* Take a datagram apart; returns what is wrong with it, or NULL. */
static const char *decode(struct message *message, const unsigned char *datagram, size_t bytes, int limited)
{
    const unsigned char *newline = memchr(datagram, '\n', bytes);
    size_t line = newline ? (size_t)(newline - datagram) : bytes;
    char crc[24];
    if (limited && bytes > LONGEST_MESSAGE) return "overlong";
    if (newline == NULL || line < 13 || bytes >= BUFFER) return "damaged";
    message->bytes = bytes;
    message->body_bytes = bytes - line - 1;
    memcpy(message->body, newline + 1, message->body_bytes);
    snprintf(crc, sizeof crc, " crc=%08" PRIx32,
             crc32(crc32(0, datagram, line - 13), message->body, message->body_bytes));
    if (memcmp(crc, datagram + line - 13, 13) != 0) return "damaged";
    memcpy(message->copy, datagram, line - 13);
    message->copy[line - 13] = 0;
    if (strncmp(message->copy, "MiniP/", 6) != 0) return "malformed";
    char *rest = NULL, *word = strtok_r(message->copy, " ", &rest);
    message->version = word + 6;
    message->fields = 0;
    if ((message->type = strtok_r(NULL, " ", &rest)) == NULL) return "malformed";
    while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
        char *value = strchr(word, '=');
        if (value == NULL || message->fields == MOST_FIELDS) return "malformed";
        *value++ = 0;
        if (limited && strlen(value) > LONGEST_VALUE) return "overlong";
        message->key[message->fields] = word;
        message->value[message->fields++] = value;
    }
    return NULL;
}

static const char *readable(const struct peer *peer)
{
    static char text[80];
    char ip[INET6_ADDRSTRLEN] = "";
    if (peer->address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&peer->address;
        inet_ntop(AF_INET6, &six->sin6_addr, ip, sizeof ip);
        snprintf(text, sizeof text, "[%s]:%d", ip, ntohs(six->sin6_port));
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&peer->address;
        inet_ntop(AF_INET, &four->sin_addr, ip, sizeof ip);
        snprintf(text, sizeof text, "%s:%d", ip, ntohs(four->sin_port));
    }
    return text;
}

static void note_text(const char *text)
{
    for (int i = 0; text[i] && i < LONGEST_VALUE; i++)
        fputc(text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\' ? '?' : text[i], transcript);
}

static void note(const char *event, const struct message *message, const struct peer *peer, double at, int tries)
{
    fprintf(transcript, "{\"t\": %.6f, \"event\": \"%s\", \"version\": \"", zero + at, event);
    note_text(message->version);
    fprintf(transcript, "\", \"type\": \"");
    note_text(message->type);
    fprintf(transcript, "\", \"peer\": \"%s\", \"bytes\": %zu, ", readable(peer), message->bytes);
    if (tries > 0) fprintf(transcript, "\"tries\": %d, ", tries);
    fprintf(transcript, "\"fields\": {");
    for (int i = 0; i < message->fields; i++) {
        fprintf(transcript, "%s\"", i ? ", " : "");
        note_text(message->key[i]);
        fprintf(transcript, "\": \"");
        note_text(message->value[i]);
        fputc('"', transcript);
    }
    fprintf(transcript, "}}\n");
    fflush(transcript);
}

static void note_loss(const char *event, const char *what, const char *why)
{
    fprintf(transcript, "{\"t\": %.6f, \"event\": \"%s\", \"why\": \"%s\", %s}\n", zero + now(), event, why, what);
    fflush(transcript);
}

/* ---- the socket ---- */

static int udp, connected, unreachable;

static struct peer resolved(const char *ip, const char *number)
{
    struct peer peer;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&peer.address;
    struct sockaddr_in *four = (struct sockaddr_in *)&peer.address;
    memset(&peer, 0, sizeof peer);
    if (inet_pton(AF_INET6, ip, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)atoi(number));
        peer.bytes = sizeof *six;
        return peer;
    }
    if (inet_pton(AF_INET, ip, &four->sin_addr) != 1) fail(UNUSABLE, "unusable", "%s is no address", ip);
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)atoi(number));
    peer.bytes = sizeof *four;
    return peer;
}

static struct peer open_socket(const char *number)
{
    struct peer own = resolved(address, number);
    udp = socket(own.address.ss_family, SOCK_DGRAM, 0);
    if (udp < 0 || bind(udp, (struct sockaddr *)&own.address, own.bytes) != 0)
        fail(UNUSABLE, "unusable", "cannot work at %s: %s", readable(&own), strerror(errno));
    getsockname(udp, (struct sockaddr *)&own.address, &own.bytes);
    fcntl(udp, F_SETFL, O_NONBLOCK);
    return own;
}

/* Wait until a time (0: for ever), or with listen for a datagram; says whether one is there. A signal ends the program. */
static int wait_until(double until, int listen)
{
    double left = until - now();
    /* Rounded up: a wait that is cut to nothing is no wait, and where time only passes in waits it never passes. */
    long long micro = left > 0 ? (long long)(left * 1e6) + 1 : 0;
    struct timeval wait = {(time_t)(micro / 1000000), (suseconds_t)(micro % 1000000)};
    fd_set watched;
    FD_ZERO(&watched);
    FD_SET(wake[0], &watched);
    if (listen) FD_SET(udp, &watched);
    if (select((udp > wake[0] ? udp : wake[0]) + 1, &watched, NULL, NULL, until > 0 ? &wait : NULL) <= 0) return 0;
    if (FD_ISSET(wake[0], &watched)) end(DONE, "stopped");
    return 1;
}

/* The next message that can be understood, or 0 when the time is over. */
static int receive(struct message *message, struct peer *peer, double until)
{
    static unsigned char datagram[BUFFER];
    while (wait_until(until, 1)) {
        peer->bytes = sizeof peer->address;
        ssize_t bytes = recvfrom(udp, datagram, sizeof datagram, 0, (struct sockaddr *)&peer->address, &peer->bytes);
        if (bytes < 0) {
            unreachable += errno == ECONNREFUSED;
            continue;
        }
        const char *why = decode(message, datagram, (size_t)bytes, !same(variant, "vulnerable"));
        if (why != NULL) {
            char what[128];
            snprintf(what, sizeof what, "\"peer\": \"%s\", \"bytes\": %zd", readable(peer), bytes);
            note_loss("dropped", what, why);
            continue;
        }
        if (same(variant, "vulnerable")) remember(field(message, "nonce"));
        unreachable = 0;
        note("received", message, peer, now(), 0);
        return 1;
    }
    return 0;
}

static void encode(struct message *message, unsigned char *datagram, const char *line, const void *body, size_t bytes)
{
    uint32_t crc = crc32(crc32(0, (const unsigned char *)line, strlen(line)), body, bytes);
    int head = snprintf((char *)datagram, BUFFER - bytes, "%s crc=%08" PRIx32 "\n", line, crc);
    memcpy(datagram + head, body, bytes);
    decode(message, datagram, (size_t)head + bytes, 0);
}

static void send_message(const char *line, const void *body, size_t bytes, const struct peer *peer, int tries)
{
    static struct message message;
    static unsigned char datagram[BUFFER];
    double at = now();
    encode(&message, datagram, line, body, bytes);
    size_t all = strlen(line) + 14 + bytes;
    ssize_t sent = connected ? send(udp, datagram, all, 0)
                             : sendto(udp, datagram, all, 0, (const struct sockaddr *)&peer->address, peer->bytes);
    if (sent < 0) {
        unreachable += errno == ECONNREFUSED;
        note_loss("unsent", "\"bytes\": 0", strerror(errno));
        return;
    }
    note("sent", &message, peer, at, tries);
}

/* ---- server ---- */

struct session { char id[LONGEST_VALUE + 1], sha256[65]; long stored; int wrong; };

static struct session sessions[MOST_SESSIONS];

static struct session *find_session(const char *id)
{
    for (int i = 0; i < MOST_SESSIONS; i++)
        if (id[0] && same(sessions[i].id, id)) return &sessions[i];
    return NULL;
}

static int speaks(const char *wanted)
{
    size_t bytes = strlen(wanted);
    for (const char *at = versions; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (bytes && strncmp(at, wanted, bytes) == 0 && (at[bytes] == 0 || at[bytes] == ',')) return 1;
    return 0;
}

static void greet(const struct message *message, const char *id, char *fields, size_t room)
{
    static int next;
    char nonce[17], digest[17];
    struct session *session = find_session(id);
    if (!speaks(message->version) && !misbehaves(id)) {
        printf("refused %s: version %s\n", id, message->version);
        snprintf(fields, room, "REFUSE id=%s reason=version supported=%s", id, versions);
        return;
    }
    if (session == NULL) {
        session = &sessions[next++ % MOST_SESSIONS];
        memset(session, 0, sizeof *session);
        snprintf(session->id, sizeof session->id, "%s", id);
        session->wrong = misbehaves(id);
        session->stored = -1;
    }
    short_hash(nonce, "", 0, "server %s %s %s", seed, name, id);
    short_hash(digest, "", 0, "%s %s", id, nonce);
    if (session->wrong) turn_round(digest);
    printf("welcomed %s with version %s\n", id, message->version);
    snprintf(fields, room, "WELCOME id=%s server=%s digest=%s", id, nonce, digest);
}

static void pong(const struct message *message, const struct session *session, char *fields, size_t room)
{
    char digest[17];
    const char *seq = field(message, "seq"), *nonce = field(message, "nonce");
    short_hash(digest, message->body, message->body_bytes, "%s %s %s", session->id, seq, nonce);
    if (session->wrong) turn_round(digest);
    printf("answered ping %s of %s\n", seq, session->id);
    int used = snprintf(fields, room, "PONG id=%s seq=%s nonce=%s digest=%s", session->id, seq, nonce, digest);
    if (same(message->version, "2") && (size_t)used < room) snprintf(fields + used, room - (size_t)used, " time=%s", field(message, "time"));
}

static int open_received(const struct session *session, int flags)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/received-%s.bin", dir, session->id);
    return open(path, flags, 0666);
}

static void keep(const struct message *message, const struct session *session, char *fields, size_t room)
{
    char *rest;
    long seq = strtol(field(message, "seq"), &rest, 10);
    if (*rest || seq < 0 || seq >= MOST_CHUNKS || message->body_bytes > CHUNK) {
        snprintf(fields, room, "REFUSE id=%s reason=malformed", session->id);
        return;
    }
    if (session->stored < 0) {
        int file = open_received(session, O_WRONLY | O_CREAT);
        if (file < 0 || pwrite(file, message->body, message->body_bytes, seq * CHUNK) != (ssize_t)message->body_bytes)
            fail(UNUSABLE, "unusable", "cannot write below %s: %s", dir, strerror(errno));
        close(file);
    }
    snprintf(fields, room, "ACK id=%s seq=%ld", session->id, seq);
}

static void store(struct session *session, char *fields, size_t room)
{
    char sha256[65];
    if (session->stored < 0) {
        unsigned char block[4096], digest[32];
        struct sha256 hash;
        ssize_t bytes;
        int file = open_received(session, O_RDONLY);
        session->stored = 0;
        sha256_start(&hash);
        while (file >= 0 && (bytes = read(file, block, sizeof block)) > 0) {
            sha256_add(&hash, block, (size_t)bytes);
            session->stored += bytes;
        }
        if (file >= 0) close(file);
        sha256_end(&hash, digest);
        as_hex(digest, 32, session->sha256);
        printf("stored %ld bytes of %s: %s\n", session->stored, session->id, session->sha256);
    }
    strcpy(sha256, session->sha256);
    if (session->wrong) turn_round(sha256);
    snprintf(fields, room, "STORED id=%s size=%ld sha256=%s", session->id, session->stored, sha256);
}

static void answer(const struct message *message, const struct peer *peer)
{
    char fields[512] = "", line[640];
    const char *id = field(message, "id");
    struct session *session = find_session(id);
    if (id[0] == 0 || strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(id)) return;
    if (is(message, "HELLO")) greet(message, id, fields, sizeof fields);
    else if (is(message, "BYE")) {
        printf("%s says goodbye\n", id);
        snprintf(fields, sizeof fields, "BYE id=%s", id);
    } else if (!is(message, "PING") && !is(message, "DATA") && !is(message, "DONE")) return;
    else if (session == NULL) snprintf(fields, sizeof fields, "REFUSE id=%s reason=session", id);
    else if (is(message, "PING")) pong(message, session, fields, sizeof fields);
    else if (is(message, "DATA")) keep(message, session, fields, sizeof fields);
    else store(session, fields, sizeof fields);
    snprintf(line, sizeof line, "MiniP/%s %s", message->version, fields);
    send_message(line, "", 0, peer, 1);
}

static void serve(void)
{
    static struct message message;
    struct peer peer = open_socket(port);
    printf("listening on %s, versions %s\n", readable(&peer), versions);
    while (1)
        if (receive(&message, &peer, 0)) answer(&message, &peer);
}

/* ---- client ---- */

static struct peer server;
static struct message reply;
static char own_id[17];
static int welcome, wrong, pretends;

static double patience(int tries)
{
    double seconds = 0.2;
    while (--tries > 0 && seconds < 1) seconds *= 1.5;
    return seconds < 1 ? seconds : 1;
}

static void judge(int right, const char *what)
{
    printf("%s: %s\n", what, right ? "right" : "WRONG");
    wrong |= !right;
}

static void send_line(const char *type, const char *fields, const void *body, size_t bytes, int tries)
{
    static char line[BUFFER];
    if (welcome && unreachable >= MOST_UNREACHABLE) fail(SILENT, "silent", "the server's port is closed");
    snprintf(line, sizeof line, "MiniP/%s %s id=%s%s", version, type, own_id, fields);
    send_message(line, body, bytes, &server, tries);
}

/* Whether the reply is one of ours of that type and number; a refusal ends the program. */
static int fits(const char *type, const char *seq)
{
    if (!same(field(&reply, "id"), own_id)) return 0;
    if (is(&reply, type) && (seq == NULL || same(field(&reply, "seq"), seq))) return 1;
    if (is(&reply, "REFUSE")) fail(REFUSED, "refused", "the server refused: %s", field(&reply, "reason"));
    return 0;
}

static void pretend(const char *event, const char *type, const char *fields)
{
    static unsigned char datagram[BUFFER];
    char line[640];
    snprintf(line, sizeof line, "MiniP/%s %s id=%s%s", version, type, own_id, fields);
    encode(&reply, datagram, line, "", 0);
    note(event, &reply, &server, now(), 0);
}

/* Send until the answer comes. A pretending client writes down the answer it would like to have had. */
static void ask(const char *type, const char *fields, const void *body, size_t bytes, const char *wanted, const char *seq,
                const char *pretended)
{
    struct peer peer;
    if (pretends) {
        pretend("sent", type, fields);
        pretend("received", wanted, pretended);
        return;
    }
    for (int tries = 1; tries <= TRIES; tries++) {
        send_line(type, fields, body, bytes, tries);
        double until = now() + patience(tries);
        while (receive(&reply, &peer, until))
            if ((same(type, "HELLO") && same(field(&reply, "id"), own_id) && is(&reply, "WELCOME")) || fits(wanted, seq)) return;
    }
    fail(SILENT, "silent", "no answer to %s after %d tries", type, TRIES);
}

static void say_hello(void)
{
    char nonce[17], digest[17], pretended[128], what[128];
    short_hash(nonce, "", 0, "pretended %s", own_id);
    short_hash(digest, "", 0, "%s %s", own_id, nonce);
    snprintf(pretended, sizeof pretended, " server=%s digest=%s", nonce, digest);
    ask("HELLO", "", "", 0, "WELCOME", NULL, pretended);
    welcome = 1;
    short_hash(digest, "", 0, "%s %s", own_id, field(&reply, "server"));
    snprintf(what, sizeof what, "welcomed by %s", field(&reply, "server"));
    judge(same(field(&reply, "digest"), digest), what);
}

static void expect_refusal(void)
{
    char what[160];
    version = "99";
    ask("HELLO", "", "", 0, "REFUSE", NULL, " reason=version supported=1");
    const char *reason = is(&reply, "REFUSE") ? field(&reply, "reason") : reply.type;
    snprintf(what, sizeof what, "answer to version %s: %s", version, reason);
    judge(same(reason, "version"), what);
}

static void ping(int number, size_t bytes)
{
    unsigned char body[LONGEST_MESSAGE];
    char seq[16], nonce[17], digest[17], clock[40] = "", fields[128], pretended[160], what[32];
    snprintf(seq, sizeof seq, "%d", number);
    short_hash(nonce, "", 0, "ping %s %s %s", seed, name, seq);
    stream(body, bytes, nonce);
    short_hash(digest, body, bytes, "%s %s %s", own_id, seq, nonce);
    if (same(version, "2")) snprintf(clock, sizeof clock, " time=%.0f", now() * 1e6);
    snprintf(fields, sizeof fields, " seq=%s nonce=%s%s", seq, nonce, clock);
    snprintf(pretended, sizeof pretended, " seq=%s nonce=%s digest=%s%s", seq, nonce, digest, clock);
    ask("PING", fields, body, bytes, "PONG", seq, pretended);
    snprintf(what, sizeof what, "ping %s", seq);
    judge(same(field(&reply, "nonce"), nonce) && same(field(&reply, "digest"), digest)
              && (!clock[0] || same(field(&reply, "time"), clock + 6)), what);
}

static void pings(void)
{
    for (int number = 1; number <= atoi(count); number++) {
        if (number > 1)
            for (double until = now() + atof(interval); now() < until;) wait_until(until, 0);
        ping(number, (size_t)atol(size));
    }
}

static void idle(void)
{
    printf("silent for %s seconds\n", duration);
    for (double until = now() + atof(duration); now() < until;) wait_until(until, 0);
    ping(1, 0);
}

static void probe(void)
{
    static char fields[BUFFER];
    int bytes = atoi(length);
    memset(fields + sprintf(fields, " seq=0 nonce="), 'A', (size_t)bytes);
    send_line("PING", fields, "", 0, 1);
    printf("sent a nonce of %d characters\n", bytes);
    ping(1, 0);
}

struct chunk { double due; int tries, acknowledged; };

/* Keep a window of chunks on the way; send each again until it is acknowledged. */
static void send_chunks(const unsigned char *content, size_t bytes, struct chunk *chunks, size_t all)
{
    size_t first = 0, next = 0, waiting = 0;
    struct peer peer;
    char fields[40];
    while (first < all) {
        double soonest = now() + 1;
        for (; next < all && waiting < WINDOW; next++) waiting++;
        for (size_t i = first; i < next; i++) {
            struct chunk *chunk = &chunks[i];
            if (chunk->acknowledged) continue;
            if (chunk->due <= now()) {
                if (chunk->tries == TRIES) fail(SILENT, "silent", "chunk %zu was never acknowledged", i);
                snprintf(fields, sizeof fields, " seq=%zu", i);
                send_line("DATA", fields, content + i * CHUNK, bytes - i * CHUNK < CHUNK ? bytes - i * CHUNK : CHUNK, ++chunk->tries);
                chunk->due = now() + patience(chunk->tries);
            }
            if (chunk->due < soonest) soonest = chunk->due;
        }
        if (receive(&reply, &peer, soonest) && fits("ACK", NULL)) {
            size_t seq = (size_t)atol(field(&reply, "seq"));
            if (seq < next && !chunks[seq].acknowledged) chunks[seq].acknowledged = 1, waiting--;
        }
        while (first < next && chunks[first].acknowledged) first++;
    }
}

static void transfer(void)
{
    char label[128], path[4096], sha256[65], fields[40], pretended[128], what[64];
    size_t bytes = (size_t)atol(size), all = (bytes + CHUNK - 1) / CHUNK;
    unsigned char *content = malloc(bytes + 1);
    struct chunk *chunks = calloc(all + 1, sizeof *chunks);
    FILE *file;
    snprintf(label, sizeof label, "file %s", seed);
    snprintf(path, sizeof path, "%s/sent.bin", dir);
    if (content == NULL || chunks == NULL || (file = fopen(path, "wb")) == NULL)
        fail(UNUSABLE, "unusable", "cannot write %s: %s", path, strerror(errno));
    stream(content, bytes, label);
    fwrite(content, 1, bytes, file);
    fclose(file);
    if (!pretends) send_chunks(content, bytes, chunks, all);
    long_hash(sha256, content, bytes);
    snprintf(fields, sizeof fields, " size=%zu", bytes);
    snprintf(pretended, sizeof pretended, " size=%zu sha256=%s", bytes, sha256);
    ask("DONE", fields, "", 0, "STORED", NULL, pretended);
    snprintf(what, sizeof what, "transfer of %zu bytes", bytes);
    judge((size_t)atol(field(&reply, "size")) == bytes && same(field(&reply, "sha256"), sha256), what);
    free(content);
    free(chunks);
}

static void play(void)
{
    open_socket("0");
    server = resolved(server_address, port);
    if (connect(udp, (struct sockaddr *)&server.address, server.bytes) != 0)
        fail(UNUSABLE, "unusable", "cannot reach %s: %s", readable(&server), strerror(errno));
    connected = 1;
    short_hash(own_id, "", 0, "client %s %s", seed, name);
    pretends = misbehaves(own_id);
    if (same(scenario, "refuse")) expect_refusal();
    else {
        say_hello();
        if (same(scenario, "ping")) pings();
        else if (same(scenario, "transfer")) transfer();
        else if (same(scenario, "idle")) idle();
        else if (same(scenario, "probe")) probe();
        ask("BYE", "", "", 0, "BYE", NULL, "");
    }
    end(wrong ? WRONG : DONE, wrong ? "wrong" : "done");
}

/* ---- start ---- */

static void usage(const char *why, const char *what)
{
    fprintf(stderr, "ping-pong: %s: %s\nusage: ping-pong server|client [--flag value]...\nflags:", why, what);
    for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++) fprintf(stderr, " %s", FLAGS[i].flag);
    fputc('\n', stderr);
    exit(USAGE);
}

static int among(const char *what, const char *const *all)
{
    for (; *all != NULL; all++)
        if (same(*all, what)) return 1;
    return 0;
}

static void read_arguments(int argc, char **argv)
{
    static const char *const VARIANTS[] = {"functional", "random", "fail", "flaky", "vulnerable", NULL};
    static const char *const SCENARIOS[] = {"ping", "transfer", "greet", "refuse", "idle", "probe", NULL};
    role = argc > 1 ? argv[1] : "";
    if (!same(role, "server") && !same(role, "client")) usage("unknown role", role);
    for (int i = 2; i < argc; i += 2) {
        size_t at = 0, all = sizeof FLAGS / sizeof *FLAGS;
        while (at < all && !same(FLAGS[at].flag, argv[i])) at++;
        if (at == all) usage("unknown flag", argv[i]);
        if (i + 1 == argc) usage("no value for", argv[i]);
        *FLAGS[at].value = argv[i + 1];
    }
    if (!among(variant, VARIANTS)) usage("unknown variant", variant);
    if (!among(scenario, SCENARIOS)) usage("unknown scenario", scenario);
    if (atol(size) < 0 || atol(size) > (same(scenario, "transfer") ? (long)CHUNK * MOST_CHUNKS : 1200)) usage("bad size", size);
    if (atol(length) < 0 || atol(length) > 60000) usage("bad length", length);
}

/* A program that is started again goes on behind what it wrote before. */
static void open_transcript(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/transcript.jsonl", dir);
    if ((transcript = fopen(path, "a+")) == NULL) {
        fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
        exit(UNUSABLE);
    }
    if (fseek(transcript, -1, SEEK_END) == 0 && fgetc(transcript) != '\n') fputc('\n', transcript);
    fprintf(transcript, "{\"t\": %.6f, \"event\": \"start\", \"role\": \"%s\", \"program\": \"ping-pong-c\", "
            "\"versions\": \"%s\", \"seed\": \"%s\"}\n", zero + now(), role, same(role, "server") ? versions : version, seed);
    fflush(transcript);
}

int main(int argc, char **argv)
{
    struct timespec wall;
    struct sigaction action = {.sa_handler = on_signal};
    read_arguments(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    clock_gettime(CLOCK_REALTIME, &wall);
    zero = (double)wall.tv_sec + (double)wall.tv_nsec / 1e9 - now();
    open_transcript();
    if (pipe(wake) != 0) fail(UNUSABLE, "unusable", "no pipe: %s", strerror(errno));
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (same(role, "server")) serve();
    play();
    return DONE;
}
