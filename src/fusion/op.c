/* SPDX-License-Identifier: UNLICENSED */
/*
 * What callers start: a page, a batch, a token (describe.c has the rest).
 *
 *     CALLING --answer--> SPLITTING --rows--> COMPLETING --all--> done
 *        |                 (pool when large)   | ^ |
 *        +--------- failure -------------------+ +-+ one more child page
 *
 * A page is given row by row; rows whose children did not come whole wait in
 * page->partial until `.../child/X` was read to its end, the offset moving by
 * the rows received. Exactly one of call and pool is pending at any time.
 */
#include "op.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

#define BATCH_TYPE "application/vnd.oracle.adf.batch+json"

struct fusion_op *
op_from(void *arg)
{
    struct fusion_op *op = arg;

    ML_ASSERT(op != NULL && op->magic == MAGIC_OP);
    return op;
}

void
op_free(struct fusion_op *op)
{
    list_remove(&op->link);
    page_free(op->page);
    describe_free(op->describe);
    json_decref(op->more);
    mem_free(op->attribute);
    arena_fini(&op->arena);
    op->magic = 0;
    mem_free(op);
}

static void
op_end(struct fusion_op *op, enum err err)
{
    struct fusion_page result = op->result;
    fusion_page_fn *done = op->done;
    void *arg = op->arg;

    json_t *why = NULL;

    if (err != ERR_OK && result.fault.err == ERR_OK) {
        (void)fault_set(&result.fault, err, "%s: %s", op->page->resource,
                        err_text(err));
    }
    if (result.unreadable > 0) {
        why = json_incref(op->page->why);
        result.why = why;
    }
    op_free(op);
    done(arg, err, &result);
    json_decref(why);
}

static enum err
op_promise(struct fusion_op *op, const char *what)
{
    fault_clear(&op->result.fault);
    return fault_set(&op->result.fault, ERR_PROMISE, "%s: %s",
                     op->page->resource, what);
}

static void
op_note(struct fusion_op *op, const struct http_reply *r, const struct fault *f)
{
    const char *date = NULL;
    int64_t us = 0;

    if (r->status == 0) {
        op->result.fault = *f;
        return;
    }
    date = http_header(r, "Date");
    if (date != NULL && time_parse_http(date, &us) == ERR_OK) {
        op->result.pod_us = us;
    }
    op->result.retry_after_ms =
        error_retry_after_ms(http_header(r, "Retry-After"));
    if (f->err != ERR_OK) {
        op->result.fault = *f;
    }
}

/* A page cannot begin so. */
static enum err
op_look(struct fusion_op *op, const struct http_reply *r)
{
    const char *p = r->body;
    const char *what = NULL;

    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }
    if (*p == '<') {
        what = "the pod answered HTML instead of JSON";
    } else if (*p == 0 && p == r->body + r->body_len) {
        what = "the pod answered nothing";
    } else {
        return ERR_OK;
    }
    return fault_set(&op->result.fault, ERR_SYNTAX, "%s: %s",
                     op->page->resource, what);
}

/* ---- the rest of children and parts ------------------------------------------- */

static void op_complete(struct fusion_op *op);

static enum err
on_more_item(void *arg, json_t *item, const struct fault *f)
{
    struct fusion_op *op = arg;

    if (item == NULL && op->kind == OP_BATCH) {
        op->more_bad++;
        page_spoilt(op->page,
                    op->page->received[op->part_at] +
                        json_array_size(op->more) + op->more_bad - 1,
                    f->message);
        op->result.unreadable = op->page->unreadable;
        op->result.fault = op->page->fault;
        return ERR_OK;
    }
    if (item == NULL) {
        op->more_spoilt = true;
        (void)snprintf(op->more_why, sizeof(op->more_why), "%s: %s", op->child,
                       f->message);
        return ERR_OK;
    }
    (void)json_array_append(op->more, item);
    return ERR_OK;
}

