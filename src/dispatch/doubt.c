/* SPDX-License-Identifier: UNLICENSED */
/*
 * The database was set back: HubSpot may be ahead of what links say.
 *
 *     VERIFY   every object of the record is read by its key
 *     JOINED   what the invoice or payment is joined to is read
 *     STRAYS   of that, what no link knows is looked at: is it ours?
 *
 * Then the links are as HubSpot is, and the job goes on as any other: what
 * differs is written, what lacks is joined, what is ours and not wanted is
 * parted from or, when it is a line, archived. What has no key of ours is left
 * alone.
 */
#include "dispatch_priv.h"

#include <string.h>

/* ---- a record that is gone ---------------------------------------------- */

static bool
has_part(const struct job *j, enum map_object object, const char *key)
{
    for (size_t i = 0; i < j->n_parts; i++) {
        if (j->parts[i].object == object && text_equal(j->parts[i].key, key)) {
            return true;
        }
    }
    return false;
}

void
doubt_gone(struct job *j, const json_t *objects)
{
    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *o = json_array_get(objects, i);
        const char *name = jsonx_text(o, "object");
        const char *key = jsonx_text(o, "key");
        enum map_object object;

        if (name != NULL && key != NULL && map_object_parse(name, &object) &&
            !has_part(j, object, key)) {
            j->parts[j->n_parts].object = object;
            j->parts[j->n_parts].key = arena_strdup(&j->arena, key);
            j->n_parts++;
        }
    }
}

/* ---- what it is joined to ----------------------------------------------- */

static void
need_joined(struct job *j, unsigned type)
{
    struct part *p = &j->parts[0];

    job_need(j, p, LANE_JOINED + join_row(type), p->id, NULL, NULL);
}

void
plan_joined(struct job *j)
{
    if (!j->doubt || j->n_wanted == 0 || j->parts[0].id == NULL) {
        return;
    }
    if (j->kind == MAP_INVOICE) {
        need_joined(j, 177);
        need_joined(j, 179);
        need_joined(j, 409);
    } else if (j->kind == MAP_PAYMENT) {
        need_joined(j, 387);
        need_joined(j, 389);
    }
}

/* `type` as the answer gives it: numbers arrive as texts. */
static bool
has_type(const json_t *to, const char *type)
{
    const json_t *types = json_object_get(to, "associationTypes");

    for (size_t i = 0; i < json_array_size(types); i++) {
        if (text_equal(jsonx_text(json_array_get(types, i), "typeId"), type)) {
            return true;
        }
    }
    return false;
}

static void
add_stray(struct job *j, unsigned row, const char *id)
{
    size_t rows;
    const struct map_association *table = map_associations(&rows);
    struct stray *x = arena_alloc(&j->arena, sizeof(*x));

    memset(x, 0, sizeof(*x));
    x->row = row;
    x->part.object = table[row].to;
    x->part.id = arena_strdup(&j->arena, id);
    list_push(&j->strays, &x->link);
}

/* Lines remember their invoice, not it them. */
static bool
joins_line(struct job *j, const char *id)
{
    for (size_t i = 1; i < j->n_parts; i++) {
        struct part *p = &j->parts[i];

        if (p->object == MAP_LINE_ITEMS && text_equal(p->id, id)) {
            part_add_assoc(j, p, 409, j->parts[0].id);
            return true;
        }
    }
    return false;
}

/* The parent of that object, as links know it. */
static bool
is_parent(const struct job *j, enum map_object to, const char *id)
{
    return text_equal(id, to == MAP_CONTACTS ? j->customer.contact :
                                               j->customer.company);
}

/* What links say of this row; gives what they said. */
static const char **
forget_joins(struct job *j, unsigned type, size_t *n)
{
    struct part *own = &j->parts[0];
    const char *prefix = arena_printf(&j->arena, "%u:", type);
    const char **was =
        arena_array(&j->arena, own->assoc_count + 1, sizeof(*was));

    *n = 0;
    for (size_t i = own->assoc_count; i-- > 0;) {
        if (text_has_prefix(own->assoc[i], prefix)) {
            was[(*n)++] = own->assoc[i] + strlen(prefix);
            own->assoc[i] = own->assoc[--own->assoc_count];
        }
    }
    for (size_t i = 1; type == 409 && i < j->n_parts; i++) {
        part_drop_assoc(&j->parts[i], type, own->id);
    }
    return was;
}

