/* SPDX-License-Identifier: UNLICENSED */
/*
 * What hangs below a customer account: the ledger of applications, the other
 * customers' payments, credit memo applications, payment schedules, receipts,
 * credit memos, adjustments.
 *
 * The ledger shows every row ever added; a reversal is a second, negative row;
 * what was put on account has an ActivityName and no ReferenceTransactionId.
 * A receipt of A applied to an invoice of B shows under A's applications and
 * under B's transactionsPaidByOtherCustomers with the same ApplicationId.
 */
#include "fusion_res.h"

#include <stdlib.h>

static struct row *
keep(struct fctx *c, const struct row *parent)
{
    struct row *up = arena_alloc(c->a, sizeof(*up));

    *up = *parent;
    return up;
}

/* ---- applications ------------------------------------------------------- */

enum {
    A_ID = 1,
    A_SOURCE,
    A_SOURCE_NUMBER,
    A_METHOD,
    A_INVOICE,
    A_INVOICE_NUMBER,
    A_INVOICE_STATUS,
    A_INSTALLMENT,
    A_AMOUNT,
    A_CURRENCY,
    A_DATE,
    A_STATUS,
    A_ACTIVITY,
    A_LATEST,
    A_PROCESS,
    A_SITE,
    A_MEMO_STATUS,
    A_TYPE,
    A_CREATED,
    A_STAMP,
    A_BY
};
static const struct attr app_attrs[] = {
    {"ApplicationId", V_INT, AF_Q | AF_KEY, A_ID},
    {"StandardReceiptId", V_INT, AF_Q, A_SOURCE},
    {"ReceiptNumber", V_STR, AF_Q, A_SOURCE_NUMBER},
    {"ReceiptMethod", V_STR, AF_Q, A_METHOD},
    {"ReferenceTransactionId", V_INT, AF_Q, A_INVOICE},
    {"ReferenceTransactionNumber", V_STR, AF_Q, A_INVOICE_NUMBER},
    {"ReferenceTransactionStatus", V_STR, AF_Q, A_INVOICE_STATUS},
    {"ReferenceInstallmentId", V_INT, AF_Q, A_INSTALLMENT},
    {"ApplicationAmount", V_DEC, 0, A_AMOUNT},
    {"EnteredCurrency", V_STR, 0, A_CURRENCY},
    {"ApplicationDate", V_DATE, 0, A_DATE},
    {"AccountingDate", V_DATE, 0, A_DATE},
    {"ApplicationStatus", V_STR, AF_Q, A_STATUS},
    {"ActivityName", V_STR, AF_Q, A_ACTIVITY},
    {"IsLatestApplication", V_STR, AF_Q, A_LATEST},
    {"ProcessStatus", V_STR, AF_Q, A_PROCESS},
    {"CustomerSite", V_STR, 0, A_SITE},
    {"CreatedBy", V_STR, 0, A_BY},
    {"CreationDate", V_TIME, 0, A_CREATED},
    {"LastUpdateDate", V_TIME, 0, A_STAMP},
    {"LastUpdatedBy", V_STR, 0, A_BY},
};
static const struct attr memo_app_attrs[] = {
    {"ApplicationId", V_INT, AF_Q | AF_KEY, A_ID},
    {"CreditMemoId", V_INT, AF_Q, A_SOURCE},
    {"CreditMemoNumber", V_STR, AF_Q, A_SOURCE_NUMBER},
    {"CreditMemoStatus", V_STR, AF_Q, A_MEMO_STATUS},
    {"ReferenceTransactionId", V_INT, AF_Q, A_INVOICE},
    {"ReferenceTransactionNumber", V_STR, AF_Q, A_INVOICE_NUMBER},
    {"ReferenceTransactionStatus", V_STR, AF_Q, A_INVOICE_STATUS},
    {"ReferenceInstallmentId", V_INT, AF_Q, A_INSTALLMENT},
    {"ApplicationAmount", V_DEC, 0, A_AMOUNT},
    {"EnteredCurrency", V_STR, 0, A_CURRENCY},
    {"ApplicationDate", V_DATE, 0, A_DATE},
    {"AccountingDate", V_DATE, 0, A_DATE},
    {"ApplicationStatus", V_STR, AF_Q, A_STATUS},
    {"ActivityName", V_STR, AF_Q, 0},
    {"IsLatestApplication", V_STR, AF_Q, A_LATEST},
    {"TransactionType", V_STR, AF_Q, A_TYPE},
    {"BillToSiteNumber", V_STR, 0, A_SITE},
    {"CreatedBy", V_STR, 0, A_BY},
    {"CreationDate", V_TIME, 0, A_CREATED},
    {"LastUpdateDate", V_TIME, 0, A_STAMP},
    {"LastUpdatedBy", V_STR, 0, A_BY},
};

