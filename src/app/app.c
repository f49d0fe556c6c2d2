/* SPDX-License-Identifier: UNLICENSED */
/*
 * Opening in order, closing in reverse: loop, http, pg, store, vault.
 */
#include "ml/app.h"

#include "ml/log.h"
#include "ml/stat.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COMMAND_WAIT_MS = 5000 }; /* a command's patience with the database */

int
app_status(enum err err)
{
    static const enum err unable[] = {
        ERR_CONFIG,     ERR_FILE,       ERR_KEY_UNKNOWN,  ERR_KEY_WRONG,
        ERR_DB_AWAY,    ERR_DB_REFUSED, ERR_DB_TIMEOUT,   ERR_SCHEMA_OLD,
        ERR_SCHEMA_NEW, ERR_DB_SHAPE,   ERR_DB_STATEMENT,
    };

    if (err == ERR_OK || err == ERR_USAGE) {
        return err == ERR_OK ? APP_DONE : APP_USAGE;
    }
    for (size_t i = 0; i < COUNT_OF(unable); i++) {
        if (unable[i] == err) {
            return APP_UNABLE;
        }
    }
    return APP_FAILED;
}

static enum log_level
log_level(const char *name)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return (enum log_level)i;
        }
    }
    return LOG_LEVEL_INFO;
}

static enum err
check_log(const struct conf *c, struct fault *f)
{
    if (strcmp(c->log_level, "info") != 0 &&
        log_level(c->log_level) == LOG_LEVEL_INFO) {
        return fault_set(f, ERR_CONFIG,
                         "ML_LOG_LEVEL: \"%s\" is not one of error, warn, "
                         "info, debug",
                         c->log_level);
    }
    if (c->log_format != NULL && strcmp(c->log_format, "json") != 0 &&
        strcmp(c->log_format, "text") != 0) {
        return fault_set(f, ERR_CONFIG,
                         "ML_LOG_FORMAT: \"%s\" is not json or text",
                         c->log_format);
    }
    return ERR_OK;
}

static void
open_log(struct app *a, bool worker)
{
    const struct conf *c = &a->conf;
    bool json = c->log_format != NULL ? strcmp(c->log_format, "json") == 0 :
                                        isatty(STDERR_FILENO) == 0;
    enum log_level level = log_level(c->log_level);
    char host[64] = "worker";

    (void)gethostname(host, sizeof(host) - 1);
    if (c->worker_id != NULL) {
        (void)snprintf(a->worker, sizeof(a->worker), "%s", c->worker_id);
    } else {
        (void)snprintf(a->worker, sizeof(a->worker), "%s-%ld", host,
                       (long)getpid());
    }
    if (!worker && strcmp(c->log_level, "info") == 0) {
        level = LOG_LEVEL_ERROR;
    }
    log_open(level, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, STDERR_FILENO,
             a->worker);
}

static enum err
open_vault(struct app *a, struct fault *f)
{
    enum err err;

    if (a->conf.master_key == NULL) {
        return fault_set(f, ERR_CONFIG,
                         "no master key: set ML_MASTER_KEY_FILE to a file with "
                         "a line `keyid:base64 of 32 bytes`, for instance made "
                         "by: printf 'k1:%%s\\n' \"$(head -c 32 /dev/urandom | "
                         "base64)\"");
    }
    err = vault_new(a->conf.master_key, &a->vault, f);
    if (err != ERR_OK) {
        struct fault inner = *f;

        (void)fault_set(f, err, "ML_MASTER_KEY or its file: %s",
                        inner.message);
    }
    return err;
}

static enum err
open_http(struct app *a, struct fault *f)
{
    struct http_config config = {.ca_file = a->conf.ca_file,
                                 .proxy = a->conf.proxy};

    return http_open(a->loop, &config, &a->http, f);
}

static enum err
open_database(struct app *a, bool worker, bool writes, struct fault *f)
{
    struct pg_config config = {
        .conninfo = a->conf.database_url,
        .connections = (unsigned)a->conf.database_connections,
        .statement_timeout_ms = a->conf.database_timeout,
        .application_name = a->worker,
        .connect_timeout_ms = worker ? 0 : COMMAND_WAIT_MS,
        .wait_ms = worker ? 0 : COMMAND_WAIT_MS,
        .writable = worker || writes,
    };
    enum err err;

    if (a->conf.database_url == NULL) {
        return fault_set(f, ERR_CONFIG,
                         "no database: set ML_DATABASE_URL, for instance "
                         "postgresql://user@host:5432/name");
    }
    err = pg_open(a->loop, &config, &a->pg, f);
    if (err == ERR_OK) {
        a->store = store_new(a->loop, a->pg);
    }
    return err;
}

static enum err
check_schema(struct app *a, struct fault *f)
{
    struct store_op *op;
    enum err err = app_wait(a, store_check(a->store, app_on_done, a, &op));

    if (err != ERR_OK) {
        *f = a->fault;
    }
    return err;
}

enum err
app_open(struct app *a, unsigned needs, struct fault *f)
{
    enum err err = check_log(&a->conf, f);

    if (err != ERR_OK) {
        return err;
    }
    open_log(a, (needs & APP_WORKER) != 0);
    a->loop = loop_new();
    if ((needs & APP_VAULT) != 0) {
        err = open_vault(a, f);
    }
    if (err == ERR_OK && (needs & APP_HTTP) != 0) {
        err = open_http(a, f);
    }
    if (err == ERR_OK && (needs & (APP_DATABASE | APP_SCHEMA)) != 0) {
        err = open_database(a, (needs & APP_WORKER) != 0,
                            (needs & APP_WRITES) != 0, f);
    }
    if (err == ERR_OK && (needs & APP_SCHEMA) != 0) {
        err = check_schema(a, f);
    }
    if (err != ERR_OK) {
        app_close(a);
    }
    return err;
}

static void
on_closed(void *arg)
{
    loop_stop(arg);
}

void
app_close(struct app *a)
{
    if (a->loop == NULL) {
        return;
    }
    if (a->store != NULL) {
        store_plans_end(a->store, 0, on_closed, a->loop);
        loop_run(a->loop);
    }
    if (a->http != NULL) {
        http_close(a->http, on_closed, a->loop);
        loop_run(a->loop);
    }
    store_free(a->store);
    if (a->pg != NULL) {
        pg_close(a->pg, on_closed, a->loop);
        loop_run(a->loop);
    }
    vault_free(a->vault);
    ML_ASSERT(loop_free(a->loop) == ERR_OK);
    mem_free(a->json);
    stat_reset();
    a->loop = NULL;
    a->http = NULL;
    a->pg = NULL;
    a->store = NULL;
    a->vault = NULL;
    a->json = NULL;
}

/* ---- waiting for one call ----------------------------------------------- */

static void
answered(struct app *a, enum err err, const struct fault *f)
{
    a->answered = true;
    a->err = err;
    fault_clear(&a->fault);
    if (f != NULL) {
        a->fault = *f;
    }
    loop_stop(a->loop);
}

void
app_on_done(void *arg, enum err err, const struct fault *f)
{
    answered(arg, err, f);
}

void
app_on_json(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct app *a = arg;

    mem_free(a->json);
    a->json = mem_strdup(json);
    answered(a, err, f);
}

enum err
app_wait(struct app *a, enum err start)
{
    a->answered = false;
    if (start != ERR_OK) {
        fault_clear(&a->fault);
        return fault_set(&a->fault, start, "%s", err_text(start));
    }
    while (!a->answered) {
        loop_run(a->loop);
    }
    return a->err;
}
