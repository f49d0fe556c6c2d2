/* SPDX-License-Identifier: UNLICENSED */
/*
 * One tenant for a command, under its portal's lease. No process sends to a
 * portal without it: the session takes it, keeps it, has the errand done, and
 * gives it back with what the budget still has out.
 */
#include "cli_priv.h"

#include <inttypes.h>
#include <string.h>

/* ---- loading ------------------------------------------------------------ */

static void
on_rows(void *arg, enum err err, const struct store_tenant *rows, size_t n,
        const struct fault *f)
{
    struct session *s = arg;

    if (err == ERR_OK && n == 1) {
        tenant_row_copy(&s->arena, &rows[0], &s->row);
    }
    app_on_done(&s->cli->app, err == ERR_OK && n == 0 ? ERR_NOT_FOUND : err, f);
}

static enum err
read_settings(struct session *s, struct fault *f)
{
    return tenant_settings_read(&s->arena, s->row.settings, NULL, &s->settings,
                                f);
}

enum err
session_open(struct session *s, struct cli *c, const char *name,
             struct fault *f)
{
    struct app *a = &c->app;
    struct store_op *op;
    enum err err;

    memset(s, 0, sizeof(*s));
    s->cli = c;
    arena_init(&s->arena);
    err = app_wait(a, store_tenants(a->store, name, on_rows, s, &op));
    if (err == ERR_NOT_FOUND && !cli_tenant_exists(c, name)) {
        *f = a->fault;
        return f->err;
    }
    if (err != ERR_OK) {
        *f = a->fault;
        return err;
    }
    return read_settings(s, f);
}

enum err
session_open_row(struct session *s, struct cli *c,
                 const struct store_tenant *row, struct fault *f)
{
    memset(s, 0, sizeof(*s));
    s->cli = c;
    s->unstored = true;
    arena_init(&s->arena);
    tenant_row_copy(&s->arena, row, &s->row);
    return read_settings(s, f);
}

/* ---- an errand, done here ----------------------------------------------- */

struct doing {
    struct session *s;
    json_t *answer;
};

static void
on_errand(void *arg, json_t *answer)
{
    struct doing *d = arg;

    d->s->errand = NULL;
    d->answer = json_incref(answer);
    app_on_done(&d->s->cli->app, ERR_OK, NULL);
}

static void
on_line(void *arg, const json_t *line)
{
    struct doing *d = arg;

    d->s->line(d->s->cli, line);
}

static void
on_signal(void *arg, int signum)
{
    struct session *s = arg;
    struct fault f;

    fault_clear(&f);
    (void)fault_set(&f, ERR_CLOSED, "stopped by signal %d", signum);
    app_on_done(&s->cli->app, ERR_CLOSED, &f);
}

/* Until the errand is done, or this session can do it no longer. */
static enum err
await(struct session *s)
{
    struct app *a = &s->cli->app;
    enum err err;

    if (!s->stoppable) {
        return app_wait(a, ERR_OK);
    }
    loop_on_signal(a->loop, on_signal, s);
    err = app_wait(a, ERR_OK);
    loop_on_signal(a->loop, NULL, NULL);
    return err;
}

enum err
session_errand(struct session *s, const char *command, const json_t *arguments,
               const struct fault *unasked, json_t **answer, struct fault *f)
{
    struct app *a = &s->cli->app;
    struct doing d = {.s = s};
    struct errand_events events = {
        .line = s->line != NULL ? on_line : NULL, .done = on_errand, .arg = &d};
    struct errand_place place = {.loop = a->loop,
                                 .http = a->http,
                                 .store = a->store,
                                 .vault = a->vault,
                                 .conf = &a->conf,
                                 .worker = a->worker,
                                 .row = &s->row,
                                 .dispatch = s->dispatch,
                                 .unasked = unasked};
    enum err err =
        errand_start(&place, command, arguments, &events, &s->errand, f);

    *answer = NULL;
    if (err != ERR_OK) {
        return err;
    }
    err = await(s);
    if (err != ERR_OK) { /* the lease was lost, or a signal came */
        errand_cancel(s->errand);
        s->errand = NULL;
        *f = a->fault;
        return err;
    }
    *answer = d.answer;
    return ERR_OK;
}

/* Of a lease's milliseconds, as microseconds: not the last fifth. */
enum { SURE = 800 };

/* ---- the lease ---------------------------------------------------------- */

struct taking {
    struct session *s;
    struct store_lease lease;
};

static void
on_lease(void *arg, enum err err, const struct store_lease *lease,
         const struct fault *f)
{
    struct taking *t = arg;

    if (err == ERR_OK) {
        t->lease = *lease;
        t->lease.holder = arena_strdup(&t->s->arena, lease->holder);
    }
    app_on_done(&t->s->cli->app, err, f);
}

static void on_renew(void *arg);

/* Nothing more is sent: whoever waits for an errand does so no longer. */
static void
lost(void *arg)
{
    struct session *s = arg;
    struct fault f;

    if (s->errand == NULL) {
        return;
    }
    fault_clear(&f);
    (void)fault_set(&f, ERR_LEASE_LOST,
                    "the portal's lease was lost meanwhile (the database was "
                    "away for too long): try again");
    app_on_done(&s->cli->app, ERR_LEASE_LOST, &f);
}