static const char *
open_or_closed(int64_t balance)
{
    return balance == 0 ? "Closed" : "Open";
}

static void
app_source(struct fctx *c, const struct app *a, int id, struct val *v)
{
    uint32_t customer = a->of_memo ? c->w->memos[a->source].customer :
                                     c->w->receipts[a->source].customer;

    switch (id) {
    case A_SOURCE:
        v_num(v, V_INT,
              world_id(c->w, a->of_memo ? K_MEMO : K_RECEIPT, a->source));
        break;
    case A_SOURCE_NUMBER:
        v_str(v, a->of_memo ? memo_number(c->w, a->source, c->a) :
                              receipt_number(c->w, a->source, c->a));
        break;
    case A_METHOD:
        v_str(v, method_name(c->w->receipts[a->source].method));
        break;
    case A_MEMO_STATUS:
        v_str(v, open_or_closed(c->w->memos[a->source].balance));
        break;
    default:
        v_str(v, customer == NONE ? NULL : c->w->customers[customer].site);
        break;
    }
}

static void
app_invoice(struct fctx *c, const struct app *a, int id, struct val *v)
{
    const struct invoice *i = NULL;

    if (a->invoice == NONE) {
        v_str(v, id == A_CURRENCY ?
                     currencies[c->w->receipts[a->source].currency].code :
                     NULL);
        return;
    }
    i = &c->w->invoices[a->invoice];
    switch (id) {
    case A_INVOICE:
        v_num(v, V_INT, world_id(c->w, K_INVOICE, a->invoice));
        break;
    case A_INVOICE_NUMBER:
        v_str(v, invoice_number(c->w, a->invoice, c->a));
        break;
    case A_INVOICE_STATUS:
        v_str(v, open_or_closed(invoice_balance(i)));
        break;
    case A_INSTALLMENT:
        v_num(v, V_INT, installment_id(c->w, a->invoice, a->installment));
        break;
    default:
        v_str(v, currencies[i->currency].code);
        break;
    }
}

static void
app_get(struct fctx *c, const struct row *r, int id, struct val *v)
{
    const struct app *a = &c->w->apps[r->k];

    switch (id) {
    case A_ID:
        v_num(v, V_INT, app_id(r->k));
        break;
    case A_INVOICE:
    case A_INVOICE_NUMBER:
    case A_INVOICE_STATUS:
    case A_INSTALLMENT:
    case A_CURRENCY:
        app_invoice(c, a, id, v);
        break;
    case A_AMOUNT:
        v_dec(v, a->amount, 3);
        break;
    case A_DATE:
        v_num(v, V_DATE, a->date);
        break;
    case A_STATUS:
        v_str(v, a->invoice == NONE ? "On account" : "Applied");
        break;
    case A_ACTIVITY:
        v_str(v, a->invoice == NONE ? "On Account" : NULL);
        break;
    case A_LATEST:
        v_str(v, a->latest ? "Y" : "N");
        break;
    case A_PROCESS:
        v_str(v, "Closed");
        break;
    case A_TYPE:
        v_str(v, "Credit Memo");
        break;
    case A_CREATED:
        v_num(v, V_TIME, a->created);
        break;
    case A_STAMP:
        v_num(v, V_TIME, a->stamp);
        break;
    case A_BY:
        v_str(v, "casey.brown");
        break;
    default:
        app_source(c, a, id, v);
        break;
    }
}

