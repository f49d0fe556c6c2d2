/* SPDX-License-Identifier: UNLICENSED */
/*
 * What an invoice is made of: lines with their tax lines, and installments,
 * where it shows what was paid, credited and adjusted.
 */
#include "fusion_res.h"

/* ---- tax lines ---------------------------------------------------------- */

enum {
    T_ID = 1,
    T_NUMBER,
    T_AMOUNT,
    T_RATE,
    T_TAXABLE,
    T_REGIME,
    T_TAX,
    T_INSIDE,
    T_CREATED,
    T_STAMP,
    T_BY
};
static const struct attr tax_attrs[] = {
    {"CustomerTransactionLineId", V_INT, AF_Q | AF_KEY, T_ID},
    {"TaxLineNumber", V_INT, 0, T_NUMBER},
    {"TaxRegimeCode", V_STR, 0, T_REGIME},
    {"Tax", V_STR, 0, T_TAX},
    {"TaxJurisdictionCode", V_STR, 0, 0},
    {"TaxStatusCode", V_STR, 0, 0},
    {"TaxRateCode", V_STR, 0, T_REGIME},
    {"TaxRate", V_DEC, AF_Q, T_RATE},
    {"TaxableAmount", V_DEC, 0, T_TAXABLE},
    {"TaxAmount", V_DEC, AF_Q, T_AMOUNT},
    {"TaxInclusiveIndicator", V_STR, 0, T_INSIDE},
    {"PlaceOfSupply", V_INT, 0, 0},
    {"TaxPointBasis", V_STR, 0, 0},
    {"TaxPointDate", V_DATE, 0, 0},
    {"CreationDate", V_TIME, 0, T_CREATED},
    {"LastUpdateDate", V_TIME, 0, T_STAMP},
    {"CreatedBy", V_STR, 0, T_BY},
    {"LastUpdatedBy", V_STR, 0, T_BY},
};

static void
tax_get(struct fctx *c, const struct row *r, int id, struct val *v)
{
    const struct line *l = r->p;

    (void)c;
    switch (id) {
    case T_ID:
        v_num(v, V_INT, l->tax_id);
        break;
    case T_NUMBER:
        v_num(v, V_INT, 1);
        break;
    case T_AMOUNT:
        v_dec(v, l->tax, 3);
        break;
    case T_RATE:
        v_dec(v, l->tax_percent, 0);
        break;
    case T_TAXABLE:
        v_dec(v, l->amount - (l->tax_inside ? l->tax : 0), 3);
        break;
    case T_REGIME:
        v_str(v, l->tax_percent == 20 ? "DE VAT 20" : "US TAX 7");
        break;
    case T_TAX:
        v_str(v, "VAT");
        break;
    case T_INSIDE:
        v_str(v, l->tax_inside ? "Y" : "N");
        break;
    case T_CREATED:
        v_num(v, V_TIME, l->created);
        break;
    case T_STAMP:
        v_num(v, V_TIME, l->stamp);
        break;
    default:
        v_str(v, "casey.brown");
        break;
    }
}

static const char *
tax_key(struct fctx *c, const struct row *r)
{
    return key_int(c, ((const struct line *)r->p)->tax_id);
}

static const struct res res_tax = {
    .name = "receivablesInvoiceLineTaxLines",
    .title = "Tax Lines",
    .op = "receivablesInvoiceLineTaxLines.get",
    .attrs = tax_attrs,
    .n_attrs = COUNT_OF(tax_attrs),
    .get = tax_get,
    .key = tax_key,
};

/* ---- lines -------------------------------------------------------------- */

