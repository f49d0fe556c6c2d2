/* SPDX-License-Identifier: UNLICENSED */
/*
 * Listener and connections of the scripted peer. All counters are under one
 * lock; a connection's descriptor stays open until its thread was joined, so
 * that stop can shut it down without hitting another's number.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

enum { CONNS_MAX = 1024, HEAD_MAX = 65536, BODY_MAX = 8 * 1024 * 1024 };

struct peer_conn {
    struct peer *peer;
    int fd;
    SSL *ssl;
    pthread_t thread;
    char *in; /* HEAD_MAX + BODY_MAX would be much per connection: grows */
    size_t in_len;
    size_t in_cap;
};

struct peer {
    peer_fn *fn;
    void *arg;
    int fd;
    unsigned port;
    SSL_CTX *tls;
    char ca_path[64];
    pthread_t thread;
    pthread_mutex_t lock;
    bool stopping;
    unsigned requests;
    unsigned ended;
    unsigned count;
    struct peer_conn *conns[CONNS_MAX];
};

static void
must(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        abort();
    }
}

/* ---- certificates ------------------------------------------------------- */

static EVP_PKEY *
key_new(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    must(key != NULL, "key");
    return key;
}

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(ext != NULL, "extension");
    (void)X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static X509 *
cert_new(const char *name, long serial, EVP_PKEY *key, X509 *issuer,
         EVP_PKEY *issuer_key, const struct peer_cert *c)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_NAME_new();

    must(cert != NULL && subject != NULL, "certificate");
    (void)X509_set_version(cert, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), c->from_s);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), c->until_s);
    (void)X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                     (const unsigned char *)name, -1, -1, 0);
    (void)X509_set_subject_name(cert, subject);
    (void)X509_set_issuer_name(
        cert, issuer != NULL ? X509_get_subject_name(issuer) : subject);
    X509_NAME_free(subject);
    (void)X509_set_pubkey(cert, key);
    if (issuer == NULL) {
        extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
        extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        extend(cert, issuer, NID_subject_alt_name, c->san);
    }
    must(X509_sign(cert, issuer_key, EVP_sha256()) > 0, "signature");
    return cert;
}

static SSL_CTX *
tls_new(const struct peer_cert *want, char ca_path[64])
{
    static const struct peer_cert forever = {"", -86400, 86400};
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *ca_key = key_new();
    EVP_PKEY *key = key_new();
    X509 *ca = cert_new("Test CA", 1, ca_key, NULL, ca_key, &forever);
    X509 *cert = cert_new("test peer", 2, key, ca, ca_key, want);
    FILE *file;
    int fd;

    (void)snprintf(ca_path, 64, "/tmp/ml-peer-ca-XXXXXX");
    fd = mkstemp(ca_path);
    must(fd >= 0, "ca file");
    file = fdopen(fd, "w");
    must(file != NULL && PEM_write_X509(file, ca) == 1 && fclose(file) == 0,
         "ca file");
    must(SSL_CTX_use_certificate(tls, cert) == 1 &&
             SSL_CTX_use_PrivateKey(tls, key) == 1,
         "tls");
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    return tls;
}

/* ---- bytes -------------------------------------------------------------- */

static int
conn_read(struct peer_conn *c, char *to, size_t room)
{
    if (c->ssl != NULL) {
        return SSL_read(c->ssl, to, (int)room);
    }
    return (int)recv(c->fd, to, room, 0);
}

bool
peer_write(struct peer_conn *c, const char *p, size_t n)
{
    while (n > 0) {
        int did = c->ssl != NULL ? SSL_write(c->ssl, p, (int)n) :
                                   (int)send(c->fd, p, n, MSG_NOSIGNAL);

        if (did <= 0) {
            return false;
        }
        p += did;
        n -= (size_t)did;
    }
    return true;
}

bool
peer_text(struct peer_conn *c, const char *s)
{
    return peer_write(c, s, strlen(s));
}

bool
peer_answer(struct peer_conn *c, int status, const char *headers,
            const char *body)
{
    char head[2048];

    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\n%s\r\n", status,
                   strlen(body), headers);
    return peer_text(c, head) && peer_text(c, body);
}

bool
peer_hold(struct peer_conn *c)
{
    char byte[256];

    while (conn_read(c, byte, sizeof(byte)) > 0) {
    }
    return false;
}

bool
peer_reset(struct peer_conn *c)
{
    struct linger now = {1, 0};

    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    return false;
}

/* ---- requests ----------------------------------------------------------- */

/* More bytes behind what is there; false at the end. */
static bool
fill(struct peer_conn *c)
{
    int got;

    if (c->in_cap - c->in_len < 65536) {
        c->in_cap += 131072;
        c->in = realloc(c->in, c->in_cap);
        must(c->in != NULL && c->in_cap < HEAD_MAX + BODY_MAX, "memory");
    }
    got = conn_read(c, c->in + c->in_len, c->in_cap - c->in_len - 1);
    if (got <= 0) {
        return false;
    }
    c->in_len += (size_t)got;
    c->in[c->in_len] = '\0';
    return true;
}

