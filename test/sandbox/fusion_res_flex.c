/* SPDX-License-Identifier: UNLICENSED */
/*
 * Flexfields: children with one row per invoice, line or receipt that hold what
 * the customer has added to Oracle's attributes. Which segments there are is
 * the same on every pod here; values come from the seed, a fifth of them null,
 * one row in ten without any.
 *
 * What was set by hand is kept in the world under "child/id/segment" and wins;
 * an empty text is null. A flexfield has no stamp of its own.
 */
#include "fusion_res.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { X_KEY = 1, X_CONTEXT, X_CONTEXT_TEXT, X_FIRST };

/* What a segment may hold: texts apart by `|`, a digit for each `#`; NULL for
 * dates and amounts. */
struct flex {
    const struct res *res, *above; /* above: of the record it belongs to */
    const char *context, *context_text;
    const char *const *texts; /* by attribute, from X_FIRST on */
};

static const struct attr invoice_dff_attrs[] = {
    {"CustomerTrxId", V_INT, AF_Q | AF_KEY, X_KEY},
    {"__FLEX_Context", V_STR, 0, X_CONTEXT},
    {"__FLEX_Context_DisplayValue", V_STR, 0, X_CONTEXT_TEXT},
    {"region", V_STR, 0, X_FIRST},
    {"salesRegion", V_STR, 0, X_FIRST + 1},
    {"projectCode", V_STR, 0, X_FIRST + 2},
    {"contractNumber", V_STR, 0, X_FIRST + 3},
    {"contractAmount", V_DEC, 0, X_FIRST + 4},
    {"renewalDate", V_DATE, 0, X_FIRST + 5},
};
static const char *const invoice_dff_texts[] = {"North|South|East|West",
                                                "EMEA|APAC|LATAM|NA",
                                                "PRJ-####",
                                                "C-20##-#####",
                                                NULL,
                                                NULL};

static const struct attr invoice_tdff_attrs[] = {
    {"CustomerTrxId", V_INT, AF_Q | AF_KEY, X_KEY},
    {"__FLEX_Context", V_STR, 0, X_CONTEXT},
    {"__FLEX_Context_DisplayValue", V_STR, 0, X_CONTEXT_TEXT},
    {"sourceOrder", V_STR, 0, X_FIRST},
    {"sourceSystem", V_STR, 0, X_FIRST + 1},
};
static const char *const invoice_tdff_texts[] = {"SO-######", "CPQ|SHOP|OM"};

static const struct attr invoice_gdf_attrs[] = {
    {"CustomerTrxId", V_INT, AF_Q | AF_KEY, X_KEY},
    {"__FLEX_Context", V_STR, 0, X_CONTEXT},
    {"__FLEX_Context_DisplayValue", V_STR, 0, X_CONTEXT_TEXT},
    {"fiscalDocumentType", V_STR, 0, X_FIRST},
};
static const char *const invoice_gdf_texts[] = {"01|03|07"};

static const struct attr line_dff_attrs[] = {
    {"CustomerTrxLineId", V_INT, AF_Q | AF_KEY, X_KEY},
    {"__FLEX_Context", V_STR, 0, X_CONTEXT},
    {"__FLEX_Context_DisplayValue", V_STR, 0, X_CONTEXT_TEXT},
    {"costCenter", V_STR, 0, X_FIRST},
    {"region", V_STR, 0, X_FIRST + 1},
    {"projectTask", V_STR, 0, X_FIRST + 2},
    {"discountAmount", V_DEC, 0, X_FIRST + 3},
    {"serviceStartDate", V_DATE, 0, X_FIRST + 4},
};
static const char *const line_dff_texts[] = {"CC-###", "North|South|East|West",
                                             "#.#.##", NULL, NULL};

static const struct attr line_tdff_attrs[] = {
    {"CustomerTrxLineId", V_INT, AF_Q | AF_KEY, X_KEY},
    {"__FLEX_Context", V_STR, 0, X_CONTEXT},
    {"__FLEX_Context_DisplayValue", V_STR, 0, X_CONTEXT_TEXT},
    {"sourceOrderLine", V_STR, 0, X_FIRST},
};
static const char *const line_tdff_texts[] = {"##"};

