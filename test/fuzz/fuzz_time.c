/* SPDX-License-Identifier: UNLICENSED */
/*
 * Time stamps, dates of HTTP headers, durations and sizes.
 *
 * What must hold: what was parsed and formatted parses to the same again (to
 * the millisecond where the form has no more), the forms keep their length,
 * and literals of q say what they should.
 */
#include "fusion_priv.h"
#include "fuzz.h"

#include <string.h>

static int64_t
parsed(const char *text)
{
    int64_t us = 0;

    HOLDS(time_parse(text, strlen(text), &us) == ERR_OK);
    return us;
}

static void
check_literal(int64_t us, enum fusion_literal literal)
{
    int64_t cut = fusion_literal_floor(literal, us);
    const struct fusion_term t = {
        .attribute = "A", .op = "=", .is_time = true, .time_us = us};
    const struct fusion_query q = {.resource = "r", .terms = &t, .n_terms = 1};
    const struct url_style s = {
        .base = "", .version = 4, .literal = literal, .zone = 0};
    const char *text = NULL;
    struct buf b;
    size_t n = 0;
    int64_t said = 0;

    HOLDS(cut <= us && us - cut < 1000000);
    HOLDS(fusion_literal_floor(literal, cut) == cut);
    buf_init(&b, 256);
    query_text(&b, &s, &q);
    HOLDS(!b.failed);
    text = buf_text(&b) + strlen("A = ");
    n = strlen(text);
    if (*text == '\'') {
        HOLDS(text[n - 1] == '\'');
        text++;
        n -= 2;
    }
    HOLDS(time_parse(text, n, &said) == ERR_OK && said == cut);
    buf_fini(&b);
}

static void
check_time(int64_t us)
{
    char text[TIME_TEXT_MAX];
    char again[TIME_TEXT_MAX];
    int64_t ms = us - ((us % 1000) + 1000) % 1000;

    (void)time_format_us(us, text);
    HOLDS(strlen(text) == strlen("2018-10-09T05:24:44.123456Z"));
    HOLDS(parsed(text) == us);
    HOLDS(strcmp(text, time_format_us(parsed(text), again)) == 0);
    (void)time_format(us, text);
    HOLDS(strlen(text) == strlen("2018-10-09T05:24:44.123Z"));
    HOLDS(parsed(text) == ms);
    HOLDS(strcmp(text, time_format(ms, again)) == 0);
    (void)time_format_date(us, text);
    HOLDS(strlen(text) == strlen("2018-10-09"));
    HOLDS(parsed(text) <= us && us - parsed(text) < INT64_C(86400000000));
    for (int i = 0; i < FUSION_LITERALS; i++) {
        check_literal(us, (enum fusion_literal)i);
    }
}

static void
check_settings(const char *text)
{
    char out[TIME_TEXT_MAX];
    int64_t ms = 0;
    int64_t again = 0;
    uint64_t bytes = 0;

    if (duration_parse(text, &ms) == ERR_OK) {
        HOLDS(ms >= 0);
        HOLDS(duration_parse(duration_format(ms, out), &again) == ERR_OK);
        HOLDS(ms == again);
    }
    (void)!size_parse(text, &bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    int64_t us = 0;

    if (time_parse(text, size, &us) == ERR_OK) {
        check_time(us);
    }
    if (time_parse_http(text, &us) == ERR_OK) {
        check_time(us);
    }
    check_settings(text);
    mem_free(text);
    return 0;
}
