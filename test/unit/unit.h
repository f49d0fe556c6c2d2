/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_UNIT_H
#define ML_UNIT_H

/*
 * The unit tests' harness: a thin layer over Check. Each test runs in a process
 * of its own with two seconds to live. A file lists its tests in one suite and
 * one file of the folder has the main:
 *
 *     TEST(adding_past_the_ceiling_fails_and_stays_failed)
 *     {
 *         ...
 *         EQ_INT(b.len, 3);
 *     }
 *
 *     DEATH(pushing_twice_aborts)
 *     {
 *         ...must raise SIGABRT...
 *     }
 *
 *     SUITE(buf, RUN(adding_past_the_ceiling_fails_and_stays_failed),
 *           DIES(pushing_twice_aborts))
 *
 *     MAIN(buf, list)
 *
 * UNIT_ONLY=part in the environment runs only the tests whose name contains it;
 * CK_FORK=no keeps all in one process, for a debugger.
 */
#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* MAIN declares the suites again, also the one of its own file. */
#pragma GCC diagnostic ignored "-Wredundant-decls"

struct unit_test {
    const TTest *test;
    int signal; /* expected, 0: none */
    int seconds;
};

struct unit_suite {
    const char *name;
    const struct unit_test *tests;
    size_t count;
};

enum { UNIT_SECONDS = 2 };

#define TEST(sentence)                                                         \
    static void sentence##_fn(int unit_i);                                     \
    static const TTest sentence = {#sentence, sentence##_fn, __FILE__,         \
                                   __LINE__};                                  \
    static void sentence##_fn(int unit_i __attribute__((unused)))
#define DEATH(sentence) TEST(sentence)

#define RUN(sentence)                                                          \
    {                                                                          \
        &sentence, 0, UNIT_SECONDS                                             \
    }
#define RUN_LONG(sentence, seconds)                                            \
    {                                                                          \
        &sentence, 0, seconds                                                  \
    }
#define DIES(sentence)                                                         \
    {                                                                          \
        &sentence, SIGABRT, UNIT_SECONDS                                       \
    }

#define SUITE(title, ...)                                                      \
    static const struct unit_test title##_tests[] = {__VA_ARGS__};             \
    extern const struct unit_suite title##_suite;                              \
    const struct unit_suite title##_suite = {#title, title##_tests,            \
                                             sizeof(title##_tests) /           \
                                                 sizeof(title##_tests[0])};

/* Checks; every one says the values when it fails. */
#define IS(cond) ck_assert_msg((cond), "%s", #cond)
#define NOT(cond) ck_assert_msg(!(cond), "not %s", #cond)
#define EQ_INT(got, want) ck_assert_int_eq((intmax_t)(got), (intmax_t)(want))
#define EQ_UINT(got, want)                                                     \
    ck_assert_uint_eq((uintmax_t)(got), (uintmax_t)(want))
#define EQ_STR(got, want) ck_assert_str_eq(got, want)
#define EQ_PTR(got, want) ck_assert_ptr_eq(got, want)
#define EQ_MEM(got, want, n) ck_assert_mem_eq(got, want, n)
#define EQ_ERR(got, want)                                                      \
    do {                                                                       \
        enum err unit_got = (got);                                             \
        enum err unit_want = (want);                                           \
        ck_assert_msg(unit_got == unit_want, "%s is %s, not %s", #got,         \
                      err_name(unit_got), err_name(unit_want));                \
    } while (0)
#define OK(call) EQ_ERR(call, ERR_OK)
#define HAS(text, part)                                                        \
    ck_assert_msg(strstr((text), (part)) != NULL, "\"%s\" lacks \"%s\"",       \
                  (text), (part))
#define LACKS(text, part)                                                      \
    ck_assert_msg(strstr((text), (part)) == NULL, "\"%s\" has \"%s\"", (text), \
                  (part))
#define FAIL(...) ck_abort_msg(__VA_ARGS__)

static inline void
unit_add(SRunner *runner, const struct unit_suite *s, const char *only)
{
    Suite *suite = suite_create(s->name);

    for (size_t i = 0; i < s->count; i++) {
        const struct unit_test *t = &s->tests[i];
        TCase *tc;

        if (only != NULL && strstr(t->test->name, only) == NULL) {
            continue;
        }
        tc = tcase_create(t->test->name);
        tcase_set_timeout(tc, t->seconds);
        _tcase_add_test(tc, t->test, t->signal, 0, 0, 1);
        suite_add_tcase(suite, tc);
    }
    srunner_add_suite(runner, suite);
}

/* The suites that the arguments name, all without any, into `out`, which has room
 * for all; 0: one of them is none. */
static inline size_t
unit_named(const struct unit_suite *const *suites, size_t count, int argc,
           char **argv, const struct unit_suite **out)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        int named = argc < 2;

        for (int k = 1; k < argc; k++) {
            named = named || strcmp(argv[k], suites[i]->name) == 0;
        }
        if (named) {
            out[n++] = suites[i];
        }
    }
    if (argc >= 2 && n != (size_t)argc - 1) {
        (void)fprintf(stderr, "usage: %s [SUITE...]\n", argv[0]);
        return 0;
    }
    return n;
}

