/* SPDX-License-Identifier: UNLICENSED */
/*
 * Growing byte buffers with a ceiling.
 *
 * Invariants: len <= max; data is NULL or holds len bytes and a NUL; once
 * `failed` is set nothing is added until the buffer is reset, so that a caller
 * adds without looking and checks once. An addition that does not fit adds
 * nothing at all.
 */
#include "base_priv.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_CAP = 64 };

void
buf_init(struct buf *b, size_t max)
{
    ML_ASSERT(max < SIZE_MAX / 2);
    memset(b, 0, sizeof(*b));
    b->max = max;
}

void
buf_fini(struct buf *b)
{
    mem_free(b->data);
    b->data = NULL;
    b->len = 0;
    b->cap = 0;
    b->failed = false;
}

void
buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

/* Makes room for n bytes and the NUL; false when the ceiling is in the way. */
static bool
reserve(struct buf *b, size_t n)
{
    size_t cap = b->cap > 0 ? b->cap : FIRST_CAP;

    if (b->failed || n > b->max - b->len) {
        b->failed = true;
        return false;
    }
    while (cap < b->len + n + 1) {
        cap *= 2;
    }
    if (cap > b->max + 1) {
        cap = b->max + 1;
    }
    if (cap > b->cap) {
        b->data = mem_resize(b->data, cap);
        b->cap = cap;
    }
    return true;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !reserve(b, n)) {
        return;
    }
    memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void
buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ML_ASSERT(n >= 0);
    if (n > 0 && reserve(b, (size_t)n)) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

const char *
buf_text(const struct buf *b)
{
    return b->data != NULL ? b->data : "";
}

char *
buf_take(struct buf *b, size_t *len)
{
    char *data = b->data != NULL ? b->data : mem_alloc(1);

    if (len != NULL) {
        *len = b->len;
    }
    b->data = NULL;
    buf_fini(b);
    return data;
}
