/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_APP_H
#define ML_APP_H

/*
 * app: opens everything in order, closes it in reverse. Commands are written
 * as if they waited: app_wait() runs the loop until the one call under way is
 * answered.
 */
#include "ml/base.h"
#include "ml/conf.h"
#include "ml/http.h"
#include "ml/loop.h"
#include "ml/pg.h"
#include "ml/store.h"
#include "ml/vault.h"

/* Exit status of every command. */
enum { APP_DONE = 0, APP_FAILED = 1, APP_USAGE = 2, APP_UNABLE = 3 };

enum app_needs {
    APP_DATABASE = 1, /* connects; does not look at the schema */
    APP_SCHEMA = 2,   /* and the schema fits */
    APP_VAULT = 4,    /* master key */
    APP_HTTP = 8,
    APP_WORKER = 16, /* patient with the database, and says what it does; else
                        one answer within seconds, and only errors on stderr */
    APP_WRITES = 32  /* of several hosts the one that takes writes */
};

struct app {
    struct conf conf; /* loaded before app_open() */
    char worker[128];
    struct loop *loop;
    struct pg *pg;
    struct store *store;
    struct vault *vault;
    struct http *http;
    /* the answer app_wait() waits for */
    bool answered;
    enum err err;
    struct fault fault;
    char *json; /* owned; NULL unless the call gives a document */
};

/* Opens what is needed; on failure closes again and f says what, where and what
 * to do. */
MUST_USE enum err app_open(struct app *a, unsigned needs, struct fault *f);
void app_close(struct app *a); /* runs the loop until all is closed; complains
                                  on stderr and aborts in debug when not */
/* 2 for USAGE, 3 for what cannot work as configured, 1 otherwise, 0 for OK. */
int app_status(enum err err);

/* done functions for store calls, with the app as arg. */
void app_on_done(void *arg, enum err err, const struct fault *f);
void app_on_json(void *arg, enum err err, const char *json,
                 const struct fault *f);
/* Runs the loop until one of them was called. `start` is what the call
 * returned. Gives its error; a->fault and a->json are set. */
MUST_USE enum err app_wait(struct app *a, enum err start);

/* The worker: `run` and `run --once`. Gives the exit status. `report` is told
 * each line of what is left after --once (stdout is the caller's). */
typedef void app_report_fn(void *arg, const char *line);
int app_run(struct app *a, bool once, app_report_fn *report, void *arg);

#endif
