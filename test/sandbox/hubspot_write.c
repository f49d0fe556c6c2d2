/* SPDX-License-Identifier: UNLICENSED */
/*
 * One input of a write, in two steps: check (touches nothing) and apply
 * (cannot fail). Batches check all inputs first, so that all-or-nothing is
 * easy.
 *
 * Values that are not accepted are collected in the error's "invalid" list, in
 * the form HubSpot prints inside its message; whoever sends the error joins
 * them (of one input or of a whole batch) into that message.
 */
#include "hubspot.h"

#include <inttypes.h>
#include <string.h>

const char *
input_value(const struct hub_input *in, const char *name)
{
    size_t i;

    for (i = 0; i < in->nwrites; i++) {
        if (strcmp(in->writes[i].prop->name, name) == 0) {
            return in->writes[i].text;
        }
    }
    return NULL;
}

void
input_fini(struct hub_input *in)
{
    json_decref(in->error);
    in->error = NULL;
}

/* ---- errors ------------------------------------------------------------- */

void
input_error_message(struct hub_call *c, json_t *error, json_t *more)
{
    json_t *list = json_object_get(error, "invalid");
    json_t *all;
    char *inner, *text;
    json_t *other;
    size_t i;

    if (list == NULL) {
        return;
    }
    json_array_foreach(more, i, other)
    {
        json_array_extend(list, json_object_get(other, "invalid"));
        if (json_object_get(other, "invalid") != NULL) {
            json_array_extend(json_object_get(error, "errors"),
                              json_object_get(other, "errors"));
        }
    }
    all = json_object_get(error, "errors");
    json_object_set_new(error, "errors", hub_shuffle(c, json_incref(all)));
    inner = json_dumps(list, JSON_COMPACT);
    text = mem_printf("Property values were not valid: %s", inner);
    json_object_set_new(error, "message", json_string(text));
    json_object_del(error, "invalid");
    mem_free(text);
    mem_free(inner);
}

static void
invalid(struct hub_call *c, struct hub_input *in, const char *name,
        const struct value_fault *f)
{
    json_t *list, *one;

    if (in->error == NULL) {
        in->error = hub_error_json(400, "VALIDATION_ERROR", "");
        json_object_set_new(in->error, "invalid", json_array());
        json_object_set_new(in->error, "errors", json_array());
    }
    list = json_object_get(in->error, "invalid");
    if (list == NULL) {
        return;
    }
    one = json_pack("{s:b, s:s, s:s, s:s, s:s, s:I}", "isValid", 0, "message",
                    f->why, "error", f->code, "name", name,
                    "localizedErrorMessage", f->why, "portalId",
                    (json_int_t)c->po->id);
    json_array_append_new(list, one);
    json_array_append_new(json_object_get(in->error, "errors"),
                          json_pack("{s:s, s:s, s:{s:[s]}}", "message", f->why,
                                    "code", f->code, "context", "propertyName",
                                    name));
}

static const char *
legacy_type(enum hub_type type)
{
    static const char *const names[HUB_TYPES] = {
        "ObjectTypeId{legacyObjectType=CONTACT}",
        "ObjectTypeId{legacyObjectType=COMPANY}",
        "0-53",
        "ObjectTypeId{legacyObjectType=LINE_ITEM}",
        "0-101",
        "ObjectTypeId{legacyObjectType=PRODUCT}",
    };

    return names[type];
}

/* `holder` NULL: another input of this very batch claims the value. */
static void
clash(struct hub_call *c, struct hub_input *in, const struct hub_write *w,
      const struct hub_record *holder)
{
    uint64_t mine = in->target != NULL ? in->target->id :
                                         c->po->first_id + c->po->nby_id + 1;
    uint64_t theirs = holder != NULL ? holder->id : mine + 1;
    const char *id = arena_printf(&c->arena, "%" PRIu64, theirs);

    if (in->error != NULL) {
        return;
    }
    if (w->prop->kind == KIND_EMAIL && in->target == NULL) {
        if (!c->po->sw.conflict_id) {
            in->error =
                hub_error_json(409, "CONFLICT", "Contact already exists");
            return;
        }
        in->error = hub_error_json(
            409, "CONFLICT",
            arena_printf(&c->arena, "Contact already exists. Existing ID: %s",
                         id));
        hub_error_context(in->error, "existingId", id);
        return;
    }
    in->error = hub_error_json(
        400, "VALIDATION_ERROR",
        arena_printf(&c->arena,
                     "Cannot set PropertyValueCoordinates{portalId=%s, "
                     "objectTypeId=%s, propertyName=%s, value=%s} on %" PRIu64
                     ". %s already has that value.",
                     c->po->id_text, legacy_type(c->route.type), w->prop->name,
                     w->text, mine, id));
}

