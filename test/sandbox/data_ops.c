/* SPDX-License-Identifier: UNLICENSED */
/*
 * What can happen in receivables, one function each, used both to make the
 * first state and by the control API. Every change keeps the books: totals are
 * the sum of lines, tax and freight; installments add up to the total; what is
 * applied was unapplied before. A refused change changes nothing.
 *
 * A change stamps the rows that Fusion stamps: paying touches the receipt and
 * the installment, not the invoice's header (unless payments_bump is set; and
 * not even the receipt without receipts_bump).
 *
 * While the first state is made the indexes are empty; world_touch() then
 * inserts in any order and index_build() sorts once at the end.
 */
#include "data.h"

#include <string.h>

#define DAY_US INT64_C(86400000000)

static int32_t
day_of(int64_t us)
{
    return (int32_t)(us / DAY_US);
}

/* During world_fill() there is no index yet: only the stamp is set. */
static void
touch(struct world *w, enum kind k, uint32_t idx, int64_t now)
{
    if (w->by_stamp[K_CUSTOMER].v != NULL) {
        world_touch(w, k, idx, now);
        return;
    }
    switch ((int)k) {
    case K_INVOICE:
        w->invoices[idx].stamp = now;
        break;
    case K_RECEIPT:
        w->receipts[idx].stamp = now;
        break;
    case K_MEMO:
        w->memos[idx].stamp = now;
        break;
    default:
        w->adjustments[idx].stamp = now;
        break;
    }
}

/* ---- customers ---------------------------------------------------------- */

uint32_t
op_customer(struct world *w, int64_t now)
{
    struct rng r = rng_of(w, 31, w->n[K_CUSTOMER]);
    size_t persons = w->n[K_PERSON];
    uint32_t c = gen_customer(w, &r, now);

    world_touch(w, K_CUSTOMER, c, now);
    world_touch(w, K_PARTY, w->customers[c].party, now);
    for (size_t i = persons; i < w->n[K_PERSON]; i++) {
        w->persons[i].created = now;
        w->persons[i].stamp = 0;
        world_touch(w, K_PERSON, (uint32_t)i, now);
    }
    return c;
}

uint32_t
op_account(struct world *w, uint32_t party, int64_t now)
{
    struct rng r = rng_of(w, 31, w->n[K_CUSTOMER]);
    uint32_t c = gen_account(w, party, 1, &r);

    w->customers[c].created = now;
    w->customers[c].stamp = 0;
    world_touch(w, K_CUSTOMER, c, now);
    return c;
}

uint32_t
op_person(struct world *w, uint32_t party, int64_t now)
{
    uint32_t p = world_add(w, K_PERSON);
    struct rng r = rng_of(w, 32, p);

    person_fill(w, p, &r);
    w->persons[p].active = true;
    w->persons[p].party = party;
    w->persons[p].next_of_party = w->parties[party].first_person;
    w->parties[party].first_person = p;
    w->persons[p].created = now;
    world_touch(w, K_PERSON, p, now);
    return p;
}

/* ---- invoices ----------------------------------------------------------- */

static void
count_total(struct world *w, uint32_t idx)
{
    struct invoice *v = &w->invoices[idx];
    struct line l;

    v->tax = 0;
    v->entered = v->freight;
    for (unsigned k = 0; k < v->n_lines; k++) {
        invoice_line(w, idx, k, &l);
        v->tax += l.tax;
        v->entered += l.amount + (l.tax_inside ? 0 : l.tax);
    }
}

static void
make_installments(struct world *w, uint32_t idx, int64_t now)
{
    struct invoice *v = &w->invoices[idx];
    struct rng r = rng_of(w, 33, idx);
    unsigned n = rng_percent(&r, 85) ? 1 : (unsigned)rng_range(&r, 2, 3);
    int64_t rest = v->entered;
    int64_t share = round_to(v->entered / (int64_t)n, unit_of(v->currency));

    v->inst = mem_array(n, sizeof(*v->inst));
    v->n_inst = (uint8_t)n;
    for (unsigned k = 0; k < n; k++) {
        int64_t amount = k + 1 == n ? rest : share;

        rest -= amount;
        v->inst[k] = (struct installment){
            .original = amount,
            .stamp = now,
            .due = v->due + (int32_t)k * 30,
            .closed = amount == 0 ? v->date : 0,
        };
    }
}

