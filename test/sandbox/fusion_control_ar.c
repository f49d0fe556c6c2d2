/* SPDX-License-Identifier: UNLICENSED */
/*
 * Control calls on invoices, their lines, receipts, credit memos and
 * adjustments. A call that only sets flexfields leaves the record's stamp
 * alone, as Fusion does, unless the switch flexfields_bump is set.
 */
#include "fusion_control.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- flexfields --------------------------------------------------------- */

struct flex_call {
    struct ctl *k;
    const struct res *above;
    int64_t id;
    unsigned set, others; /* others: parameters that set something else */
    const char *bad;
};

static void
flex_param(void *arg, const char *name, const char *value)
{
    struct flex_call *f = arg;

    if (strchr(name, '.') == NULL) {
        f->others += strcmp(name, "age_s") != 0 && strcmp(name, "quiet") != 0;
    } else if (flex_set(f->k->w, f->above, f->id, name,
                        value == NULL ? "" : value)) {
        f->set++;
    } else {
        f->bad = f->bad == NULL ? arena_strdup(f->k->a, name) : f->bad;
    }
}

/* Sets the flexfields that were given. False after a refusal; *stamped says
 * whether the call changes the record itself. */
static bool
flex_take(struct ctl *k, const struct res *above, int64_t id, bool *stamped)
{
    struct flex_call f = {.k = k, .above = above, .id = id};

    sim_query_each(k->r, flex_param, &f);
    if (f.bad != NULL) {
        refuse(k, 400,
               arena_printf(k->a, "no such segment or value: %s", f.bad));
        return false;
    }
    *stamped =
        f.set == 0 || f.others > 0 || k->pod->sw[SW_flexfields_bump] != 0;
    return true;
}

static const struct text_field invoice_fields[] = {
    {"TransactionNumber", offsetof(struct invoice, number)},
    {"PurchaseOrder", offsetof(struct invoice, po)},
    {"Email", offsetof(struct invoice, email)},
    {"BillToContact", offsetof(struct invoice, contact)},
    {"Comments", offsetof(struct invoice, comments)},
};

/* ---- invoices ----------------------------------------------------------- */

static int
status_of(const char *name)
{
    if (text_equal(name, "Complete")) {
        return INVOICE_COMPLETE;
    }
    if (text_equal(name, "Incomplete")) {
        return INVOICE_INCOMPLETE;
    }
    return text_equal(name, "Frozen") ? INVOICE_FROZEN : -1;
}

/* False after a refusal. */
static bool
invoice_set(struct ctl *k, uint32_t v)
{
    const char *account = arg(k, "account");
    const char *due = arg(k, "DueDate");
    int status = status_of(arg(k, "InvoiceStatus"));
    int currency = currency_find(arg(k, "currency"));
    int64_t us = 0;
    bool stamped = true;

    if (!flex_take(k, &res_invoices, world_id(k->w, K_INVOICE, v), &stamped)) {
        return false;
    }
    (void)set_texts(k, &k->w->invoices[v], invoice_fields,
                    COUNT_OF(invoice_fields));
    if (due != NULL && time_parse(due, strlen(due), &us) == ERR_OK) {
        k->w->invoices[v].due = (int32_t)(us / INT64_C(86400000000));
    }
    if (account != NULL && k->n > 2) {
        uint32_t c = *account == 0 ? NONE : world_customer(k->w, account);

        if (c == NONE && *account != 0) {
            refuse(k, 404, "no such account");
            return false;
        }
        (void)op_invoice_customer(k->w, v, c, k->now);
    }
    if ((currency >= 0 && k->n > 2 &&
         !op_currency(k->w, v, (unsigned)currency, k->now)) ||
        (status >= 0 && !op_status(k->w, v, (unsigned)status, k->now))) {
        refuse(k, 409, "refused: the invoice has payments or credits");
        return false;
    }
    if (stamped) {
        stamp(k, K_INVOICE, v);
    }
    return true;
}

