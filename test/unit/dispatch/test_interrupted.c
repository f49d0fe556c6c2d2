/* SPDX-License-Identifier: UNLICENSED */
/* What breaks off in the middle of mending: everything that was begun is gone
 * through with, by whoever goes on. */
#include "fake.h"

static struct fx fx;

/* ---- an invoice made anew, and the answer to its mending is a 503 ----- */

static size_t upserts;

static void
fail_second(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (q->verb == HUBSPOT_UPSERT && q->object == MAP_INVOICES &&
        ++upserts == 2) {
        fail_all(q, m, r, 503, HUBSPOT_RETRY, ERR_UNAVAILABLE);
    }
}

static void
remade(void)
{
    fx_open(&fx, NULL);
    upserts = 0;
    fx.decide = fail_second;
    fx.remakes_left = 1;
    fx_invoice(&fx, "3001", 1, "open");
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","
            "\"properties\":{\"hs_currency\":\"EUR\","
            "\"hs_invoice_status\":\"open\"},"
            "\"assoc\":[\"177:k1\",\"179:c1\"]}");
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"line_items\",\"key\":\"3001-1\",\"id\":\"78\","
            "\"properties\":{\"fusion_line_id\":\"3001-1\",\"quantity\":\"1\"},"
            "\"assoc\":[\"409:77\"]}");
    fx_start(&fx);
    UNTIL(&fx, fx_is(&fx, "invoice", "3001", "done"));
    fx_settle(&fx);
}

TEST(remade_invoice_is_not_left_billable_when_its_mending_is_retried)
{
    remade();
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_INVOICES), 3);
    HAS(fx_sent(&fx, HUBSPOT_UPSERT, MAP_INVOICES, 2)->inputs[0].properties,
        "\"hs_invoice_billable\":\"false\"");
    fx_close(&fx);
}

TEST(remade_invoice_gets_its_status_again_when_its_mending_is_retried)
{
    remade();
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPDATE, MAP_INVOICES), 1);
    fx_close(&fx);
}

TEST(remade_invoice_gets_its_lines_again_when_its_mending_is_retried)
{
    remade();
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_LINE_ITEMS), 1);
    fx_close(&fx);
}

/* ---- read back after an unknown upsert that made it anew -------------- */

static void
found_other(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    if (q->verb == HUBSPOT_READ && q->object == MAP_INVOICES) {
        r[0].outcome = HUBSPOT_WRITTEN;
        r[0].id = "99";
        r[0].properties =
            json_pack("{s:s,s:s,s:s}", "fusion_transaction_id", "3001",
                      "hs_currency", "USD", "hs_invoice_status", "draft");
    }
}

TEST(what_an_unknown_upsert_made_anew_is_joined_before_its_status_moves)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    fx.decide = found_other;
    j = fx_invoice(&fx, "3001", 0, "open");
    fx_set(&j->state, "unknown");
    j->attempts = 1;
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","
            "\"properties\":{\"hs_currency\":\"EUR\","
            "\"hs_invoice_status\":\"open\"},"
            "\"assoc\":[\"177:k1\",\"179:c1\"]}");
    fx_start(&fx);
    UNTIL(&fx, fx_is(&fx, "invoice", "3001", "done"));
    fx_settle(&fx);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_ASSOCIATE, MAP_INVOICES), 2);
    fx_close(&fx);
}

/* ---- a refusal that comes after provisioning failed ------------------- */

static size_t refusals;

static void
no_property(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (q->verb == HUBSPOT_UPSERT && refusals > 0) {
        refusals--;
        m->sent_us = clock_mono_us();
        for (size_t i = 0; i < q->n; i++) {
            fail_result(&r[i], HUBSPOT_REJECTED, ERR_REFUSED,
                        "PROPERTY_DOESNT_EXIST",
                        "Property \"fusion_party_id\" does not exist");
        }
    }
}

TEST(needs_that_return_while_provisioning_waits_are_put_off_too)
{
    int64_t until;

    fx_open(&fx, NULL);
    refusals = 2;
    fx.decide = no_property;
    fx.provision_err = ERR_FORBIDDEN;
    fx_customer(&fx, "1008");
    fx_customer(&fx, "1009");
    fx.hold = HOLD_HUBSPOT;
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 2); /* companies and contacts */
    fx_let(&fx, HOLD_HUBSPOT);
    until = clock_mono_us() + 1000000;
    UNTIL(&fx, dispatch_is_idle(fx.d) || clock_mono_us() > until);
    EQ_STR(fx_find(&fx, "customer", "1008")->state, "retry");
    fx_close(&fx);
}

/* ---- halves when provisioning fails ---------------------------------- */

static void
split_all(struct fx *x, const struct sent *q, struct hubspot_meta *m,
          struct hubspot_result *r, bool *split)
{
    (void)x;
    if (q->object == MAP_CONTACTS && q->n > 1) {
        fail_all(q, m, r, 400, HUBSPOT_RETRY, ERR_REFUSED);
        *split = true;
    } else if (q->object == MAP_COMPANIES) {
        no_property(x, q, m, r, split);
    }
}

