/* SPDX-License-Identifier: UNLICENSED */
/*
 * standardReceipts, receivablesCreditMemos, receivablesAdjustments. Their
 * LastUpdateDate is shown but not queryable; some receipts show their amounts
 * as strings; a receipt without a customer is Unidentified; a reversed one
 * keeps its row.
 */
#include "fusion_res.h"

#include <stdlib.h>

const char *
receipt_state(const struct receipt *r)
{
    if (r->customer == NONE) {
        return "Unidentified";
    }
    return r->unapplied == 0 && r->reversal == NULL ? "Applied" : "Unapplied";
}

const char *
receipt_status(const struct receipt *r)
{
    if (r->reversal != NULL) {
        return "Reversed";
    }
    return r->unapplied == 0 ? "Cleared" : "Confirmed";
}

enum {
    R_ID = 1,
    R_NUMBER,
    R_UNIT,
    R_METHOD,
    R_DATE,
    R_DOCUMENT,
    R_AMOUNT,
    R_CURRENCY,
    R_RATE,
    R_RATE_TYPE,
    R_RATE_DATE,
    R_STATE,
    R_STATUS,
    R_NAME,
    R_SITE,
    R_ACCOUNT,
    R_UNAPPLIED,
    R_ACCOUNTED,
    R_REVERSAL,
    R_REVERSED,
    R_REVERSAL_TEXT,
    R_CREATED,
    R_STAMP,
    R_NO,
    R_BY
};
static const struct attr receipt_attrs[] = {
    {"StandardReceiptId", V_INT, AF_Q | AF_KEY, R_ID},
    {"ReceiptNumber", V_STR, AF_Q, R_NUMBER},
    {"BusinessUnit", V_STR, AF_Q, R_UNIT},
    {"ReceiptMethod", V_STR, 0, R_METHOD},
    {"ReceiptDate", V_DATE, AF_Q, R_DATE},
    {"DocumentNumber", V_INT, 0, R_DOCUMENT},
    {"Amount", V_DEC, 0, R_AMOUNT},
    {"Currency", V_STR, 0, R_CURRENCY},
    {"ConversionRateType", V_STR, 0, R_RATE_TYPE},
    {"ConversionDate", V_DATE, 0, R_RATE_DATE},
    {"ConversionRate", V_DEC, 0, R_RATE},
    {"State", V_STR, 0, R_STATE},
    {"Status", V_STR, 0, R_STATUS},
    {"RemittanceBankName", V_STR, 0, 0},
    {"RemittanceBankBranch", V_STR, 0, 0},
    {"RemittanceBankAccountNumber", V_STR, 0, 0},
    {"RemittanceBankDepositDate", V_DATE, 0, 0},
    {"RemittanceBankAllowOverride", V_STR, 0, 0},
    {"CustomerName", V_STR, AF_Q | AF_DENORM, R_NAME},
    {"TaxpayerIdentificationNumber", V_STR, 0, 0},
    {"CustomerSite", V_STR, AF_Q, R_SITE},
    {"CustomerAccountNumber", V_STR, AF_Q, R_ACCOUNT},
    {"CustomerBank", V_STR, 0, 0},
    {"CustomerBankBranch", V_STR, 0, 0},
    {"CustomerBankAccountNumber", V_STR, 0, 0},
    {"UnappliedAmount", V_DEC, 0, R_UNAPPLIED},
    {"AccountedAmount", V_DEC, 0, R_ACCOUNTED},
    {"AccountingDate", V_DATE, 0, R_DATE},
    {"MaturityDate", V_DATE, 0, R_DATE},
    {"PostmarkDate", V_DATE, 0, 0},
    {"ReceiptAtRisk", V_STR, 0, R_NO},
    {"CardHolderFirstName", V_STR, 0, 0},
    {"CardHolderLastName", V_STR, 0, 0},
    {"Comments", V_STR, 0, 0},
    {"CreatedBy", V_STR, 0, R_BY},
    {"CreationDate", V_TIME, 0, R_CREATED},
    {"CreditCardAuthorizationRequestIdentifier", V_INT, 0, 0},
    {"CreditCardExpirationDate", V_DATE, 0, 0},
    {"CreditCardIssuerCode", V_STR, 0, 0},
    {"CreditCardTokenNumber", V_STR, 0, 0},
    {"LastUpdateDate", V_TIME, AF_STAMP, R_STAMP},
    {"LastUpdatedBy", V_STR, 0, R_BY},
    {"ReceiptBatchDate", V_DATE, 0, 0},
    {"ReceiptBatchName", V_STR, 0, 0},
    {"ReceivablesSpecialist", V_STR, 0, 0},
    {"ReversalCategory", V_STR, 0, R_REVERSAL},
    {"ReversalComments", V_STR, 0, R_REVERSAL_TEXT},
    {"ReversalDate", V_DATE, 0, R_REVERSED},
    {"ReversalReason", V_STR, 0, R_REVERSAL},
    {"StructuredPaymentReference", V_STR, 0, 0},
    {"VoiceAuthorizationCode", V_STR, 0, 0},
};

