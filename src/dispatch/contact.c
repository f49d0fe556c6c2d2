/* SPDX-License-Identifier: UNLICENSED */
/*
 * Contacts that HubSpot has already: it keeps one contact for an e-mail.
 *
 *     written --e-mail is taken--> FIND --whose?--> ADOPT, or without the e-mail
 *                                   |
 *                                   +--nobody's--> LOOK at the one it named
 *
 * A contact that nobody of ours is yet is taken over; one of another account of
 * ours keeps what it has, and this one goes without the e-mail.
 */
#include "dispatch_priv.h"

#include <string.h>

static const char *
wanted_email(struct need *n)
{
    struct fault ignored;
    json_t *wanted = NULL;
    const char *email = NULL;

    if (jsonx_parse(n->part->properties, strlen(n->part->properties), &wanted,
                    &ignored) == ERR_OK) {
        email = arena_strdup(&n->job->arena, jsonx_text(wanted, "email"));
    }
    json_decref(wanted);
    return email;
}

static void
go_without_email(struct need *n, struct save *s, const char *holder)
{
    struct job *j = n->job;
    struct save_note note = {
        .event = "email_taken",
        .outcome = "left_out",
        .message = arena_printf(&j->arena, "held by account %s", holder)};

    save_audit(s, j, &note);
    part_set(j, n->part, "email", NULL);
    job_need(j, n->part, LANE_UPSERT + MAP_CONTACTS, n->part->key, NULL,
             n->part->properties);
}

bool
begin_adoption(struct need *n, const struct hubspot_result *r, struct save *s)
{
    const char *email;

    if (lane_object(n->lane) != MAP_CONTACTS || r->fault.err != ERR_CONFLICT) {
        return false;
    }
    email = wanted_email(n);
    if (email == NULL) {
        return false;
    }
    if (n->lane == LANE_ADOPT) {
        /* Its e-mail is the wanted one, but our key is another contact's: that
         * one stays ours. */
        n->part->id = NULL;
        go_without_email(n, s, "unknown");
        return true;
    }
    n->part->clashes++;
    n->part->by_key = true;
    n->part->existing = arena_strdup(&n->job->arena, r->existing_id);
    job_need(n->job, n->part, LANE_FIND, email, NULL, NULL);
    return true;
}

static void
adopt(struct need *n, const char *id)
{
    if (n->part->id != NULL && strcmp(n->part->id, id) != 0) {
        n->part->gone = n->part->id; /* what hung on that one has to again */
        n->part->assoc_count = 0;
    }
    n->part->id = arena_strdup(&n->job->arena, id);
    job_need(n->job, n->part, LANE_ADOPT, n->part->id, NULL,
             n->part->properties);
}

/* The e-mail was taken a moment ago and is free now, or so it seems. */
static void
ask_again(struct need *n, struct save *s)
{
    if (n->part->clashes > CLASHES_MAX) {
        go_without_email(n, s, "unknown");
        return;
    }
    job_need(n->job, n->part, LANE_UPSERT + MAP_CONTACTS, n->part->key, NULL,
             n->part->properties);
}

/* Another account of ours has it, though ours is the one to have it by now: that
 * one is about to be written. */
static void
wait_for_holder(struct need *n, const char *holder)
{
    struct fault f;

    fault_clear(&f);
    (void)fault_set(&f, ERR_CONFLICT,
                    "the contact of account %s has the e-mail still", holder);
    job_worst(n->job, HUBSPOT_RETRY, &f, true, -1);
}

/* A contact that nobody of ours is yet, or that is this one, is taken over;
 * one of another account of ours keeps what it has. `by_email`: it was found by
 * the e-mail, so that it holds it now. */
void
contact_found(struct need *n, const struct hubspot_result *r, struct save *s)
{
    const char *key = jsonx_text(r->properties, "fusion_account_number");

    if (key == NULL || key[0] == '\0' || text_equal(key, n->part->key)) {
        adopt(n, r->id);
    } else if (n->lane == LANE_FIND && n->job->attempts < CLASHES_MAX) {
        wait_for_holder(n, key);
    } else if (n->lane == LANE_FIND) {
        go_without_email(n, s, key);
    } else {
        ask_again(n, s);
    }
}

/* Not found by the e-mail, or gone while it was taken over: perhaps it is a further address of the one that the
 * conflict named, perhaps that one has lost it meanwhile. */
void
contact_absent(struct need *n, struct save *s)
{
    if (n->lane == LANE_FIND && n->part->existing != NULL) {
        job_need(n->job, n->part, LANE_LOOK, n->part->existing, NULL, NULL);
        return;
    }
    if (n->lane == LANE_ADOPT) {
        n->part->id = NULL; /* gone since it was looked at */
    }
    ask_again(n, s);
}
