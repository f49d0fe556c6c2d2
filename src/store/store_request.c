/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: requests. A command that needs what only the holder of a portal's
 * lease may do leaves a row; the holder takes it, does it, and answers into the
 * row, where the command looks for it.
 *
 *     open --taken under a lease--> taken --answered, withdrawn--> answered
 *      ^                              |
 *      +---- that lease is over ------+
 *
 * Upkeep drops rows after a day, in whatever state.
 */
#include "store_priv.h"

enum err
store_request_target(struct store *s, const char *name, store_json_fn *done,
                     void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_REQUEST_TARGET, (const char *const[]){name});
    return store_op_send(o, &c, op);
}

enum err
store_request_add(struct store *s, int64_t tenant, const char *command,
                  const char *arguments, const char *asked_by,
                  store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, tenant);
    (void)store_call_add(&c, SQL_REQUEST_ADD,
                         (const char *const[]){store_call_int(&c, tenant),
                                               command, arguments, asked_by});
    return store_op_send(o, &c, op);
}

enum err
store_request_get(struct store *s, int64_t id, store_json_fn *done, void *arg,
                  struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_REQUEST_GET,
                         (const char *const[]){store_call_int(&c, id)});
    return store_op_send(o, &c, op);
}

enum err
store_request_withdraw(struct store *s, int64_t id, store_json_fn *done,
                       void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_REQUEST_WITHDRAW,
                         (const char *const[]){store_call_int(&c, id)});
    return store_op_send(o, &c, op);
}

enum err
store_request_via(struct store *s, const char *portal, store_json_fn *done,
                  void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_REQUEST_VIA, (const char *const[]){portal});
    return store_op_send(o, &c, op);
}

enum err
store_requests_take(struct store *s, const struct store_requests *r,
                    store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, r->tenant);
    (void)store_call_add(&c, SQL_REQUESTS_TAKE,
                         (const char *const[]){r->worker, r->held,
                                               store_call_int(&c, r->limit),
                                               r->known});
    return store_op_send(o, &c, op);
}

enum err
store_requests_answer(struct store *s, const char *worker, const char *answers,
                      store_done_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_none, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_REQUESTS_ANSWER,
                         (const char *const[]){worker, answers});
    return store_op_send(o, &c, op);
}
