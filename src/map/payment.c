/* SPDX-License-Identifier: UNLICENSED */
/*
 * payment: one receipt and its applications to payments, one per invoice that
 * money went to and one for the rest. Applications are a ledger: a reversal is
 * a row of its own with a minus. The rows are grouped by invoice, what came and
 * what went back added up apart, each ApplicationId once.
 */
#include <stdlib.h>
#include <string.h>

#include "map_priv.h"

struct application {
    const json_t *row;
    const char *id;      /* ApplicationId or NULL */
    const char *invoice; /* ReferenceTransactionId */
    const char *currency;
    struct dec amount;
    int64_t stamp;
    size_t pos;
};

struct receipt {
    const json_t *row;
    const char *id, *number, *customer, *currency;
    int64_t stamp;
    bool failed, reversed;
    bool settled; /* cleared or reversed: its life is over */
    struct application *rows;
    size_t count;  /* rows that moved money onto an invoice */
    size_t listed; /* rows of any sort */
};

/* Categories of a reversal that mean that the money never came. */
static bool
is_failed(const char *category)
{
    static const char *const words[] = {
        "nsf", "non sufficient funds", "insufficient funds", "stop", "stopped"};

    for (size_t i = 0; category != NULL && i < COUNT_OF(words); i++) {
        if (map_has_words(category, words[i])) {
            return true;
        }
    }
    return false;
}

static bool
is_settled(const char *status)
{
    static const char *const words[] = {"cleared", "reversed"};

    for (size_t i = 0; status != NULL && i < COUNT_OF(words); i++) {
        if (map_has_words(status, words[i]) &&
            strlen(status) == strlen(words[i])) {
            return true;
        }
    }
    return false;
}

static const char *
read_currency(struct map_ctx *c, const json_t *row, const char *attr)
{
    const json_t *v = json_object_get(row, attr);
    const char *out = NULL;
    const char *text;
    size_t n;
    enum map_found found = map_scalar(c->a, v, &text, &n);

    if (found == MAP_ABSENT) {
        return NULL;
    }
    if (found == MAP_VALUE) {
        out = map_format(c->a, MAP_AS_CURRENCY, text, n);
    }
    if (out == NULL) {
        map_refuse(c, "%s: expected a currency of three letters, found %s",
                   attr, map_type_name(v));
    }
    return out;
}

static void
read_receipt(struct map_ctx *c, const json_t *row, struct receipt *r)
{
    const char *category;

    r->row = row;
    r->id = map_read_id(c, row, "StandardReceiptId", true);
    r->number = map_read_text(c, row, "ReceiptNumber");
    r->currency = read_currency(c, row, "Currency");
    r->stamp = map_read_stamp(c, row);
    category = map_read_text(c, row, "ReversalCategory");
    r->failed = is_failed(category);
    r->reversed =
        category != NULL || map_read_text(c, row, "ReversalDate") != NULL;
    r->settled = is_settled(map_read_text(c, row, "Status"));
    r->customer = map_read_text(c, row, "CustomerAccountNumber");
    if (r->customer == NULL &&
        (json_is_object(json_object_get(row, "CustomerAccountNumber")) ||
         json_is_array(json_object_get(row, "CustomerAccountNumber")))) {
        map_refuse(c, "CustomerAccountNumber: expected text");
    }
}

/* False for a row that moved no money onto an invoice. */
static bool
read_application(struct map_ctx *c, const struct receipt *r, const json_t *row,
                 struct application *p)
{
    const char *of;

    of = map_read_id(c, row, "StandardReceiptId", false);
    p->row = row;
    p->id = map_read_id(c, row, "ApplicationId", false);
    p->invoice = map_read_id(c, row, "ReferenceTransactionId", false);
    p->currency = read_currency(c, row, "EnteredCurrency");
    p->stamp = map_read_stamp(c, row);
    if (!map_read_money(c, row, "ApplicationAmount", &p->amount)) {
        return false;
    }
    return p->invoice != NULL && dec_sign(p->amount) != 0 &&
           (of == NULL || r->id == NULL || strcmp(of, r->id) == 0);
}

