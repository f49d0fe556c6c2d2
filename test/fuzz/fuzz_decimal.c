/* SPDX-License-Identifier: UNLICENSED */
/*
 * Exact decimals: one number, a blank, another.
 *
 * What must hold: text and parsing agree, the scale is kept, sums and products
 * obey the rules of arithmetic where they fit, rounding moves by less than one
 * of the last digit and twice is as once.
 */
#include "fuzz.h"

#include <string.h>

static void
check_text(struct dec d)
{
    char text[DEC_TEXT_MAX];
    char again[DEC_TEXT_MAX];
    struct dec e;

    (void)dec_text(&d, text);
    HOLDS(strlen(text) < DEC_TEXT_MAX);
    HOLDS(dec_parse(text, strlen(text), &e) == ERR_OK);
    HOLDS(dec_cmp(d, e) == 0 && d.scale == e.scale);
    HOLDS(strcmp(text, dec_text(&e, again)) == 0);
}

static void
check_one(struct dec d)
{
    struct dec sum = dec_zero();

    check_text(d);
    HOLDS(dec_cmp(d, d) == 0);
    HOLDS(dec_cmp(dec_neg(dec_neg(d)), d) == 0);
    HOLDS(dec_sign(dec_neg(d)) == -dec_sign(d));
    HOLDS(dec_sign(d) == dec_cmp(d, dec_zero()));
    HOLDS(dec_add(d, dec_neg(d), &sum) == ERR_OK && dec_sign(sum) == 0);
    HOLDS(!sum.negative);
    for (unsigned scale = 0; scale <= DEC_SCALE_MAX; scale += 2) {
        struct dec r = dec_round(d, scale);

        HOLDS(r.scale <= scale || r.scale == d.scale);
        HOLDS(dec_cmp(dec_round(r, scale), r) == 0);
        HOLDS(dec_sign(r) == dec_sign(d) || dec_sign(r) == 0);
        check_text(r);
    }
}

static void
check_two(struct dec a, struct dec b)
{
    struct dec ab;
    struct dec ba;
    struct dec back;
    enum err err = dec_add(a, b, &ab);

    HOLDS(dec_cmp(a, b) == -dec_cmp(b, a));
    HOLDS(err == dec_add(b, a, &ba));
    if (err == ERR_OK) {
        HOLDS(dec_cmp(ab, ba) == 0);
        check_text(ab);
        if (dec_add(ab, dec_neg(b), &back) == ERR_OK) {
            HOLDS(dec_cmp(back, a) == 0);
        }
    }
    err = dec_mul(a, b, &ab);
    HOLDS(err == dec_mul(b, a, &ba));
    if (err == ERR_OK) {
        HOLDS(dec_cmp(ab, ba) == 0);
        HOLDS(dec_sign(ab) == dec_sign(a) * dec_sign(b));
        check_text(ab);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    const char *blank = memchr(text, ' ', size);
    size_t n = blank == NULL ? size : (size_t)(blank - text);
    struct dec a;
    struct dec b;

    if (dec_parse(text, n, &a) == ERR_OK) {
        check_one(a);
        if (blank != NULL && dec_parse(blank + 1, size - n - 1, &b) == ERR_OK) {
            check_two(a, b);
        }
    }
    mem_free(text);
    return 0;
}
