/* SPDX-License-Identifier: UNLICENSED */
/*
 * Whole documents, read by jsonx, and descriptions of resources made of them.
 *
 * What must hold: what is taken is JSON for jansson too (which alone minds
 * numbers beyond its range); written and read again it is the same; a
 * description nests no deeper than promised and every attribute in it is
 * whole; a refusal says why, and prints.
 */
#include "fuzz.h"
#include "ml/jsonx.h"
#include "op.h"

#include <string.h>

static void
check_written(const json_t *tree)
{
    json_t *again = NULL;
    struct jsonx_writer w;
    struct fault f = {0};
    struct buf b;

    buf_init(&b, 64 * 1024 * 1024);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, tree);
    if (!b.failed) { /* the writer nests to 32, the reader to 64 */
        HOLDS(jsonx_parse(buf_text(&b), b.len, &again, &f) == ERR_OK);
        HOLDS(json_equal(tree, again));
    }
    json_decref(again);
    buf_fini(&b);
}

static void
check_jansson(const char *text, size_t n)
{
    json_error_t why;
    json_t *theirs =
        json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);

    HOLDS(theirs != NULL ||
          json_error_code(&why) == json_error_numeric_overflow);
    json_decref(theirs);
}

static void
check_member(json_t *member, unsigned depth)
{
    json_t *all = json_object_get(member, "attributes");
    json_t *kids = json_object_get(member, "children");
    const char *name = NULL;
    json_t *value = NULL;

    HOLDS(depth <= FUSION_DESCRIBE_DEPTH);
    HOLDS(json_is_object(all) || (depth > 0 && json_is_null(all)));
    HOLDS(json_is_object(kids));
    json_object_foreach(all, name, value)
    {
        HOLDS(*name != 0 && jsonx_text(value, "type") != NULL);
        HOLDS(json_is_boolean(json_object_get(value, "queryable")));
    }
    json_object_foreach(kids, name, value)
    {
        check_member(value, depth + 1);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    json_t *tree = NULL;
    struct fault f = {0};
    enum err err = jsonx_parse(text, size, &tree, &f);

    if (err == ERR_OK) {
        check_jansson(text, size);
        check_written(tree);
    } else {
        HOLDS(tree == NULL && f.err == err && f.message[0] != 0);
        fuzz_fault_prints(&f);
    }
    json_decref(tree);
    tree = NULL;
    fault_clear(&f);
    err = describe_read(text, size, "r", &tree, &f);
    if (err == ERR_OK) {
        check_member(tree, 0);
    } else {
        HOLDS(tree == NULL && f.err == err && f.message[0] != 0);
        fuzz_fault_prints(&f);
    }
    json_decref(tree);
    mem_free(text);
    return 0;
}