static int
newer_first(const struct application *a, const struct application *b)
{
    if (a->stamp != b->stamp) {
        return a->stamp > b->stamp ? -1 : 1;
    }
    return a->pos > b->pos ? -1 : 1;
}

static int
by_application(const void *va, const void *vb)
{
    const struct application *a = va;
    const struct application *b = vb;
    int cmp = map_id_cmp(a->id, b->id);

    return cmp != 0 ? cmp : newer_first(a, b);
}

static int
by_invoice(const void *va, const void *vb)
{
    const struct application *a = va;
    const struct application *b = vb;
    int cmp = map_id_cmp(a->invoice, b->invoice);

    cmp = cmp != 0 ? cmp : map_id_cmp(a->id, b->id);
    return cmp != 0 ? cmp : newer_first(a, b);
}

static void
read_applications(struct map_ctx *c, const json_t *list, struct receipt *r)
{
    size_t n = json_array_size(list);
    size_t kept = 0;

    r->rows = arena_array(c->a, n + 1, sizeof(*r->rows));
    r->listed = n;
    for (size_t i = 0; i < n && !c->invalid; i++) {
        struct application *p = &r->rows[kept];

        c->where = "";
        if (!json_is_object(json_array_get(list, i))) {
            map_refuse(c,
                       "standardReceiptApplications[%zu]: expected an "
                       "object, found %s",
                       i, map_type_name(json_array_get(list, i)));
            break;
        }
        c->where = arena_printf(c->a, "standardReceiptApplications[%zu].", i);
        memset(p, 0, sizeof(*p));
        p->pos = i;
        kept += read_application(c, r, json_array_get(list, i), p) ? 1 : 0;
    }
    c->where = "";
    n = kept;
    if (n > 1) {
        qsort(r->rows, n, sizeof(*r->rows), by_application);
    }
    kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || r->rows[i].id == NULL ||
            !text_equal(r->rows[kept - 1].id, r->rows[i].id)) {
            r->rows[kept++] = r->rows[i];
        }
    }
    r->count = kept;
    if (kept > 1) {
        qsort(r->rows, kept, sizeof(*r->rows), by_invoice);
    }
}

/* ---- one payment -------------------------------------------------------- */

struct sums {
    struct dec in, back; /* back is not negative */
    const char *currency;
};

static void
add_rows(struct map_ctx *c, const struct application *rows, size_t n,
         struct sums *s)
{
    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < n; i++) {
        const struct application *p = &rows[i];

        map_saw_version(c, p->stamp);
        if (dec_sign(p->amount) > 0) {
            map_sum(c, &s->in, p->amount, "ApplicationAmount");
        } else {
            map_sum(c, &s->back, dec_neg(p->amount), "ApplicationAmount");
        }
        if (s->currency != NULL && p->currency != NULL &&
            strcmp(s->currency, p->currency) != 0) {
            map_refuse(c,
                       "EnteredCurrency: the applications on transaction "
                       "%s are in %s and in %s and cannot be added",
                       p->invoice, s->currency, p->currency);
        }
        s->currency = s->currency != NULL ? s->currency : p->currency;
    }
}

static const char *
status_of(const struct receipt *r, const struct sums *s)
{
    if (r->failed) {
        return "failed";
    }
    if (dec_sign(s->back) == 0) {
        return "succeeded";
    }
    return dec_cmp(s->back, s->in) < 0 ? "partially_refunded" : "refunded";
}

/* Facts and properties of a payment; `invoice` NULL: the unapplied rest. */
static void
build_payment(struct map_ctx *c, const struct receipt *r, const char *invoice,
              const struct sums *s)
{
    struct map_record *out = c->out;
    char text[DEC_TEXT_MAX];

    out->id = arena_printf(c->a, "%s:%s", r->id,
                           invoice != NULL ? invoice : "unapplied");
    out->number = r->number;
    out->customer = r->customer;
    out->invoice = invoice;
    out->receipt = r->id;
    out->currency = s->currency != NULL ? s->currency : r->currency;
    out->amount = arena_strdup(c->a, dec_text(&s->in, text));
    map_saw_version(c, r->stamp);
    c->out->stamp_us = r->stamp;
    c->rows[MAP_FROM_RECEIPT] = r->row;
    map_fact(c, "payment_key", out->id);
    map_fact(c, "receipt_id", r->id);
    map_fact_dec(c, "initial_amount", &s->in);
    if (dec_sign(s->back) != 0) {
        map_fact_dec(c, "refunds_amount", &s->back);
    }
    map_fact(c, "payment_status", status_of(r, s));
    map_fact(c, "currency", out->currency);
    map_fact(c, "processor", "none");
    (void)map_build(c, MAP_PAYMENTS);
    if (c->gone) {
        c->things[0].props.n = 0; /* only its key is left to say */
    }
}

