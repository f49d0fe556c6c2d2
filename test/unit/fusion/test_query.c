/* SPDX-License-Identifier: UNLICENSED */
/*
 * The two languages of q, literals, URLs.
 */
#include "fusion_priv.h"
#include "unit.h"

static const struct url_style v1 = {.base = "https://pod", .version = 1};
static const struct url_style v4 = {.base = "https://pod", .version = 4};

static const char *
q_of(const struct url_style *s, const struct fusion_query *q)
{
    static char out[4][1024];
    static unsigned next;
    char *to = out[next++ % 4];
    struct buf b;

    buf_init(&b, 1024);
    query_text(&b, s, q);
    (void)snprintf(to, sizeof(out[0]), "%s", buf_text(&b));
    buf_fini(&b);
    return to;
}

static const char *
url_of(const struct url_style *s, const struct fusion_query *q, unsigned offset)
{
    static char out[2048];
    struct buf b;

    buf_init(&b, sizeof(out));
    query_url(&b, s, q, offset);
    NOT(b.failed);
    (void)snprintf(out, sizeof(out), "%s", buf_text(&b));
    buf_fini(&b);
    return out;
}

static const int64_t AT = INT64_C(1539062684123456); /* 2018-10-09T05:24:44 */

TEST(a_window_is_written_for_both_frameworks)
{
    const struct fusion_term terms[] = {
        {.attribute = "LastUpdateDate",
         .op = ">=",
         .is_time = true,
         .time_us = AT},
        {.attribute = "LastUpdateDate",
         .op = "<=",
         .is_time = true,
         .time_us = AT + 1000000},
    };
    const struct fusion_query q = {
        .resource = "x", .terms = terms, .n_terms = 2};

    EQ_STR(q_of(&v4, &q),
           "LastUpdateDate >= '2018-10-09T05:24:44.123+00:00' and "
           "LastUpdateDate <= '2018-10-09T05:24:45.123+00:00'");
    EQ_STR(q_of(&v1, &q), "LastUpdateDate>='2018-10-09T05:24:44.123+00:00' and "
                          "<='2018-10-09T05:24:45.123+00:00'");
}

TEST(other_literals_are_cut_to_what_they_can_say)
{
    const struct fusion_term t = {
        .attribute = "A", .op = ">=", .is_time = true, .time_us = AT};
    const struct fusion_query q = {.resource = "x", .terms = &t, .n_terms = 1};
    struct url_style s = v4;

    s.literal = FUSION_LITERAL_BLANK_QUOTED;
    EQ_STR(q_of(&s, &q), "A >= '2018-10-09 05:24:44'");
    s.literal = FUSION_LITERAL_ISO_BARE;
    EQ_STR(q_of(&s, &q), "A >= 2018-10-09T05:24:44Z");
    s.literal = FUSION_LITERAL_ZULU_QUOTED;
    EQ_STR(q_of(&s, &q), "A >= '2018-10-09T05:24:44.123Z'");
    EQ_INT(fusion_literal_floor(FUSION_LITERAL_ISO_QUOTED, AT),
           INT64_C(1539062684123000));
    EQ_INT(fusion_literal_floor(FUSION_LITERAL_ISO_BARE, AT),
           INT64_C(1539062684000000));
    EQ_INT(fusion_literal_floor(FUSION_LITERAL_ISO_BARE, -1), -1000000);
}

