/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_SANDBOX_H
#define ML_SANDBOX_H

/*
 * ml-sandbox: a Fusion pod and a HubSpot on loopback.
 *
 *   main.c     options, start, the ready line, SIGTERM
 *   server.c   HTTP and HTTPS by libmicrohttpd; delays, the one lock
 *   faults.c   scripted faults
 *   reqlog.c   the request log
 *   record.c   the recording, to be played back
 *   control.c  the control API: /control/...
 *   tls.c      its own CA and server certificate
 *   data.c     the deterministic world: customers, invoices, receipts
 *   fusion*.c  the Fusion simulator answers from the world
 *   hubspot*.c the HubSpot simulator: portals and their objects
 *
 * One thread at a time is inside a simulator: the server holds one lock around
 * every handler call, so simulators need none of their own.
 */
#include "ml/base.h"

#include <jansson.h>

enum sim_server { SIM_FUSION, SIM_HUBSPOT, SIM_CONTROL };

/* One parsed request. Everything is borrowed until the handler returns. */
struct sim_request {
    enum sim_server server;
    const char *method;
    const char *path; /* percent-decoded, without the query */
    const char *body; /* NUL-terminated, "" when none */
    size_t body_len;
    int64_t now_us; /* wall clock when it was complete */
    int64_t now_mono_us;
    const char *http_version; /* "HTTP/1.1" */
    void *inner;              /* the server's */
};
/* The decoded value of a query parameter; NULL when absent. */
const char *sim_query(const struct sim_request *r, const char *name);
/* Every value of a repeated parameter; NULL when absent. New reference. */
json_t *sim_query_all(const struct sim_request *r, const char *name);
/* A header, any case; NULL when absent. */
const char *sim_header(const struct sim_request *r, const char *name);
/* Every query parameter (decoded), every header, in order; value may be
 * NULL. */
typedef void sim_each_fn(void *arg, const char *name, const char *value);
void sim_query_each(const struct sim_request *r, sim_each_fn *fn, void *arg);
void sim_header_each(const struct sim_request *r, sim_each_fn *fn, void *arg);

enum sim_abort {
    SIM_ANSWER,   /* send the reply */
    SIM_RESET,    /* close the connection without a byte */
    SIM_TRUNCATE, /* send half of the body, then close */
    SIM_SLOW_BODY /* send the body a few bytes at a time */
};

/* What the handler answers. The server frees it. */
struct sim_reply {
    int status;
    struct buf body;          /* initialised by the server, 64 MiB */
    const char *content_type; /* static; NULL: JSON in UTF-8; "": none */
    json_t *headers;          /* object of strings, or NULL; taken */
    int64_t delay_ms;         /* before the first byte is sent */
    enum sim_abort abort;
    const char *operation; /* for the log: "invoices.batch_upsert",
                                  "receivablesInvoices.get"; interned */
    size_t inputs;         /* rows or batch inputs, for the log */
    bool refused;          /* a 4xx or 5xx of the simulator's own making */
    const char *scope;     /* HubSpot's portal id, Fusion's tenant */
    unsigned idle_s; /* close the connection, unannounced, once it was idle
                        for so long; 0: keep it */
};
void sim_reply_header(struct sim_reply *p, const char *name, const char *value);
void sim_reply_json(struct sim_reply *p, int status, json_t *body); /* takes */
/* A Cloudflare page in place of whatever the body was. */
void sim_reply_html(struct sim_reply *p, int status);

typedef void sim_handler_fn(void *sim, const struct sim_request *r,
                            struct sim_reply *p);

/* ---- options ------------------------------------------------------------ */

struct sim_options {
    uint64_t seed;
    size_t customers, invoices, receipts;
    size_t portals; /* number of tenants: one pod and one portal each */
    bool tls;
    const char *fusion_addr, *hubspot_addr, *control_addr; /* "127.0.0.1:0" */
    const char *tls_cert; /* "good" "expired" "wrong-host" "other-ca" */
    const char *record;   /* file, or NULL */
};

/* ---- the world: what Fusion holds, one per tenant (data.c) -------------- */

struct world;
struct fusion_sim;
struct hubspot_sim;

/* `index` 0.. picks the tenant: same seed and index give the same world. */
struct world *world_new(const struct sim_options *o, size_t index);
void world_free(struct world *w);
/* Counts and controls: see fusion_sim_control(). */

/* Worlds are owned by the simulator. tenants[i] answers to the OAuth client
 * "client-<i>" (secret "secret-<i>-...", scope with its instance id). */
struct fusion_sim *fusion_sim_new(const struct sim_options *o);
void fusion_sim_free(struct fusion_sim *s);
void fusion_sim_handle(void *sim, const struct sim_request *r,
                       struct sim_reply *p);
/* Everything below /control/fusion/...: change data, switches, read state.
 * `rest` is the path after it. */
void fusion_sim_control(struct fusion_sim *s, const char *rest,
                        const struct sim_request *r, struct sim_reply *p);
/* What the ready line says of tenant i: {client_id, client_secret, scope,
 * token_path, user...}. Gives a new reference. */
json_t *fusion_sim_tenant(struct fusion_sim *s, size_t i);

struct hubspot_sim *hubspot_sim_new(const struct sim_options *o);
void hubspot_sim_free(struct hubspot_sim *s);
void hubspot_sim_handle(void *sim, const struct sim_request *r,
                        struct sim_reply *p);
