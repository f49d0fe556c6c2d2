/* SPDX-License-Identifier: UNLICENSED */
/* What a pod does on a bad day, switch by switch. */
#include "fixture.h"

#define ONE FSCM "receivablesInvoices?limit=1&onlyData=true"

TEST(maintenance_answers_503_with_its_page)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "maintenance", 1);
    rig_switch(&g, "maintenance_after", 120);
    EQ_INT(rig_get(&g, ONE), 503);
    HAS(g.text, "under maintenance");
    EQ_STR(header_of(&g, "Retry-After"), "120");
    rig_switch(&g, "maintenance", 0);
    EQ_INT(rig_get(&g, ONE), 200);
    rig_switch(&g, "unavailable_next", 2);
    EQ_INT(rig_get(&g, ONE), 503);
    EQ_INT(rig_get(&g, ONE), 503);
    EQ_INT(rig_get(&g, ONE), 200);
    rig_close(&g);
}

TEST(throttling_hits_the_next_or_every_nth)
{
    struct rig g;
    size_t refused = 0;

    rig_open(&g);
    rig_switch(&g, "throttle_next", 1);
    EQ_INT(rig_get(&g, ONE), 429);
    EQ_STR(header_of(&g, "Retry-After"), "");
    EQ_INT(rig_get(&g, ONE), 200);
    rig_switch(&g, "throttle_every", 3);
    rig_switch(&g, "throttle_after", 7);
    for (int i = 0; i < 9; i++) {
        refused += rig_get(&g, ONE) == 429;
    }
    EQ_INT(refused, 3);
    rig_close(&g);
}

TEST(a_large_limit_can_time_out)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "timeout_limit", 100);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=101"), 504);
    HAS(g.text, "504 Gateway Time-out");
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=100&onlyData=true"),
           200);
    EQ_INT(items(&g), 100);
    rig_close(&g);
}

TEST(requests_in_flight_are_capped)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "concurrency", 2);
    rig_switch(&g, "latency_ms", 50);
    EQ_INT(rig_get(&g, ONE), 200);
    EQ_INT(g.delay_ms, 50);
    EQ_INT(rig_get(&g, ONE), 200);
    EQ_INT(rig_get(&g, ONE), 429);
    g.now_us += 51000;
    EQ_INT(rig_get(&g, ONE), 200);
    EQ_INT(rig_control(&g, "GET", "counts"), 200);
    EQ_INT(get_int(g.body, "most_in_flight"), 2);
    rig_close(&g);
}

TEST(a_lost_session_redirects_to_a_login_page)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "redirect", 1);
    EQ_INT(rig_get(&g, ONE), 302);
    HAS(header_of(&g, "Location"), "/oam/");
    rig_close(&g);
}

TEST(crm_can_be_forbidden_while_fscm_works)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "crm_status", 403);
    EQ_INT(rig_get(&g, CRM "hubOrganizations?limit=1"), 403);
    EQ_INT(rig_get(&g, ONE), 200);
    rig_switch(&g, "crm_status", 404);
    EQ_INT(rig_get(&g, CRM "hubPersons?limit=1"), 404);
    rig_close(&g);
}

TEST(data_security_trims_rows_without_an_error)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "trim_percent", 40);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=500&onlyData=true"),
           200);
    IS(items(&g) > 150 && items(&g) < 330);
    rig_switch(&g, "trim_percent", 100);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=500&onlyData=true"),
           200);
    EQ_INT(items(&g), 0);
    rig_switch(&g, "trim_percent", 0);
    EQ_INT(rig_control(&g, "POST",
                       "switches?hidden_business_unit=Vision Operations"),
           200);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=500&onlyData=true"),
           200);
    IS(items(&g) > 50);
    for (size_t i = 0; i < items(&g); i++) {
        IS(strcmp(get_text(item(&g, i), "BusinessUnit"), "Vision Operations") !=
           0);
    }
    rig_close(&g);
}

