/* SPDX-License-Identifier: UNLICENSED */
/*
 * Customers composed: account row, what invoices said, organisation, persons.
 *
 *     accounts (given, or by number) -> hints -> organisations -> persons
 *         -> debts -> records -> intake -> return
 *
 * At most CHUNK_ACCOUNTS at once, so that one `in` list holds their parties.
 * Organisations and persons enrich: when the pod refuses them, customers are
 * composed without and it is remembered that they lack them (repay.c). An account that Fusion
 * does not list is still a customer when an invoice told of it.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <string.h>

static const char *const org_children[] = {"CustomerClassification",
                                           "ContactPoint", NULL};

void
compose_reset(struct poll *p)
{
    struct compose *c = &p->compose;

    json_decref(c->accounts);
    json_decref(c->hints);
    json_decref(c->orgs);
    json_decref(c->persons);
    json_decref(c->parties);
    memset(c, 0, sizeof(*c));
}

static void
compose_new(struct poll *p)
{
    compose_reset(p);
    p->compose.accounts = json_object();
    p->compose.hints = json_object();
    p->compose.orgs = json_object();
    p->compose.persons = json_object();
    p->compose.parties = json_array();
}

static void
account_put(struct jsonx_writer *w, const json_t *row)
{
    struct fault ignored = {0};
    int64_t us = 0;
    bool has = false;

    if (row == NULL) {
        return; /* not in Fusion: only composed */
    }
    if (jsonx_get_time(row, "LastUpdateDate", &has, &us, &ignored) != ERR_OK) {
        us = 0;
    }
    jsonx_add_text(w, "account_id", jsonx_text(row, "AccountId"));
    jsonx_add_text(w, "party", jsonx_text(row, "CustomerId"));
    jsonx_add_text(w, "name", jsonx_text(row, "CustomerName"));
    jsonx_add_text(w, "href", jsonx_text(row, "self_href"));
    jsonx_add_int(w, "stamp_us", us);
}

void
accounts_remember(struct poll *p, json_t *rows, const json_t *hints)
{
    struct jsonx_writer w;
    struct buf b;
    const char *number = NULL;
    json_t *row = NULL;
    void *it = NULL;

    mem_free(p->accounts);
    p->accounts = NULL;
    buf_init(&b, RECORDS_MAX);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '[');
    for (it = json_object_iter(rows); it != NULL;
         it = json_object_iter_next(rows, it)) {
        const json_t *hint = NULL;

        number = json_object_iter_key(it);
        row = json_object_iter_value(it);
        hint = json_object_get(hints, number);
        if (!json_is_object(row) && hint == NULL) {
            continue;
        }
        jsonx_open(&w, '{');
        jsonx_add_text(&w, "number", number);
        account_put(&w, json_is_object(row) ? row : NULL);
        if (hint != NULL) {
            jsonx_add_int(&w, "composed", json_number(hint, "revision"));
        }
        jsonx_close(&w, '}');
    }
    jsonx_close(&w, ']');
    if (!b.failed && b.len > 2) {
        p->accounts = buf_take(&b, NULL);
    }
    buf_fini(&b);
}

/* ---- records ------------------------------------------------------------------------ */

static const char *
party_of(const struct compose *c, const char *number)
{
    const json_t *row = json_object_get(c->accounts, number);
    const json_t *hint = json_object_get(c->hints, number);
    const char *party =
        json_is_object(row) ? jsonx_text(row, "CustomerId") : NULL;

    if (party == NULL && hint != NULL) {
        party = jsonx_text(hint, "party");
        party = party == NULL ? jsonx_text(hint, "bill_to_party") : party;
    }
    return party;
}

static const char *
hint_text(const json_t *hint, const char *key)
{
    return hint == NULL ? NULL : jsonx_text(hint, key);
}

static void
compose_one(struct poll *p, const char *number)
{
    struct compose *c = &p->compose;
    const json_t *row = json_object_get(c->accounts, number);
    const json_t *hint = json_object_get(c->hints, number);
    const char *party = party_of(c, number);
    struct map_customer_rows rows = {
        .account_number = number,
        .account = json_is_object(row) ? row : NULL,
        .organization = party == NULL ? NULL : json_object_get(c->orgs, party),
        .persons = party == NULL ? NULL : json_object_get(c->persons, party),
        .bill_to_name = hint_text(hint, "bill_to_name"),
        .bill_to_contact = hint_text(hint, "bill_to_contact"),
        .bill_to_party = hint_text(hint, "bill_to_party"),
        .bill_to_email = hint_text(hint, "bill_to_email"),
    };
    struct map_record r;
    struct fault f = {0};
    enum map_fate fate = MAP_INVALID;

    memset(&r, 0, sizeof(r));
    arena_reset(&p->page.work);
    fate = map_customer(p->f->map, &p->page.work, &rows, &r, &f);
    collect_fate(&p->page, fate, MAP_CUSTOMER, number, &r, &f);
}

