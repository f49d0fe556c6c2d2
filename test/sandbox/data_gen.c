/* SPDX-License-Identifier: UNLICENSED */
/*
 * The first state of a world: customers with parties and persons, invoices,
 * then credit memos, adjustments and receipts applied to them in the order of
 * their dates. Everything happened in the 80 days before the sandbox started;
 * some runs of invoices came from one bulk import and share one stamp.
 *
 * The books balance from the start, because payments are made by the same
 * operations that the control API uses later.
 */
#include "data.h"

#include <string.h>

#define DAY_US INT64_C(86400000000)
/* Nothing happened in the last minutes: a poll that keeps away from the pod's
 * clock still sees the whole first state. */
#define QUIET_US INT64_C(300000000)
enum { SPAN_DAYS = 80 };

/* A moment in the last 80 days, not before `from`; often without fraction. */
static int64_t
moment(const struct world *w, struct rng *r, int64_t from)
{
    int64_t lo = w->start_us - SPAN_DAYS * DAY_US;
    int64_t hi = w->start_us - QUIET_US;
    int64_t us = 0;

    lo = from > lo ? from : lo;
    us = lo >= hi ? hi : rng_range(r, lo, hi);
    switch (rng_next(r) % 6) {
    case 0:
        us -= us % 1000000;
        break;
    case 1:
        us -= us % 1000;
        break;
    default:
        break;
    }
    return us > from ? us : from;
}

/* ---- customers ---------------------------------------------------------- */

static void
gen_person(struct world *w, uint32_t party, struct rng *r)
{
    uint32_t p = world_add(w, K_PERSON);

    person_fill(w, p, r);
    w->persons[p].party = party;
    w->persons[p].next_of_party = w->parties[party].first_person;
    w->parties[party].first_person = p;
    w->persons[p].created = w->parties[party].created;
    w->persons[p].stamp = moment(w, r, 0);
}

static void
bill_to(struct world *w, uint32_t party)
{
    for (uint32_t p = w->parties[party].first_person; p != NONE;
         p = w->persons[p].next_of_party) {
        const struct person *person = &w->persons[p];

        if (person->active) {
            w->parties[party].billed_name =
                world_text(w, "%s %s", person->first, person->last);
            w->parties[party].billed_email = person->email;
            return;
        }
    }
}

static uint32_t
gen_party(struct world *w, struct rng *r, bool supplier)
{
    uint32_t p = world_add(w, K_PARTY);
    int64_t persons = rng_percent(r, 20) ? 0 : rng_range(r, 1, 3);

    party_fill(w, p, r);
    w->parties[p].created = w->start_us - rng_range(r, 100, 4000) * DAY_US;
    w->parties[p].stamp = moment(w, r, 0);
    if (supplier) {
        w->parties[p].usage = "SUPPLIER";
        w->parties[p].has_org = true;
    }
    for (int64_t i = 0; i < persons; i++) {
        gen_person(w, p, r);
    }
    bill_to(w, p);
    return p;
}

uint32_t
gen_account(struct world *w, uint32_t party, unsigned nth, struct rng *r)
{
    uint32_t c = world_add(w, K_CUSTOMER);
    struct customer *a = &w->customers[c];

    *a = (struct customer){
        .number = world_text(w, rng_percent(r, 5) ? "CDRM_%u" : "%u",
                             1000 + (unsigned)c),
        .name = customer_name(w, party, nth),
        .site = world_text(w, "%s (OPS)", w->parties[party].city),
        .party = party,
        .first_invoice = NONE,
        .first_receipt = NONE,
        .first_memo = NONE,
        .created = w->parties[party].created + rng_range(r, 0, DAY_US),
        .stamp = moment(w, r, 0),
        .hashed = rng_percent(r, 10),
    };
    (void)map_put(&w->by_number, a->number, (void *)(uintptr_t)(c + 1));
    return c;
}

uint32_t
gen_customer(struct world *w, struct rng *r, int64_t now_us)
{
    uint32_t c = gen_account(w, gen_party(w, r, false), 0, r);
    struct party *p = &w->parties[w->customers[c].party];

    w->customers[c].created = now_us;
    w->customers[c].stamp = 0; /* the caller touches */
    p->created = now_us;
    p->stamp = 0;
    return c;
}

