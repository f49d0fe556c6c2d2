/* SPDX-License-Identifier: UNLICENSED */
/*
 * Exact decimals: an integer of up to 72 digits in limbs of base 1e9, divided
 * by ten to the scale. Money is never a double here.
 *
 * Computing happens in a wide integer of 16 limbs: the largest intermediate is
 * a product of two 72-digit numbers (144 digits), and a number brought to a
 * scale 36 larger has 108, so no intermediate overflows; only the result is
 * checked against 72 digits. Zero is never negative.
 */
#include "ml/base.h"

#include <string.h>

enum { LIMBS = 8, WIDE = 16, LIMB_DIGITS = 9 };
#define LIMB_BASE 1000000000U

struct wide {
    uint32_t limb[WIDE];
};

static struct wide
widen(const struct dec *d)
{
    struct wide w = {{0}};

    memcpy(w.limb, d->limb, sizeof(d->limb));
    return w;
}

/* Makes a dec of w; ERR_FULL when w or the scale is too large. */
static enum err
narrow(const struct wide *w, unsigned scale, bool negative, struct dec *d)
{
    bool zero = true;

    for (size_t i = 0; i < WIDE; i++) {
        if (w->limb[i] != 0) {
            zero = false;
            if (i >= LIMBS) {
                return ERR_FULL;
            }
        }
    }
    if (scale > DEC_SCALE_MAX) {
        return ERR_FULL;
    }
    memcpy(d->limb, w->limb, sizeof(d->limb));
    d->scale = (uint16_t)scale;
    d->negative = negative && !zero;
    return ERR_OK;
}

static void
wide_times(struct wide *w, uint32_t factor)
{
    uint64_t carry = 0;

    for (size_t i = 0; i < WIDE; i++) {
        uint64_t v = (uint64_t)w->limb[i] * factor + carry;

        w->limb[i] = (uint32_t)(v % LIMB_BASE);
        carry = v / LIMB_BASE;
    }
    ML_ASSERT(carry == 0);
}

/* Divides by a small number, gives the remainder. */
static uint32_t
wide_over(struct wide *w, uint32_t divisor)
{
    uint64_t rest = 0;

    for (size_t i = WIDE; i-- > 0;) {
        uint64_t v = rest * LIMB_BASE + w->limb[i];

        w->limb[i] = (uint32_t)(v / divisor);
        rest = v % divisor;
    }
    return (uint32_t)rest;
}

static void
wide_shift(struct wide *w, unsigned digits)
{
    for (; digits >= LIMB_DIGITS; digits -= LIMB_DIGITS) {
        wide_times(w, LIMB_BASE);
    }
    for (; digits > 0; digits--) {
        wide_times(w, 10);
    }
}

static int
wide_cmp(const struct wide *a, const struct wide *b)
{
    for (size_t i = WIDE; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) {
            return a->limb[i] < b->limb[i] ? -1 : 1;
        }
    }
    return 0;
}

static void
wide_add(struct wide *a, const struct wide *b)
{
    uint32_t carry = 0;

    for (size_t i = 0; i < WIDE; i++) {
        uint32_t v = a->limb[i] + b->limb[i] + carry;

        carry = v >= LIMB_BASE ? 1 : 0;
        a->limb[i] = carry != 0 ? v - LIMB_BASE : v;
    }
}

/* a - b, for a not below b. */
static struct wide
wide_sub(const struct wide *a, const struct wide *b)
{
    struct wide r = {{0}};
    uint32_t borrow = 0;

    for (size_t i = 0; i < WIDE; i++) {
        uint32_t take = b->limb[i] + borrow;

        borrow = a->limb[i] < take ? 1 : 0;
        r.limb[i] = a->limb[i] + (borrow != 0 ? LIMB_BASE : 0) - take;
    }
    return r;
}

/* What the text says before it is fitted into limbs. */
struct scan {
    char digits[DEC_DIGITS_MAX]; /* significant, no zeros at either end */
    int64_t count;               /* of digits */
    int64_t zeros;               /* after them */
    int64_t scale;               /* may be negative */
    bool negative;
};

static bool
scan_digit(struct scan *c, char digit)
{
    if (digit == '0') {
        c->zeros += c->count > 0 ? 1 : 0;
        return true;
    }
    if (c->count + c->zeros >= DEC_DIGITS_MAX) {
        return false;
    }
    memset(c->digits + c->count, '0', (size_t)c->zeros);
    c->count += c->zeros;
    c->zeros = 0;
    c->digits[c->count++] = digit;
    return true;
}

static bool
is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

/* digits[.digits] or .digits; gives the position after, NULL when wrong. */
static const char *
scan_number(struct scan *c, const char *p, const char *end)
{
    const char *start = p;

    for (; is_digit(p, end); p++) {
        if (!scan_digit(c, *p)) {
            return NULL;
        }
    }
    if (p < end && *p == '.') {
        p++;
        start = p;
        for (; is_digit(p, end); p++) {
            if (!scan_digit(c, *p)) {
                return NULL;
            }
            c->scale++;
        }
    }
    return p > start ? p : NULL;
}

static const char *
scan_exponent(struct scan *c, const char *p, const char *end)
{
    const char *start;
    bool negative = false;
    int64_t e = 0;

    if (p < end && (*p == '+' || *p == '-')) {
        negative = *p++ == '-';
    }
    for (start = p; is_digit(p, end); p++) {
        e = e < INT32_MAX ? e * 10 + (*p - '0') : e; /* far beyond any fit */
    }
    c->scale += negative ? e : -e;
    return p > start ? p : NULL;
}

static int64_t
min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Turns zeros at the end into a smaller scale where only that makes it fit,
 * and a negative scale into zeros. */