/* Splits a follow-up page into op->more. */
static enum err
op_more_read(struct fusion_op *op, const struct http_reply *r)
{
    json_t *envelope = NULL;
    struct fault f = {0};
    bool has = false;
    enum err err = ERR_OK;

    json_decref(op->more);
    op->more = json_array();
    op->more_has_more = false;
    op->more_bad = 0;
    err = jsonx_scan(r->body, r->body_len, "items", on_more_item, op, &envelope,
                     &f);
    if (err == ERR_OK) {
        err = jsonx_get_bool(envelope, "hasMore", &has, &op->more_has_more, &f);
    }
    json_decref(envelope);
    if (err != ERR_OK) {
        err = err == ERR_TYPE ? ERR_PROMISE : err;
        f.err = err;
        if (op->child != NULL) {
            error_prefix(&f, op->child);
        }
        error_prefix(&f, op->page->resource);
        op->result.fault = f;
        return err;
    }
    if (op->more_has_more && json_array_size(op->more) == 0 &&
        !op->more_spoilt && op->more_bad == 0) {
        return op_promise(op, "hasMore is true but there are no rows");
    }
    return ERR_OK;
}

/* Adds the rows read to the child of the row. */
static void
op_more_to_child(struct fusion_op *op, json_t *row)
{
    json_t *child = json_object_get(row, op->child);
    json_t *items = json_object_get(child, "items");

    if (!json_is_array(items)) {
        items = json_array();
        (void)json_object_set_new(child, "items", items);
    }
    (void)json_array_extend(items, op->more);
    (void)json_object_set_new(child, "hasMore",
                              json_boolean(op->more_has_more));
}

static void
op_more_to_part(struct fusion_op *op)
{
    struct page *p = op->page;
    size_t n = json_array_size(op->more);

    for (size_t i = 0; i < n; i++) {
        op->row_at_fn(op->arg, op->part_at, json_array_get(op->more, i));
    }
    p->received[op->part_at] += n + op->more_bad;
    p->more[op->part_at] = op->more_has_more;
    op->result.count += n + op->more_bad;
}

static void
on_more(void *arg, enum err err, const struct http_reply *r,
        const struct fault *f)
{
    struct fusion_op *op = op_from(arg);

    op->call = NULL;
    op_note(op, r, f);
    if (err == ERR_OK) {
        err = op_look(op, r);
    }
    if (err == ERR_OK) {
        err = op_more_read(op, r);
    }
    if (err != ERR_OK) {
        op_end(op, err);
        return;
    }
    if (op->kind == OP_BATCH) {
        op_more_to_part(op);
    } else {
        op_more_to_child(op, json_array_get(op->page->partial, op->row_at));
    }
    op_complete(op);
}

static void
op_more_ask(struct fusion_op *op, const struct fusion_query *q, unsigned offset)
{
    struct url_style style = fusion_style(op->f);
    struct call_spec spec = {.spent = &op->result.requests};
    char label[64];
    struct buf url;

    buf_init(&url, URL_MAX);
    query_url(&url, &style, q, offset);
    query_label(q->resource, label, sizeof(label));
    spec.url = buf_text(&url);
    spec.label = label;
    op->call = call_start(op->f, &spec, on_more, op);
    buf_fini(&url);
}

/* The path of a child collection: its own link when it has one. */
static const char *
child_path(struct fusion_op *op, const json_t *row, const json_t *child)
{
    const struct fusion_query *q = &op->queries[0];
    const json_t *links = json_object_get(child, "links");
    const char *key = q->key == NULL ? NULL : jsonx_text(row, q->key);
    size_t n = 0;

    if (!json_is_array(links)) {
        links = json_object_get(json_object_get(child, "@context"), "links");
    }
    n = json_array_size(links);
    for (size_t i = 0; i < n; i++) {
        const json_t *link = json_array_get(links, i);
        const char *href = jsonx_text(link, "href");

        if (text_equal(jsonx_text(link, "rel"), "self") && href != NULL &&
            strstr(href, "/child/") != NULL) {
            return arena_strndup(&op->arena, href, strcspn(href, "?"));
        }
    }
    if (key == NULL) {
        return NULL;
    }
    return arena_printf(&op->arena, "%s/%s/child/%s", q->resource, key,
                        op->child);
}

