/* SPDX-License-Identifier: UNLICENSED */
/*
 * plan: what a sync would write now (plan.c). With ask_portal the portal's
 * definitions are read first, and values it would refuse are told.
 *
 *     properties of each object (ask_portal) -> the plan -> answer
 */
#include "tenant_priv.h"

#include <string.h>

enum { SHOWN_DEFAULT = 20, SHOWN_MAX = 100000 };

struct planning {
    struct errand *e;
    unsigned at;     /* object whose definitions are asked for */
    struct buf path; /* of the call under way */
    json_t *definitions[MAP_OBJECTS];
    struct tenant_plan *plan;
};

/* ---- the plan ----------------------------------------------------------- */

static void
on_plan(void *arg, enum err err, const json_t *plan, const struct fault *f)
{
    struct planning *k = arg;
    json_t *answer;

    k->plan = NULL;
    if (plan == NULL) {
        errand_end(k->e, errand_error(err, errand_reason(f)));
        return;
    }
    answer = json_copy((json_t *)(uintptr_t)plan);
    json_object_set_new(answer, "incomplete",
                        err == ERR_OK ? json_null() :
                                        json_string(errand_reason(f)));
    errand_end(k->e, answer);
}

static unsigned
shown(const struct errand *e)
{
    struct fault ignored;
    int64_t n = SHOWN_DEFAULT;
    bool has = false;

    if (jsonx_get_int(e->arguments, "shown", &has, &n, &ignored) != ERR_OK ||
        !has || n < 0) {
        n = SHOWN_DEFAULT;
    }
    return n > SHOWN_MAX ? SHOWN_MAX : (unsigned)n;
}

static void
begin(struct planning *k)
{
    struct errand *e = k->e;
    struct tenant_plan_spec spec = {
        .store = e->place.store,
        .conf = e->place.conf,
        .worker = e->place.worker,
        .row = &e->row,
        .settings = &e->settings,
        .fusion = e->fusion,
        .shown = shown(e),
    };
    struct fault f;

    fault_clear(&f);
    memcpy(spec.definitions, k->definitions, sizeof(spec.definitions));
    if (tenant_plan_start(e->place.loop, &spec, on_plan, k, &k->plan, &f) !=
        ERR_OK) {
        errand_fail(e, &f);
    }
}

/* ---- the portal's definitions ------------------------------------------- */

/* name -> definition, of those that are not archived. */
static json_t *
by_name(const json_t *list)
{
    json_t *out = json_object();

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *p = json_array_get(list, i);
        const char *name = jsonx_text(p, "name");

        if (name != NULL && !json_is_true(json_object_get(p, "archived"))) {
            json_object_set(out, name, p);
        }
    }
    return out;
}

static void ask(struct planning *k);

static void
on_properties(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct planning *k = arg;
    const json_t *list = json_object_get(body, "results");
    struct fault f = m->fault;

    if (f.err == ERR_OK && !json_is_array(list)) {
        (void)fault_set(&f, ERR_PROMISE,
                        "the portal's answer lists no properties");
    }
    if (f.err != ERR_OK) {
        errand_fail(k->e, &f);
        return;
    }
    k->definitions[k->at++] = by_name(list);
    ask(k);
}

static void
ask(struct planning *k)
{
    struct hubspot_call call = {.operation = "properties", .method = "GET"};
    enum err err;

    if (k->at == MAP_OBJECTS) {
        begin(k);
        return;
    }
    buf_reset(&k->path);
    hubspot_properties_path(&k->path, k->e->settings.hubspot_api_version,
                            (enum map_object)k->at);
    call.path = buf_text(&k->path);
    err = errand_call(k->e, &call, on_properties, k);
    if (err != ERR_OK) {
        errand_end(k->e, errand_error(err, err_text(err)));
    }
}

/* ---- life --------------------------------------------------------------- */

static void
start(struct errand *e)
{
    struct planning *k = MEM_NEW(struct planning);

    k->e = e;
    buf_init(&k->path, 256);
    e->own = k;
    if (!json_is_true(json_object_get(e->arguments, "ask_portal"))) {
        begin(k);
    } else if (e->unasked.err != ERR_OK) {
        errand_fail(e, &e->unasked);
    } else {
        ask(k);
    }
}

static void
drop(struct errand *e)
{
    struct planning *k = e->own;

    if (k == NULL) {
        return;
    }
    tenant_plan_cancel(k->plan);
    buf_fini(&k->path);
    for (size_t o = 0; o < COUNT_OF(k->definitions); o++) {
        json_decref(k->definitions[o]);
    }
    mem_free(k);
}

const struct errand_kind errand_plan = {
    .name = "plan", .start = start, .drop = drop};