static bool
scan_fit(struct scan *c)
{
    int64_t drop;

    if (c->count == 0) {
        c->zeros = 0;
        c->scale = c->scale < 0 ? 0 : min_of(c->scale, DEC_SCALE_MAX);
        return true;
    }
    if (c->scale < 0) {
        c->zeros -= c->scale;
        c->scale = 0;
    }
    drop = c->scale - DEC_SCALE_MAX;
    if (drop < c->count + c->zeros - DEC_DIGITS_MAX) {
        drop = c->count + c->zeros - DEC_DIGITS_MAX;
    }
    if (drop > 0) {
        drop = min_of(drop, min_of(c->zeros, c->scale));
        c->zeros -= drop;
        c->scale -= drop;
    }
    return c->scale <= DEC_SCALE_MAX && c->count + c->zeros <= DEC_DIGITS_MAX;
}

enum err
dec_parse(const char *s, size_t n, struct dec *d)
{
    struct scan c = {.negative = false};
    const char *p = s;
    const char *end = s;
    int64_t total;

    if (s == NULL) {
        return ERR_TYPE;
    }
    end = s + n;
    if (p < end && (*p == '-' || *p == '+')) {
        c.negative = *p++ == '-';
    }
    p = scan_number(&c, p, end);
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p = scan_exponent(&c, p + 1, end);
    }
    if (p != end || !scan_fit(&c)) {
        return ERR_TYPE;
    }
    *d = dec_zero();
    total = c.count + c.zeros;
    for (int64_t i = 0; i < total; i++) {
        uint32_t *limb = &d->limb[(total - 1 - i) / LIMB_DIGITS];

        *limb = *limb * 10 + (i < c.count ? (uint32_t)(c.digits[i] - '0') : 0);
    }
    d->scale = (uint16_t)c.scale;
    d->negative = c.negative && c.count > 0;
    return ERR_OK;
}

char *
dec_text(const struct dec *d, char out[DEC_TEXT_MAX])
{
    char digits[DEC_DIGITS_MAX];
    size_t skip = 0;
    char *p = out;

    for (size_t i = 0; i < DEC_DIGITS_MAX; i++) {
        size_t from_right = DEC_DIGITS_MAX - 1 - i;
        uint32_t v = d->limb[from_right / LIMB_DIGITS];

        for (size_t k = from_right % LIMB_DIGITS; k > 0; k--) {
            v /= 10;
        }
        digits[i] = (char)('0' + v % 10);
    }
    while (skip + 1 + d->scale < DEC_DIGITS_MAX && digits[skip] == '0') {
        skip++;
    }
    if (d->negative) {
        *p++ = '-';
    }
    for (size_t i = skip; i < DEC_DIGITS_MAX; i++) {
        if (i == (size_t)DEC_DIGITS_MAX - d->scale) {
            *p++ = '.';
        }
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}

struct dec
dec_zero(void)
{
    return (struct dec){.scale = 0};
}

int
dec_sign(struct dec a)
{
    for (size_t i = 0; i < LIMBS; i++) {
        if (a.limb[i] != 0) {
            return a.negative ? -1 : 1;
        }
    }
    return 0;
}

struct dec
dec_neg(struct dec a)
{
    a.negative = dec_sign(a) > 0;
    return a;
}

/* Both numbers as integers over the same power of ten, which is given. */
static unsigned
align(const struct dec *a, const struct dec *b, struct wide *wa,
      struct wide *wb)
{
    unsigned scale = a->scale > b->scale ? a->scale : b->scale;

    *wa = widen(a);
    *wb = widen(b);
    wide_shift(wa, scale - a->scale);
    wide_shift(wb, scale - b->scale);
    return scale;
}

enum err
dec_add(struct dec a, struct dec b, struct dec *sum)
{
    struct wide wa;
    struct wide wb;
    unsigned scale = align(&a, &b, &wa, &wb);

    if (a.negative == b.negative) {
        wide_add(&wa, &wb);
        return narrow(&wa, scale, a.negative, sum);
    }
    if (wide_cmp(&wa, &wb) >= 0) {
        wa = wide_sub(&wa, &wb);
        return narrow(&wa, scale, a.negative, sum);
    }
    wb = wide_sub(&wb, &wa);
    return narrow(&wb, scale, b.negative, sum);
}

enum err
dec_mul(struct dec a, struct dec b, struct dec *product)
{
    struct wide w = {{0}};

    for (size_t i = 0; i < LIMBS; i++) {
        uint64_t carry = 0;

        for (size_t j = 0; j < LIMBS || carry > 0; j++) {
            uint64_t v = w.limb[i + j] + carry;

            v += j < LIMBS ? (uint64_t)a.limb[i] * b.limb[j] : 0;
            w.limb[i + j] = (uint32_t)(v % LIMB_BASE);
            carry = v / LIMB_BASE;
        }
    }
    return narrow(&w, (unsigned)a.scale + b.scale, a.negative != b.negative,
                  product);
}

int
dec_cmp(struct dec a, struct dec b)
{
    struct wide wa;
    struct wide wb;
    int c;

    if (a.negative != b.negative) {
        return a.negative ? -1 : 1;
    }
    (void)align(&a, &b, &wa, &wb);
    c = wide_cmp(&wa, &wb);
    return a.negative ? -c : c;
}

struct dec
dec_round(struct dec a, unsigned scale)
{
    struct wide w = widen(&a);
    struct wide one = {{1}};
    struct dec r = a;
    uint32_t last = 0;
    enum err err;

    if (a.scale <= scale) {
        return a;
    }
    for (unsigned k = scale; k < a.scale; k++) {
        last = wide_over(&w, 10);
    }
    if (last >= 5) {
        wide_add(&w, &one);
    }
    err = narrow(&w, scale, a.negative, &r);
    ML_ASSERT(err == ERR_OK);
    return r;
}
