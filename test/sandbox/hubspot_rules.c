/* SPDX-License-Identifier: UNLICENSED */
/*
 * What HubSpot demands of invoices, line items and payments beyond the type of
 * each value, and what it calculates.
 *
 *     draft --contact and line item--> open --> paid
 *       +----------------------------------+--> voided
 *
 * Moves back are refused; who may PATCH paid and voided depends on switches.
 * Calculated values are worked out when read, never stored.
 */
#include "hubspot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *
stored(const struct hub_record *rec, const char *name)
{
    size_t i;

    for (i = 0; i < rec->nvalues; i++) {
        if (strcmp(rec->values[i].prop->name, name) == 0) {
            return rec->values[i].text;
        }
    }
    return NULL;
}

static struct dec
amount(const struct hub_record *rec, const char *name)
{
    const char *text = stored(rec, name);
    struct dec d;

    if (text == NULL || dec_parse(text, strlen(text), &d) != ERR_OK) {
        return dec_zero();
    }
    return d;
}

static struct dec
plus(struct dec a, struct dec b)
{
    struct dec sum;

    return dec_add(a, b, &sum) == ERR_OK ? sum : a;
}

/* ---- calculated values -------------------------------------------------- */

static struct dec
line_amount(const struct hub_record *line)
{
    struct dec each =
        plus(amount(line, "price"), dec_neg(amount(line, "discount")));
    struct dec all;

    if (stored(line, "quantity") == NULL ||
        dec_mul(amount(line, "quantity"), each, &all) != ERR_OK) {
        return each;
    }
    return dec_round(all, 6);
}

static bool
is_billable(const struct hub_record *invoice)
{
    return !text_equal(stored(invoice, "hs_invoice_billable"), "false");
}

static struct dec
lines_total(const struct hub_record *invoice)
{
    struct dec sum = dec_zero();
    size_t i;

    for (i = 0; i < invoice->nlinks; i++) {
        if (invoice->links[i].to->type == HUB_LINE_ITEMS) {
            sum = plus(sum, line_amount(invoice->links[i].to));
        }
    }
    return sum;
}

static bool
counts_as_paid(const struct hub_record *payment)
{
    const char *status = stored(payment, "hs_latest_status");

    return text_equal(status, "succeeded") ||
           text_equal(status, "partially_refunded");
}

static struct dec
paid_total(const struct hub_record *invoice)
{
    struct dec sum = dec_zero();
    size_t i;

    for (i = 0; i < invoice->nlinks; i++) {
        const struct hub_record *p = invoice->links[i].to;

        if (p->type == HUB_PAYMENTS && counts_as_paid(p)) {
            sum = plus(sum, amount(p, "hs_initial_amount"));
            sum = plus(sum, dec_neg(amount(p, "hs_refunds_amount")));
        }
    }
    return sum;
}

static struct dec
billed(const struct hub_record *invoice)
{
    return stored(invoice, "hs_amount_billed") != NULL ?
               amount(invoice, "hs_amount_billed") :
               lines_total(invoice);
}

static const char *
number(char tmp[HUB_TMP_MAX], uint64_t n)
{
    snprintf(tmp, HUB_TMP_MAX, "%" PRIu64, n);
    return tmp;
}

static const char *
decimal(char tmp[HUB_TMP_MAX], struct dec d)
{
    return dec_text(&d, tmp);
}

static const char *
calculate_billed(const struct hub_record *rec, char tmp[HUB_TMP_MAX])
{
    if (stored(rec, "hs_amount_billed") != NULL || !is_billable(rec)) {
        return NULL;
    }
    return decimal(tmp, lines_total(rec));
}

