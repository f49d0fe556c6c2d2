/* SPDX-License-Identifier: UNLICENSED */
/* Exact decimals: texts kept, arithmetic against 64-bit integers, limits. */
#include "unit.h"

#include "ml/base.h"

#define NINES_72                                                               \
    "999999999999999999999999999999999999"                                     \
    "999999999999999999999999999999999999"
#define ZEROS_36 "000000000000000000000000000000000000"

static struct dec
dec(const char *text)
{
    struct dec d;
    enum err err = dec_parse(text, strlen(text), &d);

    ck_assert_msg(err == ERR_OK, "\"%s\": %s", text, err_name(err));
    return d;
}

static void
is_text(struct dec d, const char *want)
{
    char out[DEC_TEXT_MAX];

    EQ_STR(dec_text(&d, out), want);
}

static void
reads_as(const char *text, const char *want)
{
    is_text(dec(text), want);
}

TEST(the_scale_is_kept_as_given)
{
    reads_as("100.10", "100.10");
    reads_as("0", "0");
    reads_as("0.00", "0.00");
    reads_as("-0.00", "0.00");
    reads_as("-0", "0");
    reads_as("-1.50", "-1.50");
    reads_as("+7", "7");
    reads_as(".5", "0.5");
    reads_as("-.05", "-0.05");
    reads_as("00012.30", "12.30");
    reads_as("1234567890123456789.0123456789",
             "1234567890123456789.0123456789");
    EQ_INT(dec("100.10").scale, 2);
}

TEST(exponents_move_the_point)
{
    reads_as("1e3", "1000");
    reads_as("1E+3", "1000");
    reads_as("1.5e3", "1500");
    reads_as("1.2345e2", "123.45");
    reads_as("1.50e1", "15.0");
    reads_as("1e-3", "0.001");
    reads_as("12.5E-2", "0.125");
    reads_as("0e5", "0");
    reads_as("0e-5", "0.00000");
    reads_as("0.0e-99999999999999999999", "0." ZEROS_36);
    reads_as("1e0", "1");
    reads_as("1e-36", "0.000000000000000000000000000000000001");
    reads_as("10e-37", "0.000000000000000000000000000000000001");
    reads_as("1e71", "1" ZEROS_36 "00000000000000000000000000000000000");
}

TEST(what_is_not_a_number_is_refused)
{
    static const char *const wrong[] = {
        "",     "-",     "+",   ".",        "1.",    "-.", "1.e3", "e3",
        "1e",   "1e+",   "1e-", "--1",      "1-",    "1 ", " 1",   "1,0",
        "0x10", "1.2.3", "NaN", "Infinity", "1e1.5", "1f", "$1"};
    struct dec d;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        ck_assert_msg(dec_parse(wrong[i], strlen(wrong[i]), &d) == ERR_TYPE,
                      "\"%s\"", wrong[i]);
    }
    EQ_ERR(dec_parse(NULL, 0, &d), ERR_TYPE);
    OK(dec_parse("12345", 2, &d));
    is_text(d, "12");
}

TEST(what_does_not_fit_is_refused_and_what_just_fits_is_kept)
{
    static const char *const wrong[] = {
        NINES_72 "9",
        NINES_72 ".9",
        "0.0" ZEROS_36 "1",
        "1e-37",
        "1e72",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "1" ZEROS_36 ZEROS_36,
        "1" ZEROS_36 ZEROS_36 "1",
    };
    struct dec d;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        ck_assert_msg(dec_parse(wrong[i], strlen(wrong[i]), &d) == ERR_TYPE,
                      "\"%s\"", wrong[i]);
    }
    reads_as(NINES_72, NINES_72);
    reads_as("-" NINES_72, "-" NINES_72);
    reads_as("0." ZEROS_36 "000", "0." ZEROS_36);
    reads_as("1." ZEROS_36 "000", "1." ZEROS_36);
    reads_as(NINES_72 ".000", NINES_72);
    reads_as("0000000000" NINES_72, NINES_72);
}

static void
adds(const char *a, const char *b, const char *want)
{
    struct dec sum;

    OK(dec_add(dec(a), dec(b), &sum));
    is_text(sum, want);
    OK(dec_add(dec(b), dec(a), &sum));
    is_text(sum, want);
}

TEST(adding_takes_the_larger_scale)
{
    adds("0.1", "0.2", "0.3");
    adds("1", "0.50", "1.50");
    adds("100.10", "-100.10", "0.00");
    adds("-100.10", "0.1", "-100.00");
    adds("999999999", "1", "1000000000");
    adds("-999999999999999999", "-1", "-1000000000000000000");
    adds("1000000000000000000", "-1", "999999999999999999");
    adds("1", "-1000000000.5", "-999999999.5");
}

static void
multiplies(const char *a, const char *b, const char *want)
{
    struct dec product;

    OK(dec_mul(dec(a), dec(b), &product));
    is_text(product, want);
    OK(dec_mul(dec(b), dec(a), &product));
    is_text(product, want);
}

