/* SPDX-License-Identifier: UNLICENSED */
/*
 * replay run --dry-run: what each job would change in HubSpot, from what is
 * wanted of its record now and what was last written. Asks nobody but the
 * database and writes nothing.
 */
#include "cli_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PAGE = 200 };

struct looking {
    struct cli *c;
    json_t *out; /* --json: all of them */
    int64_t n, count[EFFECT_FATES];
};

/* ---- one job ------------------------------------------------------------ */

static bool
has_link(const json_t *links, const json_t *object)
{
    const json_t *link;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)links, i, link)
    {
        if (text_equal(jsonx_text(link, "object"),
                       jsonx_text(object, "object")) &&
            text_equal(jsonx_text(link, "key"), jsonx_text(object, "key"))) {
            return true;
        }
    }
    return false;
}

static json_t *
parsed(const char *text)
{
    return text != NULL ? json_loads(text, 0, NULL) : NULL;
}

/* The objects that HubSpot does not have yet: [{"object","key"}]. */
static json_t *
created(const json_t *job)
{
    json_t *desired = parsed(jsonx_text(job, "desired"));
    json_t *links = parsed(jsonx_text(job, "links"));
    json_t *objects = json_object_get(desired, "objects"), *object;
    json_t *out = json_array();
    size_t i;

    json_array_foreach(objects, i, object)
    {
        if (!has_link(links, object)) {
            json_array_append_new(
                out, json_pack("{s:O, s:O}", "object",
                               json_object_get(object, "object"), "key",
                               json_object_get(object, "key")));
        }
    }
    json_decref(desired);
    json_decref(links);
    return out;
}

static void
keep(json_t *to, const json_t *from, const char *key)
{
    json_t *v = json_object_get(from, key);

    json_object_set(to, key, v != NULL ? v : json_null());
}

/* Takes the changes. */
static json_t *
row_of(const json_t *job, const struct effect *e)
{
    static const char *const same[] = {
        "job",    "kind",     "fusion_id", "number",  "state", "error_code",
        "reason", "attempts", "since",     "version", "newer"};
    bool waits = e->fate == EFFECT_WAIT;
    json_t *row = json_object();

    for (size_t i = 0; i < COUNT_OF(same); i++) {
        keep(row, job, same[i]);
    }
    json_object_set_new(row, "would", json_string(effect_name(e->fate)));
    json_object_set_new(row, "waits_for",
                        waits ? json_string(e->why) : json_null());
    json_object_set_new(row, "creates", waits ? json_array() : created(job));
    json_object_set_new(row, "changes",
                        e->changes != NULL ? e->changes : json_array());
    return row;
}

/* ---- telling ------------------------------------------------------------ */

static const char *
shown(const json_t *o, const char *key)
{
    const char *text = jsonx_text(o, key);

    return text != NULL ? text : "-";
}

static void
print_would(const json_t *row)
{
    static const struct {
        const char *would, *text;
    } texts[] = {
        {"create", "would be created"},
        {"change", "would be changed"},
        {"archive", "would be archived"},
        {"unchanged", "HubSpot has all of it already"},
        {"rejected", "cannot be read"},
    };
    const char *would = shown(row, "would");

    if (json_is_string(json_object_get(row, "waits_for"))) {
        (void)printf("would wait for %s", shown(row, "waits_for"));
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (strcmp(texts[i].would, would) == 0) {
            (void)printf("%s", texts[i].text);
        }
    }
}

