/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: replay. Parked jobs as people see them, what putting them back to work
 * would take, and doing it; a page at a time, by job id.
 */
#include "store_priv.h"

static enum err
ask(struct store *s, enum store_sql_id sql, const char *const *params,
    struct store_call *c, store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);

    o->done.json = done;
    (void)store_call_add(c, sql, params);
    return store_op_send(o, c, op);
}

enum err
store_replay(struct store *s, const struct store_replay *r, store_json_fn *done,
             void *arg, struct store_op **op)
{
    struct store_call c;

    store_call_init(&c, 0);
    return ask(s, SQL_REPLAY,
               (const char *const[]){r->name, r->jobs, r->error_code, r->actor,
                                     store_call_int(&c, r->after),
                                     store_call_int(&c, r->limit)},
               &c, done, arg, op);
}

enum err
store_replay_look(struct store *s, const struct store_replay *r,
                  store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_call c;

    store_call_init(&c, 0);
    return ask(s, SQL_REPLAY_LOOK,
               (const char *const[]){r->name, r->jobs, r->error_code,
                                     store_call_int(&c, r->after),
                                     store_call_int(&c, r->limit)},
               &c, done, arg, op);
}

enum err
store_replay_misses(struct store *s, const struct store_replay *r,
                    store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_call c;

    store_call_init(&c, 0);
    return ask(s, SQL_REPLAY_MISSES, (const char *const[]){r->name, r->jobs},
               &c, done, arg, op);
}

enum err
store_replay_list(struct store *s, const struct store_replay *r,
                  const char *since, store_json_fn *done, void *arg,
                  struct store_op **op)
{
    struct store_call c;

    store_call_init(&c, 0);
    return ask(s, SQL_REPLAY_LIST,
               (const char *const[]){r->name, r->error_code, since,
                                     store_call_int(&c, r->after),
                                     store_call_int(&c, r->limit)},
               &c, done, arg, op);
}