TEST(halves_are_put_off_too_when_provisioning_fails)
{
    fx_open(&fx, NULL);
    refusals = 1;
    fx.decide = split_all;
    fx.provision_err = ERR_FORBIDDEN;
    fx_customer(&fx, "1008");
    fx_customer(&fx, "1009");
    fx.hold = HOLD_HUBSPOT;
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 2);
    fx_let(&fx, HOLD_HUBSPOT);
    for (int i = 0; i < 10; i++) {
        fx_quiet(&fx);
    }
    EQ_STR(fx_find(&fx, "customer", "1008")->state, "retry");
    fx_close(&fx);
}

/* ---- a lane blocked by one key -------------------------------------- */

TEST(a_new_need_leaves_though_the_lane_held_only_a_key_under_way)
{
    int64_t until;

    fx_open(&fx, NULL);
    fx_plain(&fx, TENANT, "p1");
    fx.hold = HOLD_HUBSPOT;
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    fx_plain(&fx, TENANT, "p1"); /* the same key again */
    dispatch_poke(fx.d, TENANT);
    fx_quiet(&fx);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 1);
    fx_plain(&fx, TENANT, "p2");
    dispatch_poke(fx.d, TENANT);
    until = clock_mono_us() + 1000000;
    UNTIL(&fx, fx.n_sent == 2 || clock_mono_us() > until);
    EQ_UINT(fx.n_sent, 2);
    fx_let(&fx, HOLD_HUBSPOT);
    fx_settle(&fx);
    fx_close(&fx);
}

/* ---- a parent that is there, and HubSpot denies it ------------------- */

static void
deny_parent(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    for (size_t i = 0; i < q->n; i++) {
        if (q->verb == HUBSPOT_ASSOCIATE &&
            strcmp(q->inputs[i].to, "k1") == 0) {
            fail_result(&r[i], HUBSPOT_REJECTED, ERR_MISSING,
                        "OBJECT_NOT_FOUND", "k1 is not there");
            r[i].gone = "k1";
        }
    }
}

TEST(a_parent_denied_again_and_again_parks_the_job_in_the_end)
{
    struct fake_job *j;
    int rounds = 0;

    fx_open(&fx, NULL);
    fx.decide = deny_parent;
    j = fx_payment(&fx, "77:3001");
    fx_start(&fx);
    for (; rounds < 20; rounds++) {
        UNTIL(&fx, fx_is(&fx, "payment", "77:3001", "waiting") ||
                       fx_is(&fx, "payment", "77:3001", "parked"));
        fx_settle(&fx);
        if (strcmp(j->state, "parked") == 0) {
            break;
        }
        fx_set(&j->state, "queued"); /* its customer is written again */
        dispatch_poke(fx.d, TENANT);
    }
    EQ_STR(j->state, "parked");
    fx_close(&fx);
}

/* ---- adopted in place of an archived one ----------------------------- */

static void
archived_and_taken(struct fx *x, const struct sent *q, struct hubspot_meta *m,
                   struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    if (q->object == MAP_CONTACTS && q->verb == HUBSPOT_UPSERT) {
        fail_result(&r[0], HUBSPOT_REJECTED, ERR_CONFLICT, "CONFLICT",
                    "Contact already exists");
        r[0].existing_id = "321";
    } else if (q->object == MAP_CONTACTS && q->verb == HUBSPOT_READ) {
        r[0].outcome = HUBSPOT_WRITTEN;
        r[0].id = "321";
        r[0].properties = json_pack("{s:s}", "email", "1008@example.com");
    }
}

TEST(a_contact_adopted_in_place_of_another_is_joined_to_its_company)
{
    fx_open(&fx, NULL);
    fx.decide = archived_and_taken;
    fx_customer(&fx, "1008");
    fx_link(&fx, "customer", "1008",
            "{\"object\":\"companies\",\"key\":\"1008\",\"id\":\"55\","
            "\"properties\":{\"fusion_account_number\":\"1008\","
            "\"name\":\"Acme\"}}");
    fx_link(&fx, "customer", "1008",
            "{\"object\":\"contacts\",\"key\":\"1008\",\"id\":\"300\","
            "\"properties\":{\"email\":\"old@example.com\"},"
            "\"assoc\":[\"279:55\"]}");
    fx_start(&fx);
    UNTIL(&fx, fx_is(&fx, "customer", "1008", "done"));
    fx_settle(&fx);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_ASSOCIATE, MAP_CONTACTS), 1);
    fx_close(&fx);
}

SUITE(interrupted,
      RUN(remade_invoice_is_not_left_billable_when_its_mending_is_retried),
      RUN(remade_invoice_gets_its_status_again_when_its_mending_is_retried),
      RUN(remade_invoice_gets_its_lines_again_when_its_mending_is_retried),
      RUN(what_an_unknown_upsert_made_anew_is_joined_before_its_status_moves),
      RUN(needs_that_return_while_provisioning_waits_are_put_off_too),
      RUN(halves_are_put_off_too_when_provisioning_fails),
      RUN(a_new_need_leaves_though_the_lane_held_only_a_key_under_way),
      RUN(a_parent_denied_again_and_again_parks_the_job_in_the_end),
      RUN(a_contact_adopted_in_place_of_another_is_joined_to_its_company))
