/* SPDX-License-Identifier: UNLICENSED */
/*
 * receivablesCustomerAccountActivities (the accounts), customerAccountSitesLOV,
 * and the list of all resources.
 *
 * Some accounts have an opaque key: their number is refused in a path, the self
 * link must be followed.
 */
#include "fusion_res.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- accounts ----------------------------------------------------------- */

enum {
    A_ID = 1,
    A_NUMBER,
    A_PARTY,
    A_NAME,
    A_TAX,
    A_OPEN,
    A_DUE,
    A_CREATED,
    A_STAMP,
    A_BY
};
static const struct attr account_attrs[] = {
    {"AccountId", V_INT, AF_Q | AF_KEY, A_ID},
    {"AccountNumber", V_STR, AF_Q | AF_LOOKUP, A_NUMBER},
    {"CustomerId", V_INT, AF_Q, A_PARTY},
    {"CustomerName", V_STR, AF_Q | AF_DENORM, A_NAME},
    {"TaxpayerIdentificationNumber", V_STR, AF_Q, A_TAX},
    {"TaxRegistrationNumber", V_STR, AF_Q, 0},
    {"TotalOpenReceivablesForAccount", V_DEC, 0, A_OPEN},
    {"TotalTransactionsDueForAccount", V_DEC, 0, A_DUE},
    {"CreatedBy", V_STR, AF_Q, A_BY},
    {"CreationDate", V_TIME, AF_Q, A_CREATED},
    {"LastUpdateDate", V_TIME, AF_Q | AF_STAMP, A_STAMP},
    {"LastUpdatedBy", V_STR, AF_Q, A_BY},
};

static int64_t
account_open(const struct world *w, uint32_t customer, int32_t today)
{
    int64_t sum = 0;

    for (uint32_t v = w->customers[customer].first_invoice; v != NONE;
         v = w->invoices[v].next_of_customer) {
        const struct invoice *i = &w->invoices[v];

        if (!i->deleted && i->n_inst > 0 && i->due <= today) {
            sum += to_ledger(invoice_balance(i), i->currency);
        }
    }
    return sum;
}

static void
account_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct customer *a = &c->w->customers[row->i];

    switch (id) {
    case A_ID:
        v_num(v, V_INT, world_id(c->w, K_CUSTOMER, row->i));
        break;
    case A_NUMBER:
        v_str(v, a->number);
        break;
    case A_PARTY:
        v_num(v, V_INT, world_id(c->w, K_PARTY, a->party));
        break;
    case A_NAME:
        v_str(v, a->name);
        break;
    case A_TAX:
        v_str(v, c->w->parties[a->party].tax_id);
        break;
    case A_OPEN:
        v_dec(v, account_open(c->w, row->i, INT32_MAX), 3);
        break;
    case A_DUE:
        v_dec(v,
              account_open(c->w, row->i,
                           (int32_t)(c->now / INT64_C(86400000000))),
              3);
        break;
    case A_CREATED:
        v_num(v, V_TIME, a->created);
        break;
    case A_STAMP:
        v_num(v, V_TIME, a->stamp);
        break;
    default:
        v_str(v, "SEED");
        break;
    }
}

static const char *
account_key(struct fctx *c, const struct row *row)
{
    int64_t id = world_id(c->w, K_CUSTOMER, row->i);

    if (c->w->customers[row->i].hashed && sw(c, SW_hashed_keys)) {
        return arena_printf(c->a, "00010000000EACED00057708%016" PRIX64,
                            (uint64_t)id);
    }
    return key_int(c, id);
}

static uint32_t
account_find(struct fctx *c, const char *key)
{
    bool hashed = text_has_prefix(key, "00010000000EACED00057708");
    int64_t id = hashed ? strtoll(key + 24, NULL, 16) : strtoll(key, NULL, 10);
    uint32_t idx = world_find(c->w, K_CUSTOMER, id);

    if (idx != NONE && !hashed && c->w->customers[idx].hashed &&
        sw(c, SW_hashed_keys)) {
        return NONE;
    }
    return idx;
}

static void
account_lookup(struct fctx *c, const struct attr *a, const char *text,
               struct rows *out)
{
    uint32_t idx = NONE;

    if ((a->flags & AF_KEY) != 0) {
        lookup_id(c, &res_accounts, text, out);
        return;
    }
    idx = world_customer(c->w, text);
    if (idx != NONE) {
        rows_add(c, out,
                 (struct row){.res = &res_accounts,
                              .name = res_accounts.name,
                              .i = idx});
    }
}

