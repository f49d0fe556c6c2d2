/* SPDX-License-Identifier: UNLICENSED */
/*
 * An answer split into rows, one at a time, on the loop or in libuv's pool.
 *
 *     page_new -> page_split -> results -> page_free
 *
 * Rows whose expanded children are complete are given at once; the others are
 * kept in `partial` until op.c has read the rest. A row is given inside the
 * gate: page_close() waits for the one being given, after it no row comes.
 * Only the thread that splits touches the results until it is done.
 */
#include "fusion_priv.h"
#include "ml/jsonx.h"

#include <string.h>

enum { CHILDREN_MAX = 16, CHILD_CUT = 25 };

struct page *
page_new(const char *key, const struct fusion_query *q, size_t n_queries)
{
    const char *const *children = n_queries > 0 ? NULL : q->children;
    char name[128];
    struct page *p = MEM_NEW(struct page);
    int rc = pthread_mutex_init(&p->gate, NULL);
    size_t n = 0;

    ML_ASSERT(rc == 0);
    p->key = key;
    p->n_queries = n_queries;
    p->partial = json_array();
    p->why = json_array();
    query_name(q->resource, name, sizeof(name));
    p->resource = mem_printf("%s%s", name, n_queries > 0 ? " (batch)" : "");
    p->offset = q->offset;
    p->names = mem_array(CHILDREN_MAX + 1, sizeof(*p->names));
    for (; children != NULL && children[n] != NULL; n++) {
        ML_ASSERT(n < CHILDREN_MAX);
        p->names[n] = mem_strdup(children[n]);
    }
    if (n_queries > 0) {
        p->received = mem_array(n_queries, sizeof(*p->received));
        p->more = mem_array(n_queries, sizeof(*p->more));
        for (size_t i = 0; i < n_queries; i++) {
            p->received[i] = SIZE_MAX;
        }
    }
    return p;
}

void
page_free(void *page)
{
    struct page *p = page;

    if (p == NULL) {
        return;
    }
    for (size_t i = 0; p->names[i] != NULL; i++) {
        mem_free(p->names[i]);
    }
    mem_free(p->names);
    mem_free(p->received);
    mem_free(p->more);
    mem_free(p->body);
    json_decref(p->envelope);
    json_decref(p->partial);
    json_decref(p->why);
    mem_free(p->resource);
    (void)pthread_mutex_destroy(&p->gate);
    mem_free(p);
}

void
page_close(struct page *p)
{
    (void)pthread_mutex_lock(&p->gate);
    p->closed = true;
    (void)pthread_mutex_unlock(&p->gate);
}

static bool
page_give(struct page *p, size_t query, const json_t *row)
{
    bool open = false;

    (void)pthread_mutex_lock(&p->gate);
    open = !p->closed;
    if (open && p->row_at != NULL) {
        p->row_at(p->arg, query, row);
    } else if (open) {
        p->row(p->arg, row);
    }
    (void)pthread_mutex_unlock(&p->gate);
    return open;
}

/* Frameworks 1 and 2 show children as bare arrays: nothing says whether one was
 * cut, but pods cut at multiples of the usual child page. Such a one becomes a
 * collection that has more, and is read on. */
static json_t *
page_doubted(json_t *row, const char *name, json_t *child)
{
    size_t n = json_array_size(child);
    json_t *all = NULL;

    if (n == 0 || n % CHILD_CUT != 0) {
        return child;
    }
    all = json_object();
    (void)json_object_set(all, "items", child);
    (void)json_object_set_new(all, "hasMore", json_true());
    (void)json_object_set_new(row, name, all);
    return all;
}

json_t *
page_truncated(const struct page *p, json_t *row, size_t *at, const char **name)
{
    for (; p->names[*at] != NULL; (*at)++) {
        json_t *child = page_doubted(row, p->names[*at],
                                     json_object_get(row, p->names[*at]));
        struct fault ignored = {0};
        bool has = false;
        bool more = false;

        if (json_is_object(child) &&
            jsonx_get_bool(child, "hasMore", &has, &more, &ignored) == ERR_OK &&
            has && more) {
            *name = p->names[*at];
            return child;
        }
    }
    return NULL;
}

