/* SPDX-License-Identifier: UNLICENSED */
/* The database was set back: what HubSpot has is read before anything is
 * written, and what only HubSpot knows of a record is cleared away. */
#include "fake.h"

static struct fx fx;

/* What HubSpot has: by "verb object id" as one text each; "": nothing. */
struct holds {
    enum hubspot_verb verb;
    enum map_object object, to; /* to: of JOINED */
    const char *id, *json, *hubspot_id;
};
static const struct holds *held;
static size_t n_held;

static const struct holds *
find(const struct sent *q, const char *id)
{
    for (size_t i = 0; i < n_held; i++) {
        const struct holds *h = &held[i];

        if (h->verb == q->verb && h->object == q->object &&
            (q->verb != HUBSPOT_JOINED || h->to == q->to) &&
            strcmp(h->id, id) == 0) {
            return h;
        }
    }
    return NULL;
}

static void
as_held(struct fx *x, const struct sent *q, struct hubspot_meta *m,
        struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    for (size_t i = 0; i < q->n; i++) {
        const struct holds *h = find(q, q->inputs[i].id);

        if (h == NULL) {
            continue;
        }
        r[i].outcome = HUBSPOT_WRITTEN;
        if (q->verb == HUBSPOT_JOINED) {
            r[i].joined = json_loads(h->json, 0, NULL);
        } else {
            r[i].id = h->hubspot_id;
            r[i].properties = json_loads(h->json, 0, NULL);
        }
    }
}

#define INVOICE_LINK                                                           \
    "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","                 \
    "\"properties\":{\"fusion_transaction_id\":\"3001\","                      \
    "\"hs_currency\":\"USD\",\"hs_invoice_status\":\"open\"},"                 \
    "\"assoc\":[\"177:k1\",\"179:c1\"]}"
#define LINE_LINK                                                              \
    "{\"object\":\"line_items\",\"key\":\"3001-1\",\"id\":\"78\","             \
    "\"properties\":{\"fusion_line_id\":\"3001-1\",\"quantity\":\"1\"},"       \
    "\"assoc\":[\"409:77\"]}"
#define TO(id, type)                                                           \
    "{\"toObjectId\":\"" id "\",\"associationTypes\":[{\"typeId\":\"" type     \
    "\"}]}"

static void
begin(const struct holds *h, size_t n)
{
    fx_open(&fx, NULL);
    held = h;
    n_held = n;
    fx.decide = as_held;
}

static void
invoice_in_doubt(const char *status)
{
    struct fake_job *j = fx_invoice(&fx, "3001", 1, status);

    j->doubt = true;
    fx_link(&fx, "invoice", "3001", INVOICE_LINK);
    fx_link(&fx, "invoice", "3001", LINE_LINK);
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "invoice", "3001", "done"));
}

static const struct holds as_wanted[] = {
    {HUBSPOT_READ, MAP_INVOICES, 0, "3001",
     "{\"fusion_transaction_id\":\"3001\",\"hs_currency\":\"USD\","
     "\"hs_invoice_status\":\"paid\"}",
     "77"},
    {HUBSPOT_READ, MAP_LINE_ITEMS, 0, "3001-1",
     "{\"fusion_line_id\":\"3001-1\",\"quantity\":\"1\"}", "78"},
    {HUBSPOT_JOINED, MAP_INVOICES, MAP_CONTACTS, "77", "[" TO("k1", "177") "]",
     NULL},
    {HUBSPOT_JOINED, MAP_INVOICES, MAP_COMPANIES, "77", "[" TO("c1", "179") "]",
     NULL},
    {HUBSPOT_JOINED, MAP_INVOICES, MAP_LINE_ITEMS, "77",
     "[" TO("78", "409") "]", NULL}};

TEST(what_stands_as_wanted_is_read_and_not_written)
{
    begin(as_wanted, COUNT_OF(as_wanted));
    invoice_in_doubt("paid");
    EQ_UINT(fx.writes, 0);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_READ, MAP_INVOICES), 1);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_JOINED, MAP_INVOICES), 3);
    fx_close(&fx);
}

