/* SPDX-License-Identifier: UNLICENSED */
/* Errors and faults. */
#include "unit.h"

#include "base_priv.h"

TEST(every_error_has_a_name_a_sentence_and_a_class)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        enum err err = (enum err)i;

        IS(strlen(err_name(err)) > 0);
        IS(strlen(err_text(err)) > 0);
        IS(strlen(err_class_name(err_class(err))) > 0);
    }
    EQ_STR(err_name(ERR_OK), "OK");
    EQ_STR(err_name(ERR_THROTTLED), "THROTTLED");
    EQ_INT(err_class(ERR_OK), ERR_CLASS_NONE);
    EQ_INT(err_class(ERR_THROTTLED), ERR_CLASS_LATER);
    EQ_STR(err_class_name(ERR_CLASS_HALT), "halt");
}

TEST(setting_a_fault_keeps_status_code_and_correlation)
{
    struct fault f;

    memset(&f, 0xff, sizeof(f));
    fault_clear(&f);
    EQ_STR(f.message, "");
    f.http_status = 429;
    f.code[0] = 'c';
    f.correlation[0] = 'r';
    EQ_ERR(fault_set(&f, ERR_THROTTLED, "wait %d s", 3), ERR_THROTTLED);
    EQ_STR(f.message, "wait 3 s");
    EQ_INT(f.http_status, 429);
    EQ_STR(f.code, "c");
    EQ_STR(f.correlation, "r");
    EQ_ERR(fault_set(NULL, ERR_RESET, "x"), ERR_RESET);
}

TEST(a_long_message_is_cut_between_characters)
{
    struct fault f;
    char text[FAULT_MESSAGE_MAX * 2];

    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', sizeof(text));
        for (size_t i = shift; i + 4 < sizeof(text); i += 4) {
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        }
        text[sizeof(text) - 1] = '\0';
        fault_clear(&f);
        (void)fault_set(&f, ERR_TYPE, "%s", text);
        IS(strlen(f.message) >= FAULT_MESSAGE_MAX - 4);
        IS(text_is_utf8(f.message, strlen(f.message)));
    }
}

TEST(trimming_only_drops_what_is_incomplete)
{
    char whole[] = "ab\xc3\xa9";
    char half[] = "ab\xe2\x82";
    char stray[] = "\x80\x80\x80\x80";

    EQ_UINT(base_trim_utf8(whole, 4), 4);
    EQ_UINT(base_trim_utf8(half, 4), 2);
    EQ_STR(half, "ab");
    EQ_UINT(base_trim_utf8(stray, 4), 4);
    EQ_UINT(base_trim_utf8(stray, 0), 0);
}

DEATH(an_unknown_error_aborts)
{
    (void)err_name(ERR_COUNT);
}

DEATH(a_failed_assertion_aborts)
{
    ML_ASSERT(getenv("NO_SUCH_VARIABLE_HERE") != NULL);
}

SUITE(err, RUN(every_error_has_a_name_a_sentence_and_a_class),
      RUN(setting_a_fault_keeps_status_code_and_correlation),
      RUN(a_long_message_is_cut_between_characters),
      RUN(trimming_only_drops_what_is_incomplete),
      DIES(an_unknown_error_aborts), DIES(a_failed_assertion_aborts))
