/* SPDX-License-Identifier: UNLICENSED */
/*
 * format: one value to another. Scalars of a row to text, text to the form
 * that HubSpot takes. Every function is pure and gives NULL (or MAP_WRONG) for
 * what does not fit; what that means for the record is its caller's business.
 * Money goes digit by digit through struct dec, never through a double.
 */
#include <string.h>

#include "map_priv.h"

enum {
    TEXT_UNITS_MAX = 65536, /* HubSpot's longest string property */
    EMAIL_MAX = 254,        /* RFC 5321: path of 256 less its brackets */
    LOCAL_MAX = 64,
    LABEL_MAX = 63,
    HOST_MAX = 253
};

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char
upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static void
trim(const char **s, size_t *n)
{
    while (*n > 0 && is_blank(**s)) {
        (*s)++;
        (*n)--;
    }
    while (*n > 0 && is_blank((*s)[*n - 1])) {
        (*n)--;
    }
}

const char *
map_type_name(const json_t *v)
{
    if (v == NULL) {
        return "nothing";
    }
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "text";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        return "null";
    default:
        return "nothing";
    }
}

enum map_found
map_scalar(struct arena *a, const json_t *v, const char **text, size_t *n)
{
    char number[64];
    const char *s;
    size_t len;

    *text = NULL;
    *n = 0;
    if (v == NULL || json_is_null(v)) {
        return MAP_ABSENT;
    }
    if (json_is_boolean(v)) {
        *text = json_is_true(v) ? "true" : "false";
        *n = strlen(*text);
        return MAP_VALUE;
    }
    if (json_is_number(v)) {
        len = json_dumpb(v, number, sizeof(number),
                         JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        ML_ASSERT(len < sizeof(number));
        *text = arena_strndup(a, number, len);
        *n = len;
        return MAP_VALUE;
    }
    if (!json_is_string(v)) {
        return MAP_WRONG;
    }
    s = json_string_value(v);
    len = json_string_length(v);
    *text = s;
    *n = len;
    trim(&s, &len);
    return len == 0 ? MAP_ABSENT : MAP_VALUE;
}

const json_t *
map_path(const json_t *row, const char *path)
{
    const char *dot = strchr(path, '.');
    const json_t *child;
    const json_t *items;
    char name[128];
    size_t n;

    if (dot == NULL) {
        return json_object_get(row, path);
    }
    n = (size_t)(dot - path);
    if (n >= sizeof(name)) {
        return NULL;
    }
    memcpy(name, path, n);
    name[n] = '\0';
    child = json_object_get(row, name);
    items = json_object_get(child, "items");
    if (items != NULL) {
        child = items;
    }
    if (json_is_array(child)) {
        child = json_array_get(child, 0);
    }
    return map_path(child, dot + 1);
}

/* The length of the UTF-8 sequence that c begins, 1 for a stray byte. */
static size_t
sequence(unsigned char c)
{
    if (c >= 0xF0) {
        return 4;
    }
    if (c >= 0xE0) {
        return 3;
    }
    return c >= 0xC0 ? 2 : 1;
}

/* Without NUL, cut to what HubSpot holds, counted in UTF-16 units so that the
 * cut is safe whichever unit it counts. */
static const char *
as_text(struct arena *a, const char *s, size_t n)
{
    char *out = arena_alloc(a, n + 1);
    size_t units = 0;
    size_t len = 0;
    size_t i = 0;

    while (i < n) {
        size_t step = sequence((unsigned char)s[i]);

        step = step > n - i ? n - i : step;
        if (s[i] != '\0') {
            units += step == 4 ? 2 : 1;
            if (units > TEXT_UNITS_MAX) {
                break;
            }
            memcpy(out + len, s + i, step);
            len += step;
        }
        i += step;
    }
    out[len] = '\0';
    return len > 0 ? out : NULL;
}

static const char *
as_date(struct arena *a, const char *s, size_t n, const char *tail)
{
    int64_t us;

    trim(&s, &n);
    if (time_parse(s, n, &us) != ERR_OK || n < 10) {
        return NULL;
    }
    return arena_printf(a, "%.10s%s", s, tail);
}

static const char *
as_time(struct arena *a, const char *s, size_t n)
{
    char text[TIME_TEXT_MAX];
    int64_t us;

    trim(&s, &n);
    if (time_parse(s, n, &us) != ERR_OK) {
        return NULL;
    }
    return arena_strdup(a, time_format(us, text));
}

static const char *
as_decimal(struct arena *a, const char *s, size_t n)
{
    char text[DEC_TEXT_MAX];
    struct dec d;

    trim(&s, &n);
    if (dec_parse(s, n, &d) != ERR_OK) {
        return NULL;
    }
    return arena_strdup(a, dec_text(&d, text));
}

static const char *
as_boolean(const char *s, size_t n)
{
    static const char *const words[] = {"true", "yes", "y", "false", "no", "n"};

    trim(&s, &n);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        size_t same = 0;

        while (same < n && lower(s[same]) == words[i][same]) {
            same++;
        }
        if (same == n && words[i][same] == '\0') {
            return i < 3 ? "true" : "false";
        }
    }
    return NULL;
}

