/* SPDX-License-Identifier: UNLICENSED */
/*
 * Memory. The only file that calls the malloc family.
 *
 * No function returns NULL: the durable state of the program is in the
 * database and every crash point is recovered from there, so running out of
 * memory is one line on stderr and an abort. That is honest only because every
 * buffer, queue and cache has a ceiling of its own.
 */
#include "base_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
mem_alloc(size_t size)
{
    void *p = calloc(1, size > 0 ? size : 1);

    if (p == NULL) {
        base_fatal("out of memory");
    }
    return p;
}

void *
mem_array(size_t n, size_t size)
{
    if (size > 0 && n > SIZE_MAX / size) {
        base_fatal("out of memory: array too large");
    }
    return mem_alloc(n * size);
}

void *
mem_resize(void *p, size_t size)
{
    void *q = realloc(p, size > 0 ? size : 1);

    if (q == NULL) {
        base_fatal("out of memory");
    }
    return q;
}

void
mem_free(void *p)
{
    free(p);
}

char *
mem_strndup(const char *s, size_t n)
{
    const char *end;
    size_t len;
    char *copy;

    if (s == NULL) {
        return NULL;
    }
    end = memchr(s, '\0', n);
    len = end != NULL ? (size_t)(end - s) : n;
    copy = mem_alloc(len + 1);
    memcpy(copy, s, len);
    return copy;
}

char *
mem_dup(const void *p, size_t n)
{
    char *copy;

    ML_ASSERT(n < SIZE_MAX);
    copy = mem_alloc(n + 1);
    if (n > 0) {
        memcpy(copy, p, n);
    }
    return copy;
}

char *
mem_strdup(const char *s)
{
    return s != NULL ? mem_strndup(s, strlen(s)) : NULL;
}

char *
mem_vprintf(const char *fmt, va_list ap)
{
    va_list again;
    size_t size;
    char *s;
    int n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    ML_ASSERT(n >= 0);
    size = (size_t)n + 1;
    s = mem_alloc(size);
    (void)vsnprintf(s, size, fmt, again);
    va_end(again);
    return s;
}

char *
mem_printf(const char *fmt, ...)
{
    va_list ap;
    char *s;

    va_start(ap, fmt);
    s = mem_vprintf(fmt, ap);
    va_end(ap);
    return s;
}
