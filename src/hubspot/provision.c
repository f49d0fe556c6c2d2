/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a portal needs before its first write, as a machine without I/O.
 *
 *     READ (each object) --> GROUP --> CREATE (each object that lacks some)
 *                                        |
 *     DONE <-- LABELS (each pair) <-- CONFIRM (until all are listed)
 *                                        |  +--> CREATE, a few rounds
 *     FAILED <--- a scope is missing, something of the portal's is in the way
 *
 * It is frugal: the group is asked for only where no property shows that it
 * exists; only the object changed last is read again, since those before had
 * more time, and objects whose creation left doubts. An answer that is not
 * usable changes nothing: next gives the same call. Each call may be repeated,
 * since "exists already" is as good as "created".
 *
 * Conflicts are collected over all objects before the machine fails, so that a
 * person sees all of them at once. A dry run reads and compares only.
 */
#include "hubspot_priv.h"

#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

enum {
    PATH_MAX_BYTES = 256,
    BODY_MAX = 256 * 1024,
    CONFIRM_WAIT_MS = 750,
    CONFIRM_WAIT_MAX_MS = 8000,
    CONFIRM_TRIES = 10,
    CREATE_ROUNDS = 3
};

static const char group_name[] = "oracle_fusion";
static const char group_label[] = "Oracle Fusion";

enum step { READ, GROUP, CREATE, CONFIRM, LABELS, DONE, FAILED, STEPS };

enum presence { UNREAD, EXISTED, MISSING, CREATED };

struct hubspot_provision {
    enum step step; /* written only by enter() */
    bool dry_run;
    char *version;
    enum map_object object; /* in READ, GROUP, CREATE, CONFIRM */
    size_t pair;            /* in LABELS */
    unsigned tries;         /* in CONFIRM */
    const struct map_property *properties;
    enum presence *presence; /* per property */
    bool *listed;            /* per property: seen in the last list */
    bool has_group[MAP_OBJECTS];
    bool confirm[MAP_OBJECTS];
    unsigned rounds[MAP_OBJECTS];
    size_t n;             /* properties */
    struct fault trouble; /* the first conflict; err OK: none */
    struct buf path, body, operation;
    struct hubspot_findings findings;
    struct hubspot_findings whole; /* objects, then findings: the report */
    struct hubspot_provision_report report;
};

static void
enter(struct hubspot_provision *p, enum step next)
{
    static const unsigned may[STEPS] = {
        [READ] = BIT(GROUP) | BIT(CREATE) | BIT(LABELS) | BIT(FAILED),
        [GROUP] = BIT(CREATE) | BIT(FAILED),
        [CREATE] = BIT(GROUP) | BIT(CREATE) | BIT(CONFIRM) | BIT(FAILED),
        [CONFIRM] = BIT(GROUP) | BIT(CREATE) | BIT(LABELS) | BIT(FAILED),
        [LABELS] = BIT(DONE) | BIT(FAILED)};

    ML_ASSERT((may[p->step] & BIT(next)) != 0);
    p->step = next;
}

/* ---- the report --------------------------------------------------------- */

static size_t
count_of(const struct hubspot_provision *p, enum map_object o,
         enum presence which)
{
    size_t count = 0;

    for (size_t i = 0; i < p->n; i++) {
        if (p->properties[i].object == o && p->presence[i] == which) {
            count++;
        }
    }
    return count;
}

/* The object's properties of that kind by name: a line for people, when there
 * are any, and a member of the object's line for programs. */
static void
tell_names(struct hubspot_provision *p, enum map_object o, enum presence which,
           const char *word, json_t *line)
{
    json_t *names = json_array();
    struct buf *text = &p->whole.text;

    for (size_t i = 0; i < p->n; i++) {
        const struct map_property *one = &p->properties[i];

        if (one->object == o && p->presence[i] == which) {
            if (json_array_size(names) == 0) {
                buf_addf(text, "%s: %s %s", map_object_name(o), word,
                         one->name);
            } else {
                buf_addf(text, ", %s", one->name);
            }
            ML_ASSERT(json_array_append_new(names, json_string(one->name)) ==
                      0);
        }
    }
    if (json_array_size(names) > 0) {
        buf_addc(text, '\n');
    }
    ML_ASSERT(json_object_set_new(line, word, names) == 0);
}

