/* SPDX-License-Identifier: UNLICENSED */
/*
 * build: reads attributes with their types, and turns the rows of the table,
 * changed by a tenant's own mapping, into the properties of one object.
 *
 * A value that is not what its attribute should be never passes silently: of
 * money, ids and the currency it refuses the record, of anything else it is
 * noted (`value_ignored`, `email_invalid`) and the next source is tried.
 */
#include <string.h>

#include "map_priv.h"

enum { PROPS_FIRST = 24, THINGS_FIRST = 4 };

void
map_ctx_init(struct map_ctx *c, const struct mapping *m, struct arena *a,
             struct map_record *out, struct fault *f)
{
    memset(c, 0, sizeof(*c));
    memset(out, 0, sizeof(*out));
    c->m = m;
    c->a = a;
    c->out = out;
    c->f = f;
    c->where = "";
}

void
map_refuse(struct map_ctx *c, const char *fmt, ...)
{
    va_list ap;
    char *message;

    if (c->invalid) {
        return;
    }
    c->invalid = true;
    va_start(ap, fmt);
    message = mem_vprintf(fmt, ap);
    va_end(ap);
    (void)fault_set(c->f, ERR_TYPE, "%s%s", c->where, message);
    mem_free(message);
}

static bool
has_note(const struct map_record *r, const char *event, const char *message)
{
    for (size_t i = 0; i < r->note_count; i++) {
        if (strcmp(r->notes[i].event, event) == 0 &&
            strcmp(r->notes[i].message, message) == 0) {
            return true;
        }
    }
    return false;
}

void
map_note(struct map_ctx *c, const char *event, const char *fmt, ...)
{
    struct map_record *out = c->out;
    const char *message;
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = mem_vprintf(fmt, ap);
    va_end(ap);
    message = arena_printf(c->a, "%s%s", c->where, text);
    mem_free(text);
    /* One attribute may feed several properties: it is told once. */
    if (out->note_count < MAP_NOTES_MAX && !has_note(out, event, message)) {
        out->notes[out->note_count].event = event;
        out->notes[out->note_count].message = message;
        out->note_count++;
    }
}

void
map_fact(struct map_ctx *c, const char *name, const char *value)
{
    if (value == NULL) {
        return;
    }
    ML_ASSERT(c->fact_count < MAP_FACTS_MAX);
    c->facts[c->fact_count].name = name;
    c->facts[c->fact_count].value = value;
    c->fact_count++;
}

void
map_fact_dec(struct map_ctx *c, const char *name, const struct dec *d)
{
    char text[DEC_TEXT_MAX];

    map_fact(c, name, arena_strdup(c->a, dec_text(d, text)));
}

void
map_facts_clear(struct map_ctx *c)
{
    c->fact_count = 0;
}

static void
ignore(struct map_ctx *c, const char *attr, enum map_format f, const json_t *v)
{
    if (f == MAP_AS_EMAIL && json_is_string(v)) {
        map_note(c, "email_invalid", "%s: \"%.200s\" is no e-mail address",
                 attr, json_string_value(v));
    } else if (json_is_string(v)) {
        map_note(c, "value_ignored", "%s: expected %s, found \"%.200s\"", attr,
                 map_format_name(f), json_string_value(v));
    } else {
        map_note(c, "value_ignored", "%s: expected %s, found %s", attr,
                 map_format_name(f), map_type_name(v));
    }
}

const char *
map_read_text(struct map_ctx *c, const json_t *row, const char *attr)
{
    const json_t *v = json_object_get(row, attr);
    const char *text;
    size_t n;

    switch (map_scalar(c->a, v, &text, &n)) {
    case MAP_VALUE:
        return map_format(c->a, MAP_AS_TEXT, text, n);
    case MAP_WRONG:
        ignore(c, attr, MAP_AS_TEXT, v);
        return NULL;
    case MAP_ABSENT:
    default:
        return NULL;
    }
}

bool
map_read_money(struct map_ctx *c, const json_t *row, const char *attr,
               struct dec *d)
{
    const json_t *v = json_object_get(row, attr);
    const char *text;
    size_t n;

