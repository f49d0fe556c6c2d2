/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: what feeds need. A page goes in as one transaction: accounts, then
 * records with their jobs, conservation and audit, then e-mails, cursor and
 * notes; after a crash either all of it counts or none.
 */
#include "store_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { VALUES_MAX = 4, NUMBER_MAX = 24 };

/* A statement that takes the tenant and `n` values more; one that changes
 * something does so under the tenant's fence. */
static enum err
send(struct store_op *o, int64_t tenant, enum store_sql_id id,
     const char *const *more, size_t n, bool changes, struct store_op **op)
{
    const char *values[1 + VALUES_MAX];
    struct store_call c;

    ML_ASSERT(n <= VALUES_MAX);
    store_call_init(&c, tenant);
    if (changes) {
        store_call_fence(&c, o->s, tenant);
    }
    values[0] = store_call_int(&c, tenant);
    for (size_t i = 0; i < n; i++) {
        values[1 + i] = more[i];
    }
    o->at = store_call_add(&c, id, values);
    return store_op_send(o, &c, op);
}

/* One that gives a document. */
static enum err
ask(struct store *s, int64_t tenant, enum store_sql_id id,
    const char *const *more, size_t n, store_json_fn *done, void *arg,
    struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);

    o->done.json = done;
    return send(o, tenant, id, more, n, false, op);
}

/* One that changes something and gives nothing. */
static enum err
tell(struct store *s, int64_t tenant, enum store_sql_id id,
     const char *const *more, size_t n, store_done_fn *done, void *arg,
     struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_none, arg);

    o->done.none = done;
    return send(o, tenant, id, more, n, true, op);
}

static const char *
number(int64_t v, char out[NUMBER_MAX])
{
    (void)snprintf(out, NUMBER_MAX, "%" PRId64, v);
    return out;
}

enum err
store_feed_load(struct store *s, int64_t tenant, const char *feed,
                store_json_fn *done, void *arg, struct store_op **op)
{
    const char *const more[] = {feed};

    return ask(s, tenant, SQL_FEED_LOAD, more, COUNT_OF(more), done, arg, op);
}

/* ---- passes ------------------------------------------------------------- */

static void
add_pass(struct store_call *c, int64_t tenant, const char *feed,
         const struct store_pass *p)
{
    const char *t = store_call_int(c, tenant);

    if (p->begin) {
        (void)store_call_add(
            c, SQL_PASS_BEGIN,
            (const char *const[]){t, feed, p->pass,
                                  store_call_int(c, p->from_us),
                                  store_call_int(c, p->to_us)});
    } else {
        (void)store_call_add(
            c, SQL_PASS_MOVE,
            (const char *const[]){t, feed, p->pass,
                                  store_call_int(c, p->revision),
                                  store_call_int(c, p->at_us), p->at_id,
                                  p->done ? "true" : "false"});
    }
}

enum err
store_pass_save(struct store *s, int64_t tenant, const char *feed,
                const struct store_pass *pass, store_done_fn *done, void *arg,
                struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_none, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, tenant);
    store_call_fence(&c, s, tenant);
    add_pass(&c, tenant, feed, pass);
    return store_op_send(o, &c, op);
}

/* ---- intake ------------------------------------------------------------- */

static void
finish_intake(struct store_op *op, enum err err, const struct pg_reply *r,
              const struct fault *f)
{
    struct store_intake_result result;
    size_t at = op->at;

    if (err != ERR_OK) {
        op->done.intake(op->arg, err, NULL, f);
        return;
    }
    result = (struct store_intake_result){
        .unchanged = (size_t)pg_int(r, at, 0, "unchanged"),
        .superseded = (size_t)pg_int(r, at, 0, "superseded"),
        .opened = (size_t)pg_int(r, at, 0, "opened"),
        .unknown_customers = pg_text(r, at, 0, "unknown_customers"),
        .stale_customers = pg_text(r, at, 0, "stale_customers"),
        .unknown_invoices = pg_text(r, at, 0, "unknown_invoices"),
        .touched_invoices = pg_text(r, at, 0, "touched_invoices"),
        .held = op->also > 0 ? pg_text(r, op->also, 0, "held") : NULL,
    };
    op->done.intake(op->arg, ERR_OK, &result, f);
}

/* An empty or absent array is nothing to do. */
static bool
has_rows(const char *json)
{
    return json != NULL && strcmp(json, "[]") != 0;
}

/* What is opened as news is held against the ceiling; what was gathered before
 * the end of the poll is let go. */