void hubspot_sim_control(struct hubspot_sim *s, const char *rest,
                         const struct sim_request *r, struct sim_reply *p);
/* {portal_id, token, limit...} */
json_t *hubspot_sim_tenant(struct hubspot_sim *s, size_t i);

/* A request of another app on a portal's token: counted, never worked on. */
typedef void sim_foreign_fn(void *arg, const char *scope, int64_t mono_us,
                            int64_t wall_us, bool refused);
void hubspot_sim_on_foreign(struct hubspot_sim *s, sim_foreign_fn *fn,
                            void *arg);
/* Other apps' requests up to now; they are made up when somebody looks. */
void hubspot_sim_advance(struct hubspot_sim *s);

/* What a request is, known before the handler ran: for faults and the log.
 * Both static, interned or owned by the simulator; NULL when unknown. */
struct sim_ident {
    const char *operation;
    const char *scope;
};
typedef void sim_ident_fn(void *sim, const struct sim_request *r,
                          struct sim_ident *out);
void hubspot_sim_ident(void *sim, const struct sim_request *r,
                       struct sim_ident *out);

/* The network between a client and the server: how long the request takes to
 * arrive, how long the answer takes, and after how long without an answer
 * whoever stands in between gives up (0: never). Asked once, when the request
 * is complete. */
struct sim_way {
    int64_t there_us, back_us, cutoff_us;
};
typedef void sim_way_fn(void *sim, const struct sim_request *r,
                        struct sim_way *out);
void hubspot_sim_way(void *sim, const struct sim_request *r,
                     struct sim_way *out);

/* ---- the server (server.c) ---------------------------------------------- */

struct sim_http;
struct sim_faults;
struct sim_log;
struct sim_record;

struct sim_http_spec {
    enum sim_server kind;
    const char *addr;    /* "127.0.0.1:0", "[::1]:8080" */
    const char *pem_dir; /* NULL: plain HTTP; else server.pem, server.key */
    sim_handler_fn *handler;
    sim_ident_fn *ident; /* NULL: the handler's reply tells */
    sim_way_fn *way;     /* NULL: no time at all */
    void *sim;
    struct sim_faults *faults; /* NULL: none; borrowed, shared */
    struct sim_log *log;       /* NULL: not logged; borrowed, shared */
    struct sim_record *record; /* NULL: not recorded; borrowed, shared */
};
/* Binds and serves in the background; *port gives what was bound. NULL on
 * failure, with a line on stderr. */
struct sim_http *sim_http_start(const struct sim_http_spec *spec, int *port);
void sim_http_stop(struct sim_http *h);
/* Takes and gives back the one lock that handlers run under. */
void sim_hold(void);
void sim_release(void);
const char *sim_server_name(enum sim_server kind); /* "fusion"; static */

/* ---- faults (faults.c) -------------------------------------------------- */

struct sim_faults *sim_faults_new(void);
void sim_faults_free(struct sim_faults *f);
/* Asks the rules. `p` is NULL before the handler ran. True: the reply in
 * `out` (initialised, status 0) takes the place of the handler's. Delays are
 * added to *delay_ms either way. */
struct sim_fault_ask {
    const struct sim_request *r;
    struct sim_ident ident;
    bool after;
};
bool sim_faults_apply(struct sim_faults *f, const struct sim_fault_ask *ask,
                      struct sim_reply *out, int64_t *delay_ms);
/* /control/faults[/ID] */
void sim_faults_control(struct sim_faults *f, const char *rest,
                        const struct sim_request *r, struct sim_reply *p);

/* ---- the request log (reqlog.c) ----------------------------------------- */

struct sim_log *sim_log_new(void);
void sim_log_free(struct sim_log *l);
void sim_log_add(struct sim_log *l, const struct sim_request *r,
                 const struct sim_reply *p, bool faulted);
sim_foreign_fn sim_log_foreign; /* arg: the log */
/* /control/log[/requests] */
void sim_log_control(struct sim_log *l, const char *rest,
                     const struct sim_request *r, struct sim_reply *p);

/* ---- the recording (record.c) ------------------------------------------- */

/* NULL with a line on stderr. */
struct sim_record *sim_record_open(const char *path);
void sim_record_close(struct sim_record *rec);
/* `p` is only asked for its status. */
void sim_record_add(struct sim_record *rec, const struct sim_request *r,
                    const struct sim_reply *p);

/* ---- certificates (tls.c) ----------------------------------------------- */

/* Writes ca.pem, server.pem and server.key into `dir`. False with a line on
 * stderr. `kind` as in sim_options.tls_cert. */
bool sim_tls_make(const char *dir, const char *kind);

/* ---- control (control.c) ------------------------------------------------ */

struct sim_control {
    struct sim_faults *faults;
    struct sim_log *log;
    struct fusion_sim *fusion;
    struct hubspot_sim *hubspot;
    json_t *ready; /* the ready line; owned */
};
void sim_control_handle(void *sim, const struct sim_request *r,
                        struct sim_reply *p);
/* For every control handler: the body as JSON, an empty one as {}. NULL and a
 * 400 in `p` when it is none. New reference. */
json_t *sim_control_body(const struct sim_request *r, struct sim_reply *p);
/* {"error": text} */
void sim_control_error(struct sim_reply *p, int status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
