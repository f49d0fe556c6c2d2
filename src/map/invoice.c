/* SPDX-License-Identifier: UNLICENSED */
/*
 * invoice: the rules of invoices that are no row of the table. The balance and
 * what was credited come from the installments, the status from both; lines
 * are put in order and get a quantity and price whose product is their amount.
 */
#include <stdlib.h>
#include <string.h>

#include "map_priv.h"

struct totals {
    struct dec balance;  /* of all installments */
    struct dec credited; /* as Fusion signs it */
    struct dec due;      /* what fusion_balance_due says */
    struct dec billed;
    bool has_balance; /* every installment has one */
    bool has_due, has_billed;
    bool paid, reduced; /* some money came; something was credited */
};

struct line {
    const json_t *row;
    const char *id;
    struct dec number;
    bool has_number;
    int64_t stamp;
    size_t pos; /* in Fusion's answer */
};

static void
read_installment(struct map_ctx *c, const json_t *row, struct totals *t)
{
    struct dec d;

    map_saw_version(c, map_read_stamp(c, row));
    if (map_read_money(c, row, "InstallmentBalanceDue", &d)) {
        map_sum(c, &t->balance, d, "InstallmentBalanceDue");
    } else {
        t->has_balance = false;
    }
    if (map_read_money(c, row, "InstallmentAmountCredited", &d)) {
        map_sum(c, &t->credited, d, "InstallmentAmountCredited");
        t->reduced = t->reduced || dec_sign(d) != 0;
    }
    if (map_read_money(c, row, "InstallmentAmountAdjusted", &d)) {
        map_sum(c, &t->credited, d, "InstallmentAmountAdjusted");
        t->reduced = t->reduced || dec_sign(d) != 0;
    }
    if (map_read_money(c, row, "AmountPaid", &d)) {
        t->paid = t->paid || dec_sign(d) != 0;
    }
}

/* The items of a child, which must be a list when it is there at all. */
static const json_t *
child(struct map_ctx *c, const json_t *row, const char *name)
{
    const json_t *v = json_object_get(row, name);
    const json_t *items = jsonx_items(row, name);

    if (v == NULL || json_is_null(v) || json_is_array(items)) {
        return items;
    }
    items = json_object_get(v, "items");
    if (!json_is_object(v) || (items != NULL && !json_is_null(items))) {
        map_refuse(c, "%s: expected a list, found %s", name,
                   map_type_name(items != NULL ? items : v));
    }
    return NULL;
}

static void
read_totals(struct map_ctx *c, const json_t *row, struct totals *t)
{
    const json_t *items = child(c, row, "receivablesInvoiceInstallments");
    size_t n = json_array_size(items);

    memset(t, 0, sizeof(*t));
    t->has_balance = n > 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(items, i);

        if (!json_is_object(item)) {
            c->where = "";
            map_refuse(c,
                       "receivablesInvoiceInstallments[%zu]: expected an "
                       "object, found %s",
                       i, map_type_name(item));
            break;
        }
        c->where =
            arena_printf(c->a, "receivablesInvoiceInstallments[%zu].", i);
        read_installment(c, item, t);
    }
    c->where = "";
    t->has_billed = map_read_money(c, row, "EnteredAmount", &t->billed);
    if (t->has_balance) {
        t->due = t->balance;
        t->has_due = true;
        return;
    }
    if (!map_read_money(c, row, "ConversionRate", &t->due)) {
        t->has_due = map_read_money(c, row, "InvoiceBalanceAmount", &t->due);
    }
    if (!t->has_due) {
        t->due = t->billed;
        t->has_due = t->has_billed;
    }
}

static void
put_totals(struct map_ctx *c, const struct totals *t)
{
    struct dec credited = dec_neg(t->credited);

    if (t->has_due) {
        map_fact_dec(c, "balance_due", &t->due);
    }
    if (dec_sign(credited) <= 0) {
        credited = dec_zero();
    }
    map_fact_dec(c, "amount_credited", &credited);
}

static bool
same_word(const char *a, const char *b)
{
    return a != NULL && map_has_words(a, b) && strlen(a) == strlen(b);
}

static void
decide_status(struct map_ctx *c, const json_t *row, const struct totals *t,
              size_t lines)
{
    const char *status = map_read_text(c, row, "InvoiceStatus");
    bool settled = t->has_due && dec_sign(t->due) == 0;
    const char *target = NULL;

    if (same_word(status, "incomplete")) {
        c->status = "draft";
        c->out->open = true;
        c->out->draft = true;
        return;
    }
    c->out->open = !settled;
    if (!same_word(status, "complete") && !same_word(status, "frozen")) {
        c->status_held = "status_unknown";
        return;
    }
    if (!t->has_due) {
        c->status_held = "no_balance";
        return;
    }
    if (!settled) {
        target = "open";
    } else if (t->paid || (t->has_billed && dec_sign(t->billed) == 0)) {
        target = "paid";
    } else {
        /* Neither paid nor credited: nothing is owed all the same. */
        target = t->reduced ? "voided" : "paid";
    }
    if (lines == 0) {
        c->status_held = "no_lines";
        return;
    }
    c->status = target;
}