    switch (map_scalar(c->a, v, &text, &n)) {
    case MAP_VALUE:
        text = map_format(c->a, MAP_AS_AMOUNT, text, n);
        if (text != NULL && dec_parse(text, strlen(text), d) == ERR_OK) {
            return true;
        }
        map_refuse(c, "%s: expected a number, found \"%.100s\"", attr,
                   json_is_string(v) ? json_string_value(v) : map_type_name(v));
        return false;
    case MAP_WRONG:
        map_refuse(c, "%s: expected a number, found %s", attr,
                   map_type_name(v));
        return false;
    case MAP_ABSENT:
    default:
        return false;
    }
}

const char *
map_read_id(struct map_ctx *c, const json_t *row, const char *attr,
            bool required)
{
    const json_t *v = json_object_get(row, attr);
    enum map_found found;
    const char *text;
    size_t n;

    found = map_scalar(c->a, v, &text, &n);
    if (found == MAP_ABSENT && !required) {
        return NULL;
    }
    if (found != MAP_VALUE || json_is_boolean(v)) {
        map_refuse(c, "%s: expected an id, found %s", attr, map_type_name(v));
        return NULL;
    }
    if (n > 38 || strspn(text, "0123456789") != n) {
        map_refuse(c, "%s: expected an id of digits, found \"%.100s\"", attr,
                   text);
        return NULL;
    }
    return arena_strndup(c->a, text, n);
}

int64_t
map_read_stamp(struct map_ctx *c, const json_t *row)
{
    const json_t *v = json_object_get(row, "LastUpdateDate");
    const char *text;
    size_t n;
    int64_t us;

    switch (map_scalar(c->a, v, &text, &n)) {
    case MAP_VALUE:
        if (time_parse(text, n, &us) == ERR_OK) {
            return us;
        }
        break;
    case MAP_WRONG:
        break;
    case MAP_ABSENT:
    default:
        return 0;
    }
    ignore(c, "LastUpdateDate", MAP_AS_TIME, v);
    return 0;
}

void
map_saw_version(struct map_ctx *c, int64_t us)
{
    if (us > c->out->version_us) {
        c->out->version_us = us;
    }
}

void
map_sum(struct map_ctx *c, struct dec *sum, struct dec d, const char *what)
{
    if (dec_add(*sum, d, sum) != ERR_OK) {
        map_refuse(c, "%s: the sum has more than %d digits", what,
                   (int)DEC_DIGITS_MAX);
    }
}

/* ---- properties --------------------------------------------------------- */

static void
prop_add(struct map_ctx *c, struct map_props *p, const char *name,
         const char *value)
{
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? PROPS_FIRST : p->cap * 2;
        struct map_prop *at = arena_array(c->a, cap, sizeof(*at));

        if (p->n > 0) {
            memcpy(at, p->at, p->n * sizeof(*at));
        }
        p->at = at;
        p->cap = cap;
    }
    p->at[p->n].name = name;
    p->at[p->n].value = value;
    p->n++;
}

static const char *
fact_value(const struct map_ctx *c, const char *name, const json_t **v)
{
    *v = NULL;
    for (size_t i = 0; i < c->fact_count; i++) {
        if (strcmp(c->facts[i].name, name) == 0) {
            return c->facts[i].value;
        }
    }
    return NULL;
}

/* The value of one source in its form; NULL: try the next. */
static const char *
source_value(struct map_ctx *c, const struct map_source *s, enum map_format f)
{
    const json_t *v;
    const char *text;
    const char *out;
    size_t n;

    if (s->scope == MAP_FROM_FACT) {
        text = fact_value(c, s->path, &v);
        n = text != NULL ? strlen(text) : 0;
    } else {
        v = map_path(c->rows[s->scope], s->path);
        switch (map_scalar(c->a, v, &text, &n)) {
        case MAP_WRONG:
            if (f == MAP_AS_AMOUNT) {
                map_refuse(c, "%s: expected a number, found %s", s->path,
                           map_type_name(v));
            } else {
                ignore(c, s->path, f, v);
            }
            return NULL;
        case MAP_VALUE:
            break;
        case MAP_ABSENT:
        default:
            return NULL;
        }
    }
    if (text == NULL) {
        return NULL;
    }
    out = map_format(c->a, f, text, n);
    if (out == NULL && f == MAP_AS_AMOUNT) {
        map_refuse(c, "%s: expected a number, found \"%.100s\"", s->path, text);
    } else if (out == NULL && f == MAP_AS_EMAIL) {
        map_note(c, "email_invalid", "%s: \"%.200s\" is no e-mail address",
                 s->path, text);
    } else if (out == NULL && v != NULL) {
        ignore(c, s->path, f, v);
    }
    return out;
}

