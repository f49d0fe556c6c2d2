/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: what people ask for. One statement a report, the answer is a JSON
 * array with the columns of the view.
 */
#include "store_priv.h"

#include <string.h>

enum { REPORT_LIMIT = 1000 };

/* "invoice:3001" into its two halves; both NULL when record is NULL. */
static void
record_split(struct store_call *c, const char *record, const char **kind,
             const char **id)
{
    const char *colon;

    *kind = NULL;
    *id = NULL;
    if (record == NULL) {
        return;
    }
    colon = strchr(record, ':');
    if (colon == NULL) {
        *id = record;
        return;
    }
    *kind = arena_strndup(&c->a, record, (size_t)(colon - record));
    *id = colon + 1;
}

static size_t
add_audit(struct store_call *c, const struct store_report_spec *spec,
          const char *limit)
{
    const char *kind;
    const char *id;
    const char *since = store_call_int(c, spec->since_us);

    record_split(c, spec->record, &kind, &id);
    if (spec->after > 0) {
        return store_call_add(
            c, SQL_REPORT_AUDIT_AFTER,
            (const char *const[]){spec->tenant, kind, id, since,
                                  store_call_int(c, spec->after), limit});
    }
    return store_call_add(
        c, SQL_REPORT_AUDIT,
        (const char *const[]){spec->tenant, kind, id, since, limit});
}

static size_t
add_report(struct store_call *c, const struct store_report_spec *spec)
{
    const char *limit =
        store_call_int(c, spec->limit > 0 ? spec->limit : REPORT_LIMIT);
    const char *const plain[] = {spec->tenant, limit};
    const char *kind;
    const char *id;

    switch (spec->report) {
    case STORE_REPORT_TENANTS:
        return store_call_add(c, SQL_REPORT_TENANTS, plain);
    case STORE_REPORT_FEEDS:
        return store_call_add(
            c, SQL_REPORT_FEEDS,
            (const char *const[]){spec->tenant, limit,
                                  spec->within_ms > 0 ?
                                      store_call_int(c, spec->within_ms) :
                                      NULL});
    case STORE_REPORT_RECORDS:
        record_split(c, spec->record, &kind, &id);
        return store_call_add(
            c, SQL_REPORT_RECORDS,
            (const char *const[]){spec->tenant, kind, id, limit});
    case STORE_REPORT_AUDIT:
        return add_audit(c, spec, limit);
    case STORE_REPORT_REPLAY_QUEUE:
        return store_call_add(c, SQL_REPORT_REPLAY_QUEUE, plain);
    case STORE_REPORT_PARKED:
        return store_call_add(c, SQL_REPORT_PARKED, plain);
    case STORE_REPORT_UNFINISHED:
        return store_call_add(c, SQL_REPORT_UNFINISHED, plain);
    case STORE_REPORT_LEASES:
        return store_call_add(c, SQL_REPORT_LEASES, plain);
    case STORE_REPORT_WORKERS:
        return store_call_add(c, SQL_REPORT_WORKERS, plain);
    case STORE_REPORT_JOBS:
        return store_call_add(c, SQL_REPORT_JOBS, plain);
    case STORE_REPORT_BUDGETS:
        return store_call_add(c, SQL_REPORT_BUDGETS, plain);
    case STORE_REPORT_CONSERVATION:
        (void)store_call_add(c, SQL_WITHOUT_JIT, NULL);
        return store_call_add(c, SQL_REPORT_CONSERVATION, plain);
    }
    ML_ASSERT(false);
    return 0;
}

enum err
store_report(struct store *s, const struct store_report_spec *spec,
             store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    o->at = add_report(&c, spec);
    return store_op_send(o, &c, op);
}

enum err
store_conservation(struct store *s, const char *worker, int64_t age_ms,
                   store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_WITHOUT_JIT, NULL);
    o->at = store_call_add(
        &c, SQL_CONSERVATION_CHECK,
        (const char *const[]){worker, store_call_int(&c, age_ms)});
    return store_op_send(o, &c, op);
}
