/* SPDX-License-Identifier: UNLICENSED */
/*
 * What the pod says of a resource: its attributes and those of its children.
 *
 *     ASKING --406--> ASKING with the next kind of answer
 *        |---answer--> READING (pool when large) --> done
 *
 * A description may be megabytes of titles and rules; of all that only names,
 * types and `queryable` are kept, in the tree that fusion.h draws. The answer
 * is read on a private copy, the pod's tree dies before done is called.
 */
#include "ml/jsonx.h"
#include "op.h"

#include <string.h>

enum { DESCRIBE_MAX = 16 * 1024 * 1024 };

static const char *const accepts[] = {
    "application/json, application/vnd.oracle.adf.error+json",
    "*/*",
    "application/vnd.oracle.openapi3+json",
};

/* ---- reading, pure --------------------------------------------------------- */

static json_t *
attribute_of(const json_t *from)
{
    json_t *out = json_object();
    const char *type = jsonx_text(from, "type");
    const char *format =
        jsonx_text(json_object_get(from, "properties"), "format");
    struct fault ignored = {0};
    bool has = false;
    bool queryable = false;

    if (jsonx_get_bool(from, "queryable", &has, &queryable, &ignored) !=
        ERR_OK) {
        queryable = false;
    }
    (void)json_object_set_new(out, "type",
                              json_string(type == NULL ? "" : type));
    if (format != NULL) {
        (void)json_object_set_new(out, "format", json_string(format));
    }
    (void)json_object_set_new(out, "queryable", json_boolean(queryable));
    return out;
}

static json_t *
attributes_of(const json_t *list)
{
    json_t *out = NULL;

    if (!json_is_array(list)) {
        return json_null();
    }
    out = json_object();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *from = json_array_get(list, i);
        const char *name = jsonx_text(from, "name");

        if (name != NULL && *name != 0) {
            (void)json_object_set_new(out, name, attribute_of(from));
        }
    }
    return out;
}

/* Deep as the pod nests, bounded: jansson's tree is no deeper than jsonx lets
 * it be, and what is deeper than we promise is left out. */
static json_t *
member_of(json_t *from, unsigned depth)
{
    json_t *out = json_object();
    json_t *children = json_object();
    json_t *kids = json_object_get(from, "children");
    void *it = json_object_iter(kids);

    (void)json_object_set_new(
        out, "attributes", attributes_of(json_object_get(from, "attributes")));
    while (it != NULL && depth < FUSION_DESCRIBE_DEPTH) {
        (void)json_object_set_new(
            children, json_object_iter_key(it),
            member_of(json_object_iter_value(it), depth + 1));
        it = json_object_iter_next(kids, it);
    }
    (void)json_object_set_new(out, "children", children);
    return out;
}

enum err
describe_read(const char *body, size_t len, const char *resource, json_t **out,
              struct fault *f)
{
    json_t *tree = NULL;
    json_t *member = NULL;
    enum err err = jsonx_parse(body, len, &tree, f);

    if (err != ERR_OK) {
        return err;
    }
    member = json_object_get(json_object_get(tree, "Resources"), resource);
    if (json_is_array(json_object_get(member, "attributes"))) {
        *out = member_of(member, 0);
    } else {
        err = fault_set(f, ERR_PROMISE, "describe names no attributes");
    }
    json_decref(tree);
    return err;
}

/* ---- the work ---------------------------------------------------------------- */

struct describe {
    struct fusion_op *op; /* the loop's; the pool does not look */
    char *resource, *body;
    size_t len;
    enum err err;
    struct fault fault;
    json_t *tree;
};

void
describe_free(void *describe)
{
    struct describe *d = describe;

    if (d == NULL) {
        return;
    }
    json_decref(d->tree);
    mem_free(d->resource);
    mem_free(d->body);
    mem_free(d);
}

static void
describe_work(void *arg)
{
    struct describe *d = arg;

    d->err = describe_read(d->body, d->len, d->resource, &d->tree, &d->fault);
}

/* ---- the operation ------------------------------------------------------------ */

static void op_ask(struct fusion_op *op);

static bool
is_queryable(const json_t *tree, const char *attribute)
{
    const json_t *all = json_object_get(tree, "attributes");

    return json_is_true(
        json_object_get(json_object_get(all, attribute), "queryable"));
}

/* Retires, then tells. */
static void
op_told(struct fusion_op *op, enum err err, json_t *tree, const struct fault *f)
{
    fusion_describe_all_fn *all = op->described_all;
    fusion_describe_fn *one = op->described;
    void *arg = op->arg;
    bool queryable =
        err == ERR_OK && one != NULL && is_queryable(tree, op->attribute);
    json_t *kept = json_incref(tree);
    struct fault why = *f;

    if (err != ERR_OK && err != ERR_CREDENTIALS) {
        error_prefix(&why, op->queries[0].resource);
    }
    op_free(op);
    if (all != NULL) {
        all(arg, err, kept, &why);
    } else {
        one(arg, err, queryable, &why);
    }
    json_decref(kept);
}

static void
on_read(void *arg)
{
    struct describe *d = arg;

    op_from(d->op)->pool = NULL;
    op_told(d->op, d->err, d->tree, &d->fault);
}

static void
on_described(void *arg, enum err err, const struct http_reply *r,
             const struct fault *f)
{
    struct fusion_op *op = op_from(arg);
    struct describe *d = NULL;

    op->call = NULL;
    if (err != ERR_OK && r->status == 406 &&
        op->tried + 1 < COUNT_OF(accepts)) {
        op->tried++;
        op_ask(op);
        return;
    }
    if (err != ERR_OK) {
        op_told(op, err, NULL, f);
        return;
    }
    d = MEM_NEW(struct describe);
    d->op = op;
    d->resource = mem_strdup(op->queries[0].resource);
    d->body = mem_dup(r->body, r->body_len);
    d->len = r->body_len;
    op->describe = d;
    if (d->len > POOL_BYTES) {
        op->pool =
            loop_work(op->f->loop, describe_work, on_read, describe_free, d);
        return;
    }
    describe_work(d);
    on_read(d);
}

static void
op_ask(struct fusion_op *op)
{
    const struct fusion_query *q = &op->queries[0];
    struct call_spec spec = {.label = "describe",
                             .accept = accepts[op->tried],
                             .max_body = DESCRIBE_MAX,
                             .spent = &op->result.requests};
    char *url =
        mem_printf("%s/%s/resources/11.13.18.05/%s/describe", op->f->base_url,
                   q->crm ? "crmRestApi" : "fscmRestApi", q->resource);

    spec.url = url;
    op->call = call_start(op->f, &spec, on_described, op);
    mem_free(url);
}

enum err
fusion_describe_all(struct fusion *f, const char *resource, bool crm,
                    fusion_describe_all_fn *done, void *arg,
                    struct fusion_op **out)
{
    struct fusion_query q = {.resource = resource, .crm = crm};
    struct fusion_op *op = op_new(f, OP_DESCRIBE, &q, 1);

    op->described_all = done;
    op->arg = arg;
    op_ask(op);
    *out = op;
    return ERR_OK;
}

enum err
fusion_describe(struct fusion *f, const char *resource, const char *attribute,
                fusion_describe_fn *done, void *arg, struct fusion_op **out)
{
    struct fusion_query q = {.resource = resource};
    struct fusion_op *op = op_new(f, OP_DESCRIBE, &q, 1);

    op->attribute = mem_strdup(attribute);
    op->described = done;
    op->arg = arg;
    op_ask(op);
    *out = op;
    return ERR_OK;
}
