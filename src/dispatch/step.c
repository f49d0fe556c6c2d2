/* SPDX-License-Identifier: UNLICENSED */
/*
 * Which step a job needs next.
 *
 *     VERIFY -> JOINED -> STRAYS      (unknown outcome; the last two: in doubt)
 *                           |
 *               OBJECTS <---+
 *               OBJECTS -> PARTS -> ASSOCIATE -> STATUS -> CLEAN -> END
 *                  ^                  ^             |       |
 *                  |                  +--- parted --|-------+
 *                  +--- an object is gone ----------+
 *
 * A stage begins when every result of the one before is stored. A need whose
 * result is known from the links is never planned, so a job taken up again
 * after a crash does only what is left. Only an object that turns out to be
 * gone from HubSpot takes its job back (gone.c).
 *
 * An object that nobody has seen yet is created together with its associations;
 * contacts and lines come a stage later, when what they belong to is there.
 * Wherever a creation may have happened before, the object is upserted by its
 * key and associated by itself.
 */
#include "dispatch_priv.h"

#include <inttypes.h>
#include <string.h>

/* ---- needs -------------------------------------------------------------- */

struct need *
job_need(struct job *j, struct part *p, unsigned lane, const char *id,
         const char *to, const char *properties)
{
    struct need *n = arena_alloc(&j->arena, sizeof(*n));

    n->job = j;
    n->part = p;
    n->lane = lane;
    n->id = id;
    n->to = to;
    n->properties = properties;
    list_push(&j->planned, &n->link);
    j->n_planned++;
    j->did = true;
    return n;
}

unsigned
join_row(unsigned type)
{
    size_t n;
    const struct map_association *table = map_associations(&n);

    for (unsigned i = 0; i < n; i++) {
        if (table[i].types[0] == type) {
            return i;
        }
    }
    ML_ASSERT(false); /* a type that is not in the table */
    return 0;
}

/* ---- what an object is joined to ---------------------------------------- */

static void
add_join(struct need_join *joins, size_t *n, unsigned type, bool forward,
         const char *id)
{
    if (id != NULL) {
        joins[(*n)++] = (struct need_join){join_row(type), forward, id};
    }
}

/* As far as the others are known. */
static size_t
part_joins(const struct job *j, const struct part *p,
           struct need_join joins[JOINS_MAX])
{
    size_t n = 0;

    switch (p->object) {
    case MAP_CONTACTS:
        add_join(joins, &n, 279, true, j->parts[0].id);
        break;
    case MAP_INVOICES:
        add_join(joins, &n, 177, true, j->customer.contact);
        add_join(joins, &n, 179, true, j->customer.company);
        break;
    case MAP_LINE_ITEMS:
        add_join(joins, &n, 409, false, j->parts[0].id);
        break;
    case MAP_PAYMENTS:
        add_join(joins, &n, 387, true, j->customer.contact);
        add_join(joins, &n, 389, true, j->customer.company);
        add_join(joins, &n, 541, false, j->invoice.hubspot);
        break;
    case MAP_COMPANIES:
    case MAP_OBJECTS:
        break;
    }
    return n;
}

static int
status_rank(const char *status)
{
    if (status == NULL || strcmp(status, "draft") == 0) {
        return 0;
    }
    return strcmp(status, "open") == 0 ? 1 : 2;
}

/* Whether hs_invoice_status is to go forward, and may. */
static bool
status_moves(const struct job *j)
{
    const char *now = j->parts[0].status != NULL ? j->parts[0].status : "draft";

    return j->status != NULL && j->status_held == NULL &&
           !text_equal(j->status, now) &&
           status_rank(j->status) >= status_rank(now) &&
           j->customer.contact != NULL;
}

static bool
has_join(const struct job *j, const struct part *p, const struct need_join *x)
{
    size_t rows;
    const struct map_association *table = map_associations(&rows);

    return part_has_assoc(p,
                          arena_printf(&((struct job *)(uintptr_t)j)->arena,
                                       "%u:%s", table[x->row].types[0], x->id));
}

static bool
lacks_join(const struct job *j, const struct part *p)
{
    struct need_join joins[JOINS_MAX];
    size_t n = part_joins(j, p, joins);

    for (size_t k = 0; k < n; k++) {
        if (!has_join(j, p, &joins[k])) {
            return true;
        }
    }
    return false;
}

/* An id that was merged into another leads to that one: who parts from it may
 * have parted from what is wanted. Joining again changes nothing else. */
void
job_joins_again(struct job *j, struct part *p, unsigned row)
{
    size_t rows;
    const struct map_association *table = map_associations(&rows);
    struct need_join joins[JOINS_MAX];
    size_t n = part_joins(j, p, joins);

    for (size_t k = 0; k < n; k++) {
        if (joins[k].row == row) {
            part_drop_assoc(p, table[row].types[0], joins[k].id);
            j->stage = j->stage > STAGE_ASSOCIATE ? STAGE_ASSOCIATE : j->stage;
        }
    }
}