static void
make_report(struct hubspot_provision *p)
{
    hubspot_findings_fini(&p->whole);
    hubspot_findings_init(&p->whole);
    memset(&p->report, 0, sizeof(p->report));
    for (int o = 0; o < MAP_OBJECTS; o++) {
        size_t existed = count_of(p, (enum map_object)o, EXISTED);
        size_t created = count_of(p, (enum map_object)o, CREATED);
        size_t missing = count_of(p, (enum map_object)o, MISSING);

        p->report.existed += existed;
        p->report.created += created;
        p->report.missing += missing;
        if (existed + created + missing > 0) {
            json_t *line = hubspot_finding(
                &p->whole, map_object_name((enum map_object)o), NULL,
                missing > 0 ? "missing" : "ok",
                "%zu of our properties existed, %zu created, %zu missing",
                existed, created, missing);

            tell_names(p, (enum map_object)o, MISSING, "missing", line);
            tell_names(p, (enum map_object)o, CREATED, "created", line);
        }
    }
    buf_adds(&p->whole.text, buf_text(&p->findings.text));
    ML_ASSERT(json_array_extend(p->whole.lines, p->findings.lines) == 0);
    p->report.text = buf_text(&p->whole.text);
    p->report.lines = p->whole.lines;
}

/* ---- moving on ---------------------------------------------------------- */

static enum err
fail(struct hubspot_provision *p, enum err err, struct fault *f)
{
    f->err = err;
    enter(p, FAILED);
    return err;
}

/* Keeps the first conflict and reports each. */
static void
note_trouble(struct hubspot_provision *p, const char *object,
             const char *subject, const struct fault *f)
{
    if (p->trouble.err == ERR_OK) {
        p->trouble = *f;
    }
    hubspot_finding(&p->findings, object, subject, "conflict", "%s",
                    f->message);
}

/* Ends the phase with the conflicts it met, if it met any. */
static enum err
fail_by_trouble(struct hubspot_provision *p, struct fault *f)
{
    *f = p->trouble;
    return fail(p, p->trouble.err, f);
}

static void
begin_create(struct hubspot_provision *p, enum map_object o)
{
    p->object = o;
    p->rounds[o]++;
    enter(p, p->has_group[o] ? CREATE : GROUP);
}

static void
begin_labels(struct hubspot_provision *p)
{
    p->pair = 0;
    enter(p, LABELS);
}

/* The next object that lacks something; false: none from `from` on. */
static bool
next_lacking(const struct hubspot_provision *p, int from, enum map_object *o)
{
    for (int i = from; i < MAP_OBJECTS; i++) {
        if (count_of(p, (enum map_object)i, MISSING) > 0 && !p->confirm[i]) {
            *o = (enum map_object)i;
            return true;
        }
    }
    return false;
}

static bool
next_confirm(struct hubspot_provision *p)
{
    for (int i = 0; i < MAP_OBJECTS; i++) {
        if (p->confirm[i]) {
            p->object = (enum map_object)i;
            p->tries = 0;
            return true;
        }
    }
    return false;
}

/* ---- reading properties ------------------------------------------------- */

static void
compare(struct hubspot_provision *p, const json_t *results, bool first)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct map_property *want = &p->properties[i];
        const json_t *found;
        struct fault f;

        if (want->object != p->object) {
            continue;
        }
        found = hubspot_property_find(results, want->name);
        p->listed[i] = found != NULL;
        if (found == NULL) {
            if (p->presence[i] != CREATED) {
                p->presence[i] = MISSING;
            }
            continue;
        }
        p->presence[i] = first                     ? EXISTED :
                         p->presence[i] == MISSING ? CREATED :
                                                     p->presence[i];
        if (text_equal(jsonx_text(found, "groupName"), group_name)) {
            p->has_group[p->object] = true;
        }
        fault_clear(&f);
        if (hubspot_property_fits(want, found, &f) != ERR_OK) {
            note_trouble(p, map_object_name(p->object), want->name, &f);
        }
    }
}

