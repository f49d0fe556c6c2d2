/* SPDX-License-Identifier: UNLICENSED */
/* Plans are made against a real store only. */
#include "stand_ins.h"

enum err
store_plan_open(struct store *of, const struct store_plan_spec *c,
                store_done_fn *begun, void *arg, struct store **out,
                struct fault *f)
{
    (void)of;
    (void)c;
    (void)begun;
    (void)arg;
    *out = NULL;
    return fault_set(f, ERR_FULL, "no plans here");
}

void
store_plan_close(struct store *s, loop_fn *closed, void *arg)
{
    (void)s;
    closed(arg);
}

enum err
store_plan_follow(struct store *s, int64_t tenant, store_done_fn *done,
                  void *arg, struct store_op **op)
{
    (void)s;
    (void)tenant;
    (void)done;
    (void)arg;
    (void)op;
    return ERR_FULL;
}

enum err
store_plan_jobs(struct store *s, int64_t tenant, const char *kind,
                int64_t after, unsigned limit, store_plan_fn *done, void *arg,
                struct store_op **op)
{
    (void)s;
    (void)tenant;
    (void)kind;
    (void)after;
    (void)limit;
    (void)done;
    (void)arg;
    (void)op;
    return ERR_FULL;
}

enum err
store_plan_totals(struct store *s, int64_t tenant, unsigned limit,
                  store_json_fn *done, void *arg, struct store_op **op)
{
    (void)s;
    (void)tenant;
    (void)limit;
    (void)done;
    (void)arg;
    (void)op;
    return ERR_FULL;
}
