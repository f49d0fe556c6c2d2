/* SPDX-License-Identifier: UNLICENSED */
/* Log lines: both formats, levels, hostile text, folding. */
#include "unit.h"

#include <unistd.h>

#include "ml/log.h"

/* The lines written since the log was opened on this pipe. */
struct capture {
    int read_fd, write_fd;
    char text[20000];
};

static void
capture_open(struct capture *c, enum log_level level, enum log_format format,
             const char *worker)
{
    int fds[2];

    EQ_INT(pipe(fds), 0);
    c->read_fd = fds[0];
    c->write_fd = fds[1];
    log_open(level, format, c->write_fd, worker);
}

static const char *
capture_close(struct capture *c)
{
    ssize_t n;

    EQ_INT(close(c->write_fd), 0);
    n = read(c->read_fd, c->text, sizeof(c->text) - 1);
    IS(n >= 0);
    c->text[n] = '\0';
    EQ_INT(close(c->read_fd), 0);
    return c->text;
}

static const struct log_ctx ctx = {.tenant = "acme", .feed = "invoices"};

TEST(a_text_line_has_time_level_event_context_and_fields)
{
    static struct capture c;

    capture_open(&c, LOG_LEVEL_INFO, LOG_FORMAT_TEXT, "w1");
    LOG_INFO(&ctx, "feed.page", "records=%d note=\"a b\"", 3);
    (void)capture_close(&c);
    EQ_INT(c.text[23], 'Z');
    EQ_STR(c.text + 24, " info feed.page worker=w1 tenant=acme feed=invoices "
                        "records=3 note=\"a b\"\n");
}

TEST(a_json_line_has_the_same_as_strings)
{
    static struct capture c;
    struct log_ctx run = {.run = "r 1"};

    capture_open(&c, LOG_LEVEL_INFO, LOG_FORMAT_JSON, NULL);
    LOG_WARN(&run, "feed.page", "records=%d note=\"a b\" bare x=", 3);
    (void)capture_close(&c);
    IS(text_has_prefix(c.text, "{\"time\":\"20"));
    HAS(c.text, "\",\"level\":\"warn\",\"event\":\"feed.page\",\"run\":\"r 1\","
                "\"records\":\"3\",\"note\":\"a b\",\"text\":\"bare\","
                "\"x\":\"\"}\n");
}

TEST(no_context_and_no_fields_are_fine)
{
    static struct capture c;

    capture_open(&c, LOG_LEVEL_INFO, LOG_FORMAT_TEXT, NULL);
    LOG_INFO(NULL, "worker.stop", "%s", "");
    (void)capture_close(&c);
    EQ_STR(c.text + 24, " info worker.stop\n");
}

TEST(levels_below_the_chosen_one_are_silent)
{
    static struct capture c;

    capture_open(&c, LOG_LEVEL_WARN, LOG_FORMAT_TEXT, NULL);
    LOG_DEBUG(NULL, "a.debug", "x=%d", 1);
    LOG_INFO(NULL, "a.info", "x=%d", 1);
    LOG_WARN(NULL, "a.warn", "x=%d", 1);
    LOG_ERROR(NULL, "a.error", "x=%d", 1);
    IS(log_enabled(LOG_LEVEL_ERROR));
    NOT(log_enabled(LOG_LEVEL_INFO));
    (void)capture_close(&c);
    LACKS(c.text, "a.debug");
    LACKS(c.text, "a.info");
    HAS(c.text, " warn a.warn x=1\n");
    HAS(c.text, " error a.error x=1\n");
}

TEST(hostile_text_stays_in_its_line_and_its_value)
{
    static struct capture c;
    char safe[LOG_TEXT_MAX];
    struct log_ctx odd = {.tenant = "a\"b\nc", .feed = ""};

    capture_open(&c, LOG_LEVEL_INFO, LOG_FORMAT_JSON, NULL);
    LOG_INFO(&odd, "a.b", "why=\"%s\" raw=%s\\",
             log_safe(safe, "x\"} \n{\"level\":\"error\"\\\x7f"), "\x01\xff");
    (void)capture_close(&c);
    HAS(c.text, "\"tenant\":\"a'b c\",\"why\":\"x'}  {'level':'error'  \","
                "\"raw\":\"\",\"text\":\"?\\\\\"}\n");
    EQ_PTR(strchr(c.text, '\n'), c.text + strlen(c.text) - 1);
}