static void
receipt_amount(struct fctx *c, const struct receipt *r, int id, struct val *v)
{
    int64_t rate = currencies[r->currency].rate_e6;

    switch (id) {
    case R_AMOUNT:
        v_dec(v, r->amount, 3);
        break;
    case R_UNAPPLIED:
        v_dec(v, r->unapplied, 3);
        break;
    case R_RATE:
        v_dec(v, rate, 6);
        v->t = rate == 0 ? V_NULL : V_DEC;
        break;
    default:
        v_dec(v, to_ledger(r->amount, r->currency), 3);
        break;
    }
    v->as_text = !c->raw && (r->text_amounts || sw(c, SW_text_amounts));
}

static void
receipt_customer(struct fctx *c, const struct receipt *r, int id, struct val *v)
{
    const struct customer *a = NULL;

    v->t = V_NULL;
    if (r->customer == NONE) {
        return;
    }
    a = &c->w->customers[r->customer];
    v_str(v, id == R_NAME ? a->name : (id == R_SITE ? a->site : a->number));
}

static void
receipt_words(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct receipt *r = &c->w->receipts[row->i];

    switch (id) {
    case R_NUMBER:
        v_str(v, receipt_number(c->w, row->i, c->a));
        break;
    case R_UNIT:
        v_str(v, unit_name(r->unit));
        break;
    case R_METHOD:
        v_str(v, method_name(r->method));
        break;
    case R_CURRENCY:
        v_str(v, currencies[r->currency].code);
        break;
    case R_RATE_TYPE:
        v_str(v, currencies[r->currency].rate_e6 == 0 ? NULL : "Corporate");
        break;
    case R_STATE:
        v_str(v, receipt_state(r));
        break;
    case R_STATUS:
        v_str(v, receipt_status(r));
        break;
    case R_REVERSAL:
        v_str(v, r->reversal);
        break;
    case R_REVERSAL_TEXT:
        v_str(v, r->reversal == NULL ? NULL : "Returned by bank");
        break;
    case R_NO:
        v_str(v, "N");
        break;
    default:
        v_str(v, "casey.brown");
        break;
    }
}

static void
receipt_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct receipt *r = &c->w->receipts[row->i];
    bool blank = r->first_app == NONE && r->reversal == NULL && !c->raw &&
                 sw(c, SW_receipts_null);

    if (blank && (id == R_STATE || id == R_STATUS || id == R_UNAPPLIED)) {
        v->t = V_NULL;
        return;
    }
    switch (id) {
    case R_ID:
        v_num(v, V_INT, world_id(c->w, K_RECEIPT, row->i));
        break;
    case R_DATE:
        v_num(v, V_DATE, r->date);
        break;
    case R_DOCUMENT:
        v_num(v, V_INT, (int64_t)row->i + 5000);
        break;
    case R_RATE_DATE:
        v_num(v, currencies[r->currency].rate_e6 == 0 ? V_NULL : V_DATE,
              r->date);
        break;
    case R_REVERSED:
        v_num(v, r->reversal == NULL ? V_NULL : V_DATE, r->reversed);
        break;
    case R_CREATED:
        v_num(v, V_TIME, r->created);
        break;
    case R_STAMP:
        v_num(v, V_TIME, r->stamp);
        break;
    case R_AMOUNT:
    case R_UNAPPLIED:
    case R_ACCOUNTED:
    case R_RATE:
        receipt_amount(c, r, id, v);
        break;
    case R_NAME:
    case R_SITE:
    case R_ACCOUNT:
        receipt_customer(c, r, id, v);
        break;
    default:
        receipt_words(c, row, id, v);
        break;
    }
}

static const char *
top_key(struct fctx *c, const struct row *r)
{
    return key_int(c, world_id(c->w, r->res->kind, r->i));
}

