/* SPDX-License-Identifier: UNLICENSED */
/*
 * Property definitions: those a portal starts with and the properties API.
 *
 *     unknown --create--> unseen --0.25 to 0.7 s--> known --archive--> archived
 *                                                     ^------create------+
 *
 * Whether values are unique is fixed when a property is made. An unseen one is
 * unknown to reads and writes alike, but its name is taken.
 */
#include "hubspot.h"

#include <stdlib.h>
#include <string.h>

enum { PROP_RO = 1, PROP_UNIQUE = 2, UNIQUE_MAX = 10, NAME_MAX_LEN = 100 };

struct standard {
    enum hub_type type;
    const char *name, *label;
    enum hub_kind kind;
    const char *options;
    int flags;
    enum hub_calc calc;
};

static const struct standard standards[] = {
#define PROP(type, name, label, kind, options, flags, calc)                    \
    {HUB_##type, #name, label, KIND_##kind, options, flags, CALC_##calc},
#include "hubspot_props.def"
#undef PROP
};

static const char *const kind_types[][2] = {
    [KIND_STRING] = {"string", "text"},
    [KIND_EMAIL] = {"string", "text"},
    [KIND_NUMBER] = {"number", "number"},
    [KIND_BOOL] = {"bool", "booleancheckbox"},
    [KIND_ENUM] = {"enumeration", "select"},
    [KIND_MULTI] = {"enumeration", "checkbox"},
    [KIND_DATE] = {"date", "date"},
    [KIND_DATETIME] = {"datetime", "date"},
};

/* ---- making ------------------------------------------------------------- */

static struct hub_prop *
prop_add(struct hub_portal *po, enum hub_type type, const char *name)
{
    struct hub_kindred *k = &po->kin[type];
    struct hub_prop *p = MEM_NEW(struct hub_prop);

    p->name = mem_strdup(name);
    map_init(&p->holders);
    map_put(&k->props, name, p);
    k->prop_list = mem_resize(k->prop_list, (k->nprops + 1) * sizeof(p));
    k->prop_list[k->nprops++] = p;
    return p;
}

static void
options_read(struct map *m, json_t *def)
{
    json_t *o;
    size_t i;

    map_init(m);
    json_array_foreach(json_object_get(def, "options"), i, o)
    {
        const char *v = json_string_value(json_object_get(o, "value"));

        if (v != NULL) {
            map_put(m, v, def);
        }
    }
}

static void
options_drop(struct hub_prop *p)
{
    if (p->own_options) {
        map_fini(p->options);
        mem_free(p->options);
    }
    p->options = NULL;
    p->own_options = false;
}

static void
options_take(struct hub_prop *p)
{
    options_drop(p);
    p->options = MEM_NEW(struct map);
    p->own_options = true;
    options_read(p->options, p->def);
}

static json_t *
options_json(const char *list)
{
    json_t *all = json_array();
    json_int_t order = 0;

    while (*list != '\0') {
        size_t n = strcspn(list, ";");

        json_array_append_new(
            all, json_pack("{s:s%, s:s%, s:I, s:b}", "label", list, n, "value",
                           list, n, "displayOrder", order++, "hidden", 0));
        list += n + (list[n] == ';');
    }
    return all;
}

static json_t *
modification(bool read_only, bool builtin)
{
    return json_pack("{s:b, s:b, s:b}", "archivable", !builtin,
                     "readOnlyDefinition", builtin, "readOnlyValue", read_only);
}

static const char *const first_groups[HUB_TYPES] = {
    "contactinformation",  "companyinformation", "invoiceinformation",
    "lineiteminformation", "paymentinformation", "productinformation"};

static json_t *
standard_def(const struct standard *s)
{
    bool read_only = (s->flags & PROP_RO) != 0;
    json_t *def = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:b, s:b, s:b, s:o}",
        "name", s->name, "label", s->label, "type", kind_types[s->kind][0],
        "fieldType", kind_types[s->kind][1], "groupName", first_groups[s->type],
        "description", "", "options", options_json(s->options),
        "hasUniqueValue", (s->flags & PROP_UNIQUE) != 0, "calculated",
        s->calc > CALC_MODIFIED, "hubspotDefined", 1, "hidden", 0, "formField",
        !read_only, "modificationMetadata", modification(read_only, true));

    ML_ASSERT(def != NULL);
    return def;
}

