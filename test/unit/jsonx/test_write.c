/* SPDX-License-Identifier: UNLICENSED */
/* Writing: commas, escapes, ceilings. */
#include "unit.h"

#include "ml/jsonx.h"

TEST(commas_and_nesting_are_kept)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, 1000);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '{');
    jsonx_add_text(&w, "a", "x");
    jsonx_add_int(&w, "b", -5);
    jsonx_add_bool(&w, "c", true);
    jsonx_add_text(&w, "d", NULL);
    jsonx_key(&w, "e");
    jsonx_open(&w, '[');
    jsonx_put_int(&w, INT64_MIN);
    jsonx_open(&w, '{');
    jsonx_close(&w, '}');
    jsonx_open(&w, '[');
    jsonx_close(&w, ']');
    jsonx_put_bool(&w, false);
    jsonx_put_null(&w);
    jsonx_put_raw(&w, "1.10");
    jsonx_put_text(&w, "y");
    jsonx_close(&w, ']');
    jsonx_add_int(&w, "f", 1);
    jsonx_close(&w, '}');
    NOT(b.failed);
    EQ_STR(buf_text(&b),
           "{\"a\":\"x\",\"b\":-5,\"c\":true,\"d\":null,\"e\":"
           "[-9223372036854775808,{},[],false,null,1.10,\"y\"],\"f\":1}");
    buf_fini(&b);
}

static void
writes(const char *s, size_t n, const char *want)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, 1000);
    jsonx_begin(&w, &b);
    jsonx_put_textn(&w, s, n);
    EQ_STR(buf_text(&b), want);
    buf_fini(&b);
}

TEST(texts_are_escaped_and_made_storable)
{
    writes("", 0, "\"\"");
    writes("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    writes("\b\f\n\r\t\x01\x1f", 7, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\"");
    writes("a\0b", 3, "\"ab\"");
    writes("\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    writes("a\xffz", 3, "\"a\xef\xbf\xbdz\"");
    writes("\xc3", 1, "\"\xef\xbf\xbd\"");
    writes("\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    writes("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    writes("\x7f", 1, "\"\x7f\"");
}

TEST(what_is_written_reads_back)
{
    static const char bytes[] = "\x01 \"\\ \xc3\xa9 \xff \n end";
    struct jsonx_writer w;
    struct buf b;
    json_t *v;

    buf_init(&b, 1000);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '{');
    jsonx_add_text(&w, "k\"ey", bytes);
    jsonx_close(&w, '}');
    OK(jsonx_parse(buf_text(&b), b.len, &v, NULL));
    EQ_STR(jsonx_text(v, "k\"ey"), "\x01 \"\\ \xc3\xa9 \xef\xbf\xbd \n end");
    json_decref(v);
    buf_fini(&b);
}

TEST(trees_are_written_compactly)
{
    static const char text[] = "{\"a\":[1.10,\"x\"],\"b\":null}";
    struct jsonx_writer w;
    struct buf b;
    json_t *v;

    OK(jsonx_parse(text, strlen(text), &v, NULL));
    buf_init(&b, 1000);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '[');
    jsonx_put_json(&w, v);
    jsonx_put_json(&w, NULL);
    jsonx_put_json(&w, json_object_get(v, "b"));
    jsonx_close(&w, ']');
    EQ_STR(buf_text(&b), "[{\"a\":[\"1.10\",\"x\"],\"b\":null},null,null]");
    json_decref(v);
    buf_fini(&b);
}

TEST(a_tree_that_cannot_be_written_fails_the_buffer)
{
    struct jsonx_writer w;
    struct buf b;
    json_t *a = json_array();
    json_t *o = json_object();

    EQ_INT(json_array_append(a, o), 0);
    EQ_INT(json_object_set(o, "loop", a), 0);
    buf_init(&b, 1000);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, a);
    IS(b.failed);
    EQ_INT(json_object_clear(o), 0);
    json_decref(o);
    json_decref(a);
    buf_fini(&b);
}

TEST(nesting_past_thirty_two_fails_the_buffer)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, 1000);
    jsonx_begin(&w, &b);
    for (int i = 0; i < 31; i++) {
        jsonx_open(&w, '[');
        NOT(b.failed);
    }
    for (int i = 0; i < 5; i++) {
        jsonx_open(&w, '[');
        IS(b.failed);
        jsonx_put_int(&w, 1);
    }
    for (int i = 0; i < 36; i++) {
        jsonx_close(&w, ']');
    }
    buf_fini(&b);
}

TEST(the_ceiling_fails_the_buffer)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, 5);
    jsonx_begin(&w, &b);
    jsonx_put_text(&w, "too long");
    IS(b.failed);
    buf_fini(&b);
}

DEATH(closing_what_is_not_open_aborts)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, 100);
    jsonx_begin(&w, &b);
    jsonx_close(&w, '}');
}

DEATH(two_keys_in_a_row_abort)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, 100);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '{');
    jsonx_key(&w, "a");
    jsonx_key(&w, "b");
}

SUITE(write, RUN(commas_and_nesting_are_kept),
      RUN(texts_are_escaped_and_made_storable), RUN(what_is_written_reads_back),
      RUN(trees_are_written_compactly),
      RUN(a_tree_that_cannot_be_written_fails_the_buffer),
      RUN(nesting_past_thirty_two_fails_the_buffer),
      RUN(the_ceiling_fails_the_buffer), DIES(closing_what_is_not_open_aborts),
      DIES(two_keys_in_a_row_abort))