const char *
rules_calculate(const struct hub_record *rec, const struct hub_prop *prop,
                char tmp[HUB_TMP_MAX])
{
    switch (prop->calc) {
    case CALC_ID:
        return number(tmp, rec->id);
    case CALC_CREATED:
        return time_format(rec->created_us, tmp);
    case CALC_MODIFIED:
        return time_format(rec->updated_us, tmp);
    case CALC_LINE_AMOUNT:
        return stored(rec, "price") == NULL ? NULL :
                                              decimal(tmp, line_amount(rec));
    case CALC_BILLED:
        return calculate_billed(rec, tmp);
    case CALC_PAID:
        return decimal(tmp, paid_total(rec));
    case CALC_BALANCE:
        return decimal(tmp, plus(billed(rec), dec_neg(paid_total(rec))));
    case CALC_PAYMENT_ID:
        return number(tmp, rec->id);
    case CALC_NET:
        return decimal(tmp, plus(amount(rec, "hs_initial_amount"),
                                 dec_neg(plus(amount(rec, "hs_refunds_amount"),
                                              amount(rec, "hs_fees_amount")))));
    case CALC_HAS_INVOICE:
        return store_link_count(rec, HUB_INVOICES) > 0 ? "true" : "false";
    case CALC_INVOICES:
        return number(tmp, store_link_count(rec, HUB_INVOICES));
    case CALC_NONE:
    case CALC_OTHER:
        break;
    }
    return NULL;
}

/* ---- checks ------------------------------------------------------------- */

static json_t *
refusal(const char *message, const char *code, const char *prop)
{
    json_t *e = hub_error_json(400, "VALIDATION_ERROR", message);

    json_object_set_new(e, "errors",
                        json_pack("[{s:s, s:s, s:{s:[s]}}]", "message", message,
                                  "code", code, "context", "propertyName",
                                  prop));
    return e;
}

static const char *
after(const struct hub_input *in, const char *name)
{
    const char *v = input_value(in, name);

    if (v == NULL && in->target != NULL) {
        v = stored(in->target, name);
    }
    return v;
}

static size_t
parts(const struct hub_input *in, enum hub_type type)
{
    size_t i, n;

    n = in->target != NULL ? store_link_count(in->target, type) : 0;
    for (i = 0; i < in->nwants; i++) {
        n += in->wants[i].to->type == type;
    }
    return n;
}

static int
rank(const char *status)
{
    if (status == NULL || strcmp(status, "draft") == 0) {
        return 0;
    }
    return strcmp(status, "open") == 0 ? 1 : 2;
}

static json_t *
check_parts(struct hub_call *c, const struct hub_input *in, const char *to)
{
    bool contact = parts(in, HUB_CONTACTS) > 0;
    bool line = parts(in, HUB_LINE_ITEMS) > 0;

    if (!c->po->sw.open_needs_parts || (contact && line)) {
        return NULL;
    }
    return refusal(arena_printf(&c->arena,
                                "Cannot move the invoice to %s. Missing "
                                "required associations: %s%s%s",
                                to, contact ? "" : "INVOICE_TO_CONTACT",
                                contact || line ? "" : ", ",
                                line ? "" : "INVOICE_TO_LINE_ITEM"),
                   "MISSING_REQUIRED_ASSOCIATION", "hs_invoice_status");
}

static json_t *
check_status(struct hub_call *c, const struct hub_input *in)
{
    const struct hub_switches *w = &c->po->sw;
    const char *to = input_value(in, "hs_invoice_status");
    const char *from =
        in->target != NULL ? stored(in->target, "hs_invoice_status") : NULL;
    bool billable = !text_equal(after(in, "hs_invoice_billable"), "false");
    int64_t allowed = 1;

    from = from == NULL ? "draft" : from;
    if (to == NULL || strcmp(to, from) == 0) {
        return NULL;
    }
    if (rank(to) < rank(from)) {
        c->po->status_backs++;
    }
    if (strcmp(to, "paid") == 0) {
        allowed = billable ? w->paid_billable : w->paid_nonbillable;
    } else if (strcmp(to, "voided") == 0) {
        allowed = billable ? w->voided_billable : w->voided_nonbillable;
    }
    if ((rank(to) < rank(from) || rank(from) == 2) && !w->status_back) {
        allowed = 0;
    }
    if (!allowed || to[0] == '\0') {
        return refusal(arena_printf(&c->arena,
                                    "Invoice status cannot change from %s to "
                                    "%s",
                                    from, to),
                       "INVALID_STATUS_TRANSITION", "hs_invoice_status");
    }
    return rank(from) == 0 ? check_parts(c, in, to) : NULL;
}

