/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: tenants and their sealed secrets. A removed tenant keeps its history
 * but not its name: names are looked up among those that are not removed.
 */
#include "store_priv.h"

static void
finish_tenants(struct store_op *op, enum err err, const struct pg_reply *r,
               const struct fault *f)
{
    struct store_tenant *rows;
    size_t n;

    if (err != ERR_OK) {
        op->done.tenants(op->arg, err, NULL, 0, f);
        return;
    }
    n = pg_rows(r, 0);
    rows = mem_array(n, sizeof(*rows));
    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct store_tenant){
            .id = pg_int(r, 0, i, "id"),
            .name = pg_text(r, 0, i, "name"),
            .state = pg_text(r, 0, i, "state"),
            .reason = pg_text(r, 0, i, "reason"),
            .portal = pg_text(r, 0, i, "portal"),
            .settings = pg_text(r, 0, i, "settings"),
            .sealed = pg_text(r, 0, i, "sealed"),
            .learned = pg_text(r, 0, i, "learned"),
            .revision = pg_int(r, 0, i, "revision"),
            .asked = pg_bool(r, 0, i, "asked"),
            .let = pg_bool(r, 0, i, "let"),
            .unfinished = pg_bool(r, 0, i, "unfinished"),
        };
    }
    op->done.tenants(op->arg, ERR_OK, rows, n, f);
    mem_free(rows);
}

enum err
store_tenants(struct store *s, const char *name, store_tenants_fn *done,
              void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_tenants, arg);
    struct store_call c;

    o->done.tenants = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_TENANTS, (const char *const[]){name});
    return store_op_send(o, &c, op);
}

enum err
store_tenants_mark(struct store *s, store_json_fn *done, void *arg,
                   struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_TENANTS_MARK, NULL);
    return store_op_send(o, &c, op);
}

static void
finish_add(struct store_op *op, enum err err, const struct pg_reply *r,
           const struct fault *f)
{
    struct fault taken;

    fault_clear(&taken);
    if (err == ERR_OK && pg_rows(r, 0) == 0) {
        err = fault_set(&taken, ERR_EXISTS, "there is a tenant of this name");
        f = &taken;
    }
    op->done.none(op->arg, err, f);
}

enum err
store_tenant_add(struct store *s, const char *name, const char *settings,
                 const char *sealed, const char *actor, store_done_fn *done,
                 void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_add, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_TENANT_ADD,
                         (const char *const[]){name, settings, sealed, actor});
    return store_op_send(o, &c, op);
}

static void
tell_found(struct store_op *op, enum err err, bool found, const struct fault *f)
{
    struct fault none;

    fault_clear(&none);
    if (err == ERR_OK && !found) {
        err = fault_set(&none, ERR_NOT_FOUND, "there is no such tenant");
        f = &none;
    }
    op->done.none(op->arg, err, f);
}

static void
finish_set(struct store_op *op, enum err err, const struct pg_reply *r,
           const struct fault *f)
{
    tell_found(op, err, err == ERR_OK && pg_rows(r, 0) == 1, f);
}

enum err
store_tenant_set(struct store *s, const char *name, const char *settings,
                 const char *sealed, const char *actor, store_done_fn *done,
                 void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_set, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_TENANT_SET,
                         (const char *const[]){name, settings, sealed, actor});
    return store_op_send(o, &c, op);
}

static void
finish_state(struct store_op *op, enum err err, const struct pg_reply *r,
             const struct fault *f)
{
    tell_found(op, err, err == ERR_OK && pg_bool(r, 0, 0, "found"), f);
}

enum err
store_tenant_state(struct store *s, const char *name, const char *from,
                   const char *to, const char *reason, const char *actor,
                   store_done_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_state, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_TENANT_STATE,
                         (const char *const[]){name, from, to, reason, actor});
    return store_op_send(o, &c, op);
}

enum err
store_tenant_learn(struct store *s, int64_t tenant, const char *portal,
                   const char *learned, store_done_fn *done, void *arg,
                   struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_none, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, tenant);
    store_call_fence(&c, s, tenant);
    (void)store_call_add(
        &c, SQL_TENANT_LEARN,
        (const char *const[]){store_call_int(&c, tenant), portal, learned});
    return store_op_send(o, &c, op);
}

enum err
store_secrets(struct store *s, store_json_fn *done, void *arg,
              struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_SECRETS, NULL);
    return store_op_send(o, &c, op);
}

enum err
store_secrets_replace(struct store *s, const char *changes, store_json_fn *done,
                      void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_SECRETS_REPLACE,
                         (const char *const[]){changes});
    return store_op_send(o, &c, op);
}