static void
fill_customers(struct world *w, size_t n)
{
    struct rng r = rng_of(w, 1, 0);
    uint32_t party = NONE;

    for (size_t i = 0; i < n; i++) {
        if (party != NONE && rng_percent(&r, 12)) {
            (void)gen_account(w, party, 1, &r);
            party = NONE; /* two at most */
        } else {
            party = gen_party(w, &r, false);
            (void)gen_account(w, party, 0, &r);
        }
    }
    for (size_t i = 0; n > 0 && i < n / 20 + 1; i++) {
        (void)gen_party(w, &r, true);
    }
}

/* ---- lines -------------------------------------------------------------- */

static int64_t
line_price(struct rng *r, unsigned k, bool free_of_charge)
{
    if (free_of_charge) {
        return 0;
    }
    if (k % 4 == 3 && rng_percent(r, 20)) {
        return -rng_range(r, 1, 300) * 100; /* a discount of at most 3 */
    }
    if (rng_percent(r, 10)) {
        return rng_range(r, 300000, 9000000);
    }
    return rng_range(r, 3000, 150000) * 100;
}

void
line_fill(const struct world *w, uint32_t invoice, unsigned k, struct line *l)
{
    const struct invoice *v = &w->invoices[invoice];
    struct rng all = rng_of(w, 20, invoice);
    struct rng r = rng_of(w, 100 + k, invoice);
    int64_t unit = unit_of(v->currency);
    bool free_of_charge = rng_next(&all) % 200 == 0;
    unsigned percent =
        rng_percent(&all, 35) ? (rng_percent(&all, 70) ? 20 : 7) : 0;

    memset(l, 0, sizeof(*l));
    l->id = world_id(w, K_INVOICE, invoice) + 10 + (int64_t)k;
    l->tax_id = world_id(w, K_INVOICE, invoice) + 100 + (int64_t)k;
    l->number = (uint16_t)(k + 1);
    l->pick = (uint32_t)rng_next(&r);
    l->kind = (uint8_t)(rng_percent(&r, 55) ? LINE_ITEM : rng_range(&r, 1, 2));
    l->price_e4 = line_price(&r, k, free_of_charge);
    l->has_quantity = !rng_percent(&r, 8);
    l->quantity_e3 = 1000;
    if (l->has_quantity && l->price_e4 > 0) {
        l->quantity_e3 = rng_percent(&r, 25) ? rng_range(&r, 1001, 25999) :
                                               rng_range(&r, 1, 10) * 1000;
    }
    l->amount = round_to(l->quantity_e3 * l->price_e4 / 10000, unit);
    if (l->amount > 0 && rng_percent(&r, 4)) {
        l->amount += unit * rng_range(&r, 1, 50);
    }
    if (percent > 0) {
        l->tax_percent = (uint8_t)percent;
        l->tax_inside = rng_percent(&all, 15);
        l->tax = round_to(
            l->amount * percent / (l->tax_inside ? 100 + percent : 100), unit);
    }
    l->created = v->created + 117000;
    l->stamp = v->created + 900000;
}

void
invoice_line(const struct world *w, uint32_t invoice, unsigned k,
             struct line *out)
{
    if (w->invoices[invoice].lines != NULL) {
        *out = w->invoices[invoice].lines[k];
    } else {
        line_fill(w, invoice, k, out);
    }
}

/* ---- invoices ----------------------------------------------------------- */

static unsigned
pick_currency(const struct world *w, uint32_t customer, struct rng *r)
{
    static const uint8_t shares[100] = {
        [65] = 1, [80] = 2, [87] = 3, [92] = 4, [95] = 5};
    struct rng home = rng_of(w, 21, customer);
    uint64_t at = (rng_percent(r, 88) ? rng_next(&home) : rng_next(r)) % 100;

    while (at > 0 && shares[at] == 0) {
        at--;
    }
    return shares[at];
}

