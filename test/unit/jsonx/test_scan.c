/* SPDX-License-Identifier: UNLICENSED */
/* Scanning a page: items one by one, bad ones alone, truncation. */
#include "unit.h"

#include "ml/jsonx.h"

struct seen {
    struct buf what; /* one word an item */
    int stop_after;  /* 0: never */
    int count;
};

static enum err
on_item(void *arg, json_t *item, const struct fault *f)
{
    struct seen *s = arg;

    s->count++;
    if (item == NULL) {
        EQ_ERR(f->err, ERR_SYNTAX);
        buf_adds(&s->what, "bad ");
    } else {
        const char *id = jsonx_text(item, "id");

        EQ_ERR(f->err, ERR_OK);
        buf_addf(&s->what, "%s ", id != NULL ? id : "?");
    }
    return s->count == s->stop_after ? ERR_FULL : ERR_OK;
}

static void
scans(const char *text, enum err want, const char *want_items,
      const char *want_envelope)
{
    struct seen s = {.count = 0};
    struct fault f;
    json_t *envelope;
    enum err err;

    buf_init(&s.what, 1000);
    fault_clear(&f);
    err = jsonx_scan(text, strlen(text), "items", on_item, &s, &envelope, &f);
    ck_assert_msg(err == want, "%s: %s: %s", text, err_name(err), f.message);
    EQ_STR(buf_text(&s.what), want_items);
    buf_fini(&s.what);
    if (want != ERR_OK) {
        IS(envelope == NULL);
        EQ_ERR(f.err, want);
        IS(strlen(f.message) > 0);
    } else {
        char *dump = json_dumps(envelope, JSON_COMPACT | JSON_SORT_KEYS);

        EQ_STR(dump, want_envelope);
        free(dump);
        json_decref(envelope);
    }
}

TEST(items_and_envelope_come_apart)
{
    scans("{\"items\":[{\"id\":1},{\"id\":2.50}],\"count\":2,"
          "\"hasMore\":false}",
          ERR_OK, "1 2.50 ", "{\"count\":\"2\",\"hasMore\":false}");
    scans(" { \"count\" : 1 , \"items\" : [ { \"id\" : \"a\" } , 5 ] } ",
          ERR_OK, "a ? ", "{\"count\":\"1\"}");
    scans("{\"x\":{\"items\":[{\"id\":9}]},\"items\":[{\"id\":1}]}", ERR_OK,
          "1 ", "{\"x\":{\"items\":[{\"id\":\"9\"}]}}");
}

TEST(missing_null_and_empty_are_no_items)
{
    scans("{}", ERR_OK, "", "{}");
    scans("{\"a\":1}", ERR_OK, "", "{\"a\":\"1\"}");
    scans("{\"items\":null}", ERR_OK, "", "{}");
    scans("{\"items\":[]}", ERR_OK, "", "{}");
    scans("{\"items\":[ ],\"b\":[]}", ERR_OK, "", "{\"b\":[]}");
}

TEST(a_bad_item_does_not_take_the_others_along)
{
    scans("{\"items\":[{\"id\":1},{\"id\":01},{\"id\":3}],\"n\":3}", ERR_OK,
          "1 bad 3 ", "{\"n\":\"3\"}");
    scans("{\"items\":[{\"id\":1,\"id\":2},{\"id\":3}]}", ERR_OK, "bad 3 ",
          "{}");
    scans("{\"items\":[{\"id\":\"\\ud800\"},{\"id\":3}]}", ERR_OK, "bad 3 ",
          "{}");
    scans("{\"items\":[{\"t\":\"\xff]}\\\"\",\"u\":[1,{}]},{\"id\":3}]}",
          ERR_OK, "bad 3 ", "{}");
    scans("{\"items\":[{\"id\":3},nonsense ,{\"id\":4}]}", ERR_OK, "3 bad 4 ",
          "{}");
    scans("{\"items\":[{\"id\":1 2},x]}", ERR_OK, "bad bad ", "{}");
}

TEST(too_deep_an_item_is_bad_alone)
{
    struct buf b;

    buf_init(&b, 1000);
    buf_adds(&b, "{\"items\":[");
    for (int i = 0; i < 63; i++) {
        buf_addc(&b, '[');
    }
    for (int i = 0; i < 63; i++) {
        buf_addc(&b, ']');
    }
    buf_adds(&b, ",{\"id\":2}]}");
    scans(buf_text(&b), ERR_OK, "bad 2 ", "{}");
    buf_fini(&b);
}

TEST(truncated_and_malformed_pages_fail)
{
    static const char text[] =
        "{\"a\":{\"b\":1},\"items\":[{\"id\":\"x\\\"\"},{\"id\":2}]}";

    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        struct seen s = {.count = 0};
        struct fault f;
        char *part = mem_strndup(text, n);
        json_t *envelope;

        buf_init(&s.what, 1000);
        fault_clear(&f);
        EQ_ERR(jsonx_scan(part, n, "items", on_item, &s, &envelope, &f),
               ERR_SYNTAX);
        IS(envelope == NULL);
        buf_fini(&s.what);
        mem_free(part);
    }
    scans("{\"items\":[{\"id\":1},]}", ERR_SYNTAX, "1 ", "");
    scans("{\"items\":[{\"id\":1} {\"id\":2}]}", ERR_SYNTAX, "1 ", "");
    scans("{\"items\":[{\"id\":1}}", ERR_SYNTAX, "1 ", "");
    scans("{\"items\":[x}", ERR_SYNTAX, "", "");
    scans("{\"items\":[\"x\\", ERR_SYNTAX, "", "");
    scans("{\"items\":[]} x", ERR_SYNTAX, "", "");
    scans("{\"items\":[],}", ERR_SYNTAX, "", "");
    scans("{\"items\":[] \"a\":1}", ERR_SYNTAX, "", "");
    scans("{\"items\" []}", ERR_SYNTAX, "", "");
    scans("{\"items\":x}", ERR_SYNTAX, "", "");
    scans("{\"a\":x}", ERR_SYNTAX, "", "");
    scans("{\"items\":[],\"items\":[]}", ERR_SYNTAX, "", "");
    scans("{\"a\":1,\"a\":1}", ERR_SYNTAX, "", "");
    scans("[]", ERR_SYNTAX, "", "");
    scans("<html>", ERR_SYNTAX, "", "");
    scans("{\"items\":{\"id\":1}}", ERR_TYPE, "", "");
}

TEST(the_receiver_may_end_the_scan)
{
    static const char text[] = "{\"items\":[{\"id\":1},{\"id\":2},{\"id\":3}]}";
    struct seen s = {.stop_after = 2};
    json_t *envelope;

    buf_init(&s.what, 100);
    EQ_ERR(
        jsonx_scan(text, strlen(text), "items", on_item, &s, &envelope, NULL),
        ERR_FULL);
    IS(envelope == NULL);
    EQ_STR(buf_text(&s.what), "1 2 ");
    buf_fini(&s.what);
}

SUITE(scan, RUN(items_and_envelope_come_apart),
      RUN(missing_null_and_empty_are_no_items),
      RUN(a_bad_item_does_not_take_the_others_along),
      RUN(too_deep_an_item_is_bad_alone),
      RUN(truncated_and_malformed_pages_fail),
      RUN(the_receiver_may_end_the_scan))