void
protos_init(struct hubspot_sim *s)
{
    size_t i;

    s->protos = mem_array(COUNT_OF(standards), sizeof(*s->protos));
    for (i = 0; i < COUNT_OF(standards); i++) {
        s->protos[i].def = standard_def(&standards[i]);
        options_read(&s->protos[i].options, s->protos[i].def);
    }
}

void
protos_fini(struct hubspot_sim *s)
{
    size_t i;

    for (i = 0; i < COUNT_OF(standards); i++) {
        json_decref(s->protos[i].def);
        map_fini(&s->protos[i].options);
    }
    mem_free(s->protos);
}

static void
standard_add(struct hub_portal *po, const struct standard *s,
             struct hub_proto *proto)
{
    struct hub_prop *p = prop_add(po, s->type, s->name);

    p->kind = s->kind;
    p->calc = s->calc;
    p->builtin = true;
    p->read_only = (s->flags & PROP_RO) != 0;
    p->unique = (s->flags & PROP_UNIQUE) != 0;
    p->def = json_incref(proto->def);
    p->options = &proto->options;
}

void
props_standard(struct hub_portal *po)
{
    struct hub_prop *also;
    size_t i;

    for (i = 0; i < HUB_TYPES; i++) {
        po->kin[i].groups =
            json_pack("{s:{s:s, s:s, s:i, s:b}}", first_groups[i], "name",
                      first_groups[i], "label", hub_types[i].name,
                      "displayOrder", 0, "archived", 0);
    }
    for (i = 0; i < COUNT_OF(standards); i++) {
        standard_add(po, &standards[i], &po->sim->protos[i]);
    }
    also = map_get(&po->kin[HUB_CONTACTS].props, "hs_additional_emails");
    also->also = map_get(&po->kin[HUB_CONTACTS].props, "email");
}

void
props_fini(struct hub_portal *po)
{
    size_t i, j;

    for (i = 0; i < HUB_TYPES; i++) {
        struct hub_kindred *k = &po->kin[i];

        for (j = 0; j < k->nprops; j++) {
            struct hub_prop *p = k->prop_list[j];

            json_decref(p->def);
            options_drop(p);
            map_fini(&p->holders);
            mem_free(p->name);
            mem_free(p);
        }
        mem_free(k->prop_list);
        map_fini(&k->props);
        json_decref(k->groups);
    }
}

/* ---- checking a definition ---------------------------------------------- */

struct pair {
    const char *type, *field;
    enum hub_kind kind;
};
static const struct pair pairs[] = {
    {"bool", "booleancheckbox", KIND_BOOL},
    {"enumeration", "select", KIND_ENUM},
    {"enumeration", "radio", KIND_ENUM},
    {"enumeration", "checkbox", KIND_MULTI},
    {"enumeration", "booleancheckbox", KIND_ENUM},
    {"date", "date", KIND_DATE},
    {"datetime", "date", KIND_DATETIME},
    {"string", "text", KIND_STRING},
    {"string", "textarea", KIND_STRING},
    {"string", "html", KIND_STRING},
    {"string", "file", KIND_STRING},
    {"string", "phonenumber", KIND_STRING},
    {"number", "number", KIND_NUMBER},
};

static const char *
field(json_t *def, const char *name)
{
    return json_string_value(json_object_get(def, name));
}

