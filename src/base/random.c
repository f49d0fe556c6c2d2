/* SPDX-License-Identifier: UNLICENSED */
/*
 * Randomness, always from the cryptographic generator: identifiers, jitter and
 * keys need not be told apart. Without randomness the program cannot be safe,
 * so a failing generator ends it.
 */
#include "base_priv.h"

#include <string.h>

#include <openssl/rand.h>

void
random_bytes(void *p, size_t n)
{
    unsigned char *out = p;

    while (n > 0) {
        int part = n < 65536 ? (int)n : 65536;

        if (RAND_bytes(out, part) != 1) {
            base_fatal("no randomness");
        }
        out += part;
        n -= (size_t)part;
    }
}

uint64_t
random_u64(void)
{
    uint64_t v;

    random_bytes(&v, sizeof(v));
    return v;
}

double
random_share(void)
{
    return (double)(random_u64() >> 11) * 0x1.0p-53; /* what a double holds */
}

char *
random_id(char out[RANDOM_ID_MAX])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char b[16];

    random_bytes(b, sizeof(b));
    for (size_t i = 0; i < sizeof(b); i++) {
        out[2 * i] = hex[b[i] >> 4];
        out[2 * i + 1] = hex[b[i] & 15];
    }
    out[RANDOM_ID_MAX - 1] = '\0';
    return out;
}
