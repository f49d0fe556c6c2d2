/* SPDX-License-Identifier: UNLICENSED */
/*
 * Typed getters. Missing and null are the same: absent. A wrong type is
 * ERR_TYPE with the key, what was expected and what kind of value was found;
 * never the value itself, which may be a customer's data.
 *
 * Numbers are strings in trees of jsonx_parse() and numbers in others; both are
 * read, and an integer may be written 12, 12.0 or 1.2e1.
 */
#include "ml/jsonx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *
kind_of(const json_t *v)
{
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
    case JSON_NULL: /* is absent, so nobody asks */
        break;
    }
    return "true or false";
}

static enum err
wrong(struct fault *f, const char *key, const char *expected, const json_t *v)
{
    return fault_set(
        f, ERR_TYPE, "%s: expected %s, found %s%s", key, expected,
        json_is_string(v) && !text_equal(expected, "text") ? "another " : "",
        kind_of(v));
}

/* NULL when absent. */
static const json_t *
value_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_null(v) ? NULL : v;
}

const char *
jsonx_text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

enum err
jsonx_get_text(const json_t *o, const char *key, const char **out,
               struct fault *f)
{
    const json_t *v = value_of(o, key);

    *out = NULL;
    if (v == NULL) {
        return ERR_OK;
    }
    if (!json_is_string(v)) {
        return wrong(f, key, "text", v);
    }
    *out = json_string_value(v);
    return ERR_OK;
}

static bool
to_dec(const json_t *v, struct dec *d)
{
    char digits[40];

    switch (json_typeof(v)) {
    case JSON_STRING:
        return dec_parse(json_string_value(v), json_string_length(v), d) ==
               ERR_OK;
    case JSON_INTEGER:
        (void)snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT,
                       json_integer_value(v));
        return dec_parse(digits, strlen(digits), d) == ERR_OK;
    case JSON_REAL:
        (void)snprintf(digits, sizeof(digits), "%.15g", json_real_value(v));
        return dec_parse(digits, strlen(digits), d) == ERR_OK;
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return false;
}

static bool
to_int(const json_t *v, int64_t *out)
{
    struct dec d;
    struct dec whole;
    char digits[DEC_TEXT_MAX];
    char min[24];
    char max[24];
    struct dec low;
    struct dec high;

    if (!to_dec(v, &d)) {
        return false;
    }
    whole = dec_round(d, 0);
    (void)snprintf(min, sizeof(min), "%" PRId64, INT64_MIN);
    (void)snprintf(max, sizeof(max), "%" PRId64, INT64_MAX);
    if (dec_cmp(whole, d) != 0 || dec_parse(min, strlen(min), &low) != ERR_OK ||
        dec_parse(max, strlen(max), &high) != ERR_OK ||
        dec_cmp(whole, low) < 0 || dec_cmp(whole, high) > 0) {
        return false;
    }
    return sscanf(dec_text(&whole, digits), "%" SCNd64, out) == 1;
}

enum err
jsonx_get_int(const json_t *o, const char *key, bool *has, int64_t *out,
              struct fault *f)
{
    const json_t *v = value_of(o, key);

    *has = false;
    *out = 0;
    if (v == NULL) {
        return ERR_OK;
    }
    if (!to_int(v, out)) {
        return wrong(f, key, "whole number", v);
    }
    *has = true;
    return ERR_OK;
}

enum err
jsonx_get_dec(const json_t *o, const char *key, bool *has, struct dec *out,
              struct fault *f)
{
    const json_t *v = value_of(o, key);

    *has = false;
    *out = dec_zero();
    if (v == NULL) {
        return ERR_OK;
    }
    if (!to_dec(v, out)) {
        return wrong(f, key, "number", v);
    }
    *has = true;
    return ERR_OK;
}

enum err
jsonx_get_time(const json_t *o, const char *key, bool *has, int64_t *us,
               struct fault *f)
{
    const json_t *v = value_of(o, key);

    *has = false;
    *us = 0;
    if (v == NULL) {
        return ERR_OK;
    }
    if (time_parse(json_string_value(v), json_string_length(v), us) != ERR_OK) {
        return wrong(f, key, "time stamp", v);
    }
    *has = true;
    return ERR_OK;
}

enum err
jsonx_get_bool(const json_t *o, const char *key, bool *has, bool *out,
               struct fault *f)
{
    const json_t *v = value_of(o, key);
    const char *s = json_string_value(v);

    *has = false;
    *out = false;
    if (v == NULL) {
        return ERR_OK;
    }
    if (json_is_true(v) || text_equal(s, "Y") || text_equal(s, "true")) {
        *out = true;
    } else if (!json_is_false(v) && !text_equal(s, "N") &&
               !text_equal(s, "false")) {
        return wrong(f, key, "true or false", v);
    }
    *has = true;
    return ERR_OK;
}

const json_t *
jsonx_items(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (json_is_object(v)) {
        v = json_object_get(v, "items");
    }
    return json_is_array(v) ? v : NULL;
}