enum {
    L_ID = 1,
    L_NUMBER,
    L_TEXT,
    L_ITEM,
    L_MEMO,
    L_QUANTITY,
    L_UNIT,
    L_PRICE,
    L_AMOUNT,
    L_INSIDE,
    L_TAX_CODE,
    L_CREATED,
    L_STAMP,
    L_BY
};
static const struct attr line_attrs[] = {
    {"CustomerTransactionLineId", V_INT, AF_Q | AF_KEY, L_ID},
    {"LineNumber", V_DEC, 0, L_NUMBER},
    {"Description", V_STR, 0, L_TEXT},
    {"ItemNumber", V_STR, 0, L_ITEM},
    {"MemoLine", V_STR, 0, L_MEMO},
    {"Quantity", V_DEC, 0, L_QUANTITY},
    {"UnitOfMeasure", V_STR, 0, L_UNIT},
    {"UnitSellingPrice", V_DEC, 0, L_PRICE},
    {"LineAmount", V_DEC, 0, L_AMOUNT},
    {"LineAmountIncludesTax", V_STR, 0, L_INSIDE},
    {"TaxClassificationCode", V_STR, 0, L_TAX_CODE},
    {"SalesOrder", V_STR, 0, 0},
    {"SalesOrderDate", V_DATE, 0, 0},
    {"AllocatedFreightAmount", V_DEC, 0, 0},
    {"AssessableValue", V_DEC, 0, 0},
    {"AccountingRule", V_STR, 0, 0},
    {"AccountingRuleDuration", V_INT, 0, 0},
    {"RuleStartDate", V_DATE, 0, 0},
    {"RuleEndDate", V_DATE, 0, 0},
    {"LineIntendedUse", V_STR, 0, 0},
    {"ProductCategory", V_STR, 0, 0},
    {"ProductFiscalClassification", V_STR, 0, 0},
    {"ProductType", V_STR, 0, 0},
    {"TaxExemptionCertificateNumber", V_STR, 0, 0},
    {"TaxExemptionHandling", V_STR, 0, 0},
    {"TaxExemptionReason", V_STR, 0, 0},
    {"TaxInvoiceDate", V_DATE, 0, 0},
    {"TaxInvoiceNumber", V_STR, 0, 0},
    {"TransacationBusinessCategory", V_STR, 0, 0},
    {"UserDefinedFiscalClassification", V_STR, 0, 0},
    {"Warehouse", V_STR, 0, 0},
    {"PrepayCustomerTrxId", V_INT, AF_Q, 0},
    {"PrepayTrxNumber", V_STR, 0, 0},
    {"RemainingPrepayAmount", V_DEC, AF_Q, 0},
    {"CreatedBy", V_STR, AF_Q, L_BY},
    {"CreationDate", V_TIME, AF_Q, L_CREATED},
    {"LastUpdateDate", V_TIME, AF_Q, L_STAMP},
    {"LastUpdatedBy", V_STR, AF_Q, L_BY},
};

static void
line_get(struct fctx *c, const struct row *r, int id, struct val *v)
{
    const struct line *l = r->p;

    switch (id) {
    case L_ID:
        v_num(v, V_INT, l->id);
        break;
    case L_NUMBER:
        v_dec(v, l->number, 0);
        break;
    case L_TEXT:
        v_str(v, line_text(l, c->a));
        break;
    case L_ITEM:
        v_str(v, line_item(l, c->a));
        break;
    case L_MEMO:
        v_str(v, line_memo(l));
        break;
    case L_QUANTITY:
        v_dec(v, l->quantity_e3, 3);
        v->t = l->has_quantity ? V_DEC : V_NULL;
        break;
    case L_UNIT:
        v_str(v, l->has_quantity ? "Each" : NULL);
        break;
    case L_PRICE:
        v_dec(v, l->price_e4, 4);
        v->t = l->has_quantity ? V_DEC : V_NULL;
        break;
    case L_AMOUNT:
        v_dec(v, l->amount, 3);
        break;
    case L_INSIDE:
        v_str(v, l->tax_inside ? "Y" : NULL);
        break;
    case L_TAX_CODE:
        v_str(v, l->tax_percent > 0 ? "STANDARD" : NULL);
        break;
    case L_CREATED:
        v_num(v, V_TIME, l->created);
        break;
    case L_STAMP:
        v_num(v, V_TIME, l->stamp);
        break;
    default:
        v_str(v, "casey.brown");
        break;
    }
}

static const char *
line_key(struct fctx *c, const struct row *r)
{
    return key_int(c, ((const struct line *)r->p)->id);
}

static void
line_taxes(struct fctx *c, const struct row *parent, struct rows *out)
{
    const struct line *l = parent->p;
    struct row *up = arena_alloc(c->a, sizeof(*up));

    *up = *parent;
    if (l->tax_percent > 0) {
        rows_add(
            c, out,
            (struct row){
                .res = &res_tax, .name = res_tax.name, .parent = up, .p = l});
    }
}

