/* SPDX-License-Identifier: UNLICENSED */
/* Objects that people archived or merged in HubSpot, and properties they took
 * away: found or made again, whatever is left of them. */
#include "fake.h"

static struct fx fx;

static bool
is_dead(const char *id)
{
    return text_equal(id, fx.dead);
}

static void
fail_dead(struct hubspot_result *r)
{
    fail_result(r, HUBSPOT_REJECTED, ERR_MISSING, "VALIDATION_ERROR",
                "is not valid");
    r->gone = fx.dead;
}

/* HubSpot without that record. */
static void
without_dead(struct fx *x, const struct sent *q, struct hubspot_meta *m,
             struct hubspot_result *r, bool *split)
{
    (void)m;
    (void)split;
    for (size_t i = 0; i < q->n; i++) {
        char want[32];

        (void)snprintf(want, sizeof(want), " %s;", x->dead);
        if (q->verb == HUBSPOT_UPDATE && is_dead(q->inputs[i].id)) {
            fail_result(&r[i], HUBSPOT_ABSENT, ERR_MISSING, "OBJECT_NOT_FOUND",
                        "gone");
        } else if (q->verb == HUBSPOT_ASSOCIATE &&
                   (is_dead(q->inputs[i].id) || is_dead(q->inputs[i].to))) {
            fail_dead(&r[i]);
        } else if (q->verb == HUBSPOT_CREATE &&
                   strstr(q->inputs[i].joins, want) != NULL) {
            fail_dead(&r[i]);
        }
    }
}

static void
open_without(const char *id, bool creates)
{
    struct dispatch_config c = fx_config();

    c.creates = creates;
    fx_open(&fx, &c);
    fx.dead = id;
    fx.decide = without_dead;
}

#define INVOICE_LINK                                                           \
    "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","                 \
    "\"properties\":{\"fusion_transaction_id\":\"3001\","                      \
    "\"hs_currency\":\"USD\",\"hs_invoice_status\":\"draft\"},"                \
    "\"assoc\":[\"177:k1\",\"179:c1\"]}"
#define LINE_LINK                                                              \
    "{\"object\":\"line_items\",\"key\":\"3001-1\",\"id\":\"78\","             \
    "\"properties\":{\"fusion_line_id\":\"3001-1\",\"quantity\":\"1\"},"       \
    "\"assoc\":[\"409:77\"]}"

TEST(an_invoice_gone_at_its_status_is_written_again_with_all_that_hung_on_it)
{
    json_t *link;
    char entry[64];

    open_without("77", true);
    fx_invoice(&fx, "3001", 1, "open");
    fx_link(&fx, "invoice", "3001", INVOICE_LINK);
    fx_link(&fx, "invoice", "3001", LINE_LINK);
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "invoice", "3001", "done"));
    link = fx_stored(&fx, "invoice", "3001", "invoices", "3001");
    IS(strcmp(jsonx_text(link, "id"), "77") != 0);
    IS(fx_has_assoc(link, "177:k1"));
    NOT(fx_has_assoc(link, "177:k9"));
    HAS(fx_sent(&fx, HUBSPOT_UPSERT, MAP_INVOICES, 0)->inputs[0].properties,
        "\"hs_invoice_billable\":\"false\"");
    EQ_STR(jsonx_text(json_object_get(link, "properties"), "hs_invoice_status"),
           "open");
    (void)snprintf(entry, sizeof(entry), "409:%s", jsonx_text(link, "id"));
    link = fx_stored(&fx, "invoice", "3001", "line_items", "3001-1");
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_LINE_ITEMS), 1);
    IS(fx_has_assoc(link, entry));
    EQ_UINT(fx_audit_count(&fx, "object_gone", "looked_up"), 1);
    EQ_UINT(json_array_size(fx.gone), 0);
    fx_close(&fx);
}

/* HubSpot has made another record of it, as upserts of an archived one's key
 * do. */
TEST(an_upsert_that_makes_a_new_record_says_again_what_belongs_to_a_new_one)
{
    json_t *link;

    open_without("none", true);
    fx.remakes_left = 1;
    fx_invoice(&fx, "3001", 1, "open");
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","
            "\"properties\":{\"hs_currency\":\"EUR\","
            "\"hs_invoice_status\":\"open\"},"
            "\"assoc\":[\"177:k1\",\"179:c1\"]}");
    fx_link(&fx, "invoice", "3001", LINE_LINK);
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_INVOICES), 2);
    IS(fx_is(&fx, "invoice", "3001", "done"));
    LACKS(fx_sent(&fx, HUBSPOT_UPSERT, MAP_INVOICES, 0)->inputs[0].properties,
          "hs_invoice_billable");
    HAS(fx_sent(&fx, HUBSPOT_UPSERT, MAP_INVOICES, 1)->inputs[0].properties,
        "\"hs_invoice_billable\":\"false\"");
    link = fx_stored(&fx, "invoice", "3001", "invoices", "3001");
    IS(strcmp(jsonx_text(link, "id"), "77") != 0);
    IS(fx_audited(&fx, "object_moved", 0) != NULL);
    fx_close(&fx);
}