static enum err
feed_read(struct hubspot_provision *p, const json_t *results, struct fault *f)
{
    enum map_object o;

    compare(p, results, true);
    hubspot_standard_check(p->object, results, &p->findings);
    if (p->object + 1 < MAP_OBJECTS) {
        p->object = (enum map_object)(p->object + 1);
        return ERR_OK;
    }
    if (p->trouble.err != ERR_OK && !p->dry_run) {
        return fail_by_trouble(p, f);
    }
    if (!p->dry_run && next_lacking(p, 0, &o)) {
        begin_create(p, o);
    } else {
        begin_labels(p);
    }
    return ERR_OK;
}

static bool
all_listed(const struct hubspot_provision *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->properties[i].object == p->object && !p->listed[i]) {
            return false;
        }
    }
    return true;
}

static enum err
feed_confirm(struct hubspot_provision *p, const json_t *results,
             struct fault *f)
{
    compare(p, results, false);
    if (p->trouble.err != ERR_OK) {
        return fail_by_trouble(p, f);
    }
    if (all_listed(p)) {
        p->confirm[p->object] = false;
        if (!next_confirm(p)) {
            begin_labels(p);
        }
        return ERR_OK;
    }
    if (count_of(p, p->object, MISSING) > 0 &&
        p->rounds[p->object] < CREATE_ROUNDS) {
        p->confirm[p->object] = false;
        begin_create(p, p->object);
        return ERR_OK;
    }
    p->tries++;
    if (p->tries >= CONFIRM_TRIES) {
        (void)fault_set(f, ERR_CONFIG,
                        "HubSpot does not list the properties of %s after it "
                        "was asked to create them; look at them in HubSpot "
                        "(Settings > Properties, also the archived ones)",
                        map_object_name(p->object));
        return fail(p, ERR_CONFIG, f);
    }
    return ERR_OK;
}

/* ---- creating ----------------------------------------------------------- */

static void
mark_created(struct hubspot_provision *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->properties[i].object == p->object && p->presence[i] == MISSING &&
            text_equal(p->properties[i].name, name)) {
            p->presence[i] = CREATED;
        }
    }
}

/* One refused property: "exists already" has to be looked at, the rest is in
 * the way. */
static void
take_create_error(struct hubspot_provision *p, const json_t *e)
{
    const char *object = map_object_name(p->object);
    struct fault f;
    struct fault told;

    fault_clear(&f);
    hubspot_detail_fault(e, ERR_REFUSED, &f);
    if (f.err == ERR_CONFLICT) {
        return;
    }
    told = f;
    (void)fault_set(&told, f.err == ERR_FORBIDDEN ? f.err : ERR_CONFIG,
                    "HubSpot refused to create a property of %s: %.300s",
                    object, f.message);
    note_trouble(p, object, NULL, &told);
}

static void
after_create(struct hubspot_provision *p)
{
    enum map_object o;
    bool last = !next_lacking(p, (int)p->object + 1, &o);
    bool some;

    if (last || count_of(p, p->object, MISSING) > 0) {
        p->confirm[p->object] = true;
    }
    if (!last) {
        begin_create(p, o);
        return;
    }
    some = next_confirm(p);
    ML_ASSERT(some);
    enter(p, CONFIRM);
}

static enum err
feed_create(struct hubspot_provision *p, const json_t *body, struct fault *f)
{
    const json_t *results = json_object_get(body, "results");
    const json_t *errors = json_object_get(body, "errors");

    for (size_t i = 0; i < json_array_size(results); i++) {
        mark_created(p, jsonx_text(json_array_get(results, i), "name"));
    }
    for (size_t i = 0; i < json_array_size(errors); i++) {
        take_create_error(p, json_array_get(errors, i));
    }
    if (p->trouble.err != ERR_OK) {
        return fail_by_trouble(p, f);
    }
    after_create(p);
    return ERR_OK;
}

/* ---- associations ------------------------------------------------------- */

/* The i-th list of labels to compare: the pairs of the table, then those that
 * lines and payments are created with, from their end. False: no more. */
static bool
label_list(size_t i, struct map_association *out)
{
    static const enum map_object ends[] = {MAP_LINE_ITEMS, MAP_PAYMENTS};
    size_t n;
    const struct map_association *pairs = map_associations(&n);

    if (i < n) {
        *out = pairs[i];
        return true;
    }
    return i - n < COUNT_OF(ends) &&
           hubspot_seen_from(ends[i - n], MAP_INVOICES, out);
}