bool
op_status(struct world *w, uint32_t invoice, unsigned status, int64_t now)
{
    struct invoice *v = &w->invoices[invoice];

    if (status == INVOICE_INCOMPLETE) {
        if (v->first_app != NONE || v->first_adjustment != NONE) {
            return false;
        }
        mem_free(v->inst);
        v->inst = NULL;
        v->n_inst = 0;
        count_total(w, invoice);
    } else if (v->inst == NULL) {
        count_total(w, invoice);
        make_installments(w, invoice, now);
    }
    v->status = (uint8_t)status;
    touch(w, K_INVOICE, invoice, now);
    return true;
}

uint32_t
op_invoice(struct world *w, uint32_t customer, unsigned n_lines,
           unsigned currency, int64_t now)
{
    uint32_t idx = world_add(w, K_INVOICE);
    struct invoice *v = &w->invoices[idx];

    *v = (struct invoice){
        .customer = customer,
        .next_of_customer = NONE,
        .first_app = NONE,
        .last_app = NONE,
        .first_adjustment = NONE,
        .created = now,
        .date = day_of(now),
        .due = day_of(now) + 30,
        .n_lines = (uint16_t)(n_lines > LINES_MAX ? LINES_MAX : n_lines),
        .currency = (uint8_t)currency,
    };
    if (customer != NONE) {
        v->next_of_customer = w->customers[customer].first_invoice;
        w->customers[customer].first_invoice = idx;
    }
    (void)op_status(w, idx, INVOICE_INCOMPLETE, now);
    (void)op_status(w, idx, INVOICE_COMPLETE, now);
    return idx;
}

bool
op_invoice_customer(struct world *w, uint32_t invoice, uint32_t customer,
                    int64_t now)
{
    struct invoice *v = &w->invoices[invoice];
    uint32_t *at =
        v->customer == NONE ? NULL : &w->customers[v->customer].first_invoice;

    while (at != NULL && *at != invoice) {
        at = &w->invoices[*at].next_of_customer;
    }
    if (at != NULL) {
        *at = v->next_of_customer;
    }
    v->customer = customer;
    v->next_of_customer = NONE;
    if (customer != NONE) {
        v->next_of_customer = w->customers[customer].first_invoice;
        w->customers[customer].first_invoice = invoice;
    }
    touch(w, K_INVOICE, invoice, now);
    return true;
}

bool
op_currency(struct world *w, uint32_t invoice, unsigned currency, int64_t now)
{
    struct invoice *v = &w->invoices[invoice];
    unsigned status = v->status;

    if (v->first_app != NONE || v->first_adjustment != NONE ||
        unit_of(currency) > unit_of(v->currency)) {
        return false; /* paid, or its cents would not exist */
    }
    v->currency = (uint8_t)currency;
    (void)op_status(w, invoice, INVOICE_INCOMPLETE, now);
    return op_status(w, invoice, status, now);
}

struct line *
op_lines(struct world *w, uint32_t invoice)
{
    struct invoice *v = &w->invoices[invoice];
    struct line *lines = NULL;

    if (v->lines == NULL) {
        lines = mem_array(LINES_MAX, sizeof(*lines));
        for (unsigned k = 0; k < v->n_lines; k++) {
            line_fill(w, invoice, k, &lines[k]);
        }
        v->lines = lines;
    }
    return v->lines;
}

/* After its lines changed: new total, the difference in the last installment.
 * False when that one cannot take it. */
static bool
retotal(struct world *w, uint32_t invoice, int64_t now)
{
    struct invoice *v = &w->invoices[invoice];
    int64_t before = v->entered;
    int64_t tax = v->tax;
    struct installment *last = NULL;

    count_total(w, invoice);
    if (v->n_inst > 0) {
        last = &v->inst[v->n_inst - 1];
        if (installment_balance(last) + v->entered - before < 0 ||
            v->entered < 0) {
            v->entered = before;
            v->tax = tax;
            return false;
        }
        last->original += v->entered - before;
        last->stamp = now;
        last->closed = installment_balance(last) == 0 ? day_of(now) : 0;
    }
    if (w->lines_bump) {
        touch(w, K_INVOICE, invoice, now);
    }
    return true;
}

