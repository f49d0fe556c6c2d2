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

TEST(learned_of_a_calibration_needs_all_of_it)
{
    static const struct {
        const char *json;
        int zone_min;
        bool calibrated;
    } cases[] = {
        {"{\"fusion_literal\":2,\"fusion_zone_min\":-330,"
         "\"fusion_calibrated\":\"2026-01-02T03:04:05Z\"}",
         -330, true},
        {"{\"fusion_literal\":0,\"fusion_zone_min\":1440,"
         "\"fusion_calibrated\":\"2026-01-02T03:04:05Z\"}",
         1440, true},
        {"{\"fusion_literal\":0,\"fusion_zone_min\":1441,"
         "\"fusion_calibrated\":\"2026-01-02T03:04:05Z\"}",
         0, true},
        {"{\"fusion_literal\":0,\"fusion_zone_min\":\"east\"}", 0, false},
        /* of which style? */
        {"{\"fusion_calibrated\":\"2026-01-02T03:04:05Z\"}", 0, false},
        {"{\"fusion_literal\":9,\"fusion_calibrated\":"
         "\"2026-01-02T03:04:05Z\"}",
         0, false},
        {"{\"fusion_literal\":1,\"fusion_calibrated\":\"yesterday\"}", 0,
         false},
        {"{\"fusion_literal\":1,\"fusion_calibrated\":null}", 0, false},
    };
    struct learned l;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        learned_parse(cases[i].json, &l);
        EQ_INT(l.zone_min, cases[i].zone_min);
        EQ_INT(l.calibrated_us != 0, cases[i].calibrated);
    }
    learned_parse(cases[0].json, &l);
    EQ_INT(l.calibrated_us, INT64_C(1767323045000000));
}

TEST(learned_of_mapping_files_is_kept_for_each_feed)
{
    char json[400];
    char longest[HASH_TEXT_MAX];
    struct learned l;

    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    (void)snprintf(json, sizeof(json),
                   "{\"mapping_invoices\":\"%s\",\"mapping_payments\":null}",
                   longest);
    learned_parse(json, &l);
    EQ_STR(l.mapping[FEED_INVOICES], longest);
    EQ_STR(l.mapping[FEED_PAYMENTS], "");
    EQ_STR(l.mapping[FEED_CUSTOMERS], "");
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
      RUN(learned_of_a_calibration_needs_all_of_it),
      RUN(learned_of_mapping_files_is_kept_for_each_feed),
      RUN(learned_nonsense_is_nothing_learned),
      RUN(names_of_feeds_go_both_ways))