static const char *
custom_value(struct map_ctx *c, const struct map_custom *own)
{
    const char *value = NULL;

    if (own->value != NULL) {
        return own->value;
    }
    for (size_t i = 0; i < COUNT_OF(own->source) && value == NULL; i++) {
        if (own->source[i].scope != MAP_FROM_NONE) {
            value = source_value(c, &own->source[i], own->format);
        }
    }
    return value;
}

static const char *
row_value(struct map_ctx *c, const struct map_row *row)
{
    const struct map_custom *own;
    const char *value = NULL;

    own = map_custom_find(c->m, row->object, row->property);
    if (own != NULL) {
        return custom_value(c, own);
    }
    for (size_t i = 0; i < MAP_SOURCES_MAX && value == NULL; i++) {
        if (row->sources[i].scope == MAP_FROM_NONE) {
            break;
        }
        value = source_value(c, &row->sources[i], row->format);
    }
    if (value != NULL && row->format == MAP_AS_KEY && c->m->prefix[0] != '\0') {
        value = arena_printf(c->a, "%s%s", c->m->prefix, value);
    }
    return value;
}

static void
sort_props(struct map_props *p)
{
    for (size_t i = 1; i < p->n; i++) {
        struct map_prop x = p->at[i];
        size_t j = i;

        while (j > 0 && strcmp(p->at[j - 1].name, x.name) > 0) {
            p->at[j] = p->at[j - 1];
            j--;
        }
        p->at[j] = x;
    }
}

static struct map_thing *
thing_add(struct map_ctx *c, enum map_object object)
{
    struct map_thing *t;

    if (c->thing_count == c->thing_cap) {
        size_t cap = c->thing_cap == 0 ? THINGS_FIRST : c->thing_cap * 2;
        struct map_thing *all = arena_array(c->a, cap, sizeof(*all));

        if (c->thing_count > 0) {
            memcpy(all, c->things, c->thing_count * sizeof(*all));
        }
        c->things = all;
        c->thing_cap = cap;
    }
    t = &c->things[c->thing_count++];
    t->object = object;
    return t;
}

struct map_thing *
map_build(struct map_ctx *c, enum map_object object)
{
    struct map_thing *t = thing_add(c, object);
    const char *value;

    for (size_t i = 0; i < map_rows_count; i++) {
        if (map_rows[i].object != object) {
            continue;
        }
        value = row_value(c, &map_rows[i]);
        if (value != NULL) {
            prop_add(c, &t->props, map_rows[i].property, value);
        }
    }
    for (size_t i = 0; i < c->m->custom_count; i++) {
        const struct map_custom *own = &c->m->custom[i];

        if (own->object != object || own->replaces != NULL) {
            continue;
        }
        value = custom_value(c, own);
        if (value != NULL) {
            prop_add(c, &t->props, own->property, value);
        }
    }
    sort_props(&t->props);
    t->key = map_thing_get(t, map_object_key(object));
    if (t->key == NULL) {
        map_refuse(c, "%s: the key is missing", map_object_key(object));
    }
    return t;
}

const char *
map_thing_get(const struct map_thing *t, const char *property)
{
    for (size_t i = 0; i < t->props.n; i++) {
        if (strcmp(t->props.at[i].name, property) == 0) {
            return t->props.at[i].value;
        }
    }
    return NULL;
}

bool
map_unit_wanted(const struct mapping *m, const json_t *row)
{
    const char *unit = json_string_value(json_object_get(row, "BusinessUnit"));

    if (m->units == NULL) {
        return true;
    }
    for (size_t i = 0; m->units[i] != NULL; i++) {
        if (unit != NULL && strcmp(unit, m->units[i]) == 0) {
            return true;
        }
    }
    return false;
}
