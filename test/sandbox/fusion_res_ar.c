/* SPDX-License-Identifier: UNLICENSED */
/*
 * receivablesInvoices: the attribute table (names, types, which of them q may
 * use) and the values; and what all resource tables share.
 */
#include "fusion.h"
#include "fusion_res.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- shared ------------------------------------------------------------- */

void
v_str(struct val *v, const char *s)
{
    v->t = s == NULL ? V_NULL : V_STR;
    v->s = s;
}

void
v_dec(struct val *v, int64_t n, unsigned scale)
{
    v->t = V_DEC;
    v->n = n;
    v->scale = scale;
}

void
v_num(struct val *v, enum vt t, int64_t n)
{
    v->t = t;
    v->n = n;
}

const char *
key_int(struct fctx *c, int64_t id)
{
    return arena_printf(c->a, "%" PRId64, id);
}

bool
trimmed(const struct fctx *c, unsigned unit, uint64_t salt)
{
    if (c->raw) {
        return false;
    }
    if (c->pod->hidden_unit[0] != 0 &&
        text_equal(c->pod->hidden_unit, unit_name(unit))) {
        return true;
    }
    return (int64_t)(salt * 2654435761U % 100) < c->pod->sw[SW_trim_percent];
}

void
lookup_id(struct fctx *c, const struct res *res, const char *text,
          struct rows *out)
{
    uint32_t idx = world_find(c->w, res->kind, strtoll(text, NULL, 10));

    if (idx != NONE) {
        rows_add(c, out, (struct row){.res = res, .name = res->name, .i = idx});
    }
}

void
no_rows(struct fctx *c, const struct row *parent, struct rows *out)
{
    (void)c;
    (void)parent;
    (void)out;
}

static void
none_get(struct fctx *c, const struct row *r, int id, struct val *v)
{
    (void)c;
    (void)r;
    (void)id;
    v->t = V_NULL;
}

static const char *
none_key(struct fctx *c, const struct row *r)
{
    (void)c;
    (void)r;
    return "0";
}

static const struct attr none_attrs[] = {
    {"Title", V_STR, 0, 0},
};
const struct res res_none = {
    .name = "none",
    .title = "Attachments and notes",
    .op = "children.get",
    .attrs = none_attrs,
    .n_attrs = COUNT_OF(none_attrs),
    .get = none_get,
    .key = none_key,
};

/* ---- invoices ----------------------------------------------------------- */

