/* SPDX-License-Identifier: UNLICENSED */
/*
 * Control calls that change many records at once: random mutations, and what
 * one long statement leaves behind.
 */
#include "fusion_control.h"

#include <string.h>

void
do_mutate(struct ctl *k)
{
    struct mutation m = {
        .n = (unsigned)arg_int(k, "n", 1),
        .seed = (uint64_t)arg_int(k, "seed", 1),
        .groups = (unsigned)arg_int(k, "groups", MUTATE_ALL),
        .now = k->now,
        .late_us = arg_int(k, "late_s", 0) * 1000000,
    };

    sim_reply_json(k->p, 200, world_mutate(k->w, &m));
}

/* False after a refusal. */
static bool
bulk_take(struct ctl *k, struct bulk *b)
{
    const char *account = arg(k, "account");
    int kind = kind_of(arg(k, "kind"));
    int currency = currency_find(arg(k, "currency"));

    *b = (struct bulk){
        .kind = (enum kind)kind,
        .n = (size_t)arg_int(k, "n", 1),
        .fresh = arg_int(k, "new", 0) != 0,
        .step = arg_int(k, "step_us", 0),
        .at = arg_int(k, "at_us", 0),
        .customer = account == NULL ? NONE : world_customer(k->w, account),
        .lines = (unsigned)arg_int(k, "lines", 1),
        .currency = currency < 0 ? 0U : (unsigned)currency,
        .amount = 100000,
    };
    (void)arg_amount(k, "amount", 3, &b->amount);
    if (b->at == 0) { /* steps start with a whole millisecond */
        b->at = b->step == 0 ? k->now : k->now - k->now % 1000;
    }
    if (kind < 0 || (account != NULL && b->customer == NONE)) {
        refuse(k, 400, "kind is missing or the account is unknown");
        return false;
    }
    return true;
}

void
do_bulk(struct ctl *k)
{
    struct bulk b;
    char text[TIME_TEXT_MAX];
    json_t *ids = NULL;

    if (!bulk_take(k, &b)) {
        return;
    }
    ids = world_bulk(k->w, &b);
    if (ids == NULL) {
        refuse(k, 400, "new ones can be customer, person, invoice, receipt");
        return;
    }
    sim_reply_json(k->p, 200,
                   json_pack("{s:I, s:I, s:s, s:o}", "n",
                             (json_int_t)json_array_size(ids), "stamp_us",
                             (json_int_t)b.at, "LastUpdateDate",
                             stamp_text(b.at, 0, text), "ids", ids));
}