static void
add_ceiling(struct store_op *o, struct store_call *c,
            const struct store_intake *in, const char *tenant)
{
    if (in->news != NULL && in->ceiling > 0) {
        o->also = store_call_add(
            c, SQL_INTAKE_CEILING,
            (const char *const[]){tenant, in->news, in->poll, in->worker,
                                  store_call_int(c, in->ceiling),
                                  store_call_int(c, in->factor)});
    } else if (in->ceiling > 0) {
        (void)store_call_add(c, SQL_INTAKE_GATHERED,
                             (const char *const[]){tenant, in->poll});
    }
}

/* Where the feed stands once the page is in. */
static void
add_moves(struct store_call *c, const struct store_intake *in,
          const char *tenant)
{
    if (in->cursor.stream != NULL) {
        (void)store_call_add(
            c, SQL_INTAKE_CURSOR,
            (const char *const[]){tenant, in->feed, in->cursor.stream,
                                  store_call_int(c, in->cursor.stamp_us),
                                  in->cursor.id});
    }
    if (in->scanned != NULL) {
        (void)store_call_add(
            c, SQL_INTAKE_SCANNED,
            (const char *const[]){tenant, in->feed, in->scanned,
                                  store_call_int(c, in->scanned_us),
                                  store_call_int(c, in->overlap_us)});
    }
    for (size_t i = 0; i < COUNT_OF(in->passes); i++) {
        if (in->passes[i].pass != NULL) {
            add_pass(c, in->tenant, in->feed, &in->passes[i]);
        }
    }
}

enum err
store_intake(struct store *s, const struct store_intake *in,
             store_intake_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_intake, arg);
    const char *records = in->records != NULL ? in->records : "[]";
    struct store_call c;
    const char *tenant;

    o->done.intake = done;
    store_call_init(&c, in->tenant);
    store_call_fence(&c, s, in->tenant);
    tenant = store_call_int(&c, in->tenant);
    if (has_rows(in->accounts)) {
        (void)store_call_add(&c, SQL_INTAKE_ACCOUNTS,
                             (const char *const[]){tenant, in->accounts});
        (void)store_call_add(&c, SQL_INTAKE_COMPOSED,
                             (const char *const[]){tenant, in->accounts});
    }
    o->at = store_call_add(
        &c, SQL_INTAKE,
        (const char *const[]){tenant, in->feed, in->poll, in->worker, in->klass,
                              store_call_int(&c, in->read_us), records,
                              store_call_int(&c, (int64_t)in->read),
                              store_call_int(&c, (int64_t)in->filtered),
                              store_call_int(&c, (int64_t)in->invalid),
                              store_call_int(&c, in->late_before_us),
                              store_call_int(&c, in->late_clock_us),
                              store_call_int(&c, in->reader),
                              in->news != NULL ? "true" : "false"});
    /* Saves parsing the page again; a false hit does nothing in SQL. As a
     * value: every invoice has a key of that name. */
    if (strstr(records, ":\"customer\"") != NULL ||
        strstr(records, ": \"customer\"") != NULL) {
        (void)store_call_add(
            &c, SQL_INTAKE_EMAILS,
            (const char *const[]){tenant, in->worker, records});
    }
    if (strstr(records, ":\"invoice\"") != NULL ||
        strstr(records, ": \"invoice\"") != NULL) {
        (void)store_call_add(
            &c, SQL_INTAKE_DOUBT,
            (const char *const[]){tenant, in->worker, in->klass, records});
    }
    add_ceiling(o, &c, in, tenant);
    add_moves(&c, in, tenant);
    if (has_rows(in->notes)) {
        (void)store_call_add(
            &c, SQL_INTAKE_NOTES,
            (const char *const[]){tenant, in->worker, in->notes});
    }
    return store_op_send(o, &c, op);
}

enum err
store_poll_save(struct store *s, const struct store_poll *p,
                store_done_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_none, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, p->tenant);
    store_call_fence(&c, s, p->tenant);
    (void)store_call_add(
        &c, SQL_POLL_SAVE,
        (const char *const[]){store_call_int(&c, p->tenant), p->feed, p->poll,
                              p->worker, p->state,
                              p->outcome != NULL ? p->outcome : "", p->message,
                              store_call_int(&c, p->interval_ms),
                              store_call_int(&c, (int64_t)p->requests),
                              p->by_id ? "true" : "false"});
    return store_op_send(o, &c, op);
}