/* What was to be expanded inside that child, as its own read writes it. */
static const char *
child_expand(struct fusion_op *op, const char *child)
{
    const char *at = op->queries[0].expand;
    const char *out = NULL;
    size_t n = strlen(child);

    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ",");

        if (len > n + 1 && strncmp(at, child, n) == 0 && at[n] == '.') {
            out = arena_printf(&op->arena, "%s%s%.*s", out != NULL ? out : "",
                               out != NULL ? "," : "", (int)(len - n - 1),
                               at + n + 1);
        }
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return out;
}

static bool
op_child_next(struct fusion_op *op, json_t *row)
{
    json_t *child = page_truncated(op->page, row, &op->child_at, &op->child);
    unsigned limit = op->queries[0].limit;
    struct fusion_query q = {.crm = op->queries[0].crm,
                             .limit = limit > 0 ? limit : CHILD_LIMIT};

    if (child == NULL) {
        return false;
    }
    q.resource = child_path(op, row, child);
    if (q.resource == NULL) {
        op->more_spoilt = true;
        (void)snprintf(op->more_why, sizeof(op->more_why),
                       "%s is not whole and %s, its key, is missing", op->child,
                       op->queries[0].key == NULL ? "" : op->queries[0].key);
        op->child_at++;
        return op_child_next(op, row);
    }
    q.expand = child_expand(op, op->child);
    op_more_ask(op, &q,
                (unsigned)json_array_size(json_object_get(child, "items")));
    return true;
}

static void
op_spoilt(struct fusion_op *op, const json_t *row)
{
    struct page *p = op->page;
    const json_t *at = json_object_get(row, FUSION_POSITION);

    page_spoilt(p, (size_t)json_integer_value(at), op->more_why);
    op->result.unreadable = p->unreadable;
    op->result.fault = p->fault;
}

static void
op_complete_rows(struct fusion_op *op)
{
    size_t n = json_array_size(op->page->partial);

    for (; op->row_at < n; op->row_at++) {
        json_t *row = json_array_get(op->page->partial, op->row_at);

        /* Of a spoilt row nothing more is read: its offsets are off. */
        if (!op->more_spoilt && op_child_next(op, row)) {
            return;
        }
        if (op->more_spoilt) {
            op_spoilt(op, row);
        } else {
            op->row(op->arg, row);
        }
        op->child_at = 0;
        op->more_spoilt = false;
    }
    op_end(op, ERR_OK);
}

static void
op_complete_parts(struct fusion_op *op)
{
    for (; op->part_at < op->n_queries; op->part_at++) {
        if (op->page->more[op->part_at]) {
            op_more_ask(op, &op->queries[op->part_at],
                        (unsigned)op->page->received[op->part_at]);
            return;
        }
    }
    op_end(op, ERR_OK);
}

static void
op_complete(struct fusion_op *op)
{
    if (op->kind == OP_BATCH) {
        op_complete_parts(op);
    } else {
        op_complete_rows(op);
    }
}

/* ---- the page ------------------------------------------------------------------- */

static enum err
op_envelope(struct fusion_op *op)
{
    const struct page *p = op->page;
    struct fusion_page *out = &op->result;
    struct fault *f = &out->fault;
    int64_t n = 0;
    int64_t limit = 0;
    bool has = false;
    bool has_limit = false;

    out->count = p->seen;
    out->unreadable = p->unreadable;
    if (op->kind == OP_BATCH) {
        return ERR_OK;
    }
    if (jsonx_get_bool(p->envelope, "hasMore", &has, &out->has_more, f) !=
            ERR_OK ||
        jsonx_get_int(p->envelope, "count", &has, &n, f) != ERR_OK ||
        jsonx_get_int(p->envelope, "limit", &has_limit, &limit, f) != ERR_OK) {
        return op_promise(op, "the page's count, limit or hasMore is odd");
    }
    if (has && n > 0 && p->seen == 0) {
        return op_promise(op, "rows are counted but there are no items");
    }
    if (out->has_more && p->seen == 0) {
        return op_promise(op, "hasMore is true but there are no rows");
    }
    if (json_object_get(p->envelope, "count") == NULL && p->seen == 0 &&
        json_object_get(p->envelope, "hasMore") == NULL) {
        return op_promise(op, "the answer is not a page of rows");
    }
    out->limit = has_limit && limit > 0 && limit < 100000 ? (unsigned)limit : 0;
    return ERR_OK;
}