static bool
name_ok(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= NAME_MAX_LEN && s[0] >= 'a' && s[0] <= 'z' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static const struct pair *
pair_of(json_t *def)
{
    size_t i;

    for (i = 0; i < COUNT_OF(pairs); i++) {
        if (text_equal(pairs[i].type, field(def, "type")) &&
            text_equal(pairs[i].field, field(def, "fieldType"))) {
            return &pairs[i];
        }
    }
    return NULL;
}

static size_t
unique_count(const struct hub_kindred *k)
{
    size_t i, n = 0;

    for (i = 0; i < k->nprops; i++) {
        n += k->prop_list[i]->unique && !k->prop_list[i]->archived &&
             !k->prop_list[i]->builtin;
    }
    return n;
}

static json_t *
exists_error(const char *name)
{
    char *text = mem_printf("A property named '%s' already exists.", name);
    json_t *e = hub_error_json(409, "OBJECT_ALREADY_EXISTS", text);

    json_object_set_new(e, "subCategory",
                        json_string("Properties.PROPERTY_WITH_NAME_EXISTS"));
    hub_error_context(e, "name", name);
    mem_free(text);
    return e;
}

static json_t *
def_check(struct hub_call *c, json_t *def)
{
    static const char *const must[] = {"name", "label", "type", "fieldType",
                                       "groupName"};
    struct hub_kindred *k = &c->po->kin[c->route.type];
    struct hub_prop *have;
    size_t i;

    for (i = 0; i < COUNT_OF(must); i++) {
        if (field(def, must[i]) == NULL || field(def, must[i])[0] == '\0') {
            return hub_error_json(
                400, "VALIDATION_ERROR",
                arena_printf(&c->arena, "Invalid input JSON: %s is required",
                             must[i]));
        }
    }
    if (!name_ok(field(def, "name")) || pair_of(def) == NULL) {
        return hub_error_json(400, "VALIDATION_ERROR",
                              "Property name, type or fieldType is not valid");
    }
    if (json_object_get(k->groups, field(def, "groupName")) == NULL) {
        return hub_error_json(400, "VALIDATION_ERROR",
                              arena_printf(&c->arena,
                                           "Property group %s does not exist",
                                           field(def, "groupName")));
    }
    have = map_get(&k->props, field(def, "name"));
    if (have != NULL && !have->archived) {
        return exists_error(have->name);
    }
    if (json_is_true(json_object_get(def, "hasUniqueValue")) &&
        unique_count(k) >= UNIQUE_MAX) {
        return hub_error_json(400, "VALIDATION_ERROR",
                              "There are already 10 properties with unique "
                              "values");
    }
    return NULL;
}

static void
def_default(json_t *def, const char *key, json_t *value)
{
    if (json_object_get(def, key) == NULL) {
        json_object_set(def, key, value);
    }
    json_decref(value);
}

static struct hub_prop *
def_apply(struct hub_call *c, json_t *def)
{
    struct hub_prop *p =
        map_get(&c->po->kin[c->route.type].props, field(def, "name"));
    int64_t low = c->po->sw.property_lag_min_ms;
    int64_t span = c->po->sw.property_lag_max_ms - low;
    char at[TIME_TEXT_MAX];

    if (p == NULL) {
        p = prop_add(c->po, c->route.type, field(def, "name"));
        p->unique = json_is_true(json_object_get(def, "hasUniqueValue"));
        p->kind = pair_of(def)->kind;
    }
    json_decref(p->def);
    p->archived = false;
    p->def = json_deep_copy(def);
    p->visible_us =
        c->now_us +
        (low +
         (span <= 0 ? 0 : (int64_t)(hub_random(c->sim) % (uint64_t)span))) *
            1000;
    time_format(c->now_us, at);
    json_object_set_new(p->def, "hasUniqueValue", json_boolean(p->unique));
    json_object_set_new(p->def, "createdAt", json_string(at));
    json_object_set_new(p->def, "updatedAt", json_string(at));
    json_object_set_new(p->def, "archived", json_false());
    json_object_set_new(p->def, "calculated", json_false());
    json_object_set_new(p->def, "hubspotDefined", json_false());
    def_default(p->def, "description", json_string(""));
    def_default(p->def, "options", json_array());
    def_default(p->def, "hidden", json_false());
    def_default(p->def, "displayOrder", json_integer(-1));
    def_default(p->def, "formField", json_false());
    json_object_set_new(p->def, "modificationMetadata",
                        modification(false, false));
    options_take(p);
    return p;
}

/* ---- calls -------------------------------------------------------------- */

static struct hub_prop *
path_prop(struct hub_call *c)
{
    struct hub_prop *p =
        store_prop(c->po, c->route.type, c->route.arg[0], c->now_us);

    if (p == NULL) {
        hub_refuse_f(c, 404, "OBJECT_NOT_FOUND",
                     "No property exists with name: %s", c->route.arg[0]);
    }
    return p;
}

static void
reply_results(struct hub_call *c, json_t *all)
{
    sim_reply_json(c->p, 200, json_pack("{s:o}", "results", all));
}

void
props_list(struct hub_call *c)
{
    struct hub_kindred *k = &c->po->kin[c->route.type];
    bool archived = text_equal(sim_query(c->r, "archived"), "true");
    json_t *all = json_array();
    size_t i;

    for (i = 0; i < k->nprops; i++) {
        struct hub_prop *p = k->prop_list[i];

        if (p->archived == archived && p->visible_us <= c->now_us) {
            json_array_append(all, p->def);
        }
    }
    reply_results(c, all);
}

void
props_read(struct hub_call *c)
{
    struct hub_prop *p = path_prop(c);

    if (p != NULL) {
        sim_reply_json(c->p, 200, json_incref(p->def));
    }
}

void
props_create(struct hub_call *c)
{
    json_t *e = def_check(c, c->body);

    c->p->inputs = 1;
    if (e != NULL) {
        hub_refuse_json(c, e);
        return;
    }
    sim_reply_json(c->p, 201, json_incref(def_apply(c, c->body)->def));
}

/* hasUniqueValue, name and type are silently kept. */
void
props_update(struct hub_call *c)
{
    static const char *const may[] = {"label",    "description", "groupName",
                                      "options",  "hidden",      "displayOrder",
                                      "formField"};
    struct hub_prop *p = path_prop(c);
    json_t *shared;
    size_t i;

    if (p == NULL) {
        return;
    }
    shared = p->def;
    p->def = json_deep_copy(shared);
    json_decref(shared);
    for (i = 0; i < COUNT_OF(may); i++) {
        json_t *v = json_object_get(c->body, may[i]);

        if (v != NULL) {
            json_object_set(p->def, may[i], v);
        }
    }
    options_take(p);
    sim_reply_json(c->p, 200, json_incref(p->def));
}

static void
prop_archive(struct hub_prop *p)
{
    p->archived = true;
    json_object_set_new(p->def, "archived", json_true());
}

void
props_archive(struct hub_call *c)
{
    struct hub_prop *p = path_prop(c);

    if (p == NULL) {
        return;
    }
    if (p->builtin) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "HubSpot's own properties cannot be archived");
        return;
    }
    prop_archive(p);
    c->p->status = 204;
}

