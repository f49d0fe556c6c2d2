/* SPDX-License-Identifier: UNLICENSED */
/*
 * Reading JSON into jansson's values, numbers as strings of their very digits:
 * an amount must not pass through a double, an identifier of 20 digits must not
 * overflow. jansson's own decoder offers neither.
 *
 * Strict RFC 8259: no trailing commas, no comments, no leading zeros, no
 * control characters in texts. Beyond it: texts must be UTF-8 without NUL and
 * without lone surrogates (the database stores neither), a key may not occur
 * twice, and nesting ends at 64, which bounds the recursion.
 */
#include "jsonx_priv.h"

#include <string.h>

enum { DEPTH_MAX = 64 };

void
jsonx_reader_init(struct jsonx_reader *r, const char *text, size_t n,
                  struct fault *f)
{
    *r = (struct jsonx_reader){.f = f};
    r->start = r->p = text;
    r->end = text + n;
    buf_init(&r->scratch, n);
}

void
jsonx_reader_fini(struct jsonx_reader *r)
{
    buf_fini(&r->scratch);
}

json_t *
jsonx_fail(struct jsonx_reader *r, const char *what)
{
    if (!r->failed) {
        r->failed = true;
        (void)fault_set(r->f, ERR_SYNTAX, "byte %zu: %s",
                        (size_t)(r->p - r->start),
                        r->p == r->end ? "the text ends early" : what);
    }
    return NULL;
}

void
jsonx_skip_blanks(struct jsonx_reader *r)
{
    while (r->p < r->end &&
           (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t')) {
        r->p++;
    }
}

bool
jsonx_take(struct jsonx_reader *r, char c)
{
    jsonx_skip_blanks(r);
    if (r->p < r->end && *r->p == c) {
        r->p++;
        return true;
    }
    return false;
}

static json_t *
must(json_t *v)
{
    ML_ASSERT(v != NULL); /* jansson fails for want of memory only */
    return v;
}

/* Four hex digits, or -1. */
static int32_t
read_hex4(struct jsonx_reader *r)
{
    int32_t v = 0;

    for (int i = 0; i < 4; i++) {
        static const char hex[] = "0123456789abcdef0123456789ABCDEF";
        const char *at = r->p < r->end ? memchr(hex, *r->p, 32) : NULL;

        if (at == NULL) {
            return -1;
        }
        v = v * 16 + (int32_t)(at - hex) % 16;
        r->p++;
    }
    return v;
}

static void
add_code_point(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_addc(b, (char)c);
    } else if (c < 0x800) {
        buf_addc(b, (char)(0xc0 | (c >> 6)));
        buf_addc(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_addc(b, (char)(0xe0 | (c >> 12)));
        buf_addc(b, (char)(0x80 | ((c >> 6) & 0x3f)));
        buf_addc(b, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_addc(b, (char)(0xf0 | (c >> 18)));
        buf_addc(b, (char)(0x80 | ((c >> 12) & 0x3f)));
        buf_addc(b, (char)(0x80 | ((c >> 6) & 0x3f)));
        buf_addc(b, (char)(0x80 | (c & 0x3f)));
    }
}

/* What follows \u, with the second half of a pair. */
static bool
read_unicode(struct jsonx_reader *r)
{
    int32_t c = read_hex4(r);

    if (c >= 0xd800 && c <= 0xdbff && r->end - r->p >= 2 && r->p[0] == '\\' &&
        r->p[1] == 'u') {
        int32_t low;

        r->p += 2;
        low = read_hex4(r);
        if (low < 0xdc00 || low > 0xdfff) {
            return false;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c <= 0 || (c >= 0xd800 && c <= 0xdfff)) {
        return false;
    }
    add_code_point(&r->scratch, (uint32_t)c);
    return true;
}

/* What follows a backslash. */
static bool
read_escape(struct jsonx_reader *r)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char *at;

    if (r->p == r->end) {
        return false;
    }
    if (*r->p == 'u') {
        r->p++;
        return read_unicode(r);
    }
    at = memchr(names, *r->p, sizeof(names) - 1);
    if (at == NULL) {
        return false;
    }
    buf_addc(&r->scratch, values[at - names]);
    r->p++;
    return true;
}

/* Moves over bytes that stand for themselves. */
static void
skip_plain(struct jsonx_reader *r)
{
    while (r->p < r->end && *r->p != '"' && *r->p != '\\' &&
           (unsigned char)*r->p >= 0x20) {
        r->p++;
    }
}

const char *
jsonx_read_text(struct jsonx_reader *r, size_t *n)
{
    const char *from;

    if (!jsonx_take(r, '"')) {
        (void)jsonx_fail(r, "expected a text");
        return NULL;
    }
    buf_reset(&r->scratch);
    for (;;) {
        from = r->p;
        skip_plain(r);
        if (!text_is_utf8(from, (size_t)(r->p - from))) {
            r->p = from;
            (void)jsonx_fail(r, "the text is not UTF-8");
            return NULL;
        }
        if (r->p < r->end && *r->p == '"' && r->scratch.len == 0) {
            *n = (size_t)(r->p++ - from);
            return from;
        }
        buf_add(&r->scratch, from, (size_t)(r->p - from));
        if (r->p < r->end && *r->p == '"') {
            r->p++;
            *n = r->scratch.len;
            return buf_text(&r->scratch);
        }
        if (r->p == r->end || *r->p++ != '\\' || !read_escape(r)) {
            (void)jsonx_fail(r, "a wrong character or escape in a text");
            return NULL;
        }
    }
}

static bool
skip_digits(struct jsonx_reader *r)
{
    const char *from = r->p;

    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        r->p++;
    }
    return r->p > from;
}

static bool
take_any(struct jsonx_reader *r, char a, char b)
{
    if (r->p < r->end && (*r->p == a || *r->p == b)) {
        r->p++;
        return true;
    }
    return false;
}

static json_t *
read_number(struct jsonx_reader *r)
{
    const char *from = r->p;
    bool ok;

    (void)take_any(r, '-', '-');
    ok = take_any(r, '0', '0') || skip_digits(r);
    if (ok && take_any(r, '.', '.')) {
        ok = skip_digits(r);
    }
    if (ok && take_any(r, 'e', 'E')) {
        (void)take_any(r, '+', '-');
        ok = skip_digits(r);
    }
    if (!ok) {
        return jsonx_fail(r, "expected a value");
    }
    return must(json_stringn_nocheck(from, (size_t)(r->p - from)));
}

static json_t *
read_word(struct jsonx_reader *r, const char *word, json_t *value)
{
    size_t n = strlen(word);

    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0) {
        return jsonx_fail(r, "expected a value");
    }
    r->p += n;
    return value;
}

