/* SPDX-License-Identifier: UNLICENSED */
/*
 * check: a mapping file against what the pod says it has and what the portal
 * has. Of each entry the attribute is looked up where it would be read from,
 * and the property where it would be written to; what either system does not
 * tell is taken on trust. All complaints are collected, in the file's order of
 * entries, each with its line and the nearest name where one is near.
 */
#include <string.h>

#include "map_priv.h"

enum { NAMES_MAX = 4000 };

struct checker {
    const struct mapping *m;
    const struct map_known *known;
    const struct map_custom *c; /* the entry under way */
    struct arena a;
    struct buf *out;
    struct fault *f;
    size_t count;
};

static void complain(struct checker *k, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void
complain(struct checker *k, const char *fmt, ...)
{
    char *message;
    char *line;
    va_list ap;

    k->count++;
    if (k->count > MAP_COMPLAINTS_MAX) {
        return;
    }
    va_start(ap, fmt);
    message = mem_vprintf(fmt, ap);
    va_end(ap);
    line = mem_printf("mapping file, line %u: %s.%s: %s", k->c->line,
                      map_object_name(k->c->object), k->c->property, message);
    if (k->count == 1) {
        (void)fault_set(k->f, ERR_CONFIG, "%s", line);
    }
    buf_addf(k->out, "%s\n", line);
    mem_free(line);
    mem_free(message);
}

/* ---- names -------------------------------------------------------------- */

struct names {
    const char *at[NAMES_MAX + 1]; /* NULL-terminated */
    size_t n;
};

static void
name_add(struct names *names, const char *name)
{
    if (name != NULL && names->n < NAMES_MAX) {
        names->at[names->n++] = name;
    }
}

static void
names_add_keys(struct names *names, const json_t *o)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        name_add(names, key);
    }
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* One that differs in case alone is nearer than any edit makes it. */
static const char *
nearest(const char *name, const struct names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        size_t at = 0;

        while (name[at] != '\0' && lower(name[at]) == lower(names->at[i][at])) {
            at++;
        }
        if (name[at] == '\0' && names->at[i][at] == '\0') {
            return names->at[i];
        }
    }
    return text_nearest(name, names->at);
}

/* ", did you mean "x"?", or nothing. */
static const char *
meant(struct checker *k, const char *name, const struct names *names)
{
    const char *near = nearest(name, names);

    return near == NULL ? "" :
                          arena_printf(&k->a, ", did you mean \"%s\"?", near);
}

/* ---- the pod's side ----------------------------------------------------- */

enum found { FOUND, ABSENT, UNTOLD };

/* How far a path leads into what describe tells. */
struct trace {
    const char *place;   /* where it ends: "receivablesInvoiceDFF of ..." */
    const char *segment; /* the name that is not there */
    const json_t *level; /* whose attribute or child it should be */
    bool deeper;         /* more follows: it should be a child */
};

static const json_t *
child_of(const json_t *level, const char *name)
{
    return json_object_get(json_object_get(level, "children"), name);
}

static enum found
find_attribute(const json_t *level, const char *name, struct trace *t)
{
    const json_t *attributes = json_object_get(level, "attributes");

    if (json_object_get(attributes, name) != NULL) {
        return FOUND;
    }
    t->level = level;
    t->segment = name;
    return json_object_size(attributes) > 0 || child_of(level, name) != NULL ?
               ABSENT :
               UNTOLD;
}

static enum found
follow(struct checker *k, const json_t *level, const char *path,
       struct trace *t)
{
    const char *dot;

    while ((dot = strchr(path, '.')) != NULL) {
        const char *name = arena_strndup(&k->a, path, (size_t)(dot - path));
        const json_t *child = child_of(level, name);

        if (child == NULL) {
            t->level = level;
            t->segment = name;
            t->deeper = true;
            return json_object_size(json_object_get(level, "children")) > 0 ?
                       ABSENT :
                       UNTOLD;
        }
        t->place = arena_printf(&k->a, "%s of %s", name, t->place);
        level = child;
        path = dot + 1;
    }
    return find_attribute(level, path, t);
}

static enum found
find_source(struct checker *k, const struct map_source *s, struct trace *t)
{
    enum map_resource r;
    const json_t *level;

    memset(t, 0, sizeof(*t));
    if (!map_scope_resource(s->scope, &r) || k->known->describe[r] == NULL) {
        return UNTOLD;
    }
    level = k->known->describe[r];
    t->place = map_resource_name(r);
    if (s->scope == MAP_FROM_LINE) {
        level = child_of(level, MAP_LINES);
        t->place = arena_printf(&k->a, "%s of %s", MAP_LINES, t->place);
    }
    return level == NULL ? UNTOLD : follow(k, level, s->path, t);
}

