/* SPDX-License-Identifier: UNLICENSED */
#ifndef POD_H
#define POD_H

/*
 * A pod of a running ml-sandbox, a database, and the feeds between them.
 *
 * Sandbox and PostgreSQL are started once by main; every test has a pod and a
 * database of its own.
 */
#include "ml/feed.h"
#include "ml/http.h"
#include "ml/jsonx.h"
#include "ml/stat.h"

#include <libpq-fe.h>

#include "unit.h"

enum {
    POD_COUNT = 145, /* made when first asked */
    POD_CUSTOMERS = 60,
    POD_INVOICES = 120,
    POD_RECEIPTS = 60
};

bool pods_start(void); /* false with a line on stderr */
void pods_stop(void);
void pods_database(bool up); /* stops it, starts it again */

struct pod_spec {
    size_t index;
    int version;        /* 0: 4 */
    unsigned page;      /* 0: 500 */
    const char *secret; /* NULL: the right one */
    const char *const *units;
    int64_t since_us; /* where the tenant begins */
};
struct pod {
    size_t index;
    struct loop *loop;
    struct http *http;
    struct pg *pg;
    struct store *store;
    struct fusion *fusion;
    struct mapping *map;
    struct feeds *feeds;
    struct pod_spec spec;
    struct feeds_config config; /* changed: pod_again() */
    PGconn *db;
    int64_t tenant;
    /* told */
    unsigned idle, stored, halted;
    bool wait_stored;
    enum err halted_err;
    struct fault halted_fault;
    /* last control answer */
    json_t *answer;
    int status;
};
void pod_open(struct pod *p, const struct pod_spec *spec);
void pod_close(struct pod *p);
/* feeds_poll_once to its end. */
void pod_round(struct pod *p);
/* The same, and no feed failed. */
void pod_round_ok(struct pod *p);
/* POST (or GET) /control/fusion/<index>/<path>; valid until the next call. */
const json_t *pod_post(struct pod *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
const json_t *pod_get(struct pod *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
const json_t *pod_delete(struct pod *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A rule of the sandbox's faults, in force until pod_mend(). */
void pod_fault(struct pod *p, const char *rule);
void pod_mend(struct pod *p);
/* The feeds as a new process has them: p->config, and what was learned. */
void pod_again(struct pod *p);
/* The pod's feeds poll by their timers, every so often. */
void pod_start(struct pod *p, int64_t interval_ms);
/* Turns the loop until something new was stored. */
void pod_stored(struct pod *p);
/* A number of the pod's counts. */
int64_t pod_count(struct pod *p, const char *name);
/* First column of the first row as a number. */
int64_t pod_sql(struct pod *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
