/* SPDX-License-Identifier: UNLICENSED */
/* Reading: numbers keep their digits, what is wrong is refused. */
#include "unit.h"

#include "ml/jsonx.h"

static json_t *
parse(const char *text)
{
    struct fault f;
    json_t *v;

    fault_clear(&f);
    ck_assert_msg(jsonx_parse(text, strlen(text), &v, &f) == ERR_OK, "%s: %s",
                  text, f.message);
    return v;
}

static void
is_refused(const char *text, const char *says)
{
    struct fault f;
    json_t *v;

    fault_clear(&f);
    ck_assert_msg(jsonx_parse(text, strlen(text), &v, &f) == ERR_SYNTAX, "%s",
                  text);
    IS(v == NULL);
    EQ_ERR(f.err, ERR_SYNTAX);
    HAS(f.message, says);
}

static void
is_number(const char *text)
{
    json_t *v = parse(text);

    IS(json_is_string(v));
    EQ_STR(json_string_value(v), text);
    json_decref(v);
}

TEST(numbers_are_texts_of_their_very_digits)
{
    is_number("0");
    is_number("-0");
    is_number("1.10");
    is_number("1E2");
    is_number("1e+2");
    is_number("-1.5e-10");
    is_number("123456789012345678901234567890");
    is_number("0.1000000000000000000000000000000000001");
}

TEST(wrong_numbers_are_refused)
{
    static const char *const wrong[] = {"01", "-",   "1.",   ".5",   "+1",
                                        "1e", "1e+", "0x10", "1.e2", "--1",
                                        "1a", "NaN", "-Inf", "00"};

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        is_refused(wrong[i], "byte ");
    }
}

TEST(values_of_every_kind_are_read)
{
    json_t *v = parse(" {\"a\" : [ true , false,null ,\"x\",{ } , [ ]] } ");
    json_t *a = json_object_get(v, "a");

    EQ_UINT(json_array_size(a), 6);
    IS(json_is_true(json_array_get(a, 0)));
    IS(json_is_false(json_array_get(a, 1)));
    IS(json_is_null(json_array_get(a, 2)));
    EQ_STR(json_string_value(json_array_get(a, 3)), "x");
    EQ_UINT(json_object_size(json_array_get(a, 4)), 0);
    EQ_UINT(json_array_size(json_array_get(a, 5)), 0);
    json_decref(v);
}

TEST(escapes_and_utf8_are_read)
{
    json_t *v = parse("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"");

    EQ_STR(json_string_value(v), "a\"\\/\b\f\n\r\tz");
    json_decref(v);
    v = parse("\"\\u0041\\u00e9\\u20ac\\uD83D\\uDE00\\u00E9\"");
    EQ_STR(json_string_value(v),
           "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9");
    json_decref(v);
    v = parse("\"\xc3\xa9\xf0\x9f\x98\x80\"");
    EQ_STR(json_string_value(v), "\xc3\xa9\xf0\x9f\x98\x80");
    json_decref(v);
    v = parse("{\"k\\u0065y\":\"\"}");
    EQ_STR(json_string_value(json_object_get(v, "key")), "");
    json_decref(v);
}

TEST(wrong_texts_are_refused)
{
    is_refused("\"a\nb\"", "wrong character");
    is_refused("\"\\x\"", "escape");
    is_refused("\"\\u12g4\"", "escape");
    is_refused("\"\\u0000\"", "escape");
    is_refused("\"\\ud800\"", "escape");
    is_refused("\"\\ud800x\"", "escape");
    is_refused("\"\\ud800\\u0041\"", "escape");
    is_refused("\"\\udc00\"", "escape");
    is_refused("\"\xff\"", "not UTF-8");
    is_refused("\"ab\\n\xc3\"", "not UTF-8");
    is_refused("\"\xed\xa0\x80\"", "not UTF-8");
    is_refused("'a'", "expected a value");
}

TEST(truncated_text_says_that_it_ends_early)
{
    static const char text[] = "{\"a\":[1.5,{\"b\":\"c\\u0041\"},true]}";

    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        struct fault f;
        char *part = mem_strndup(text, n);
        json_t *v;

        fault_clear(&f);
        EQ_ERR(jsonx_parse(part, n, &v, &f), ERR_SYNTAX);
        mem_free(part);
    }
    is_refused("", "byte 0: the text ends early");
    is_refused("[1,", "byte 3: the text ends early");
    is_refused("{\"a\"", "byte 4: the text ends early");
    is_refused("\"abc", "byte 4: the text ends early");
    is_refused("\"abc\\", "byte 5: the text ends early");
}

TEST(wrong_structure_is_refused_saying_where)
{
    is_refused("[1,]", "byte 3: expected a value");
    is_refused("[1 2]", "byte 3: expected , or ]");
    is_refused("{\"a\" 1}", "byte 5: expected :");
    is_refused("{\"a\":1,}", "byte 7: expected a text");
    is_refused("{\"a\":1 \"b\":2}", "byte 7: expected , or }");
    is_refused("{a:1}", "byte 1: expected a text");
    is_refused("[1] x", "byte 4: something follows");
    is_refused("tru", "byte 0: expected a value");
    is_refused("{\"a\":1,\"\\u0061\":2}", "twice");
    is_refused("[1}", "byte 2: expected , or ]");
    is_refused("// x", "expected a value");
}

TEST(nesting_ends_at_sixty_four)
{
    char text[201];
    struct fault f;
    json_t *v;

    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    json_decref(parse(text));
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    is_refused(text, "nested too deeply");
    memset(text, '[', 200);
    EQ_ERR(jsonx_parse(text, 200, &v, &f), ERR_SYNTAX);
}

TEST(no_fault_need_be_given)
{
    json_t *v;

    EQ_ERR(jsonx_parse("x", 1, &v, NULL), ERR_SYNTAX);
    EQ_ERR(jsonx_parse("[\0]", 3, &v, NULL), ERR_SYNTAX);
}

SUITE(read, RUN(numbers_are_texts_of_their_very_digits),
      RUN(wrong_numbers_are_refused), RUN(values_of_every_kind_are_read),
      RUN(escapes_and_utf8_are_read), RUN(wrong_texts_are_refused),
      RUN(truncated_text_says_that_it_ends_early),
      RUN(wrong_structure_is_refused_saying_where),
      RUN(nesting_ends_at_sixty_four), RUN(no_fault_need_be_given))
