/* SPDX-License-Identifier: UNLICENSED */
/*
 * Arenas: many small allocations that die together.
 *
 * A chain of blocks, newest first; allocations are cut from the head. A block
 * doubles the size of the one before, from 4 KiB to 64 KiB; a request larger
 * than that gets a block of its own behind the head, so that the head's rest
 * stays in use. A reset keeps the oldest block that is not such a large one.
 */
#include "base_priv.h"

#include <stdio.h>
#include <string.h>

enum { ALIGN = 16, BLOCK_MIN = 4096, BLOCK_MAX = 65536 };

struct arena_block {
    struct arena_block *older;
    size_t size; /* of data */
    size_t used;
    _Alignas(ALIGN) unsigned char data[];
};

static struct arena_block *
block_new(size_t size)
{
    struct arena_block *b;

    if (size > SIZE_MAX - sizeof(*b)) {
        base_fatal("out of memory: arena block too large");
    }
    b = mem_alloc(sizeof(*b) + size);
    b->size = size;
    return b;
}

void
arena_init(struct arena *a)
{
    a->head = NULL;
    a->used = 0;
}

void
arena_fini(struct arena *a)
{
    while (a->head != NULL) {
        struct arena_block *b = a->head;

        a->head = b->older;
        mem_free(b);
    }
    a->used = 0;
}

void
arena_reset(struct arena *a)
{
    struct arena_block *kept = NULL;
    struct arena_block *b = a->head;

    while (b != NULL) {
        struct arena_block *older = b->older;

        if (b->size <= BLOCK_MAX) {
            mem_free(kept);
            kept = b;
        } else {
            mem_free(b);
        }
        b = older;
    }
    if (kept != NULL) {
        kept->older = NULL;
        kept->used = 0;
    }
    a->head = kept;
    a->used = 0;
}

/* A block with room for `size`, which is a multiple of ALIGN. */
static struct arena_block *
room_for(struct arena *a, size_t size)
{
    struct arena_block *head = a->head;
    struct arena_block *b;
    size_t next = BLOCK_MIN;

    if (head != NULL && head->size - head->used >= size) {
        return head;
    }
    if (size > BLOCK_MAX && head != NULL) {
        b = block_new(size);
        b->older = head->older;
        head->older = b;
        return b;
    }
    if (head != NULL) {
        next = head->size < BLOCK_MAX ? head->size * 2 : BLOCK_MAX;
        next = next < BLOCK_MAX ? next : BLOCK_MAX;
    }
    b = block_new(next > size ? next : size);
    b->older = head;
    a->head = b;
    return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
    struct arena_block *b;
    size_t need;
    void *p;

    if (size > SIZE_MAX - ALIGN) {
        base_fatal("out of memory: arena allocation too large");
    }
    need = (size > 0 ? size + ALIGN - 1 : ALIGN) / ALIGN * ALIGN;
    b = room_for(a, need);
    p = b->data + b->used;
    b->used += need;
    a->used += need;
    return memset(p, 0, need);
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
    if (size > 0 && n > SIZE_MAX / size) {
        base_fatal("out of memory: array too large");
    }
    return arena_alloc(a, n * size);
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
    const char *end;
    size_t len;
    char *copy;

    if (s == NULL) {
        return NULL;
    }
    end = memchr(s, '\0', n);
    len = end != NULL ? (size_t)(end - s) : n;
    copy = arena_alloc(a, len + 1);
    memcpy(copy, s, len);
    return copy;
}

char *
arena_strdup(struct arena *a, const char *s)
{
    return s != NULL ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    size_t size;
    char *s;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ML_ASSERT(n >= 0);
    size = (size_t)n + 1;
    s = arena_alloc(a, size);
    (void)vsnprintf(s, size, fmt, again);
    va_end(again);
    return s;
}
