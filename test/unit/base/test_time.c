/* SPDX-License-Identifier: UNLICENSED */
/* Time stamps, durations, sizes, clocks. */
#include "unit.h"

#include "ml/base.h"

#define S INT64_C(1000000)
#define DAY (INT64_C(86400) * S)

static void
is_time(const char *text, int64_t want)
{
    int64_t us = -1;
    enum err err = time_parse(text, strlen(text), &us);

    ck_assert_msg(err == ERR_OK, "%s: %s", text, err_name(err));
    ck_assert_msg(us == want, "%s: %" PRId64 " not %" PRId64, text, us, want);
}

static void
is_no_time(const char *text)
{
    int64_t us = -1;

    ck_assert_msg(time_parse(text, strlen(text), &us) == ERR_TYPE, "\"%s\"",
                  text);
    EQ_INT(us, -1);
}

TEST(fusion_time_stamps_are_read)
{
    is_time("2018-12-27T09:43:55.243+00:00", 1545903835 * S + 243000);
    is_time("2019-11-18T23:21:23+00:00", 1574119283 * S);
    is_time("2019-11-18T23:21:23", 1574119283 * S);
    is_time("2019-11-18 23:21:23", 1574119283 * S);
    is_time("2019-11-18t23:21:23z", 1574119283 * S);
    is_time("2019-11-18T16:21:23-07:00", 1574119283 * S);
    is_time("2019-11-18T16:21:23-0700", 1574119283 * S);
    is_time("2019-11-18T16:21:23-07", 1574119283 * S);
    is_time("2019-11-19T05:06:23+05:45", 1574119283 * S);
    is_time("2019-11-19T13:21:23+14:00", 1574119283 * S);
    is_time("2019-11-18T11:21:23-12:00", 1574119283 * S);
    is_time("2019-11-18T23:52:23+00:31", 1574119283 * S);
    is_time("2019-11-18", 18218 * DAY);
}

TEST(fractions_of_one_to_nine_digits_are_cut_to_microseconds)
{
    is_time("1970-01-01T00:00:00.1Z", 100000);
    is_time("1970-01-01T00:00:00.12Z", 120000);
    is_time("1970-01-01T00:00:00.123Z", 123000);
    is_time("1970-01-01T00:00:00.1234Z", 123400);
    is_time("1970-01-01T00:00:00.12345Z", 123450);
    is_time("1970-01-01T00:00:00.123456Z", 123456);
    is_time("1970-01-01T00:00:00.1234569Z", 123456);
    is_time("1970-01-01T00:00:00.12345699Z", 123456);
    is_time("1970-01-01T00:00:00.123456999+00:00", 123456);
    is_time("1969-12-31T23:59:59.999999999Z", -1);
}

TEST(dates_that_exist_are_read)
{
    is_time("1970-01-01", 0);
    is_time("1969-12-31", -DAY);
    is_time("2000-02-29", 11016 * DAY);
    is_time("2024-02-29T00:00:00Z", 19782 * DAY);
    is_time("0000-01-01", -719528 * DAY);
    is_time("9999-12-31T23:59:59Z", 253402300799 * S);
    is_time("2016-12-31T23:59:60Z", 17167 * DAY);
    is_time("2017-01-01T05:29:60+05:30", 17167 * DAY);
}

TEST(dates_and_times_that_do_not_exist_are_refused)
{
    static const char *const wrong[] = {
        "2024-13-01",
        "2024-00-10",
        "2024-02-30",
        "2023-02-29",
        "1900-02-29",
        "2024-04-31",
        "2024-01-00",
        "2024-01-32",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:61Z",
        "2024-01-01T12:00:60Z",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+00:60",
        "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        is_no_time(wrong[i]);
    }
}

TEST(anything_around_or_missing_is_refused)
{
    static const char *const wrong[] = {
        "",
        " 2024-01-01",
        "2024-01-01 ",
        "2024-01",
        "2024-1-1",
        "24-01-01",
        "2024/01/01",
        "20240101",
        "2024-01-01T",
        "2024-01-01T00",
        "2024-01-01T00:00",
        "2024-01-01T00:00Z",
        "2024-01-01T0:00:00Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.",
        "2024-01-01T00:00:00.1234567890Z",
        "2024-01-01T00:00:00Zx",
        "2024-01-01T00:00:00Z ",
        "2024-01-01T00:00:00+",
        "2024-01-01T00:00:00+1",
        "2024-01-01T00:00:00+01:",
        "2024-01-01T00:00:00+01:0",
        "2024-01-01T00:00:00+01:000",
        "2024-01-01T00:00:00*01:00",
        "2024-01-01T00:00:00 +01:00",
        "2024-01-01x00:00:00",
        "-024-01-01",
        "null",
    };
    int64_t us;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        is_no_time(wrong[i]);
    }
    EQ_ERR(time_parse(NULL, 0, &us), ERR_TYPE);
    EQ_ERR(time_parse("2024-01-01T00:00:00Z\0", 21, &us), ERR_TYPE);
    EQ_ERR(time_parse("2024-01-01\0", 11, &us), ERR_TYPE);
}

TEST(only_the_given_bytes_are_read)
{
    int64_t us;

    OK(time_parse("1970-01-02T00:00:00Zgarbage", 20, &us));
    EQ_INT(us, DAY);
    OK(time_parse("1970-01-02T00:00:00", 10, &us));
    EQ_INT(us, DAY);
}

