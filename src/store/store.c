/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: the operation that every call becomes, and its life.
 *
 *     new --send--> at pg --answer--> retired, then told
 *                     +----cancel---> retired, silent
 *
 * The store owns its operations (list `ops`); a caller's pointer is borrowed
 * and dead once done runs. One operation is one transaction, the migration
 * alone takes several. Calls that change a tenant travel in that tenant's lane,
 * so that within a process they neither overtake nor deadlock each other.
 *
 * Not here: SQL (sql/, migrations/), and what rows mean (the other files).
 */
#include "store_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LEASE_CODE "MLT01" /* raised by lease_check() of the schema */

static struct store_op *
op_from(void *arg)
{
    struct store_op *op = arg;

    ML_ASSERT(op != NULL && op->magic == STORE_OP_MAGIC);
    return op;
}

/* ---- calls -------------------------------------------------------------- */

void
store_call_init(struct store_call *c, int64_t tenant)
{
    memset(c, 0, sizeof(*c));
    arena_init(&c->a);
    c->lane = tenant > 0 ? (uint64_t)tenant : 0;
}

const char *
store_call_int(struct store_call *c, int64_t v)
{
    return arena_printf(&c->a, "%" PRId64, v);
}

size_t
store_call_add(struct store_call *c, enum store_sql_id id,
               const char *const *values)
{
    const struct store_sql *sql = &store_sql[id];
    const char **copy = arena_array(&c->a, sql->params + 1, sizeof(*copy));

    ML_ASSERT(c->count < STORE_STEPS_MAX);
    for (unsigned i = 0; i < sql->params; i++) {
        copy[i] = values[i];
    }
    c->steps[c->count] = (struct pg_statement){
        .name = sql->name,
        .sql = sql->sql,
        .shape = sql->shape,
        .params = sql->params,
        .values = copy,
    };
    return c->count++;
}

/* ---- operations --------------------------------------------------------- */

struct store_op *
store_op_new(struct store *s, store_finish_fn *finish, void *arg)
{
    struct store_op *op = MEM_NEW(struct store_op);

    ML_ASSERT(s->magic == STORE_MAGIC);
    op->magic = STORE_OP_MAGIC;
    op->s = s;
    op->finish = finish;
    op->arg = arg;
    list_init(&op->link);
    list_push(&s->ops, &op->link);
    return op;
}

void
store_op_free(struct store_op *op)
{
    if (op == NULL) {
        return;
    }
    list_remove(&op->link);
    pg_cancel(op->pg);
    store_migration_free(op->migration);
    mem_free(op->text);
    op->magic = 0;
    mem_free(op);
}

enum err
store_reply_err(enum err err, const struct pg_reply *r, struct fault *f)
{
    fault_clear(f);
    if (err == ERR_OK) {
        return ERR_OK;
    }
    if (r != NULL) {
        *f = r->fault;
    }
    if (f->err == ERR_OK) {
        (void)fault_set(f, err, "%s", err_text(err));
    }
    if (strcmp(f->code, "MLP01") == 0) {
        err = fault_set(f, ERR_CONFLICT,
                        "this plan is over: another of the same tenant was "
                        "begun meanwhile, or the database was started anew; "
                        "plan again");
    } else if (err == ERR_DB_STATEMENT) {
        if (strcmp(f->code, "42P01") == 0 || strcmp(f->code, "3F000") == 0 ||
            strcmp(f->code, "42703") == 0) {
            err = ERR_SCHEMA_OLD;
        } else if (strncmp(f->code, "40", 2) == 0 ||
                   strcmp(f->code, "55P03") == 0) {
            err = ERR_DB_TIMEOUT; /* deadlock or lock not free: again */
        } else if (strcmp(f->code, LEASE_CODE) == 0) {
            err = ERR_LEASE_LOST;
        }
        f->err = err;
    }
    return err;
}

static void
on_reply(void *arg, enum err err, const struct pg_reply *r)
{
    struct store_op *op = op_from(arg);
    struct store_op told = *op;
    struct fault f;

    op->pg = NULL;
    op->text = NULL;
    op->migration = NULL;
    store_op_free(op);
    err = store_reply_err(err, r, &f);
    told.finish(&told, err, err == ERR_OK ? r : NULL, &f);
    mem_free(told.text);
}

