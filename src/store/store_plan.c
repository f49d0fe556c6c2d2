/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: a plan. The same calls and the same statements as ever, on copies of
 * the tenant's rows in tables of their own (plan_tenant, plan_record, ...):
 * what comes out is what would come out. Each call is a transaction as ever,
 * and none is open between them; the first statement of each holds the plan's
 * row, so that a plan that was taken over or whose copies are gone stores
 * nothing more.
 *
 *     open --row ours--> copying --> begun --calls of feeds--> ...
 *         ... --close--> clearing, a part at a time --> closed
 *
 * One thing differs in a statement: the tables it names. One that would write
 * to any other is not sent. Links are never written by feeds: they are read
 * where they are. What a plan that was killed leaves, upkeep removes.
 */
#include "store_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    SEEN_MS = 60000,     /* a plan is alive for 5 minutes (plan_open) */
    CLEAR_ROWS = 50000,  /* of each table, in one transaction */
    CLEAR_MAX_MS = 60000 /* the rest is left to upkeep */
};

struct store_plan {
    struct store *self, *of;
    struct list link; /* in plans of `of` */
    struct map texts; /* name of a statement -> its text, changed */
    int64_t tenant;
    char token[RANDOM_ID_MAX];
    char *worker;
    store_done_fn *begun;
    void *arg;
    struct loop_timer seen;     /* armed while open */
    struct loop_timer patience; /* armed while clearing */
    bool closing, shut;
    loop_fn *closed;
    void *closed_arg;
};

/* ---- statements --------------------------------------------------------- */

const char *const store_plan_tables[] = {
    "tenant", "feed",          "cursor", "pass",   "poll",  "account",
    "record", "contact_email", "job",    "minute", "noted", "audit_event",
    NULL};

static const char schema[] = "ml_connector.";

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '"';
}

/* Whether a table that is copied is named at `at`. */
static bool
is_copied(const char *sql, const char *at)
{
    const char *name = at + sizeof(schema) - 1;

    if ((at > sql && is_word(at[-1])) ||
        strncmp(at, schema, sizeof(schema) - 1) != 0) {
        return false;
    }
    for (size_t i = 0; store_plan_tables[i] != NULL; i++) {
        size_t len = strlen(store_plan_tables[i]);

        if (strncmp(name, store_plan_tables[i], len) == 0 &&
            !(is_word(name[len]) && name[len] != '.')) {
            return true;
        }
    }
    return false;
}

/* The next word from *at on, past comments and texts; its length, 0: none. */
static size_t
next_word(const char **at)
{
    const char *c = *at;
    size_t n = 0;

    while (*c != '\0' && !is_word(*c)) {
        if (strncmp(c, "--", 2) == 0) {
            c += strcspn(c, "\n");
        } else if (*c == '\'') {
            c += 1 + strcspn(c + 1, "'");
            c += *c == '\'' ? 1 : 0;
        } else {
            c++;
        }
    }
    while (is_word(c[n])) {
        n++;
    }
    *at = c;
    return n;
}

struct words {
    const char *at[2]; /* the last two */
    size_t n[2];
};

static bool
was(const struct words *w, size_t i, const char *word)
{
    return w->n[i] == strlen(word) && strncmp(w->at[i], word, w->n[i]) == 0;
}

/* Whether what follows these words is written to. */
static bool
before_target(const struct words *w)
{
    return (was(w, 0, "INTO") && (was(w, 1, "INSERT") || was(w, 1, "MERGE"))) ||
           (was(w, 0, "FROM") && was(w, 1, "DELETE")) ||
           (was(w, 0, "UPDATE") && !was(w, 1, "DO") && !was(w, 1, "FOR") &&
            !was(w, 1, "KEY"));
}

/* Whether these words lock rows. Feeds lock some of their own, for update; that
 * those are of plans a test sees to. */