static void
line_price_it(const struct invoice *v, struct line *l)
{
    int64_t unit = unit_of(v->currency);
    int64_t percent = l->tax_percent;

    l->amount = round_to(l->quantity_e3 * l->price_e4 / 10000, unit);
    l->tax = round_to(
        l->amount * percent / (l->tax_inside ? 100 + percent : 100), unit);
}

bool
op_line_add(struct world *w, uint32_t invoice, int64_t now)
{
    struct invoice *v = &w->invoices[invoice];
    struct line *lines = op_lines(w, invoice);
    struct line *l = &lines[v->n_lines];
    unsigned number = 0;

    if (v->n_lines >= LINES_MAX) {
        return false;
    }
    for (unsigned k = 0; k < v->n_lines; k++) {
        number = lines[k].number > number ? lines[k].number : number;
    }
    line_fill(w, invoice, v->n_lines, l);
    l->id = w->next_extra++;
    l->tax_id = w->next_extra++;
    l->number = (uint16_t)(number + 1);
    l->created = now;
    l->stamp = now;
    v->n_lines++;
    if (!retotal(w, invoice, now)) {
        v->n_lines--;
        return false;
    }
    return true;
}

bool
op_line_remove(struct world *w, uint32_t invoice, unsigned k, int64_t now)
{
    struct invoice *v = &w->invoices[invoice];
    struct line *lines = NULL;
    struct line gone;

    if (k >= v->n_lines) {
        return false;
    }
    lines = op_lines(w, invoice);
    gone = lines[k];
    memmove(lines + k, lines + k + 1, (v->n_lines - k - 1U) * sizeof(*lines));
    v->n_lines--;
    if (!retotal(w, invoice, now)) {
        memmove(lines + k + 1, lines + k, (v->n_lines - k) * sizeof(*lines));
        lines[k] = gone;
        v->n_lines++;
        return false;
    }
    return true;
}

bool
op_line_change(struct world *w, uint32_t invoice, unsigned k,
               int64_t quantity_e3, int64_t price_e4, int64_t now)
{
    struct invoice *v = &w->invoices[invoice];
    struct line *lines = NULL;
    struct line before;

    if (k >= v->n_lines) {
        return false;
    }
    lines = op_lines(w, invoice);
    before = lines[k];
    lines[k].quantity_e3 = quantity_e3;
    lines[k].price_e4 = price_e4;
    lines[k].has_quantity = true;
    lines[k].stamp = now;
    line_price_it(v, &lines[k]);
    if (!retotal(w, invoice, now)) {
        lines[k] = before;
        return false;
    }
    return true;
}

/* ---- payments ----------------------------------------------------------- */

static int64_t
convert(int64_t amount, unsigned from, unsigned to)
{
    int64_t ledger = from == to ? amount : to_ledger(amount, from);
    int64_t rate = currencies[to].rate_e6;

    if (from == to || rate == 0) {
        return round_to(ledger, unit_of(to));
    }
    return round_to(ledger * 1000000 / rate, unit_of(to));
}

struct app_list {
    uint32_t *first, *last;
};

static struct app_list
source_list(struct world *w, bool memo, uint32_t source)
{
    return memo ? (struct app_list){&w->memos[source].first_app,
                                    &w->memos[source].last_app} :
                  (struct app_list){&w->receipts[source].first_app,
                                    &w->receipts[source].last_app};
}

static void
app_link(struct world *w, uint32_t app)
{
    struct app *a = &w->apps[app];
    struct invoice *v = a->invoice == NONE ? NULL : &w->invoices[a->invoice];
    struct app_list s = source_list(w, a->of_memo, a->source);

    for (uint32_t i = *s.first; i != NONE; i = w->apps[i].next_of_source) {
        if (w->apps[i].invoice == a->invoice &&
            w->apps[i].installment == a->installment && w->apps[i].latest) {
            w->apps[i].latest = false;
            w->apps[i].stamp = a->stamp;
        }
    }
    if (*s.first == NONE) {
        *s.first = app;
    } else {
        w->apps[*s.last].next_of_source = app;
    }
    *s.last = app;
    if (v == NULL) {
        return;
    }
    if (v->first_app == NONE) {
        v->first_app = app;
    } else {
        w->apps[v->last_app].next_of_invoice = app;
    }
    v->last_app = app;
}

