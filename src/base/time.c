/* SPDX-License-Identifier: UNLICENSED */
/*
 * Time stamps: microseconds since 1970 UTC to and from text, in the proleptic
 * Gregorian calendar, years 0000 to 9999 when parsed: also in UTC, so that what
 * was parsed can be written again.
 *
 * Parsing is generous in form (blank for T, no fraction or up to nine digits,
 * any offset, none at all, a bare date) and strict in content: a date that does
 * not exist, an hour past 23, anything before or after the time stamp is an
 * error. Digits past the microsecond are dropped, never rounded, so that a
 * parsed time is never later than the written one. A leap second is accepted
 * where it can be, as the last second of a UTC day, and is the next midnight.
 */
#include "ml/base.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define DAY_S INT64_C(86400)
#define FIRST_S INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define LAST_S INT64_C(253402300799)  /* 9999-12-31T23:59:59Z */

struct civil {
    int64_t year;
    int month, day, hour, minute, second;
    int64_t us;
};

/* Days since 1970-01-01; the year is counted from March so that the leap day
 * is its last. */
static int64_t
days_of(int64_t year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
    int64_t leap_days = year_of_era / 4 - year_of_era / 100;

    return era * 146097 + year_of_era * 365 + leap_days + day_of_year - 719468;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

static struct civil
civil_of(int64_t us)
{
    struct civil c;
    int64_t s = floor_div(us, SECOND_US);
    int64_t days = floor_div(s, DAY_S);
    int64_t of_day = s - days * DAY_S;
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t m = (5 * doy + 2) / 153;

    c.us = us - s * SECOND_US;
    c.day = (int)(doy - (153 * m + 2) / 5 + 1);
    c.month = (int)(m < 10 ? m + 3 : m - 9);
    c.year = yoe + era * 400 + (c.month <= 2 ? 1 : 0);
    c.hour = (int)(of_day / 3600);
    c.minute = (int)(of_day / 60 % 60);
    c.second = (int)(of_day % 60);
    return c;
}

static int
days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool
is_valid(const struct civil *c)
{
    return c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= days_in_month(c->year, c->month) && c->hour <= 23 &&
           c->minute <= 59 && c->second <= 60;
}

/* Seconds since 1970 as written, the offset not yet taken off. */
static int64_t
seconds_of(const struct civil *c)
{
    return days_of(c->year, c->month, c->day) * DAY_S + c->hour * 3600 +
           c->minute * 60 + c->second;
}

/* Reading position in a text that need not end with a NUL. */
struct cursor {
    const char *p, *end;
};

static bool
take(struct cursor *c, const char *any_of)
{
    if (c->p == c->end || *c->p == '\0' || strchr(any_of, *c->p) == NULL) {
        return false;
    }
    c->p++;
    return true;
}

static bool
take_digits(struct cursor *c, int n, int *value)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        if (c->p == c->end || *c->p < '0' || *c->p > '9') {
            return false;
        }
        v = v * 10 + (*c->p++ - '0');
    }
    *value = v;
    return true;
}

static bool
take_date(struct cursor *c, struct civil *t)
{
    int year;

    if (!take_digits(c, 4, &year) || !take(c, "-") ||
        !take_digits(c, 2, &t->month) || !take(c, "-") ||
        !take_digits(c, 2, &t->day)) {
        return false;
    }
    t->year = year;
    return true;
}

static bool
take_clock(struct cursor *c, struct civil *t)
{
    return take_digits(c, 2, &t->hour) && take(c, ":") &&
           take_digits(c, 2, &t->minute) && take(c, ":") &&
           take_digits(c, 2, &t->second);
}

/* Up to nine digits, of which six count. */
static bool
take_fraction(struct cursor *c, int64_t *us)
{
    int64_t weight = SECOND_US;
    int digits = 0;
    int d;

    while (take_digits(c, 1, &d)) {
        weight /= 10;
        *us += d * weight;
        digits++;
    }
    return digits >= 1 && digits <= 9;
}

