/* SPDX-License-Identifier: UNLICENSED */
/*
 * Log events: one line each, in one write(), so that lines of threads and
 * processes sharing the descriptor do not mix.
 *
 *     text  2026-01-31T12:00:00.000Z info feed.page tenant=acme records=3
 *     json  {"time":"...","level":"info","event":"feed.page","tenant":"acme",
 *            "records":"3"}
 *
 * The caller formats its fields as `key=value` or `key="value"` words; for JSON
 * they are taken apart again. Field values are JSON strings throughout. A line
 * is at most 4 KiB, cut at the end of a character, always one line, always
 * valid UTF-8.
 *
 * Repeats fold: the same event of the same tenant, feed and fields, again and
 * again within five seconds, is written once; the next different line is
 * preceded by a count. Errors are never folded.
 */
#include "ml/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, FIELDS_MAX = 2048 };
#define FOLD_US INT64_C(5000000)

static struct {
    enum log_level level;
    enum log_format format;
    int fd;
    char worker[128];
    /* the last line written, for folding */
    char last[FIELDS_MAX + 512];
    int64_t last_at_us;
    uint64_t folded;
} state = {.level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT, .fd = 2};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void
log_open(enum log_level level, enum log_format format, int fd,
         const char *worker)
{
    (void)pthread_mutex_lock(&lock);
    state.level = level;
    state.format = format;
    state.fd = fd;
    (void)snprintf(state.worker, sizeof(state.worker), "%s",
                   worker != NULL ? worker : "");
    state.last[0] = '\0';
    state.folded = 0;
    (void)pthread_mutex_unlock(&lock);
}

bool
log_enabled(enum log_level level)
{
    return level <= state.level;
}

enum err
log_level_parse(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (text_equal(name, level_names[i])) {
            *level = (enum log_level)i;
            return ERR_OK;
        }
    }
    return ERR_TYPE;
}

enum err
log_format_parse(const char *name, enum log_format *format)
{
    if (text_equal(name, "text")) {
        *format = LOG_FORMAT_TEXT;
        return ERR_OK;
    }
    if (text_equal(name, "json")) {
        *format = LOG_FORMAT_JSON;
        return ERR_OK;
    }
    return ERR_TYPE;
}

/* The length of s without the 0 to 3 bytes of a character cut in two; when
 * that does not make it UTF-8, every byte beyond ASCII becomes a question
 * mark. */
static size_t
make_utf8(char *s, size_t n)
{
    for (size_t cut = 0; cut < 4 && cut <= n; cut++) {
        if (cut > 0 && (unsigned char)s[n - cut] < 0x80) {
            break;
        }
        if (text_is_utf8(s, n - cut)) {
            return n - cut;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)s[i] >= 0x80) {
            s[i] = '?';
        }
    }
    return n;
}

const char *
log_safe(char out[LOG_TEXT_MAX], const char *s)
{
    size_t n = 0;

    for (; s != NULL && *s != '\0' && n < LOG_TEXT_MAX - 1; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"') {
            out[n++] = '\'';
        } else {
            out[n++] = (char)(c < 0x20 || c == 0x7f || c == '\\' ? ' ' : c);
        }
    }
    out[make_utf8(out, n)] = '\0';
    return out;
}

/* Appends a JSON string. The text has passed make_printable(). */
static void
add_json_text(struct buf *b, const char *s, size_t n)
{
    buf_addc(b, '"');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\') {
            buf_addc(b, '\\');
        }
        buf_addc(b, s[i]);
    }
    buf_addc(b, '"');
}

static void
add_json_field(struct buf *b, const char *key, size_t key_len,
               const char *value, size_t value_len)
{
    buf_addc(b, ',');
    add_json_text(b, key, key_len);
    buf_addc(b, ':');
    add_json_text(b, value, value_len);
}