static json_t *
check_invoice(struct hub_call *c, const struct hub_input *in)
{
    bool billable = !text_equal(after(in, "hs_invoice_billable"), "false");
    const char *due = input_value(in, "hs_due_date");
    int64_t us;

    if (in->target != NULL && !c->po->sw.billable_flip &&
        input_value(in, "hs_invoice_billable") != NULL &&
        !text_equal(after(in, "hs_invoice_billable"),
                    stored(in->target, "hs_invoice_billable"))) {
        return refusal("hs_invoice_billable can only be set on create",
                       "READ_ONLY_VALUE", "hs_invoice_billable");
    }
    if (!c->po->sw.edit_open && in->target != NULL &&
        rank(stored(in->target, "hs_invoice_status")) > 0 &&
        in->nwrites > (input_value(in, "hs_invoice_status") != NULL)) {
        return refusal("An invoice that is no draft cannot be edited",
                       "INVOICE_NOT_EDITABLE", in->writes[0].prop->name);
    }
    if (billable && due != NULL && c->po->sw.past_due_billable &&
        time_parse(due, strlen(due), &us) == ERR_OK && us < c->now_us) {
        return refusal("Due date must be in the future", "INVALID_DATE",
                       "hs_due_date");
    }
    return check_status(c, in);
}

static json_t *
check_line(struct hub_call *c, const struct hub_input *in)
{
    const char *price = input_value(in, "price");
    const char *quantity = input_value(in, "quantity");

    if (price != NULL && price[0] == '-') {
        return refusal("price must be greater than or equal to 0",
                       "NEGATIVE_PRICE", "price");
    }
    if (!c->po->sw.negative_quantity && quantity != NULL &&
        quantity[0] == '-') {
        return refusal("quantity must be greater than or equal to 0",
                       "NEGATIVE_QUANTITY", "quantity");
    }
    return NULL;
}

json_t *
rules_check(struct hub_call *c, struct hub_input *in)
{
    if (c->route.type == HUB_INVOICES) {
        return check_invoice(c, in);
    }
    if (c->route.type == HUB_LINE_ITEMS) {
        return check_line(c, in);
    }
    return NULL;
}

/* ---- consequences ------------------------------------------------------- */

static void
put(struct hub_portal *po, struct hub_record *rec, const char *name,
    const char *text)
{
    struct hub_prop *prop = map_get(&po->kin[rec->type].props, name);

    if (prop != NULL) {
        store_set(po, rec, prop, text);
    }
}

/* A succeeded payment that covers its invoice marks it paid. */
static void
pay(struct hub_portal *po, struct hub_record *invoice)
{
    int64_t mode = po->sw.payment_pays;
    struct dec due = plus(billed(invoice), dec_neg(paid_total(invoice)));

    if (mode == 0 || (mode == 1 && !is_billable(invoice)) ||
        rank(stored(invoice, "hs_invoice_status")) != 1 || dec_sign(due) > 0) {
        return;
    }
    put(po, invoice, "hs_invoice_status", "paid");
}

static void
imply_unlabelled(struct hub_portal *po, struct hub_record *contact,
                 struct hub_record *company)
{
    const struct hub_link *l = store_link_find(contact, company);
    size_t i;

    for (i = 0; po->sw.primary_implies && l != NULL && i < l->ntypes; i++) {
        if (l->types[i] == 1) {
            store_link_add(contact, company, 279);
            return;
        }
    }
}