enum {
    V_ID = 1,
    V_DATE_,
    V_DUE,
    V_CONTACT,
    V_NAME,
    V_NUMBER,
    V_PARTY,
    V_SITE,
    V_UNIT,
    V_COMMENTS,
    V_RATE,
    V_RATE_DATE,
    V_RATE_TYPE,
    V_BY,
    V_CREATED,
    V_DELIVERY,
    V_DOCUMENT,
    V_EMAIL,
    V_ENTERED,
    V_FREIGHT,
    V_NO,
    V_BALANCE,
    V_CURRENCY,
    V_STATUS,
    V_STAMP,
    V_TERMS,
    V_PO,
    V_TRX,
    V_SOURCE,
    V_TYPE,
    V_ENTITY
};
static const struct attr invoice_attrs[] = {
    {"AccountingDate", V_DATE, 0, V_DATE_},
    {"AllowCompletion", V_STR, AF_Q, 0},
    {"BankAccountNumber", V_STR, 0, 0},
    {"BillToContact", V_STR, AF_DENORM, V_CONTACT},
    {"BillToCustomerName", V_STR, AF_DENORM, V_NAME},
    {"BillToCustomerNumber", V_STR, 0, V_NUMBER},
    {"BillToPartyId", V_INT, AF_Q, V_PARTY},
    {"BillToSite", V_STR, AF_DENORM, V_SITE},
    {"BillingDate", V_DATE, AF_Q, 0},
    {"BusinessUnit", V_STR, 0, V_UNIT},
    {"CardHolderFirstName", V_STR, 0, 0},
    {"CardHolderLastName", V_STR, 0, 0},
    {"Carrier", V_STR, 0, 0},
    {"Comments", V_STR, 0, V_COMMENTS},
    {"ControlCompletionReason", V_STR, 0, 0},
    {"ConversionDate", V_DATE, 0, V_RATE_DATE},
    {"ConversionRate", V_DEC, 0, V_RATE},
    {"ConversionRateType", V_STR, 0, V_RATE_TYPE},
    {"CreatedBy", V_STR, AF_Q, V_BY},
    {"CreationDate", V_TIME, AF_Q, V_CREATED},
    {"CreditCardAuthorizationRequestIdentifier", V_STR, 0, 0},
    {"CreditCardErrorCode", V_STR, 0, 0},
    {"CreditCardErrorText", V_STR, 0, 0},
    {"CreditCardExpirationDate", V_DATE, 0, 0},
    {"CreditCardIssuerCode", V_STR, 0, 0},
    {"CreditCardTokenNumber", V_STR, 0, 0},
    {"CreditCardVoiceAuthorizationCode", V_STR, 0, 0},
    {"CrossReference", V_STR, 0, 0},
    {"CustomerTransactionId", V_INT, AF_Q | AF_KEY, V_ID},
    {"DefaultTaxationCountry", V_STR, 0, 0},
    {"DeliveryMethod", V_STR, AF_Q, V_DELIVERY},
    {"DocumentFiscalClassification", V_STR, 0, 0},
    {"DocumentNumber", V_INT, 0, V_DOCUMENT},
    {"DueDate", V_DATE, 0, V_DUE},
    {"Email", V_STR, AF_Q, V_EMAIL},
    {"EnteredAmount", V_DEC, 0, V_ENTERED},
    {"FirstPartyRegistrationNumber", V_STR, 0, 0},
    {"FreightAmount", V_DEC, 0, V_FREIGHT},
    {"Intercompany", V_STR, 0, V_NO},
    {"InternalNotes", V_STR, 0, 0},
    {"InvoiceBalanceAmount", V_DEC, AF_Q, V_BALANCE},
    {"InvoiceCurrencyCode", V_STR, 0, V_CURRENCY},
    {"InvoicePrinted", V_STR, 0, V_NO},
    {"InvoiceStatus", V_STR, AF_Q, V_STATUS},
    {"InvoicingRule", V_STR, 0, 0},
    {"LastPrintDate", V_DATE, AF_Q, 0},
    {"LastUpdateDate", V_TIME, AF_Q | AF_STAMP, V_STAMP},
    {"LastUpdatedBy", V_STR, AF_Q, V_BY},
    {"LegalEntityIdentifier", V_STR, 0, V_ENTITY},
    {"OriginalPrintDate", V_DATE, AF_Q, 0},
    {"PayingCustomerAccount", V_STR, 0, 0},
    {"PayingCustomerName", V_STR, 0, 0},
    {"PayingCustomerSite", V_STR, 0, 0},
    {"PaymentTerms", V_STR, 0, V_TERMS},
    {"Prepayment", V_STR, 0, V_NO},
    {"PrintOption", V_STR, 0, 0},
    {"PurchaseOrder", V_STR, 0, V_PO},
    {"PurchaseOrderDate", V_DATE, 0, 0},
    {"PurchaseOrderRevision", V_STR, 0, 0},
    {"ReceiptMethod", V_STR, AF_Q, 0},
    {"RemitToAddress", V_STR, 0, 0},
    {"SalesPersonNumber", V_STR, AF_Q, 0},
    {"ShipDate", V_DATE, 0, 0},
    {"ShipToContact", V_STR, AF_Q, 0},
    {"ShipToCustomerName", V_STR, AF_DENORM, V_NAME},
    {"ShipToCustomerNumber", V_STR, 0, V_NUMBER},
    {"ShipToSite", V_STR, AF_DENORM, V_SITE},
    {"ShippingReference", V_STR, 0, 0},
    {"SoldToPartyNumber", V_STR, 0, 0},
    {"SpecialInstructions", V_STR, 0, 0},
    {"StructuredPaymentReference", V_STR, 0, 0},
    {"ThirdPartyRegistrationNumber", V_STR, 0, 0},
    {"TransactionDate", V_DATE, 0, V_DATE_},
    {"TransactionNumber", V_STR, AF_Q, V_TRX},
    {"TransactionSource", V_STR, 0, V_SOURCE},
    {"TransactionType", V_STR, 0, V_TYPE},
};

static void
invoice_customer(struct fctx *c, const struct invoice *i, int id, struct val *v)
{
    const struct customer *a = NULL;

    if (i->customer == NONE) {
        v->t = V_NULL;
        return;
    }
    a = &c->w->customers[i->customer];
    switch (id) {
    case V_NAME:
        v_str(v, i->no_name ? NULL : a->name);
        break;
    case V_NUMBER:
        v_str(v, a->number);
        break;
    case V_SITE:
        v_str(v, a->site);
        break;
    default:
        v_num(v, V_INT, world_id(c->w, K_PARTY, a->party));
        break;
    }
}

static void
invoice_amount(struct fctx *c, const struct invoice *i, int id, struct val *v)
{
    int64_t rate = currencies[i->currency].rate_e6;

    switch (id) {
    case V_RATE:
        v_dec(v, rate, 6);
        v->t = rate == 0 ? V_NULL : V_DEC;
        break;
    case V_RATE_DATE:
        v_num(v, rate == 0 ? V_NULL : V_DATE, i->date);
        break;
    case V_RATE_TYPE:
        v_str(v, rate == 0 ? NULL : "Corporate");
        break;
    case V_ENTERED:
        v_dec(v, i->entered, 3);
        break;
    case V_FREIGHT:
        v_dec(v, i->freight, 3);
        v->t = i->freight == 0 ? V_NULL : V_DEC;
        break;
    default:
        v_dec(v,
              sw(c, SW_balance_entered) ?
                  invoice_balance(i) :
                  to_ledger(invoice_balance(i), i->currency),
              3);
        break;
    }
}

