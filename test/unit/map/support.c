/* SPDX-License-Identifier: UNLICENSED */
/*
 * support: see support.h. Everything lives until the test's process ends; the
 * one tree of trees keeps the leak checker content.
 */
#include "support.h"

struct fault fault;
static struct arena the_arena;
static bool has_arena;
static json_t *trees;
static struct mapping *mappings[64];
static size_t mapping_count;

static void
drop_all(void)
{
    json_decref(trees);
    for (size_t i = 0; i < mapping_count; i++) {
        map_free(mappings[i]);
    }
    if (has_arena) {
        arena_fini(&the_arena);
    }
}

static void
begin(void)
{
    if (trees == NULL) {
        trees = json_array();
        atexit(drop_all);
    }
}

struct arena *
arena(void)
{
    begin();
    if (!has_arena) {
        arena_init(&the_arena);
        has_arena = true;
    }
    return &the_arena;
}

static json_t *
keep(json_t *tree)
{
    begin();
    json_array_append_new(trees, tree);
    return tree;
}

static char *
quoted(const char *text)
{
    char *copy = arena_strdup(arena(), text);

    for (char *s = copy; *s != '\0'; s++) {
        *s = *s == '\'' ? '"' : *s;
    }
    return copy;
}

static json_t *
parse(const char *text, const char *what)
{
    struct fault f = {0};
    json_t *tree;

    if (jsonx_parse(text, strlen(text), &tree, &f) != ERR_OK) {
        FAIL("%s: %s", what, f.message);
    }
    return keep(tree);
}

json_t *
q(const char *text)
{
    return parse(quoted(text), text);
}

static json_t *
read_json(const char *folder, const char *name)
{
    char *path =
        arena_printf(arena(), "%s/%s/%s.json", MAP_TEST_DIR, folder, name);
    struct fault f = {0};
    json_t *tree;
    char *text;
    size_t n;

    if (file_read(path, 1 << 24, &text, &n, &f) != ERR_OK) {
        FAIL("%s", f.message);
    }
    tree = parse(text, path);
    mem_free(text);
    return tree;
}

json_t *
fixture(const char *name)
{
    return read_json("fixtures", name);
}

json_t *
expected(const char *name)
{
    return read_json("expected", name);
}

static struct mapping *
make(const struct map_options *o)
{
    struct mapping *m = NULL;

    begin();
    if (map_new(o, &m, &fault) != ERR_OK) {
        FAIL("%s", fault.message);
    }
    IS(mapping_count < COUNT_OF(mappings));
    mappings[mapping_count++] = m;
    return m;
}

struct mapping *
plain(void)
{
    static struct mapping *m;

    m = m != NULL ? m : make(NULL);
    return m;
}

struct mapping *
prefixed(const char *prefix)
{
    struct map_options o = {.key_prefix = prefix};

    return make(&o);
}

struct mapping *
custom(const char *file)
{
    struct map_options o = {.mapping_file = quoted(file)};

    return make(&o);
}

struct map_record
invoice_row(const struct mapping *m, const json_t *row)
{
    struct map_record r;

    fault_clear(&fault);
    if (map_invoice(m, arena(), row, &r, &fault) != MAP_RECORD) {
        FAIL("no record: %s", fault.message);
    }
    check_sane(&r);
    return r;
}

struct map_record
invoice(const char *row)
{
    return invoice_row(plain(), q(row));
}

const char *
invalid_invoice(const char *row)
{
    struct map_record r;

    fault_clear(&fault);
    EQ_INT(map_invoice(plain(), arena(), q(row), &r, &fault), MAP_INVALID);
    EQ_ERR(fault.err, ERR_TYPE);
    return fault.message;
}

struct map_record
customer_row(const struct mapping *m, const struct map_customer_rows *rows)
{
    struct map_record r;

    fault_clear(&fault);
    if (map_customer(m, arena(), rows, &r, &fault) != MAP_RECORD) {
        FAIL("no record: %s", fault.message);
    }
    check_sane(&r);
    return r;
}

struct map_record *
payments(const char *receipt, const char *applications, size_t *n)
{
    struct map_record *all;

    fault_clear(&fault);
    if (map_payments(plain(), arena(), q(receipt), q(applications), &all, n,
                     &fault) != MAP_RECORD) {
        FAIL("no record: %s", fault.message);
    }
    IS(*n > 0);
    for (size_t i = 0; i < *n; i++) {
        check_sane(&all[i]);
    }
    return all;
}

const char *
invalid_payments(const char *receipt, const char *applications)
{
    struct map_record *all;
    size_t n;

    fault_clear(&fault);
    EQ_INT(map_payments(plain(), arena(), q(receipt), q(applications), &all, &n,
                        &fault),
           MAP_INVALID);
    EQ_UINT(n, 0);
    EQ_ERR(fault.err, ERR_TYPE);
    return fault.message;
}