void
rules_linked(struct hub_portal *po, struct hub_record *a, struct hub_record *b)
{
    if (a->type == HUB_INVOICES && b->type == HUB_PAYMENTS) {
        pay(po, a);
    } else if (b->type == HUB_INVOICES && a->type == HUB_PAYMENTS) {
        pay(po, b);
    } else if (a->type == HUB_INVOICES && b->type == HUB_LINE_ITEMS &&
               po->sw.total_first_line && is_billable(a) &&
               stored(a, "hs_amount_billed") == NULL) {
        char tmp[HUB_TMP_MAX];

        put(po, a, "hs_amount_billed", decimal(tmp, lines_total(a)));
    } else if (b->type == HUB_INVOICES && a->type == HUB_LINE_ITEMS) {
        rules_linked(po, b, a);
    } else if (a->type == HUB_CONTACTS && b->type == HUB_COMPANIES &&
               po->sw.primary_by_itself &&
               store_link_count(a, HUB_COMPANIES) == 1) {
        store_link_add(a, b, 1);
    } else if (a->type == HUB_CONTACTS && b->type == HUB_COMPANIES) {
        imply_unlabelled(po, a, b);
    } else if (b->type == HUB_CONTACTS && a->type == HUB_COMPANIES) {
        imply_unlabelled(po, b, a);
    }
}

static void
default_value(struct hub_portal *po, struct hub_record *rec, const char *name,
              const char *text)
{
    if (stored(rec, name) == NULL) {
        put(po, rec, name, text);
    }
}

void
rules_applied(struct hub_call *c, struct hub_record *rec)
{
    char at[TIME_TEXT_MAX];
    size_t i;

    if (rec->type == HUB_INVOICES) {
        default_value(c->po, rec, "hs_invoice_status", "draft");
        default_value(c->po, rec, "hs_invoice_billable", "true");
        default_value(c->po, rec, "hs_invoice_source", "API");
        default_value(c->po, rec, "hs_invoice_date",
                      time_format(rec->created_us, at));
        default_value(c->po, rec, "hs_due_date",
                      time_format(rec->created_us, at));
    } else if (rec->type == HUB_PAYMENTS) {
        default_value(c->po, rec, "hs_latest_status", "processing");
        default_value(c->po, rec, "hs_payment_creation_method", "OTHER");
        for (i = 0; i < rec->nlinks; i++) {
            rules_linked(c->po, rec, rec->links[i].to);
        }
    }
}

json_t *
rules_link_check(struct hub_portal *po, const struct hub_record *a,
                 const struct hub_record *b)
{
    const struct hub_record *line = a->type == HUB_LINE_ITEMS ? a : b;
    const struct hub_record *other = line == a ? b : a;
    size_t i;

    if (line->type != HUB_LINE_ITEMS || other->type != HUB_INVOICES ||
        !po->sw.line_single_parent) {
        return NULL;
    }
    for (i = 0; i < line->nlinks; i++) {
        if (line->links[i].to->type == HUB_INVOICES &&
            line->links[i].to != other) {
            char *text = mem_printf("Line item %" PRIu64 " already belongs to "
                                    "invoice %" PRIu64,
                                    line->id, line->links[i].to->id);
            json_t *e = hub_error_json(400, "VALIDATION_ERROR", text);

            mem_free(text);
            return e;
        }
    }
    return NULL;
}

json_t *
rules_delete_check(struct hub_portal *po, const struct hub_record *rec)
{
    const char *status;

    if (rec->type != HUB_INVOICES) {
        return NULL;
    }
    status = stored(rec, "hs_invoice_status");
    if (rank(status) == 0 || (rank(status) == 1 && po->sw.delete_open)) {
        return NULL;
    }
    return hub_error_json(400, "VALIDATION_ERROR",
                          "Only draft and open invoices can be deleted");
}

/* Line items die with their invoice. */
void
rules_archived(struct hub_portal *po, struct hub_record *rec, int64_t now_us)
{
    size_t i;

    if (rec->type != HUB_INVOICES) {
        return;
    }
    for (i = rec->nlinks; i > 0; i--) {
        struct hub_record *line = rec->links[i - 1].to;

        if (line->type == HUB_LINE_ITEMS) {
            store_archive(po, line, now_us);
        }
    }
}
