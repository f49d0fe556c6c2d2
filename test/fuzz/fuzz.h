/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_FUZZ_H
#define ML_FUZZ_H

/*
 * What the targets share. A target is one function that is given bytes a peer
 * might send; it aborts when something promised does not hold. libFuzzer's main
 * calls it with what it makes up, replay.c's main with the committed corpus.
 */
#include "ml/base.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Prints the promise that was broken, aborts. */
#define HOLDS(cond) ML_ASSERT(cond)

/* The message of a fault goes to people and logs: bounded, one line, prints. */
static inline void
fuzz_prints(const char *text, size_t max)
{
    size_t n = strnlen(text, max);

    HOLDS(n < max);
    HOLDS(text_is_utf8(text, n));
    for (size_t i = 0; i < n; i++) {
        HOLDS((unsigned char)text[i] >= ' ' && text[i] != 127);
    }
}

static inline void
fuzz_fault_prints(const struct fault *f)
{
    fuzz_prints(f->message, sizeof(f->message));
    fuzz_prints(f->code, sizeof(f->code));
}

/* A digit chooses one of n; other bytes do as well. */
static inline size_t
fuzz_choice(uint8_t c, size_t n)
{
    return (size_t)(c >= '0' && c <= '9' ? c - '0' : c) % n;
}

/* The bytes as a text that ends where they end: reading on is seen. */
static inline char *
fuzz_text(const uint8_t *data, size_t size)
{
    return mem_dup(data, size);
}

#endif