TEST(a_parent_that_is_gone_is_forgotten_and_waited_for)
{
    struct fake_job *j;

    open_without("k1", true);
    j = fx_invoice(&fx, "3001", 1, "open");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(j->state, "waiting");
    EQ_STR(j->waiting_for, "customer:1008");
    EQ_INT(j->attempts, 1); /* not again and again */
    EQ_UINT(json_array_size(fx.gone), 1);
    EQ_STR(jsonx_text(json_array_get(fx.gone, 0), "kind"), "customer");
    EQ_STR(jsonx_text(json_array_get(fx.gone, 0), "fusion_id"), "1008");
    EQ_STR(jsonx_text(json_array_get(fx.gone, 0), "object"), "contacts");
    EQ_STR(jsonx_text(json_array_get(fx.gone, 0), "id"), "k1");
    EQ_UINT(fx_audit_count(&fx, "parent_gone", "looked_up"), 1);
    fx_close(&fx);
}

TEST(a_parent_gone_at_an_association_is_the_same)
{
    struct fake_job *j;

    open_without("c1", false);
    j = fx_payment(&fx, "77:3001");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(j->state, "waiting");
    EQ_STR(j->waiting_for, "customer:1008");
    EQ_STR(jsonx_text(json_array_get(fx.gone, 0), "object"), "companies");
    /* what was written stays written */
    IS(fx_has_assoc(
        fx_stored(&fx, "payment", "77:3001", "commerce_payments", "77:3001"),
        "387:k1"));
    fx_close(&fx);
}

TEST(a_company_gone_under_its_contact_is_made_again)
{
    json_t *link;
    char entry[64];

    open_without("55", true);
    fx_customer(&fx, "1008");
    fx_link(&fx, "customer", "1008",
            "{\"object\":\"companies\",\"key\":\"1008\",\"id\":\"55\","
            "\"properties\":{\"fusion_account_number\":\"1008\","
            "\"name\":\"Acme\"}}");
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "customer", "1008", "done"));
    link = fx_stored(&fx, "customer", "1008", "companies", "1008");
    IS(strcmp(jsonx_text(link, "id"), "55") != 0);
    (void)snprintf(entry, sizeof(entry), "279:%s", jsonx_text(link, "id"));
    IS(fx_has_assoc(fx_stored(&fx, "customer", "1008", "contacts", "1008"),
                    entry));
    fx_close(&fx);
}

/* An archived invoice is made anew by its upsert, billable, and then refused. */
static void
refuse_due_date(struct fx *x, const struct sent *q, struct hubspot_meta *m,
                struct hubspot_result *r, bool *split)
{
    (void)m;
    (void)split;
    if (q->verb == HUBSPOT_READ && x->dead == NULL) {
        r[0].outcome = HUBSPOT_WRITTEN;
        r[0].id = "77";
    } else if (q->verb == HUBSPOT_UPSERT &&
               strstr(q->inputs[0].properties, "hs_invoice_billable") == NULL) {
        fail_result(&r[0], HUBSPOT_REJECTED, ERR_REFUSED, "INVALID_DATE",
                    "the due date is past");
    }
}

static void
run_refused_date(const char *gone)
{
    fx_open(&fx, NULL);
    fx.dead = gone;
    fx.decide = refuse_due_date;
    fx_invoice(&fx, "3001", 0, NULL);
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","
            "\"properties\":{\"hs_currency\":\"EUR\"}}");
    fx_start(&fx);
    fx_settle(&fx);
}

TEST(a_refused_date_of_an_invoice_that_is_gone_makes_it_anew)
{
    run_refused_date("77");
    IS(fx_is(&fx, "invoice", "3001", "done"));
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_INVOICES), 2);
    fx_close(&fx);
}

TEST(a_refused_date_of_an_invoice_that_is_there_parks_it)
{
    run_refused_date(NULL);
    IS(fx_is(&fx, "invoice", "3001", "parked"));
    EQ_STR(fx_find(&fx, "invoice", "3001")->code, "INVALID_DATE");
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_READ, MAP_INVOICES), 1);
    fx_close(&fx);
}

/* HubSpot takes it and answers under the id of another. */
static void
say_nothing(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    for (size_t i = 0; i < q->n; i++) {
        if (q->verb == HUBSPOT_ASSOCIATE &&
            strcmp(q->inputs[i].to, "k1") == 0) {
            fail_result(&r[i], HUBSPOT_UNKNOWN, ERR_UNKNOWN, "",
                        "the answer does not speak of it");
        }
    }
}

