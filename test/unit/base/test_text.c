/* SPDX-License-Identifier: UNLICENSED */
/* Text questions. */
#include "unit.h"

#include "ml/base.h"

TEST(null_equals_only_null)
{
    IS(text_equal(NULL, NULL));
    NOT(text_equal(NULL, ""));
    NOT(text_equal("", NULL));
    IS(text_equal("a", "a"));
    NOT(text_equal("a", "b"));
}

TEST(prefixes)
{
    IS(text_has_prefix("abc", "ab"));
    IS(text_has_prefix("abc", ""));
    NOT(text_has_prefix("ab", "abc"));
    NOT(text_has_prefix("abc", "b"));
}

TEST(utf8_is_told_from_other_bytes)
{
    static const char *const good[] = {
        "",
        "plain",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\xc3\xa9z",
    };
    static const char *const bad[] = {
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xc3z",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xe2\x82",
        "\xe2\x82z",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80",
        "\xf0\x9f\x98",
        "\xff",
        "\xf0\x9f\x98z",
    };

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        ck_assert_msg(text_is_utf8(good[i], strlen(good[i])), "good %zu", i);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ck_assert_msg(!text_is_utf8(bad[i], strlen(bad[i])), "bad %zu", i);
    }
}

TEST(the_nearest_name_is_suggested)
{
    static const char long_name[] =
        "a-name-so-long-that-nobody-could-mistype-it-by-one-letter-only-ever";
    const char *const names[] = {"listen",       "log-level", "log-format",
                                 "database-url", long_name,   NULL};
    const char *const none[] = {NULL};

    EQ_STR(text_nearest("lsiten", names), "listen");
    EQ_STR(text_nearest("log-leve", names), "log-level");
    EQ_STR(text_nearest("log-fromat", names), "log-format");
    EQ_STR(text_nearest("databse-url", names), "database-url");
    EQ_STR(text_nearest("listen", names), "listen");
    IS(text_nearest("portal", names) == NULL);
    IS(text_nearest("", names) == NULL);
    IS(text_nearest("x", names) == NULL);
    IS(text_nearest(long_name, names) == NULL);
    IS(text_nearest("listen", none) == NULL);
}

TEST(a_text_is_copied_by_whole_characters)
{
    char out[6];

    text_copy(out, sizeof(out), "abcdefgh");
    EQ_STR(out, "abcde");
    text_copy(out, sizeof(out), "a\xe2\x82\xac\xc3\xa9");
    EQ_STR(out, "a\xe2\x82\xac");
    text_copy(out, sizeof(out),
              "\xff\xc3"
              "A\xe2\x82");
    EQ_STR(out, "??A??");
    text_copy(out, sizeof(out), "");
    EQ_STR(out, "");
    text_copy(out, sizeof(out), NULL);
    EQ_STR(out, "");
    text_copy(out, 1, "a");
    EQ_STR(out, "");
}

SUITE(text, RUN(null_equals_only_null), RUN(prefixes),
      RUN(utf8_is_told_from_other_bytes), RUN(the_nearest_name_is_suggested),
      RUN(a_text_is_copied_by_whole_characters))
