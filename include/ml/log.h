/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_LOG_H
#define ML_LOG_H

/*
 * log: events with fields, one line each on stderr.
 *
 *     LOG_INFO(&s->log, "feed.page", "records=%zu ms=%" PRId64, n, ms);
 *
 * The event name is a row of event.def; the text after it is `key=value` words.
 * A value that may hold blanks is written key="%s" with log_safe() around it.
 * error: someone must act; warn: degraded; info: what an operator would ask;
 * debug: per request. Payloads and secrets at no level.
 */
#include "ml/base.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Who speaks: added to each line. Texts are borrowed; NULL fields are left
 * out. */
struct log_ctx {
    const char *tenant;
    const char *feed;
    const char *run;
};

/* Process-wide. Before log_open(): info, text. `fd` is borrowed (2). */
void log_open(enum log_level level, enum log_format format, int fd,
              const char *worker);
bool log_enabled(enum log_level level);
/* "error" "warn" "info" "debug"; "text" "json". ERR_TYPE for another. */
MUST_USE enum err log_level_parse(const char *name, enum log_level *level);
MUST_USE enum err log_format_parse(const char *name, enum log_format *format);
void log_event(const struct log_ctx *ctx, enum log_level level,
               const char *event, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Makes outside text fit for a quoted value: quotes and control characters
 * replaced, cut. Gives out. */
enum { LOG_TEXT_MAX = 256 };
const char *log_safe(char out[LOG_TEXT_MAX], const char *s);

#define LOG_AT(level, ctx, event, ...)                                         \
    do {                                                                       \
        if (log_enabled(level)) {                                              \
            log_event(ctx, level, event, __VA_ARGS__);                         \
        }                                                                      \
    } while (0)
#define LOG_ERROR(ctx, event, ...)                                             \
    LOG_AT(LOG_LEVEL_ERROR, ctx, event, __VA_ARGS__)
#define LOG_WARN(ctx, event, ...)                                              \
    LOG_AT(LOG_LEVEL_WARN, ctx, event, __VA_ARGS__)
#define LOG_INFO(ctx, event, ...)                                              \
    LOG_AT(LOG_LEVEL_INFO, ctx, event, __VA_ARGS__)
#define LOG_DEBUG(ctx, event, ...)                                             \
    LOG_AT(LOG_LEVEL_DEBUG, ctx, event, __VA_ARGS__)

#endif