static bool
is_among(const char **list, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], id) == 0) {
            return true;
        }
    }
    return false;
}

void
joined_found(struct need *n, const struct hubspot_result *r)
{
    const struct map_association *a = lane_association(n->lane);
    unsigned row = n->lane - LANE_JOINED;
    unsigned type = a->types[0];
    struct job *j = n->job;
    const char *type_text = arena_printf(&j->arena, "%u", type);
    const char **was = NULL;
    size_t n_was = 0;

    if (n->to == NULL) {
        was = forget_joins(j, type, &n_was);
    }
    for (size_t i = 0; i < json_array_size(r->joined); i++) {
        const json_t *to = json_array_get(r->joined, i);
        const char *id = jsonx_text(to, "toObjectId");

        if (id == NULL || !has_type(to, type_text)) {
            continue;
        }
        if (type == 409 ? joins_line(j, id) :
                          is_parent(j, a->to, id) || is_among(was, n_was, id)) {
            if (type != 409) {
                part_add_assoc(j, n->part, type, id);
            }
        } else {
            add_stray(j, row, id);
        }
    }
    if (r->after != NULL) {
        job_need(j, n->part, n->lane, n->id, arena_strdup(&j->arena, r->after),
                 NULL);
    }
}

/* ---- strays ------------------------------------------------------------- */

void
plan_strays(struct job *j)
{
    struct list *item, *next;

    LIST_EACH(&j->strays, item, next)
    {
        struct stray *x = CONTAINER_OF(item, struct stray, link);

        job_need(j, &x->part, LANE_STRAY + x->part.object, x->part.id, NULL,
                 NULL);
    }
}

void
stray_found(struct need *n, const struct hubspot_result *r)
{
    size_t rows;
    const struct map_association *table = map_associations(&rows);
    struct stray *x = CONTAINER_OF(n->part, struct stray, part);
    struct job *j = n->job;
    const char *key = jsonx_text(r->properties, map_object_key(x->part.object));

    if (key == NULL || key[0] == '\0') {
        return; /* somebody else's */
    }
    if (x->part.object != MAP_LINE_ITEMS) {
        part_add_assoc(j, &j->parts[0], table[x->row].types[0], x->part.id);
    } else if (job_find_part(j, MAP_LINE_ITEMS, key) == NULL) {
        x->part.key = arena_strdup(&j->arena, key);
    }
}

static bool
is_as_linked(const struct part *p)
{
    bool same = p->assoc_count == p->linked_count;

    for (size_t i = 0; same && i < p->assoc_count; i++) {
        same = is_among(p->linked, p->linked_count, p->assoc[i]);
    }
    return same;
}

/* What is joined as wanted needs no more writes, which would store it; whoever
 * parts from it later has to know of it. */
void
remember_joins(struct job *j, struct save *s)
{
    if (!j->doubt || j->n_wanted == 0 || j->parts[0].rebill) {
        return; /* of an object made anew no link knows yet */
    }
    for (size_t i = 0; i < j->n_wanted; i++) {
        if (j->parts[i].id != NULL && !is_as_linked(&j->parts[i])) {
            save_link(s, j, &j->parts[i], false);
        }
    }
}

void
plan_strays_away(struct job *j)
{
    struct list *item, *next;

    LIST_EACH(&j->strays, item, next)
    {
        struct stray *x = CONTAINER_OF(item, struct stray, link);

        if (x->part.object == MAP_LINE_ITEMS && x->part.key != NULL) {
            job_need(j, &x->part, LANE_ARCHIVE + MAP_LINE_ITEMS, x->part.id,
                     NULL, NULL);
        }
    }
}

/* ---- e-mails ------------------------------------------------------------ */

void
doubt_email(struct need *n, const struct hubspot_result *r, struct save *s)
{
    const char *email = jsonx_text(r->properties, "email");
    json_t *o;

    if (n->part->object != MAP_CONTACTS) {
        return;
    }
    o = json_object();
    if (email != NULL) {
        json_object_set_new(o, "email", json_string(email));
    }
    save_link_found(s, n->job, n->part, o);
    json_decref(o);
}
