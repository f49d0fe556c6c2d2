/* SPDX-License-Identifier: UNLICENSED */
/*
 * A busy day in receivables: n random changes of every kind, each one valid,
 * each with its own stamp, and told in the answer. The same world and mutation
 * change the same records. Late ones are stamped in the past, as what a long
 * statement changed and only now committed.
 */
#include "data.h"

#include <stdio.h>
#include <string.h>

struct day {
    struct world *w;
    struct rng r;
    int64_t now;
    const char *op;
    enum kind kind;
    uint32_t idx;
};
typedef bool change_fn(struct day *d);

static bool
did(struct day *d, const char *op, enum kind kind, uint32_t idx)
{
    d->op = op;
    d->kind = kind;
    d->idx = idx;
    return idx != NONE;
}

/* Any live record of a kind; NONE when a few tries found none. */
static uint32_t
any(struct day *d, enum kind k)
{
    for (int i = 0; i < 8 && d->w->n[k] > 0; i++) {
        uint32_t idx = (uint32_t)(rng_next(&d->r) % d->w->n[k]);

        if (world_alive(d->w, k, idx)) {
            return idx;
        }
    }
    return NONE;
}

/* A complete invoice with a balance. */
static uint32_t
any_open(struct day *d)
{
    for (int i = 0; i < 32; i++) {
        uint32_t v = any(d, K_INVOICE);

        if (v != NONE && d->w->invoices[v].n_inst > 0 &&
            d->w->invoices[v].customer != NONE &&
            invoice_balance(&d->w->invoices[v]) > 0) {
            return v;
        }
    }
    return NONE;
}

/* ---- customers ---------------------------------------------------------- */

static bool
new_customer(struct day *d)
{
    return did(d, "customer_new", K_CUSTOMER, op_customer(d->w, d->now));
}

static bool
rename_customer(struct day *d)
{
    uint32_t c = any(d, K_CUSTOMER);

    if (c == NONE) {
        return false;
    }
    d->w->customers[c].name = world_text(
        d->w, "%s r%d", d->w->customers[c].name, (int)rng_range(&d->r, 1, 999));
    world_touch(d->w, K_CUSTOMER, c, d->now);
    return did(d, "customer_rename", K_CUSTOMER, c);
}

static bool
change_party(struct day *d)
{
    uint32_t p = any(d, K_PARTY);
    int n = (int)rng_range(&d->r, 1, 9999);

    if (p == NONE) {
        return false;
    }
    switch (n % 4) {
    case 0:
        d->w->parties[p].phone = world_text(d->w, "+1 (212) 555-%04d", n);
        break;
    case 1:
        d->w->parties[p].address1 = world_text(d->w, "%d New Street", n);
        break;
    case 2:
        d->w->parties[p].url =
            world_text(d->w, "https://www.moved-%d.example", n);
        break;
    default:
        d->w->parties[p].email = world_text(d->w, "office%d@moved.example", n);
        break;
    }
    world_touch(d->w, K_PARTY, p, d->now);
    return did(d, "organization_change", K_PARTY, p);
}

static bool
new_person(struct day *d)
{
    uint32_t p = any(d, K_PARTY);

    return p != NONE &&
           did(d, "person_new", K_PERSON, op_person(d->w, p, d->now));
}

static bool
change_person(struct day *d)
{
    uint32_t p = any(d, K_PERSON);
    int n = (int)rng_range(&d->r, 1, 9999);

    if (p == NONE) {
        return false;
    }
    if (n % 5 == 0) {
        d->w->persons[p].active = !d->w->persons[p].active;
    } else if (n % 2 == 0) {
        d->w->persons[p].email =
            world_text(d->w, "new%d.ap@example.example", n);
    } else {
        d->w->persons[p].work = world_text(d->w, "+1 (303) 555-%04d", n);
    }
    world_touch(d->w, K_PERSON, p, d->now);
    return did(d, "person_change", K_PERSON, p);
}

/* ---- invoices ----------------------------------------------------------- */

static bool
new_invoice(struct day *d)
{
    uint32_t c = any(d, K_CUSTOMER);
    uint32_t v = NONE;

    if (c == NONE) {
        return false;
    }
    v = op_invoice(d->w, c,
                   (unsigned)(rng_percent(&d->r, 3) ? rng_range(&d->r, 26, 40) :
                                                      rng_range(&d->r, 1, 5)),
                   rng_percent(&d->r, 70) ?
                       0U :
                       (unsigned)rng_range(&d->r, 1, CURRENCIES - 1),
                   d->now);
    if (rng_percent(&d->r, 15)) {
        (void)op_status(d->w, v, INVOICE_INCOMPLETE, d->now);
    }
    return did(d, "invoice_new", K_INVOICE, v);
}