static enum err
feed_labels(struct hubspot_provision *p, const json_t *results, struct fault *f)
{
    struct map_association pair;
    struct fault mismatch;
    bool more = label_list(p->pair, &pair);

    ML_ASSERT(more);
    fault_clear(&mismatch);
    if (hubspot_labels_fit(&pair, results, &mismatch) != ERR_OK) {
        note_trouble(p, map_object_name(pair.from), map_object_name(pair.to),
                     &mismatch);
    }
    p->pair++;
    if (label_list(p->pair, &pair)) {
        return ERR_OK;
    }
    if (p->trouble.err != ERR_OK) {
        return fail_by_trouble(p, f);
    }
    enter(p, DONE);
    return ERR_OK;
}

/* ---- answers ------------------------------------------------------------ */

static const char *
subject_of(const struct hubspot_provision *p)
{
    struct map_association pair;

    return p->step == LABELS && label_list(p->pair, &pair) ?
               map_object_name(pair.from) :
               map_object_name(p->object);
}

static bool
exists_already(const struct hubspot_provision *p, const struct hubspot_meta *m,
               const json_t *body)
{
    return (p->step == GROUP || p->step == CREATE) &&
           (m->fault.err == ERR_CONFLICT ||
            (m->fault.err == ERR_REFUSED &&
             hubspot_detail_err(body) == ERR_CONFLICT));
}

/* An answer that is not OK: end, or ask again. */
static enum err
feed_failure(struct hubspot_provision *p, const struct hubspot_meta *m,
             struct fault *f)
{
    const char *subject = subject_of(p);
    enum err err = m->fault.err;

    *f = m->fault;
    if (err != ERR_FORBIDDEN && err != ERR_REFUSED && err != ERR_MISSING &&
        err != ERR_CONFLICT) {
        return err;
    }
    if (err == ERR_FORBIDDEN) {
        (void)fault_set(f, err,
                        "%s of %s: the token lacks a scope; add it in HubSpot "
                        "and try again: %.300s",
                        p->step == LABELS ? "associations" : "properties",
                        subject, m->fault.message);
    } else {
        (void)fault_set(f, ERR_CONFIG,
                        "%s of %s: HubSpot refuses the request: %.300s",
                        p->step == LABELS ? "associations" : "properties",
                        subject, m->fault.message);
    }
    note_trouble(p, subject, NULL, f);
    return fail(p, f->err, f);
}

static enum err
feed_answer(struct hubspot_provision *p, const json_t *body, struct fault *f)
{
    const json_t *results = json_object_get(body, "results");

    if (p->step == GROUP) {
        p->has_group[p->object] = true;
        enter(p, CREATE);
        return ERR_OK;
    }
    if (p->step == CREATE) {
        return feed_create(p, body, f);
    }
    if (!json_is_array(results)) {
        return fault_set(f, ERR_PROMISE, "%s: the answer has no results",
                         buf_text(&p->operation));
    }
    if (p->step == READ) {
        return feed_read(p, results, f);
    }
    return p->step == CONFIRM ? feed_confirm(p, results, f) :
                                feed_labels(p, results, f);
}

enum err
hubspot_provision_feed(struct hubspot_provision *p,
                       const struct hubspot_meta *m, const json_t *body,
                       struct fault *f)
{
    enum err err;

    ML_ASSERT(p->step != DONE && p->step != FAILED);
    if (m->fault.err != ERR_OK && !exists_already(p, m, body)) {
        err = feed_failure(p, m, f);
    } else {
        /* Of a whole batch that exists already nothing is known to be there:
         * an empty answer, which has the object read again. */
        err = feed_answer(p, m->fault.err == ERR_OK ? body : NULL, f);
    }
    make_report(p);
    return err;
}

/* ---- calls -------------------------------------------------------------- */

static void
put_property(struct jsonx_writer *w, const struct map_property *p)
{
    jsonx_open(w, '{');
    jsonx_add_text(w, "name", p->name);
    jsonx_add_text(w, "label", p->label);
    jsonx_add_text(w, "type", p->type);
    jsonx_add_text(w, "fieldType", p->field_type);
    jsonx_add_text(w, "groupName", group_name);
    if (p->unique) {
        jsonx_add_bool(w, "hasUniqueValue", true);
    }
    jsonx_close(w, '}');
}

