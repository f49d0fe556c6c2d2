/* SPDX-License-Identifier: UNLICENSED */
/*
 * One tenant's clients for a command. No process sends to a portal without its
 * lease: the session takes it, keeps it, and gives it back with what the budget
 * still has out.
 */
#include "cli_priv.h"

#include <inttypes.h>
#include <string.h>

/* ---- loading ------------------------------------------------------------ */

static void
keep_row(struct session *s, const struct store_tenant *row)
{
    struct arena *a = &s->arena;

    s->row = *row;
    s->row.name = arena_strdup(a, row->name);
    s->row.state = arena_strdup(a, row->state);
    s->row.reason = arena_strdup(a, row->reason);
    s->row.portal = arena_strdup(a, row->portal);
    s->row.settings = arena_strdup(a, row->settings);
    s->row.sealed = arena_strdup(a, row->sealed);
    s->row.learned = arena_strdup(a, row->learned);
}

static void
on_rows(void *arg, enum err err, const struct store_tenant *rows, size_t n,
        const struct fault *f)
{
    struct session *s = arg;

    if (err == ERR_OK && n == 1) {
        keep_row(s, &rows[0]);
    }
    app_on_done(&s->cli->app, err == ERR_OK && n == 0 ? ERR_NOT_FOUND : err, f);
}

static enum err
open_clients(struct session *s, struct fault *f)
{
    struct app *a = &s->cli->app;
    enum err err =
        tenant_settings_read(&s->arena, s->row.settings, NULL, &s->settings, f);

    if (err == ERR_OK) {
        err = tenant_hubspot(a->loop, a->http, a->vault, &a->conf, &s->row,
                             &s->hubspot, f);
    }
    if (err == ERR_OK) {
        err = tenant_fusion(a->loop, a->http, a->vault, &a->conf, &s->row,
                            &s->fusion, f);
    }
    return err;
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
    if (err == ERR_NOT_FOUND) {
        return fault_set(f, ERR_USAGE,
                         "there is no tenant named %s; see `ml-connector "
                         "tenant list`",
                         name);
    }
    if (err != ERR_OK) {
        *f = a->fault;
        return err;
    }
    return open_clients(s, f);
}

enum err
session_open_row(struct session *s, struct cli *c,
                 const struct store_tenant *row, struct fault *f)
{
    memset(s, 0, sizeof(*s));
    s->cli = c;
    s->unstored = true;
    arena_init(&s->arena);
    keep_row(s, row);
    return open_clients(s, f);
}

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

static void
on_renewed(void *arg, enum err err, const struct store_lease *lease,
           const struct fault *f)
{
    struct session *s = arg;
    int64_t ttl_ms = s->cli->app.conf.lease_ttl;

    (void)f;
    s->renew_op = NULL;
    if (err == ERR_OK && lease->held) {
        dispatch_lease(s->dispatch, lease->term,
                       clock_mono_us() + lease->ttl_ms * 800, 0, 0);
    }
    loop_timer_start(s->cli->app.loop, &s->renew, ttl_ms / 3, on_renew, s);
}

static void
on_renew(void *arg)
{
    struct session *s = arg;
    struct app *a = &s->cli->app;

    if (store_lease_take(a->store, s->portal, a->worker, a->conf.lease_ttl,
                         on_renewed, s, &s->renew_op) != ERR_OK) {
        s->renew_op = NULL;
    }
}