static void
batch_reply(struct hub_call *c, int fine, json_t *results, json_t *errors)
{
    char at[TIME_TEXT_MAX], end[TIME_TEXT_MAX];
    size_t n = json_array_size(errors), i;
    json_t *body =
        json_pack("{s:s, s:o, s:s, s:s}", "status", "COMPLETE", "results",
                  results, "startedAt", time_format(c->now_us, at),
                  "completedAt", time_format(clock_wall_us(), end));
    json_t *e;

    if (n > 0) {
        json_array_foreach(errors, i, e)
        {
            json_object_del(e, "http");
        }
        json_object_set_new(body, "numErrors", json_integer((json_int_t)n));
        json_object_set(body, "errors", errors);
    }
    json_decref(errors);
    sim_reply_json(c->p, n > 0 ? 207 : fine, body);
}

static json_t *
batch_inputs(struct hub_call *c)
{
    json_t *inputs = json_object_get(c->body, "inputs");
    size_t n = json_array_size(inputs);

    c->p->inputs = n;
    if (n == 0 || n > 100) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "Invalid input JSON: inputs must be a list of 1 to 100");
        return NULL;
    }
    return inputs;
}

void
props_batch_create(struct hub_call *c)
{
    json_t *inputs = batch_inputs(c);
    json_t *results, *errors, *def, *e;
    size_t i;

    if (inputs == NULL) {
        return;
    }
    results = json_array();
    errors = json_array();
    json_array_foreach(inputs, i, def)
    {
        e = def_check(c, def);
        if (e != NULL) {
            json_array_append_new(errors, e);
        } else {
            json_array_append(results, def_apply(c, def)->def);
        }
    }
    batch_reply(c, c->route.version == HUB_2026_09 ? 200 : 201, results,
                errors);
}