/* ---- lines -------------------------------------------------------------- */

static int
by_id(const void *va, const void *vb)
{
    const struct line *a = va;
    const struct line *b = vb;
    int cmp = map_id_cmp(a->id, b->id);

    if (cmp != 0) {
        return cmp;
    }
    if (a->stamp != b->stamp) {
        return a->stamp > b->stamp ? -1 : 1;
    }
    return a->pos > b->pos ? -1 : 1;
}

static int
by_number(const void *va, const void *vb)
{
    const struct line *a = va;
    const struct line *b = vb;
    int cmp;

    if (a->has_number != b->has_number) {
        return a->has_number ? -1 : 1;
    }
    cmp = a->has_number ? dec_cmp(a->number, b->number) : 0;
    return cmp != 0 ? cmp : map_id_cmp(a->id, b->id);
}

static bool
read_line(struct map_ctx *c, const json_t *row, size_t pos, struct line *l)
{
    const char *text;
    size_t n;

    if (!json_is_object(row)) {
        c->where = "";
        map_refuse(c,
                   "receivablesInvoiceLines[%zu]: expected an object, "
                   "found %s",
                   pos, map_type_name(row));
        return false;
    }
    c->where = arena_printf(c->a, "receivablesInvoiceLines[%zu].", pos);
    l->row = row;
    l->pos = pos;
    l->id = map_read_id(c, row, "CustomerTransactionLineId", true);
    l->stamp = map_read_stamp(c, row);
    map_saw_version(c, l->stamp);
    if (map_scalar(c->a, json_object_get(row, "LineNumber"), &text, &n) ==
        MAP_VALUE) {
        l->has_number = dec_parse(text, n, &l->number) == ERR_OK;
    }
    return l->id != NULL;
}

/* The lines in line order, each id once: a page read while rows move may hold
 * one twice, the newer one counts. */
static struct line *
read_lines(struct map_ctx *c, const json_t *row, size_t *count)
{
    const json_t *items = child(c, row, "receivablesInvoiceLines");
    size_t n = json_array_size(items);
    struct line *lines = arena_array(c->a, n + 1, sizeof(*lines));
    size_t kept = 0;

    for (size_t i = 0; i < n && !c->invalid; i++) {
        (void)read_line(c, json_array_get(items, i), i, &lines[i]);
    }
    c->where = "";
    *count = 0;
    if (c->invalid || n == 0) {
        return lines;
    }
    qsort(lines, n, sizeof(*lines), by_id);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || strcmp(lines[kept - 1].id, lines[i].id) != 0) {
            lines[kept++] = lines[i];
        }
    }
    qsort(lines, kept, sizeof(*lines), by_number);
    *count = kept;
    return lines;
}

/* Whether quantity times price is the amount: to the cent, or to the last
 * digit of the amount where that is finer. */
static bool
is_product(struct dec quantity, struct dec price, struct dec amount)
{
    unsigned scale = amount.scale > 2 ? amount.scale : 2;
    struct dec product;

    return dec_mul(quantity, price, &product) == ERR_OK &&
           dec_cmp(dec_round(product, scale), amount) == 0;
}

static void
price_line(struct map_ctx *c, const json_t *row)
{
    struct dec zero = dec_zero();
    struct dec amount = zero;
    struct dec quantity = zero;
    struct dec price = zero;
    bool has_amount = map_read_money(c, row, "LineAmount", &amount);
    bool has_quantity = map_read_money(c, row, "Quantity", &quantity);
    bool has_price = map_read_money(c, row, "UnitSellingPrice", &price);
    bool fit = has_quantity && has_price && dec_sign(quantity) > 0 &&
               dec_sign(price) >= 0;

    if (fit && (!has_amount || is_product(quantity, price, amount))) {
        map_fact_dec(c, "quantity", &quantity);
        map_fact_dec(c, "price", &price);
    } else if (has_amount) {
        map_fact(c, "quantity", "1");
        map_fact_dec(c, "price", dec_sign(amount) < 0 ? &zero : &amount);
    }
}

/* MemoLine or ItemNumber, the first that is not the name. */
static const char *
describe_line(struct map_ctx *c, const json_t *row)
{
    const char *memo = map_read_text(c, row, "MemoLine");
    const char *item = map_read_text(c, row, "ItemNumber");

    if (map_read_text(c, row, "Description") != NULL) {
        return memo != NULL ? memo : item;
    }
    return memo != NULL ? item : NULL;
}