static uint32_t
receipt_find(struct fctx *c, const char *key)
{
    return world_find(c->w, K_RECEIPT, strtoll(key, NULL, 10));
}

static void
receipt_lookup(struct fctx *c, const struct attr *a, const char *text,
               struct rows *out)
{
    (void)a;
    lookup_id(c, &res_receipts, text, out);
}

static bool
receipt_visible(struct fctx *c, uint32_t idx)
{
    return !trimmed(c, c->w->receipts[idx].unit, idx);
}

/* ---- remittance references: the payer's hints --------------------------- */

enum { F_ID = 1, F_BY, F_NUMBER, F_AMOUNT, F_STAMP };
static const struct attr reference_attrs[] = {
    {"RemittanceReferenceId", V_INT, AF_Q | AF_KEY, F_ID},
    {"ReceiptMatchBy", V_STR, 0, F_BY},
    {"ReferenceNumber", V_STR, 0, F_NUMBER},
    {"ReferenceAmount", V_DEC, 0, F_AMOUNT},
    {"CustomerReason", V_STR, 0, 0},
    {"CustomerReference", V_STR, 0, 0},
    {"CreationDate", V_TIME, 0, F_STAMP},
    {"LastUpdateDate", V_TIME, 0, F_STAMP},
};

static void
reference_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct receipt *r = &c->w->receipts[row->i];

    switch (id) {
    case F_ID:
        v_num(v, V_INT, world_id(c->w, K_RECEIPT, row->i) + 1);
        break;
    case F_BY:
        v_str(v, "Transaction number");
        break;
    case F_NUMBER:
        v_str(v, invoice_number(c->w, c->w->apps[r->first_app].invoice, c->a));
        break;
    case F_AMOUNT:
        v_dec(v, r->amount, 3);
        break;
    default:
        v_num(v, V_TIME, r->created);
        break;
    }
}

static const char *
reference_key(struct fctx *c, const struct row *r)
{
    return key_int(c, world_id(c->w, K_RECEIPT, r->i) + 1);
}

static const struct res res_references = {
    .name = "remittanceReferences",
    .title = "Remittance References",
    .op = "remittanceReferences.get",
    .attrs = reference_attrs,
    .n_attrs = COUNT_OF(reference_attrs),
    .get = reference_get,
    .key = reference_key,
};

static void
receipt_references(struct fctx *c, const struct row *parent, struct rows *out)
{
    struct row *up = arena_alloc(c->a, sizeof(*up));
    uint32_t first = c->w->receipts[parent->i].first_app;

    *up = *parent;
    if (first != NONE && c->w->apps[first].invoice != NONE) {
        rows_add(c, out,
                 (struct row){.res = &res_references,
                              .name = res_references.name,
                              .parent = up,
                              .i = parent->i});
    }
}

static const struct child receipt_children[] = {
    {"remittanceReferences", &res_references, receipt_references},
    {"attachments", &res_none, no_rows},
    {"standardReceiptDFF", &res_receipt_dff, receipt_dff_rows},
    {"standardReceiptGdf", &res_receipt_gdf, receipt_gdf_rows},
};
const struct res res_receipts = {
    .name = "standardReceipts",
    .title = "Standard Receipts",
    .op = "standardReceipts.get",
    .api = "fscmRestApi",
    .kind = K_RECEIPT,
    .attrs = receipt_attrs,
    .n_attrs = COUNT_OF(receipt_attrs),
    .get = receipt_get,
    .key = top_key,
    .find = receipt_find,
    .lookup = receipt_lookup,
    .visible = receipt_visible,
    .children = receipt_children,
    .n_children = COUNT_OF(receipt_children),
    .finders = "PrimaryKey StandardReceiptsFinder",
};

/* ---- credit memos ------------------------------------------------------- */