static const struct child line_children[] = {
    {"receivablesInvoiceLineTaxLines", &res_tax, line_taxes},
    {"receivablesInvoiceLineDFF", &res_line_dff, line_dff_rows},
    {"receivablesInvoiceLineTransactionDFF", &res_line_tdff, line_tdff_rows},
    {"attachments", &res_none, no_rows},
};
const struct res res_lines = {
    .name = "receivablesInvoiceLines",
    .title = "Receivables Invoice Lines",
    .op = "receivablesInvoiceLines.get",
    .attrs = line_attrs,
    .n_attrs = COUNT_OF(line_attrs),
    .get = line_get,
    .key = line_key,
    .children = line_children,
    .n_children = COUNT_OF(line_children),
};

/* ---- installments ------------------------------------------------------- */

enum {
    I_ID = 1,
    I_NUMBER,
    I_STATUS,
    I_DUE,
    I_ORIGINAL,
    I_BALANCE,
    I_ACCOUNTED,
    I_PAID,
    I_ADJUSTED,
    I_CREDITED,
    I_LINE,
    I_LINE_DUE,
    I_TAX,
    I_TAX_DUE,
    I_FREIGHT,
    I_FREIGHT_DUE,
    I_CLOSED,
    I_LATE,
    I_NO,
    I_CREATED,
    I_STAMP,
    I_BY
};
static const struct attr inst_attrs[] = {
    {"InstallmentId", V_INT, AF_Q | AF_KEY, I_ID},
    {"InstallmentSequenceNumber", V_INT, AF_Q, I_NUMBER},
    {"InstallmentStatus", V_STR, 0, I_STATUS},
    {"InstallmentDueDate", V_DATE, AF_Q, I_DUE},
    {"OriginalAmount", V_DEC, AF_Q, I_ORIGINAL},
    {"InstallmentBalanceDue", V_DEC, 0, I_BALANCE},
    {"AccountedBalanceDue", V_DEC, 0, I_ACCOUNTED},
    {"AmountPaid", V_DEC, 0, I_PAID},
    {"InstallmentAmountAdjusted", V_DEC, 0, I_ADJUSTED},
    {"InstallmentAmountCredited", V_DEC, 0, I_CREDITED},
    {"InstallmentLineAmountOriginal", V_DEC, 0, I_LINE},
    {"InstallmentLineAmountDue", V_DEC, 0, I_LINE_DUE},
    {"InstallmentTaxAmountOriginal", V_DEC, 0, I_TAX},
    {"InstallmentTaxAmountDue", V_DEC, 0, I_TAX_DUE},
    {"InstallmentFreightAmountOriginal", V_DEC, 0, I_FREIGHT},
    {"InstallmentFreightAmountDue", V_DEC, 0, I_FREIGHT_DUE},
    {"InstallmentClosedDate", V_DATE, 0, I_CLOSED},
    {"InstallmentGLClosedDate", V_DATE, 0, I_CLOSED},
    {"DisputeAmount", V_DEC, 0, 0},
    {"DisputeDate", V_DATE, 0, 0},
    {"ExcludeFromCollections", V_STR, 0, I_NO},
    {"PaymentDaysLate", V_INT, 0, I_LATE},
    {"PendingAdjustmentAmount", V_DEC, 0, 0},
    {"CreatedBy", V_STR, 0, I_BY},
    {"CreationDate", V_TIME, 0, I_CREATED},
    {"LastUpdateDate", V_TIME, 0, I_STAMP},
    {"LastUpdatedBy", V_STR, 0, I_BY},
};

struct parts {
    int64_t line, tax, freight;
};

/* An installment's share of the invoice's parts: tax and freight are due with
 * the first one as far as it reaches. */
static struct parts
inst_parts(const struct invoice *v, unsigned k)
{
    int64_t tax = v->tax;
    int64_t freight = v->freight;
    struct parts p = {0};

    for (unsigned i = 0; i <= k; i++) {
        int64_t room = v->inst[i].original > 0 ? v->inst[i].original : 0;

        p.tax = tax < room ? tax : room;
        p.freight = freight < room - p.tax ? freight : room - p.tax;
        p.line = v->inst[i].original - p.tax - p.freight;
        tax -= p.tax;
        freight -= p.freight;
    }
    return p;
}