/* A creation that brought its associations was not answered, so that no link
 * knows them; nothing else is to be written. */
TEST(what_is_joined_already_is_remembered)
{
    struct fake_job *j;

    begin(as_wanted, COUNT_OF(as_wanted));
    j = fx_invoice(&fx, "3001", 1, "paid");
    j->doubt = true;
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(j->state, "done");
    EQ_UINT(fx.writes, 0);
    IS(fx_has_assoc(fx_stored(&fx, "invoice", "3001", "invoices", "3001"),
                    "177:k1"));
    IS(fx_has_assoc(fx_stored(&fx, "invoice", "3001", "invoices", "3001"),
                    "179:c1"));
    IS(fx_has_assoc(fx_stored(&fx, "invoice", "3001", "line_items", "3001-1"),
                    "409:77"));
    fx_close(&fx);
}

static enum hubspot_verb failing;

static void
fails(struct fx *x, const struct sent *q, struct hubspot_meta *m,
      struct hubspot_result *r, bool *split)
{
    if (q->verb == failing) {
        fail_all(q, m, r, 503, HUBSPOT_RETRY, ERR_UNAVAILABLE);
    } else {
        as_held(x, q, m, r, split);
    }
}

/* HubSpot has another record under the key: no link says so until that one is
 * written as a mirror that is billed elsewhere. */
TEST(what_was_made_anew_is_not_remembered_before_it_is_written)
{
    struct fake_job *j;

    begin(as_wanted, COUNT_OF(as_wanted));
    fx.decide = fails;
    failing = HUBSPOT_UPSERT;
    j = fx_invoice(&fx, "3001", 1, "paid");
    j->doubt = true;
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"66\","
            "\"properties\":{\"hs_currency\":\"USD\"},\"assoc\":[]}");
    fx_start(&fx);
    UNTIL(&fx, strcmp(j->state, "retry") == 0);
    NOT(text_equal(
        jsonx_text(fx_stored(&fx, "invoice", "3001", "invoices", "3001"), "id"),
        "77"));
    fx_close(&fx);
}

TEST(a_status_that_hubspot_has_gone_past_stays)
{
    begin(as_wanted, COUNT_OF(as_wanted));
    invoice_in_doubt("open");
    EQ_UINT(fx.writes, 0);
    EQ_UINT(fx_audit_count(&fx, "status_held", "held"), 1);
    fx_close(&fx);
}

/* Lines 79 (ours) and 80 (somebody's), contact k9 (ours) and k8 (somebody's),
 * no company any more. */
static const struct holds ahead[] = {
    {HUBSPOT_READ, MAP_INVOICES, 0, "3001",
     "{\"fusion_transaction_id\":\"3001\",\"hs_currency\":\"EUR\","
     "\"hs_invoice_status\":\"open\"}",
     "77"},
    {HUBSPOT_READ, MAP_LINE_ITEMS, 0, "3001-1",
     "{\"fusion_line_id\":\"3001-1\",\"quantity\":\"1\"}", "78"},
    {HUBSPOT_JOINED, MAP_INVOICES, MAP_CONTACTS, "77",
     "[" TO("k1", "177") "," TO("k9", "177") "," TO("k8", "177") "," TO(
         "k7", "9000") "]",
     NULL},
    {HUBSPOT_JOINED, MAP_INVOICES, MAP_LINE_ITEMS, "77",
     "[" TO("78", "409") "," TO("79", "409") "," TO("80", "409") "]", NULL},
    {HUBSPOT_READ, MAP_CONTACTS, 0, "k9",
     "{\"fusion_account_number\":\"1009\"}", "k9"},
    {HUBSPOT_READ, MAP_CONTACTS, 0, "k8", "{}", "k8"},
    {HUBSPOT_READ, MAP_LINE_ITEMS, 0, "79", "{\"fusion_line_id\":\"3001-2\"}",
     "79"},
    {HUBSPOT_READ, MAP_LINE_ITEMS, 0, "80", "{\"fusion_line_id\":null}", "80"}};