static bool
is_known(const struct compose *c, const char *number)
{
    const json_t *hint = json_object_get(c->hints, number);

    return json_is_object(json_object_get(c->accounts, number)) ||
           hint_text(hint, "bill_to_name") != NULL ||
           hint_text(hint, "bill_to_party") != NULL ||
           hint_text(hint, "party") != NULL;
}

static void
composed(struct poll *p)
{
    struct compose *c = &p->compose;
    bool given = c->given;

    compose_reset(p);
    collect_clear(&p->page);
    /* What is left in hand, nobody knows. */
    if (!given && !p->repaying && json_array_size(p->hand) > 0) {
        poll_go(p, needs_missing);
        return;
    }
    poll_return(p);
}

void
compose_store(struct poll *p)
{
    struct compose *c = &p->compose;
    void *it = NULL;

    for (it = json_object_iter(c->accounts); it != NULL;
         it = json_object_iter_next(c->accounts, it)) {
        const char *number = json_object_iter_key(it);

        if (is_known(c, number)) {
            compose_one(p, number);
            if (!c->given) {
                hand_without(p, number);
            }
        }
    }
    accounts_remember(p, c->accounts, c->hints);
    poll_store(p, FEED_CUSTOMERS, composed);
}

/* ---- persons, organisations ------------------------------------------------------------ */

static void orgs_ask(struct poll *p);
static void persons_ask(struct poll *p);

/* All that can be read was. */
static void
compose_ready(struct poll *p)
{
    if (p->repaying && p->repay == 0) {
        crm_repay_dropped(p);
    } else if (p->compose.without != 0) {
        poll_go(p, crm_owe);
    } else {
        poll_go(p, compose_store);
    }
}

static void
persons_take(struct poll *p)
{
    struct compose *c = &p->compose;

    for (size_t i = 0; i < json_array_size(p->got); i++) {
        json_t *row = json_array_get(p->got, i);
        const char *party = jsonx_text(row, "OrganizationPartyId");
        json_t *list =
            party == NULL ? NULL : json_object_get(c->persons, party);

        if (party == NULL) {
            continue;
        }
        if (list == NULL) {
            list = json_array();
            (void)json_object_set_new(c->persons, party, list);
        }
        (void)json_array_append(list, row);
    }
}

static void
on_persons(struct poll *p, const struct fusion_page *page)
{
    if (page == NULL) {
        crm_off(p, CRM_PERSONS);
        p->compose.without |= BIT(CRM_PERSONS);
    } else if (got_more(p, page)) {
        poll_go(p, persons_ask);
        return;
    }
    persons_take(p);
    compose_ready(p);
}

static void
persons_ask(struct poll *p)
{
    struct compose *c = &p->compose;
    struct fusion_term term = {.attribute = "OrganizationPartyId", .op = "in"};
    struct fusion_query q = {
        .resource = "hubPersons",
        .crm = true,
        .terms = &term,
        .n_terms = 1,
        .order_by = "PartyId:asc",
    };

    if (crm_is_off(p, CRM_PERSONS)) {
        c->without |= BIT(CRM_PERSONS);
        compose_ready(p);
        return;
    }
    arena_reset(&p->arena);
    term.list = poll_list(p, c->parties);
    q.expand = poll_expand(p, NULL, MAP_RES_PERSONS);
    p->optional = true;
    got_ask(p, &q, on_persons);
}

static void
on_orgs(struct poll *p, const struct fusion_page *page)
{
    struct compose *c = &p->compose;

    if (page == NULL) {
        crm_off(p, CRM_ORGS);
        c->without |= BIT(CRM_ORGS);
    } else if (got_more(p, page)) {
        poll_go(p, orgs_ask);
        return;
    }
    for (size_t i = 0; i < json_array_size(p->got); i++) {
        json_t *row = json_array_get(p->got, i);
        const char *party = jsonx_text(row, "PartyId");

        if (party != NULL) {
            (void)json_object_set(c->orgs, party, row);
        }
    }
    got_begin(p);
    poll_go(p, persons_ask);
}

static void
orgs_ask(struct poll *p)
{
    struct compose *c = &p->compose;
    struct fusion_term term = {.attribute = "PartyId", .op = "in"};
    struct fusion_query q = {
        .resource = "hubOrganizations",
        .crm = true,
        .terms = &term,
        .n_terms = 1,
        .children = org_children,
        .key = "PartyNumber",
        .order_by = "PartyId:asc",
    };

    if (json_array_size(c->parties) == 0) {
        compose_ready(p);
        return;
    }
    if (crm_is_off(p, CRM_ORGS)) {
        c->without |= BIT(CRM_ORGS);
        poll_go(p, persons_ask);
        return;
    }
    arena_reset(&p->arena);
    term.list = poll_list(p, c->parties);
    q.expand = poll_expand(p, "CustomerClassification,ContactPoint",
                           MAP_RES_ORGANIZATIONS);
    p->optional = true;
    got_ask(p, &q, on_orgs);
}