/* Imports in bulk: every 20th run of invoices came in one statement. */
static int64_t
import_stamp(const struct world *w, uint32_t v, size_t total)
{
    size_t run = total / 20 < 5 ? 5 : (total / 20 > 2000 ? 2000 : total / 20);
    struct rng r = rng_of(w, 22, v / run);

    if (v / run != 1 && rng_next(&r) % 20 != 0) {
        return 0;
    }
    return moment(w, &r, 0);
}

static unsigned
pick_lines(struct rng *r)
{
    return (unsigned)(rng_percent(r, 2) ? rng_range(r, 26, 40) :
                                          rng_range(r, 1, 4));
}

static void
gen_invoice(struct world *w, size_t total)
{
    uint32_t idx = world_add(w, K_INVOICE);
    struct rng r = rng_of(w, 2, idx);
    uint32_t c = (uint32_t)(rng_next(&r) % w->n[K_CUSTOMER]);
    int64_t together = import_stamp(w, idx, total);
    struct invoice *v = &w->invoices[idx];
    unsigned status = (unsigned)rng_range(&r, 0, 99);
    unsigned n_lines = 0;

    *v = (struct invoice){
        .customer = c,
        .next_of_customer = w->customers[c].first_invoice,
        .first_app = NONE,
        .last_app = NONE,
        .first_adjustment = NONE,
        .currency = (uint8_t)pick_currency(w, c, &r),
        .unit = (uint8_t)(rng_percent(&r, 70) ? 0 : rng_range(&r, 1, 2)),
        .no_name = rng_percent(&r, 6),
    };
    w->customers[c].first_invoice = idx;
    v->created = together != 0 ? together : moment(w, &r, 0);
    v->stamp = v->created + 1500000;
    if (together == 0 && rng_percent(&r, 40)) {
        v->stamp = moment(w, &r, v->created);
    }
    v->date = (int32_t)(v->created / DAY_US) -
              (int32_t)(rng_percent(&r, 20) ? rng_range(&r, 1, 10) : 0);
    v->due = v->date + (int32_t)rng_range(&r, 0, 3) * 15;
    n_lines = pick_lines(&r);
    v->n_lines = (uint16_t)n_lines;
    v->freight =
        rng_percent(&r, 8) ? round_to(rng_range(&r, 5000, 120000), 1000) : 0;
    /* Totals and installments are made where changes make them too. */
    (void)op_status(w, idx, INVOICE_INCOMPLETE, v->stamp);
    if (status < 94) {
        (void)op_status(w, idx, status < 92 ? INVOICE_COMPLETE : INVOICE_FROZEN,
                        v->stamp);
    }
}

/* ---- payments ----------------------------------------------------------- */

static bool
is_open(const struct world *w, uint32_t v)
{
    return w->invoices[v].status != INVOICE_INCOMPLETE &&
           invoice_balance(&w->invoices[v]) > 0;
}

/* An open invoice, NONE when none is found near a random place. */
static uint32_t
find_open(const struct world *w, struct rng *r)
{
    size_t n = w->n[K_INVOICE];
    uint32_t at = n == 0 ? 0 : (uint32_t)(rng_next(r) % n);

    for (size_t i = 0; i < n && i < 64; i++) {
        if (is_open(w, at)) {
            return at;
        }
        at = (uint32_t)((at + 1) % n);
    }
    return NONE;
}

static int64_t
part_of(int64_t amount, struct rng *r, unsigned currency)
{
    int64_t part =
        round_to(amount / 1000 * rng_range(r, 100, 900), unit_of(currency));

    return part > 0 ? part : amount;
}

static void
gen_memo(struct world *w, struct rng *r)
{
    uint32_t v = find_open(w, r);
    int64_t balance = 0;

    if (v == NONE) {
        return;
    }
    balance = invoice_balance(&w->invoices[v]);
    (void)op_memo(w, v,
                  rng_percent(r, 45) ?
                      balance :
                      part_of(balance, r, w->invoices[v].currency),
                  moment(w, r, w->invoices[v].stamp));
}

static void
gen_adjustment(struct world *w, struct rng *r)
{
    uint32_t v = find_open(w, r);

    if (v == NONE) {
        return;
    }
    (void)op_adjust(w, v,
                    part_of(invoice_balance(&w->invoices[v]) / 10 + 1000, r,
                            w->invoices[v].currency),
                    moment(w, r, w->invoices[v].stamp));
}