static void
build_line(struct map_ctx *c, const struct line *l)
{
    map_facts_clear(c);
    c->where = arena_printf(c->a, "receivablesInvoiceLines[%zu].", l->pos);
    c->rows[MAP_FROM_LINE] = l->row;
    map_fact(c, "line_id", l->id);
    map_fact(c, "transaction_id", c->out->id);
    map_fact(c, "currency", c->out->currency);
    map_fact(c, "description", describe_line(c, l->row));
    price_line(c, l->row);
    (void)map_build(c, MAP_LINE_ITEMS);
    c->where = "";
}

/* ---- the invoice -------------------------------------------------------- */

static const char *
required_currency(struct map_ctx *c, const json_t *row)
{
    const json_t *v = json_object_get(row, "InvoiceCurrencyCode");
    const char *out = NULL;
    const char *text;
    size_t n;

    if (map_scalar(c->a, v, &text, &n) == MAP_VALUE) {
        out = map_format(c->a, MAP_AS_CURRENCY, text, n);
    }
    if (out == NULL) {
        map_refuse(c,
                   "InvoiceCurrencyCode: expected a currency of three "
                   "letters, found %s%.60s",
                   text != NULL ? "" : map_type_name(v),
                   text != NULL ? text : "");
    }
    return out;
}

static const char *
account_number(struct map_ctx *c, const json_t *row)
{
    const json_t *v = json_object_get(row, "BillToCustomerNumber");
    const char *text;
    size_t n;

    switch (map_scalar(c->a, v, &text, &n)) {
    case MAP_VALUE:
        return map_format(c->a, MAP_AS_TEXT, text, n);
    case MAP_WRONG:
        map_refuse(c, "BillToCustomerNumber: expected text, found %s",
                   map_type_name(v));
        return NULL;
    case MAP_ABSENT:
    default:
        return NULL;
    }
}

static const char *
checked_email(struct map_ctx *c, const json_t *row)
{
    const char *text;
    size_t n;

    if (map_scalar(c->a, json_object_get(row, "Email"), &text, &n) !=
        MAP_VALUE) {
        return NULL;
    }
    return map_format(c->a, MAP_AS_EMAIL, text, n);
}

/* Only for noticing that money moved: what is no number is none. */
static const char *
header_balance(struct map_ctx *c, const json_t *row)
{
    const char *text;
    size_t n;

    if (map_scalar(c->a, json_object_get(row, "InvoiceBalanceAmount"), &text,
                   &n) != MAP_VALUE) {
        return NULL;
    }
    return map_format(c->a, MAP_AS_NUMBER, text, n);
}

static void
read_header(struct map_ctx *c, const json_t *row)
{
    struct map_record *out = c->out;

    out->id = map_read_id(c, row, "CustomerTransactionId", true);
    out->currency = required_currency(c, row);
    out->customer = account_number(c, row);
    out->number = map_read_text(c, row, "TransactionNumber");
    out->party = map_read_text(c, row, "BillToPartyId");
    out->account_name = map_read_text(c, row, "BillToCustomerName");
    out->contact_name = map_read_text(c, row, "BillToContact");
    out->contact_email = checked_email(c, row);
    out->balance = header_balance(c, row);
    map_saw_version(c, map_read_stamp(c, row));
}

enum map_fate
map_invoice(const struct mapping *m, struct arena *a, const json_t *row,
            struct map_record *out, struct fault *f)
{
    struct map_ctx c;
    struct totals totals;
    struct line *lines;
    char text[DEC_TEXT_MAX];
    size_t count;

    map_ctx_init(&c, m, a, out, f);
    out->kind = MAP_INVOICE;
    if (!json_is_object(row)) {
        map_refuse(&c, "expected an object, found %s", map_type_name(row));
        return MAP_INVALID;
    }
    if (!map_unit_wanted(m, row)) {
        return MAP_FILTERED;
    }
    c.rows[MAP_FROM_INVOICE] = row;
    read_header(&c, row);
    read_totals(&c, row, &totals);
    lines = read_lines(&c, row, &count);
    if (c.invalid) {
        return MAP_INVALID;
    }
    map_fact(&c, "transaction_id", out->id);
    map_fact(&c, "account_number", out->customer);
    map_fact(&c, "currency", out->currency);
    put_totals(&c, &totals);
    decide_status(&c, row, &totals, count);
    if (totals.has_billed) {
        out->amount = arena_strdup(a, dec_text(&totals.billed, text));
    }
    (void)map_build(&c, MAP_INVOICES);
    for (size_t i = 0; i < count && !c.invalid; i++) {
        build_line(&c, &lines[i]);
    }
    return map_finish(&c, MAP_INVOICE);
}
