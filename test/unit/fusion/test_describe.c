/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a pod says of its resources: the tree that is kept, the kinds of answer
 * that are asked for in turn, what is no description.
 */
#include "ml/jsonx.h"
#include "op.h"
#include "pod.h"
#include "unit.h"

#include <stdatomic.h>

struct fx {
    struct pod pod;
    atomic_uint refused; /* answered 406 so far */
    unsigned refuses;    /* how often */
    int status;
    const char *body;
    char heads[4096];
    size_t heads_len;
};
struct told {
    struct fx *fx;
    struct fusion_op *op;
    unsigned calls;
    enum err err;
    json_t *tree;
    bool queryable;
    struct fault fault;
};

static bool
on_request(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    struct fx *fx = arg;
    size_t n = sizeof(fx->heads) - fx->heads_len;
    int len = snprintf(fx->heads + fx->heads_len, n, "%s", r->head);

    fx->heads_len += len < 0 || (size_t)len >= n ? 0 : (size_t)len;
    if (atomic_load(&fx->refused) < fx->refuses) {
        (void)atomic_fetch_add(&fx->refused, 1);
        return peer_answer(c, 406, "", "");
    }
    return peer_answer(c, fx->status, "", fx->body);
}

static void
fx_open(struct fx *fx, const char *body)
{
    const struct fusion_config c = {.auth = FUSION_BASIC};

    memset(fx, 0, sizeof(*fx));
    fx->status = 200;
    fx->body = body;
    pod_open(&fx->pod, on_request, fx, &c);
}

static void
on_all(void *arg, enum err err, const json_t *tree, const struct fault *f)
{
    struct told *t = arg;

    t->op = NULL;
    t->calls++;
    t->err = err;
    t->tree = tree == NULL ? NULL : json_deep_copy(tree);
    t->fault = *f;
    loop_stop(t->fx->pod.loop);
}

static void
on_one(void *arg, enum err err, bool queryable, const struct fault *f)
{
    struct told *t = arg;

    t->queryable = queryable;
    on_all(arg, err, NULL, f);
}

static void
start(struct fx *fx, struct told *t, const char *resource, bool crm)
{
    memset(t, 0, sizeof(*t));
    t->fx = fx;
    OK(fusion_describe_all(fx->pod.f, resource, crm, on_all, t, &t->op));
    EQ_UINT(t->calls, 0);
}

static void
ask(struct fx *fx, struct told *t, const char *resource, bool crm)
{
    start(fx, t, resource, crm);
    loop_run(fx->pod.loop);
    EQ_UINT(t->calls, 1);
}

static void
same_json(const json_t *tree, const char *want)
{
    char *got = json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY);

    EQ_STR(got, want);
    free(got);
}

static const char NESTED[] =
    "{\"Resources\" : {\"inv\" : {\"title\" : \"I\", \"attributes\" : ["
    "{\"name\" : \"Id\", \"type\" : \"integer\", \"queryable\" : true, "
    "\"precision\" : 18}, {\"name\" : \"At\", \"type\" : \"string\", "
    "\"queryable\" : false, \"properties\" : {\"format\" : \"date-time\"}}, "
    "{\"name\" : \"Bare\"}, {\"name\" : \"Odd\", \"type\" : [7], \"queryable\" "
    ": [] }, {\"type\" : \"string\"}, 5, {\"name\" : \"\"}],"
    "\"children\" : {\"lines\" : {\"attributes\" : [{\"name\" : \"L\", "
    "\"type\" : \"number\", \"queryable\" : true}], \"children\" : {\"tax\" : "
    "{\"attributes\" : [{\"name\" : \"T\", \"type\" : \"boolean\"}]}}}, "
    "\"known\" : {\"links\" : []}, \"odd\" : 3}}}}";

TEST(all_attributes_are_told_down_to_grandchildren)
{
    struct fx fx;
    struct told t;

    fx_open(&fx, NESTED);
    ask(&fx, &t, "inv", false);
    EQ_ERR(t.err, ERR_OK);
    same_json(t.tree,
              "{\"attributes\":{"
              "\"Id\":{\"type\":\"integer\",\"queryable\":true},"
              "\"At\":{\"type\":\"string\",\"format\":\"date-time\","
              "\"queryable\":false},"
              "\"Bare\":{\"type\":\"\",\"queryable\":false},"
              "\"Odd\":{\"type\":\"\",\"queryable\":false}},"
              "\"children\":{\"lines\":{\"attributes\":{\"L\":{\"type\":"
              "\"number\",\"queryable\":true}},\"children\":{\"tax\":{"
              "\"attributes\":{\"T\":{\"type\":\"boolean\",\"queryable\":false}"
              "},\"children\":{}}}},"
              "\"known\":{\"attributes\":null,\"children\":{}},"
              "\"odd\":{\"attributes\":null,\"children\":{}}}}");
    HAS(fx.heads, "GET /fscmRestApi/resources/11.13.18.05/inv/describe ");
    json_decref(t.tree);
    pod_close(&fx.pod);
}