/* One receipt for up to five open invoices of one customer and currency. */
static void
gen_many(struct world *w, uint32_t first, struct rng *r)
{
    const struct invoice *v = &w->invoices[first];
    uint32_t picked[5] = {first};
    size_t n = 1;
    int64_t sum = invoice_balance(v);
    int64_t latest = v->stamp;
    uint32_t receipt = NONE;

    for (uint32_t i = w->customers[v->customer].first_invoice;
         i != NONE && n < 5; i = w->invoices[i].next_of_customer) {
        if (i != first && is_open(w, i) &&
            w->invoices[i].currency == v->currency) {
            picked[n++] = i;
            sum += invoice_balance(&w->invoices[i]);
            latest =
                w->invoices[i].stamp > latest ? w->invoices[i].stamp : latest;
        }
    }
    latest = moment(w, r, latest);
    receipt = op_receipt(w, v->customer, v->currency,
                         sum + (rng_percent(r, 30) ? 100000 : 0), latest);
    for (size_t i = 0; i < n; i++) {
        (void)op_apply(w, receipt, picked[i],
                       invoice_balance(&w->invoices[picked[i]]), latest);
    }
}

/* A receipt that uses two currencies: dollars for a foreign invoice. */
static void
gen_cross(struct world *w, uint32_t v, struct rng *r)
{
    int64_t at = moment(w, r, w->invoices[v].stamp);
    int64_t due = invoice_balance(&w->invoices[v]);
    uint32_t receipt =
        op_receipt(w, w->invoices[v].customer, 0,
                   to_ledger(due, w->invoices[v].currency) + 10, at);

    (void)op_apply(w, receipt, v, due, at);
}

static void
gen_receipt(struct world *w, struct rng *r)
{
    unsigned mode = (unsigned)rng_range(r, 0, 99);
    uint32_t v = find_open(w, r);
    uint32_t customer = (uint32_t)(rng_next(r) % w->n[K_CUSTOMER]);
    uint32_t receipt = NONE;
    int64_t at = 0;
    int64_t due = 0;

    if (v == NONE || mode >= 95) {
        at = moment(w, r, 0);
        receipt = op_receipt(w, mode % 2 == 1 ? NONE : customer, 0,
                             rng_range(r, 1000, 900000) * 10, at);
        if (mode == 98) {
            (void)op_on_account(w, receipt, rng_range(r, 100, 900000) * 10, at);
        }
        return;
    }
    at = moment(w, r, w->invoices[v].stamp);
    due = invoice_balance(&w->invoices[v]);
    if (mode < 16) {
        gen_many(w, v, r);
        return;
    }
    if (mode < 19 && w->invoices[v].currency != 0) {
        gen_cross(w, v, r);
        return;
    }
    if (mode < 31) {
        due = part_of(due, r, w->invoices[v].currency);
    }
    receipt =
        op_receipt(w, mode < 35 ? customer : w->invoices[v].customer,
                   w->invoices[v].currency, due + (mode < 40 ? 250000 : 0), at);
    (void)op_apply(w, receipt, v, due, at);
    if (mode >= 91) {
        (void)op_reverse(w, receipt, mode == 91 ? "STOP" : "NSF",
                         moment(w, r, at + 1000));
    } else if (mode >= 89) {
        (void)op_unapply(w, receipt, v, moment(w, r, at + 1000));
    }
}

void
world_fill(struct world *w, const struct sim_options *o)
{
    struct rng r = rng_of(w, 3, 0);

    fill_customers(w, o->customers);
    if (o->customers == 0) {
        return;
    }
    for (size_t i = 0; i < o->invoices; i++) {
        gen_invoice(w, o->invoices);
    }
    for (size_t i = 0; i < o->invoices * 3 / 100; i++) {
        gen_memo(w, &r);
    }
    for (size_t i = 0; i < o->invoices / 100; i++) {
        gen_adjustment(w, &r);
    }
    while (w->n[K_RECEIPT] < o->receipts) {
        gen_receipt(w, &r);
    }
}
