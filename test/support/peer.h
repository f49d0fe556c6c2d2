/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_PEER_H
#define ML_PEER_H

/*
 * A small scripted HTTP peer for tests: raw sockets on 127.0.0.1, a thread per
 * connection, TLS if wanted. The script is one function, called for each
 * request that was read completely; it runs on the connection's thread.
 */
#include <stdbool.h>
#include <stddef.h>

struct peer;
struct peer_conn;

struct peer_request {
    unsigned number;  /* of all requests of this peer, from 1 */
    unsigned of_conn; /* of this connection, from 1 */
    const char *head; /* request line and headers, NUL-terminated */
    const char *body; /* NUL-terminated */
    size_t body_len;
};

/* False ends the connection. */
typedef bool peer_fn(struct peer_conn *c, const struct peer_request *r,
                     void *arg);

/* What the certificate of a TLS peer says. */
struct peer_cert {
    const char *san; /* "DNS:localhost,IP:127.0.0.1" */
    long from_s;     /* validity, seconds from now */
    long until_s;
};

/* cert NULL: plain. ca_path, 64 bytes, gets the file of the CA made for it. */
struct peer *peer_start(peer_fn *fn, void *arg, const struct peer_cert *cert,
                        char ca_path[64]);
void peer_stop(struct peer *p); /* ends all connections, joins all threads */
unsigned peer_port(const struct peer *p);
unsigned peer_requests(struct peer *p);    /* read completely so far */
unsigned peer_connections(struct peer *p); /* accepted so far */
unsigned peer_ended(struct peer *p);       /* connections that are over */

bool peer_write(struct peer_conn *c, const char *p, size_t n);
bool peer_text(struct peer_conn *c, const char *s);
/* A whole answer with Content-Length. */
bool peer_answer(struct peer_conn *c, int status, const char *headers,
                 const char *body);
bool peer_hold(struct peer_conn *c);  /* until the other side or stop ends it */
bool peer_reset(struct peer_conn *c); /* RST instead of FIN */

#endif
