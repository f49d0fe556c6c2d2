/* SPDX-License-Identifier: UNLICENSED */
/*
 * Customers: the receivables accounts that changed are the spine; then the
 * organisations and the persons that changed, of parties whose accounts are
 * known; each leads to its customers being composed anew (compose.c).
 *
 * The first poll does not read organisations and persons by stamp: whatever
 * they hold is read with their accounts, and a history of theirs is only walked
 * when a person asks for it. Their cursors begin at the pod's clock as it was
 * when that poll began. What the pod refused of them for a
 * while is made up for at the end (repay.c).
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <string.h>

#define ACCOUNTS "receivablesCustomerAccountActivities"
#define ORGS "hubOrganizations"
#define PERSONS "hubPersons"

/* ---- parties that changed ------------------------------------------------------- */

static void
party_kept(struct poll *p, const json_t *row, const char *attribute)
{
    const char *party = NULL;
    const char *id = NULL;
    int64_t us = 0;

    if (!scan_takes(p, row, "PartyId", &id, &us)) {
        return;
    }
    party = jsonx_text(row, attribute);
    if (party != NULL) {
        (void)json_array_append_new(p->page.kept, json_string(party));
    }
}

static void
on_org_row(void *arg, const json_t *row)
{
    party_kept(arg, row, "PartyId");
}

static void
on_person_row(void *arg, const json_t *row)
{
    party_kept(arg, row, "OrganizationPartyId");
}

/* Everything of the page is composed: now its cursor may move. */
static void
parties_moved(struct poll *p)
{
    collect_reset(&p->page);
    poll_release(p);
    poll_store(p, FEED_CUSTOMERS, scan_next);
}

static void
on_party_accounts(void *arg, enum err err, const char *json,
                  const struct fault *f)
{
    struct poll *p = poll_from(arg);
    json_t *rows = NULL;
    struct fault bad = {0};

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    if (jsonx_parse(json, strlen(json), &rows, &bad) == ERR_OK) {
        for (size_t i = 0; i < json_array_size(rows); i++) {
            needs_add(p->f, false,
                      jsonx_text(json_array_get(rows, i), "number"));
        }
    }
    json_decref(rows);
    poll_call(p, needs_serve, parties_moved);
}

static void
party_accounts(struct poll *p)
{
    char *keys = feed_json(p->page.kept);

    poll_store_started(p, store_accounts(p->f->store, p->f->cfg.tenant, "party",
                                         keys, on_party_accounts, p, &p->sop));
    mem_free(keys);
}

static void
parties_page(struct poll *p)
{
    p->held = p->advance;
    poll_stay(p);
    /* Parties are no records: the accounts composed of them are. */
    p->page.invalid = 0;
    p->page.n_notes = 0;
    buf_reset(&p->page.notes);
    if (json_array_size(p->page.kept) > 0) {
        poll_go(p, party_accounts);
    } else {
        poll_go(p, parties_moved);
    }
}

static const struct scan_spec persons = {
    .resource = PERSONS,
    .stream = PERSONS,
    .id = "PartyId",
    .kind = MAP_CUSTOMER,
    .crm = true,
    .part = CRM_PERSONS,
    .source = MAP_RESOURCES,
    .row = on_person_row,
    .page = parties_page,
};
static const struct scan_spec orgs = {
    .resource = ORGS,
    .stream = ORGS,
    .id = "PartyId",
    .kind = MAP_CUSTOMER,
    .crm = true,
    .part = CRM_ORGS,
    .source = MAP_RESOURCES,
    .row = on_org_row,
    .page = parties_page,
};

/* ---- the spine ------------------------------------------------------------------------ */

static void
on_account_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = NULL;
    int64_t us = 0;

    if (!scan_takes(p, row, "AccountId", &id, &us)) {
        return;
    }
    if (jsonx_text(row, "AccountNumber") == NULL) {
        poll_bad_row(p, MAP_CUSTOMER, row, id, "AccountNumber", "a number");
        return;
    }
    (void)json_array_append_new(p->page.kept, collect_copy(row));
}

static void
account_next(struct poll *p)
{
    if (p->kept_at < json_array_size(p->page.kept)) {
        poll_call(p, compose_kept, account_next);
        return;
    }
    poll_go(p, scan_next);
}

static void
account_page(struct poll *p)
{
    p->kept_at = 0;
    p->held = p->advance;
    if (json_array_size(p->page.kept) == 0) {
        poll_store(p, FEED_CUSTOMERS, scan_next);
        return;
    }
    poll_stay(p);
    poll_go(p, account_next);
}

static const struct scan_spec accounts = {
    .resource = ACCOUNTS,
    .stream = ACCOUNTS,
    .id = "AccountId",
    .kind = MAP_CUSTOMER,
    .source = MAP_RES_ACCOUNTS,
    .links = true,
    .row = on_account_row,
    .page = account_page,
};

/* ---- the order ---------------------------------------------------------- */

static void
customers_serve(struct poll *p)
{
    poll_call(p, needs_serve, poll_end);
}

static void
customers_repay(struct poll *p)
{
    poll_call(p, crm_repay, customers_serve);
}

static void
accounts_known(struct poll *p)
{
    remap_known(p, customers_repay);
}

static void
persons_history(struct poll *p)
{
    backfill(p, &persons, accounts_known);
}

static void
orgs_history(struct poll *p)
{
    backfill(p, &orgs, persons_history);
}

static void
accounts_history(struct poll *p)
{
    backfill(p, &accounts, orgs_history);
}

/* The history of parties comes with their accounts. */
static void
persons_scan(struct poll *p)
{
    if (crm_is_off(p, CRM_PERSONS)) {
        poll_go(p, accounts_history);
    } else if (stream_is_new(p, PERSONS)) {
        stream_begin(p, PERSONS, accounts_history);
    } else {
        scan_start(p, &persons, accounts_history);
    }
}

static void
orgs_scan(struct poll *p)
{
    if (crm_is_off(p, CRM_ORGS)) {
        poll_go(p, persons_scan);
    } else if (stream_is_new(p, ORGS)) {
        stream_begin(p, ORGS, persons_scan);
    } else {
        scan_start(p, &orgs, persons_scan);
    }
}

static void
accounts_scan(struct poll *p)
{
    if (stream_is_new(p, ACCOUNTS)) {
        stream_begin(p, ACCOUNTS, orgs_scan);
    } else {
        scan_start(p, &accounts, orgs_scan);
    }
}

static void
customers_mapped(struct poll *p)
{
    remap(p, accounts_scan);
}

void
customers_begin(struct poll *p)
{
    poll_call(p, calibrate, customers_mapped);
}