static const struct attr receipt_dff_attrs[] = {
    {"CashReceiptId", V_INT, AF_Q | AF_KEY, X_KEY},
    {"__FLEX_Context", V_STR, 0, X_CONTEXT},
    {"__FLEX_Context_DisplayValue", V_STR, 0, X_CONTEXT_TEXT},
    {"region", V_STR, 0, X_FIRST},
    {"bankReference", V_STR, 0, X_FIRST + 1},
    {"collector", V_STR, 0, X_FIRST + 2},
    {"feeAmount", V_DEC, 0, X_FIRST + 3},
    {"valueDate", V_DATE, 0, X_FIRST + 4},
};
static const char *const receipt_dff_texts[] = {
    "North|South|East|West", "BR########", "lee.wong|ana.silva", NULL, NULL};

static const struct attr receipt_gdf_attrs[] = {
    {"CashReceiptId", V_INT, AF_Q | AF_KEY, X_KEY},
    {"__FLEX_Context", V_STR, 0, X_CONTEXT},
    {"__FLEX_Context_DisplayValue", V_STR, 0, X_CONTEXT_TEXT},
    {"paymentReasonCode", V_STR, 0, X_FIRST},
};
static const char *const receipt_gdf_texts[] = {"P01|P07|P12"};

static const struct flex flexes[] = {
    {&res_invoice_dff, &res_invoices, "SALES", "Sales", invoice_dff_texts},
    {&res_invoice_tdff, &res_invoices, "ORDERS", "Orders", invoice_tdff_texts},
    {&res_invoice_gdf, &res_invoices, "FISCAL", "Fiscal", invoice_gdf_texts},
    {&res_line_dff, &res_lines, "COSTS", "Costs", line_dff_texts},
    {&res_line_tdff, &res_lines, "ORDERS", "Orders", line_tdff_texts},
    {&res_receipt_dff, &res_receipts, "BANK", "Bank", receipt_dff_texts},
    {&res_receipt_gdf, &res_receipts, "FISCAL", "Fiscal", receipt_gdf_texts},
};

static size_t
flex_index(const struct res *res)
{
    size_t i = 0;

    while (i + 1 < COUNT_OF(flexes) && flexes[i].res != res) {
        i++;
    }
    return i;
}

/* ---- values ------------------------------------------------------------- */

/* The id of the invoice, line or receipt above. */
static int64_t
owner_id(struct fctx *c, const struct row *row)
{
    if (row->p != NULL) {
        return ((const struct line *)row->p)->id;
    }
    return world_id(c->w,
                    row->res == &res_receipt_dff ||
                            row->res == &res_receipt_gdf ?
                        K_RECEIPT :
                        K_INVOICE,
                    row->i);
}

static const char *
pattern_fill(struct fctx *c, const char *texts, struct rng *r)
{
    size_t n = 1;
    char *out = NULL;

    for (const char *p = texts; *p != 0; p++) {
        n += *p == '|';
    }
    for (n = rng_next(r) % n; n > 0; n--) {
        texts = strchr(texts, '|') + 1;
    }
    out = arena_strndup(c->a, texts, strcspn(texts, "|"));
    for (char *p = out; *p != 0; p++) {
        *p = *p == '#' ? (char)('0' + rng_next(r) % 10) : *p;
    }
    return out;
}

static void
generate(struct fctx *c, const struct flex *f, const struct attr *a, int64_t id,
         struct val *v)
{
    uint64_t what = 700 + flex_index(f->res) * 32;
    struct rng row = rng_of(c->w, what, (uint64_t)id);
    struct rng r = rng_of(c->w, what + (unsigned)a->id, (uint64_t)id);

    v->t = V_NULL;
    if (rng_percent(&row, 10)) {
        return;
    }
    if (a->id == X_CONTEXT || a->id == X_CONTEXT_TEXT) {
        v_str(v, a->id == X_CONTEXT ? f->context : f->context_text);
    } else if (rng_percent(&r, 20)) {
        return;
    } else if (a->type == V_DEC) {
        v_dec(v, rng_range(&r, 1, 5000000) * 10, 3);
    } else if (a->type == V_DATE) {
        v_num(v, V_DATE,
              c->w->start_us / INT64_C(86400000000) + rng_range(&r, -90, 400));
    } else {
        v_str(v, pattern_fill(c, f->texts[a->id - X_FIRST], &r));
    }
}

