/* SPDX-License-Identifier: UNLICENSED */
/*
 * What the store remembers of a pod.
 */
#include "feed_priv.h"
#include "unit.h"

TEST(learned_is_read_and_anything_may_be_missing)
{
    struct learned l;

    learned_parse("{\"fusion_literal\":1,\"fusion_receipts\":\"B\","
                  "\"polled_invoices\":true,\"other\":[1],"
                  "\"crm_off_persons\":\"2026-01-02T03:04:05Z\","
                  "\"crm_off_organizations\":null}",
                  &l);
    IS(l.has_literal);
    EQ_INT(l.literal, FUSION_LITERAL_BLANK_QUOTED);
    EQ_INT(l.receipts, 'B');
    IS(l.polled[FEED_INVOICES]);
    NOT(l.polled[FEED_PAYMENTS]);
    IS(l.owed[CRM_PERSONS]);
    NOT(l.owed[CRM_ORGS]);
    learned_parse("{}", &l);
    NOT(l.has_literal);
    EQ_INT(l.receipts, 0);
}

TEST(learned_nonsense_is_nothing_learned)
{
    static const char *const texts[] = {"",
                                        "nonsense",
                                        "[]",
                                        "{\"fusion_literal\":99}",
                                        "{\"fusion_literal\":-1}",
                                        "{\"fusion_receipts\":\"X\"}",
                                        "{\"polled_invoices\":[]}"};
    struct learned l;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        learned_parse(texts[i], &l);
        NOT(l.has_literal);
        EQ_INT(l.receipts, 0);
        NOT(l.polled[FEED_INVOICES]);
    }
    learned_parse(NULL, &l);
    NOT(l.has_literal);
}

TEST(names_of_feeds_go_both_ways)
{
    enum feed_kind k = FEED_PAYMENTS;

    IS(feed_kind_parse("customers", &k));
    EQ_INT(k, FEED_CUSTOMERS);
    EQ_STR(feed_kind_name(FEED_INVOICES), "invoices");
    NOT(feed_kind_parse("orders", &k));
}

SUITE(learned, RUN(learned_is_read_and_anything_may_be_missing),
      RUN(learned_nonsense_is_nothing_learned),
      RUN(names_of_feeds_go_both_ways))