static size_t
body_length(const char *head)
{
    const char *at;

    for (at = head; at != NULL; at = strstr(at + 1, "\r\n")) {
        if (strncasecmp(at, "\r\ncontent-length:", 17) == 0) {
            return (size_t)strtoul(at + 17, NULL, 10);
        }
    }
    return 0;
}

/* One request; true when the connection goes on. */
static bool
serve_one(struct peer_conn *c, unsigned of_conn)
{
    struct peer *p = c->peer;
    struct peer_request r = {.of_conn = of_conn};
    char *end;
    char *head;
    char *body;
    size_t head_len;
    bool more;

    while (c->in_len == 0 || (end = strstr(c->in, "\r\n\r\n")) == NULL) {
        if (!fill(c)) {
            return false;
        }
    }
    head_len = (size_t)(end - c->in) + 4;
    head = strndup(c->in, head_len);
    r.body_len = body_length(head);
    while (c->in_len < head_len + r.body_len) {
        if (!fill(c)) {
            free(head);
            return false;
        }
    }
    body = malloc(r.body_len + 1);
    must(body != NULL, "memory");
    memcpy(body, c->in + head_len, r.body_len);
    body[r.body_len] = '\0';
    c->in_len -= head_len + r.body_len;
    memmove(c->in, c->in + head_len + r.body_len, c->in_len + 1);
    r.head = head;
    r.body = body;
    (void)pthread_mutex_lock(&p->lock);
    r.number = ++p->requests;
    (void)pthread_mutex_unlock(&p->lock);
    more = p->fn(c, &r, p->arg);
    free(head);
    free(body);
    return more;
}

static void *
on_conn(void *arg)
{
    struct peer_conn *c = arg;
    struct peer *p = c->peer;
    unsigned n = 1;
    bool fine = true;

    if (p->tls != NULL) {
        c->ssl = SSL_new(p->tls);
        (void)SSL_set_fd(c->ssl, c->fd);
        fine = SSL_accept(c->ssl) == 1;
    }
    while (fine && serve_one(c, n)) {
        n++;
    }
    if (c->ssl != NULL) {
        if (fine) {
            (void)SSL_shutdown(c->ssl);
        }
        SSL_free(c->ssl);
    }
    free(c->in);
    (void)pthread_mutex_lock(&p->lock);
    (void)close(c->fd);
    c->fd = -1;
    p->ended++;
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void *
on_listen(void *arg)
{
    struct peer *p = arg;
    int fd;

    while ((fd = accept(p->fd, NULL, NULL)) >= 0) {
        struct peer_conn *c = calloc(1, sizeof(*c));

        must(c != NULL, "memory");
        c->peer = p;
        c->fd = fd;
        (void)pthread_mutex_lock(&p->lock);
        must(p->count < CONNS_MAX, "connections");
        if (p->stopping) {
            (void)close(fd);
            free(c);
        } else {
            must(pthread_create(&c->thread, NULL, on_conn, c) == 0, "thread");
            p->conns[p->count++] = c;
        }
        (void)pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

/* ---- life --------------------------------------------------------------- */

struct peer *
peer_start(peer_fn *fn, void *arg, const struct peer_cert *cert,
           char ca_path[64])
{
    struct peer *p = calloc(1, sizeof(*p));
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);

    must(p != NULL, "memory");
    p->fn = fn;
    p->arg = arg;
    if (cert != NULL) {
        p->tls = tls_new(cert, p->ca_path);
        memcpy(ca_path, p->ca_path, sizeof(p->ca_path));
    }
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    must(p->fd >= 0 && bind(p->fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
             listen(p->fd, 512) == 0 &&
             getsockname(p->fd, (struct sockaddr *)&at, &len) == 0,
         "listen");
    p->port = ntohs(at.sin_port);
    must(pthread_mutex_init(&p->lock, NULL) == 0, "lock");
    must(pthread_create(&p->thread, NULL, on_listen, p) == 0, "thread");
    return p;
}

void
peer_stop(struct peer *p)
{
    unsigned i;

    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)shutdown(p->fd, SHUT_RDWR);
    for (i = 0; i < p->count; i++) {
        if (p->conns[i]->fd >= 0) {
            (void)shutdown(p->conns[i]->fd, SHUT_RDWR);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    for (i = 0; i < p->count; i++) {
        (void)pthread_join(p->conns[i]->thread, NULL);
        free(p->conns[i]);
    }
    (void)close(p->fd);
    if (p->tls != NULL) {
        SSL_CTX_free(p->tls);
        (void)unlink(p->ca_path);
    }
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

unsigned
peer_port(const struct peer *p)
{
    return p->port;
}

static unsigned
read_counter(struct peer *p, const unsigned *counter)
{
    unsigned n;

    (void)pthread_mutex_lock(&p->lock);
    n = *counter;
    (void)pthread_mutex_unlock(&p->lock);
    return n;
}

unsigned
peer_requests(struct peer *p)
{
    return read_counter(p, &p->requests);
}

unsigned
peer_connections(struct peer *p)
{
    return read_counter(p, &p->count);
}

unsigned
peer_ended(struct peer *p)
{
    return read_counter(p, &p->ended);
}