enum {
    M_ID = 1,
    M_NUMBER,
    M_DATE,
    M_TYPE,
    M_SOURCE,
    M_UNIT,
    M_NAME,
    M_ACCOUNT,
    M_SITE,
    M_CURRENCY,
    M_STATUS,
    M_REASON,
    M_AMOUNT,
    M_BALANCE,
    M_RATE,
    M_PO,
    M_CREATED,
    M_STAMP,
    M_BY
};
static const struct attr memo_attrs[] = {
    {"CustomerTransactionId", V_INT, AF_Q | AF_KEY, M_ID},
    {"TransactionNumber", V_STR, AF_Q, M_NUMBER},
    {"TransactionDate", V_DATE, AF_Q, M_DATE},
    {"AccountingDate", V_DATE, 0, M_DATE},
    {"TransactionType", V_STR, AF_Q, M_TYPE},
    {"TransactionSource", V_STR, AF_Q, M_SOURCE},
    {"BusinessUnit", V_STR, AF_Q, M_UNIT},
    {"BillToContact", V_STR, 0, 0},
    {"BillToCustomerName", V_STR, AF_DENORM, M_NAME},
    {"BillToCustomerNumber", V_STR, AF_Q, M_ACCOUNT},
    {"BillToSite", V_STR, AF_Q, M_SITE},
    {"CreditMemoCurrency", V_STR, AF_Q, M_CURRENCY},
    {"CreditMemoStatus", V_STR, 0, M_STATUS},
    {"CreditReason", V_STR, 0, M_REASON},
    {"CreditMemoComments", V_STR, 0, 0},
    {"ConversionRate", V_DEC, 0, M_RATE},
    {"EnteredAmount", V_DEC, 0, M_AMOUNT},
    {"TransactionBalanceDue", V_DEC, 0, M_BALANCE},
    {"CrossReference", V_STR, AF_Q, 0},
    {"DocumentNumber", V_INT, AF_Q, 0},
    {"PurchaseOrder", V_STR, AF_Q, M_PO},
    {"RecipientEmail", V_STR, 0, 0},
    {"LegalEntityIdentifier", V_STR, 0, 0},
    {"CreatedBy", V_STR, 0, M_BY},
    {"CreationDate", V_TIME, 0, M_CREATED},
    {"LastUpdateDate", V_TIME, AF_STAMP, M_STAMP},
    {"LastUpdatedBy", V_STR, 0, M_BY},
};

static void
memo_words(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct memo *m = &c->w->memos[row->i];
    const struct customer *a = &c->w->customers[m->customer];

    switch (id) {
    case M_NUMBER:
        v_str(v, memo_number(c->w, row->i, c->a));
        break;
    case M_TYPE:
        v_str(v, "Credit Memo");
        break;
    case M_SOURCE:
        v_str(v, "Manual-NES");
        break;
    case M_UNIT:
        v_str(v, unit_name(m->unit));
        break;
    case M_NAME:
        v_str(v, a->name);
        break;
    case M_ACCOUNT:
        v_str(v, a->number);
        break;
    case M_SITE:
        v_str(v, a->site);
        break;
    case M_CURRENCY:
        v_str(v, currencies[m->currency].code);
        break;
    case M_STATUS:
        v_str(v, "Complete");
        break;
    case M_REASON:
        v_str(v, m->reason);
        break;
    case M_PO:
        v_str(v, invoice_po(c->w, m->credits, c->a));
        break;
    default:
        v_str(v, "casey.brown");
        break;
    }
}

static void
memo_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct memo *m = &c->w->memos[row->i];
    int64_t rate = currencies[m->currency].rate_e6;

    switch (id) {
    case M_ID:
        v_num(v, V_INT, world_id(c->w, K_MEMO, row->i));
        break;
    case M_DATE:
        v_num(v, V_DATE, m->date);
        break;
    case M_AMOUNT:
        v_dec(v, -m->amount, 3);
        break;
    case M_BALANCE:
        v_dec(v, -m->balance, 3);
        break;
    case M_RATE:
        v_dec(v, rate, 6);
        v->t = rate == 0 ? V_NULL : V_DEC;
        break;
    case M_CREATED:
        v_num(v, V_TIME, m->created);
        break;
    case M_STAMP:
        v_num(v, V_TIME, m->stamp);
        break;
    default:
        memo_words(c, row, id, v);
        break;
    }
}

static uint32_t
memo_find(struct fctx *c, const char *key)
{
    return world_find(c->w, K_MEMO, strtoll(key, NULL, 10));
}

static void
memo_lookup(struct fctx *c, const struct attr *a, const char *text,
            struct rows *out)
{
    (void)a;
    lookup_id(c, &res_memos, text, out);
}

static bool
memo_visible(struct fctx *c, uint32_t idx)
{
    return !trimmed(c, c->w->memos[idx].unit, idx);
}