enum err
store_op_send(struct store_op *op, struct store_call *c, struct store_op **out)
{
    enum err err = op->s->plan != NULL ? store_plan_call(op, c) : ERR_OK;
    if (err == ERR_OK) {
        err = pg_send(op->s->pg, c->steps, c->count, 0, c->lane, on_reply, op,
                      &op->pg);
    }
    arena_fini(&c->a);
    if (err != ERR_OK) {
        op->pg = NULL;
        store_op_free(op);
        op = NULL;
    }
    if (out != NULL) {
        *out = op;
    }
    return err;
}

void
store_finish_none(struct store_op *op, enum err err, const struct pg_reply *r,
                  const struct fault *f)
{
    (void)r;
    op->done.none(op->arg, err, f);
}

void
store_finish_json(struct store_op *op, enum err err, const struct pg_reply *r,
                  const struct fault *f)
{
    const char *json = err == ERR_OK ? pg_text(r, op->at, 0, "json") : NULL;

    op->done.json(op->arg, err, json, f);
}

/* ---- fences ------------------------------------------------------------- */

enum { TENANT_KEY_MAX = 24 };

static const char *
tenant_key(int64_t tenant, char out[TENANT_KEY_MAX])
{
    (void)snprintf(out, TENANT_KEY_MAX, "%" PRId64, tenant);
    return out;
}

static void
fence_free(struct store_fence *fence)
{
    if (fence != NULL) {
        mem_free(fence->portal);
    }
    mem_free(fence);
}

void
store_fence(struct store *s, int64_t tenant, const char *portal, int64_t term)
{
    char key[TENANT_KEY_MAX];

    fence_free(map_del(&s->fences, tenant_key(tenant, key)));
    if (portal != NULL) {
        struct store_fence *fence = MEM_NEW(struct store_fence);

        fence->portal = mem_strdup(portal);
        fence->term = term;
        (void)map_put(&s->fences, key, fence);
    }
}

void
store_call_fence(struct store_call *c, struct store *s, int64_t tenant)
{
    char key[TENANT_KEY_MAX];
    const struct store_fence *fence =
        map_get(&s->fences, tenant_key(tenant, key));

    if (fence != NULL) {
        size_t at =
            store_call_add(c, SQL_LEASE_CHECK,
                           (const char *const[]){
                               fence->portal, store_call_int(c, fence->term)});

        c->steps[at].aside = true;
    }
}

/* ---- the store ---------------------------------------------------------- */

struct store *
store_new(struct loop *l, struct pg *p)
{
    struct store *s = MEM_NEW(struct store);

    s->magic = STORE_MAGIC;
    s->loop = l;
    s->pg = p;
    list_init(&s->ops);
    list_init(&s->plans);
    map_init(&s->terms);
    map_init(&s->fences);
    return s;
}

void
store_cancel(struct store_op *op)
{
    if (op != NULL) {
        store_op_free(op_from(op));
    }
}

bool
store_is_up(const struct store *s)
{
    return pg_is_up(s->pg);
}

const char *
store_cause(const struct store *s)
{
    return pg_cause(pg_fault(s->pg));
}

const char *
store_fault_cause(const struct fault *f)
{
    return pg_cause(f);
}

void
store_free(struct store *s)
{
    const char *key;
    void *value;
    size_t it = 0;

    if (s == NULL) {
        return;
    }
    while (!list_empty(&s->ops)) {
        struct list *first = list_first(&s->ops);

        store_op_free(CONTAINER_OF(first, struct store_op, link));
    }
    while (map_next(&s->terms, &it, &key, &value)) {
        mem_free(value);
    }
    map_fini(&s->terms);
    it = 0;
    while (map_next(&s->fences, &it, &key, &value)) {
        fence_free(value);
    }
    map_fini(&s->fences);
    ML_ASSERT(list_empty(&s->plans));
    loop_timer_stop(&s->plans_wait);
    loop_call_cancel(&s->plans_gone);
    store_plan_free(s->plan);
    s->magic = 0;
    mem_free(s);
}