void
page_spoilt(struct page *p, size_t at, const char *what)
{
    char *text = mem_printf("%s: row %zu of the page at offset %u: %s",
                            p->resource, at, p->offset, what);

    if (p->unreadable == 0) {
        (void)fault_set(&p->fault, ERR_SYNTAX, "%s", text);
    }
    if (json_array_size(p->why) < FUSION_WHY_MAX) {
        (void)json_array_append_new(p->why, json_string(text));
    }
    p->unreadable++;
    mem_free(text);
}

static enum err
on_item(void *arg, json_t *item, const struct fault *f)
{
    struct page *p = arg;
    const char *name = NULL;
    size_t at = 0;

    p->seen++;
    if (item == NULL || !json_is_object(item)) {
        page_spoilt(p, p->seen - 1,
                    item != NULL ? "it is no JSON object" : f->message);
        return ERR_OK;
    }
    (void)json_object_set_new(item, FUSION_POSITION,
                              json_integer((json_int_t)(p->seen - 1)));
    if (page_truncated(p, item, &at, &name) != NULL) {
        (void)json_array_append(p->partial, item);
        return ERR_OK;
    }
    return page_give(p, 0, item) ? ERR_OK : ERR_CLOSED;
}

/* ---- parts of a batch -------------------------------------------------------- */

/* "p7" is query 7. */
static bool
part_index(const struct page *p, const json_t *part, size_t *out)
{
    const char *id = jsonx_text(part, "id");
    size_t n = 0;

    if (id == NULL || id[0] != 'p' || id[1] == 0) {
        return false;
    }
    for (id++; *id >= '0' && *id <= '9' && n < BATCH_PARTS_MAX; id++) {
        n = n * 10 + (size_t)(*id - '0');
    }
    *out = n;
    return *id == 0 && n < p->n_queries && p->received[n] == SIZE_MAX;
}

static enum err
on_part(void *arg, json_t *part, const struct fault *f)
{
    struct page *p = arg;
    const json_t *payload = NULL;
    const json_t *items = NULL;
    struct fault ignored = {0};
    bool has = false;
    size_t query = 0;

    if (part == NULL) {
        p->fault = *f;
        return ERR_SYNTAX;
    }
    payload = json_object_get(part, "payload");
    if (!part_index(p, part, &query) || !json_is_object(payload)) {
        return fault_set(&p->fault, ERR_PROMISE,
                         "a part of the batch answer is not one asked for");
    }
    items = json_object_get(payload, "items");
    p->received[query] = json_array_size(items);
    if (jsonx_get_bool(payload, "hasMore", &has, &p->more[query], &ignored) !=
        ERR_OK) {
        return fault_set(&p->fault, ERR_PROMISE, "hasMore is no truth value");
    }
    if (p->more[query] && p->received[query] == 0) {
        return fault_set(&p->fault, ERR_PROMISE,
                         "hasMore is true but there are no rows");
    }
    for (size_t i = 0; i < p->received[query]; i++) {
        p->seen++;
        if (!page_give(p, query, json_array_get(items, i))) {
            return ERR_CLOSED;
        }
    }
    return ERR_OK;
}

static enum err
parts_all_there(struct page *p)
{
    for (size_t i = 0; i < p->n_queries; i++) {
        if (p->received[i] == SIZE_MAX) {
            return fault_set(&p->fault, ERR_PROMISE,
                             "the batch answer lacks part %zu", i);
        }
    }
    return ERR_OK;
}

void
page_split(void *page)
{
    struct page *p = page;
    struct fault f = {0};
    bool parts = p->n_queries > 0;

    p->err = jsonx_scan(p->body, p->len, p->key, parts ? on_part : on_item, p,
                        &p->envelope, &f);
    if (p->err != ERR_OK && p->fault.err == ERR_OK) {
        p->fault = f;
    }
    if (p->err == ERR_TYPE) {
        p->err = ERR_PROMISE; /* items are there, but no array */
        p->fault.err = p->err;
    }
    if (p->err == ERR_OK && parts) {
        p->err = parts_all_there(p);
    }
}
