/* SPDX-License-Identifier: UNLICENSED */
/*
 * What one long statement leaves behind, an AutoInvoice run or a lockbox: many
 * records, new or changed, with one stamp to the microsecond, or with stamps so
 * close that milliseconds cannot tell them apart.
 *
 * Nothing here is random: the same call on the same world does the same.
 */
#include "data.h"

static uint32_t
bulk_customer(const struct world *w, const struct bulk *b, size_t i)
{
    uint32_t n = (uint32_t)w->n[K_CUSTOMER];

    if (b->customer != NONE) {
        return b->customer;
    }
    for (uint32_t k = 0; k < n; k++) {
        uint32_t c = (uint32_t)((i * 7919 + k) % n);

        if (world_alive(w, K_CUSTOMER, c)) {
            return c;
        }
    }
    return NONE;
}

static uint32_t
bulk_new(struct world *w, const struct bulk *b, size_t i, int64_t stamp)
{
    uint32_t c = bulk_customer(w, b, i);

    if (b->kind == K_CUSTOMER) {
        return op_customer(w, stamp);
    }
    if (c == NONE) {
        return NONE;
    }
    switch ((int)b->kind) {
    case K_PERSON:
        return op_person(w, w->customers[c].party, stamp);
    case K_INVOICE:
        return op_invoice(w, c, b->lines, b->currency, stamp);
    case K_RECEIPT:
        return op_receipt(w, c, b->currency, b->amount, stamp);
    default:
        return NONE;
    }
}

static void
id_add(const struct world *w, json_t *ids, enum kind kind, uint32_t idx)
{
    (void)json_array_append_new(ids, json_integer(world_id(w, kind, idx)));
}

static void
bulk_touch(struct world *w, const struct bulk *b, json_t *ids)
{
    size_t total = w->n[b->kind];
    size_t taken = 0;

    for (uint32_t i = 0; i < total && taken < b->n; i++) {
        bool due = b->n >= total || (i + UINT64_C(1)) * b->n / total > taken;

        if (due && world_alive(w, b->kind, i)) {
            world_touch(w, b->kind, i, b->at + b->step * (int64_t)taken);
            id_add(w, ids, b->kind, i);
            taken++;
        }
    }
}

json_t *
world_bulk(struct world *w, const struct bulk *b)
{
    json_t *ids = json_array();

    if (!b->fresh) {
        bulk_touch(w, b, ids);
        return ids;
    }
    for (size_t i = 0; i < b->n; i++) {
        uint32_t idx = bulk_new(w, b, i, b->at + b->step * (int64_t)i);

        if (idx == NONE) {
            json_decref(ids);
            return NULL;
        }
        id_add(w, ids, b->kind, idx);
    }
    return ids;
}
