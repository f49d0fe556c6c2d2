/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: a plan. The same calls and the same statements as ever, in one
 * transaction on a connection of its own that is never committed, on copies of
 * the tenant's rows in tables of that transaction (plan_begin): what comes out
 * is what would come out. After the copies were made the transaction is read
 * only, so the server itself sees to it that nothing else is written.
 *
 *     open --copies made--> begun --calls of feeds--> ... --close--> rolled back
 *
 * Two things differ in a statement: the tables it names, and its clock: now()
 * stands still in a transaction. Links are never written by feeds: they are
 * read where they are.
 */
#include "store_priv.h"

#include <string.h>

struct store_plan {
    struct map texts; /* name of a statement -> its text, changed */
    store_done_fn *begun;
    void *arg;
    loop_fn *closed;
    void *closed_arg;
};

/* ---- statements --------------------------------------------------------- */

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* What stands for the words at `at`, and how many of them; NULL: they stay. */
static const char *
other_words(const char *sql, const char *at, size_t *n)
{
    static const char schema[] = "ml_connector.";
    static const char clock[] = "now()";
    static const char *const tables[] = {
        "tenant", "feed", "cursor",        "pass",   "poll",  "account",
        "record", "job",  "contact_email", "minute", "noted", "audit_event"};

    if (at > sql && (is_word(at[-1]) || at[-1] == '.')) {
        return NULL;
    }
    if (strncmp(at, clock, sizeof(clock) - 1) == 0) {
        *n = sizeof(clock) - 1;
        return "statement_timestamp()";
    }
    if (strncmp(at, schema, sizeof(schema) - 1) != 0) {
        return NULL;
    }
    *n = sizeof(schema) - 1;
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        size_t len = strlen(tables[i]);

        if (strncmp(at + *n, tables[i], len) == 0 && !is_word(at[*n + len])) {
            return "pg_temp.";
        }
    }
    return NULL;
}

static char *
plan_text(const char *sql)
{
    struct buf b;
    size_t n = 0;
    char *text;

    buf_init(&b, 1 << 20);
    for (const char *at = sql; *at != '\0';) {
        const char *other = other_words(sql, at, &n);

        if (other != NULL) {
            buf_adds(&b, other);
            at += n;
        } else {
            buf_addc(&b, *at++);
        }
    }
    text = buf_take(&b, NULL);
    buf_fini(&b);
    return text;
}

const char *
store_plan_sql(struct store *s, const char *sql)
{
    struct map *texts = &s->plan->texts;
    char *text;

    for (size_t i = 0; i < SQL_COUNT; i++) {
        if (store_sql[i].sql != sql) {
            continue;
        }
        text = map_get(texts, store_sql[i].name);
        if (text == NULL) {
            text = plan_text(sql);
            (void)map_put(texts, store_sql[i].name, text);
        }
        return text;
    }
    ML_ASSERT(false); /* all statements are in the table */
    return NULL;
}

/* ---- life --------------------------------------------------------------- */

void
store_plan_free(struct store_plan *p)
{
    const char *key;
    void *value;
    size_t it = 0;

    if (p == NULL) {
        return;
    }
    while (map_next(&p->texts, &it, &key, &value)) {
        mem_free(value);
    }
    map_fini(&p->texts);
    mem_free(p);
}

enum err
store_plan_open(struct loop *l, const struct store_plan_spec *c,
                store_done_fn *begun, void *arg, struct store **out,
                struct fault *f)
{
    struct pg_config config = {
        .conninfo = c->conninfo,
        .connections = 1,
        .statement_timeout_ms = c->timeout_ms,
        .application_name = c->application_name,
        .block = true,
    };
    struct pg *pg = NULL;
    struct store_op *o;
    struct store_call call;
    enum err err = pg_open(l, &config, &pg, f);