static void
invoice_words(struct fctx *c, const struct row *r, int id, struct val *v)
{
    static const char *const states[] = {"Complete", "Incomplete", "Frozen"};
    const struct invoice *i = &c->w->invoices[r->i];

    switch (id) {
    case V_CONTACT:
        v_str(v, invoice_contact(c->w, r->i, c->a));
        break;
    case V_EMAIL:
        v_str(v, invoice_email(c->w, r->i, c->a));
        break;
    case V_PO:
        v_str(v, invoice_po(c->w, r->i, c->a));
        break;
    case V_TRX:
        v_str(v, invoice_number(c->w, r->i, c->a));
        break;
    case V_UNIT:
        v_str(v, unit_name(i->unit));
        break;
    case V_CURRENCY:
        v_str(v, currencies[i->currency].code);
        break;
    case V_STATUS:
        v_str(v, states[i->status]);
        break;
    case V_COMMENTS:
        v_str(v, i->comments);
        break;
    case V_TERMS:
        v_str(v, "30 Net");
        break;
    case V_SOURCE:
        v_str(v, "Manual-NES");
        break;
    case V_TYPE:
        v_str(v, "Invoice");
        break;
    case V_ENTITY:
        v_str(v, "USSYS12030");
        break;
    case V_DELIVERY:
        v_str(v, "E-Mail");
        break;
    case V_NO:
        v_str(v, "N");
        break;
    default:
        v_str(v, "casey.brown");
        break;
    }
}

static void
invoice_get(struct fctx *c, const struct row *r, int id, struct val *v)
{
    const struct invoice *i = &c->w->invoices[r->i];

    switch (id) {
    case V_ID:
        v_num(v, V_INT, world_id(c->w, K_INVOICE, r->i));
        break;
    case V_DATE_:
        v_num(v, V_DATE, i->date);
        break;
    case V_DUE:
        v_num(v, V_DATE, i->due);
        break;
    case V_CREATED:
        v_num(v, V_TIME, i->created);
        break;
    case V_STAMP:
        v_num(v, V_TIME, i->stamp);
        break;
    case V_DOCUMENT:
        v_num(v, V_INT, (int64_t)r->i + 10000);
        break;
    case V_NAME:
    case V_NUMBER:
    case V_PARTY:
    case V_SITE:
        invoice_customer(c, i, id, v);
        break;
    case V_RATE:
    case V_RATE_DATE:
    case V_RATE_TYPE:
    case V_ENTERED:
    case V_FREIGHT:
    case V_BALANCE:
        invoice_amount(c, i, id, v);
        break;
    default:
        invoice_words(c, r, id, v);
        break;
    }
}

static const char *
invoice_key(struct fctx *c, const struct row *r)
{
    return key_int(c, world_id(c->w, K_INVOICE, r->i));
}

static uint32_t
invoice_find(struct fctx *c, const char *key)
{
    return world_find(c->w, K_INVOICE, strtoll(key, NULL, 10));
}

static void
invoice_lookup(struct fctx *c, const struct attr *a, const char *text,
               struct rows *out)
{
    (void)a;
    lookup_id(c, &res_invoices, text, out);
}

static bool
invoice_visible(struct fctx *c, uint32_t idx)
{
    return !trimmed(c, c->w->invoices[idx].unit, idx);
}

static const struct child invoice_children[] = {
    {"receivablesInvoiceLines", &res_lines, invoice_lines},
    {"receivablesInvoiceInstallments", &res_installments, invoice_installments},
    {"receivablesInvoiceDistributions", &res_none, no_rows},
    {"receivablesInvoiceDFF", &res_invoice_dff, invoice_dff_rows},
    {"receivablesInvoiceGdf", &res_invoice_gdf, invoice_gdf_rows},
    {"receivablesInvoiceTransactionDFF", &res_invoice_tdff, invoice_tdff_rows},
    {"notes", &res_none, no_rows},
    {"attachments", &res_none, no_rows},
};
const struct res res_invoices = {
    .name = "receivablesInvoices",
    .title = "Receivables Invoices",
    .op = "receivablesInvoices.get",
    .api = "fscmRestApi",
    .kind = K_INVOICE,
    .attrs = invoice_attrs,
    .n_attrs = COUNT_OF(invoice_attrs),
    .get = invoice_get,
    .children = invoice_children,
    .n_children = COUNT_OF(invoice_children),
    .key = invoice_key,
    .find = invoice_find,
    .lookup = invoice_lookup,
    .visible = invoice_visible,
    .finders = "PrimaryKey invoiceSearch",
};