TEST(the_date_header_is_the_pods_own_clock)
{
    struct rig g;
    int64_t us = 0;

    rig_open(&g);
    rig_switch(&g, "clock_ms", 90000);
    EQ_INT(rig_get(&g, ONE), 200);
    OK(time_parse_http(header_of(&g, "Date"), &us));
    EQ_INT(us / 1000000, (g.now_us + 90000000) / 1000000);
    g.now_us = INT64_C(1709164799000000);
    rig_switch(&g, "clock_ms", 1000);
    rig_login(&g);
    EQ_INT(rig_get(&g, ONE), 200);
    EQ_STR(header_of(&g, "Date"), "Thu, 29 Feb 2024 00:00:00 GMT");
    rig_close(&g);
}

TEST(gzip_answers_unpack_to_the_same)
{
    struct rig g;
    char *plain = NULL;
    const unsigned char *p = NULL;

    rig_open(&g);
    EQ_INT(rig_get(&g, ONE), 200);
    plain = mem_strdup(g.text);
    rig_switch(&g, "gzip", 1);
    EQ_INT(rig_get(&g, ONE), 200);
    EQ_STR(g.text, plain);
    g.encoding = "gzip, deflate";
    EQ_INT(rig_get(&g, ONE), 200);
    EQ_STR(header_of(&g, "Content-Encoding"), "gzip");
    /* One stored block: header 10, block header 5, data, trailer 8. */
    EQ_INT(g.len, strlen(plain) + 23);
    EQ_MEM(g.text + 15, plain, strlen(plain));
    p = (const unsigned char *)g.text;
    EQ_INT(p[0] * 256 + p[1], 0x1f8b);
    EQ_INT(p[11] | p[12] << 8, (int)strlen(plain));
    mem_free(plain);
    rig_close(&g);
}

TEST(fields_can_lose_names_and_totals_can_lie)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "fields_lose_names", 1);
    rig_switch(&g, "total_wrong", 1);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=9&totalResults=true&"
                            "fields=BillToCustomerName,EnteredAmount"),
           200);
    EQ_INT(get_int(g.body, "totalResults"), -1);
    for (size_t i = 0; i < 9; i++) {
        IS(json_is_null(json_object_get(item(&g, i), "BillToCustomerName")));
    }
    rig_switch(&g, "has_more_empty", 1);
    EQ_INT(rig_get(&g, FSCM "standardReceipts?limit=500&onlyData=true"), 200);
    IS(get_true(g.body, "hasMore"));
    EQ_INT(rig_get(&g, FSCM "standardReceipts?limit=500&onlyData=true&"
                            "offset=300"),
           200);
    EQ_INT(items(&g), 0);
    NOT(get_true(g.body, "hasMore"));
    rig_switch(&g, "has_more_empty", 2);
    EQ_INT(rig_get(&g, FSCM "standardReceipts?limit=500&onlyData=true&"
                            "offset=300"),
           200);
    EQ_INT(items(&g), 0);
    IS(get_true(g.body, "hasMore"));
    rig_close(&g);
}

TEST(unknown_paths_and_methods_are_refused)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_get(&g, "/other"), 404);
    EQ_INT(rig_get(&g, "/fscmRestApi/resources/1.0/receivablesInvoices"), 404);
    EQ_INT(rig_get(&g, FSCM "customers"), 404);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices/1"), 404);
    EQ_STR(get_text(g.body, "title"), "Not Found");
    EQ_INT(rig_send(&g, "DELETE", FSCM "receivablesInvoices/1", NULL), 405);
    g.authorization = NULL;
    EQ_INT(rig_get(&g, ONE), 401);
    rig_close(&g);
}

SUITE(trouble, RUN(maintenance_answers_503_with_its_page),
      RUN(throttling_hits_the_next_or_every_nth),
      RUN(a_large_limit_can_time_out), RUN(requests_in_flight_are_capped),
      RUN(a_lost_session_redirects_to_a_login_page),
      RUN(crm_can_be_forbidden_while_fscm_works),
      RUN(data_security_trims_rows_without_an_error),
      RUN(the_date_header_is_the_pods_own_clock),
      RUN(gzip_answers_unpack_to_the_same),
      RUN(fields_can_lose_names_and_totals_can_lie),
      RUN(unknown_paths_and_methods_are_refused))