static void
make_body(struct hubspot_provision *p)
{
    struct jsonx_writer w;

    jsonx_begin(&w, &p->body);
    jsonx_open(&w, '{');
    if (p->step == GROUP) {
        jsonx_add_text(&w, "name", group_name);
        jsonx_add_text(&w, "label", group_label);
    } else {
        jsonx_key(&w, "inputs");
        jsonx_open(&w, '[');
        for (size_t i = 0; i < p->n; i++) {
            if (p->properties[i].object == p->object &&
                p->presence[i] == MISSING) {
                put_property(&w, &p->properties[i]);
            }
        }
        jsonx_close(&w, ']');
    }
    jsonx_close(&w, '}');
    ML_ASSERT(!p->body.failed);
}

static void
make_call(struct hubspot_provision *p)
{
    static const char *const tails[STEPS] = {[READ] = "",
                                             [GROUP] = "/groups",
                                             [CREATE] = "/batch/create",
                                             [CONFIRM] = ""};
    static const char *const names[STEPS] = {[READ] = "properties",
                                             [GROUP] = "create_group",
                                             [CREATE] = "create_properties",
                                             [CONFIRM] = "properties",
                                             [LABELS] = "labels"};

    buf_reset(&p->path);
    buf_reset(&p->body);
    buf_reset(&p->operation);
    buf_addf(&p->operation, "%s.%s", subject_of(p), names[p->step]);
    if (p->step == LABELS) {
        struct map_association pair;
        bool more = label_list(p->pair, &pair);

        ML_ASSERT(more);
        hubspot_prefix(&p->path, HUBSPOT_ASSOCIATIONS, p->version);
        buf_addf(&p->path, "/%s/%s/labels", map_object_name(pair.from),
                 map_object_name(pair.to));
        return;
    }
    hubspot_prefix(&p->path, HUBSPOT_PROPERTIES, p->version);
    buf_addf(&p->path, "/%s%s", map_object_name(p->object), tails[p->step]);
    if (p->step == GROUP || p->step == CREATE) {
        make_body(p);
    }
}

bool
hubspot_provision_next(struct hubspot_provision *p, struct hubspot_call *call,
                       int64_t *wait_ms)
{
    bool post = p->step == GROUP || p->step == CREATE;

    if (p->step == DONE || p->step == FAILED) {
        return false;
    }
    make_call(p);
    *call = (struct hubspot_call){.operation = buf_text(&p->operation),
                                  .method = post ? "POST" : "GET",
                                  .path = buf_text(&p->path),
                                  .body = post ? buf_text(&p->body) : NULL};
    *wait_ms = 0;
    if (p->step == CONFIRM) {
        *wait_ms = CONFIRM_WAIT_MS << p->tries;
        if (*wait_ms > CONFIRM_WAIT_MAX_MS) {
            *wait_ms = CONFIRM_WAIT_MAX_MS;
        }
    }
    return true;
}

/* ---- life --------------------------------------------------------------- */

struct hubspot_provision *
hubspot_provision_new(const char *api_version, bool dry_run)
{
    struct hubspot_provision *p = MEM_NEW(struct hubspot_provision);

    p->version = mem_strdup(api_version);
    p->dry_run = dry_run;
    p->properties = map_properties(&p->n);
    p->presence = mem_array(p->n, sizeof(*p->presence));
    p->listed = mem_array(p->n, sizeof(*p->listed));
    buf_init(&p->path, PATH_MAX_BYTES);
    buf_init(&p->body, BODY_MAX);
    buf_init(&p->operation, PATH_MAX_BYTES);
    hubspot_findings_init(&p->findings);
    hubspot_findings_init(&p->whole);
    make_report(p);
    return p;
}

void
hubspot_provision_free(struct hubspot_provision *p)
{
    if (p == NULL) {
        return;
    }
    mem_free(p->version);
    mem_free(p->presence);
    mem_free(p->listed);
    buf_fini(&p->path);
    buf_fini(&p->body);
    buf_fini(&p->operation);
    hubspot_findings_fini(&p->findings);
    hubspot_findings_fini(&p->whole);
    mem_free(p);
}

const struct hubspot_provision_report *
hubspot_provision_report(const struct hubspot_provision *p)
{
    return &p->report;
}