/* What the missing name could have been: an attribute of where it was looked
 * for; a collection of it, or a row that a path may begin with. */
static void
add_candidates(struct names *names, const struct trace *t)
{
    if (!t->deeper) {
        names_add_keys(names, json_object_get(t->level, "attributes"));
        return;
    }
    names_add_keys(names, json_object_get(t->level, "children"));
    for (unsigned s = MAP_FROM_ACCOUNT; s < MAP_SCOPES; s++) {
        name_add(names, map_scope_name((enum map_scope)s));
    }
}

static void
complain_source(struct checker *k, const struct trace *traces, size_t n)
{
    const struct trace *t = &traces[0];
    struct names *names = arena_alloc(&k->a, sizeof(*names));

    if (child_of(t->level, t->segment) != NULL) {
        complain(k,
                 "\"%s\" is a collection of %s: name an attribute of it, "
                 "\"%s.Attribute\"",
                 t->segment, t->place, t->segment);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        add_candidates(names, &traces[i]);
    }
    complain(k, "no %s \"%s\" in %s%s%s%s",
             t->deeper ? "child collection" : "attribute", t->segment, t->place,
             n > 1 ? " or " : "", n > 1 ? traces[1].place : "",
             meant(k, t->segment, names));
}

static void
check_source(struct checker *k)
{
    struct trace traces[COUNT_OF(k->c->source)];
    size_t absent = 0;
    size_t asked = 0;

    for (size_t i = 0; i < COUNT_OF(k->c->source); i++) {
        const struct map_source *s = &k->c->source[i];

        if (s->scope != MAP_FROM_NONE) {
            asked++;
            absent += find_source(k, s, &traces[absent]) == ABSENT ? 1 : 0;
        }
    }
    if (absent > 0 && absent == asked) {
        complain_source(k, traces, absent);
    }
}

/* ---- the portal's side -------------------------------------------------- */

static const json_t *
find_property(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);

        if (text_equal(jsonx_text(p, "name"), name) &&
            !json_is_true(json_object_get(p, "archived"))) {
            return p;
        }
    }
    return NULL;
}