/* ---- hints ------------------------------------------------------------------------------- */

static void
parties_list(struct compose *c)
{
    json_t *set = json_object();
    void *it = NULL;

    for (it = json_object_iter(c->accounts); it != NULL;
         it = json_object_iter_next(c->accounts, it)) {
        const char *party = party_of(c, json_object_iter_key(it));

        if (party != NULL && json_object_get(set, party) == NULL) {
            (void)json_object_set_new(set, party, json_true());
            (void)json_array_append_new(c->parties, json_string(party));
        }
    }
    json_decref(set);
}

static void
on_hints(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct compose *c = &p->compose;
    json_t *rows = NULL;
    struct fault bad = {0};

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    if (jsonx_parse(json, strlen(json), &rows, &bad) != ERR_OK) {
        poll_fail(p, ERR_DB_SHAPE, &bad);
        return;
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *number = jsonx_text(row, "number");

        if (number != NULL) {
            (void)json_object_set(c->hints, number, row);
        }
    }
    json_decref(rows);
    parties_list(c);
    got_begin(p);
    poll_go(p, orgs_ask);
}

static void
hints_ask(struct poll *p)
{
    json_t *numbers = json_array();
    char *keys = NULL;
    void *it = NULL;

    for (it = json_object_iter(p->compose.accounts); it != NULL;
         it = json_object_iter_next(p->compose.accounts, it)) {
        const char *number = json_object_iter_key(it);

        /* What is said of it from now on is another need. */
        (void)map_del(&p->f->need_customers, number);
        (void)json_array_append_new(numbers, json_string(number));
    }
    keys = feed_json(numbers);
    poll_store_started(p, store_accounts(p->f->store, p->f->cfg.tenant,
                                         "number", keys, on_hints, p, &p->sop));
    mem_free(keys);
    json_decref(numbers);
}

/* ---- accounts ------------------------------------------------------------------------------ */

static void numbers_ask(struct poll *p);

static void
on_accounts(struct poll *p, const struct fusion_page *page)
{
    struct compose *c = &p->compose;

    if (page == NULL) {
        /* Refused: nobody can say whether they exist; dropped. */
        hand_set(p, NULL, false);
        compose_reset(p);
        p->repay = 0;
        poll_return(p);
        return;
    }
    if (got_more(p, page)) {
        poll_go(p, numbers_ask);
        return;
    }
    for (size_t i = 0; i < json_array_size(p->got); i++) {
        json_t *row = json_array_get(p->got, i);
        const char *number = jsonx_text(row, "AccountNumber");

        if (number != NULL && json_object_get(c->accounts, number) != NULL) {
            (void)json_object_set(c->accounts, number, row);
        }
    }
    poll_go(p, hints_ask);
}

static void
numbers_ask(struct poll *p)
{
    struct fusion_term term = {
        .attribute = "AccountNumber", .op = "in", .list_is_text = true};
    struct fusion_query q = {
        .resource = "receivablesCustomerAccountActivities",
        .terms = &term,
        .n_terms = 1,
        .order_by = "AccountId:asc",
        .links = true,
    };

    arena_reset(&p->arena);
    term.list = poll_list(p, p->hand);
    q.expand = poll_expand(p, NULL, MAP_RES_ACCOUNTS);
    p->optional = true;
    got_ask(p, &q, on_accounts);
}

void
customers_by_number(struct poll *p)
{
    compose_new(p);
    collect_clear(&p->page);
    poll_stay(p);
    for (size_t i = 0; i < json_array_size(p->hand); i++) {
        (void)json_object_set_new(p->compose.accounts,
                                  json_string_value(json_array_get(p->hand, i)),
                                  json_null());
    }
    got_begin(p);
    poll_go(p, numbers_ask);
}

void
compose_kept(struct poll *p)
{
    json_t *kept = p->page.kept;
    size_t n = json_array_size(kept);

    if (p->kept_at >= n) {
        poll_return(p);
        return;
    }
    compose_new(p);
    p->compose.given = true;
    while (p->kept_at < n &&
           json_object_size(p->compose.accounts) < CHUNK_ACCOUNTS) {
        json_t *row = json_array_get(kept, p->kept_at++);
        const char *number = jsonx_text(row, "AccountNumber");

        if (number != NULL) {
            (void)json_object_set(p->compose.accounts, number, row);
        }
    }
    if (p->kept_at >= n) {
        poll_release(p);
    }
    poll_go(p, hints_ask);
}