/* ---- stages, in their order --------------------------------------------- */

/* Whether the write of unknown outcome may have carried something else than what
 * is wanted now. A change is seen when its transaction begins, which may be that
 * much before it can be taken up. */
bool
job_changed_since(const struct job *j)
{
    enum { MARGIN_US = 1000000 };

    return j->sent_us != INT64_MIN && j->seen_us + MARGIN_US >= j->sent_us;
}

/* What was last confirmed may be what is wanted again, and yet not be there. */
static void
plan_verify(struct job *j)
{
    for (size_t i = 0; i < j->n_wanted; i++) {
        struct part *p = &j->parts[i];

        if (!p->current || job_changed_since(j)) {
            job_need(j, p, LANE_READ + p->object, p->key, NULL, NULL);
        }
    }
    for (size_t i = j->n_wanted; j->doubt && i < j->n_parts; i++) {
        struct part *p = &j->parts[i];

        if (p->id == NULL) { /* of a record that is gone */
            job_need(j, p, LANE_READ + p->object, p->key, NULL, NULL);
        }
    }
}

static void
note_plan(struct job *j, struct save *s)
{
    struct save_note note = {.outcome = "left_out"};

    if (j->kind == MAP_CUSTOMER && j->email_holder != NULL &&
        j->email_holder[0] != '\0') {
        note.event = "email_taken";
        note.message =
            arena_printf(&j->arena, "held by account %s", j->email_holder);
        save_audit(s, j, &note);
    }
    note.event = "parent_missing";
    if (j->kind != MAP_CUSTOMER && parent_is_missing(&j->customer)) {
        note.message = arena_printf(&j->arena, "customer:%s", j->customer.id);
        save_audit(s, j, &note);
    }
    if (j->kind == MAP_PAYMENT && parent_is_missing(&j->invoice)) {
        note.message = arena_printf(&j->arena, "invoice:%s", j->invoice.id);
        save_audit(s, j, &note);
    }
}

/* Nobody has seen it, nor sent it: it may be created, with what it is joined
 * to. */
static bool
is_created(const struct job *j, const struct part *p)
{
    return j->tenant->d->config.creates && p->id == NULL && !p->by_key &&
           !j->careful;
}

/* Created when the company, or the invoice, is there. */
static bool
is_later(const struct job *j, const struct part *p)
{
    return is_created(j, p) &&
           (p->object == MAP_CONTACTS || p->object == MAP_LINE_ITEMS);
}

/* The object's text with one more member, which is none of the mapping's; the
 * value needs no escapes. */
static const char *
with_property(struct job *j, const char *properties, const char *name,
              const char *value)
{
    size_t n = strlen(properties); /* "{...}" */

    return arena_printf(&j->arena, "%.*s%s\"%s\":\"%s\"}", (int)n - 1,
                        properties, n > 2 ? "," : "", name, value);
}

static const char *
sent_properties(struct job *j, const struct part *p)
{
    if (p->object != MAP_INVOICES || (p->id != NULL && !p->rebill)) {
        return p->properties;
    }
    /* a mirror, billed elsewhere: said once, when it is created */
    return with_property(j, p->properties, "hs_invoice_billable", "false");
}

static void
plan_object(struct job *j, struct part *p)
{
    bool create = is_created(j, p);
    struct need *n =
        job_need(j, p, (create ? LANE_CREATE : LANE_UPSERT) + p->object, p->key,
                 NULL, sent_properties(j, p));

    if (create) {
        n->n_joins = part_joins(j, p, n->joins);
    }
}

/* Nothing but the invoice itself differs, and its status moves: both in one
 * update, unless HubSpot refused that before. */
static bool
moves_as_one(const struct job *j)
{
    const struct part *p = &j->parts[0];

    if (j->kind != MAP_INVOICE || j->n_wanted == 0 || p->id == NULL ||
        p->current || p->rebill || p->apart || j->careful || !status_moves(j)) {
        return false;
    }
    for (size_t i = 0; i < j->n_wanted; i++) {
        if ((i > 0 && !j->parts[i].current) || lacks_join(j, &j->parts[i])) {
            return false;
        }
    }
    return true;
}

static void
plan_objects(struct job *j, struct save *s)
{
    if (j->backs == 0) {
        note_plan(j, s);
    }
    if (moves_as_one(j)) {
        return;
    }
    for (size_t i = 0; i < j->n_wanted; i++) {
        if (!j->parts[i].current && !is_later(j, &j->parts[i])) {
            plan_object(j, &j->parts[i]);
        }
    }
}

static void
plan_parts(struct job *j)
{
    for (size_t i = 0; i < j->n_wanted; i++) {
        if (!j->parts[i].current && is_later(j, &j->parts[i])) {
            plan_object(j, &j->parts[i]);
        }
    }
}

