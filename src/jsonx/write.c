/* SPDX-License-Identifier: UNLICENSED */
/*
 * Writing JSON straight into a buffer. Each open level has one bit that says
 * whether something was written there yet; commas follow from it. Opening and
 * closing out of step is a mistake of ours and aborts; nesting past 32 and the
 * buffer's ceiling make the buffer fail.
 *
 * What is written is always valid UTF-8 and storable as jsonb, whatever the
 * text was.
 */
#include "ml/jsonx.h"

#include <inttypes.h>
#include <string.h>

enum { LEVELS_MAX = 32 };

void
jsonx_begin(struct jsonx_writer *w, struct buf *out)
{
    *w = (struct jsonx_writer){.out = out, .first = 1};
}

/* Before each value: the comma, unless a key or nothing precedes. */
static void
before_value(struct jsonx_writer *w)
{
    uint32_t bit = w->depth < LEVELS_MAX ? UINT32_C(1) << w->depth : 0;

    if (!w->after_key && (w->first & bit) == 0) {
        buf_addc(w->out, ',');
    }
    w->first &= ~bit;
    w->after_key = false;
}

void
jsonx_open(struct jsonx_writer *w, char bracket)
{
    ML_ASSERT(bracket == '{' || bracket == '[');
    before_value(w);
    buf_addc(w->out, bracket);
    w->depth++;
    if (w->depth < LEVELS_MAX) {
        w->first |= UINT32_C(1) << w->depth;
    } else {
        w->out->failed = true;
    }
}

void
jsonx_close(struct jsonx_writer *w, char bracket)
{
    ML_ASSERT(bracket == '}' || bracket == ']');
    ML_ASSERT(w->depth > 0 && !w->after_key);
    w->depth--;
    buf_addc(w->out, bracket);
}

void
jsonx_key(struct jsonx_writer *w, const char *key)
{
    ML_ASSERT(!w->after_key);
    jsonx_put_text(w, key);
    buf_addc(w->out, ':');
    w->after_key = true;
}

/* The length of the character at s, 0 when its bytes are not UTF-8. */
static size_t
char_len(const char *s, size_t n)
{
    for (size_t len = 1; len <= 4 && len <= n; len++) {
        if (text_is_utf8(s, len)) {
            return len;
        }
    }
    return 0;
}

static void
add_escaped(struct buf *b, char c)
{
    static const char special[] = "\"\\\b\f\n\r\t";
    static const char names[] = "\"\\bfnrt";
    const char *at = memchr(special, c, sizeof(special) - 1);

    if (at != NULL) {
        buf_addc(b, '\\');
        buf_addc(b, names[at - special]);
    } else if (c != '\0') {
        buf_addf(b, "\\u%04x", (unsigned)(unsigned char)c);
    }
}

void
jsonx_put_textn(struct jsonx_writer *w, const char *s, size_t n)
{
    size_t plain = 0; /* bytes at s not yet copied that need no escape */

    before_value(w);
    buf_addc(w->out, '"');
    while (plain < n) {
        unsigned char c = (unsigned char)s[plain];
        size_t len = c < 0x80 ? 1 : char_len(s + plain, n - plain);

        if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
            plain += len;
            continue;
        }
        buf_add(w->out, s, plain);
        if (len == 0) {
            buf_adds(w->out, "\xef\xbf\xbd");
        } else {
            add_escaped(w->out, (char)c);
        }
        s += plain + 1;
        n -= plain + 1;
        plain = 0;
    }
    buf_add(w->out, s, plain);
    buf_addc(w->out, '"');
}

void
jsonx_put_text(struct jsonx_writer *w, const char *s)
{
    if (s != NULL) {
        jsonx_put_textn(w, s, strlen(s));
    } else {
        jsonx_put_null(w);
    }
}

void
jsonx_put_int(struct jsonx_writer *w, int64_t v)
{
    before_value(w);
    buf_addf(w->out, "%" PRId64, v);
}

void
jsonx_put_bool(struct jsonx_writer *w, bool v)
{
    jsonx_put_raw(w, v ? "true" : "false");
}

void
jsonx_put_null(struct jsonx_writer *w)
{
    jsonx_put_raw(w, "null");
}

void
jsonx_put_raw(struct jsonx_writer *w, const char *json)
{
    before_value(w);
    buf_adds(w->out, json);
}

static int
on_dumped(const char *p, size_t n, void *arg)
{
    buf_add(arg, p, n);
    return 0;
}

void
jsonx_put_json(struct jsonx_writer *w, const json_t *v)
{
    if (v == NULL) {
        jsonx_put_null(w);
        return;
    }
    before_value(w);
    if (json_dump_callback(v, on_dumped, w->out,
                           JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
        w->out->failed = true;
    }
}

void
jsonx_add_text(struct jsonx_writer *w, const char *key, const char *s)
{
    jsonx_key(w, key);
    jsonx_put_text(w, s);
}

void
jsonx_add_int(struct jsonx_writer *w, const char *key, int64_t v)
{
    jsonx_key(w, key);
    jsonx_put_int(w, v);
}

void
jsonx_add_bool(struct jsonx_writer *w, const char *key, bool v)
{
    jsonx_key(w, key);
    jsonx_put_bool(w, v);
}