static bool
is_lock(const struct words *w)
{
    return was(w, 1, "FOR") &&
           (was(w, 0, "SHARE") || was(w, 0, "KEY") || was(w, 0, "NO"));
}

/* Whether a statement, its tables exchanged, writes to those of plans only. */
static bool
writes_to_plans_only(const char *sql)
{
    static const char own[] = "ml_connector.plan";
    static const char *const starts[] = {"SELECT", "WITH", "INSERT", "UPDATE",
                                         "DELETE"};
    struct words last = {.at = {"", ""}};
    const char *at = sql;
    bool fits = false;
    size_t n = next_word(&at);

    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        fits =
            fits || (n == strlen(starts[i]) && strncmp(at, starts[i], n) == 0);
    }
    for (; fits && n > 0; n = next_word(&at)) {
        bool calls =
            at[n] == '(' && strncmp(at, schema, sizeof(schema) - 1) == 0;

        if ((calls || before_target(&last)) &&
            strncmp(at, own, sizeof(own) - 1) != 0) {
            fits = false;
        }
        last = (struct words){.at = {at, last.at[0]}, .n = {n, last.n[0]}};
        fits = fits && !is_lock(&last);
        at += n;
    }
    return fits;
}

char *
store_plan_text(const char *sql)
{
    struct buf b;
    char *text;

    buf_init(&b, 1 << 20);
    for (const char *at = sql; *at != '\0';) {
        if (is_copied(sql, at)) {
            buf_adds(&b, schema);
            buf_adds(&b, "plan_");
            at += sizeof(schema) - 1;
        } else {
            buf_addc(&b, *at++);
        }
    }
    text = buf_take(&b, NULL);
    buf_fini(&b);
    if (!writes_to_plans_only(text)) {
        mem_free(text);
        text = NULL;
    }
    return text;
}

/* Kept as long as the plan; NULL: it is refused. */
static const char *
text_of(struct store_plan *p, const struct pg_statement *step)
{
    char *text = map_get(&p->texts, step->name);

    if (text == NULL) {
        text = store_plan_text(step->sql);
        if (text != NULL) {
            (void)map_put(&p->texts, step->name, text);
        }
    }
    return text;
}

enum err
store_plan_call(struct store_op *op, struct store_call *c)
{
    struct store_plan *p = op->s->plan;
    struct pg_statement first;

    if (c->bare) {
        return ERR_OK;
    }
    for (size_t i = 0; i < c->count; i++) {
        c->steps[i].sql = text_of(p, &c->steps[i]);
        if (c->steps[i].sql == NULL) {
            return ERR_DB_STATEMENT;
        }
    }
    (void)store_call_add(
        c, SQL_PLAN_TOUCH,
        (const char *const[]){store_call_int(c, p->tenant), p->token});
    first = c->steps[c->count - 1];
    memmove(&c->steps[1], &c->steps[0], (c->count - 1) * sizeof(first));
    c->steps[0] = first;
    op->at++;
    op->also += op->also > 0 ? 1 : 0;
    return ERR_OK;
}

/* ---- beginning ---------------------------------------------------------- */

static enum err
refused(const struct pg_reply *r, struct fault *f)
{
    const char *worker = pg_text(r, 0, 0, "worker");

    return fault_set(
        f, ERR_CONFLICT,
        "another plan of this tenant is under way, begun by %s %" PRId64
        " s ago and last seen %" PRId64
        " s ago: wait for its end; one that was killed makes way 5 minutes "
        "after it was last seen",
        worker != NULL ? worker : "somebody", pg_int(r, 0, 0, "began_s"),
        pg_int(r, 0, 0, "seen_s"));
}

static enum err
copy(struct store *s)
{
    struct store_plan *p = s->plan;
    struct store_op *o = store_op_new(s, store_finish_none, p->arg);
    struct store_call c;

    o->done.none = p->begun;
    store_call_init(&c, p->tenant);
    (void)store_call_add(&c, SQL_PLAN_BEGIN,
                         (const char *const[]){store_call_int(&c, p->tenant)});
    return store_op_send(o, &c, NULL);
}