static bool
is_host(const char *s, size_t n)
{
    size_t label = 0;
    size_t dots = 0;
    bool letters = false;

    if (n == 0 || n > HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.') {
            if (label == 0 || s[i - 1] == '-') {
                return false;
            }
            label = 0;
            letters = false;
            dots++;
            continue;
        }
        if (!is_letter(s[i]) && !is_digit(s[i]) && s[i] != '-') {
            return false;
        }
        if ((s[i] == '-' && label == 0) || ++label > LABEL_MAX) {
            return false;
        }
        letters = letters || is_letter(s[i]);
    }
    return dots > 0 && label >= 2 && letters && s[n - 1] != '-';
}

static bool
is_local(const char *s, size_t n)
{
    if (n == 0 || n > LOCAL_MAX || s[0] == '.' || s[n - 1] == '.') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.' && s[i - 1] == '.') {
            return false;
        }
        if (!is_letter(s[i]) && !is_digit(s[i]) &&
            memchr("!#$%&'*+-/=?^_`{|}~.", s[i], 20) == NULL) {
            return false;
        }
    }
    return true;
}

static const char *
one_email(struct arena *a, const char *s, size_t n)
{
    const char *at;
    char *out;

    trim(&s, &n);
    at = n > 0 ? memchr(s, '@', n) : NULL;
    if (at == NULL || n > EMAIL_MAX || !is_local(s, (size_t)(at - s)) ||
        !is_host(at + 1, (size_t)(s + n - at - 1))) {
        return NULL;
    }
    out = arena_strndup(a, s, n);
    for (size_t i = 0; i < n; i++) {
        out[i] = lower(out[i]);
    }
    return out;
}

/* The first good one of a list: Fusion holds several in one field. */
static const char *
as_email(struct arena *a, const char *s, size_t n)
{
    const char *found = NULL;
    size_t i = 0;

    while (found == NULL && i < n) {
        size_t end = i;

        while (end < n && s[end] != ',' && s[end] != ';') {
            end++;
        }
        found = one_email(a, s + i, end - i);
        i = end + 1;
    }
    return found;
}

static const char *
as_domain(struct arena *a, const char *s, size_t n)
{
    const char *mark;
    char *out;

    trim(&s, &n);
    for (size_t i = 0; i + 2 < n; i++) {
        if (s[i] == ':' && s[i + 1] == '/' && s[i + 2] == '/') {
            n -= i + 3;
            s += i + 3;
            break;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '/' || s[i] == '?' || s[i] == '#') {
            n = i;
        }
    }
    mark = n > 0 ? memchr(s, '@', n) : NULL;
    if (mark != NULL) {
        n -= (size_t)(mark + 1 - s);
        s = mark + 1;
    }
    mark = n > 0 ? memchr(s, ':', n) : NULL;
    n = mark != NULL ? (size_t)(mark - s) : n;
    n -= n > 0 && s[n - 1] == '.' ? 1 : 0;
    out = arena_strndup(a, n > 0 ? s : "", n);
    for (size_t i = 0; i < n; i++) {
        out[i] = lower(out[i]);
    }
    out += text_has_prefix(out, "www.") ? 4 : 0;
    return is_host(out, strlen(out)) ? out : NULL;
}

static const char *
as_currency(struct arena *a, const char *s, size_t n)
{
    char *out;

    trim(&s, &n);
    if (n != 3 || !is_letter(s[0]) || !is_letter(s[1]) || !is_letter(s[2])) {
        return NULL;
    }
    out = arena_strndup(a, s, n);
    for (size_t i = 0; i < n; i++) {
        out[i] = upper(out[i]);
    }
    return out;
}

const char *
map_format(struct arena *a, enum map_format f, const char *text, size_t n)
{
    switch (f) {
    case MAP_AS_TEXT:
    case MAP_AS_KEY:
        return as_text(a, text, n);
    case MAP_AS_DATE:
        return as_date(a, text, n, "T00:00:00Z");
    case MAP_AS_DAY:
        return as_date(a, text, n, "");
    case MAP_AS_TIME:
        return as_time(a, text, n);
    case MAP_AS_AMOUNT:
    case MAP_AS_NUMBER:
        return as_decimal(a, text, n);
    case MAP_AS_BOOLEAN:
        return as_boolean(text, n);
    case MAP_AS_EMAIL:
        return as_email(a, text, n);
    case MAP_AS_DOMAIN:
        return as_domain(a, text, n);
    case MAP_AS_CURRENCY:
        return as_currency(a, text, n);
    case MAP_AS_METHOD:
        text = as_text(a, text, n);
        return text != NULL ? map_method(text) : NULL;
    case MAP_FORMATS:
        break;
    }
    return NULL;
}

int
map_id_cmp(const char *a, const char *b)
{
    size_t na;
    size_t nb;

    if (a == NULL || b == NULL) {
        return (a == NULL) - (b == NULL); /* none comes last */
    }
    na = strlen(a);
    nb = strlen(b);
    if (na != nb) {
        return na < nb ? -1 : 1;
    }
    return strcmp(a, b);
}
