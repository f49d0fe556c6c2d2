/* SPDX-License-Identifier: UNLICENSED */
/* Contacts whose e-mail address somebody has already. */
#include "fake.h"

static struct fx fx;
static const char *holder; /* account number of who has it; NULL: nobody's */
static bool findable;
static const char *existing;

/* The e-mail belongs to contact 321: an upsert that carries it conflicts. */
static void
taken(struct fx *x, const struct sent *q, struct hubspot_meta *m,
      struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    if (q->object != MAP_CONTACTS) {
        return;
    }
    if (q->verb == HUBSPOT_UPSERT &&
        strstr(q->inputs[0].properties, "\"email\"") != NULL) {
        fail_result(&r[0], HUBSPOT_REJECTED, ERR_CONFLICT, "CONFLICT",
                    "Contact already exists");
        r[0].existing_id = existing;
    } else if (q->verb == HUBSPOT_READ && q->id_property == NULL) {
        EQ_STR(q->inputs[0].id, existing); /* by the id the conflict named */
        r[0].outcome = HUBSPOT_WRITTEN;
        r[0].properties = json_object();
        if (holder != NULL) {
            json_object_set_new(r[0].properties, "fusion_account_number",
                                json_string(holder));
        }
    } else if (q->verb == HUBSPOT_READ && findable) {
        r[0].outcome = HUBSPOT_WRITTEN;
        r[0].id = "321";
        r[0].properties = json_object();
        json_object_set_new(r[0].properties, "email",
                            json_string("1008@example.com"));
        if (holder != NULL) {
            json_object_set_new(r[0].properties, "fusion_account_number",
                                json_string(holder));
        }
    }
}

static void
run_with(const char *who, bool found, const char *named)
{
    holder = who;
    findable = found;
    existing = named;
    fx_open(&fx, NULL);
    fx.decide = taken;
    fx_customer(&fx, "1008");
    fx_start(&fx);
    UNTIL(&fx, fx_is(&fx, "customer", "1008", "done"));
    fx_settle(&fx);
}

TEST(a_contact_that_exists_and_is_nobodys_is_adopted)
{
    const struct sent *q;

    run_with(NULL, true, NULL);
    q = fx_sent(&fx, HUBSPOT_READ, MAP_CONTACTS, 0);
    EQ_STR(q->id_property, "email");
    EQ_STR(q->inputs[0].id, "1008@example.com");
    q = fx_sent(&fx, HUBSPOT_UPDATE, MAP_CONTACTS, 0);
    EQ_STR(q->inputs[0].id, "321");
    HAS(q->inputs[0].properties, "\"fusion_account_number\":\"1008\"");
    EQ_STR(jsonx_text(fx_stored(&fx, "customer", "1008", "contacts", "1008"),
                      "id"),
           "321");
    EQ_STR(fx_sent(&fx, HUBSPOT_ASSOCIATE, MAP_CONTACTS, 0)->inputs[0].id,
           "321");
    EQ_UINT(fx_audit_count(&fx, "contacts.upsert", "conflict"), 1);
    EQ_UINT(fx_audit_count(&fx, "contacts.adopt", "updated"), 1);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_CONTACTS), 1);
    fx_close(&fx);
}

TEST(our_own_contact_found_by_its_email_is_taken_over_too)
{
    run_with("1008", true, NULL);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPDATE, MAP_CONTACTS), 1);
    fx_close(&fx);
}

TEST(a_contact_of_another_account_keeps_its_email_and_that_is_told)
{
    const struct sent *q;
    const json_t *link;

    run_with("1009", true, NULL);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPDATE, MAP_CONTACTS), 0);
    /* it is asked twice more whether the other gives it up */
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_READ, MAP_CONTACTS), 3);
    q = fx_sent(&fx, HUBSPOT_UPSERT, MAP_CONTACTS, 3);
    LACKS(q->inputs[0].properties, "email");
    EQ_STR(jsonx_text(fx_audited(&fx, "email_taken", 0), "message"),
           "held by account 1009");
    link = fx_stored(&fx, "customer", "1008", "contacts", "1008");
    IS(json_object_get(json_object_get(link, "properties"), "email") == NULL);
    fx_close(&fx);
}

