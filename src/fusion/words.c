/* SPDX-License-Identifier: UNLICENSED */
/*
 * A peer's words, made fit for people: tags are left out, blanks and what does
 * not print become one blank, what is not UTF-8 is dropped, secrets that the
 * peer repeats become asterisks before anything is cut. Pure.
 */
#include "fusion_priv.h"

#include <string.h>

/* Shorter ones would hide ordinary words. */
enum { HIDE_MIN = 6 };

static bool
begins_with(const char *s, size_t n, const struct secret *secret)
{
    size_t len = secret_len(secret);

    return len <= n && memcmp(s, secret_bytes(secret), len) == 0;
}

static void
hide_one(char *s, size_t *n, const struct secret *secret)
{
    size_t len = secret == NULL ? 0 : secret_len(secret);
    size_t to = 0;

    for (size_t i = 0; len >= HIDE_MIN && i < *n;) {
        if (begins_with(s + i, *n - i, secret)) {
            memcpy(s + to, "***", 3);
            to += 3;
            i += len;
        } else {
            s[to++] = s[i++];
        }
    }
    *n = len >= HIDE_MIN ? to : *n;
}

/* Bytes of the character at s that prints; 0: drop a byte, a blank for it. */
static size_t
printing(const char *s, size_t n)
{
    unsigned char c = (unsigned char)*s;
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (c <= ' ' || c == 127 || len > n || !text_is_utf8(s, len)) {
        return 0;
    }
    if (len == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0) {
        return 0; /* C1 controls */
    }
    if (len == 3 && c == 0xe2 &&
        ((s[1] == '\x80' && (unsigned char)s[2] >= 0xa8 &&
          (unsigned char)s[2] <= 0xae) ||
         (s[1] == '\x81' && (unsigned char)s[2] >= 0xa6 &&
          (unsigned char)s[2] <= 0xa9))) {
        return 0; /* line ends and turns of direction */
    }
    return len;
}

static void
take_words(char *out, size_t max, const char *s, size_t n)
{
    size_t to = 0;
    bool tag = false;
    bool blank = false;

    for (size_t i = 0; i < n;) {
        size_t len = printing(s + i, n - i);

        if (s[i] == '<') {
            tag = true;
        } else if (len == 0 || (tag && s[i] == '>')) {
            blank = true;
            tag = tag && s[i] != '>';
        } else if (!tag) {
            if (to + len + 2 > max) {
                break;
            }
            if (blank && to > 0) {
                out[to++] = ' ';
            }
            blank = false;
            memcpy(out + to, s + i, len);
            to += len;
        }
        i += len == 0 ? 1 : len;
    }
    out[to] = 0;
}

void
words_take(char *out, size_t max, const char *s, size_t n,
           const struct secret *const *hide)
{
    char *copy = NULL;

    out[0] = 0;
    if (s == NULL || n == 0) {
        return;
    }
    copy = mem_dup(s, n);
    for (size_t i = 0; i < WORDS_HIDE; i++) {
        hide_one(copy, &n, hide[i]);
    }
    take_words(out, max, copy, n);
    secret_wipe_bytes(copy, n);
    mem_free(copy);
}
