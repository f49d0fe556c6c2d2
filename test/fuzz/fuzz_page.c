/* SPDX-License-Identifier: UNLICENSED */
/*
 * Pages and batch answers split into rows.
 *
 * The first byte says what is read: '0' a page without children, '1' a page
 * whose children "Lines" and "Flex" must be complete, '2' to '9' a batch
 * answer of so many parts. The rest is the body.
 *
 * What must hold: no row is lost or invented (given, waiting for its children
 * or unreadable); every row has its own place; a page split again, or written
 * anew from its rows and split, gives the same rows; a failure has a reason
 * that prints.
 */
#include "fusion_priv.h"
#include "fuzz.h"
#include "ml/jsonx.h"

#include <stdlib.h>
#include <string.h>

struct seen {
    json_t *rows; /* as given, [query, row] */
};

static void
keep(struct seen *s, size_t query, const json_t *row)
{
    json_t *pair = json_array();

    (void)json_array_append_new(pair, json_integer((json_int_t)query));
    (void)json_array_append_new(pair, json_deep_copy(row));
    (void)json_array_append_new(s->rows, pair);
}

static void
on_row(void *arg, const json_t *row)
{
    keep(arg, 0, row);
}

static void
on_row_at(void *arg, size_t query, const json_t *row)
{
    keep(arg, query, row);
}

static struct page *
split(const char *body, size_t n, size_t parts, bool kids, struct seen *s)
{
    static const char *const names[] = {"Lines", "Flex", NULL};
    const struct fusion_query one = {.resource = "r",
                                     .children = kids ? names : NULL};
    struct fusion_query many[9] = {{.resource = "r"}};
    struct page *p =
        page_new(parts > 0 ? "parts" : "items", parts > 0 ? many : &one, parts);

    s->rows = json_array();
    p->body = mem_dup(body, n);
    p->len = n;
    p->row = parts > 0 ? NULL : on_row;
    p->row_at = parts > 0 ? on_row_at : NULL;
    p->arg = s;
    page_split(p);
    return p;
}

/* ---- what holds of one page --------------------------------------------------- */

static void
check_places(const struct page *p, const struct seen *s)
{
    bool *taken = mem_array(p->seen + 1, sizeof(*taken));
    size_t given = json_array_size(s->rows);
    size_t all = given + json_array_size(p->partial);

    for (size_t i = 0; i < all; i++) {
        const json_t *row = i < given ?
                                json_array_get(json_array_get(s->rows, i), 1) :
                                json_array_get(p->partial, i - given);
        const json_t *at = json_object_get(row, FUSION_POSITION);

        HOLDS(json_is_integer(at) && json_integer_value(at) >= 0 &&
              (size_t)json_integer_value(at) < p->seen);
        HOLDS(!taken[json_integer_value(at)]);
        taken[json_integer_value(at)] = true;
    }
    mem_free(taken);
}

static void
check_page(const struct page *p, const struct seen *s)
{
    size_t given = json_array_size(s->rows);
    size_t received = 0;

    if (p->err != ERR_OK) {
        HOLDS(p->fault.err == p->err && p->fault.message[0] != 0);
        fuzz_fault_prints(&p->fault);
        return;
    }
    for (size_t i = 0; i < json_array_size(p->why); i++) {
        fuzz_prints(json_string_value(json_array_get(p->why, i)), 2048);
    }
    HOLDS(json_array_size(p->why) <= FUSION_WHY_MAX);
    HOLDS((p->unreadable > 0) == (json_array_size(p->why) > 0));
    HOLDS(json_is_object(p->envelope));
    if (p->n_queries == 0) {
        HOLDS(given + json_array_size(p->partial) + p->unreadable == p->seen);
        check_places(p, s);
        return;
    }
    for (size_t i = 0; i < p->n_queries; i++) {
        HOLDS(p->received[i] != SIZE_MAX);
        HOLDS(!p->more[i] || p->received[i] > 0);
        received += p->received[i];
    }
    HOLDS(given + p->unreadable == received && p->seen == received);
}

static void
check_same(const struct seen *a, const struct seen *b)
{
    HOLDS(json_equal(a->rows, b->rows));
}

/* ---- written anew --------------------------------------------------------------- */

/* The rows of a page as a page, in their order. */
static char *
rewrite(const struct page *p, const struct seen *s)
{
    json_t *items = json_array();
    json_t *tree = json_object();
    size_t given = json_array_size(s->rows);
    char *text = NULL;

    for (size_t i = 0; i < given; i++) {
        json_t *row = json_array_get(json_array_get(s->rows, i), 1);

        (void)json_array_append(items, row);
    }
    (void)json_array_extend(items, p->partial);
    (void)json_object_set_new(tree, "items", items);
    text = json_dumps(tree, JSON_COMPACT);
    HOLDS(text != NULL);
    json_decref(tree);
    return text;
}

static void
drop_places(struct seen *s, json_t *partial)
{
    for (size_t i = 0; i < json_array_size(s->rows); i++) {
        json_t *row = json_array_get(json_array_get(s->rows, i), 1);

        (void)json_object_del(row, FUSION_POSITION);
    }
    for (size_t i = 0; i < json_array_size(partial); i++) {
        (void)json_object_del(json_array_get(partial, i), FUSION_POSITION);
    }
}

static void
check_rewritten(struct page *p, struct seen *s, bool kids)
{
    struct seen again = {0};
    struct page *q = NULL;
    char *text = NULL;

    drop_places(s, p->partial);
    text = rewrite(p, s);
    q = split(text, strlen(text), 0, kids, &again);
    HOLDS(q->err == ERR_OK && q->unreadable == 0);
    HOLDS(q->seen == p->seen - p->unreadable);
    check_page(q, &again);
    drop_places(&again, q->partial);
    check_same(s, &again);
    HOLDS(json_equal(p->partial, q->partial));
    json_decref(again.rows);
    page_free(q);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen first = {0};
    struct seen second = {0};
    size_t kind = size > 0 && data[0] >= '0' && data[0] <= '9' ?
                      (size_t)(data[0] - '0') :
                      0;
    size_t parts = kind > 1 ? kind : 0;
    char *body = fuzz_text(data + (size > 0), size - (size > 0));
    size_t n = size - (size > 0);
    struct page *a = split(body, n, parts, kind == 1, &first);
    struct page *b = split(body, n, parts, kind == 1, &second);

    check_page(a, &first);
    HOLDS(a->err == b->err && a->seen == b->seen &&
          a->unreadable == b->unreadable);
    check_same(&first, &second);
    HOLDS(json_equal(a->partial, b->partial));
    if (a->err == ERR_OK && parts == 0) {
        check_rewritten(a, &first, kind == 1);
    }
    json_decref(first.rows);
    json_decref(second.rows);
    page_free(a);
    page_free(b);
    mem_free(body);
    return 0;
}