static bool
change_header(struct day *d)
{
    uint32_t v = any(d, K_INVOICE);
    int n = (int)rng_range(&d->r, 1, 99999);

    if (v == NONE) {
        return false;
    }
    if (n % 2 == 0) {
        d->w->invoices[v].po = world_text(d->w, "PO-N%05d", n);
    } else {
        d->w->invoices[v].due = d->w->invoices[v].date + n % 90;
    }
    world_touch(d->w, K_INVOICE, v, d->now);
    return did(d, "invoice_header", K_INVOICE, v);
}

static bool
add_line(struct day *d)
{
    uint32_t v = any(d, K_INVOICE);

    return v != NONE && op_line_add(d->w, v, d->now) &&
           did(d, "line_add", K_INVOICE, v);
}

static bool
remove_line(struct day *d)
{
    uint32_t v = any(d, K_INVOICE);
    unsigned n = v == NONE ? 0 : d->w->invoices[v].n_lines;

    return n > 1 &&
           op_line_remove(d->w, v, (unsigned)(rng_next(&d->r) % n), d->now) &&
           did(d, "line_remove", K_INVOICE, v);
}

static bool
change_line(struct day *d)
{
    uint32_t v = any(d, K_INVOICE);
    unsigned n = v == NONE ? 0 : d->w->invoices[v].n_lines;
    unsigned k = n == 0 ? 0 : (unsigned)(rng_next(&d->r) % n);

    return n > 0 &&
           op_line_change(d->w, v, k, rng_range(&d->r, 1, 30) * 500,
                          rng_range(&d->r, 1000, 90000) * 100, d->now) &&
           did(d, "line_change", K_INVOICE, v);
}

static bool
change_status(struct day *d)
{
    uint32_t v = any(d, K_INVOICE);
    unsigned now = v == NONE ? 0 : d->w->invoices[v].status;
    unsigned next =
        now == INVOICE_INCOMPLETE ?
            INVOICE_COMPLETE :
            (rng_percent(&d->r, 30) ? INVOICE_INCOMPLETE : INVOICE_FROZEN);

    return v != NONE && now != next && op_status(d->w, v, next, d->now) &&
           did(d, "invoice_status", K_INVOICE, v);
}

static bool
move_invoice(struct day *d)
{
    uint32_t v = any(d, K_INVOICE);
    uint32_t c = any(d, K_CUSTOMER);

    return v != NONE && c != NONE && d->w->invoices[v].first_app == NONE &&
           op_invoice_customer(d->w, v, c, d->now) &&
           did(d, "invoice_customer", K_INVOICE, v);
}

static bool
delete_invoice(struct day *d)
{
    uint32_t v = any(d, K_INVOICE);

    if (v == NONE || d->w->invoices[v].status != INVOICE_INCOMPLETE) {
        return false;
    }
    world_bury(d->w, K_INVOICE, v);
    return did(d, "invoice_delete", K_INVOICE, v);
}

static bool
touch_invoice(struct day *d)
{
    uint32_t v = any(d, K_INVOICE);

    if (v == NONE) {
        return false;
    }
    world_touch(d->w, K_INVOICE, v, d->now);
    return did(d, "invoice_touch", K_INVOICE, v);
}

/* ---- payments ----------------------------------------------------------- */

static bool
new_receipt(struct day *d)
{
    uint32_t v = any_open(d);
    uint32_t r = NONE;
    int64_t due = 0;
    bool part = rng_percent(&d->r, 30);

    if (v == NONE) {
        return false;
    }
    due = invoice_balance(&d->w->invoices[v]);
    r = op_receipt(d->w,
                   rng_percent(&d->r, 92) ? d->w->invoices[v].customer :
                                            any(d, K_CUSTOMER),
                   d->w->invoices[v].currency,
                   part ? due / 2 + 1000 :
                          due + (rng_percent(&d->r, 10) ? 50000 : 0),
                   d->now);
    (void)op_apply(d->w, r, v, due, d->now);
    return did(d, "receipt_new", K_RECEIPT, r);
}

static bool
loose_receipt(struct day *d)
{
    uint32_t c = rng_percent(&d->r, 60) ? any(d, K_CUSTOMER) : NONE;

    return did(
        d, "receipt_unapplied", K_RECEIPT,
        op_receipt(d->w, c, 0, rng_range(&d->r, 100, 90000) * 100, d->now));
}

static bool
put_on_account(struct day *d)
{
    uint32_t r = any(d, K_RECEIPT);

    return r != NONE &&
           op_on_account(d->w, r, rng_range(&d->r, 1, 9000) * 1000, d->now) >
               0 &&
           did(d, "receipt_on_account", K_RECEIPT, r);
}