static const char *
app_key(struct fctx *c, const struct row *r)
{
    return key_int(c, app_id(r->k));
}

const struct res res_apps = {
    .name = "standardReceiptApplications",
    .title = "Standard Receipt Applications",
    .op = "standardReceiptApplications.get",
    .attrs = app_attrs,
    .n_attrs = COUNT_OF(app_attrs),
    .get = app_get,
    .key = app_key,
    .finders = "PrimaryKey StandardReceiptApplicationsFinder",
    .window = "ApplicationDate",
};
const struct res res_paid_by_others = {
    .name = "transactionsPaidByOtherCustomers",
    .title = "Transactions Paid By Other Customers",
    .op = "transactionsPaidByOtherCustomers.get",
    .attrs = app_attrs,
    .n_attrs = COUNT_OF(app_attrs),
    .get = app_get,
    .key = app_key,
    .finders = "PrimaryKey TransactionsPaidByOtherCustomersFinder",
    .window = "ApplicationDate",
};
const struct res res_memo_apps = {
    .name = "creditMemoApplications",
    .title = "Credit Memo Applications",
    .op = "creditMemoApplications.get",
    .attrs = memo_app_attrs,
    .n_attrs = COUNT_OF(memo_app_attrs),
    .get = app_get,
    .key = app_key,
    .finders = "PrimaryKey CreditMemoApplicationsFinder",
    .window = "ApplicationDate",
};

static void
add_apps(struct fctx *c, const struct res *res, const struct row *up,
         uint32_t first, struct rows *out)
{
    for (uint32_t i = first; i != NONE; i = c->w->apps[i].next_of_source) {
        rows_add(
            c, out,
            (struct row){.res = res, .name = res->name, .parent = up, .k = i});
    }
}

void
apps_of_receipt(struct fctx *c, const struct row *parent, struct rows *out)
{
    add_apps(c, &res_apps, keep(c, parent), c->w->receipts[parent->i].first_app,
             out);
}

void
apps_of_memo(struct fctx *c, const struct row *parent, struct rows *out)
{
    add_apps(c, &res_memo_apps, keep(c, parent),
             c->w->memos[parent->i].first_app, out);
}

void
account_apps(struct fctx *c, const struct row *parent, struct rows *out)
{
    const struct row *up = keep(c, parent);

    for (uint32_t r = c->w->customers[parent->i].first_receipt; r != NONE;
         r = c->w->receipts[r].next_of_customer) {
        if (!c->w->receipts[r].deleted) {
            add_apps(c, &res_apps, up, c->w->receipts[r].first_app, out);
        }
    }
}

void
account_memo_apps(struct fctx *c, const struct row *parent, struct rows *out)
{
    const struct row *up = keep(c, parent);

    for (uint32_t m = c->w->customers[parent->i].first_memo; m != NONE;
         m = c->w->memos[m].next_of_customer) {
        add_apps(c, &res_memo_apps, up, c->w->memos[m].first_app, out);
    }
}

void
account_paid_by_others(struct fctx *c, const struct row *parent,
                       struct rows *out)
{
    const struct row *up = keep(c, parent);

    for (uint32_t v = c->w->customers[parent->i].first_invoice; v != NONE;
         v = c->w->invoices[v].next_of_customer) {
        for (uint32_t a = c->w->invoices[v].first_app; a != NONE;
             a = c->w->apps[a].next_of_invoice) {
            const struct app *app = &c->w->apps[a];

            if (!app->of_memo &&
                c->w->receipts[app->source].customer != parent->i) {
                rows_add(c, out,
                         (struct row){.res = &res_paid_by_others,
                                      .name = res_paid_by_others.name,
                                      .parent = up,
                                      .k = a});
            }
        }
    }
}

/* ---- payment schedules -------------------------------------------------- */