TEST(crm_resources_are_described_by_crm)
{
    struct fx fx;
    struct told t;

    fx_open(&fx, "{\"Resources\":{\"hubPersons\":{\"attributes\":[]}}}");
    ask(&fx, &t, "hubPersons", true);
    EQ_ERR(t.err, ERR_OK);
    same_json(t.tree, "{\"attributes\":{},\"children\":{}}");
    HAS(fx.heads, "GET /crmRestApi/resources/11.13.18.05/hubPersons/describe ");
    json_decref(t.tree);
    pod_close(&fx.pod);
}

TEST(a_406_is_answered_with_the_next_kind)
{
    struct fx fx;
    struct told t;

    fx_open(&fx, NESTED);
    fx.refuses = 2;
    ask(&fx, &t, "inv", false);
    EQ_ERR(t.err, ERR_OK);
    HAS(fx.heads, "Accept: application/json, ");
    HAS(fx.heads, "Accept: */*\r\n");
    HAS(fx.heads, "Accept: application/vnd.oracle.openapi3+json\r\n");
    EQ_UINT(peer_requests(fx.pod.peer), 3);
    json_decref(t.tree);
    pod_close(&fx.pod);
}

TEST(a_pod_that_refuses_every_kind_is_asked_three_times)
{
    struct fx fx;
    struct told t;

    fx_open(&fx, NESTED);
    fx.refuses = 99;
    ask(&fx, &t, "inv", false);
    EQ_ERR(t.err, ERR_REFUSED);
    EQ_INT(t.fault.http_status, 406);
    EQ_PTR(t.tree, NULL);
    EQ_STR(t.fault.message, "inv: describe: HTTP 406 without an explanation");
    EQ_UINT(peer_requests(fx.pod.peer), 3);
    pod_close(&fx.pod);
}