static bool
apply_more(struct day *d)
{
    for (int i = 0; i < 32; i++) {
        uint32_t r = any(d, K_RECEIPT);
        uint32_t v = any_open(d);

        if (r != NONE && v != NONE && d->w->receipts[r].unapplied > 0 &&
            op_apply(d->w, r, v, invoice_balance(&d->w->invoices[v]), d->now) >
                0) {
            return did(d, "receipt_apply", K_RECEIPT, r);
        }
    }
    return false;
}

static bool
unapply(struct day *d)
{
    uint32_t r = any(d, K_RECEIPT);

    return r != NONE && op_unapply(d->w, r, NONE, d->now) != 0 &&
           did(d, "receipt_unapply", K_RECEIPT, r);
}

static bool
reverse(struct day *d)
{
    uint32_t r = any(d, K_RECEIPT);

    return r != NONE && op_reverse(d->w, r, "NSF", d->now) &&
           did(d, "receipt_reverse", K_RECEIPT, r);
}

static bool
credit(struct day *d)
{
    uint32_t v = any_open(d);
    int64_t due = v == NONE ? 0 : invoice_balance(&d->w->invoices[v]);

    if (v == NONE) {
        return false;
    }
    if (!rng_percent(&d->r, 50) && due > 2000) {
        due = round_to(due / 2, unit_of(d->w->invoices[v].currency));
    }
    return did(d, "credit_memo", K_MEMO, op_memo(d->w, v, due, d->now));
}

static bool
adjust(struct day *d)
{
    uint32_t v = any_open(d);

    return v != NONE &&
           did(d, "adjustment", K_ADJUSTMENT,
               op_adjust(d->w, v,
                         round_to(invoice_balance(&d->w->invoices[v]) / 20,
                                  unit_of(d->w->invoices[v].currency)),
                         d->now));
}

static const struct {
    change_fn *run;
    unsigned group;
} changes[] = {
    {new_customer, MUTATE_CUSTOMERS},  {rename_customer, MUTATE_CUSTOMERS},
    {change_party, MUTATE_CUSTOMERS},  {new_person, MUTATE_CUSTOMERS},
    {change_person, MUTATE_CUSTOMERS}, {new_invoice, MUTATE_INVOICES},
    {new_invoice, MUTATE_INVOICES},    {change_header, MUTATE_INVOICES},
    {add_line, MUTATE_INVOICES},       {remove_line, MUTATE_INVOICES},
    {change_line, MUTATE_INVOICES},    {change_status, MUTATE_INVOICES},
    {move_invoice, MUTATE_INVOICES},   {delete_invoice, MUTATE_INVOICES},
    {touch_invoice, MUTATE_INVOICES},  {new_receipt, MUTATE_RECEIPTS},
    {new_receipt, MUTATE_RECEIPTS},    {loose_receipt, MUTATE_RECEIPTS},
    {apply_more, MUTATE_RECEIPTS},     {unapply, MUTATE_RECEIPTS},
    {reverse, MUTATE_RECEIPTS},        {credit, MUTATE_CREDITS},
    {adjust, MUTATE_CREDITS},          {put_on_account, MUTATE_RECEIPTS},
};

/* The stamp of the next change: in order, or in half of the cases older. */
static int64_t
moment_of(struct day *d, const struct mutation *m, unsigned done)
{
    int64_t now = m->now + done;

    if (m->late_us > 0 && rng_percent(&d->r, 50)) {
        now -= rng_range(&d->r, 0, m->late_us);
    }
    return now;
}

json_t *
world_mutate(struct world *w, const struct mutation *m)
{
    static const char *const kinds[K_COUNT] = {"customer",  "party",   "person",
                                               "invoice",   "receipt", "memo",
                                               "adjustment"};
    struct day d = {.w = w};
    json_t *list = json_array();
    unsigned done = 0;

    d.r = rng_of(w, 41, m->seed);
    w->forward = m->late_us > 0;
    for (unsigned tries = 0; done < m->n && tries < m->n * 20 + 100; tries++) {
        size_t which = rng_next(&d.r) % COUNT_OF(changes);

        d.now = moment_of(&d, m, done);
        if ((changes[which].group & m->groups) == 0 ||
            !changes[which].run(&d)) {
            continue;
        }
        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:I}", "op", d.op, "kind", kinds[d.kind],
                      "id", (json_int_t)world_id(w, d.kind, d.idx)));
        done++;
    }
    w->forward = false;
    return json_pack("{s:o}", "changes", list);
}