bool
account_visible(struct fctx *c, uint32_t idx)
{
    return c->raw || c->pod->sw[SW_trim_percent] < 100 || idx == NONE;
}

static const struct child account_children[] = {
    {"standardReceiptApplications", &res_apps, account_apps},
    {"standardReceipts", &res_account_receipts, account_receipts},
    {"creditMemoApplications", &res_memo_apps, account_memo_apps},
    {"creditMemos", &res_account_memos, account_memos},
    {"transactionPaymentSchedules", &res_schedules, account_schedules},
    {"transactionAdjustments", &res_account_adjustments, account_adjustments},
    {"transactionsPaidByOtherCustomers", &res_paid_by_others,
     account_paid_by_others},
};
const struct res res_accounts = {
    .name = "receivablesCustomerAccountActivities",
    .title = "Receivables Customer Account Activities",
    .op = "receivablesCustomerAccountActivities.get",
    .api = "fscmRestApi",
    .kind = K_CUSTOMER,
    .attrs = account_attrs,
    .n_attrs = COUNT_OF(account_attrs),
    .get = account_get,
    .key = account_key,
    .find = account_find,
    .lookup = account_lookup,
    .visible = account_visible,
    .children = account_children,
    .n_children = COUNT_OF(account_children),
    .finders = "PrimaryKey CustomerAccountActivitiesFinder",
};

/* ---- sites -------------------------------------------------------------- */

enum {
    S_NAME = 1,
    S_NUMBER,
    S_TEXT,
    S_TAX,
    S_ACCOUNT,
    S_PARTY,
    S_SITE,
    S_PRIMARY,
    S_USE,
    S_SET
};
static const struct attr site_attrs[] = {
    {"CustomerName", V_STR, AF_Q, S_NAME},
    {"AccountNumber", V_STR, AF_Q, S_NUMBER},
    {"AccountDescription", V_STR, AF_Q, S_TEXT},
    {"TaxpayerIdentificationNumber", V_STR, AF_Q, S_TAX},
    {"TaxRegistrationNumber", V_STR, AF_Q, 0},
    {"CustomerAccountId", V_INT, AF_Q, S_ACCOUNT},
    {"PartyNumber", V_STR, AF_Q, S_PARTY},
    {"SiteName", V_STR, AF_Q, S_SITE},
    {"PrimarySite", V_STR, AF_Q, S_PRIMARY},
    {"SiteUseId", V_INT, AF_Q, S_USE},
    {"SetName", V_STR, AF_Q, S_SET},
};

static void
site_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct customer *a = &c->w->customers[row->i];

    switch (id) {
    case S_NAME:
        v_str(v, a->name);
        break;
    case S_NUMBER:
        v_str(v, a->number);
        break;
    case S_TEXT:
        v_str(v, "Primary account");
        break;
    case S_TAX:
        v_str(v, c->w->parties[a->party].tax_id);
        break;
    case S_ACCOUNT:
        v_num(v, V_INT, world_id(c->w, K_CUSTOMER, row->i));
        break;
    case S_PARTY:
        v_str(v, c->w->parties[a->party].number);
        break;
    case S_SITE:
        v_str(v, a->site);
        break;
    case S_PRIMARY:
        v_str(v, "Y");
        break;
    case S_USE:
        v_num(v, V_INT, world_id(c->w, K_CUSTOMER, row->i) + 5);
        break;
    default:
        v_str(v, "Common Set");
        break;
    }
}

static const char *
site_key(struct fctx *c, const struct row *row)
{
    return key_int(c, world_id(c->w, K_CUSTOMER, row->i) + 5);
}

static uint32_t
site_find(struct fctx *c, const char *key)
{
    return world_find(c->w, K_CUSTOMER, strtoll(key, NULL, 10) - 5);
}

const struct res res_sites = {
    .name = "customerAccountSitesLOV",
    .title = "Customer Account Sites",
    .op = "customerAccountSitesLOV.get",
    .api = "fscmRestApi",
    .kind = K_CUSTOMER,
    .attrs = site_attrs,
    .n_attrs = COUNT_OF(site_attrs),
    .get = site_get,
    .key = site_key,
    .find = site_find,
    .finders = "PrimaryKey",
};

const struct res *const top_resources[] = {
    &res_invoices, &res_receipts, &res_memos,         &res_adjustments,
    &res_accounts, &res_sites,    &res_organizations, &res_persons,
};
const size_t n_top_resources = COUNT_OF(top_resources);
