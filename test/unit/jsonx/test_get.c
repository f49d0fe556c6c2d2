/* SPDX-License-Identifier: UNLICENSED */
/* Getters: absent, wrong, and right in either kind of tree. */
#include "unit.h"

#include "ml/jsonx.h"

static json_t *
tree(void)
{
    static const char text[] =
        "{\"t\":\"text\",\"i\":12,\"i2\":1.2e1,\"big\":9223372036854775807,"
        "\"low\":-9223372036854775808,\"over\":9223372036854775808,"
        "\"under\":-9223372036854775809,"
        "\"huge\":1e30,\"d\":100.10,\"time\":\"2024-01-02T03:04:05+00:00\","
        "\"y\":\"Y\",\"n\":\"N\",\"yes\":true,\"no\":false,\"st\":\"true\","
        "\"sf\":\"false\",\"null\":null,\"a\":[1],\"o\":{\"items\":[2,3]},"
        "\"o2\":{\"items\":5},\"empty\":\"\"}";
    json_t *v;

    OK(jsonx_parse(text, strlen(text), &v, NULL));
    return v;
}

TEST(texts)
{
    json_t *o = tree();
    const char *s;
    struct fault f;

    fault_clear(&f);
    EQ_STR(jsonx_text(o, "t"), "text");
    IS(jsonx_text(o, "a") == NULL);
    IS(jsonx_text(o, "missing") == NULL);
    IS(jsonx_text(NULL, "t") == NULL);
    OK(jsonx_get_text(o, "t", &s, &f));
    EQ_STR(s, "text");
    OK(jsonx_get_text(o, "null", &s, &f));
    IS(s == NULL);
    OK(jsonx_get_text(o, "missing", &s, &f));
    IS(s == NULL);
    EQ_ERR(jsonx_get_text(o, "a", &s, &f), ERR_TYPE);
    EQ_STR(f.message, "a: expected text, found array");
    EQ_ERR(jsonx_get_text(o, "o", &s, &f), ERR_TYPE);
    EQ_STR(f.message, "o: expected text, found object");
    EQ_ERR(jsonx_get_text(o, "yes", &s, &f), ERR_TYPE);
    EQ_STR(f.message, "yes: expected text, found true or false");
    json_decref(o);
}

static void
is_int(json_t *o, const char *key, int64_t want)
{
    bool has;
    int64_t v;

    OK(jsonx_get_int(o, key, &has, &v, NULL));
    IS(has);
    EQ_INT(v, want);
}

TEST(whole_numbers)
{
    json_t *o = tree();
    static const char *const wrong[] = {"t",   "d", "over", "under", "huge",
                                        "yes", "a", "o",    "empty"};
    struct fault f;
    bool has;
    int64_t v;

    is_int(o, "i", 12);
    is_int(o, "i2", 12);
    is_int(o, "big", INT64_MAX);
    is_int(o, "low", INT64_MIN);
    OK(jsonx_get_int(o, "null", &has, &v, NULL));
    NOT(has);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        fault_clear(&f);
        EQ_ERR(jsonx_get_int(o, wrong[i], &has, &v, &f), ERR_TYPE);
        NOT(has);
        HAS(f.message, wrong[i]);
    }
    EQ_STR(f.message, "empty: expected whole number, found another text");
    json_decref(o);
}

TEST(decimals)
{
    json_t *o = tree();
    char out[DEC_TEXT_MAX];
    struct dec d;
    struct fault f;
    bool has;

    OK(jsonx_get_dec(o, "d", &has, &d, NULL));
    IS(has);
    EQ_STR(dec_text(&d, out), "100.10");
    OK(jsonx_get_dec(o, "missing", &has, &d, NULL));
    NOT(has);
    EQ_INT(dec_sign(d), 0);
    EQ_ERR(jsonx_get_dec(o, "t", &has, &d, &f), ERR_TYPE);
    EQ_ERR(jsonx_get_dec(o, "no", &has, &d, &f), ERR_TYPE);
    json_decref(o);
}

TEST(numbers_of_other_trees_are_read_too)
{
    json_t *o = json_pack("{s:i,s:f,s:f}", "i", 7, "r", 0.1, "w", 3.0);
    char out[DEC_TEXT_MAX];
    struct dec d;
    struct fault f;
    const char *s;
    bool has;

    is_int(o, "i", 7);
    is_int(o, "w", 3);
    OK(jsonx_get_dec(o, "r", &has, &d, NULL));
    EQ_STR(dec_text(&d, out), "0.1");
    EQ_ERR(jsonx_get_text(o, "r", &s, &f), ERR_TYPE);
    EQ_STR(f.message, "r: expected text, found number");
    json_decref(o);
}

TEST(time_stamps)
{
    json_t *o = tree();
    struct fault f;
    int64_t us;
    bool has;

    OK(jsonx_get_time(o, "time", &has, &us, NULL));
    IS(has);
    EQ_INT(us, INT64_C(1704164645000000));
    OK(jsonx_get_time(o, "null", &has, &us, NULL));
    NOT(has);
    EQ_ERR(jsonx_get_time(o, "t", &has, &us, &f), ERR_TYPE);
    EQ_ERR(jsonx_get_time(o, "a", &has, &us, &f), ERR_TYPE);
    json_decref(o);
}

static void
is_bool(json_t *o, const char *key, bool want)
{
    bool has;
    bool v;

    OK(jsonx_get_bool(o, key, &has, &v, NULL));
    IS(has);
    EQ_INT(v, want);
}

TEST(truth)
{
    json_t *o = tree();
    struct fault f;
    bool has;
    bool v;

    is_bool(o, "y", true);
    is_bool(o, "n", false);
    is_bool(o, "yes", true);
    is_bool(o, "no", false);
    is_bool(o, "st", true);
    is_bool(o, "sf", false);
    OK(jsonx_get_bool(o, "null", &has, &v, NULL));
    NOT(has);
    EQ_ERR(jsonx_get_bool(o, "t", &has, &v, &f), ERR_TYPE);
    EQ_ERR(jsonx_get_bool(o, "i", &has, &v, &f), ERR_TYPE);
    EQ_ERR(jsonx_get_bool(o, "a", &has, &v, &f), ERR_TYPE);
    json_decref(o);
}

TEST(items_of_an_array_or_a_child_collection)
{
    json_t *o = tree();

    EQ_UINT(json_array_size(jsonx_items(o, "a")), 1);
    EQ_UINT(json_array_size(jsonx_items(o, "o")), 2);
    IS(jsonx_items(o, "o2") == NULL);
    IS(jsonx_items(o, "t") == NULL);
    IS(jsonx_items(o, "missing") == NULL);
    json_decref(o);
}

SUITE(get, RUN(texts), RUN(whole_numbers), RUN(decimals),
      RUN(numbers_of_other_trees_are_read_too), RUN(time_stamps), RUN(truth),
      RUN(items_of_an_array_or_a_child_collection))