static bool
line_flex(struct ctl *k, uint32_t v, unsigned at)
{
    struct line l;
    bool stamped = true;

    invoice_line(k->w, v, at, &l);
    if (!flex_take(k, &res_lines, l.id, &stamped)) {
        return false;
    }
    if (k->pod->sw[SW_flexfields_bump] != 0) {
        op_lines(k->w, v)[at].stamp = k->now;
    }
    return true;
}

static void
do_line(struct ctl *k, uint32_t v)
{
    unsigned at = k->n > 4 ? (unsigned)strtoul(k->part[4], NULL, 10) : 0;
    int64_t quantity = 1000;
    int64_t price = 0;
    bool ok = false;

    if (k->n <= 4) {
        ok = op_line_add(k->w, v, k->now);
        at = (unsigned)k->w->invoices[v].n_lines - 1;
    } else if (k->del) {
        ok = op_line_remove(k->w, v, at, k->now);
    } else {
        ok = at < k->w->invoices[v].n_lines;
    }
    if (ok && !k->del && arg_amount(k, "UnitSellingPrice", 4, &price)) {
        (void)arg_amount(k, "Quantity", 3, &quantity);
        ok = op_line_change(k->w, v, at, quantity, price, k->now);
    }
    if (ok && !k->del && arg(k, "Description") != NULL) {
        op_lines(k->w, v)[at].text =
            world_text(k->w, "%s", arg(k, "Description"));
        op_lines(k->w, v)[at].stamp = k->now;
    }
    if (!ok) {
        refuse(k, 409, "refused");
        return;
    }
    if (!k->del && !line_flex(k, v, at)) {
        return;
    }
    tell(k, K_INVOICE, v);
}

static void
do_invoice_new(struct ctl *k)
{
    const char *account = arg(k, "account");
    int currency = currency_find(arg(k, "currency"));
    uint32_t c =
        account == NULL || *account == 0 ? NONE : world_customer(k->w, account);
    uint32_t v = NONE;

    if (c == NONE && account != NULL && *account != 0) {
        refuse(k, 404, "no such account");
        return;
    }
    v = op_invoice(k->w, c, (unsigned)arg_int(k, "lines", 1),
                   currency < 0 ? 0U : (unsigned)currency, k->now);
    if (invoice_set(k, v)) {
        tell(k, K_INVOICE, v);
    }
}

void
do_invoice(struct ctl *k)
{
    uint32_t v = NONE;

    if (k->n == 2) {
        do_invoice_new(k);
        return;
    }
    v = target(k, K_INVOICE);
    if (v == NONE) {
        return;
    }
    if (k->n > 3 && strcmp(k->part[3], "line") == 0) {
        do_line(k, v);
    } else if (k->del) {
        world_bury(k->w, K_INVOICE, v);
        sim_reply_json(k->p, 200, json_pack("{s:b}", "deleted", 1));
    } else if (invoice_set(k, v)) {
        tell(k, K_INVOICE, v);
    }
}

/* ---- receipts and credits ----------------------------------------------- */

/* apply=ID[:AMOUNT],... ; without an amount the whole balance. */
static void
apply_list(struct ctl *k, uint32_t receipt, const char *list)
{
    while (list != NULL && *list != 0) {
        size_t n = strcspn(list, ",");
        size_t id = strcspn(list, ":,");
        uint32_t v = world_find(k->w, K_INVOICE, strtoll(list, NULL, 10));
        int64_t amount = INT64_MAX / 4;

        if (v != NONE) {
            amount = invoice_balance(&k->w->invoices[v]);
            if (id < n) {
                (void)amount_of(list + id + 1, n - id - 1, 3, &amount);
            }
            (void)op_apply(k->w, receipt, v, amount, k->now);
        }
        list += n;
        list += *list == ',';
    }
}

static void
receipt_date(struct ctl *k, uint32_t r)
{
    const char *date = arg(k, "ReceiptDate");
    int64_t us = 0;

    if (date != NULL && time_parse(date, strlen(date), &us) == ERR_OK) {
        k->w->receipts[r].date = (int32_t)(us / INT64_C(86400000000));
    }
}