TEST(multiplying_adds_the_scales)
{
    multiplies("1.10", "2.0", "2.200");
    multiplies("-3", "0.5", "-1.5");
    multiplies("-3", "-0.5", "1.5");
    multiplies("-3", "0.0", "0.0");
    multiplies("999999999", "999999999", "999999998000000001");
    multiplies("999999999999999999999999999999999999",
               "999999999999999999999999999999999999",
               "999999999999999999999999999999999998"
               "000000000000000000000000000000000001");
}

TEST(results_that_do_not_fit_are_refused)
{
    struct dec d;

    EQ_ERR(dec_add(dec(NINES_72), dec("1"), &d), ERR_FULL);
    EQ_ERR(dec_add(dec(NINES_72), dec("0.1"), &d), ERR_FULL);
    EQ_ERR(dec_mul(dec(NINES_72), dec("10"), &d), ERR_FULL);
    EQ_ERR(dec_mul(dec(NINES_72), dec(NINES_72), &d), ERR_FULL);
    EQ_ERR(dec_mul(dec("1e-20"), dec("1e-20"), &d), ERR_FULL);
    OK(dec_add(dec(NINES_72), dec("-" NINES_72), &d));
    is_text(d, "0");
    OK(dec_mul(dec(NINES_72), dec("1"), &d));
    is_text(d, NINES_72);
}

TEST(arithmetic_agrees_with_integers)
{
    uint64_t seed = 4711;

    for (int i = 0; i < 20000; i++) {
        int64_t a;
        int64_t b;
        char ta[32];
        char tb[32];
        char want[32];
        struct dec d;

        seed = seed * 6364136223846793005U + 1442695040888963407U;
        a = (int64_t)(seed >> 33) - 1073741824;
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        b = (int64_t)(seed >> 33) - 1073741824;
        (void)snprintf(ta, sizeof(ta), "%" PRId64, a);
        (void)snprintf(tb, sizeof(tb), "%" PRId64, b);
        (void)snprintf(want, sizeof(want), "%" PRId64, a + b);
        OK(dec_add(dec(ta), dec(tb), &d));
        is_text(d, want);
        (void)snprintf(want, sizeof(want), "%" PRId64, a * b);
        OK(dec_mul(dec(ta), dec(tb), &d));
        is_text(d, want);
        EQ_INT(dec_cmp(dec(ta), dec(tb)), a < b ? -1 : a > b ? 1 : 0);
    }
}

TEST(comparing_looks_at_the_value)
{
    EQ_INT(dec_cmp(dec("1.0"), dec("1.00")), 0);
    EQ_INT(dec_cmp(dec("0"), dec("-0.00")), 0);
    EQ_INT(dec_cmp(dec("-1"), dec("1")), -1);
    EQ_INT(dec_cmp(dec("1"), dec("-1")), 1);
    EQ_INT(dec_cmp(dec("-2"), dec("-1")), -1);
    EQ_INT(dec_cmp(dec("0.09"), dec("0.1")), -1);
    EQ_INT(dec_cmp(dec(NINES_72), dec("1e-36")), 1);
}

TEST(signs_and_negation)
{
    EQ_INT(dec_sign(dec("0.00")), 0);
    EQ_INT(dec_sign(dec("-0.01")), -1);
    EQ_INT(dec_sign(dec("10000000000")), 1);
    EQ_INT(dec_sign(dec_zero()), 0);
    is_text(dec_neg(dec("1.5")), "-1.5");
    is_text(dec_neg(dec("-1.5")), "1.5");
    is_text(dec_neg(dec("0.0")), "0.0");
}

static void
rounds(const char *text, unsigned scale, const char *want)
{
    is_text(dec_round(dec(text), scale), want);
}

TEST(rounding_goes_half_away_from_zero)
{
    rounds("2.5", 0, "3");
    rounds("-2.5", 0, "-3");
    rounds("2.4", 0, "2");
    rounds("2.49999", 0, "2");
    rounds("0.5", 0, "1");
    rounds("-0.4", 0, "0");
    rounds("1.005", 2, "1.01");
    rounds("-1.005", 2, "-1.01");
    rounds("1.0049", 2, "1.00");
    rounds("999.995", 2, "1000.00");
    rounds("1.5", 2, "1.5");
    rounds("1.50", 2, "1.50");
    rounds("0." ZEROS_36, 0, "0");
    rounds("999999999999999999999999999999999999"
           ".999999999999999999999999999999999999",
           0, "1" ZEROS_36);
}

SUITE(dec, RUN(the_scale_is_kept_as_given), RUN(exponents_move_the_point),
      RUN(what_is_not_a_number_is_refused),
      RUN(what_does_not_fit_is_refused_and_what_just_fits_is_kept),
      RUN(adding_takes_the_larger_scale), RUN(multiplying_adds_the_scales),
      RUN(results_that_do_not_fit_are_refused),
      RUN_LONG(arithmetic_agrees_with_integers, 10),
      RUN(comparing_looks_at_the_value), RUN(signs_and_negation),
      RUN(rounding_goes_half_away_from_zero))