static void
finish_open(struct store_op *op, enum err err, const struct pg_reply *r,
            const struct fault *f)
{
    struct store_plan *p = op->s->plan;
    struct fault own = *f;

    if (err == ERR_OK && !pg_bool(r, 0, 0, "mine")) {
        err = refused(r, &own);
    } else if (err == ERR_DB_TIMEOUT && strcmp(f->code, "55P03") == 0) {
        err = fault_set(&own, ERR_CONFLICT,
                        "another plan of this tenant is under way, at a long "
                        "statement: wait for its end");
    }
    if (err == ERR_OK) {
        err = copy(op->s);
    }
    if (err != ERR_OK) {
        p->begun(p->arg, err, &own);
    }
}

/* A call about the plan's own row. */
static void
bare_call(struct store *s, struct store_op *o, enum store_sql_id id,
          const char *last)
{
    struct store_plan *p = s->plan;
    struct store_call c;
    enum err err;

    store_call_init(&c, p->tenant);
    c.bare = true;
    (void)store_call_add(
        &c, id,
        (const char *const[]){store_call_int(&c, p->tenant), p->token, last});
    err = store_op_send(o, &c, NULL);
    ML_ASSERT(err == ERR_OK); /* few are under way, and it is open */
}

/* ---- staying alive ------------------------------------------------------ */

static void
on_touched(void *arg, enum err err, const struct fault *f)
{
    (void)arg;
    (void)err; /* the next call tells */
    (void)f;
}

/* Fusion may be slow: without calls of feeds it is seen all the same. */
static void
on_seen(void *arg)
{
    struct store *s = arg;
    struct store_op *o;

    loop_timer_start(s->loop, &s->plan->seen, SEEN_MS, on_seen, s);
    if (list_empty(&s->ops)) {
        o = store_op_new(s, store_finish_none, s);
        o->done.none = on_touched;
        bare_call(s, o, SQL_PLAN_TOUCH, NULL);
    }
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
    mem_free(p->worker);
    mem_free(p);
}

enum err
store_plan_open(struct store *of, const struct store_plan_spec *c,
                store_done_fn *begun, void *arg, struct store **out,
                struct fault *f)
{
    struct pg_config config = {
        .conninfo = c->conninfo,
        .connections = 1,
        .statement_timeout_ms = c->timeout_ms,
        .application_name = c->worker,
    };
    struct pg *pg = NULL;
    struct store_plan *p;
    struct store_op *o;
    enum err err = pg_open(of->loop, &config, &pg, f);

    *out = NULL;
    if (err != ERR_OK) {
        return err;
    }
    *out = store_new(of->loop, pg);
    p = MEM_NEW(struct store_plan);
    p->self = *out;
    p->of = of;
    p->tenant = c->tenant;
    p->worker = mem_strdup(c->worker);
    p->begun = begun;
    p->arg = arg;
    map_init(&p->texts);
    list_init(&p->link);
    list_push(&of->plans, &p->link);
    (void)random_id(p->token);
    (*out)->plan = p;
    o = store_op_new(*out, finish_open, NULL);
    bare_call(*out, o, SQL_PLAN_OPEN, p->worker);
    loop_timer_start(of->loop, &p->seen, SEEN_MS, on_seen, *out);
    return ERR_OK;
}

/* ---- the end ------------------------------------------------------------ */

static void
on_plans_gone(void *arg)
{
    struct store *s = arg;
    loop_fn *done = s->plans_done;

    s->plans_done = NULL;
    done(s->plans_arg);
}