static const struct child memo_children[] = {
    {"receivablesCreditMemoLines", &res_none, no_rows},
    {"attachments", &res_none, no_rows},
};
const struct res res_memos = {
    .name = "receivablesCreditMemos",
    .title = "Receivables Credit Memos",
    .op = "receivablesCreditMemos.get",
    .api = "fscmRestApi",
    .kind = K_MEMO,
    .attrs = memo_attrs,
    .n_attrs = COUNT_OF(memo_attrs),
    .get = memo_get,
    .key = top_key,
    .find = memo_find,
    .lookup = memo_lookup,
    .visible = memo_visible,
    .children = memo_children,
    .n_children = COUNT_OF(memo_children),
    .finders = "PrimaryKey creditMemosFinder",
};

/* ---- adjustments -------------------------------------------------------- */

enum {
    J_ID = 1,
    J_NUMBER,
    J_INVOICE,
    J_INVOICE_NUMBER,
    J_CLASS,
    J_AMOUNT,
    J_DATE,
    J_REASON,
    J_STATUS,
    J_INSTALLMENT,
    J_CREATED,
    J_STAMP
};
static const struct attr adjustment_attrs[] = {
    {"AdjustmentId", V_INT, AF_Q | AF_KEY, J_ID},
    {"AdjustmentNumber", V_STR, AF_Q, J_NUMBER},
    {"CustomerTransactionId", V_INT, AF_Q, J_INVOICE},
    {"TransactionNumber", V_STR, AF_Q, J_INVOICE_NUMBER},
    {"TransactionClass", V_STR, AF_Q, J_CLASS},
    {"BillToSiteUseId", V_INT, AF_Q, 0},
    {"AdjustmentAmount", V_DEC, 0, J_AMOUNT},
    {"AdjustmentDate", V_DATE, 0, J_DATE},
    {"AdjustmentReason", V_STR, 0, J_REASON},
    {"AdjustmentStatus", V_STR, 0, J_STATUS},
    {"InstallmentNumber", V_INT, 0, J_INSTALLMENT},
    {"CreationDate", V_TIME, 0, J_CREATED},
    {"LastUpdateDate", V_TIME, AF_STAMP, J_STAMP},
};

static void
adjustment_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct adjustment *a = &c->w->adjustments[row->i];

    switch (id) {
    case J_ID:
        v_num(v, V_INT, world_id(c->w, K_ADJUSTMENT, row->i));
        break;
    case J_NUMBER:
        v_str(v, arena_printf(c->a, "%u", 500U + (unsigned)row->i));
        break;
    case J_INVOICE:
        v_num(v, V_INT, world_id(c->w, K_INVOICE, a->invoice));
        break;
    case J_INVOICE_NUMBER:
        v_str(v, invoice_number(c->w, a->invoice, c->a));
        break;
    case J_CLASS:
        v_str(v, "Invoice");
        break;
    case J_AMOUNT:
        v_dec(v, a->amount, 3);
        break;
    case J_DATE:
        v_num(v, V_DATE, a->date);
        break;
    case J_REASON:
        v_str(v, a->reason);
        break;
    case J_STATUS:
        v_str(v, "Approved");
        break;
    case J_INSTALLMENT:
        v_num(v, V_INT, (int64_t)a->installment + 1);
        break;
    case J_CREATED:
        v_num(v, V_TIME, a->created);
        break;
    default:
        v_num(v, V_TIME, a->stamp);
        break;
    }
}

static uint32_t
adjustment_find(struct fctx *c, const char *key)
{
    return world_find(c->w, K_ADJUSTMENT, strtoll(key, NULL, 10));
}

static void
adjustment_lookup(struct fctx *c, const struct attr *a, const char *text,
                  struct rows *out)
{
    (void)a;
    lookup_id(c, &res_adjustments, text, out);
}

static bool
adjustment_visible(struct fctx *c, uint32_t idx)
{
    uint32_t invoice = c->w->adjustments[idx].invoice;

    return !trimmed(c, c->w->invoices[invoice].unit, invoice);
}

const struct res res_adjustments = {
    .name = "receivablesAdjustments",
    .title = "Receivables Adjustments",
    .op = "receivablesAdjustments.get",
    .api = "fscmRestApi",
    .kind = K_ADJUSTMENT,
    .attrs = adjustment_attrs,
    .n_attrs = COUNT_OF(adjustment_attrs),
    .get = adjustment_get,
    .key = top_key,
    .find = adjustment_find,
    .lookup = adjustment_lookup,
    .visible = adjustment_visible,
    .finders = "PrimaryKey",
};

/* ---- dumps -------------------------------------------------------------- */

const struct child dump_receipt_apps = {"applications", &res_apps,
                                        apps_of_receipt};
const struct child dump_memo_apps = {"applications", &res_memo_apps,
                                     apps_of_memo};