/* Takes `key=value key="va lue"` apart. A word without = becomes "text". */
static void
add_json_words(struct buf *b, const char *s)
{
    while (*s != '\0') {
        size_t word = strcspn(s, " ");
        size_t key = strcspn(s, "= ");
        const char *value = s + key + 1;
        size_t len;

        if (word == 0) {
            s++;
            continue;
        }
        if (key >= word) {
            add_json_field(b, "text", 4, s, word);
            s += word;
            continue;
        }
        if (*value == '"') {
            value++;
            len = strcspn(value, "\"");
            add_json_field(b, s, key, value, len);
            s = value + len + (value[len] == '"' ? 1 : 0);
        } else {
            len = strcspn(value, " ");
            add_json_field(b, s, key, value, len);
            s = value + len;
        }
    }
}

static void
add_text_field(struct buf *b, const char *key, const char *value)
{
    bool quoted = value[strcspn(value, " =")] != '\0' || value[0] == '\0';

    buf_addf(b, quoted ? " %s=\"%s\"" : " %s=%s", key, value);
}

static void
add_context(struct buf *b, const char *key, const char *value)
{
    char safe[LOG_TEXT_MAX];

    if (value == NULL || value[0] == '\0') {
        return;
    }
    value = log_safe(safe, value);
    if (state.format == LOG_FORMAT_JSON) {
        add_json_field(b, key, strlen(key), value, strlen(value));
    } else {
        add_text_field(b, key, value);
    }
}

/* One line, printable, UTF-8: what a careless %s could have let in. */
static void
make_printable(char *s)
{
    s[make_utf8(s, strlen(s))] = '\0';
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            *s = ' ';
        }
    }
}

static void
write_all(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t put = write(state.fd, p, n);

        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return; /* nobody to tell */
        }
        p += put;
        n -= (size_t)put;
    }
}

static void
write_line(const struct log_ctx *ctx, enum log_level level, const char *event,
           const char *fields)
{
    struct buf b;
    char when[TIME_TEXT_MAX];

    buf_init(&b, (size_t)LINE_MAX_BYTES * 2);
    (void)time_format(clock_wall_us(), when);
    if (state.format == LOG_FORMAT_JSON) {
        buf_addf(&b, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", when,
                 level_names[level], event);
    } else {
        buf_addf(&b, "%s %s %s", when, level_names[level], event);
    }
    add_context(&b, "worker", state.worker);
    if (ctx != NULL) {
        add_context(&b, "tenant", ctx->tenant);
        add_context(&b, "feed", ctx->feed);
        add_context(&b, "run", ctx->run);
    }
    if (state.format == LOG_FORMAT_JSON) {
        add_json_words(&b, fields);
        buf_addc(&b, '}');
    } else if (fields[0] != '\0') {
        buf_addf(&b, " %s", fields);
    }
    buf_addc(&b, '\n');
    write_all(buf_text(&b), b.len);
    buf_fini(&b);
}

/* Whether this line only repeats the last one. Remembers it else. */
static bool
is_repeat(const struct log_ctx *ctx, enum log_level level, const char *event,
          const char *fields)
{
    char line[sizeof(state.last)];
    int64_t now = clock_mono_us();

    (void)snprintf(line, sizeof(line), "%s %.80s %.80s %s", event,
                   ctx != NULL && ctx->tenant != NULL ? ctx->tenant : "",
                   ctx != NULL && ctx->feed != NULL ? ctx->feed : "", fields);
    if (level != LOG_LEVEL_ERROR && strcmp(line, state.last) == 0 &&
        now - state.last_at_us < FOLD_US) {
        return true;
    }
    memcpy(state.last, line, sizeof(line));
    state.last_at_us = now;
    return false;
}

void
log_event(const struct log_ctx *ctx, enum log_level level, const char *event,
          const char *fmt, ...)
{
    char fields[FIELDS_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(fields, sizeof(fields), fmt, ap);
    va_end(ap);
    make_printable(fields);
    (void)pthread_mutex_lock(&lock);
    if (is_repeat(ctx, level, event, fields)) {
        state.folded++;
    } else {
        if (state.folded > 0) {
            char count[48];

            (void)snprintf(count, sizeof(count), "times=%llu",
                           (unsigned long long)state.folded);
            state.folded = 0;
            write_line(NULL, LOG_LEVEL_INFO, "log.repeated", count);
        }
        write_line(ctx, level, event, fields);
    }
    (void)pthread_mutex_unlock(&lock);
}
