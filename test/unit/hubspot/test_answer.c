/* SPDX-License-Identifier: UNLICENSED */
/*
 * What an answer says about itself: statuses, headers, times, refused bodies.
 */
#include "fix.h"

static void
read_answer(struct hubspot_answer *a, bool write, int status, const char *body,
            struct hubspot_meta *m)
{
    json_t *root;

    a->status = status;
    a->body = body;
    a->body_len = strlen(body);
    hubspot_answer_read(a, write, HUBSPOT_PROMISE_OBJECT, m, &root);
    json_decref(root);
}

TEST(every_status_has_its_error)
{
    static const struct {
        int status;
        enum err write, read;
        bool maybe_done; /* of a write */
    } rows[] = {
        {200, ERR_OK, ERR_OK, false},
        {201, ERR_OK, ERR_OK, false},
        {207, ERR_OK, ERR_OK, false},
        {301, ERR_PROMISE, ERR_PROMISE, false},
        {400, ERR_REFUSED, ERR_REFUSED, false},
        {401, ERR_CREDENTIALS, ERR_CREDENTIALS, false},
        {403, ERR_FORBIDDEN, ERR_FORBIDDEN, false},
        {404, ERR_MISSING, ERR_MISSING, false},
        {405, ERR_REFUSED, ERR_REFUSED, false},
        {408, ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
        {409, ERR_CONFLICT, ERR_CONFLICT, false},
        {413, ERR_REFUSED, ERR_REFUSED, false},
        {414, ERR_REFUSED, ERR_REFUSED, false},
        {415, ERR_REFUSED, ERR_REFUSED, false},
        {422, ERR_REFUSED, ERR_REFUSED, false},
        {423, ERR_LOCKED, ERR_LOCKED, false},
        {429, ERR_THROTTLED, ERR_THROTTLED, false},
        {477, ERR_MAINTENANCE, ERR_MAINTENANCE, false},
        {500, ERR_UNAVAILABLE, ERR_UNAVAILABLE, true},
        {502, ERR_UNAVAILABLE, ERR_UNAVAILABLE, true},
        {503, ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
        {504, ERR_UNKNOWN, ERR_UNAVAILABLE, true},
        {520, ERR_UNAVAILABLE, ERR_UNAVAILABLE, true},
        {521, ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
        {522, ERR_UNAVAILABLE, ERR_UNAVAILABLE, true},
        {523, ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
        {524, ERR_UNKNOWN, ERR_UNAVAILABLE, true},
        {525, ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
        {526, ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hubspot_answer a = {.err = ERR_OK};
        struct hubspot_meta m;

        read_answer(&a, true, rows[i].status, "{}", &m);
        EQ_ERR(m.fault.err, rows[i].write);
        EQ_INT(m.maybe_done, rows[i].maybe_done);
        EQ_INT(m.status, rows[i].status);
        EQ_INT(m.fault.http_status, rows[i].status);
        read_answer(&a, false, rows[i].status, "{}", &m);
        EQ_ERR(m.fault.err, rows[i].read);
        NOT(m.maybe_done);
    }
}

TEST(broken_transfers_of_writes_are_unknown_only_when_sent)
{
    static const enum err errs[] = {ERR_RESOLVE, ERR_CONNECT, ERR_TLS,
                                    ERR_TIMEOUT, ERR_RESET,   ERR_TOO_LARGE,
                                    ERR_SYNTAX};

    for (size_t i = 0; i < COUNT_OF(errs); i++) {
        struct hubspot_answer a = {
            .err = errs[i], .body = "", .message = "it broke"};
        struct hubspot_meta m;

        read_answer(&a, true, 0, "", &m);
        EQ_ERR(m.fault.err, errs[i]);
        NOT(m.maybe_done);
        a.maybe_sent = true;
        read_answer(&a, false, 0, "", &m);
        EQ_ERR(m.fault.err, errs[i]);
        NOT(m.maybe_done);
        read_answer(&a, true, 0, "", &m);
        EQ_ERR(m.fault.err, ERR_UNKNOWN);
        IS(m.maybe_done);
        EQ_INT(m.status, 0);
        HAS(m.fault.message, err_name(errs[i]));
        HAS(m.fault.message, "it broke");
    }
}

TEST(rate_headers_are_read)
{
    struct hubspot_answer a = {.headers = {.remaining = "88",
                                           .max = "100",
                                           .interval_ms = "10000",
                                           .daily_remaining = "249999"}};
    struct hubspot_meta m;

    read_answer(&a, true, 200, "{}", &m);
    EQ_INT(m.remaining, 88);
    EQ_INT(m.max, 100);
    EQ_INT(m.interval_us, 10000000);
    EQ_INT(m.daily_remaining, 249999);
    EQ_INT(m.retry_after_us, -1);
}

TEST(absent_and_absurd_headers_tell_nothing)
{
    static const char *const absurd[] = {
        NULL, "", "-1", "many", "1.5", " 7", "99999999999999999999", "10,000"};

    for (size_t i = 0; i < COUNT_OF(absurd); i++) {
        struct hubspot_answer a = {.headers = {.remaining = absurd[i],
                                               .max = absurd[i],
                                               .interval_ms = absurd[i],
                                               .daily_remaining = absurd[i],
                                               .retry_after = absurd[i]}};
        struct hubspot_meta m;

        read_answer(&a, true, 200, "{}", &m);
        EQ_INT(m.remaining, -1);
        EQ_INT(m.max, -1);
        EQ_INT(m.interval_us, 0);
        EQ_INT(m.daily_remaining, -1);
        EQ_INT(m.retry_after_us, -1);
    }
}

TEST(retry_after_is_seconds_or_a_date_and_bounded)
{
    struct hubspot_answer a = {.headers = {.retry_after = "120"}};
    struct hubspot_meta m;

    read_answer(&a, true, 477, "", &m);
    EQ_ERR(m.fault.err, ERR_MAINTENANCE);
    EQ_INT(m.retry_after_us, 120000000);
    a.headers.retry_after = "Sun, 06 Nov 1994 08:50:37 GMT";
    a.headers.date = "Sun, 06 Nov 1994 08:49:37 GMT";
    read_answer(&a, true, 429, "", &m);
    EQ_INT(m.retry_after_us, 60000000);
    a.headers.date = "Sun, 06 Nov 1994 08:59:37 GMT";
    read_answer(&a, true, 429, "", &m);
    EQ_INT(m.retry_after_us, 0);
    a.headers.retry_after = "999999999";
    read_answer(&a, true, 429, "", &m);
    EQ_INT(m.retry_after_us, INT64_C(604800000000));
}

TEST(the_policy_of_a_429_is_told)
{
    static const struct {
        const char *body;
        enum err err;
        const char *code;
    } rows[] = {
        {"{\"status\":\"error\",\"message\":\"You have reached your daily "
         "limit.\",\"errorType\":\"RATE_LIMIT\",\"policyName\":\"DAILY\"}",
         ERR_QUOTA, "DAILY"},
        {"{\"message\":\"You have reached your ten_secondly_rolling limit.\","
         "\"policyName\":\"TEN_SECONDLY_ROLLING\"}",
         ERR_THROTTLED, "TEN_SECONDLY_ROLLING"},
        {"{\"message\":\"You have reached your daily limit.\"}", ERR_QUOTA, ""},
        {"<html>too many</html>", ERR_THROTTLED, ""},
        {"", ERR_THROTTLED, ""},
        {"[1]", ERR_THROTTLED, ""},
        {"{\"policyName\":7}", ERR_THROTTLED, "7"},
        {"{\"policyName\":\"DAILY  more\"}", ERR_THROTTLED, "DAILY  more"},
        {"{\"policyName\":\"dail\"}", ERR_THROTTLED, "dail"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hubspot_answer a = {.err = ERR_OK};
        struct hubspot_meta m;

        read_answer(&a, true, 429, rows[i].body, &m);
        EQ_ERR(m.fault.err, rows[i].err);
        EQ_INT(m.daily, rows[i].err == ERR_QUOTA);
        EQ_STR(m.fault.code, rows[i].code);
        NOT(m.maybe_done);
    }
}

TEST(the_server_says_how_long_it_worked_unless_that_cannot_be)
{
    static const struct {
        const char *body;
        int64_t worked_us;
    } rows[] = {
        {"{\"startedAt\":\"2026-01-01T00:00:00.100Z\","
         "\"completedAt\":\"2026-01-01T00:00:00.150Z\"}",
         50000},
        {"{\"startedAt\":\"2026-01-01T01:00:00.100+01:00\","
         "\"completedAt\":\"2026-01-01T00:00:00.150Z\"}",
         50000},
        /* negative, above the round trip, absent, other types */
        {"{\"startedAt\":\"2026-01-01T00:00:00.200Z\","
         "\"completedAt\":\"2026-01-01T00:00:00.150Z\"}",
         0},
        {"{\"startedAt\":\"2026-01-01T00:00:00.000Z\","
         "\"completedAt\":\"2026-01-01T00:00:00.150Z\"}",
         0},
        {"{\"completedAt\":\"2026-01-01T00:00:00.150Z\"}", 0},
        {"{\"startedAt\":true,\"completedAt\":[]}", 0},
        {"{\"startedAt\":\"yesterday\",\"completedAt\":\"today\"}", 0},
        {"<html>", 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hubspot_answer a = {.sent_us = 1000000, .answered_us = 1100000};
        struct hubspot_meta m;

        read_answer(&a, true, 200, rows[i].body, &m);
        EQ_INT(m.worked_to_us - m.worked_from_us, rows[i].worked_us);
        EQ_INT(m.worked_to_us > 0, rows[i].worked_us > 0);
        EQ_INT(m.sent_us, 1000000);
        EQ_INT(m.answered_us, 1100000);
    }
}

TEST(the_correlation_id_comes_from_header_or_body)
{
    struct hubspot_answer a = {.headers = {.correlation = "from-header"}};
    struct hubspot_meta m;

    read_answer(&a, true, 400, "{\"correlationId\":\"from-body\"}", &m);
    EQ_STR(m.fault.correlation, "from-header");
    a.headers.correlation = NULL;
    read_answer(&a, true, 400, "{\"correlationId\":\"from-body\"}", &m);
    EQ_STR(m.fault.correlation, "from-body");
}

TEST(a_missing_scope_is_named)
{
    static const char nested[] =
        "{\"status\":\"error\",\"message\":\"This app hasn't been granted all "
        "required scopes to make this call.\",\"errors\":[{\"message\":\"One "
        "or more of the following scopes are required.\",\"context\":"
        "{\"requiredGranularScopes\":[\"crm.objects.contacts.write\","
        "\"e-commerce\"]}}],\"category\":\"MISSING_SCOPES\"}";
    static const char flat[] =
        "{\"message\":\"no\",\"context\":{\"requiredGranularScopes\":"
        "[\"crm.objects.invoices.read\"]}}";
    struct hubspot_answer a = {.err = ERR_OK};
    struct hubspot_meta m;

    read_answer(&a, true, 403, nested, &m);
    EQ_ERR(m.fault.err, ERR_FORBIDDEN);
    EQ_STR(m.fault.code, "MISSING_SCOPES");
    HAS(m.fault.message, "; scopes: crm.objects.contacts.write, e-commerce");
    read_answer(&a, true, 403, flat, &m);
    HAS(m.fault.message, "crm.objects.invoices.read");
}

TEST(a_2xx_without_the_promised_json_is_no_success)
{
    static const struct {
        const char *body;
        enum err read;
    } rows[] = {
        {"", ERR_PROMISE},
        {" \r\n", ERR_PROMISE},
        {"<html><body>Just a moment</body></html>", ERR_SYNTAX},
        {"{\"results\":[{\"id\":\"1\"", ERR_SYNTAX},
        {"[]", ERR_SYNTAX},
        {"\"text\"", ERR_SYNTAX},
        {"{\"a\":1,\"a\":2}", ERR_SYNTAX},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hubspot_answer a = {.err = ERR_OK};
        struct hubspot_meta m;

        read_answer(&a, true, 200, rows[i].body, &m);
        EQ_ERR(m.fault.err, ERR_UNKNOWN);
        IS(m.maybe_done);
        read_answer(&a, false, 200, rows[i].body, &m);
        EQ_ERR(m.fault.err, rows[i].read);
        NOT(m.maybe_done);
    }
}

TEST(html_is_not_repeated_in_messages)
{
    struct hubspot_answer a = {.err = ERR_OK};
    struct hubspot_meta m;

    read_answer(&a, true, 502, "<html>secret words</html>", &m);
    EQ_STR(m.fault.message, "status 502 with a body that is not JSON");
    read_answer(&a, true, 502, "", &m);
    EQ_STR(m.fault.message, "status 502 without a body");
}

SUITE(answer, RUN(every_status_has_its_error),
      RUN(broken_transfers_of_writes_are_unknown_only_when_sent),
      RUN(rate_headers_are_read), RUN(absent_and_absurd_headers_tell_nothing),
      RUN(retry_after_is_seconds_or_a_date_and_bounded),
      RUN(the_policy_of_a_429_is_told),
      RUN(the_server_says_how_long_it_worked_unless_that_cannot_be),
      RUN(the_correlation_id_comes_from_header_or_body),
      RUN(a_missing_scope_is_named),
      RUN(a_2xx_without_the_promised_json_is_no_success),
      RUN(html_is_not_repeated_in_messages))