static void
on_renewed(void *arg, enum err err, const struct store_lease *lease,
           const struct fault *f)
{
    struct session *s = arg;
    int64_t ttl_ms = s->cli->app.conf.lease_ttl;

    (void)f; /* it is asked for again until it has run out */
    s->renew_op = NULL;
    if (err == ERR_OK && lease->held && lease->term == s->term) {
        s->until_us = s->asked_us + lease->ttl_ms * SURE;
        dispatch_lease(s->dispatch, lease->term, s->until_us, 0, 0);
    }
    if (clock_mono_us() >= s->until_us ||
        (err == ERR_OK && (!lease->held || lease->term != s->term))) {
        lost(s);
        return;
    }
    loop_timer_start(s->cli->app.loop, &s->renew, ttl_ms / 3, on_renew, s);
}

static void
on_renew(void *arg)
{
    struct session *s = arg;
    struct app *a = &s->cli->app;

    struct store_lessee who = tenant_lessee(&a->conf, a->worker);

    s->asked_us = clock_mono_us();
    if (store_lease_take(a->store, s->portal, &who, on_renewed, s,
                         &s->renew_op) != ERR_OK) {
        s->renew_op = NULL;
        loop_timer_start(a->loop, &s->renew, 1000, on_renew, s);
    }
}

static enum err
take(struct session *s, const char *portal, struct fault *f)
{
    struct app *a = &s->cli->app;
    struct taking t = {.s = s};
    struct store_lessee who = tenant_lessee(&a->conf, a->worker);
    struct dispatch_events events = {.lease_lost = lost, .arg = s};
    struct dispatch_config config;
    struct store_op *op;
    int64_t asked_us = clock_mono_us();
    enum err err;

    err = app_wait(a,
                   store_lease_take(a->store, portal, &who, on_lease, &t, &op));
    if (err != ERR_OK) {
        *f = a->fault;
        return err;
    }
    if (!t.lease.held) {
        return fault_set(f, ERR_LEASE_LOST, "%s holds the portal of %s",
                         t.lease.holder != NULL ? t.lease.holder : "a worker",
                         s->row.name);
    }
    s->portal = mem_strdup(portal);
    s->term = t.lease.term;
    config =
        tenant_dispatch_config(&a->conf, &s->settings, s->portal, a->worker);
    s->dispatch = dispatch_new(a->loop, a->store, &config, &events);
    s->until_us = asked_us + t.lease.ttl_ms * SURE;
    dispatch_lease(s->dispatch, s->term, s->until_us, t.lease.hold,
                   t.lease.hold_ms);
    loop_timer_start(a->loop, &s->renew, a->conf.lease_ttl / 3, on_renew, s);
    return ERR_OK;
}

static void
on_drained(void *arg)
{
    app_on_done(arg, ERR_OK, NULL);
}

/* What was spent of the day is stored first. */
static void
give_back(struct session *s)
{
    struct app *a = &s->cli->app;
    struct store_op *op;
    int64_t back_ms = 0;
    unsigned out;

    if (s->dispatch == NULL) {
        return;
    }
    store_cancel(s->renew_op);
    s->renew_op = NULL;
    loop_timer_stop(&s->renew);
    dispatch_drain(s->dispatch, on_drained, a);
    if (app_wait(a, ERR_OK) != ERR_OK) {
        (void)cli_fail_wait(s->cli);
    }
    out = dispatch_tokens_out(s->dispatch, &back_ms);
    dispatch_free(s->dispatch);
    s->dispatch = NULL;
    if (app_wait(a, store_lease_release(a->store, s->portal, a->worker, s->term,
                                        out, back_ms, app_on_done, a, &op)) !=
        ERR_OK) {
        (void)cli_fail_wait(s->cli); /* it ends by itself soon */
    }
    mem_free(s->portal);
    s->portal = NULL;
}

/* Until the portal is known, the tenant stands alone and asks which it is. */
static enum err
identify(struct session *s, struct fault *f)
{
    struct app *a = &s->cli->app;
    const char *alone = arena_printf(&s->arena, "tenant:%" PRId64, s->row.id);
    json_t *answer = NULL;
    struct store_op *op;
    enum err err = take(s, alone, f);

    if (err == ERR_OK) {
        err = session_errand(s, "identify", NULL, NULL, &answer, f);
    }
    if (err == ERR_OK) {
        err = cli_answer_error(answer, f);
    }
    if (err == ERR_OK) {
        s->row.portal = arena_strdup(&s->arena, jsonx_text(answer, "portal"));
        give_back(s);
    }
    json_decref(answer);
    if (err != ERR_OK || s->unstored) {
        return err;
    }
    err = app_wait(a, store_tenant_learn(a->store, s->row.id, s->row.portal,
                                         NULL, app_on_done, a, &op));
    if (err != ERR_OK) {
        *f = a->fault;
    }
    return err;
}

enum err
session_lease(struct session *s, struct fault *f)
{
    if (s->row.portal == NULL) {
        enum err err = identify(s, f);

        if (err != ERR_OK) {
            return err;
        }
    }
    return take(s, s->row.portal, f);
}

void
session_close(struct session *s)
{
    give_back(s);
    arena_fini(&s->arena);
}