static inline int
unit_main(const struct unit_suite *const *suites, size_t count)
{
    const char *only = getenv("UNIT_ONLY");
    SRunner *runner = srunner_create(NULL);
    int failed;
    int run;

    for (size_t i = 0; i < count; i++) {
        unit_add(runner, suites[i], only);
    }
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    run = srunner_ntests_run(runner);
    srunner_free(runner);
    if (run == 0) {
        (void)fprintf(stderr, "no test ran\n");
    }
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* MAIN(a, b): runs the suites a and b, up to sixteen. */
#define UNIT_REF(x) &x##_suite,
#define UNIT_DECL(x) extern const struct unit_suite x##_suite;
#define UNIT_E1(m, x) m(x)
#define UNIT_E2(m, x, ...) m(x) UNIT_E1(m, __VA_ARGS__)
#define UNIT_E3(m, x, ...) m(x) UNIT_E2(m, __VA_ARGS__)
#define UNIT_E4(m, x, ...) m(x) UNIT_E3(m, __VA_ARGS__)
#define UNIT_E5(m, x, ...) m(x) UNIT_E4(m, __VA_ARGS__)
#define UNIT_E6(m, x, ...) m(x) UNIT_E5(m, __VA_ARGS__)
#define UNIT_E7(m, x, ...) m(x) UNIT_E6(m, __VA_ARGS__)
#define UNIT_E8(m, x, ...) m(x) UNIT_E7(m, __VA_ARGS__)
#define UNIT_E9(m, x, ...) m(x) UNIT_E8(m, __VA_ARGS__)
#define UNIT_E10(m, x, ...) m(x) UNIT_E9(m, __VA_ARGS__)
#define UNIT_E11(m, x, ...) m(x) UNIT_E10(m, __VA_ARGS__)
#define UNIT_E12(m, x, ...) m(x) UNIT_E11(m, __VA_ARGS__)
#define UNIT_E13(m, x, ...) m(x) UNIT_E12(m, __VA_ARGS__)
#define UNIT_E14(m, x, ...) m(x) UNIT_E13(m, __VA_ARGS__)
#define UNIT_E15(m, x, ...) m(x) UNIT_E14(m, __VA_ARGS__)
#define UNIT_E16(m, x, ...) m(x) UNIT_E15(m, __VA_ARGS__)
#define UNIT_PICK(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, name, ...)   \
    name
#define UNIT_EACH(m, ...)                                                      \
    UNIT_PICK(__VA_ARGS__, UNIT_E16, UNIT_E15, UNIT_E14, UNIT_E13, UNIT_E12,   \
              UNIT_E11, UNIT_E10, UNIT_E9, UNIT_E8, UNIT_E7, UNIT_E6, UNIT_E5, \
              UNIT_E4, UNIT_E3, UNIT_E2, UNIT_E1, 0)                           \
    (m, __VA_ARGS__)
#define MAIN(...)                                                              \
    UNIT_EACH(UNIT_DECL, __VA_ARGS__)                                          \
    int main(void)                                                             \
    {                                                                          \
        static const struct unit_suite *const suites[] = {                     \
            UNIT_EACH(UNIT_REF, __VA_ARGS__)};                                 \
        return unit_main(suites, sizeof(suites) / sizeof(suites[0]));          \
    }

#endif