void
props_batch_read(struct hub_call *c)
{
    json_t *inputs = batch_inputs(c);
    json_t *results, *errors, *v, *e;
    size_t i;

    if (inputs == NULL) {
        return;
    }
    results = json_array();
    errors = json_array();
    json_array_foreach(inputs, i, v)
    {
        const char *name = field(v, "name");
        struct hub_prop *p =
            name == NULL ? NULL :
                           store_prop(c->po, c->route.type, name, c->now_us);

        if (p != NULL) {
            json_array_append(results, p->def);
        } else {
            e = hub_error_json(404, "OBJECT_NOT_FOUND",
                               "No property exists with that name");
            hub_error_context(e, "name", name == NULL ? "" : name);
            json_array_append_new(errors, e);
        }
    }
    batch_reply(c, 200, results, errors);
}

void
props_batch_archive(struct hub_call *c)
{
    json_t *inputs = batch_inputs(c);
    json_t *v;
    size_t i;

    json_array_foreach(inputs, i, v)
    {
        const char *name = field(v, "name");
        struct hub_prop *p =
            name == NULL ? NULL :
                           store_prop(c->po, c->route.type, name, c->now_us);

        if (p != NULL && !p->builtin) {
            prop_archive(p);
        }
    }
    if (inputs != NULL) {
        c->p->status = 204;
    }
}

/* ---- groups ------------------------------------------------------------- */

void
groups_list(struct hub_call *c)
{
    json_t *all = json_array();
    const char *name;
    json_t *g;

    json_object_foreach(c->po->kin[c->route.type].groups, name, g)
    {
        json_array_append(all, g);
    }
    reply_results(c, all);
}

void
groups_create(struct hub_call *c)
{
    json_t *groups = c->po->kin[c->route.type].groups;
    const char *name = field(c->body, "name");
    json_t *g;

    if (name == NULL || field(c->body, "label") == NULL) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "Invalid input JSON: name and label are required");
        return;
    }
    if (json_object_get(groups, name) != NULL) {
        hub_refuse_f(c, 409, "OBJECT_ALREADY_EXISTS",
                     "A property group named '%s' already exists.", name);
        return;
    }
    g = json_deep_copy(c->body);
    def_default(g, "displayOrder", json_integer(-1));
    json_object_set_new(g, "archived", json_false());
    json_object_set(groups, name, g);
    sim_reply_json(c->p, 201, g);
}

static json_t *
path_group(struct hub_call *c)
{
    json_t *g =
        json_object_get(c->po->kin[c->route.type].groups, c->route.arg[0]);

    if (g == NULL) {
        hub_refuse_f(c, 404, "OBJECT_NOT_FOUND",
                     "No property group exists with name: %s", c->route.arg[0]);
    }
    return g;
}

void
groups_read(struct hub_call *c)
{
    json_t *g = path_group(c);

    if (g != NULL) {
        sim_reply_json(c->p, 200, json_incref(g));
    }
}

void
groups_update(struct hub_call *c)
{
    json_t *g = path_group(c);
    json_t *label = json_object_get(c->body, "label");

    if (g == NULL) {
        return;
    }
    if (json_is_string(label)) {
        json_object_set(g, "label", label);
    }
    sim_reply_json(c->p, 200, json_incref(g));
}

void
groups_archive(struct hub_call *c)
{
    if (path_group(c) != NULL) {
        json_object_del(c->po->kin[c->route.type].groups, c->route.arg[0]);
        c->p->status = 204;
    }
}
