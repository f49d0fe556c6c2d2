/* SPDX-License-Identifier: UNLICENSED */
/*
 * A tenant's mapping file against what its pod and its portal say they have:
 * one question after the other, only of what the file names.
 *
 *     the pod's resources -> the portal's objects -> compared
 *
 * Either may be out of reach: what could not be asked is told, and is no reason
 * to refuse the file. What was asked and is not there, is.
 */
#include "tenant_priv.h"

#include <string.h>

enum { COMPLAINTS_MAX = 256 * 1024 };

struct mapping_asking {
    struct errand *e;
    mapping_asked_fn *done;
    struct mapping *map; /* NULL: the file is wrong by itself */
    struct fusion_op *op;
    struct buf path; /* of the call under way */
    unsigned at;     /* resources, then objects */
    bool give_up;    /* of this system: the next question would fail too */
    json_t *describe[MAP_RESOURCES];
    json_t *properties[MAP_OBJECTS];
    json_t *complaints, *unasked;
    struct loop_call later;
};

static void next(struct mapping_asking *k);

static void
add(json_t *list, const char *what, const char *why)
{
    char *text = mem_printf("%s%s", what, why);

    json_array_append_new(list, json_string(text));
    mem_free(text);
}

/* A resource that the pod does not have or does not show is one thing; any
 * other failure would be the same for the next. */
static bool
goes_on(enum err err)
{
    return err == ERR_OK || err == ERR_MISSING || err == ERR_FORBIDDEN ||
           err == ERR_REFUSED || err == ERR_TOO_LARGE || err == ERR_PROMISE;
}

static void
not_asked(struct mapping_asking *k, const char *system, const char *name,
          const struct fault *f)
{
    char *what = mem_printf("%s%s: ", system, name);

    add(k->unasked, what, errand_reason(f));
    mem_free(what);
    k->give_up = k->give_up || !goes_on(f->err);
}

/* ---- the pod ------------------------------------------------------------ */

static void
on_describe(void *arg, enum err err, const json_t *tree, const struct fault *f)
{
    struct mapping_asking *k = arg;
    unsigned r = k->at++;

    k->op = NULL;
    if (err == ERR_OK) {
        k->describe[r] = json_incref((json_t *)(uintptr_t)tree);
    } else {
        not_asked(k, "the pod's ", map_resource_name((enum map_resource)r), f);
    }
    next(k);
}

static void
ask_pod(struct mapping_asking *k)
{
    enum map_resource r = (enum map_resource)k->at;
    struct fault f;
    enum err err;

    if (k->give_up || !map_uses_resource(k->map, r)) {
        k->at++;
        next(k);
        return;
    }
    err = fusion_describe_all(k->e->fusion, map_resource_name(r),
                              map_resource_is_crm(r), on_describe, k, &k->op);
    if (err != ERR_OK) {
        k->op = NULL;
        fault_clear(&f);
        (void)fault_set(&f, err, "%s", err_text(err));
        on_describe(k, err, NULL, &f);
    }
}

/* ---- the portal --------------------------------------------------------- */

static void
on_properties(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct mapping_asking *k = arg;
    unsigned o = k->at++ - MAP_RESOURCES;
    json_t *list = json_object_get(body, "results");
    struct fault f = m->fault;

    if (f.err == ERR_OK && !json_is_array(list)) {
        (void)fault_set(&f, ERR_PROMISE, "the answer lists no properties");
    }
    if (f.err == ERR_OK) {
        k->properties[o] = json_incref(list);
    } else {
        not_asked(k, "the portal's properties of ",
                  map_object_name((enum map_object)o), &f);
    }
    next(k);
}

static void
ask_portal(struct mapping_asking *k)
{
    enum map_object o = (enum map_object)(k->at - MAP_RESOURCES);
    struct hubspot_call call = {.operation = "properties", .method = "GET"};
    struct hubspot_meta m = {.fault = {.err = ERR_OK}};
    enum err err;

    if (k->give_up || !map_uses_object(k->map, o)) {
        k->at++;
        next(k);
        return;
    }
    buf_reset(&k->path);
    hubspot_properties_path(&k->path, k->e->settings.hubspot_api_version, o);
    call.path = buf_text(&k->path);
    err = errand_call(k->e, &call, on_properties, k);
    if (err != ERR_OK) {
        (void)fault_set(&m.fault, err, "%s", err_text(err));
        on_properties(k, &m, NULL);
    }
}