static void
do_receipt_new(struct ctl *k)
{
    const char *account = arg(k, "account");
    int currency = currency_find(arg(k, "currency"));
    uint32_t c = account == NULL ? NONE : world_customer(k->w, account);
    int64_t amount = 0;
    uint32_t r = NONE;
    bool stamped = true;

    if (!arg_amount(k, "amount", 3, &amount) ||
        (account != NULL && c == NONE)) {
        refuse(k, 400, "amount is missing or the account is unknown");
        return;
    }
    r = op_receipt(k->w, c, currency < 0 ? 0U : (unsigned)currency, amount,
                   k->now);
    if (arg(k, "method") != NULL) {
        k->w->receipts[r].method = (uint8_t)(arg_int(k, "method", 0) % METHODS);
    }
    receipt_date(k, r);
    apply_list(k, r, arg(k, "apply"));
    if (flex_take(k, &res_receipts, world_id(k->w, K_RECEIPT, r), &stamped)) {
        tell(k, K_RECEIPT, r);
    }
}

static void
receipt_identify(struct ctl *k, uint32_t r)
{
    uint32_t c = arg(k, "account") == NULL ?
                     NONE :
                     world_customer(k->w, arg(k, "account"));
    struct receipt *p = &k->w->receipts[r];

    if (c == NONE || p->customer != NONE) {
        return;
    }
    p->customer = c;
    p->next_of_customer = k->w->customers[c].first_receipt;
    k->w->customers[c].first_receipt = r;
}

void
do_receipt(struct ctl *k)
{
    const char *verb = k->n > 3 ? k->part[3] : "touch";
    const char *category = arg(k, "category");
    uint32_t r = NONE;
    uint32_t v = NONE;
    int64_t amount = INT64_MAX;
    bool stamped = true;

    if (k->n == 2) {
        do_receipt_new(k);
        return;
    }
    r = target(k, K_RECEIPT);
    if (r == NONE) {
        return;
    }
    v = world_find(k->w, K_INVOICE, arg_int(k, "invoice", 0));
    if (strcmp(verb, "apply") == 0) {
        apply_list(k, r, arg(k, "apply"));
    } else if (strcmp(verb, "on_account") == 0) {
        (void)arg_amount(k, "amount", 3, &amount);
        (void)op_on_account(k->w, r, amount, k->now);
    } else if (strcmp(verb, "unapply") == 0) {
        (void)op_unapply(k->w, r, v, k->now);
    } else if (strcmp(verb, "reverse") == 0) {
        (void)op_reverse(k->w, r, category == NULL ? "NSF" : category, k->now);
    } else if (strcmp(verb, "identify") == 0) {
        receipt_identify(k, r);
        world_touch(k->w, K_RECEIPT, r, k->now);
    } else if (k->del) {
        world_bury(k->w, K_RECEIPT, r);
    } else if (!flex_take(k, &res_receipts, world_id(k->w, K_RECEIPT, r),
                          &stamped)) {
        return;
    } else if (stamped) {
        receipt_date(k, r);
        stamp(k, K_RECEIPT, r);
    }
    tell(k, K_RECEIPT, r);
}

static void
do_credit(struct ctl *k, bool memo)
{
    uint32_t v = world_find(k->w, K_INVOICE, arg_int(k, "invoice", 0));
    int64_t amount = 0;
    uint32_t idx = NONE;

    if (v != NONE && !arg_amount(k, "amount", 3, &amount)) {
        amount = invoice_balance(&k->w->invoices[v]);
    }
    if (v != NONE) {
        idx = memo ? op_memo(k->w, v, amount, k->now) :
                     op_adjust(k->w, v, amount, k->now);
    }
    if (idx == NONE) {
        refuse(k, 409, "refused: no such open invoice, or too much");
        return;
    }
    tell(k, memo ? K_MEMO : K_ADJUSTMENT, idx);
}

void
do_credit_memo(struct ctl *k)
{
    do_credit(k, true);
}

void
do_adjustment(struct ctl *k)
{
    do_credit(k, false);
}