static void
on_split(void *arg)
{
    struct page *p = arg;
    struct fusion_op *op = op_from(p->op);
    enum err err = p->err;

    op->pool = NULL;
    if (p->fault.err != ERR_OK) {
        error_prefix(&p->fault, p->resource);
        op->result.fault = p->fault;
    }
    if (err == ERR_OK) {
        err = op_envelope(op);
    }
    if (err != ERR_OK) {
        op_end(op, err);
        return;
    }
    op_complete(op);
}

static void
on_page_answer(void *arg, enum err err, const struct http_reply *r,
               const struct fault *f)
{
    struct fusion_op *op = op_from(arg);
    struct page *p = op->page;

    op->call = NULL;
    op_note(op, r, f);
    if (err == ERR_OK) {
        err = op_look(op, r);
    }
    if (err != ERR_OK) {
        op_end(op, err);
        return;
    }
    p->body = mem_dup(r->body, r->body_len);
    p->len = r->body_len;
    if (p->len > POOL_BYTES) {
        op->pool = loop_work(op->f->loop, page_split, on_split, page_free, p);
        return;
    }
    page_split(p);
    on_split(p);
}

/* ---- copies of queries -------------------------------------------------------- */

static const char *const *
copy_texts(struct arena *a, const char *const *from)
{
    const char **out = NULL;
    size_t n = 0;

    if (from == NULL) {
        return NULL;
    }
    while (from[n] != NULL) {
        n++;
    }
    out = arena_array(a, n + 1, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        out[i] = arena_strdup(a, from[i]);
    }
    return out;
}

static void
copy_query(struct arena *a, struct fusion_query *to,
           const struct fusion_query *q)
{
    struct fusion_term *terms = NULL;

    *to = *q;
    to->resource = arena_strdup(a, q->resource);
    to->order_by = arena_strdup(a, q->order_by);
    to->expand = arena_strdup(a, q->expand);
    to->fields = arena_strdup(a, q->fields);
    to->finder = arena_strdup(a, q->finder);
    to->key = arena_strdup(a, q->key);
    to->children = copy_texts(a, q->children);
    terms = arena_array(a, q->n_terms + 1, sizeof(*terms));
    for (size_t i = 0; i < q->n_terms; i++) {
        terms[i] = q->terms[i];
        terms[i].attribute = arena_strdup(a, q->terms[i].attribute);
        terms[i].op = arena_strdup(a, q->terms[i].op);
        terms[i].text = arena_strdup(a, q->terms[i].text);
        terms[i].number = arena_strdup(a, q->terms[i].number);
        terms[i].list = copy_texts(a, q->terms[i].list);
    }
    to->terms = terms;
}

struct fusion_op *
op_new(struct fusion *f, enum op_kind kind, const struct fusion_query *q,
       size_t n)
{
    struct fusion_op *op = MEM_NEW(struct fusion_op);

    ML_ASSERT(f->magic == MAGIC_FUSION);
    op->magic = MAGIC_OP;
    op->kind = kind;
    op->f = f;
    arena_init(&op->arena);
    list_init(&op->link);
    list_push(&f->ops, &op->link);
    op->n_queries = n;
    op->queries = arena_array(&op->arena, n + 1, sizeof(*op->queries));
    for (size_t i = 0; i < n; i++) {
        copy_query(&op->arena, &op->queries[i], &q[i]);
    }
    return op;
}

/* ---- public: read ---------------------------------------------------------------- */

enum err
fusion_read(struct fusion *f, const struct fusion_query *q, fusion_row_fn *row,
            fusion_page_fn *done, void *arg, struct fusion_op **out)
{
    struct url_style style = fusion_style(f);
    struct call_spec spec = {0};
    struct fusion_op *op = NULL;
    char label[64];
    struct buf url;

    buf_init(&url, URL_MAX);
    query_url(&url, &style, q, q->offset);
    if (url.failed) {
        buf_fini(&url);
        return ERR_FULL;
    }
    op = op_new(f, OP_READ, q, 1);
    op->row = row;
    op->done = done;
    op->arg = arg;
    op->page = page_new("items", q, 0);
    op->page->op = op;
    op->page->row = row;
    op->page->arg = arg;
    query_label(q->resource, label, sizeof(label));
    spec.url = buf_text(&url);
    spec.label = label;
    spec.spent = &op->result.requests;
    op->call = call_start(f, &spec, on_page_answer, op);
    buf_fini(&url);
    *out = op;
    return ERR_OK;
}