TEST(an_association_nobody_answers_for_has_its_ends_looked_up)
{
    struct dispatch_config c = fx_config();

    c.retry_attempts = 8;
    fx_open(&fx, &c);
    fx.decide = say_nothing;
    fx_payment(&fx, "77:3001");
    fx_start(&fx);
    UNTIL(&fx, fx_is(&fx, "payment", "77:3001", "waiting"));
    EQ_STR(fx_find(&fx, "payment", "77:3001")->waiting_for, "customer:1008");
    EQ_STR(jsonx_text(json_array_get(fx.gone, 0), "id"), "k1");
    EQ_UINT(json_array_size(fx.gone), 1);
    fx_settle(&fx);
    fx_close(&fx);
}

/* ---- properties --------------------------------------------------------- */

static size_t refusals_left;
static bool whole;

static void
without_property(struct fx *x, const struct sent *q, struct hubspot_meta *m,
                 struct hubspot_result *r, bool *split)
{
    (void)split;
    if (refusals_left == 0 || q->object != MAP_COMPANIES) {
        return;
    }
    refusals_left--;
    m->sent_us = clock_mono_us();
    if (whole) {
        fail_all(q, m, r, 400, HUBSPOT_RETRY, ERR_REFUSED);
        x->no_key = true;
        return;
    }
    fail_result(&r[0], HUBSPOT_REJECTED, ERR_REFUSED, "PROPERTY_DOESNT_EXIST",
                "Property \"fusion_party_id\" does not exist");
}

TEST(a_property_of_ours_that_is_gone_is_made_again_and_nothing_parks)
{
    for (int i = 0; i < 2; i++) {
        fx_open(&fx, NULL);
        whole = i > 0;
        refusals_left = 1;
        fx.decide = without_property;
        fx_customer(&fx, "1008");
        fx_start(&fx);
        fx_settle(&fx);
        IS(fx_is(&fx, "customer", "1008", "done"));
        EQ_UINT(fx.provisions, 1);
        EQ_INT(fx_find(&fx, "customer", "1008")->attempts, 0);
        fx_close(&fx);
    }
}

TEST(a_property_that_making_does_not_bring_back_parks_its_records)
{
    for (int i = 0; i < 2; i++) {
        fx_open(&fx, NULL);
        whole = i > 0;
        refusals_left = 2;
        fx.decide = without_property;
        fx_customer(&fx, "1008");
        fx_start(&fx);
        fx_settle(&fx);
        IS(fx_is(&fx, "customer", "1008", "parked"));
        EQ_UINT(fx.provisions, 1);
        fx_close(&fx);
    }
}

/* Merged into another of ours: that one got its company, too. */
TEST(a_contact_made_anew_parts_the_old_id_from_its_company)
{
    const struct sent *q;

    open_without("none", true);
    fx.remakes_left = 1;
    fx_customer(&fx, "1008");
    fx_link(&fx, "customer", "1008",
            "{\"object\":\"companies\",\"key\":\"1008\",\"id\":\"55\","
            "\"properties\":{\"fusion_account_number\":\"1008\","
            "\"name\":\"Acme\"}}");
    fx_link(&fx, "customer", "1008",
            "{\"object\":\"contacts\",\"key\":\"1008\",\"id\":\"66\","
            "\"properties\":{\"fusion_account_number\":\"1008\","
            "\"email\":\"old@example.com\"},\"assoc\":[\"279:55\"]}");
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "customer", "1008", "done"));
    q = fx_sent(&fx, HUBSPOT_DISSOCIATE, MAP_CONTACTS, 0);
    EQ_STR(q->inputs[0].id, "66");
    EQ_STR(q->inputs[0].to, "55");
    /* and joined once more: 66 may lead to the new one */
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_ASSOCIATE, MAP_CONTACTS), 2);
    IS(fx_has_assoc(fx_stored(&fx, "customer", "1008", "contacts", "1008"),
                    "279:55"));
    fx_close(&fx);
}

SUITE(
    gone,
    RUN(an_invoice_gone_at_its_status_is_written_again_with_all_that_hung_on_it),
    RUN(an_upsert_that_makes_a_new_record_says_again_what_belongs_to_a_new_one),
    RUN(a_parent_that_is_gone_is_forgotten_and_waited_for),
    RUN(a_parent_gone_at_an_association_is_the_same),
    RUN(a_company_gone_under_its_contact_is_made_again),
    RUN(a_refused_date_of_an_invoice_that_is_gone_makes_it_anew),
    RUN(a_refused_date_of_an_invoice_that_is_there_parks_it),
    RUN(an_association_nobody_answers_for_has_its_ends_looked_up),
    RUN(a_property_of_ours_that_is_gone_is_made_again_and_nothing_parks),
    RUN(a_property_that_making_does_not_bring_back_parks_its_records),
    RUN(a_contact_made_anew_parts_the_old_id_from_its_company))