TEST(http_dates_are_read)
{
    static const char *const wrong[] = {
        "",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Abc 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06",
        "Su",
    };
    int64_t us;

    OK(time_parse_http("Sun, 06 Nov 1994 08:49:37 GMT", &us));
    EQ_INT(us, 784111777 * S);
    OK(time_parse_http("Tue, 31 Dec 2024 23:59:59 GMT", &us));
    EQ_INT(us, 1735689599 * S);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EQ_ERR(time_parse_http(wrong[i], &us), ERR_TYPE);
    }
    EQ_ERR(time_parse_http(NULL, &us), ERR_TYPE);
}

TEST(formatting_gives_what_parsing_takes)
{
    char out[TIME_TEXT_MAX];

    EQ_STR(time_format(1539062684000000, out), "2018-10-09T05:24:44.000Z");
    EQ_STR(time_format(1539062684123456, out), "2018-10-09T05:24:44.123Z");
    EQ_STR(time_format_us(1539062684123456, out),
           "2018-10-09T05:24:44.123456Z");
    EQ_STR(time_format_date(1539062684123456, out), "2018-10-09");
    EQ_STR(time_format_us(-1, out), "1969-12-31T23:59:59.999999Z");
    for (int64_t us = -62167219200 * S; us < 253402300800 * S;
         us += 987654321 * INT64_C(1000003)) {
        int64_t back;

        OK(time_parse(time_format_us(us, out), strlen(out), &back));
        EQ_INT(back, us);
    }
}

TEST(every_day_of_four_centuries_follows_the_one_before)
{
    char out[TIME_TEXT_MAX];
    char last[TIME_TEXT_MAX] = "";

    for (int64_t day = -135140; day <= 10957; day++) {
        int64_t back;

        (void)time_format_date(day * DAY, out);
        IS(strcmp(last, out) < 0);
        memcpy(last, out, sizeof(last));
        OK(time_parse(out, strlen(out), &back));
        EQ_INT(back, day * DAY);
    }
    EQ_STR(last, "2000-01-01");
}

TEST(the_extremes_of_time_still_format)
{
    char out[TIME_TEXT_MAX];

    IS(strlen(time_format_us(INT64_MAX, out)) < TIME_TEXT_MAX);
    IS(strlen(time_format_us(INT64_MIN, out)) < TIME_TEXT_MAX);
    EQ_INT(out[strlen(out) - 1], 'Z');
}

TEST(durations_have_a_number_and_a_unit)
{
    static const char *const wrong[] = {"",
                                        "5",
                                        "s",
                                        "5 s",
                                        "5S",
                                        "-5s",
                                        "+5s",
                                        "1.5s",
                                        "5sec",
                                        "1h30m",
                                        "9223372036854775808ms",
                                        "9223372036854775807s",
                                        "5s "};
    int64_t ms;
    char out[TIME_TEXT_MAX];

    OK(duration_parse("250ms", &ms));
    EQ_INT(ms, 250);
    OK(duration_parse("30s", &ms));
    EQ_INT(ms, 30000);
    OK(duration_parse("15m", &ms));
    EQ_INT(ms, 900000);
    OK(duration_parse("12h", &ms));
    EQ_INT(ms, 43200000);
    OK(duration_parse("400d", &ms));
    EQ_INT(ms, INT64_C(34560000000));
    EQ_STR(duration_format(ms, out), "400d");
    OK(duration_parse("9223372036854775807ms", &ms));
    EQ_INT(ms, INT64_MAX);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EQ_ERR(duration_parse(wrong[i], &ms), ERR_TYPE);
    }
    EQ_ERR(duration_parse(NULL, &ms), ERR_TYPE);
    EQ_STR(duration_format(0, out), "0s");
    EQ_STR(duration_format(1, out), "1ms");
    EQ_STR(duration_format(90000, out), "90s");
    EQ_STR(duration_format(7200000, out), "2h");
    EQ_STR(duration_format(-60000, out), "-1m");
}

TEST(sizes_have_a_number_and_perhaps_a_unit)
{
    static const char *const wrong[] = {
        "",   "KiB",   "4kib", "4K",
        "-1", "4 KiB", "0x10", "9223372036854775807KiB"};
    uint64_t n;

    OK(size_parse("4096", &n));
    EQ_UINT(n, 4096);
    OK(size_parse("64KiB", &n));
    EQ_UINT(n, 65536);
    OK(size_parse("8MiB", &n));
    EQ_UINT(n, 8388608);
    OK(size_parse("1GiB", &n));
    EQ_UINT(n, 1073741824);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EQ_ERR(size_parse(wrong[i], &n), ERR_TYPE);
    }
}

TEST(the_clocks_run_forward)
{
    int64_t mono = clock_mono_us();
    int64_t wall = clock_wall_us();

    IS(clock_mono_us() >= mono);
    IS(wall > 1700000000 * S);
}

SUITE(time, RUN(fusion_time_stamps_are_read),
      RUN(fractions_of_one_to_nine_digits_are_cut_to_microseconds),
      RUN(dates_that_exist_are_read),
      RUN(dates_and_times_that_do_not_exist_are_refused),
      RUN(anything_around_or_missing_is_refused),
      RUN(only_the_given_bytes_are_read), RUN(http_dates_are_read),
      RUN(formatting_gives_what_parsing_takes),
      RUN_LONG(every_day_of_four_centuries_follows_the_one_before, 10),
      RUN(the_extremes_of_time_still_format),
      RUN(durations_have_a_number_and_a_unit),
      RUN(sizes_have_a_number_and_perhaps_a_unit), RUN(the_clocks_run_forward))