enum {
    S_ID = 1,
    S_NUMBER,
    S_STATUS,
    S_TRX,
    S_TRX_NUMBER,
    S_CLASS,
    S_SOURCE,
    S_DATE,
    S_DUE,
    S_LATE,
    S_CURRENCY,
    S_ORIGINAL,
    S_BALANCE,
    S_SITE,
    S_PO,
    S_CREATED,
    S_STAMP,
    S_BY
};
static const struct attr schedule_attrs[] = {
    {"InstallmentId", V_INT, AF_Q | AF_KEY, S_ID},
    {"InstallmentNumber", V_INT, 0, S_NUMBER},
    {"InstallmentStatus", V_STR, AF_Q, S_STATUS},
    {"TransactionId", V_INT, AF_Q, S_TRX},
    {"TransactionNumber", V_STR, AF_Q, S_TRX_NUMBER},
    {"TransactionClass", V_STR, 0, S_CLASS},
    {"TransactionType", V_STR, AF_Q, S_CLASS},
    {"TransactionSourceName", V_STR, 0, S_SOURCE},
    {"TransactionDate", V_DATE, 0, S_DATE},
    {"AccountingDate", V_DATE, 0, S_DATE},
    {"PaymentScheduleDueDate", V_DATE, 0, S_DUE},
    {"PaymentDaysLate", V_INT, 0, S_LATE},
    {"EnteredCurrency", V_STR, 0, S_CURRENCY},
    {"TotalOriginalAmount", V_DEC, 0, S_ORIGINAL},
    {"TotalBalanceAmount", V_DEC, 0, S_BALANCE},
    {"BillToSiteNumber", V_STR, 0, S_SITE},
    {"PurchaseOrder", V_STR, 0, S_PO},
    {"ReceiptMethod", V_STR, 0, 0},
    {"StructuredPaymentReference", V_STR, 0, 0},
    {"CreatedBy", V_STR, 0, S_BY},
    {"CreationDate", V_TIME, 0, S_CREATED},
    {"LastUpdateDate", V_TIME, 0, S_STAMP},
    {"LastUpdatedBy", V_STR, 0, S_BY},
};

static void
schedule_words(struct fctx *c, const struct row *r, int id, struct val *v)
{
    const struct invoice *i = &c->w->invoices[r->i];

    switch (id) {
    case S_STATUS:
        v_str(v, i->inst[r->k].closed != 0 ? "Closed" : "Open");
        break;
    case S_TRX_NUMBER:
        v_str(v, invoice_number(c->w, r->i, c->a));
        break;
    case S_CLASS:
        v_str(v, "Invoice");
        break;
    case S_SOURCE:
        v_str(v, "Manual-NES");
        break;
    case S_CURRENCY:
        v_str(v, currencies[i->currency].code);
        break;
    case S_SITE:
        v_str(v, c->w->customers[i->customer].site);
        break;
    case S_PO:
        v_str(v, invoice_po(c->w, r->i, c->a));
        break;
    default:
        v_str(v, "casey.brown");
        break;
    }
}

static void
schedule_get(struct fctx *c, const struct row *r, int id, struct val *v)
{
    const struct invoice *i = &c->w->invoices[r->i];
    const struct installment *p = &i->inst[r->k];

    switch (id) {
    case S_ID:
        v_num(v, V_INT, installment_id(c->w, r->i, r->k));
        break;
    case S_NUMBER:
        v_num(v, V_INT, (int64_t)r->k + 1);
        break;
    case S_TRX:
        v_num(v, V_INT, world_id(c->w, K_INVOICE, r->i));
        break;
    case S_DATE:
        v_num(v, V_DATE, i->date);
        break;
    case S_DUE:
        v_num(v, V_DATE, p->due);
        break;
    case S_LATE:
        v_num(v, V_INT, c->now / INT64_C(86400000000) - p->due);
        break;
    case S_ORIGINAL:
        v_dec(v, p->original, 3);
        break;
    case S_BALANCE:
        v_dec(v, installment_balance(p), 3);
        break;
    case S_CREATED:
        v_num(v, V_TIME, i->created);
        break;
    case S_STAMP:
        v_num(v, V_TIME, p->stamp);
        break;
    default:
        schedule_words(c, r, id, v);
        break;
    }
}