/* The invoice's side of a ledger row. */
static void
pay_installment(struct world *w, const struct app *row, int64_t now)
{
    struct installment *i = &w->invoices[row->invoice].inst[row->installment];

    if (row->of_memo) {
        i->credited -= row->amount;
    } else {
        i->paid += row->amount;
    }
    i->stamp = now;
    i->closed = installment_balance(i) == 0 ? day_of(now) : 0;
    if (w->payments_bump) {
        touch(w, K_INVOICE, row->invoice, now);
    }
}

/* Adds a ledger row and moves the money of both sides. */
static void
app_add(struct world *w, struct app row, int64_t now)
{
    if (w->n_apps == w->cap_apps) {
        w->cap_apps = w->cap_apps == 0 ? 256 : w->cap_apps * 2;
        w->apps = mem_resize(w->apps, w->cap_apps * sizeof(*w->apps));
    }
    row.stamp = now;
    row.created = now;
    row.date = day_of(now);
    row.latest = true;
    row.next_of_source = NONE;
    row.next_of_invoice = NONE;
    w->apps[w->n_apps] = row;
    app_link(w, (uint32_t)w->n_apps);
    w->n_apps++;
    if (row.of_memo) {
        w->memos[row.source].balance -= row.used;
    } else {
        w->receipts[row.source].unapplied -= row.used;
    }
    if (row.invoice != NONE) {
        pay_installment(w, &row, now);
    }
}

uint32_t
op_receipt(struct world *w, uint32_t customer, unsigned currency,
           int64_t amount, int64_t now)
{
    uint32_t idx = world_add(w, K_RECEIPT);
    struct rng r = rng_of(w, 34, idx);
    struct receipt *p = &w->receipts[idx];

    amount = round_to(amount, unit_of(currency));
    *p = (struct receipt){
        .amount = amount,
        .unapplied = amount,
        .customer = customer,
        .next_of_customer = NONE,
        .first_app = NONE,
        .last_app = NONE,
        .created = now,
        .date = day_of(now) -
                (int32_t)(rng_percent(&r, 10) ? rng_range(&r, 1, 5) : 0),
        .currency = (uint8_t)currency,
        .method = (uint8_t)rng_range(&r, 0, METHODS - 1),
        .unit = (uint8_t)(rng_percent(&r, 70) ? 0 : rng_range(&r, 1, 2)),
        .text_amounts = rng_percent(&r, 25),
    };
    if (customer != NONE) {
        p->next_of_customer = w->customers[customer].first_receipt;
        w->customers[customer].first_receipt = idx;
    }
    touch(w, K_RECEIPT, idx, now);
    return idx;
}

/* Spends a receipt (or memo) on the open installments of an invoice. */
static int64_t
spend(struct world *w, struct app row, int64_t amount, int64_t room,
      int64_t now)
{
    const struct invoice *v = &w->invoices[row.invoice];
    unsigned own = row.of_memo ? w->memos[row.source].currency :
                                 w->receipts[row.source].currency;
    int64_t left = amount;

    for (unsigned k = 0; k < v->n_inst && left > 0 && room > 0; k++) {
        int64_t take = installment_balance(&v->inst[k]);

        take = take < left ? take : left;
        if (own == v->currency && take > room) {
            take = room;
        }
        row.used = convert(take, v->currency, own);
        if (row.used > room) {
            row.used = room;
            take =
                round_to(convert(room, own, v->currency), unit_of(v->currency));
            take = take < left ? take : left;
        }
        if (take <= 0 || take > installment_balance(&v->inst[k])) {
            continue;
        }
        row.installment = (uint8_t)k;
        row.amount = take;
        app_add(w, row, now);
        left -= take;
        room -= row.used;
    }
    return amount - left;
}

int64_t
op_apply(struct world *w, uint32_t receipt, uint32_t invoice, int64_t amount,
         int64_t now)
{
    struct receipt *p = &w->receipts[receipt];
    struct app row = {.source = receipt, .invoice = invoice};
    int64_t done = 0;

    if (p->reversal != NULL || p->customer == NONE ||
        w->invoices[invoice].n_inst == 0) {
        return 0;
    }
    done = spend(w, row, amount, p->unapplied, now);
    if (done != 0 && w->receipts_bump) {
        touch(w, K_RECEIPT, receipt, now);
    }
    return done;
}

