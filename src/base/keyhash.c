/* SPDX-License-Identifier: UNLICENSED */
/*
 * SipHash-1-3, the hash of map keys: keyed with 128 random bits drawn once per
 * process, so that whoever chooses keys cannot choose collisions. The value
 * means nothing outside this process and is never stored.
 */
#include "base_priv.h"

#include <pthread.h>
#include <string.h>

static uint64_t key0;
static uint64_t key1;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void
draw_key(void)
{
    key0 = random_u64();
    key1 = random_u64();
}

static uint64_t
rotl(uint64_t x, unsigned n)
{
    return (x << n) | (x >> (64 - n));
}

static void
round_once(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

uint64_t
base_key_hash(const char *s, size_t n)
{
    uint64_t v[4];
    uint64_t word;
    uint64_t tail = (uint64_t)(n & 0xff) << 56;
    size_t i = 0;

    (void)pthread_once(&key_once, draw_key);
    v[0] = key0 ^ 0x736f6d6570736575U;
    v[1] = key1 ^ 0x646f72616e646f6dU;
    v[2] = key0 ^ 0x6c7967656e657261U;
    v[3] = key1 ^ 0x7465646279746573U;
    for (; i + 8 <= n; i += 8) {
        memcpy(&word, s + i, 8);
        v[3] ^= word;
        round_once(v);
        v[0] ^= word;
    }
    for (unsigned shift = 0; i < n; i++, shift += 8) {
        tail |= (uint64_t)(unsigned char)s[i] << shift;
    }
    v[3] ^= tail;
    round_once(v);
    v[0] ^= tail;
    v[2] ^= 0xff;
    for (int k = 0; k < 3; k++) {
        round_once(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