static void
plan_associate(struct job *j)
{
    for (size_t i = 0; i < j->n_wanted; i++) {
        struct need_join joins[JOINS_MAX];
        struct part *p = &j->parts[i];
        size_t n = p->id != NULL ? part_joins(j, p, joins) : 0;

        for (size_t k = 0; k < n; k++) {
            const struct need_join *x = &joins[k];

            if (!has_join(j, p, x)) {
                job_need(j, p, LANE_ASSOCIATE + x->row,
                         x->forward ? p->id : x->id, x->forward ? x->id : p->id,
                         NULL);
            }
        }
    }
}

static void
hold_status(struct job *j, struct save *s, const char *why)
{
    struct save_note note = {.event = "status_held",
                             .hubspot_id = j->parts[0].id,
                             .outcome = "held",
                             .message = why};

    save_audit(s, j, &note);
}

static void
plan_status(struct job *j, struct save *s)
{
    struct part *p = &j->parts[0];

    if (j->kind != MAP_INVOICE || j->n_wanted == 0 || p->id == NULL) {
        return;
    }
    if (j->status_held != NULL) {
        hold_status(j, s, j->status_held);
        return;
    }
    if (j->status == NULL ||
        text_equal(j->status, p->status != NULL ? p->status : "draft")) {
        return;
    }
    if (status_rank(j->status) < status_rank(p->status)) {
        hold_status(j, s,
                    arena_printf(&j->arena, "%s does not go back to %s",
                                 p->status, j->status));
        return;
    }
    if (j->customer.contact == NULL) {
        hold_status(j, s, "no_contact");
        return;
    }
    job_need(j, p, LANE_STATUS, p->id, NULL,
             with_property(j, p->current ? "{}" : p->properties,
                           "hs_invoice_status", j->status));
}

/* Associations of the given type to another id than the wanted one. */
static void
plan_dissociate(struct job *j, struct part *p, unsigned type,
                const char *wanted)
{
    const char *prefix = arena_printf(&j->arena, "%u:", type);

    if (wanted == NULL) {
        return; /* a parent that is away for now takes nothing with it */
    }
    for (size_t i = 0; i < p->assoc_count; i++) {
        const char *id;

        if (!text_has_prefix(p->assoc[i], prefix)) {
            continue;
        }
        id = p->assoc[i] + strlen(prefix);
        if (strcmp(id, wanted) != 0) {
            job_need(j, p, LANE_DISSOCIATE + join_row(type), p->id, id, NULL);
        }
    }
}

/* A contact merged into another of ours left that one with our company. */
static void
part_from_old(struct job *j, struct part *contact)
{
    if (contact->old != NULL && j->parts[0].id != NULL) {
        job_need(j, contact, LANE_DISSOCIATE + join_row(279), contact->old,
                 j->parts[0].id, NULL);
        contact->old = NULL;
    }
}

static void
plan_clean(struct job *j)
{
    for (size_t i = j->n_wanted; i < j->n_parts; i++) {
        struct part *p = &j->parts[i];

        if (p->id != NULL) {
            job_need(j, p, LANE_ARCHIVE + p->object, p->id, NULL, NULL);
        }
    }
    plan_strays_away(j);
    if (j->n_wanted > 1 && j->kind == MAP_CUSTOMER) {
        plan_dissociate(j, &j->parts[1], 279, j->parts[0].id);
        part_from_old(j, &j->parts[1]);
    }
    if (j->n_wanted > 0 && j->kind == MAP_INVOICE) {
        plan_dissociate(j, &j->parts[0], 177, j->customer.contact);
        plan_dissociate(j, &j->parts[0], 179, j->customer.company);
    }
    if (j->n_wanted > 0 && j->kind == MAP_PAYMENT) {
        plan_dissociate(j, &j->parts[0], 387, j->customer.contact);
        plan_dissociate(j, &j->parts[0], 389, j->customer.company);
    }
}

static void
plan_stage(struct job *j, struct save *s)
{
    switch (j->stage) {
    case STAGE_VERIFY:
        plan_verify(j);
        break;
    case STAGE_JOINED:
        plan_joined(j);
        break;
    case STAGE_STRAYS:
        plan_strays(j);
        break;
    case STAGE_OBJECTS:
        remember_joins(j, s);
        plan_objects(j, s);
        break;
    case STAGE_PARTS:
        plan_parts(j);
        break;
    case STAGE_ASSOCIATE:
        plan_associate(j);
        break;
    case STAGE_STATUS:
        plan_status(j, s);
        break;
    case STAGE_CLEAN:
        plan_clean(j);
        break;
    case STAGE_END:
        break;
    }
}

void
job_plan(struct job *j, struct save *s)
{
    while (j->stage != STAGE_END && j->n_planned == 0) {
        plan_stage(j, s);
        j->stage++;
    }
}

void
job_start_planned(struct job *j)
{
    int64_t now_us = loop_now_us(j->tenant->d->loop);
    struct list *item;

    while ((item = list_pop(&j->planned)) != NULL) {
        struct need *n = CONTAINER_OF(item, struct need, link);

        list_init(&n->link);
        n->since_us = now_us;
        j->pending++;
        lane_push(j->tenant, n);
    }
    j->n_planned = 0;
}