static void
print_row(const json_t *row)
{
    const json_t *item;
    size_t i;

    (void)printf("job %" PRId64 "  %s:%s", cli_number(row, "job"),
                 shown(row, "kind"), shown(row, "fusion_id"));
    if (json_is_string(json_object_get(row, "number"))) {
        (void)printf(" (%s)", shown(row, "number"));
    }
    (void)printf("  ");
    print_would(row);
    (void)printf("\n    %s since %.19s: %s: %s\n", shown(row, "state"),
                 shown(row, "since"), shown(row, "error_code"),
                 shown(row, "reason"));
    if (json_is_true(json_object_get(row, "newer"))) {
        (void)printf("    a newer version (%.19s) was read since and wins\n",
                     shown(row, "version"));
    }
    json_array_foreach(json_object_get(row, "creates"), i, item)
    {
        (void)printf("    + %s %s\n", shown(item, "object"),
                     shown(item, "key"));
    }
    json_array_foreach(json_object_get(row, "changes"), i, item)
    {
        (void)printf("    %s %s  %s: %s -> %s\n", shown(item, "object"),
                     shown(item, "key"), shown(item, "property"),
                     shown(item, "before"), shown(item, "after"));
    }
}

static void
look_at(struct looking *l, const json_t *job)
{
    struct store_plan_job j = {.id = cli_number(job, "job"),
                               .kind = jsonx_text(job, "kind"),
                               .fusion_id = jsonx_text(job, "fusion_id"),
                               .number = jsonx_text(job, "number"),
                               .state = "queued", /* as it would be */
                               .desired = jsonx_text(job, "desired"),
                               .links = jsonx_text(job, "links"),
                               .parents = jsonx_text(job, "parents"),
                               .email_holder = jsonx_text(job, "email_holder")};
    const struct effect_known known = {
        .creates = l->c->app.conf.hubspot_create != 0, .changes = true};
    struct cost_counts cost = {.status = 0};
    struct effect e;
    json_t *row;

    effect_of(&j, &known, &e, &cost);
    l->n++;
    l->count[e.fate]++;
    row = row_of(job, &e);
    if (l->c->json) {
        json_array_append_new(l->out, row);
    } else {
        print_row(row);
        json_decref(row);
    }
}

static void
print_sum(const struct looking *l)
{
    if (l->n == 0) {
        if (flag_set(l->c, "all")) {
            (void)printf("Nothing is parked.\n");
        }
        return;
    }
    (void)printf("%" PRId64 " %s: %" PRId64 " would be created, %" PRId64
                 " changed, %" PRId64 " archived, %" PRId64
                 " are there already, %" PRId64 " would wait; nothing was "
                 "put back to work\n",
                 l->n, l->n == 1 ? "job" : "jobs", l->count[EFFECT_CREATE],
                 l->count[EFFECT_CHANGE], l->count[EFFECT_ARCHIVE],
                 l->count[EFFECT_NOTHING], l->count[EFFECT_WAIT]);
}

/* ---- page by page ------------------------------------------------------- */

static enum err
look_page(struct looking *l, struct store_replay *spec, size_t *n)
{
    struct app *a = &l->c->app;
    const json_t *jobs, *job;
    struct store_op *op;
    json_t *o = NULL;
    enum err err;
    size_t i;

    spec->limit = PAGE;
    err = app_wait(a, store_replay_look(a->store, spec, app_on_json, a, &op));
    if (err == ERR_OK) {
        err = cli_document(l->c, &o, &a->fault);
    }
    if (err != ERR_OK) {
        return err;
    }
    jobs = json_object_get(o, "jobs");
    *n = json_array_size(jobs);
    json_array_foreach((json_t *)(uintptr_t)jobs, i, job)
    {
        look_at(l, job);
        spec->after = cli_number(job, "job");
    }
    json_decref(o);
    return ERR_OK;
}

enum err
replay_look(struct cli *c, struct store_replay *spec, const json_t *misses,
            int64_t *found)
{
    struct looking l = {.c = c, .out = json_array()};
    size_t n = PAGE;
    enum err err = ERR_OK;

    while (err == ERR_OK && n == PAGE) {
        err = look_page(&l, spec, &n);
    }
    if (err == ERR_OK && c->json) {
        json_t *o = json_pack("{s:s, s:b, s:O, s:O}", "tenant", c->argv[0],
                              "dry_run", 1, "jobs", l.out, "misses", misses);

        cli_print_json(o);
        json_decref(o);
    } else if (err == ERR_OK) {
        print_sum(&l);
    }
    *found = l.n;
    json_decref(l.out);
    return err;
}
