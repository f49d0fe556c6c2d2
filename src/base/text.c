/* SPDX-License-Identifier: UNLICENSED */
/*
 * Small questions about text: equality that knows NULL, prefixes, whether bytes
 * are UTF-8 (shortest forms only, no surrogates, nothing past U+10FFFF), and
 * which known name a mistyped one probably meant.
 */
#include "base_priv.h"

#include <string.h>

enum { NEAREST_MAX = 64 }; /* longer names are never suggested */

bool
text_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return strcmp(a, b) == 0;
}

bool
text_has_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The length of the sequence a first byte announces, 0 when it is none. */
static size_t
sequence_len(unsigned char c)
{
    if (c < 0x80) {
        return 1;
    }
    if (c >= 0xc2 && c <= 0xdf) {
        return 2;
    }
    if (c >= 0xe0 && c <= 0xef) {
        return 3;
    }
    return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

/* Whether the second byte is in the range the first one allows. */
static bool
is_second(unsigned char first, unsigned char second)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;

    if (first == 0xe0) {
        low = 0xa0;
    } else if (first == 0xed) {
        high = 0x9f;
    } else if (first == 0xf0) {
        low = 0x90;
    } else if (first == 0xf4) {
        high = 0x8f;
    }
    return second >= low && second <= high;
}

bool
text_is_utf8(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t i = 0;

    while (i < n) {
        size_t len = sequence_len(p[i]);

        if (len == 0 || len > n - i ||
            (len > 1 && !is_second(p[i], p[i + 1]))) {
            return false;
        }
        for (size_t k = 2; k < len; k++) {
            if ((p[i + k] & 0xc0) != 0x80) {
                return false;
            }
        }
        i += len;
    }
    return true;
}

void
text_copy(char *out, size_t max, const char *s)
{
    size_t to = 0;

    while (s != NULL && *s != '\0') {
        size_t len = sequence_len((unsigned char)*s);
        bool fine =
            len > 0 && memchr(s, '\0', len) == NULL && text_is_utf8(s, len);

        len = fine ? len : 1;
        if (to + len >= max) {
            break;
        }
        memcpy(out + to, fine ? s : "?", len);
        to += len;
        s += len;
    }
    out[to] = '\0';
}

size_t
base_trim_utf8(char *s, size_t n)
{
    size_t start = n;

    while (start > 0 && n - start < 3 &&
           ((unsigned char)s[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start > 0 && (unsigned char)s[start - 1] >= 0xc0 &&
        sequence_len((unsigned char)s[start - 1]) > n - (start - 1)) {
        n = start - 1;
        s[n] = '\0';
    }
    return n;
}

static size_t
min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions and replacements that make b of a; both are at most
 * NEAREST_MAX long. */
static size_t
edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[NEAREST_MAX + 1];

    for (size_t j = 0; j <= nb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t above = row[j];
            size_t best = min_of(above, row[j - 1]) + 1;

            row[j] = min_of(best, diagonal + (a[i - 1] != b[j - 1] ? 1 : 0));
            diagonal = above;
        }
    }
    return row[nb];
}

const char *
text_nearest(const char *s, const char *const *names)
{
    size_t len = strlen(s);
    const char *nearest = NULL;
    size_t best = len / 3 + 2; /* one past what still counts as near */

    if (len > NEAREST_MAX) {
        return NULL;
    }
    for (; *names != NULL; names++) {
        size_t n = strlen(*names);
        size_t d;

        if (n > NEAREST_MAX) {
            continue;
        }
        d = edit_distance(s, len, *names, n);
        if (d < best && d < n) {
            best = d;
            nearest = *names;
        }
    }
    return nearest;
}