/* Decimal text to thousandths, a date to days; false: it is none. */
static bool
value_of(const struct attr *a, const char *text, struct val *v)
{
    struct dec d;
    struct dec thousand = {.limb = {1000}};
    char digits[DEC_TEXT_MAX];
    int64_t us = 0;

    v->t = *text == 0 ? V_NULL : a->type;
    if (v->t == V_DEC) {
        if (dec_parse(text, strlen(text), &d) != ERR_OK ||
            dec_mul(d, thousand, &d) != ERR_OK) {
            return false;
        }
        d = dec_round(d, 0);
        v_dec(v, strtoll(dec_text(&d, digits), NULL, 10), 3);
    } else if (v->t == V_DATE) {
        if (time_parse(text, strlen(text), &us) != ERR_OK) {
            return false;
        }
        v->n = us / INT64_C(86400000000);
    } else {
        v->s = text;
    }
    return true;
}

static void
flex_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    int64_t owner = owner_id(c, row);
    const struct attr *a = NULL;
    const char *set = NULL;

    for (size_t i = 0; i < row->res->n_attrs; i++) {
        a = row->res->attrs[i].id == id ? &row->res->attrs[i] : a;
    }
    if (id == X_KEY || a == NULL) {
        v_num(v, V_INT, owner);
        return;
    }
    if (c->w->flex.count > 0) {
        set =
            map_get(&c->w->flex, arena_printf(c->a, "%s/%" PRId64 "/%s",
                                              row->res->name, owner, a->name));
    }
    if (set == NULL) {
        generate(c, &flexes[flex_index(row->res)], a, owner, v);
    } else {
        (void)value_of(a, set, v);
    }
}

static const char *
flex_key(struct fctx *c, const struct row *row)
{
    return key_int(c, owner_id(c, row));
}

bool
flex_set(struct world *w, const struct res *above, int64_t id, const char *path,
         const char *value)
{
    size_t n = strcspn(path, ".");
    bool any = n == 3 && strncmp(path, "dff", 3) == 0; /* the first of them */
    const struct attr *a = NULL;
    const char *name = NULL;
    char *key = NULL;
    struct val v = {0};

    for (size_t i = 0; i < COUNT_OF(flexes) && a == NULL; i++) {
        const char *child = flexes[i].res->name;

        if (flexes[i].above == above && path[n] == '.' &&
            (any || (strncmp(child, path, n) == 0 && child[n] == 0))) {
            name = child;
            a = attr_find(flexes[i].res, path + n + 1, strlen(path + n + 1));
            any = false;
        }
    }
    if (a == NULL || a->id == X_KEY || !value_of(a, value, &v)) {
        return false;
    }
    key = mem_printf("%s/%" PRId64 "/%s", name, id, a->name);
    (void)map_put(&w->flex, key, arena_strdup(&w->texts, value));
    mem_free(key);
    return true;
}

/* ---- rows --------------------------------------------------------------- */

static void
flex_row(struct fctx *c, const struct row *parent, const struct res *res,
         struct rows *out)
{
    struct row *up = NULL;

    if (!sw(c, SW_flexfields) && !c->raw) {
        return;
    }
    up = arena_alloc(c->a, sizeof(*up));
    *up = *parent;
    rows_add(c, out,
             (struct row){.res = res,
                          .name = res->name,
                          .parent = up,
                          .p = parent->p,
                          .i = parent->i,
                          .k = parent->k});
}

#define FLEX(which, child, text)                                               \
    void which##_rows(struct fctx *c, const struct row *parent,                \
                      struct rows *out)                                        \
    {                                                                          \
        flex_row(c, parent, &res_##which, out);                                \
    }                                                                          \
    const struct res res_##which = {.name = child,                             \
                                    .title = text,                             \
                                    .op = child ".get",                        \
                                    .attrs = which##_attrs,                    \
                                    .n_attrs = COUNT_OF(which##_attrs),        \
                                    .get = flex_get,                           \
                                    .key = flex_key};
FLEX(invoice_dff, "receivablesInvoiceDFF", "Invoice Descriptive Flexfields")
FLEX(invoice_tdff, "receivablesInvoiceTransactionDFF",
     "Invoice Transaction Descriptive Flexfields")
FLEX(invoice_gdf, "receivablesInvoiceGdf",
     "Invoice Global Descriptive Flexfields")
FLEX(line_dff, "receivablesInvoiceLineDFF",
     "Invoice Line Descriptive Flexfields")
FLEX(line_tdff, "receivablesInvoiceLineTransactionDFF",
     "Invoice Line Transaction Descriptive Flexfields")
FLEX(receipt_dff, "standardReceiptDFF", "Receipt Descriptive Flexfields")
FLEX(receipt_gdf, "standardReceiptGdf", "Receipt Global Descriptive Flexfields")