static void
on_closed(void *arg)
{
    struct store *s = arg;
    struct store *of = s->plan->of;
    loop_fn *closed = s->plan->closed;
    void *closed_arg = s->plan->closed_arg;

    list_remove(&s->plan->link);
    if (of->plans_done != NULL && list_empty(&of->plans)) {
        loop_timer_stop(&of->plans_wait);
        loop_later(of->loop, &of->plans_gone, on_plans_gone, of);
    }
    store_free(s);
    closed(closed_arg);
}

static void
drop_ops(struct store *s)
{
    while (!list_empty(&s->ops)) {
        store_op_free(CONTAINER_OF(list_first(&s->ops), struct store_op, link));
    }
}

static void
shut(struct store *s)
{
    if (s->plan->shut) {
        return;
    }
    s->plan->shut = true;
    loop_timer_stop(&s->plan->patience);
    drop_ops(s);
    pg_close(s->pg, on_closed, s);
}

static void
on_patience(void *arg)
{
    shut(arg);
}

static void clear(struct store *s);

static void
finish_clear(struct store_op *op, enum err err, const struct pg_reply *r,
             const struct fault *f)
{
    (void)f;
    if (err == ERR_OK && pg_bool(r, 0, 0, "more")) {
        clear(op->s);
    } else {
        shut(op->s);
    }
}

static void
clear(struct store *s)
{
    char most[24];

    (void)snprintf(most, sizeof(most), "%d", CLEAR_ROWS);
    bare_call(s, store_op_new(s, finish_clear, NULL), SQL_PLAN_END, most);
}

void
store_plan_close(struct store *s, loop_fn *closed, void *arg)
{
    struct store_plan *p = s->plan;

    ML_ASSERT(p != NULL && !p->closing);
    p->closing = true;
    p->closed = closed;
    p->closed_arg = arg;
    loop_timer_stop(&p->seen);
    drop_ops(s);
    if (!store_is_up(s)) {
        shut(s);
        return;
    }
    loop_timer_start(s->loop, &p->patience, CLEAR_MAX_MS, on_patience, s);
    clear(s);
}

static void
on_plans_wait(void *arg)
{
    struct store *s = arg;
    struct list *item, *next;

    LIST_EACH(&s->plans, item, next)
    {
        struct store_plan *p = CONTAINER_OF(item, struct store_plan, link);

        ML_ASSERT(p->closing);
        shut(p->self);
    }
}

void
store_plans_end(struct store *s, int64_t wait_ms, loop_fn *done, void *arg)
{
    s->plans_done = done;
    s->plans_arg = arg;
    if (list_empty(&s->plans)) {
        loop_later(s->loop, &s->plans_gone, on_plans_gone, s);
    } else {
        loop_timer_start(s->loop, &s->plans_wait, wait_ms, on_plans_wait, s);
    }
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
    size_t n = err == ERR_OK ? pg_rows(r, op->at) : 0;
    struct store_plan_job *jobs = NULL;
    struct arena a;

    arena_init(&a);
    jobs = arena_array(&a, n + 1, sizeof(*jobs));
    for (size_t i = 0; i < n; i++) {
        jobs[i] = (struct store_plan_job){
            .id = pg_int(r, op->at, i, "id"),
            .kind = pg_text(r, op->at, i, "kind"),
            .fusion_id = pg_text(r, op->at, i, "fusion_id"),
            .number = pg_text(r, op->at, i, "number"),
            .state = pg_text(r, op->at, i, "state"),
            .waiting_for = pg_text(r, op->at, i, "waiting_for"),
            .error_code = pg_text(r, op->at, i, "error_code"),
            .error = pg_text(r, op->at, i, "error"),
            .verify = pg_bool(r, op->at, i, "verify"),
            .careful = pg_bool(r, op->at, i, "careful"),
            .found = pg_bool(r, op->at, i, "found"),
            .desired = pg_text(r, op->at, i, "desired"),
            .links = pg_text(r, op->at, i, "links"),
            .parents = pg_text(r, op->at, i, "parents"),
            .email_holder = pg_text(r, op->at, i, "email_holder"),
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