/* ---- public: batch --------------------------------------------------------------- */

static void
batch_body(struct fusion *f, const struct fusion_query *q, size_t n,
           struct buf *b)
{
    struct url_style style = fusion_style(f);
    struct jsonx_writer w;
    struct buf path;
    char id[24];

    buf_init(&path, URL_MAX);
    jsonx_begin(&w, b);
    jsonx_open(&w, '{');
    jsonx_key(&w, "parts");
    jsonx_open(&w, '[');
    for (size_t i = 0; i < n; i++) {
        buf_reset(&path);
        query_path(&path, &style, &q[i], q[i].offset);
        (void)snprintf(id, sizeof(id), "p%zu", i);
        jsonx_open(&w, '{');
        jsonx_add_text(&w, "id", id);
        jsonx_add_text(&w, "path", buf_text(&path));
        jsonx_add_text(&w, "operation", "get");
        jsonx_close(&w, '}');
    }
    jsonx_close(&w, ']');
    jsonx_close(&w, '}');
    buf_fini(&path);
}

enum err
fusion_read_batch(struct fusion *f, const struct fusion_query *q, size_t n,
                  fusion_row_at_fn *row, fusion_page_fn *done, void *arg,
                  struct fusion_op **out)
{
    const char *root = "/fscmRestApi/resources/11.13.18.05/";
    struct call_spec spec = {.content_type = BATCH_TYPE, .label = "batch"};
    struct fusion_op *op = NULL;
    char *url = NULL;
    struct buf body;

    ML_ASSERT(n > 0 && n <= BATCH_PARTS_MAX);
    buf_init(&body, BATCH_MAX);
    batch_body(f, q, n, &body);
    if (body.failed) {
        buf_fini(&body);
        return ERR_FULL;
    }
    op = op_new(f, OP_BATCH, q, n);
    op->row_at_fn = row;
    op->done = done;
    op->arg = arg;
    op->page = page_new("parts", q, n);
    op->page->op = op;
    op->page->row_at = row;
    op->page->arg = arg;
    url = mem_printf("%s%s", f->base_url, root);
    spec.url = url;
    spec.body = buf_text(&body);
    spec.body_len = body.len;
    spec.spent = &op->result.requests;
    op->call = call_start(f, &spec, on_page_answer, op);
    mem_free(url);
    buf_fini(&body);
    *out = op;
    return ERR_OK;
}

/* ---- public: token ------------------------------------------------------------------ */

static void
on_token_call(void *arg, enum err err, const struct http_reply *r,
              const struct fault *f)
{
    struct fusion_op *op = op_from(arg);
    fusion_token_fn *done = op->got_token;
    void *user = op->arg;
    struct fault why = *f;

    (void)r;
    op->call = NULL;
    op_free(op);
    done(user, err, &why);
}

enum err
fusion_token(struct fusion *f, fusion_token_fn *done, void *arg,
             struct fusion_op **out)
{
    struct call_spec spec = {.label = "token"};
    struct fusion_op *op = op_new(f, OP_TOKEN, NULL, 0);

    op->got_token = done;
    op->arg = arg;
    op->call = call_start(f, &spec, on_token_call, op);
    *out = op;
    return ERR_OK;
}

/* ---- public: cancel ------------------------------------------------------------------ */

void
fusion_cancel(struct fusion_op *op)
{
    if (op == NULL) {
        return;
    }
    (void)op_from(op);
    call_cancel(op->call);
    op->call = NULL;
    if (op->pool != NULL) {
        if (op->page != NULL) {
            page_close(op->page);
        }
        loop_work_cancel(op->pool);
        op->pool = NULL;
        op->page = NULL;     /* the pool's drop frees it, */
        op->describe = NULL; /* or this */
    }
    op_free(op);
}
