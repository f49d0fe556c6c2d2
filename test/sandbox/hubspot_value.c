/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a property accepts, and what HubSpot keeps of it: everything is text.
 * E-mail is lower-cased, times become ISO 8601 with milliseconds and Z, dates
 * YYYY-MM-DD, numbers stay as they were written.
 *
 * A refusal carries HubSpot's code (INVALID_OPTION and so on) and a sentence.
 */
#include "hubspot.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 65536 };

const char *
value_text(struct arena *a, json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_STRING:
        return arena_strdup(a, json_string_value(v));
    case JSON_INTEGER:
        return arena_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    case JSON_REAL:
        return arena_printf(a, "%.15g", json_real_value(v));
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "";
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    return NULL;
}

static const char *
refuse(struct value_fault *f, const char *code, const char *why)
{
    f->code = code;
    f->why = why;
    return NULL;
}

/* Characters, not bytes. */
static size_t
length(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++) {
        n += ((unsigned char)*s & 0xC0U) != 0x80U;
    }
    return n;
}

static bool
is_number(const char *s)
{
    size_t digits = 0, points = 0;

    s += *s == '-' || *s == '+';
    for (; *s != '\0'; s++) {
        if (*s == '.') {
            points++;
        } else if (isdigit((unsigned char)*s)) {
            digits++;
        } else {
            return false;
        }
    }
    return digits > 0 && points <= 1;
}

static bool
is_integer(const char *s)
{
    s += *s == '-';
    return is_number(s) && strchr(s, '.') == NULL;
}

/* One @, something before it, a dotted domain of plain characters after, none
 * of a top level that nobody has. */
static bool
is_email(const char *s)
{
    static const char nobody[] = ".invalid";
    const char *at = strchr(s, '@');
    size_t n = strlen(s);
    const char *p;

    if (at == NULL || at == s || strchr(at + 1, '@') != NULL ||
        strchr(at + 1, '.') == NULL || n > 254 ||
        (n >= sizeof(nobody) &&
         strcmp(s + n + 1 - sizeof(nobody), nobody) == 0)) {
        return false;
    }
    for (p = s; *p != '\0'; p++) {
        unsigned char ch = (unsigned char)*p;

        if (ch <= ' ' || ch == ',' || ch == ';' || ch == '<' || ch == '>' ||
            ch == '"' || ch == 0x7f) {
            return false;
        }
        if (p > at && !isalnum(ch) && ch != '.' && ch != '-' && ch < 0x80) {
            return false;
        }
    }
    return at[1] != '.' && p[-1] != '.' && strstr(s, "..") == NULL;
}

static const char *
check_email(struct hub_call *c, const char *s, struct value_fault *f)
{
    char *low;
    char *p;

    if (!is_email(s)) {
        return refuse(
            f, "INVALID_EMAIL",
            arena_printf(&c->arena, "Email address %s is invalid", s));
    }
    low = arena_strdup(&c->arena, s);
    for (p = low; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    return low;
}

static const char *
check_option(struct hub_call *c, const struct hub_prop *prop, const char *s,
             struct value_fault *f)
{
    char *list;

    if (map_get(prop->options, s) != NULL) {
        return s;
    }
    list = json_dumps(json_object_get(prop->def, "options"), JSON_COMPACT);
    f->code =
        prop->kind == KIND_BOOL ? "INVALID_BOOLEAN_OPTION" : "INVALID_OPTION";
    f->why = arena_printf(&c->arena,
                          "%s was not one of the allowed options: %.2000s", s,
                          list != NULL ? list : "[]");
    mem_free(list);
    return NULL;
}

static const char *
check_multi(struct hub_call *c, const struct hub_prop *prop, const char *s,
            struct value_fault *f)
{
    char *copy = arena_strdup(&c->arena, s[0] == ';' ? s + 1 : s);
    char *part = copy;
    char *semi;

    do {
        semi = strchr(part, ';');
        if (semi != NULL) {
            *semi = '\0';
        }
        if (check_option(c, prop, part, f) == NULL) {
            return NULL;
        }
        part = semi == NULL ? NULL : semi + 1;
    } while (part != NULL);
    return s[0] == ';' ? s + 1 : s;
}

/* Milliseconds since 1970, or a text; to the year 9999. */
static bool
parse_time(const char *s, int64_t *us)
{
    static const int64_t last_ms = INT64_C(253402300799999);
    long long ms;

    if (!is_integer(s)) {
        return time_parse(s, strlen(s), us) == ERR_OK;
    }
    ms = strtoll(s, NULL, 10);
    if (ms > last_ms || ms < -last_ms) {
        return false;
    }
    *us = (int64_t)ms * 1000;
    return true;
}

static const char *
check_time(struct hub_call *c, const struct hub_prop *prop, const char *s,
           struct value_fault *f)
{
    static const int64_t day = INT64_C(86400000000);
    char at[TIME_TEXT_MAX];
    bool date = prop->kind == KIND_DATE;
    int64_t us;

    if (!parse_time(s, &us) || (date && !is_integer(s) && strlen(s) != 10)) {
        return refuse(f, "INVALID_DATE",
                      arena_printf(&c->arena, "%s was not a valid %s.", s,
                                   date ? "date" : "long"));
    }
    if (date && us % day != 0) {
        return refuse(f, "INVALID_DATE",
                      arena_printf(&c->arena,
                                   "%s is at %" PRId64 ", not midnight!", s,
                                   us % day / 1000));
    }
    return arena_strdup(&c->arena,
                        date ? time_format_date(us, at) : time_format(us, at));
}

static bool
currency_prop(const struct hub_prop *prop)
{
    return strcmp(prop->name, "hs_currency") == 0 ||
           strcmp(prop->name, "hs_currency_code") == 0 ||
           strcmp(prop->name, "hs_line_item_currency_code") == 0;
}

static const char *
check_currency(struct hub_call *c, const char *s, struct value_fault *f)
{
    json_t *v;
    size_t i;

    json_array_foreach(c->po->currencies, i, v)
    {
        if (!c->po->sw.currency_checked ||
            strcmp(json_string_value(v), s) == 0) {
            return s;
        }
    }
    return refuse(f, "INVALID_OPTION",
                  arena_printf(&c->arena,
                               "%s is not one of the account's currencies", s));
}

static const char *
check_number(struct hub_call *c, const char *s, struct value_fault *f)
{
    if (!is_number(s)) {
        return refuse(f, "INVALID_LONG",
                      arena_printf(&c->arena, "%s was not a valid number.", s));
    }
    return s;
}

const char *
value_check(struct hub_call *c, const struct hub_prop *prop, const char *text,
            struct value_fault *f)
{
    if (text[0] == '\0') {
        return text;
    }
    if (currency_prop(prop)) {
        return check_currency(c, text, f);
    }
    switch (prop->kind) {
    case KIND_STRING:
        if (length(text) > TEXT_MAX) {
            return refuse(f, "PROPERTY_VALUE_TOO_LONG",
                          "The value is longer than 65536 characters");
        }
        return text;
    case KIND_EMAIL:
        return check_email(c, text, f);
    case KIND_NUMBER:
        return check_number(c, text, f);
    case KIND_BOOL:
    case KIND_ENUM:
        return check_option(c, prop, text, f);
    case KIND_MULTI:
        return check_multi(c, prop, text, f);
    case KIND_DATE:
    case KIND_DATETIME:
        return check_time(c, prop, text, f);
    }
    return text;
}