/* Ours are created before the first write. */
static bool
is_ours(enum map_object o, const char *name)
{
    size_t n;
    const struct map_property *all = map_properties(&n);

    for (size_t i = 0; i < n; i++) {
        if (all[i].object == o && strcmp(all[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* HubSpot's type for a property that holds values of that form. */
static const char *
type_for(enum map_format f)
{
    switch (f) {
    case MAP_AS_AMOUNT:
    case MAP_AS_NUMBER:
        return "number";
    case MAP_AS_DATE:
    case MAP_AS_TIME:
        return "datetime";
    case MAP_AS_DAY:
        return "date";
    case MAP_AS_BOOLEAN:
        return "bool";
    case MAP_AS_TEXT:
    case MAP_AS_EMAIL:
    case MAP_AS_DOMAIN:
    case MAP_AS_CURRENCY:
    case MAP_AS_METHOD:
    case MAP_AS_KEY:
    case MAP_FORMATS:
        break;
    }
    return "string";
}

/* The forms that a property of a type takes; NULL: any. The first is told. */
static const enum map_format *
forms_for(const char *type)
{
    static const enum map_format number[] = {MAP_AS_NUMBER, MAP_AS_AMOUNT,
                                             MAP_FORMATS};
    static const enum map_format instant[] = {MAP_AS_TIME, MAP_AS_DATE,
                                              MAP_FORMATS};
    static const enum map_format day[] = {MAP_AS_DAY, MAP_FORMATS};
    static const enum map_format boolean[] = {MAP_AS_BOOLEAN, MAP_FORMATS};
    static const struct {
        const char *type;
        const enum map_format *forms;
    } of[] = {{"number", number},
              {"datetime", instant},
              {"date", day},
              {"bool", boolean}};

    for (size_t i = 0; i < COUNT_OF(of); i++) {
        if (strcmp(type, of[i].type) == 0) {
            return of[i].forms;
        }
    }
    return NULL;
}

/* A constant is known: what counts is itself, not the form it is said to
 * have. */
static bool
constant_fits(struct checker *k, const enum map_format *forms)
{
    const char *value = k->c->value;

    for (; *forms != MAP_FORMATS; forms++) {
        const char *as = map_format(&k->a, *forms, value, strlen(value));

        if (as != NULL && strcmp(as, value) == 0) {
            return true;
        }
    }
    return false;
}

static void
check_type(struct checker *k, const char *type)
{
    const enum map_format *forms = forms_for(type);

    if (forms == NULL || (k->c->replaces != NULL && k->c->value == NULL &&
                          k->c->replaces->format == k->c->format)) {
        return; /* the connector's own form for it stays */
    }
    if (k->c->value != NULL) {
        if (!constant_fits(k, forms)) {
            complain(k,
                     "\"%.100s\" is no value of the portal's property, whose "
                     "type is %s: add \"format\": \"%s\" or correct it",
                     k->c->value, type, map_format_name(forms[0]));
        }
        return;
    }
    for (const enum map_format *f = forms; *f != MAP_FORMATS; f++) {
        if (*f == k->c->format) {
            return;
        }
    }
    complain(k,
             "the portal's property is of type %s and takes no %s: say "
             "{\"path\": ..., \"format\": \"%s\"}",
             type, map_format_name(k->c->format), map_format_name(forms[0]));
}

/* One option of a constant, which is n bytes long. */
static void
check_option(struct checker *k, const json_t *options, const char *value,
             size_t n)
{
    struct names *names = arena_alloc(&k->a, sizeof(*names));
    const char *option = arena_strndup(&k->a, value, n);

    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *have = jsonx_text(json_array_get(options, i), "value");

        if (text_equal(have, option)) {
            return;
        }
        name_add(names, have);
    }
    complain(k, "\"%.100s\" is no option of the portal's property%s", option,
             meant(k, option, names));
}

/* HubSpot separates the options of a property with several by `;`. */
static void
check_options(struct checker *k, const json_t *p)
{
    const json_t *options = json_object_get(p, "options");
    bool many = text_equal(jsonx_text(p, "fieldType"), "checkbox");
    const char *value = k->c->value;

    if (value == NULL || json_array_size(options) == 0) {
        return;
    }
    while (true) {
        size_t n = many ? strcspn(value, ";") : strlen(value);

        check_option(k, options, value, n);
        if (value[n] == '\0') {
            return;
        }
        value += n + 1;
    }
}

static void
complain_property(struct checker *k, const json_t *list)
{
    struct names *names = arena_alloc(&k->a, sizeof(*names));
    const char *object = map_object_name(k->c->object);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);

        if (!json_is_true(json_object_get(p, "archived"))) {
            name_add(names, jsonx_text(p, "name"));
        }
    }
    complain(k,
             "the portal has no such property of %s%s%s create it in HubSpot "
             "(Settings > Properties) with the internal name \"%s\" and type "
             "%s",
             object, meant(k, k->c->property, names),
             nearest(k->c->property, names) != NULL ? " Or" : ";",
             k->c->property, type_for(k->c->format));
}

static bool
is_read_only(const json_t *p)
{
    const json_t *how = json_object_get(p, "modificationMetadata");

    return json_is_true(json_object_get(p, "calculated")) ||
           json_is_true(json_object_get(how, "readOnlyValue"));
}

static void
check_property(struct checker *k)
{
    const json_t *list = k->known->properties[k->c->object];
    const json_t *p;
    const char *type;

    if (list == NULL || is_ours(k->c->object, k->c->property)) {
        return;
    }
    p = find_property(list, k->c->property);
    if (p == NULL) {
        complain_property(k, list);
        return;
    }
    type = jsonx_text(p, "type");
    if (is_read_only(p)) {
        complain(k, "HubSpot sets this property itself: it is %s",
                 json_is_true(json_object_get(p, "calculated")) ? "calculated" :
                                                                  "read-only");
    } else if (k->c->value != NULL &&
               json_is_true(json_object_get(p, "hasUniqueValue"))) {
        complain(k, "the portal's property takes each value once, a constant "
                    "would be the value of every record");
    } else if (text_equal(type, "enumeration")) {
        check_options(k, p);
    } else if (type != NULL) {
        check_type(k, type);
    }
}

/* ---- all of them -------------------------------------------------------- */

enum err
map_check(const struct mapping *m, const struct map_known *known,
          struct buf *out, struct fault *f)
{
    struct checker k = {.m = m, .known = known, .out = out, .f = f};

    for (size_t i = 0; i < m->custom_count; i++) {
        k.c = &m->custom[i];
        arena_init(&k.a);
        if (k.c->value == NULL) {
            check_source(&k);
        }
        check_property(&k);
        arena_fini(&k.a);
    }
    if (k.count > MAP_COMPLAINTS_MAX) {
        buf_addf(out, "mapping file: and %zu more\n",
                 k.count - MAP_COMPLAINTS_MAX);
    }
    return k.count > 0 ? ERR_CONFIG : ERR_OK;
}