static enum err
take(struct session *s, const char *portal, struct fault *f)
{
    struct app *a = &s->cli->app;
    struct taking t = {.s = s};
    struct dispatch_events events = {.arg = s};
    struct dispatch_config config;
    struct store_op *op;
    int64_t asked_us = clock_mono_us();
    enum err err;

    err = app_wait(a, store_lease_take(a->store, portal, a->worker,
                                       a->conf.lease_ttl, on_lease, &t, &op));
    if (err != ERR_OK) {
        *f = a->fault;
        return err;
    }
    if (!t.lease.held) {
        return fault_set(f, ERR_LEASE_LOST,
                         "%s holds this tenant's portal, and only one process "
                         "at a time sends to it: nothing was asked of HubSpot; "
                         "`status` and `audit` tell how that worker fares",
                         t.lease.holder != NULL ? t.lease.holder : "?");
    }
    s->portal = mem_strdup(portal);
    s->term = t.lease.term;
    config =
        tenant_dispatch_config(&a->conf, &s->settings, s->portal, a->worker);
    s->dispatch = dispatch_new(a->loop, a->store, &config, &events);
    dispatch_lease(s->dispatch, s->term, asked_us + t.lease.ttl_ms * 800,
                   t.lease.hold, t.lease.hold_ms);
    dispatch_add(s->dispatch, s->row.id, s->row.name, s->hubspot,
                 s->settings.hubspot_api_version, true);
    loop_timer_start(a->loop, &s->renew, a->conf.lease_ttl / 3, on_renew, s);
    return ERR_OK;
}

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
    static const struct hubspot_call details = {.operation = "account.details",
                                                .method = "GET",
                                                .path =
                                                    "/account-info/v3/details"};
    struct app *a = &s->cli->app;
    const char *alone = arena_printf(&s->arena, "tenant:%" PRId64, s->row.id);
    struct hubspot_meta meta;
    struct store_op *op;
    const json_t *id;
    enum err err = take(s, alone, f);

    if (err != ERR_OK) {
        return err;
    }
    err = session_call(s, &details, &meta, &s->details);
    id = json_object_get(s->details, "portalId");
    if (err == ERR_OK && !json_is_integer(id) && !json_is_string(id)) {
        err = fault_set(&meta.fault, ERR_PROMISE,
                        "HubSpot's account details name no portalId");
    }
    if (err != ERR_OK) {
        *f = meta.fault;
        return err;
    }
    s->row.portal = json_is_string(id) ?
                        arena_strdup(&s->arena, json_string_value(id)) :
                        arena_printf(&s->arena, "%" JSON_INTEGER_FORMAT,
                                     json_integer_value(id));
    give_back(s);
    if (s->unstored) {
        return ERR_OK;
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
    hubspot_free(s->hubspot);
    fusion_free(s->fusion);
    json_decref(s->details);
    arena_fini(&s->arena);
}

/* ---- calls under the budget --------------------------------------------- */

struct calling {
    struct session *s;
    struct hubspot_meta meta;
    json_t *body;
};

static void
on_call(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct calling *c = arg;

    c->meta = *m;
    c->body = json_incref((json_t *)(uintptr_t)body);
    app_on_done(&c->s->cli->app, m->fault.err, &m->fault);
}

enum err
session_call(struct session *s, const struct hubspot_call *call,
             struct hubspot_meta *meta, json_t **body)
{
    struct calling c = {.s = s};
    enum err err = app_wait(
        &s->cli->app, dispatch_call(s->dispatch, s->row.id, call, on_call, &c));

    *meta = c.meta;
    meta->fault = s->cli->app.fault;
    *body = c.body;
    return err;
}

struct provisioning {
    struct session *s;
    json_t *lines;
    char *text;
};

static void
on_provisioned(void *arg, enum err err,
               const struct hubspot_provision_report *r, const struct fault *f)
{
    struct provisioning *p = arg;

    if (r != NULL) {
        p->lines = json_incref((json_t *)(uintptr_t)r->lines);
        p->text = mem_strdup(r->text);
    }
    app_on_done(&p->s->cli->app, err, f);
}

enum err
session_provision(struct session *s, bool dry_run, json_t **lines, char **text,
                  struct fault *f)
{
    struct provisioning p = {.s = s};
    enum err err =
        app_wait(&s->cli->app, dispatch_provision(s->dispatch, s->row.id,
                                                  dry_run, on_provisioned, &p));

    *f = s->cli->app.fault;
    *lines = p.lines;
    *text = p.text;
    return err;
}