/* What is not applied. A new receipt has no UnappliedAmount yet: nothing of it
 * is applied as long as there are no applications and no reversal. */
static void
unapplied(struct map_ctx *c, const struct receipt *r, struct sums *s)
{
    memset(s, 0, sizeof(*s));
    s->currency = r->currency;
    if (!map_read_money(c, r->row, "UnappliedAmount", &s->in) &&
        (r->listed > 0 || r->reversed ||
         !map_read_money(c, r->row, "Amount", &s->in))) {
        s->in = dec_zero();
    }
    c->out->open = dec_sign(s->in) != 0 || !r->settled;
    if (dec_sign(s->in) < 0) {
        map_note(c, "value_ignored", "UnappliedAmount: is below zero");
        s->in = dec_zero();
    }
    c->gone = dec_sign(s->in) == 0;
}

static bool
give(struct map_ctx *c, const struct receipt *r, const struct application *rows,
     size_t n)
{
    struct sums s;

    if (n > 0) {
        add_rows(c, rows, n, &s);
    } else {
        unapplied(c, r, &s);
    }
    if (c->invalid) {
        return false;
    }
    build_payment(c, r, n > 0 ? rows[0].invoice : NULL, &s);
    return map_finish(c, MAP_PAYMENT) == MAP_RECORD;
}

static size_t
group_size(const struct receipt *r, size_t from)
{
    size_t n = 1;

    while (from + n < r->count &&
           strcmp(r->rows[from].invoice, r->rows[from + n].invoice) == 0) {
        n++;
    }
    return n;
}

static const json_t *
application_list(struct map_ctx *c, const json_t *applications)
{
    const json_t *items = json_object_get(applications, "items");

    if (items != NULL) {
        applications = items;
    }
    if (applications == NULL || json_is_null(applications) ||
        json_is_array(applications)) {
        return json_is_array(applications) ? applications : NULL;
    }
    map_refuse(c, "standardReceiptApplications: expected a list, found %s",
               map_type_name(applications));
    return NULL;
}

enum map_fate
map_payments(const struct mapping *m, struct arena *a, const json_t *receipt,
             const json_t *applications, struct map_record **out, size_t *n,
             struct fault *f)
{
    struct map_record head;
    struct map_record *all;
    struct map_ctx c;
    struct receipt r;

    *out = NULL;
    *n = 0;
    memset(&r, 0, sizeof(r));
    map_ctx_init(&c, m, a, &head, f);
    if (!json_is_object(receipt)) {
        map_refuse(&c, "expected an object, found %s", map_type_name(receipt));
        return MAP_INVALID;
    }
    if (!map_unit_wanted(m, receipt)) {
        return MAP_FILTERED;
    }
    read_receipt(&c, receipt, &r);
    read_applications(&c, application_list(&c, applications), &r);
    if (c.invalid) {
        return MAP_INVALID;
    }
    all = arena_array(a, r.count + 1, sizeof(*all));
    for (size_t i = 0, size = 0;; i += size) {
        bool rest = i == r.count;

        size = rest ? 0 : group_size(&r, i);
        map_ctx_init(&c, m, a, &all[*n], f);
        if (*n == 0) { /* the notes on the receipt go to its first record */
            memcpy(all[0].notes, head.notes, sizeof(head.notes));
            all[0].note_count = head.note_count;
        }
        if (!give(&c, &r, &r.rows[i], size)) {
            *n = 0;
            return MAP_INVALID;
        }
        (*n)++;
        if (rest) {
            break;
        }
    }
    *out = all;
    return MAP_RECORD;
}