int64_t
op_on_account(struct world *w, uint32_t receipt, int64_t amount, int64_t now)
{
    struct receipt *p = &w->receipts[receipt];
    int64_t put = amount < p->unapplied ? amount : p->unapplied;

    if (p->reversal != NULL || p->customer == NONE || put <= 0) {
        return 0;
    }
    app_add(w,
            (struct app){
                .source = receipt, .invoice = NONE, .amount = put, .used = put},
            now);
    if (w->receipts_bump) {
        touch(w, K_RECEIPT, receipt, now);
    }
    return put;
}

/* What a source has on one installment, and what it used for it. */
static struct app
net_of(const struct world *w, uint32_t first, uint32_t invoice, unsigned k)
{
    struct app net = {.invoice = invoice, .installment = (uint8_t)k};

    for (uint32_t i = first; i != NONE; i = w->apps[i].next_of_source) {
        if (w->apps[i].invoice == invoice && w->apps[i].installment == k) {
            net.amount += w->apps[i].amount;
            net.used += w->apps[i].used;
        }
    }
    return net;
}

int64_t
op_unapply(struct world *w, uint32_t receipt, uint32_t invoice, int64_t now)
{
    uint32_t last = w->receipts[receipt].last_app;
    int64_t done = 0;

    for (uint32_t i = w->receipts[receipt].first_app; i != NONE;
         i = i == last ? NONE : w->apps[i].next_of_source) {
        struct app net = net_of(w, w->receipts[receipt].first_app,
                                w->apps[i].invoice, w->apps[i].installment);

        if ((invoice != NONE && w->apps[i].invoice != invoice) ||
            net.amount == 0) {
            continue;
        }
        done += net.amount;
        net.source = receipt;
        net.amount = -net.amount;
        net.used = -net.used;
        app_add(w, net, now);
    }
    if (done != 0 && w->receipts_bump) {
        touch(w, K_RECEIPT, receipt, now);
    }
    return done;
}

bool
op_reverse(struct world *w, uint32_t receipt, const char *category, int64_t now)
{
    if (w->receipts[receipt].reversal != NULL) {
        return false;
    }
    (void)op_unapply(w, receipt, NONE, now);
    w->receipts[receipt].reversal = world_text(w, "%s", category);
    w->receipts[receipt].reversed = day_of(now);
    w->receipts[receipt].unapplied = 0;
    touch(w, K_RECEIPT, receipt, now);
    return true;
}

uint32_t
op_memo(struct world *w, uint32_t invoice, int64_t amount, int64_t now)
{
    struct invoice *v = &w->invoices[invoice];
    struct app row = {.invoice = invoice, .of_memo = true};
    uint32_t idx = NONE;

    if (v->n_inst == 0 || v->customer == NONE || amount <= 0) {
        return NONE;
    }
    idx = world_add(w, K_MEMO);
    w->memos[idx] = (struct memo){
        .amount = amount,
        .balance = amount,
        .customer = v->customer,
        .next_of_customer = w->customers[v->customer].first_memo,
        .first_app = NONE,
        .last_app = NONE,
        .credits = invoice,
        .created = now,
        .date = day_of(now),
        .currency = v->currency,
        .unit = v->unit,
        .reason = "Price adjustment",
    };
    w->customers[v->customer].first_memo = idx;
    row.source = idx;
    (void)spend(w, row, amount, amount, now);
    touch(w, K_MEMO, idx, now);
    return idx;
}

uint32_t
op_adjust(struct world *w, uint32_t invoice, int64_t amount, int64_t now)
{
    struct invoice *v = &w->invoices[invoice];
    uint32_t idx = NONE;

    for (unsigned k = 0; k < v->n_inst && amount > 0; k++) {
        struct installment *i = &v->inst[k];

        if (installment_balance(i) < amount) {
            continue;
        }
        idx = world_add(w, K_ADJUSTMENT);
        w->adjustments[idx] = (struct adjustment){
            .amount = -amount,
            .invoice = invoice,
            .next_of_invoice = v->first_adjustment,
            .created = now,
            .date = day_of(now),
            .installment = (uint8_t)k,
            .reason = "Write-off",
        };
        v->first_adjustment = idx;
        i->adjusted -= amount;
        i->stamp = now;
        i->closed = installment_balance(i) == 0 ? day_of(now) : 0;
        touch(w, K_ADJUSTMENT, idx, now);
        if (w->payments_bump) {
            touch(w, K_INVOICE, invoice, now);
        }
        return idx;
    }
    return NONE;
}