TEST(an_existing_contact_found_only_by_the_id_named_is_adopted_by_it)
{
    run_with(NULL, false, "654");
    EQ_STR(fx_sent(&fx, HUBSPOT_UPDATE, MAP_CONTACTS, 0)->inputs[0].id, "654");
    fx_close(&fx);
}

TEST(a_contact_of_another_account_named_by_the_conflict_is_left_alone)
{
    run_with("1009", false, "654");
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPDATE, MAP_CONTACTS), 0);
    EQ_UINT(fx_audit_count(&fx, "email_taken", "left_out"), 1);
    fx_close(&fx);
}

TEST(a_conflict_nobody_is_found_for_is_tried_thrice_then_goes_without_email)
{
    run_with(NULL, false, NULL);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_CONTACTS), 4);
    HAS(fx_sent(&fx, HUBSPOT_UPSERT, MAP_CONTACTS, 2)->inputs[0].properties,
        "email");
    LACKS(fx_sent(&fx, HUBSPOT_UPSERT, MAP_CONTACTS, 3)->inputs[0].properties,
          "email");
    EQ_UINT(fx_audit_count(&fx, "email_taken", "left_out"), 1);
    fx_close(&fx);
}

/* Our contact is 1; the e-mail is another's, whom nobody owns. */
static void
two_contacts(struct fx *x, const struct sent *q, struct hubspot_meta *m,
             struct hubspot_result *r, bool *split)
{
    taken(x, q, m, r, split);
    if (q->object == MAP_CONTACTS && q->verb == HUBSPOT_UPDATE) {
        fail_result(&r[0], HUBSPOT_REJECTED, ERR_CONFLICT, "CONFLICT",
                    "fusion_account_number 1008 is contact 1's");
    }
}

TEST(a_contact_that_cannot_be_taken_over_because_ours_exists_is_left_alone)
{
    holder = NULL;
    findable = true;
    existing = NULL;
    fx_open(&fx, NULL);
    fx.decide = two_contacts;
    fx_customer(&fx, "1008");
    fx_link(&fx, "customer", "1008",
            "{\"object\":\"contacts\",\"key\":\"1008\",\"id\":\"1\","
            "\"properties\":{\"email\":\"old@example.com\"}}");
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "customer", "1008", "done"));
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPDATE, MAP_CONTACTS), 1);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_CONTACTS), 2);
    EQ_UINT(fx_audit_count(&fx, "email_taken", "left_out"), 1);
    fx_close(&fx);
}

TEST(an_email_that_another_customer_of_ours_holds_is_not_even_tried)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    j = fx_customer(&fx, "1008");
    fx_set(&j->email_holder, "1009");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(j->state, "done");
    LACKS(fx_sent(&fx, HUBSPOT_UPSERT, MAP_CONTACTS, 0)->inputs[0].properties,
          "email");
    EQ_STR(jsonx_text(fx_audited(&fx, "email_taken", 0), "message"),
           "held by account 1009");
    fx_close(&fx);
}

SUITE(
    contacts, RUN(a_contact_that_exists_and_is_nobodys_is_adopted),
    RUN(our_own_contact_found_by_its_email_is_taken_over_too),
    RUN(a_contact_of_another_account_keeps_its_email_and_that_is_told),
    RUN(an_existing_contact_found_only_by_the_id_named_is_adopted_by_it),
    RUN(a_contact_of_another_account_named_by_the_conflict_is_left_alone),
    RUN(a_conflict_nobody_is_found_for_is_tried_thrice_then_goes_without_email),
    RUN(a_contact_that_cannot_be_taken_over_because_ours_exists_is_left_alone),
    RUN(an_email_that_another_customer_of_ours_holds_is_not_even_tried))