static const json_t *
desired(const struct map_record *r)
{
    return parse(r->desired, "desired");
}

const char *
prop(const struct map_record *r, size_t object, const char *name)
{
    const json_t *o =
        json_array_get(json_object_get(desired(r), "objects"), object);

    IS(o != NULL);
    return json_string_value(
        json_object_get(json_object_get(o, "properties"), name));
}

size_t
objects_of(const struct map_record *r)
{
    return json_array_size(json_object_get(desired(r), "objects"));
}

static const char *
or_empty(const char *s)
{
    return s != NULL ? s : "";
}

const char *
status_of(const struct map_record *r)
{
    return or_empty(json_string_value(json_object_get(desired(r), "status")));
}

const char *
held_of(const struct map_record *r)
{
    return or_empty(
        json_string_value(json_object_get(desired(r), "status_held")));
}

bool
is_gone(const struct map_record *r)
{
    return json_is_true(json_object_get(desired(r), "gone"));
}

const char *
note_of(const struct map_record *r, const char *event)
{
    for (size_t i = 0; i < r->note_count; i++) {
        if (strcmp(r->notes[i].event, event) == 0) {
            return r->notes[i].message;
        }
    }
    return NULL;
}

static void
check_object(const json_t *o, bool gone)
{
    const json_t *properties = json_object_get(o, "properties");
    const char *key = json_string_value(json_object_get(o, "key"));
    const char *before = "";
    enum map_object object;
    const char *name;
    json_t *v;

    IS(map_object_parse(json_string_value(json_object_get(o, "object")),
                        &object));
    IS(key != NULL && key[0] != '\0');
    IS(json_is_object(properties));
    if (!gone) {
        EQ_STR(json_string_value(
                   json_object_get(properties, map_object_key(object))),
               key);
    }
    json_object_foreach((json_t *)(uintptr_t)properties, name, v)
    {
        ck_assert_msg(json_is_string(v) && json_string_length(v) > 0,
                      "%s is no text with a content", name);
        ck_assert_msg(strcmp(before, name) < 0, "%s comes after %s", name,
                      before);
        before = name;
    }
}

void
check_sane(const struct map_record *r)
{
    static const struct hash none;
    const json_t *d = desired(r);
    const json_t *objects = json_object_get(d, "objects");

    IS(r->id != NULL && r->id[0] != '\0');
    IS(r->note_count <= MAP_NOTES_MAX);
    IS(memcmp(&r->hash, &none, sizeof(none)) != 0);
    IS(json_array_size(objects) > 0);
    for (size_t i = 0; i < json_array_size(objects); i++) {
        check_object(json_array_get(objects, i), is_gone(r));
    }
}

static void
compare(const json_t *got, const json_t *want, const char *path)
{
    const char *key;
    json_t *v;

    if (!json_is_object(want) && !json_is_array(want)) {
        char *a = json_dumps(got, JSON_ENCODE_ANY);
        char *b = json_dumps(want, JSON_ENCODE_ANY);

        ck_assert_msg(json_equal(got, want), "%s is %s, not %s", path,
                      a != NULL ? a : "missing", b);
        free(a);
        free(b);
        return;
    }
    ck_assert_msg(got != NULL && json_typeof(got) == json_typeof(want),
                  "%s is missing or of another type", path);
    if (json_is_array(want)) {
        ck_assert_msg(json_array_size(got) == json_array_size(want),
                      "%s has %zu items, not %zu", path, json_array_size(got),
                      json_array_size(want));
        for (size_t i = 0; i < json_array_size(want); i++) {
            compare(json_array_get(got, i), json_array_get(want, i),
                    arena_printf(arena(), "%s[%zu]", path, i));
        }
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)want, key, v)
    {
        compare(json_object_get(got, key), v,
                arena_printf(arena(), "%s.%s", path, key));
    }
    json_object_foreach((json_t *)(uintptr_t)got, key, v)
    {
        ck_assert_msg(json_object_get(want, key) != NULL, "%s.%s is not wanted",
                      path, key);
    }
}

void
check_record(const struct map_record *r, const json_t *want)
{
    char hash[HASH_TEXT_MAX];
    struct buf b;
    json_t *got;

    buf_init(&b, 1 << 24);
    map_record_json(r, &b);
    NOT(b.failed);
    got = parse(buf_text(&b), "record");
    buf_fini(&b);
    EQ_STR(json_string_value(json_object_get(got, "hash")),
           hash_text(&r->hash, hash));
    json_object_del(got, "hash");
    compare(got, want, r->id);
}