static const char *
schedule_key(struct fctx *c, const struct row *r)
{
    return key_int(c, installment_id(c->w, r->i, r->k));
}

const struct res res_schedules = {
    .name = "transactionPaymentSchedules",
    .title = "Transaction Payment Schedules",
    .op = "transactionPaymentSchedules.get",
    .attrs = schedule_attrs,
    .n_attrs = COUNT_OF(schedule_attrs),
    .get = schedule_get,
    .key = schedule_key,
    .finders = "PrimaryKey TransactionPaymentSchedulesFinder",
    .window = "TransactionDate",
};

void
account_schedules(struct fctx *c, const struct row *parent, struct rows *out)
{
    const struct row *up = keep(c, parent);

    for (uint32_t v = c->w->customers[parent->i].first_invoice; v != NONE;
         v = c->w->invoices[v].next_of_customer) {
        for (unsigned k = 0;
             k < c->w->invoices[v].n_inst && !c->w->invoices[v].deleted; k++) {
            rows_add(c, out,
                     (struct row){.res = &res_schedules,
                                  .name = res_schedules.name,
                                  .parent = up,
                                  .i = v,
                                  .k = k});
        }
    }
}

/* ---- receipts, credit memos, adjustments of an account ------------------ */

enum {
    R_ID = 1,
    R_NUMBER,
    R_METHOD,
    R_DATE,
    R_AMOUNT,
    R_UNAPPLIED,
    R_CURRENCY,
    R_STATE,
    R_UNIT,
    R_PROCESS,
    R_CLASS,
    R_STATUS,
    R_REASON,
    R_INVOICE,
    R_INVOICE_NUMBER,
    R_INVOICE_STATUS,
    R_INSTALLMENT,
    R_CREATED,
    R_STAMP
};
static const struct attr account_receipt_attrs[] = {
    {"StandardReceiptId", V_INT, AF_Q | AF_KEY, R_ID},
    {"ReceiptNumber", V_STR, AF_Q, R_NUMBER},
    {"ReceiptMethod", V_STR, AF_Q, R_METHOD},
    {"ReceiptDate", V_DATE, 0, R_DATE},
    {"Amount", V_DEC, 0, R_AMOUNT},
    {"AvailableAmount", V_DEC, 0, R_UNAPPLIED},
    {"UnappliedAmount", V_DEC, 0, R_UNAPPLIED},
    {"Currency", V_STR, 0, R_CURRENCY},
    {"State", V_STR, 0, R_STATE},
    {"ProcessStatus", V_STR, AF_Q, R_PROCESS},
    {"BusinessUnit", V_STR, AF_Q, R_UNIT},
    {"LegalEntity", V_STR, 0, 0},
    {"CreationDate", V_TIME, 0, R_CREATED},
    {"LastUpdateDate", V_TIME, 0, R_STAMP},
};
static const struct attr account_memo_attrs[] = {
    {"CreditMemoId", V_INT, AF_Q | AF_KEY, R_ID},
    {"CreditMemoNumber", V_STR, AF_Q, R_NUMBER},
    {"CreditMemoStatus", V_STR, AF_Q, R_STATUS},
    {"TransactionType", V_STR, AF_Q, R_CLASS},
    {"TransactionClass", V_STR, 0, R_CLASS},
    {"TransactionDate", V_DATE, 0, R_DATE},
    {"TotalOriginalAmount", V_DEC, 0, R_AMOUNT},
    {"TotalBalanceAmount", V_DEC, 0, R_UNAPPLIED},
    {"AvailableAmount", V_DEC, 0, R_UNAPPLIED},
    {"EnteredCurrency", V_STR, 0, R_CURRENCY},
    {"CreationDate", V_TIME, 0, R_CREATED},
    {"LastUpdateDate", V_TIME, 0, R_STAMP},
};
static const struct attr account_adjustment_attrs[] = {
    {"AdjustmentId", V_INT, AF_Q | AF_KEY, R_ID},
    {"AdjustmentNumber", V_STR, AF_Q, R_NUMBER},
    {"AdjustmentAmount", V_DEC, 0, R_AMOUNT},
    {"AdjustmentType", V_STR, 0, R_CLASS},
    {"AdjustmentReason", V_STR, 0, R_REASON},
    {"AdjustmentDate", V_DATE, 0, R_DATE},
    {"ProcessStatus", V_STR, AF_Q, R_PROCESS},
    {"EnteredCurrency", V_STR, 0, R_CURRENCY},
    {"ReferenceTransactionId", V_INT, AF_Q, R_INVOICE},
    {"ReferenceTransactionNumber", V_STR, AF_Q, R_INVOICE_NUMBER},
    {"ReferenceTransactionStatus", V_STR, AF_Q, R_INVOICE_STATUS},
    {"ReferenceInstallmentId", V_INT, AF_Q, R_INSTALLMENT},
    {"CreationDate", V_TIME, 0, R_CREATED},
    {"LastUpdateDate", V_TIME, 0, R_STAMP},
};