TEST(a_literal_says_the_time_in_the_zone_that_the_pod_reads)
{
    static const struct {
        enum fusion_literal literal;
        int zone;
        const char *match, *example;
    } rows[] = {
        {FUSION_LITERAL_ISO_QUOTED, 120, "A >= '2018-10-09T07:24:44.123+00:00'",
         "A>='2018-10-09T07:24:44.123+00:00'"},
        {FUSION_LITERAL_BLANK_QUOTED, -480, "A >= '2018-10-08 21:24:44'",
         "A>='2018-10-08 21:24:44'"},
        {FUSION_LITERAL_ISO_BARE, 330, "A >= 2018-10-09T10:54:44Z",
         "A>=2018-10-09T10:54:44Z"},
        {FUSION_LITERAL_ZULU_QUOTED, -1440, "A >= '2018-10-08T05:24:44.123Z'",
         "A>='2018-10-08T05:24:44.123Z'"},
    };
    const struct fusion_term t = {
        .attribute = "A", .op = ">=", .is_time = true, .time_us = AT};
    const struct fusion_query q = {.resource = "x", .terms = &t, .n_terms = 1};

    ck_assert_uint_eq(COUNT_OF(rows), FUSION_LITERALS);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct url_style s = v4;

        s.literal = rows[i].literal;
        s.zone = rows[i].zone;
        EQ_STR(q_of(&s, &q), rows[i].match);
        s.version = 2;
        EQ_STR(q_of(&s, &q), rows[i].match);
        s.version = 1;
        EQ_STR(q_of(&s, &q), rows[i].example);
    }
}

TEST(a_literal_at_the_edge_of_time_keeps_its_form)
{
    struct fusion_term t = {.attribute = "A",
                            .op = ">=",
                            .is_time = true,
                            .time_us = INT64_C(253402300799) *
                                       1000000}; /* the end of 9999 */
    const struct fusion_query q = {.resource = "x", .terms = &t, .n_terms = 1};
    struct url_style s = v4;

    s.zone = 60;
    EQ_STR(q_of(&s, &q), "A >= '9999-12-31T23:59:59.999+00:00'");
    t.time_us = INT64_C(-62167219200) * 1000000; /* the year 0 begins */
    s.zone = -60;
    EQ_STR(q_of(&s, &q), "A >= '0000-01-01T00:00:00.000+00:00'");
    s.zone = 60;
    EQ_STR(q_of(&s, &q), "A >= '0000-01-01T01:00:00.000+00:00'");
}

TEST(the_zone_moves_literals_and_not_what_is_compared)
{
    const struct fusion_config c = {.tenant = "t", .base_url = "https://pod"};
    const struct fusion_term t = {
        .attribute = "A", .op = ">=", .is_time = true, .time_us = AT};
    const struct fusion_query q = {.resource = "x", .terms = &t, .n_terms = 1};
    struct fusion *f = fusion_new(NULL, NULL, &c);
    struct url_style s;

    EQ_INT(fusion_get_zone(f), 0);
    fusion_set_zone(f, -90);
    EQ_INT(fusion_get_zone(f), -90);
    s = fusion_style(f);
    EQ_STR(url_of(&s, &q, 0),
           "https://pod/fscmRestApi/resources/11.13.18.05/x?q=A%20%3E%3D%20%27"
           "2018-10-09T03%3A54%3A44.123%2B00%3A00%27&onlyData=true");
    EQ_INT(fusion_literal_floor(FUSION_LITERAL_ISO_QUOTED, AT),
           INT64_C(1539062684123000));
    fusion_set_zone(f, 0);
    s = fusion_style(f);
    EQ_STR(q_of(&s, &q), "A >= '2018-10-09T05:24:44.123+00:00'");
    fusion_free(f);
}

DEATH(a_zone_beyond_a_day_aborts)
{
    const struct fusion_config c = {.tenant = "t", .base_url = "https://pod"};

    fusion_set_zone(fusion_new(NULL, NULL, &c), FUSION_ZONE_MAX + 1);
}

TEST(quotes_in_texts_are_doubled)
{
    const struct fusion_term terms[] = {
        {.attribute = "Name", .op = "=", .text = "O'Neill & 'Sons'"},
        {.attribute = "Id", .op = "!=", .number = "42"},
    };
    const struct fusion_query q = {
        .resource = "x", .terms = terms, .n_terms = 2};

    EQ_STR(q_of(&v4, &q), "Name = 'O''Neill & ''Sons''' and Id != 42");
    EQ_STR(q_of(&v1, &q), "Name='O''Neill & ''Sons''';Id!=42");
}