static void
missing(struct hub_call *c, struct hub_input *in, const char *code,
        json_t *names)
{
    const char *text =
        arena_printf(&c->arena,
                     "Error creating %s. Some required properties were not "
                     "set.",
                     hub_types[c->route.type].upper);

    in->error = hub_error_json(400, "VALIDATION_ERROR", text);
    json_object_set_new(in->error, "errors",
                        json_pack("[{s:s, s:s, s:{s:O}}]", "message", text,
                                  "code", code, "context", "properties",
                                  names));
    json_object_set(json_object_get(in->error, "context"), "properties", names);
    json_decref(names);
}

/* ---- check -------------------------------------------------------------- */

static void
check_claim(struct hub_call *c, struct hub_input *in, const struct hub_write *w,
            struct map *claims)
{
    struct hub_record *holder = store_by_unique(w->prop, w->text);
    const char *key = arena_printf(&c->arena, "%s\n%s", w->prop->name, w->text);

    if (holder == NULL && w->prop->kind == KIND_EMAIL &&
        c->po->sw.additional_emails > 0) {
        holder = store_by_email(c->po, w->text);
    }
    if (holder != NULL && holder != in->target) {
        clash(c, in, w, holder);
    } else if (map_put(claims, key, c) != NULL) {
        clash(c, in, w, NULL);
    }
}

/* Each further address must be nobody else's, first or further. */
static void
check_emails(struct hub_call *c, struct hub_input *in,
             const struct hub_write *w, struct map *claims)
{
    struct hub_prop *email = map_get(&c->po->kin[HUB_CONTACTS].props, "email");
    const char *list = w->text;
    char tmp[HUB_EMAIL_MAX];
    const char *one;

    while (c->po->sw.additional_emails > 0 && email != NULL &&
           (one = store_next_email(&list, tmp)) != NULL) {
        struct hub_write each = {.prop = email,
                                 .text = arena_strdup(&c->arena, one)};

        if (!text_equal(input_value(in, "email"), one)) {
            check_claim(c, in, &each, claims);
        }
    }
}

static void
check_property(struct hub_call *c, struct hub_input *in, const char *name,
               json_t *v)
{
    struct hub_prop *prop = store_prop(c->po, c->route.type, name, c->now_us);
    const char *text = value_text(&c->arena, v);
    struct value_fault f = {.code = NULL};

    if (prop == NULL) {
        f.code = "PROPERTY_DOESNT_EXIST";
        f.why = arena_printf(&c->arena, "Property \"%s\" does not exist", name);
    } else if (prop->read_only) {
        if (c->po->sw.calculated_ignored) {
            return;
        }
        f.code = "READ_ONLY_VALUE";
        f.why = arena_printf(
            &c->arena,
            "\"%s\" is a read only property; its value cannot be set.", name);
    } else if (text == NULL) {
        f.code = "INVALID_VALUE";
        f.why = "The value must be a text, a number or a boolean";
    } else {
        text = value_check(c, prop, text, &f);
    }
    if (f.code != NULL) {
        invalid(c, in, name, &f);
        return;
    }
    in->writes[in->nwrites++] = (struct hub_write){.prop = prop, .text = text};
}

static const char *const needed[HUB_TYPES][4] = {
    {NULL},
    {NULL},
    {"hs_currency", NULL},
    {NULL},
    {"hs_initial_amount", "hs_initiated_date", NULL},
    {"name", NULL}};
static const char *const one_of[HUB_TYPES][4] = {
    {"email", "firstname", "lastname", NULL},
    {"domain", "name", NULL},
    {NULL},
    {NULL},
    {NULL},
    {NULL}};

static bool
given(const struct hub_input *in, const char *name)
{
    const char *v = input_value(in, name);

    return v != NULL && v[0] != '\0';
}

static void
check_required(struct hub_call *c, struct hub_input *in)
{
    const char *const *all = needed[c->route.type];
    const char *const *any = one_of[c->route.type];
    json_t *names = json_array();
    bool have = any[0] == NULL;
    size_t i;

    for (i = 0; all[i] != NULL; i++) {
        if (!given(in, all[i])) {
            json_array_append_new(names, json_string(all[i]));
        }
    }
    for (i = 0; any[i] != NULL; i++) {
        have = have || given(in, any[i]);
    }
    for (i = 0; !have && any[i] != NULL; i++) {
        json_array_append_new(names, json_string(any[i]));
    }
    if (json_array_size(names) > 0) {
        missing(c, in, "MISSING_REQUIRED_PROPERTY", names);
        return;
    }
    json_decref(names);
}