/* ---- comparing ---------------------------------------------------------- */

static size_t
count_entries(const char *file)
{
    struct fault ignored;
    json_t *tree = NULL;
    size_t n = 0;
    const char *key;
    json_t *v;

    if (jsonx_parse(file, strlen(file), &tree, &ignored) == ERR_OK) {
        json_object_foreach(tree, key, v)
        {
            n += json_object_size(v);
        }
    }
    json_decref(tree);
    return n;
}

static void
add_lines(json_t *list, const char *lines)
{
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");

        json_array_append_new(list, json_stringn(lines, n));
        lines += n + (lines[n] == '\n' ? 1 : 0);
    }
}

static void
compare(struct mapping_asking *k)
{
    struct map_known known = {{NULL}, {NULL}};
    struct fault first;
    struct buf out;

    memcpy(known.describe, k->describe, sizeof(known.describe));
    memcpy(known.properties, k->properties, sizeof(known.properties));
    fault_clear(&first);
    buf_init(&out, COMPLAINTS_MAX);
    if (map_check(k->map, &known, &out, &first) != ERR_OK) {
        add_lines(k->complaints, buf_text(&out));
    }
    buf_fini(&out);
}

static void
on_finished(void *arg)
{
    struct mapping_asking *k = arg;
    const char *file = k->e->settings.mapping;
    json_t *verdict =
        json_pack("{s:I, s:O, s:O}", "entries",
                  (json_int_t)(file != NULL ? count_entries(file) : 0),
                  "complaints", k->complaints, "unasked", k->unasked);

    k->done(k->e, verdict); /* which may drop it */
}

static void
next(struct mapping_asking *k)
{
    if (k->map != NULL && k->at < MAP_RESOURCES) {
        ask_pod(k);
        return;
    }
    if (k->map != NULL && k->at == MAP_RESOURCES) {
        k->give_up = false; /* the other system */
        if (k->e->unasked.err != ERR_OK) {
            not_asked(k, "the portal", "", &k->e->unasked);
            k->give_up = true;
        }
    }
    if (k->map != NULL && k->at < MAP_RESOURCES + MAP_OBJECTS) {
        ask_portal(k);
        return;
    }
    if (k->map != NULL) {
        compare(k);
    }
    loop_later(k->e->place.loop, &k->later, on_finished, k);
}

/* ---- asking for it ------------------------------------------------------ */

struct mapping_asking *
mapping_ask(struct errand *e, mapping_asked_fn *done)
{
    struct mapping_asking *k = MEM_NEW(struct mapping_asking);
    struct map_options options = {.mapping_file = e->settings.mapping};
    struct fault f;

    k->e = e;
    k->done = done;
    k->complaints = json_array();
    k->unasked = json_array();
    buf_init(&k->path, 256);
    fault_clear(&f);
    if (options.mapping_file != NULL &&
        map_new(&options, &k->map, &f) != ERR_OK) {
        add(k->complaints, "", f.message);
        k->map = NULL;
    }
    next(k);
    return k;
}

void
mapping_ask_drop(struct mapping_asking *k)
{
    if (k == NULL) {
        return;
    }
    fusion_cancel(k->op);
    loop_call_cancel(&k->later);
    for (size_t i = 0; i < COUNT_OF(k->describe); i++) {
        json_decref(k->describe[i]);
    }
    for (size_t i = 0; i < COUNT_OF(k->properties); i++) {
        json_decref(k->properties[i]);
    }
    json_decref(k->complaints);
    json_decref(k->unasked);
    buf_fini(&k->path);
    map_free(k->map);
    mem_free(k);
}

static void
on_verdict(struct errand *e, json_t *verdict)
{
    errand_end(e, verdict);
}

static void
start(struct errand *e)
{
    e->own = mapping_ask(e, on_verdict);
}

static void
drop(struct errand *e)
{
    mapping_ask_drop(e->own);
    e->own = NULL;
}

const struct errand_kind errand_mapping = {
    .name = "mapping", .start = start, .drop = drop};
