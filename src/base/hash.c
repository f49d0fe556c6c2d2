/* SPDX-License-Identifier: UNLICENSED */
/*
 * SHA-256 of bytes at hand, and the texts bytes travel in: lower-case hex,
 * base64 with padding, base64url without. Decoding is strict: full groups,
 * padding only at the end, no blanks, no bits left over, so that one value has
 * exactly one text.
 */
#include "base_priv.h"

#include <string.h>

#include <openssl/evp.h>

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
                            "yz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                          "0123456789-_";

struct hash
hash_sha256(const void *p, size_t n)
{
    struct hash h;
    unsigned len = 0;

    if (EVP_Digest(n > 0 ? p : "", n, h.b, &len, EVP_sha256(), NULL) != 1 ||
        len != HASH_BYTES) {
        base_fatal("SHA-256 is not available");
    }
    return h;
}

char *
hash_text(const struct hash *h, char out[HASH_TEXT_MAX])
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < HASH_BYTES; i++) {
        out[2 * i] = hex[h->b[i] >> 4];
        out[2 * i + 1] = hex[h->b[i] & 15];
    }
    out[HASH_TEXT_MAX - 1] = '\0';
    return out;
}

static char *
encode(const unsigned char *p, size_t n, const char *alphabet, bool pad)
{
    char *text;
    char *out;

    ML_ASSERT(n < SIZE_MAX / 2);
    text = out = mem_alloc(n / 3 * 4 + 5);
    while (n > 0) {
        uint32_t v = (uint32_t)p[0] << 16;

        v |= n > 1 ? (uint32_t)p[1] << 8 : 0;
        v |= n > 2 ? p[2] : 0;
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[(v >> 12) & 63];
        if (n > 1 || pad) {
            *out++ = n > 1 ? alphabet[(v >> 6) & 63] : '=';
        }
        if (n > 2 || pad) {
            *out++ = n > 2 ? alphabet[v & 63] : '=';
        }
        p += 3;
        n -= n > 2 ? 3 : n;
    }
    *out = '\0';
    return text;
}

char *
base64_encode(const void *p, size_t n)
{
    return encode(p, n, plain, true);
}

char *
base64url_encode(const void *p, size_t n)
{
    return encode(p, n, url, false);
}

/* Four characters to one to three bytes at out; 0 when they are wrong. */
static size_t
decode_group(const char *s, bool last, unsigned char *out)
{
    uint32_t v = 0;
    size_t pad = 0;

    if (last && s[3] == '=') {
        pad = s[2] == '=' ? 2 : 1;
    }
    for (size_t i = 0; i < 4 - pad; i++) {
        const char *at = memchr(plain, s[i], 64);

        if (at == NULL) {
            return 0;
        }
        v |= (uint32_t)(at - plain) << (18 - 6 * i);
    }
    if ((pad == 2 && (v & 0xffff) != 0) || (pad == 1 && (v & 0xff) != 0)) {
        return 0;
    }
    out[0] = (unsigned char)(v >> 16);
    out[1] = (unsigned char)(v >> 8);
    out[2] = (unsigned char)v;
    return 3 - pad;
}

enum err
base64_decode(const char *s, unsigned char **out, size_t *n)
{
    size_t len = strlen(s);
    unsigned char *bytes;
    size_t have = 0;

    *out = NULL;
    *n = 0;
    if (len % 4 != 0) {
        return ERR_TYPE;
    }
    bytes = mem_alloc(len / 4 * 3 + 1);
    for (size_t i = 0; i < len; i += 4) {
        size_t got = decode_group(s + i, i + 4 == len, bytes + have);

        if (got == 0) {
            secret_wipe_bytes(bytes, len / 4 * 3);
            mem_free(bytes);
            return ERR_TYPE;
        }
        have += got;
    }
    bytes[have] = '\0';
    *out = bytes;
    *n = have;
    return ERR_OK;
}