TEST(safe_text_is_cut_between_characters)
{
    char out[LOG_TEXT_MAX];
    char text[2 * LOG_TEXT_MAX];

    EQ_STR(log_safe(out, NULL), "");
    EQ_STR(log_safe(out, "caf\xc3\xa9"), "caf\xc3\xa9");
    EQ_STR(log_safe(out, "a\xff\xfe\xfd\xfc z"), "a???? z");
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', sizeof(text));
        for (size_t i = shift; i + 4 < sizeof(text); i += 4) {
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        }
        text[sizeof(text) - 1] = '\0';
        (void)log_safe(out, text);
        IS(text_is_utf8(out, strlen(out)));
        IS(strlen(out) >= LOG_TEXT_MAX - 4);
        LACKS(out, "?");
    }
}

TEST(a_long_line_is_cut_and_ends)
{
    static struct capture c;
    char text[5000];

    memset(text, '"', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    capture_open(&c, LOG_LEVEL_INFO, LOG_FORMAT_JSON, NULL);
    LOG_INFO(NULL, "a.b", "x=%s", text);
    memset(text, 'y', sizeof(text) - 1);
    LOG_INFO(NULL, "a.b", "x=%s", text);
    (void)capture_close(&c);
    IS(strlen(c.text) > 2000);
    IS(strlen(c.text) < 8000);
    HAS(c.text, "yyy\"}\n");
}

TEST(repeats_fold_into_a_count)
{
    static struct capture c;

    capture_open(&c, LOG_LEVEL_INFO, LOG_FORMAT_TEXT, NULL);
    for (int i = 0; i < 100; i++) {
        LOG_WARN(&ctx, "a.b", "x=%d", 1);
    }
    LOG_WARN(&ctx, "a.b", "x=%d", 2);
    (void)capture_close(&c);
    HAS(c.text, "a.b tenant=acme feed=invoices x=1\n");
    HAS(c.text, " info log.repeated times=99\n");
    HAS(c.text, "x=2\n");
    IS(strlen(c.text) < 300);
}

TEST(errors_and_other_tenants_do_not_fold)
{
    static struct capture c;
    struct log_ctx other = {.tenant = "other"};
    int lines = 0;

    capture_open(&c, LOG_LEVEL_INFO, LOG_FORMAT_TEXT, NULL);
    LOG_ERROR(&ctx, "a.b", "x=%d", 1);
    LOG_ERROR(&ctx, "a.b", "x=%d", 1);
    LOG_INFO(&ctx, "a.b", "x=%d", 2);
    LOG_INFO(&other, "a.b", "x=%d", 2);
    (void)capture_close(&c);
    for (const char *p = c.text; *p != '\0'; p++) {
        lines += *p == '\n' ? 1 : 0;
    }
    EQ_INT(lines, 4);
}

TEST(a_closed_descriptor_is_no_reason_to_fail)
{
    log_open(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, -1, NULL);
    LOG_ERROR(NULL, "a.b", "x=%d", 1);
}

TEST(names_of_levels_and_formats_are_read)
{
    enum log_level level;
    enum log_format format;

    OK(log_level_parse("debug", &level));
    EQ_INT(level, LOG_LEVEL_DEBUG);
    OK(log_level_parse("error", &level));
    EQ_INT(level, LOG_LEVEL_ERROR);
    EQ_ERR(log_level_parse("Debug", &level), ERR_TYPE);
    EQ_ERR(log_level_parse(NULL, &level), ERR_TYPE);
    OK(log_format_parse("json", &format));
    EQ_INT(format, LOG_FORMAT_JSON);
    OK(log_format_parse("text", &format));
    EQ_INT(format, LOG_FORMAT_TEXT);
    EQ_ERR(log_format_parse("xml", &format), ERR_TYPE);
}

SUITE(log, RUN(a_text_line_has_time_level_event_context_and_fields),
      RUN(a_json_line_has_the_same_as_strings),
      RUN(no_context_and_no_fields_are_fine),
      RUN(levels_below_the_chosen_one_are_silent),
      RUN(hostile_text_stays_in_its_line_and_its_value),
      RUN(safe_text_is_cut_between_characters),
      RUN(a_long_line_is_cut_and_ends), RUN(repeats_fold_into_a_count),
      RUN(errors_and_other_tenants_do_not_fold),
      RUN(a_closed_descriptor_is_no_reason_to_fail),
      RUN(names_of_levels_and_formats_are_read))

MAIN(log)
