/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_BASE_PRIV_H
#define ML_BASE_PRIV_H

#include "ml/base.h"

/* Prints one line on stderr and aborts: for what nothing can go on without
 * (memory, randomness). */
NORETURN void base_fatal(const char *what);

/* Shortens `s` of `n` bytes so that it does not end inside a UTF-8 sequence;
 * gives the new length. A text cut for length stays storable. */
size_t base_trim_utf8(char *s, size_t n);

/* SipHash-1-3 of `s` with this process's own random key. */
uint64_t base_key_hash(const char *s, size_t n);

#endif
