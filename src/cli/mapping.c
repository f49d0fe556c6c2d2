/* SPDX-License-Identifier: UNLICENSED */
/*
 * A tenant's mapping file against what its pod and its portal say they have.
 * Either may be out of reach, and the portal belongs to the worker that holds
 * its lease: what could not be asked is told, and is no reason to refuse the
 * file. What was asked and is not there, is.
 */
#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

enum { VERDICT_MAX = 256 * 1024 };

void
mapping_verdict_init(struct mapping_verdict *v)
{
    v->entries = 0;
    buf_init(&v->complaints, VERDICT_MAX);
    buf_init(&v->unasked, VERDICT_MAX);
}

void
mapping_verdict_fini(struct mapping_verdict *v)
{
    buf_fini(&v->complaints);
    buf_fini(&v->unasked);
}

static const char *
reason(const struct fault *f)
{
    return f->message[0] != '\0' ? f->message : err_text(f->err);
}

/* ---- asking ------------------------------------------------------------- */

struct asking {
    struct session *s;
    json_t *describe[MAP_RESOURCES]; /* owned; as map_known has them */
    json_t *properties[MAP_OBJECTS];
    json_t *answer; /* of the describe under way */
};

static void
on_describe(void *arg, enum err err, const json_t *tree, const struct fault *f)
{
    struct asking *k = arg;

    k->answer = json_incref((json_t *)(uintptr_t)tree);
    app_on_done(&k->s->cli->app, err, f);
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
ask_pod(struct asking *k, const struct mapping *m, struct buf *unasked)
{
    struct session *s = k->s;
    struct app *a = &s->cli->app;
    enum err err = ERR_OK;

    for (unsigned r = 0; r < MAP_RESOURCES && goes_on(err); r++) {
        enum map_resource resource = (enum map_resource)r;
        const char *name = map_resource_name(resource);
        struct fusion_op *op;

        if (!map_uses_resource(m, resource)) {
            continue;
        }
        k->answer = NULL;
        err = app_wait(a, fusion_describe_all(s->fusion, name,
                                              map_resource_is_crm(resource),
                                              on_describe, k, &op));
        k->describe[r] = k->answer;
        if (err != ERR_OK) {
            buf_addf(unasked, "the pod's %s: %s\n", name, reason(&a->fault));
        }
    }
}

static void
ask_portal(struct asking *k, const struct mapping *m, struct buf *unasked)
{
    struct session *s = k->s;
    enum err err = ERR_OK;
    struct buf path;

    buf_init(&path, 256);
    for (unsigned o = 0; o < MAP_OBJECTS && goes_on(err); o++) {
        enum map_object object = (enum map_object)o;
        struct hubspot_call call = {.operation = "properties", .method = "GET"};
        struct hubspot_meta meta;
        json_t *body = NULL;

        if (!map_uses_object(m, object)) {
            continue;
        }
        buf_reset(&path);
        hubspot_properties_path(&path, s->settings.hubspot_api_version, object);
        call.path = buf_text(&path);
        err = session_call(s, &call, &meta, &body);
        k->properties[o] = json_incref(json_object_get(body, "results"));
        if (err == ERR_OK && !json_is_array(k->properties[o])) {
            err = fault_set(&meta.fault, ERR_PROMISE,
                            "the answer lists no properties");
        }
        if (err != ERR_OK) {
            buf_addf(unasked, "the portal's properties of %s: %s\n",
                     map_object_name(object), reason(&meta.fault));
        }
        json_decref(body);
    }
    buf_fini(&path);
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
compare(struct asking *k, const struct mapping *m, struct mapping_verdict *v)
{
    struct map_known known = {{NULL}, {NULL}};
    struct fault first;

    memcpy(known.describe, k->describe, sizeof(known.describe));
    memcpy(known.properties, k->properties, sizeof(known.properties));
    fault_clear(&first);
    if (map_check(m, &known, &v->complaints, &first) == ERR_OK) {
        buf_reset(&v->complaints);
    }
}

void
mapping_check(struct session *s, const struct fault *unleased,
              struct mapping_verdict *v)
{
    struct map_options options = {.mapping_file = s->settings.mapping};
    struct asking k = {.s = s};
    struct mapping *m = NULL;
    struct fault f;

    if (options.mapping_file == NULL) {
        return;
    }
    fault_clear(&f);
    v->entries = count_entries(options.mapping_file);
    if (map_new(&options, &m, &f) != ERR_OK) {
        buf_addf(&v->complaints, "%s\n", f.message);
        return;
    }
    ask_pod(&k, m, &v->unasked);
    if (unleased == NULL) {
        ask_portal(&k, m, &v->unasked);
    } else {
        buf_addf(&v->unasked, "the portal: %s\n", reason(unleased));
    }
    compare(&k, m, v);
    for (size_t i = 0; i < COUNT_OF(k.describe); i++) {
        json_decref(k.describe[i]);
    }
    for (size_t i = 0; i < COUNT_OF(k.properties); i++) {
        json_decref(k.properties[i]);
    }
    map_free(m);
}

/* ---- before a tenant is stored ------------------------------------------ */

static void
say_lines(const char *lines, const char *before)
{
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");

        (void)fprintf(stderr, "ml-connector: %s%.*s\n", before, (int)n, lines);
        lines += n + (lines[n] == '\n' ? 1 : 0);
    }
}

enum err
mapping_check_row(struct cli *c, const struct store_tenant *row,
                  struct fault *f)
{
    struct mapping_verdict v;
    struct session s;
    struct fault lease;
    enum err err = session_open_row(&s, c, row, f);

    mapping_verdict_init(&v);
    fault_clear(&lease);
    if (err == ERR_OK) {
        err = session_lease(&s, &lease);
        mapping_check(&s, err != ERR_OK ? &lease : NULL, &v);
        err = ERR_OK;
    }
    if (v.complaints.len > 0) {
        say_lines(buf_text(&v.complaints), "--mapping-file: ");
        err = fault_set(f, ERR_USAGE,
                        "--mapping-file: %s does not fit; nothing was stored",
                        flag_text(c, "mapping-file"));
    } else if (lease.err == ERR_LEASE_LOST) {
        err = fault_set(f, ERR_LEASE_LOST,
                        "--mapping-file: not stored, for it cannot be checked "
                        "against the portal while a worker holds it: `tenant "
                        "pause %s`, this again, `tenant resume %s`",
                        row->name, row->name);
    } else if (v.unasked.len > 0) {
        say_lines(buf_text(&v.unasked), "the mapping was not checked against ");
        (void)fprintf(stderr,
                      "ml-connector: `ml-connector ping %s` checks it\n",
                      row->name);
    }
    mapping_verdict_fini(&v);
    session_close(&s);
    return err;
}