static void
account_receipt_get(struct fctx *c, const struct row *row, int id,
                    struct val *v)
{
    const struct receipt *r = &c->w->receipts[row->i];

    switch (id) {
    case R_ID:
        v_num(v, V_INT, world_id(c->w, K_RECEIPT, row->i));
        break;
    case R_NUMBER:
        v_str(v, receipt_number(c->w, row->i, c->a));
        break;
    case R_METHOD:
        v_str(v, method_name(r->method));
        break;
    case R_DATE:
        v_num(v, V_DATE, r->date);
        break;
    case R_AMOUNT:
        v_dec(v, r->amount, 3);
        break;
    case R_UNAPPLIED:
        v_dec(v, r->unapplied, 3);
        break;
    case R_CURRENCY:
        v_str(v, currencies[r->currency].code);
        break;
    case R_STATE:
        v_str(v, receipt_state(r));
        break;
    case R_UNIT:
        v_str(v, unit_name(r->unit));
        break;
    case R_PROCESS:
        v_str(v, open_or_closed(r->unapplied));
        break;
    case R_CREATED:
        v_num(v, V_TIME, r->created);
        break;
    default:
        v_num(v, V_TIME, r->stamp);
        break;
    }
}

static void
account_memo_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct memo *m = &c->w->memos[row->i];

    switch (id) {
    case R_ID:
        v_num(v, V_INT, world_id(c->w, K_MEMO, row->i));
        break;
    case R_NUMBER:
        v_str(v, memo_number(c->w, row->i, c->a));
        break;
    case R_STATUS:
        v_str(v, open_or_closed(m->balance));
        break;
    case R_CLASS:
        v_str(v, "Credit Memo");
        break;
    case R_DATE:
        v_num(v, V_DATE, m->date);
        break;
    case R_AMOUNT:
        v_dec(v, -m->amount, 3);
        break;
    case R_UNAPPLIED:
        v_dec(v, -m->balance, 3);
        break;
    case R_CURRENCY:
        v_str(v, currencies[m->currency].code);
        break;
    case R_CREATED:
        v_num(v, V_TIME, m->created);
        break;
    default:
        v_num(v, V_TIME, m->stamp);
        break;
    }
}

static void
account_adjustment_get(struct fctx *c, const struct row *row, int id,
                       struct val *v)
{
    const struct adjustment *a = &c->w->adjustments[row->i];
    const struct invoice *i = &c->w->invoices[a->invoice];

