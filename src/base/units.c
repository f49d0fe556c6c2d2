/* SPDX-License-Identifier: UNLICENSED */
/*
 * Settings' quantities: durations (250ms 30s 15m 12h 400d) and sizes (4096
 * 64KiB 8MiB 1GiB). A number and its unit, nothing between, nothing around;
 * what does not fit in 64 bits is an error, never a smaller number.
 */
#include "ml/base.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest last: formatting takes the largest that divides evenly. */
static const struct unit durations[] = {
    {"ms", 1},          {"s", 1000},         {"m", 60 * 1000},
    {"h", 3600 * 1000}, {"d", 86400 * 1000},
};

static const struct unit sizes[] = {
    {"", 1},
    {"KiB", 1024},
    {"MiB", 1024 * 1024},
    {"GiB", 1024 * 1024 * 1024},
};

static enum err
parse_with(const char *s, const struct unit *units, size_t count,
           int64_t *value)
{
    int64_t v = 0;
    const char *p = s;

    if (s == NULL) {
        return ERR_TYPE;
    }
    for (; *p >= '0' && *p <= '9'; p++) {
        int digit = *p - '0';

        if (v > (INT64_MAX - digit) / 10) {
            return ERR_TYPE;
        }
        v = v * 10 + digit;
    }
    if (p == s) {
        return ERR_TYPE;
    }
    for (size_t i = 0; i < count; i++) {
        if (text_equal(p, units[i].name)) {
            if (v > INT64_MAX / units[i].factor) {
                return ERR_TYPE;
            }
            *value = v * units[i].factor;
            return ERR_OK;
        }
    }
    return ERR_TYPE;
}

enum err
duration_parse(const char *s, int64_t *ms)
{
    return parse_with(s, durations, COUNT_OF(durations), ms);
}

char *
duration_format(int64_t ms, char out[TIME_TEXT_MAX])
{
    size_t i = COUNT_OF(durations) - 1;

    while (i > 0 && ms % durations[i].factor != 0) {
        i--;
    }
    if (ms == 0) {
        i = 1;
    }
    (void)snprintf(out, TIME_TEXT_MAX, "%" PRId64 "%s",
                   ms / durations[i].factor, durations[i].name);
    return out;
}

enum err
size_parse(const char *s, uint64_t *bytes)
{
    int64_t v = 0;
    enum err err = parse_with(s, sizes, COUNT_OF(sizes), &v);

    if (err == ERR_OK) {
        *bytes = (uint64_t)v;
    }
    return err;
}
