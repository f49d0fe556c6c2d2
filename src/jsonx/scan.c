/* SPDX-License-Identifier: UNLICENSED */
/*
 * Splitting a page into its items. The array under one key of the top-level
 * object is walked item by item; each is parsed, handed over and freed before
 * the next, so memory holds one item and the small envelope, never the page.
 *
 * An item that does not parse is skipped by counting brackets outside texts,
 * and reported as NULL with the reason: one bad record must not hold up the
 * others. When not even its end can be found, the page is truncated and the
 * scan fails.
 */
#include "jsonx_priv.h"

#include <string.h>

struct scan {
    struct jsonx_reader r;
    const char *key;
    jsonx_item_fn *fn;
    void *arg;
    json_t *envelope;
    struct fault *f;
    bool seen; /* the key */
};

static enum err
syntax(struct scan *s, const char *what)
{
    (void)jsonx_fail(&s->r, what);
    return ERR_SYNTAX;
}

/* Moves past a text whose quote is at p; false when it does not end. */
static bool
skip_text(struct jsonx_reader *r)
{
    for (r->p++; r->p < r->end; r->p++) {
        if (*r->p == '\\') {
            r->p++;
        } else if (*r->p == '"') {
            r->p++;
            return true;
        }
    }
    r->p = r->end;
    return false;
}

/* Moves past a value by its brackets, whatever is between them. It ends where
 * a , or ] of the surrounding array stands. */
static bool
skip_value(struct jsonx_reader *r)
{
    size_t depth = 0;

    while (r->p < r->end) {
        char c = *r->p;

        if (c == '"') {
            if (!skip_text(r)) {
                return false;
            }
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']')) {
            return true;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && depth-- == 0) {
            return false;
        }
        r->p++;
    }
    return false;
}

static enum err
scan_item(struct scan *s)
{
    const char *from;
    struct fault why;
    json_t *item;
    enum err err;

    fault_clear(&why);
    jsonx_skip_blanks(&s->r);
    from = s->r.p;
    s->r.f = &why;
    item = jsonx_read_value(&s->r);
    s->r.f = s->f;
    if (item == NULL) {
        s->r.p = from;
        s->r.failed = false;
        s->r.depth = 2;
        if (!skip_value(&s->r)) {
            return syntax(s, "an item does not end");
        }
        if (s->r.p == from) {
            return syntax(s, "expected a value");
        }
    }
    err = s->fn(s->arg, item, &why);
    json_decref(item);
    return err;
}

static enum err
scan_array(struct scan *s)
{
    enum err err = ERR_OK;

    if (jsonx_take(&s->r, ']')) {
        return ERR_OK;
    }
    s->r.depth = 2;
    while (err == ERR_OK) {
        err = scan_item(s);
        if (err == ERR_OK && jsonx_take(&s->r, ']')) {
            break;
        }
        if (err == ERR_OK && !jsonx_take(&s->r, ',')) {
            err = syntax(s, "expected , or ]");
        }
    }
    s->r.depth = 1;
    return err;
}

/* The value of the key that is looked for. */
static enum err
scan_items_value(struct scan *s)
{
    json_t *other;
    bool is_null;

    if (s->seen) {
        return syntax(s, "a key occurs twice");
    }
    s->seen = true;
    if (jsonx_take(&s->r, '[')) {
        return scan_array(s);
    }
    other = jsonx_read_value(&s->r);
    if (other == NULL) {
        return ERR_SYNTAX;
    }
    is_null = json_is_null(other);
    json_decref(other);
    return is_null ? ERR_OK :
                     fault_set(s->f, ERR_TYPE, "%s: expected an array", s->key);
}

static enum err
scan_member(struct scan *s)
{
    size_t n;
    const char *text = jsonx_read_text(&s->r, &n);
    enum err err = ERR_OK;
    char *key;

    if (text == NULL) {
        return ERR_SYNTAX;
    }
    key = mem_strndup(text, n);
    if (!jsonx_take(&s->r, ':')) {
        err = syntax(s, "expected :");
    } else if (text_equal(key, s->key)) {
        err = scan_items_value(s);
    } else if (json_object_get(s->envelope, key) != NULL) {
        err = syntax(s, "a key occurs twice");
    } else {
        json_t *v = jsonx_read_value(&s->r);

        err = v != NULL ? ERR_OK : ERR_SYNTAX;
        if (v != NULL) {
            int rc = json_object_set_new_nocheck(s->envelope, key, v);

            ML_ASSERT(rc == 0);
        }
    }
    mem_free(key);
    return err;
}

static enum err
scan_object(struct scan *s)
{
    enum err err = ERR_OK;

    if (!jsonx_take(&s->r, '{')) {
        return syntax(s, "expected an object");
    }
    s->r.depth = 1;
    if (jsonx_take(&s->r, '}')) {
        return ERR_OK;
    }
    while (err == ERR_OK) {
        err = scan_member(s);
        if (err == ERR_OK && jsonx_take(&s->r, '}')) {
            break;
        }
        if (err == ERR_OK && !jsonx_take(&s->r, ',')) {
            err = syntax(s, "expected , or }");
        }
    }
    return err;
}

enum err
jsonx_scan(const char *text, size_t n, const char *key, jsonx_item_fn *fn,
           void *arg, json_t **envelope, struct fault *f)
{
    struct scan s = {.key = key, .fn = fn, .arg = arg, .f = f};
    enum err err;

    s.envelope = json_object();
    ML_ASSERT(s.envelope != NULL);
    jsonx_reader_init(&s.r, text, n, f);
    err = scan_object(&s);
    jsonx_skip_blanks(&s.r);
    if (err == ERR_OK && s.r.p != s.r.end) {
        err = syntax(&s, "something follows the value");
    }
    jsonx_reader_fini(&s.r);
    if (err != ERR_OK) {
        json_decref(s.envelope);
        s.envelope = NULL;
    }
    *envelope = s.envelope;
    return err;
}