TEST(lists_are_in_for_rows_and_or_for_examples)
{
    static const char *const ids[] = {"1", "22", NULL};
    static const char *const names[] = {"a", "b'c", NULL};
    const struct fusion_term numbers = {
        .attribute = "Id", .op = "in", .list = ids};
    const struct fusion_term texts = {
        .attribute = "N", .op = "in", .list = names, .list_is_text = true};
    struct fusion_query q = {.resource = "x", .terms = &numbers, .n_terms = 1};

    EQ_STR(q_of(&v4, &q), "Id in (1,22)");
    EQ_STR(q_of(&v1, &q), "Id=1 or =22");
    q.terms = &texts;
    EQ_STR(q_of(&v4, &q), "N in ('a','b''c')");
    EQ_STR(q_of(&v1, &q), "N='a' or ='b''c'");
}

TEST(everything_is_percent_encoded)
{
    const struct fusion_term t = {
        .attribute = "A", .op = ">=", .is_time = true, .time_us = AT};
    const struct fusion_query q = {.resource = "receivablesInvoices",
                                   .terms = &t,
                                   .n_terms = 1,
                                   .order_by = "A:asc,B:desc",
                                   .expand = "X,Y",
                                   .finder = "F;Days=3650",
                                   .limit = 500};
    const char *url = url_of(&v4, &q, 40);

    HAS(url, "https://pod/fscmRestApi/resources/11.13.18.05/"
             "receivablesInvoices?");
    HAS(url, "finder=F%3BDays%3D3650");
    HAS(url, "q=A%20%3E%3D%20%272018-10-09T05%3A24%3A44.123%2B00%3A00%27");
    HAS(url, "orderBy=A%3Aasc%2CB%3Adesc");
    HAS(url, "limit=500&offset=40&onlyData=true");
    LACKS(url, " ");
}

TEST(crm_lies_elsewhere_and_links_keep_their_data)
{
    const struct fusion_query q = {
        .resource = "hubPersons", .crm = true, .links = true, .limit = 1};

    EQ_STR(url_of(&v4, &q, 0),
           "https://pod/crmRestApi/resources/11.13.18.05/hubPersons?limit=1");
}

TEST(a_self_link_never_leads_to_another_host)
{
    const struct fusion_query q = {
        .resource = "https://evil.example:443/fscmRestApi/resources/"
                    "11.13.18.05/a/00AB/child/b",
        .limit = 5};
    struct buf b;

    EQ_STR(url_of(&v4, &q, 0),
           "https://pod/fscmRestApi/resources/11.13.18.05/a/00AB/child/b"
           "?limit=5&onlyData=true");
    buf_init(&b, 1024);
    query_path(&b, &v4, &q, 0);
    EQ_STR(buf_text(&b), "/a/00AB/child/b?limit=5&onlyData=true");
    buf_fini(&b);
}

TEST(labels_name_the_collection)
{
    char out[32];

    query_label("receivablesInvoices", out, sizeof(out));
    EQ_STR(out, "receivablesInvoices");
    query_label("a/1/child/b/2/child/c?x=1", out, sizeof(out));
    EQ_STR(out, "c");
    query_label("https://p/fscmRestApi/resources/11.13.18.05/a/1", out,
                sizeof(out));
    EQ_STR(out, "a");
}

SUITE(query, RUN(a_window_is_written_for_both_frameworks),
      RUN(other_literals_are_cut_to_what_they_can_say),
      RUN(a_literal_says_the_time_in_the_zone_that_the_pod_reads),
      RUN(a_literal_at_the_edge_of_time_keeps_its_form),
      RUN(the_zone_moves_literals_and_not_what_is_compared),
      DIES(a_zone_beyond_a_day_aborts), RUN(quotes_in_texts_are_doubled),
      RUN(lists_are_in_for_rows_and_or_for_examples),
      RUN(everything_is_percent_encoded),
      RUN(crm_lies_elsewhere_and_links_keep_their_data),
      RUN(a_self_link_never_leads_to_another_host),
      RUN(labels_name_the_collection))