static json_t *
read_array(struct jsonx_reader *r)
{
    json_t *array = must(json_array());

    if (jsonx_take(r, ']')) {
        return array;
    }
    for (;;) {
        json_t *v = jsonx_read_value(r);
        int rc;

        if (v == NULL) {
            break;
        }
        rc = json_array_append_new(array, v);
        ML_ASSERT(rc == 0);
        if (jsonx_take(r, ']')) {
            return array;
        }
        if (!jsonx_take(r, ',')) {
            (void)jsonx_fail(r, "expected , or ]");
            break;
        }
    }
    json_decref(array);
    return NULL;
}

/* "key": value into the object. */
static bool
read_member(struct jsonx_reader *r, json_t *object)
{
    size_t n;
    const char *text = jsonx_read_text(r, &n);
    char *key;
    json_t *v = NULL;

    if (text == NULL) {
        return false;
    }
    key = mem_strndup(text, n);
    if (json_object_get(object, key) != NULL) {
        (void)jsonx_fail(r, "a key occurs twice");
    } else if (!jsonx_take(r, ':')) {
        (void)jsonx_fail(r, "expected :");
    } else {
        v = jsonx_read_value(r);
    }
    if (v != NULL) {
        int rc = json_object_set_new_nocheck(object, key, v);

        ML_ASSERT(rc == 0);
    }
    mem_free(key);
    return v != NULL;
}

static json_t *
read_object(struct jsonx_reader *r)
{
    json_t *object = must(json_object());

    if (jsonx_take(r, '}')) {
        return object;
    }
    while (read_member(r, object)) {
        if (jsonx_take(r, '}')) {
            return object;
        }
        if (!jsonx_take(r, ',')) {
            (void)jsonx_fail(r, "expected , or }");
            break;
        }
    }
    json_decref(object);
    return NULL;
}

static json_t *
read_nested(struct jsonx_reader *r, bool is_object)
{
    json_t *v;

    if (r->depth == DEPTH_MAX) {
        return jsonx_fail(r, "nested too deeply");
    }
    r->depth++;
    r->p++;
    v = is_object ? read_object(r) : read_array(r);
    r->depth--;
    return v;
}

json_t *
jsonx_read_value(struct jsonx_reader *r)
{
    const char *text;
    size_t n;

    jsonx_skip_blanks(r);
    switch (r->p < r->end ? *r->p : '\0') {
    case '{':
        return read_nested(r, true);
    case '[':
        return read_nested(r, false);
    case '"':
        text = jsonx_read_text(r, &n);
        return text != NULL ? must(json_stringn_nocheck(text, n)) : NULL;
    case 't':
        return read_word(r, "true", json_true());
    case 'f':
        return read_word(r, "false", json_false());
    case 'n':
        return read_word(r, "null", json_null());
    default:
        return read_number(r);
    }
}

enum err
jsonx_parse(const char *text, size_t n, json_t **out, struct fault *f)
{
    struct jsonx_reader r;
    json_t *v;

    jsonx_reader_init(&r, text, n, f);
    v = jsonx_read_value(&r);
    jsonx_skip_blanks(&r);
    if (v != NULL && r.p != r.end) {
        (void)jsonx_fail(&r, "something follows the value");
        json_decref(v);
        v = NULL;
    }
    jsonx_reader_fini(&r);
    *out = v;
    return v != NULL ? ERR_OK : ERR_SYNTAX;
}
