/* SPDX-License-Identifier: UNLICENSED */
/*
 * Secrets: bytes behind a type that nothing prints. The bytes are wiped before
 * the memory goes back, and compared in time that depends on the length only.
 * A NUL follows the bytes for libraries that want text.
 */
#include "ml/base.h"

#include <string.h>

#include <openssl/crypto.h>

struct secret {
    size_t len;
    unsigned char bytes[];
};

struct secret *
secret_new(const void *p, size_t n)
{
    struct secret *s;

    ML_ASSERT(n < SIZE_MAX / 2);
    s = mem_alloc(sizeof(*s) + n + 1);
    s->len = n;
    if (n > 0) {
        memcpy(s->bytes, p, n);
    }
    return s;
}

struct secret *
secret_dup(const struct secret *s)
{
    return s != NULL ? secret_new(s->bytes, s->len) : NULL;
}

void
secret_free(struct secret *s)
{
    if (s != NULL) {
        secret_wipe_bytes(s->bytes, s->len);
        mem_free(s);
    }
}

const unsigned char *
secret_bytes(const struct secret *s)
{
    return s->bytes;
}

size_t
secret_len(const struct secret *s)
{
    return s->len;
}

bool
secret_equal(const struct secret *a, const struct secret *b)
{
    return a->len == b->len && CRYPTO_memcmp(a->bytes, b->bytes, a->len) == 0;
}

void
secret_wipe_bytes(void *p, size_t n)
{
    if (p != NULL) {
        OPENSSL_cleanse(p, n);
    }
}