    *out = NULL;
    if (err != ERR_OK) {
        return err;
    }
    *out = store_new(l, pg);
    (*out)->plan = MEM_NEW(struct store_plan);
    map_init(&(*out)->plan->texts);
    o = store_op_new(*out, store_finish_none, arg);
    o->done.none = begun;
    store_call_init(&call, c->tenant);
    (void)store_call_add(&call, SQL_PLAN_OPEN, NULL);
    (void)store_call_add(
        &call, SQL_PLAN_BEGIN,
        (const char *const[]){store_call_int(&call, c->tenant),
                              store_call_int(&call, c->idle_ms)});
    err = store_op_send(o, &call, NULL);
    ML_ASSERT(err == ERR_OK); /* the queue is empty and open */
    return ERR_OK;
}

static void
on_closed(void *arg)
{
    struct store *s = arg;
    loop_fn *closed = s->plan->closed;
    void *closed_arg = s->plan->closed_arg;

    store_free(s);
    closed(closed_arg);
}

void
store_plan_close(struct store *s, loop_fn *closed, void *arg)
{
    ML_ASSERT(s->plan != NULL);
    while (!list_empty(&s->ops)) {
        store_op_free(CONTAINER_OF(list_first(&s->ops), struct store_op, link));
    }
    s->plan->closed = closed;
    s->plan->closed_arg = arg;
    pg_close(s->pg, on_closed, s);
}

/* ---- what came of it ---------------------------------------------------- */

enum err
store_plan_follow(struct store *s, int64_t tenant, store_done_fn *done,
                  void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_none, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, tenant);
    (void)store_call_add(&c, SQL_PLAN_FOLLOW,
                         (const char *const[]){store_call_int(&c, tenant)});
    return store_op_send(o, &c, op);
}

static void
finish_jobs(struct store_op *op, enum err err, const struct pg_reply *r,
            const struct fault *f)
{
    size_t n = err == ERR_OK ? pg_rows(r, 0) : 0;
    struct store_plan_job *jobs = NULL;
    struct arena a;

    arena_init(&a);
    jobs = arena_array(&a, n + 1, sizeof(*jobs));
    for (size_t i = 0; i < n; i++) {
        jobs[i] = (struct store_plan_job){
            .id = pg_int(r, 0, i, "id"),
            .kind = pg_text(r, 0, i, "kind"),
            .fusion_id = pg_text(r, 0, i, "fusion_id"),
            .number = pg_text(r, 0, i, "number"),
            .state = pg_text(r, 0, i, "state"),
            .waiting_for = pg_text(r, 0, i, "waiting_for"),
            .error_code = pg_text(r, 0, i, "error_code"),
            .error = pg_text(r, 0, i, "error"),
            .verify = pg_bool(r, 0, i, "verify"),
            .careful = pg_bool(r, 0, i, "careful"),
            .found = pg_bool(r, 0, i, "found"),
            .desired = pg_text(r, 0, i, "desired"),
            .links = pg_text(r, 0, i, "links"),
            .parents = pg_text(r, 0, i, "parents"),
            .email_holder = pg_text(r, 0, i, "email_holder"),
        };
    }
    op->done.plan(op->arg, err, jobs, n, f);
    arena_fini(&a);
}

enum err
store_plan_jobs(struct store *s, int64_t tenant, const char *kind,
                int64_t after, unsigned limit, store_plan_fn *done, void *arg,
                struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_jobs, arg);
    struct store_call c;

    o->done.plan = done;
    store_call_init(&c, tenant);
    (void)store_call_add(&c, SQL_PLAN_JOBS,
                         (const char *const[]){store_call_int(&c, tenant), kind,
                                               store_call_int(&c, after),
                                               store_call_int(&c, limit)});
    return store_op_send(o, &c, op);
}

enum err
store_plan_totals(struct store *s, int64_t tenant, unsigned limit,
                  store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, tenant);
    (void)store_call_add(&c, SQL_PLAN_TOTALS,
                         (const char *const[]){store_call_int(&c, tenant),
                                               store_call_int(&c, limit)});
    return store_op_send(o, &c, op);
}