    switch (id) {
    case R_ID:
        v_num(v, V_INT, world_id(c->w, K_ADJUSTMENT, row->i));
        break;
    case R_NUMBER:
        v_str(v, arena_printf(c->a, "%u", 500U + (unsigned)row->i));
        break;
    case R_AMOUNT:
        v_dec(v, a->amount, 3);
        break;
    case R_CLASS:
        v_str(v, "Invoice Adjustments");
        break;
    case R_REASON:
        v_str(v, a->reason);
        break;
    case R_DATE:
        v_num(v, V_DATE, a->date);
        break;
    case R_PROCESS:
        v_str(v, "Approved");
        break;
    case R_CURRENCY:
        v_str(v, currencies[i->currency].code);
        break;
    case R_INVOICE:
        v_num(v, V_INT, world_id(c->w, K_INVOICE, a->invoice));
        break;
    case R_INVOICE_NUMBER:
        v_str(v, invoice_number(c->w, a->invoice, c->a));
        break;
    case R_INVOICE_STATUS:
        v_str(v, open_or_closed(invoice_balance(i)));
        break;
    case R_INSTALLMENT:
        v_num(v, V_INT, installment_id(c->w, a->invoice, a->installment));
        break;
    case R_CREATED:
        v_num(v, V_TIME, a->created);
        break;
    default:
        v_num(v, V_TIME, a->stamp);
        break;
    }
}

static const char *
account_receipt_key(struct fctx *c, const struct row *r)
{
    return key_int(c, world_id(c->w, K_RECEIPT, r->i));
}

static const char *
account_memo_key(struct fctx *c, const struct row *r)
{
    return key_int(c, world_id(c->w, K_MEMO, r->i));
}

static const char *
account_adjustment_key(struct fctx *c, const struct row *r)
{
    return key_int(c, world_id(c->w, K_ADJUSTMENT, r->i));
}

const struct res res_account_receipts = {
    .name = "standardReceipts",
    .title = "Standard Receipts of the Account",
    .op = "accountReceipts.get",
    .attrs = account_receipt_attrs,
    .n_attrs = COUNT_OF(account_receipt_attrs),
    .get = account_receipt_get,
    .key = account_receipt_key,
    .finders = "PrimaryKey StandardReceiptsFinder",
    .window = "ReceiptDate",
};
const struct res res_account_memos = {
    .name = "creditMemos",
    .title = "Credit Memos of the Account",
    .op = "accountCreditMemos.get",
    .attrs = account_memo_attrs,
    .n_attrs = COUNT_OF(account_memo_attrs),
    .get = account_memo_get,
    .key = account_memo_key,
    .finders = "PrimaryKey CreditMemosFinder",
    .window = "TransactionDate",
};
const struct res res_account_adjustments = {
    .name = "transactionAdjustments",
    .title = "Transaction Adjustments",
    .op = "transactionAdjustments.get",
    .attrs = account_adjustment_attrs,
    .n_attrs = COUNT_OF(account_adjustment_attrs),
    .get = account_adjustment_get,
    .key = account_adjustment_key,
    .finders = "PrimaryKey TransactionAdjustmentsFinder",
    .window = "AdjustmentDate",
};

void
account_receipts(struct fctx *c, const struct row *parent, struct rows *out)
{
    const struct row *up = keep(c, parent);

    for (uint32_t r = c->w->customers[parent->i].first_receipt; r != NONE;
         r = c->w->receipts[r].next_of_customer) {
        if (!c->w->receipts[r].deleted) {
            rows_add(c, out,
                     (struct row){.res = &res_account_receipts,
                                  .name = res_account_receipts.name,
                                  .parent = up,
                                  .i = r});
        }
    }
}

void
account_memos(struct fctx *c, const struct row *parent, struct rows *out)
{
    const struct row *up = keep(c, parent);

    for (uint32_t m = c->w->customers[parent->i].first_memo; m != NONE;
         m = c->w->memos[m].next_of_customer) {
        rows_add(c, out,
                 (struct row){.res = &res_account_memos,
                              .name = res_account_memos.name,
                              .parent = up,
                              .i = m});
    }
}

void
account_adjustments(struct fctx *c, const struct row *parent, struct rows *out)
{
    const struct row *up = keep(c, parent);

    for (uint32_t v = c->w->customers[parent->i].first_invoice; v != NONE;
         v = c->w->invoices[v].next_of_customer) {
        for (uint32_t a = c->w->invoices[v].first_adjustment; a != NONE;
             a = c->w->adjustments[a].next_of_invoice) {
            rows_add(c, out,
                     (struct row){.res = &res_account_adjustments,
                                  .name = res_account_adjustments.name,
                                  .parent = up,
                                  .i = a});
        }
    }
}