/* Z, +hh:mm, +hhmm, +hh or nothing, in seconds east of UTC. */
static bool
take_offset(struct cursor *c, int *offset_s)
{
    int sign = c->p < c->end && *c->p == '-' ? -1 : 1;
    int hours;
    int minutes = 0;

    *offset_s = 0;
    if (c->p == c->end || take(c, "Zz")) {
        return true;
    }
    if (!take(c, "+-") || !take_digits(c, 2, &hours)) {
        return false;
    }
    if (c->p < c->end) {
        (void)take(c, ":");
        if (!take_digits(c, 2, &minutes)) {
            return false;
        }
    }
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return hours <= 23 && minutes <= 59;
}

static enum err
to_us(const struct civil *t, int offset_s, int64_t *us)
{
    int64_t s;

    if (!is_valid(t)) {
        return ERR_TYPE;
    }
    s = seconds_of(t) - offset_s;
    if ((t->second == 60 && s % DAY_S != 0) || s < FIRST_S || s > LAST_S) {
        return ERR_TYPE;
    }
    *us = s * SECOND_US + t->us;
    return ERR_OK;
}

enum err
time_parse(const char *s, size_t n, int64_t *us)
{
    struct cursor c = {s, s};
    struct civil t = {0};
    int offset_s = 0;

    if (s == NULL) {
        return ERR_TYPE;
    }
    c.end = s + n;
    if (!take_date(&c, &t)) {
        return ERR_TYPE;
    }
    if (c.p < c.end) {
        if (!take(&c, "Tt ") || !take_clock(&c, &t) ||
            (take(&c, ".") && !take_fraction(&c, &t.us)) ||
            !take_offset(&c, &offset_s) || c.p != c.end) {
            return ERR_TYPE;
        }
    }
    return to_us(&t, offset_s, us);
}

/* One of `count` three-letter names packed in a text: 1-based, 0 for none. */
static int
take_name(struct cursor *c, const char *names, int count)
{
    if (c->end - c->p < 3) {
        return 0;
    }
    for (int i = 0; i < count; i++) {
        if (memcmp(c->p, names + (ptrdiff_t)i * 3, 3) == 0) {
            c->p += 3;
            return i + 1;
        }
    }
    return 0;
}

enum err
time_parse_http(const char *s, int64_t *us)
{
    struct cursor c = {s, s};
    struct civil t = {0};
    int year = 0;

    if (s == NULL) {
        return ERR_TYPE;
    }
    c.end = s + strlen(s);
    if (take_name(&c, "MonTueWedThuFriSatSun", 7) == 0 || !take(&c, ",") ||
        !take(&c, " ") || !take_digits(&c, 2, &t.day) || !take(&c, " ")) {
        return ERR_TYPE;
    }
    t.month = take_name(&c, "JanFebMarAprMayJunJulAugSepOctNovDec", 12);
    if (!take(&c, " ") || !take_digits(&c, 4, &year) || !take(&c, " ") ||
        !take_clock(&c, &t) || !text_equal(c.p, " GMT")) {
        return ERR_TYPE;
    }
    t.year = year;
    return to_us(&t, 0, us);
}

char *
time_format_date(int64_t us, char out[TIME_TEXT_MAX])
{
    struct civil c = civil_of(us);

    (void)snprintf(out, TIME_TEXT_MAX, "%04lld-%02u-%02u", (long long)c.year,
                   (unsigned)c.month % 100, (unsigned)c.day % 100);
    return out;
}

static char *
put_digits(char *at, unsigned long value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; value /= 10) {
        at[i] = (char)('0' + value % 10);
    }
    return at + digits;
}

/* The date, the clock, and `digits` digits of the fraction. */
static char *
format_full(int64_t us, long long fraction, unsigned digits, char *out)
{
    struct civil c = civil_of(us);
    char *at = out + strlen(time_format_date(us, out));

    *at++ = 'T';
    at = put_digits(at, (unsigned long)c.hour, 2);
    *at++ = ':';
    at = put_digits(at, (unsigned long)c.minute, 2);
    *at++ = ':';
    at = put_digits(at, (unsigned long)c.second, 2);
    *at++ = '.';
    at = put_digits(at, (unsigned long)fraction, digits);
    *at++ = 'Z';
    *at = '\0';
    return out;
}

char *
time_format(int64_t us, char out[TIME_TEXT_MAX])
{
    return format_full(us, (long long)civil_of(us).us / 1000, 3, out);
}

char *
time_format_us(int64_t us, char out[TIME_TEXT_MAX])
{
    return format_full(us, (long long)civil_of(us).us, 6, out);
}