TEST(what_only_hubspot_knows_is_cleared_away_when_it_is_ours)
{
    const struct sent *q;

    begin(ahead, COUNT_OF(ahead));
    invoice_in_doubt("open");
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_INVOICES), 1);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_LINE_ITEMS), 0);
    q = fx_sent(&fx, HUBSPOT_ARCHIVE, MAP_LINE_ITEMS, 0);
    EQ_UINT(q->n, 1);
    EQ_STR(q->inputs[0].id, "79");
    q = fx_sent(&fx, HUBSPOT_DISSOCIATE, MAP_INVOICES, 0);
    EQ_UINT(q->n, 1);
    EQ_STR(q->inputs[0].to, "k9");
    q = fx_sent(&fx, HUBSPOT_ASSOCIATE, MAP_INVOICES, 0);
    EQ_STR(q->inputs[0].to, "c1");
    fx_close(&fx);
}

/* Line 79 was in a write that nobody knows the outcome of; then it vanished from
 * the invoice. */
TEST(what_an_unknown_write_made_and_is_wanted_no_more_is_cleared_away)
{
    struct fake_job *j;

    begin(ahead, COUNT_OF(ahead));
    j = fx_invoice(&fx, "3001", 1, "open");
    j->verify = true;
    j->sent_us = clock_mono_us() - INT64_C(101000000);
    j->seen_us = clock_mono_us() - INT64_C(50000000);
    fx_link(&fx, "invoice", "3001", INVOICE_LINK);
    fx_link(&fx, "invoice", "3001", LINE_LINK);
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_sent(&fx, HUBSPOT_ARCHIVE, MAP_LINE_ITEMS, 0)->inputs[0].id,
           "79");
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_INVOICES), 1);
    fx_close(&fx);
}

/* A payment that is gone and that no link knows, HubSpot has. */
TEST(what_is_gone_is_looked_for_by_its_key)
{
    static const struct holds there[] = {
        {HUBSPOT_READ, MAP_PAYMENTS, 0, "9:unapplied",
         "{\"fusion_payment_key\":\"9:unapplied\"}", "500"}};

    for (size_t n = 0; n <= COUNT_OF(there); n++) {
        struct fake_job *j;

        begin(there, n);
        j = fx_job(&fx, TENANT, "payment", "9:unapplied",
                   "{\"gone\":true,\"objects\":[{\"object\":"
                   "\"commerce_payments\",\"key\":\"9:unapplied\","
                   "\"properties\":{}}]}",
                   "{}");
        j->doubt = true;
        fx_start(&fx);
        fx_settle(&fx);
        EQ_STR(j->state, "done");
        EQ_UINT(fx_sent_count(&fx, HUBSPOT_READ, MAP_PAYMENTS), 1);
        EQ_UINT(fx_sent_count(&fx, HUBSPOT_ARCHIVE, MAP_PAYMENTS), n);
        fx_close(&fx);
    }
}

/* What nobody has yet is upserted at once: nothing of ours is on its way. */
TEST(what_is_not_there_is_written_by_its_key)
{
    struct fake_job *j;

    begin(NULL, 0);
    j = fx_invoice(&fx, "3001", 1, "open");
    j->doubt = true;
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(j->state, "done");
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_CREATE, MAP_INVOICES), 0);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_INVOICES), 1);
    fx_close(&fx);
}

SUITE(doubt, RUN(what_stands_as_wanted_is_read_and_not_written),
      RUN(what_is_joined_already_is_remembered),
      RUN(what_was_made_anew_is_not_remembered_before_it_is_written),
      RUN(a_status_that_hubspot_has_gone_past_stays),
      RUN(what_only_hubspot_knows_is_cleared_away_when_it_is_ours),
      RUN(what_an_unknown_write_made_and_is_wanted_no_more_is_cleared_away),
      RUN(what_is_gone_is_looked_for_by_its_key),
      RUN(what_is_not_there_is_written_by_its_key))
