/* SPDX-License-Identifier: UNLICENSED */
/*
 * equal: what the dispatcher asks about properties. Their hash, and whether
 * what HubSpot holds is what is wanted: HubSpot gives numbers, instants and
 * addresses back in a form of its own, so these are compared by value. A
 * property we do not know (a tenant's own) is equal when its text is, or its
 * number, or its instant.
 */
#include <stdlib.h>
#include <string.h>

#include "map_priv.h"

enum { HASHED_MAX = 64 * 1024 * 1024 };

static int
by_key(const void *va, const void *vb)
{
    const char *const *a = va;
    const char *const *b = vb;

    return strcmp(*a, *b);
}

static void
put_sorted(const json_t *properties, struct buf *out)
{
    size_t n = json_object_size(properties);
    const char **keys = mem_array(n + 1, sizeof(*keys));
    struct jsonx_writer w;
    const char *key;
    json_t *value;
    size_t i = 0;

    /* jansson's iteration takes no const, and changes nothing. */
    json_object_foreach((json_t *)(uintptr_t)properties, key, value)
    {
        keys[i++] = key;
    }
    qsort(keys, n, sizeof(*keys), by_key);
    jsonx_begin(&w, out);
    jsonx_open(&w, '{');
    for (i = 0; i < n; i++) {
        if (strcmp(keys[i], "fusion_last_update") != 0) {
            jsonx_key(&w, keys[i]);
            jsonx_put_json(&w, json_object_get(properties, keys[i]));
        }
    }
    jsonx_close(&w, '}');
    mem_free(keys);
}

struct hash
map_properties_hash_of(const json_t *properties)
{
    struct hash h;
    struct buf b;

    buf_init(&b, HASHED_MAX);
    put_sorted(properties, &b);
    h = hash_sha256(buf_text(&b), b.len);
    buf_fini(&b);
    return h;
}

struct hash
map_properties_hash(const char *properties)
{
    json_t *tree = NULL;
    struct fault f = {0};
    struct hash h;

    if (jsonx_parse(properties, strlen(properties), &tree, &f) == ERR_OK &&
        json_is_object(tree)) {
        h = map_properties_hash_of(tree);
    } else { /* never equal to any object's */
        h = hash_sha256(properties, strlen(properties));
    }
    json_decref(tree);
    return h;
}

static bool
same_decimal(const char *a, const char *b)
{
    struct dec x;
    struct dec y;

    return dec_parse(a, strlen(a), &x) == ERR_OK &&
           dec_parse(b, strlen(b), &y) == ERR_OK && dec_cmp(x, y) == 0;
}

/* ISO, or HubSpot's milliseconds since 1970. */
static bool
instant(const char *s, int64_t *us)
{
    size_t n = strlen(s);
    size_t sign = s[0] == '-' ? 1 : 0;

    if (n > sign && n < 16 && strspn(s + sign, "0123456789") == n - sign) {
        *us = strtoll(s, NULL, 10) * 1000;
        return true;
    }
    return time_parse(s, n, us) == ERR_OK;
}

/* HubSpot keeps milliseconds. */
static bool
same_instant(const char *a, const char *b)
{
    int64_t x;
    int64_t y;

    return instant(a, &x) && instant(b, &y) && x / 1000 == y / 1000;
}

static bool
same_letters(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        char x = *a >= 'A' && *a <= 'Z' ? (char)(*a - 'A' + 'a') : *a;
        char y = *b >= 'A' && *b <= 'Z' ? (char)(*b - 'A' + 'a') : *b;

        if (x != y) {
            return false;
        }
    }
    return *a == *b;
}

static bool
same_value(char type, const char *wanted, const char *found)
{
    if (strcmp(wanted, found) == 0) {
        return true;
    }
    switch (type) {
    case 'n':
        return same_decimal(wanted, found);
    case 't':
        return same_instant(wanted, found);
    case 'e':
        return same_letters(wanted, found);
    case 's':
        return false;
    default:
        return same_decimal(wanted, found) || same_instant(wanted, found);
    }
}

bool
map_properties_equal(enum map_object o, const json_t *wanted,
                     const json_t *found)
{
    struct arena a;
    const char *name;
    json_t *value;
    bool equal = json_is_object(wanted);

    arena_init(&a);
    json_object_foreach((json_t *)(uintptr_t)wanted, name, value)
    {
        const char *want;
        const char *have;
        size_t n;

        if (strcmp(name, "fusion_last_update") == 0) {
            continue;
        }
        (void)map_scalar(&a, value, &want, &n);
        (void)map_scalar(&a, json_object_get(found, name), &have, &n);
        if (!same_value(map_property_type(o, name), want != NULL ? want : "",
                        have != NULL ? have : "")) {
            equal = false;
            break;
        }
    }
    arena_fini(&a);
    return equal;
}
