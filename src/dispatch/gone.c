/* SPDX-License-Identifier: UNLICENSED */
/*
 * Objects that turn out to be gone from HubSpot: archived by somebody, or
 * merged into another.
 *
 * One of the job's own is forgotten and written again by its key, which finds
 * the record that has the key now or makes a new one; then what hung on it is
 * associated anew. One of another record sends this job waiting for that
 * record, whose link is forgotten and whose job is opened in the same
 * transaction (outcome.sql); everything else that hung on it follows.
 */
#include "dispatch_priv.h"

#include <string.h>

static void
note_gone(struct save *s, const struct job *j, const char *event,
          const char *id, const char *message)
{
    struct save_note note = {.event = event,
                             .hubspot_id = id,
                             .outcome = "looked_up",
                             .message = message};

    save_audit(s, j, &note);
}

/* Back to the stage that writes objects; not for ever. */
static void
job_goes_back(struct job *j, const char *id)
{
    struct fault f;

    if (j->stage <= STAGE_OBJECTS) {
        return;
    }
    j->stage = STAGE_OBJECTS;
    if (++j->backs > BACKS_MAX) {
        fault_clear(&f);
        (void)fault_set(&f, ERR_MISSING,
                        "HubSpot's record %s of it is gone, and was so after "
                        "it had been written again",
                        id);
        job_worst(j, HUBSPOT_REJECTED, &f, true, -1);
    }
}

static void
part_forget(struct part *p)
{
    p->gone = p->id;
    p->id = NULL;
    p->status = NULL;
    p->assoc_count = 0;
    p->current = false;
    p->by_key = true;
}

/* HubSpot archives an invoice's lines with it. */
static void
lines_forget(struct job *j)
{
    for (size_t i = 0; i < j->n_wanted; i++) {
        if (j->parts[i].object == MAP_LINE_ITEMS) {
            part_forget(&j->parts[i]);
        }
    }
}

void
part_lost(struct job *j, struct part *p, struct save *s)
{
    note_gone(s, j, "object_gone", p->id,
              arena_printf(&j->arena, "%s %s is looked up by its key",
                           map_object_name(p->object), p->key));
    part_forget(p);
    if (p->object == MAP_INVOICES) {
        lines_forget(j);
    }
    job_goes_back(j, p->gone);
}

void
part_moved(struct job *j, struct part *p, const char *id, bool made,
           struct save *s)
{
    note_gone(s, j, "object_moved", id,
              arena_printf(&j->arena, "was %s %s", map_object_name(p->object),
                           p->id));
    p->gone = p->id;
    p->old = p->object == MAP_CONTACTS ? p->id : NULL;
    p->status = NULL;
    p->assoc_count = 0;
    if (p->object != MAP_INVOICES || !made) {
        return;
    }
    /* The update that made it did not say that it is billed elsewhere. Until
     * that is said no link remembers it: whoever goes on begins by its key. */
    lines_forget(j);
    p->rebill = true;
    save_gone(s, map_kind_name(j->kind), j->fusion_id,
              map_object_name(p->object), p->gone);
    job_goes_back(j, p->gone);
}

/* ---- ends of associations ----------------------------------------------- */

static struct part *
own_part(struct job *j, const char *id)
{
    for (size_t i = 0; i < j->n_wanted; i++) {
        struct part *p = &j->parts[i];

        if (text_equal(p->id, id) || text_equal(p->gone, id)) {
            return p;
        }
    }
    return NULL;
}

static bool
parent_lost(struct job *j, const struct link_ref *parent, const char *kind,
            const char *object, struct save *s)
{
    const char *id = strcmp(object, "companies") == 0 ? parent->company :
                     strcmp(object, "contacts") == 0  ? parent->contact :
                                                        parent->hubspot;

    if (j->lost_parent == NULL) {
        j->lost_parent = arena_printf(&j->arena, "%s:%s", kind, parent->id);
        note_gone(s, j, "parent_gone", id,
                  arena_printf(&j->arena, "%s of %s", object, j->lost_parent));
    }
    save_gone(s, kind, parent->id, object, id);
    return true;
}

/* The end of the association that is not the job's own, by the need's lane. */
static bool
other_end(struct need *n, const char *id, struct save *s)
{
    struct job *j = n->job;

    if (text_equal(id, j->customer.company)) {
        return parent_lost(j, &j->customer, "customer", "companies", s);
    }
    if (text_equal(id, j->customer.contact)) {
        return parent_lost(j, &j->customer, "customer", "contacts", s);
    }
    if (text_equal(id, j->invoice.hubspot)) {
        return parent_lost(j, &j->invoice, "invoice", "invoices", s);
    }
    return false;
}

static bool
one_end(struct need *n, const char *id, struct save *s)
{
    struct part *own = id != NULL ? own_part(n->job, id) : NULL;

    if (own == NULL) {
        return id != NULL && other_end(n, id, s);
    }
    if (own->id != NULL) {
        part_lost(n->job, own, s);
    }
    return true;
}

bool
end_is_gone(struct need *n, const char *gone, struct save *s)
{
    bool found = false;

    if (gone != NULL) {
        return one_end(n, gone, s);
    }
    /* Either end: the own one first, then the other. */
    if (n->job->backs == 0 && n->part->id != NULL) {
        part_lost(n->job, n->part, s);
        return true;
    }
    for (size_t k = 0; k < n->n_joins; k++) {
        found = one_end(n, n->joins[k].id, s) || found;
    }
    if (n->n_joins == 0) {
        found = one_end(n, n->id, s);
        found = one_end(n, n->to, s) || found;
    }
    return found;
}