TEST(what_is_no_description_says_why)
{
    static const struct {
        int status;
        const char *body;
        enum err err;
        const char *says;
    } rows[] = {
        {200, "{}", ERR_PROMISE, "inv: describe names no attributes"},
        {200, "{\"Resources\":{\"other\":{\"attributes\":[]}}}", ERR_PROMISE,
         "inv: describe names no attributes"},
        {200, "{\"openapi\":\"3.0.1\",\"components\":{}}", ERR_PROMISE,
         "inv: describe names no attributes"},
        {200, "<html>Sign in</html>", ERR_SYNTAX, "inv: "},
        {200, "{\"Resources\":", ERR_SYNTAX, "inv: "},
        {200, "", ERR_SYNTAX, "inv: "},
        {404, "", ERR_MISSING, "inv: describe: HTTP 404"},
        {403, "", ERR_FORBIDDEN, "inv: describe: HTTP 403"},
        {503, "", ERR_MAINTENANCE, "inv: describe: HTTP 503"},
        {401, "", ERR_CREDENTIALS, "the pod refuses user or password"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fx fx;
        struct told t;

        fx_open(&fx, rows[i].body);
        fx.status = rows[i].status;
        ask(&fx, &t, "inv", false);
        EQ_ERR(t.err, rows[i].err);
        EQ_PTR(t.tree, NULL);
        IS(text_has_prefix(t.fault.message, rows[i].says));
        pod_close(&fx.pod);
    }
}

/* Attributes A0.. of a resource, with titles that make it large. */
static char *
large(size_t attributes, size_t title)
{
    struct buf b;

    buf_init(&b, 64 * 1024 * 1024);
    buf_adds(&b, "{\"Resources\":{\"inv\":{\"attributes\":[");
    for (size_t i = 0; i < attributes; i++) {
        buf_addf(&b, "%s{\"name\":\"A%zu\",\"queryable\":true,\"title\":\"",
                 i == 0 ? "" : ",", i);
        for (size_t k = 0; k < title; k++) {
            buf_addc(&b, 'x');
        }
        buf_adds(&b, "\"}");
    }
    buf_adds(&b, "]}}}");
    NOT(b.failed);
    return buf_take(&b, NULL);
}

TEST(a_large_description_is_read_in_the_pool)
{
    struct fx fx;
    struct told t;
    char *body = large(2000, 1000);

    fx_open(&fx, body);
    start(&fx, &t, "inv", false);
    while (t.op->pool == NULL) {
        loop_turn(fx.pod.loop, 1);
    }
    loop_run(fx.pod.loop);
    EQ_ERR(t.err, ERR_OK);
    EQ_UINT(json_object_size(json_object_get(t.tree, "attributes")), 2000);
    json_decref(t.tree);
    pod_close(&fx.pod);
    mem_free(body);
}

TEST(cancel_while_the_pool_reads_never_calls_done)
{
    struct fx fx;
    struct told t;
    char *body = large(2000, 1000);

    fx_open(&fx, body);
    start(&fx, &t, "inv", false);
    while (t.op->pool == NULL) {
        loop_turn(fx.pod.loop, 1);
    }
    fusion_cancel(t.op);
    loop_turn(fx.pod.loop, 50);
    EQ_UINT(t.calls, 0);
    pod_close(&fx.pod);
    mem_free(body);
}

TEST(cancel_before_the_answer_never_calls_done)
{
    struct fx fx;
    struct told t;
    struct told after;

    fx_open(&fx, NESTED);
    start(&fx, &t, "inv", false);
    fusion_cancel(t.op);
    ask(&fx, &after, "inv", false);
    EQ_UINT(t.calls, 0);
    json_decref(after.tree);
    pod_close(&fx.pod);
}

TEST(a_description_without_end_is_too_large)
{
    struct fx fx;
    struct told t;
    char *body = large(17, 1024 * 1024);

    fx_open(&fx, body);
    ask(&fx, &t, "inv", false);
    EQ_ERR(t.err, ERR_TOO_LARGE);
    EQ_PTR(t.tree, NULL);
    IS(text_has_prefix(t.fault.message, "inv: describe: "));
    pod_close(&fx.pod);
    mem_free(body);
}

TEST(children_without_end_are_cut)
{
    struct buf b;
    json_t *tree = NULL;
    const json_t *at = NULL;
    struct fault f = {0};
    unsigned levels = 0;

    buf_init(&b, 64 * 1024);
    buf_adds(&b, "{\"Resources\":{\"r\":");
    for (size_t i = 0; i < 20; i++) {
        buf_adds(&b, "{\"attributes\":[],\"children\":{\"c\":");
    }
    buf_adds(&b, "{}");
    for (size_t i = 0; i < 20; i++) {
        buf_adds(&b, "}}");
    }
    buf_adds(&b, "}}");
    OK(describe_read(buf_text(&b), b.len, "r", &tree, &f));
    for (at = tree; at != NULL;) {
        at = json_object_get(json_object_get(at, "children"), "c");
        levels += at == NULL ? 0 : 1;
    }
    EQ_UINT(levels, FUSION_DESCRIBE_DEPTH);
    json_decref(tree);
    buf_fini(&b);
}

TEST(one_attribute_is_asked_for_by_its_name)
{
    struct fx fx;
    struct told t = {.fx = &fx};

    fx_open(&fx, NESTED);
    OK(fusion_describe(fx.pod.f, "inv", "Id", on_one, &t, &t.op));
    loop_run(fx.pod.loop);
    EQ_ERR(t.err, ERR_OK);
    IS(t.queryable);
    OK(fusion_describe(fx.pod.f, "inv", "At", on_one, &t, &t.op));
    loop_run(fx.pod.loop);
    EQ_ERR(t.err, ERR_OK);
    NOT(t.queryable);
    OK(fusion_describe(fx.pod.f, "inv", "L", on_one, &t, &t.op));
    loop_run(fx.pod.loop);
    EQ_ERR(t.err, ERR_OK);
    NOT(t.queryable); /* a child's is not the resource's */
    EQ_UINT(t.calls, 3);
    pod_close(&fx.pod);
}

SUITE(describe, RUN(all_attributes_are_told_down_to_grandchildren),
      RUN(crm_resources_are_described_by_crm),
      RUN(a_406_is_answered_with_the_next_kind),
      RUN(a_pod_that_refuses_every_kind_is_asked_three_times),
      RUN_LONG(what_is_no_description_says_why, 10),
      RUN_LONG(a_large_description_is_read_in_the_pool, 10),
      RUN_LONG(cancel_while_the_pool_reads_never_calls_done, 10),
      RUN(cancel_before_the_answer_never_calls_done),
      RUN_LONG(a_description_without_end_is_too_large, 20),
      RUN(children_without_end_are_cut),
      RUN(one_attribute_is_asked_for_by_its_name))