/* What is still due of them: payments go to lines, then tax, then freight. */
static struct parts
inst_due(const struct invoice *v, unsigned k)
{
    struct parts p = inst_parts(v, k);
    int64_t left = v->inst[k].original - installment_balance(&v->inst[k]);
    int64_t take = left < p.line ? left : p.line;

    p.line -= take;
    left -= take;
    take = left < p.tax ? left : p.tax;
    p.tax -= take;
    p.freight -= left - take;
    return p;
}

static void
inst_amount(const struct invoice *v, unsigned k, int id, struct val *out)
{
    const struct installment *i = &v->inst[k];
    int64_t n = 0;

    switch (id) {
    case I_ORIGINAL:
        n = i->original;
        break;
    case I_BALANCE:
        n = installment_balance(i);
        break;
    case I_ACCOUNTED:
        n = to_ledger(installment_balance(i), v->currency);
        break;
    case I_PAID:
        n = i->paid;
        break;
    case I_ADJUSTED:
        n = i->adjusted;
        break;
    case I_CREDITED:
        n = i->credited;
        break;
    case I_LINE:
        n = inst_parts(v, k).line;
        break;
    case I_LINE_DUE:
        n = inst_due(v, k).line;
        break;
    case I_TAX:
        n = inst_parts(v, k).tax;
        break;
    case I_TAX_DUE:
        n = inst_due(v, k).tax;
        break;
    case I_FREIGHT:
        n = inst_parts(v, k).freight;
        break;
    default:
        n = inst_due(v, k).freight;
        break;
    }
    v_dec(out, n, 3);
}

static void
inst_get(struct fctx *c, const struct row *r, int id, struct val *out)
{
    const struct invoice *v = &c->w->invoices[r->i];
    const struct installment *i = &v->inst[r->k];

    switch (id) {
    case I_ID:
        v_num(out, V_INT, installment_id(c->w, r->i, r->k));
        break;
    case I_NUMBER:
        v_num(out, V_INT, (int64_t)r->k + 1);
        break;
    case I_STATUS:
        v_str(out, i->closed != 0 ? "Closed" : "Open");
        break;
    case I_DUE:
        v_num(out, V_DATE, i->due);
        break;
    case I_CLOSED:
        v_num(out, i->closed != 0 ? V_DATE : V_NULL, i->closed);
        break;
    case I_LATE:
        v_num(out, V_INT, c->now / INT64_C(86400000000) - i->due);
        break;
    case I_NO:
        v_str(out, "N");
        break;
    case I_CREATED:
        v_num(out, V_TIME, v->created + 1000);
        break;
    case I_STAMP:
        v_num(out, V_TIME, i->stamp);
        break;
    case I_BY:
        v_str(out, "casey.brown");
        break;
    default:
        inst_amount(v, r->k, id, out);
        break;
    }
}

static const char *
inst_key(struct fctx *c, const struct row *r)
{
    return key_int(c, installment_id(c->w, r->i, r->k));
}

const struct res res_installments = {
    .name = "receivablesInvoiceInstallments",
    .title = "Receivables Invoice Installments",
    .op = "receivablesInvoiceInstallments.get",
    .attrs = inst_attrs,
    .n_attrs = COUNT_OF(inst_attrs),
    .get = inst_get,
    .key = inst_key,
};

void
invoice_lines(struct fctx *c, const struct row *parent, struct rows *out)
{
    const struct invoice *v = &c->w->invoices[parent->i];
    struct row *up = arena_alloc(c->a, sizeof(*up));
    struct line *lines = arena_array(c->a, v->n_lines, sizeof(*lines));

    *up = *parent;
    for (unsigned k = 0; k < v->n_lines; k++) {
        invoice_line(c->w, parent->i, k, &lines[k]);
        rows_add(c, out,
                 (struct row){.res = &res_lines,
                              .name = res_lines.name,
                              .parent = up,
                              .p = &lines[k],
                              .i = parent->i,
                              .k = k});
    }
}

void
invoice_installments(struct fctx *c, const struct row *parent, struct rows *out)
{
    struct row *up = arena_alloc(c->a, sizeof(*up));

    *up = *parent;
    for (unsigned k = 0; k < c->w->invoices[parent->i].n_inst; k++) {
        rows_add(c, out,
                 (struct row){.res = &res_installments,
                              .name = res_installments.name,
                              .parent = up,
                              .i = parent->i,
                              .k = k});
    }
}