/* What the record will have; NULL: nothing. */
static const char *
value_after(struct hub_call *c, const struct hub_input *in, const char *name,
            char tmp[HUB_TMP_MAX])
{
    const char *v = input_value(in, name);

    if (v == NULL && in->target != NULL) {
        v = store_get_name(c->po, in->target, name, tmp);
    }
    return v == NULL || v[0] == '\0' ? NULL : v;
}

static bool
admin_rules(const struct hub_call *c)
{
    int64_t mode = c->po->sw.missing_required_2026_09;

    return mode == 2 || (mode == 1 && c->route.version == HUB_2026_09);
}

/* Needed because another property has a certain value; updates too. */
static void
check_conditional(struct hub_call *c, struct hub_input *in)
{
    json_t *names = json_array();
    char tmp[HUB_TMP_MAX];
    json_t *rule;
    size_t i;

    json_array_foreach(c->po->kin[c->route.type].required_if, i, rule)
    {
        const char *when = json_string_value(json_object_get(rule, "when"));
        const char *is = json_string_value(json_object_get(rule, "is"));
        const char *need = json_string_value(json_object_get(rule, "need"));

        if (when != NULL && need != NULL &&
            text_equal(value_after(c, in, when, tmp), is) &&
            value_after(c, in, need, tmp) == NULL) {
            json_array_append_new(names, json_string(need));
        }
    }
    if (json_array_size(names) > 0 && admin_rules(c)) {
        missing(c, in, "MISSING_CONDITIONAL_REQUIRED_PROPERTY", names);
        return;
    }
    json_decref(names);
}

static void
check_admin(struct hub_call *c, struct hub_input *in)
{
    struct map *required = &c->po->kin[c->route.type].required;
    json_t *names = json_array();
    const char *name;
    size_t it = 0;
    void *v;

    while (map_next(required, &it, &name, &v)) {
        if (!given(in, name)) {
            json_array_append_new(names, json_string(name));
        }
    }
    if (json_array_size(names) > 0 && admin_rules(c)) {
        missing(c, in, "MISSING_REQUIRED_PROPERTY", names);
        return;
    }
    json_decref(names);
}

/* An association of a create that cannot be; `whole`: the batch with it. */
static bool
bad_want(struct hub_call *c, struct hub_input *in, const char *id,
         const char *message, bool whole)
{
    if (in->error == NULL) {
        in->error = hub_error_json(400, "VALIDATION_ERROR", message);
        json_object_set_new(in->error, "subCategory",
                            json_string("crm.associations.INVALID_IDENTIFIER"));
        if (id != NULL) {
            hub_error_context(in->error, "id", id);
        }
        in->whole = whole && c->po->sw.association_type_whole;
    }
    return false;
}

static void
want_add(struct hub_input *in, struct hub_record *to, unsigned type)
{
    in->wants = mem_resize(in->wants, (in->nwants + 1) * sizeof(*in->wants));
    in->wants[in->nwants++] = (struct hub_assoc_want){.to = to, .type = type};
}

/* The type the association leads to; HUB_TYPES: there is none with that id. */
static enum hub_type
want_to(struct hub_call *c, json_t *t, unsigned *type)
{
    size_t to;

    *type =
        (unsigned)json_integer_value(json_object_get(t, "associationTypeId"));
    if (!text_equal(
            json_string_value(json_object_get(t, "associationCategory")),
            "HUBSPOT_DEFINED") ||
        *type == c->po->sw.type_missing) {
        return HUB_TYPES;
    }
    for (to = 0; to < HUB_TYPES; to++) {
        if (assoc_type_find(c->route.type, (enum hub_type)to, *type) != NULL) {
            return (enum hub_type)to;
        }
    }
    return HUB_TYPES;
}

/* A line item that another input of the batch takes is taken. */
static bool
line_is_free(struct hub_call *c, struct hub_record *rec, struct map *claims)
{
    const char *key = arena_printf(&c->arena, "\nline %" PRIu64, rec->id);

    if (c->route.type != HUB_INVOICES || rec->type != HUB_LINE_ITEMS ||
        !c->po->sw.line_single_parent) {
        return true;
    }
    return store_link_count(rec, HUB_INVOICES) == 0 &&
           map_put(claims, key, c) == NULL;
}

/* {"to":{"id"},"types":[{"associationCategory","associationTypeId"}]} */
static bool
check_want(struct hub_call *c, struct hub_input *in, json_t *a,
           struct map *claims)
{
    json_t *types = json_object_get(a, "types");
    json_t *idv = json_object_get(json_object_get(a, "to"), "id");
    const char *id = idv == NULL ? NULL : value_text(&c->arena, idv);
    struct hub_record *rec;
    enum hub_type to;
    unsigned type;
    json_t *t;
    size_t i;

