/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: what feeds need. A page goes in as one transaction: accounts, then
 * records with their jobs, conservation and audit, then e-mails, cursor and
 * notes; after a crash either all of it counts or none.
 */
#include "store_priv.h"

#include <string.h>

static void
finish_cursors(struct store_op *op, enum err err, const struct pg_reply *r,
               const struct fault *f)
{
    struct store_cursor *rows;
    size_t n;

    if (err != ERR_OK) {
        op->done.cursors(op->arg, err, NULL, 0, f);
        return;
    }
    n = pg_rows(r, 0);
    rows = mem_array(n, sizeof(*rows));
    for (size_t i = 0; i < n; i++) {
        rows[i].stream = pg_text(r, 0, i, "stream");
        rows[i].stamp_us = pg_int(r, 0, i, "stamp_us");
        rows[i].id = pg_text(r, 0, i, "id");
    }
    op->done.cursors(op->arg, ERR_OK, rows, n, f);
    mem_free(rows);
}

enum err
store_cursors(struct store *s, int64_t tenant, const char *feed,
              store_cursors_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_cursors, arg);
    struct store_call c;

    o->done.cursors = done;
    store_call_init(&c, tenant);
    (void)store_call_add(
        &c, SQL_CURSORS,
        (const char *const[]){store_call_int(&c, tenant), feed});
    return store_op_send(o, &c, op);
}

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
    };
    op->done.intake(op->arg, ERR_OK, &result, f);
}

/* An empty or absent array is nothing to do. */
static bool
has_rows(const char *json)
{
    return json != NULL && strcmp(json, "[]") != 0;
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
    tenant = store_call_int(&c, in->tenant);
    if (has_rows(in->accounts)) {
        (void)store_call_add(&c, SQL_INTAKE_ACCOUNTS,
                             (const char *const[]){tenant, in->accounts});
    }
    o->at = store_call_add(
        &c, SQL_INTAKE,
        (const char *const[]){tenant, in->feed, in->poll, in->worker, in->klass,
                              store_call_int(&c, in->read_us), records,
                              store_call_int(&c, (int64_t)in->read),
                              store_call_int(&c, (int64_t)in->filtered),
                              store_call_int(&c, (int64_t)in->invalid)});
    /* Saves parsing the page again; a false hit does nothing in SQL. As a
     * value: every invoice has a key of that name. */
    if (strstr(records, ":\"customer\"") != NULL ||
        strstr(records, ": \"customer\"") != NULL) {
        (void)store_call_add(
            &c, SQL_INTAKE_EMAILS,
            (const char *const[]){tenant, in->worker, records});
    }
    if (in->cursor.stream != NULL) {
        (void)store_call_add(
            &c, SQL_INTAKE_CURSOR,
            (const char *const[]){tenant, in->feed, in->cursor.stream,
                                  store_call_int(&c, in->cursor.stamp_us),
                                  in->cursor.id});
    }
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
    (void)store_call_add(
        &c, SQL_POLL_SAVE,
        (const char *const[]){store_call_int(&c, p->tenant), p->feed, p->poll,
                              p->worker, p->state,
                              p->outcome != NULL ? p->outcome : "", p->message,
                              store_call_int(&c, p->interval_ms),
                              store_call_int(&c, (int64_t)p->requests)});
    return store_op_send(o, &c, op);
}

enum err
store_accounts(struct store *s, int64_t tenant, const char *by,
               const char *keys, store_json_fn *done, void *arg,
               struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, tenant);
    (void)store_call_add(
        &c, SQL_ACCOUNTS,
        (const char *const[]){store_call_int(&c, tenant), by, keys});
    return store_op_send(o, &c, op);
}

enum err
store_account_numbers(struct store *s, int64_t tenant, const char *after,
                      unsigned limit, store_json_fn *done, void *arg,
                      struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, tenant);
    (void)store_call_add(&c, SQL_ACCOUNT_NUMBERS,
                         (const char *const[]){store_call_int(&c, tenant),
                                               after,
                                               store_call_int(&c, limit)});
    return store_op_send(o, &c, op);
}

enum err
store_missing(struct store *s, int64_t tenant, const char *kind,
              const char *ids, store_done_fn *done, void *arg,
              struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_none, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, tenant);
    (void)store_call_add(
        &c, SQL_MISSING,
        (const char *const[]){store_call_int(&c, tenant), kind, ids});
    return store_op_send(o, &c, op);
}

enum err
store_wanted(struct store *s, int64_t tenant, unsigned limit,
             store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, tenant);
    (void)store_call_add(
        &c, SQL_WANTED,
        (const char *const[]){store_call_int(&c, tenant),
                              store_call_int(&c, (int64_t)limit)});
    return store_op_send(o, &c, op);
}

enum err
store_open_invoices(struct store *s, int64_t tenant, unsigned limit,
                    store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, tenant);
    (void)store_call_add(&c, SQL_OPEN_INVOICES,
                         (const char *const[]){store_call_int(&c, tenant),
                                               store_call_int(&c, limit)});
    return store_op_send(o, &c, op);
}