enum err
store_accounts(struct store *s, int64_t tenant, const char *by,
               const char *keys, store_json_fn *done, void *arg,
               struct store_op **op)
{
    const char *const more[] = {by, keys};

    return ask(s, tenant, SQL_ACCOUNTS, more, COUNT_OF(more), done, arg, op);
}

enum err
store_account_numbers(struct store *s, int64_t tenant, const char *after,
                      unsigned limit, store_json_fn *done, void *arg,
                      struct store_op **op)
{
    char limit_text[NUMBER_MAX];
    const char *const more[] = {after, number(limit, limit_text)};

    return ask(s, tenant, SQL_ACCOUNT_NUMBERS, more, COUNT_OF(more), done, arg,
               op);
}

enum err
store_missing(struct store *s, int64_t tenant, const char *kind,
              const char *ids, store_done_fn *done, void *arg,
              struct store_op **op)
{
    const char *const more[] = {kind, ids};

    return tell(s, tenant, SQL_MISSING, more, COUNT_OF(more), done, arg, op);
}

enum err
store_wanted(struct store *s, int64_t tenant, unsigned limit,
             store_json_fn *done, void *arg, struct store_op **op)
{
    char limit_text[NUMBER_MAX];
    const char *const more[] = {number(limit, limit_text)};

    return ask(s, tenant, SQL_WANTED, more, COUNT_OF(more), done, arg, op);
}

enum err
store_open_invoices(struct store *s, int64_t tenant, int64_t age_ms,
                    unsigned limit, store_json_fn *done, void *arg,
                    struct store_op **op)
{
    char age_text[NUMBER_MAX];
    char limit_text[NUMBER_MAX];
    const char *const more[] = {number(age_ms, age_text),
                                number(limit, limit_text)};

    return ask(s, tenant, SQL_OPEN_INVOICES, more, COUNT_OF(more), done, arg,
               op);
}

enum err
store_open_receipts(struct store *s, int64_t tenant, int64_t age_ms,
                    unsigned limit, store_json_fn *done, void *arg,
                    struct store_op **op)
{
    char age_text[NUMBER_MAX];
    char limit_text[NUMBER_MAX];
    const char *const more[] = {number(age_ms, age_text),
                                number(limit, limit_text)};

    return ask(s, tenant, SQL_OPEN_RECEIPTS, more, COUNT_OF(more), done, arg,
               op);
}

enum err
store_receipts_stale(struct store *s, int64_t tenant, const char *rows,
                     store_json_fn *done, void *arg, struct store_op **op)
{
    const char *const more[] = {rows};

    return ask(s, tenant, SQL_RECEIPTS_STALE, more, COUNT_OF(more), done, arg,
               op);
}

enum err
store_balances(struct store *s, int64_t tenant, const char *after,
               const char *upto, const char *rows, store_json_fn *done,
               void *arg, struct store_op **op)
{
    const char *const more[] = {after, upto, rows};

    return ask(s, tenant, SQL_BALANCES, more, COUNT_OF(more), done, arg, op);
}

enum err
store_drafts(struct store *s, int64_t tenant, const char *after, unsigned limit,
             store_json_fn *done, void *arg, struct store_op **op)
{
    char limit_text[NUMBER_MAX];
    const char *const more[] = {after, number(limit, limit_text)};

    return ask(s, tenant, SQL_DRAFTS, more, COUNT_OF(more), done, arg, op);
}

enum err
store_unanswered(struct store *s, int64_t tenant, const char *kind,
                 const char *ids, store_done_fn *done, void *arg,
                 struct store_op **op)
{
    const char *const more[] = {kind, ids};

    return tell(s, tenant, SQL_UNANSWERED, more, COUNT_OF(more), done, arg, op);
}

enum err
store_gone(struct store *s, int64_t tenant, const char *ids,
           store_done_fn *done, void *arg, struct store_op **op)
{
    const char *const more[] = {ids};

    return tell(s, tenant, SQL_GONE, more, COUNT_OF(more), done, arg, op);
}

enum err
store_known(struct store *s, int64_t tenant, const char *kind,
            const char *after, int64_t before_us, unsigned limit,
            store_json_fn *done, void *arg, struct store_op **op)
{
    char before_text[NUMBER_MAX];
    char limit_text[NUMBER_MAX];
    const char *const more[] = {kind, after, number(before_us, before_text),
                                number(limit, limit_text)};

    return ask(s, tenant, SQL_KNOWN, more, COUNT_OF(more), done, arg, op);
}