    if (id == NULL || json_array_size(types) == 0) {
        return bad_want(c, in, NULL,
                        "Invalid input JSON: an association needs to.id and "
                        "types",
                        false);
    }
    json_array_foreach(types, i, t)
    {
        to = want_to(c, t, &type);
        if (to == HUB_TYPES) {
            return bad_want(c, in, NULL,
                            arena_printf(&c->arena,
                                         "Association type %u is not valid "
                                         "from %s",
                                         type, hub_types[c->route.type].id),
                            true);
        }
        rec = store_by_id(c->po, to, id);
        if (rec == NULL || rec->archived) {
            return bad_want(c, in, id,
                            arena_printf(&c->arena,
                                         "%s with id %s is not valid",
                                         hub_types[to].upper, id),
                            false);
        }
        if (i == 0 && !line_is_free(c, rec, claims)) {
            return bad_want(c, in, id,
                            arena_printf(&c->arena,
                                         "Line item %s already belongs to an "
                                         "invoice",
                                         id),
                            false);
        }
        want_add(in, rec, type);
    }
    return true;
}

static void
check_wants(struct hub_call *c, struct hub_input *in, json_t *list,
            struct map *claims)
{
    struct hub_assoc_want *kept;
    json_t *a;
    size_t i;
    bool ok = true;

    json_array_foreach(list, i, a)
    {
        ok = ok && check_want(c, in, a, claims);
    }
    kept = arena_array(&c->arena, in->nwants + 1, sizeof(*kept));
    if (in->nwants > 0) {
        memcpy(kept, in->wants, in->nwants * sizeof(*kept));
    }
    mem_free(in->wants);
    in->wants = kept;
}

void
input_check(struct hub_call *c, struct hub_input *in, json_t *src,
            struct map *claims)
{
    json_t *props = json_object_get(src, "properties");
    const char *name;
    json_t *v;
    size_t i;

    in->writes = arena_array(&c->arena, json_object_size(props) + 1,
                             sizeof(*in->writes));
    json_object_foreach(props, name, v)
    {
        check_property(c, in, name, v);
    }
    check_wants(c, in, json_object_get(src, "associations"), claims);
    for (i = 0; i < in->nwrites && in->error == NULL; i++) {
        if (in->writes[i].prop->unique && in->writes[i].text[0] != '\0') {
            check_claim(c, in, &in->writes[i], claims);
        } else if (in->writes[i].prop->more_emails) {
            check_emails(c, in, &in->writes[i], claims);
        }
    }
    if (in->error == NULL && in->target == NULL) {
        check_required(c, in);
        if (in->error == NULL) {
            check_admin(c, in);
        }
    }
    if (in->error == NULL) {
        check_conditional(c, in);
    }
    if (in->error == NULL) {
        in->error = rules_check(c, in);
    }
}

/* ---- apply -------------------------------------------------------------- */

struct hub_record *
input_apply(struct hub_call *c, struct hub_input *in)
{
    struct hub_record *rec = in->target;
    size_t i;

    if (rec == NULL) {
        rec = store_new(c->po, c->route.type, c->now_us);
    } else if (rec->archived && !in->stays_archived) {
        store_restore(c->po, rec);
    }
    for (i = 0; i < in->nwrites; i++) {
        if (!in->stays_archived || !in->writes[i].prop->unique) {
            store_set(c->po, rec, in->writes[i].prop, in->writes[i].text);
        }
    }
    for (i = 0; i < in->nwants; i++) {
        store_link_add(rec, in->wants[i].to, in->wants[i].type);
        rules_linked(c->po, rec, in->wants[i].to);
    }
    store_touch(c->po, rec, c->now_us);
    rules_applied(c, rec);
    hub_lock_take(c, rec);
    return rec;
}

void
input_show(struct hub_call *c, const struct hub_input *in,
           const struct hub_record *rec, int is_new)
{
    const struct hub_prop **written =
        arena_array(&c->arena, in->nwrites + 2, sizeof(*written));
    struct out_view view = {
        .nwritten = in->nwrites, .trace = in->trace, .is_new = is_new};
    size_t i;

    for (i = 0; i < in->nwrites; i++) {
        written[i] = in->writes[i].prop;
    }
    if (in->key != NULL && input_value(in, in->key->name) == NULL) {
        written[view.nwritten++] = in->key;
    }
    view.written = written;
    out_record(c, rec, &view);
}
