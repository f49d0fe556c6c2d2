/* SPDX-License-Identifier: UNLICENSED */
/*
 * What one answer means to the jobs whose needs it carried.
 *
 * Each input ends as written, rejected, retry or unknown. What was written goes
 * into the links at once, also when the job as a whole failed, so that nothing
 * is sent twice. A throttled input simply goes back into its lane.
 */
#include "dispatch_priv.h"

#include <string.h>

/* ---- audit: what changed ------------------------------------------------ */

/* Those members of `now` that differ from `then`; of `then`, their old values. */
static void
differences(const json_t *then, const json_t *now, struct buf *before,
            struct buf *after)
{
    struct jsonx_writer wb, wa;
    const char *key;
    json_t *value;

    jsonx_begin(&wb, before);
    jsonx_begin(&wa, after);
    jsonx_open(&wb, '{');
    jsonx_open(&wa, '{');
    json_object_foreach((json_t *)(uintptr_t)now, key, value)
    {
        const json_t *old = json_object_get(then, key);

        if (old != NULL && json_equal((json_t *)(uintptr_t)old, value)) {
            continue;
        }
        jsonx_key(&wa, key);
        jsonx_put_json(&wa, value);
        if (old != NULL) {
            jsonx_key(&wb, key);
            jsonx_put_json(&wb, old);
        }
    }
    jsonx_close(&wb, '}');
    jsonx_close(&wa, '}');
}

static void
audit_properties(struct save *s, const struct need *n, const char *outcome)
{
    json_t *then = NULL, *now = NULL;
    struct fault ignored;
    struct buf before, after;
    struct save_note note = {.event = lane_name(n->lane),
                             .hubspot_id = n->part->id,
                             .outcome = outcome,
                             .duration_ms = s->duration_ms};
    const char *old = n->part->before != NULL ? n->part->before : "{}";

    buf_init(&before, OUTCOME_BYTES);
    buf_init(&after, OUTCOME_BYTES);
    if (jsonx_parse(old, strlen(old), &then, &ignored) == ERR_OK &&
        jsonx_parse(n->properties, strlen(n->properties), &now, &ignored) ==
            ERR_OK) {
        differences(then, now, &before, &after);
        note.before = buf_text(&before);
        note.after = buf_text(&after);
    }
    save_audit(s, n->job, &note);
    json_decref(then);
    json_decref(now);
    buf_fini(&before);
    buf_fini(&after);
}

static void
audit_fault(struct save *s, const struct need *n, const char *outcome,
            const struct fault *f)
{
    struct save_note note = {.event = lane_name(n->lane),
                             .hubspot_id = n->part->id,
                             .outcome = outcome,
                             .fault = f,
                             .duration_ms = s->duration_ms};

    save_audit(s, n->job, &note);
}

static void
audit_plain(struct save *s, const struct need *n, const char *outcome,
            const char *message)
{
    struct save_note note = {.event = lane_name(n->lane),
                             .hubspot_id = n->part->id,
                             .outcome = outcome,
                             .message = message,
                             .duration_ms = s->duration_ms};

    save_audit(s, n->job, &note);
}

/* ---- by verb: what "written" means -------------------------------------- */

static void
object_written(struct need *n, const struct hubspot_result *r, struct save *s)
{
    struct part *p = n->part;

    p->id = r->id != NULL ? arena_strdup(&n->job->arena, r->id) : p->id;
    p->current = true;
    save_link(s, n->job, p, true);
    audit_properties(s, n, r->created ? "created" : "updated");
}

static void
association_written(struct need *n, struct save *s, bool tell)
{
    const struct map_association *a = lane_association(n->lane);
    const char *other =
        n->part->id != NULL && strcmp(n->part->id, n->id) == 0 ? n->to : n->id;

    if (lane_verb(n->lane) == HUBSPOT_ASSOCIATE) {
        part_add_assoc(n->job, n->part, a->types[0], other);
    } else {
        part_drop_assoc(n->part, a->types[0], other);
    }
    save_link(s, n->job, n->part, false);
    if (tell) {
        audit_plain(s, n, "written", NULL);
    }
}

static void
status_written(struct need *n, struct save *s)
{
    n->part->status = n->job->status;
    save_link(s, n->job, n->part, true);
    audit_properties(s, n, "updated");
}

/* ---- reading back ------------------------------------------------------- */

static void
verify_found(struct need *n, const struct hubspot_result *r, struct save *s)
{
    struct part *p = n->part;
    struct fault ignored;
    json_t *wanted = NULL;
    const char *status = jsonx_text(r->properties, "hs_invoice_status");

    p->id = r->id != NULL ? arena_strdup(&n->job->arena, r->id) : p->id;
    p->status = arena_strdup(&n->job->arena, status);
    if (jsonx_parse(p->properties, strlen(p->properties), &wanted, &ignored) !=
        ERR_OK) {
        return;
    }
    if (map_properties_equal(p->object, wanted, r->properties)) {
        p->current = true;
        audit_plain(s, n, "written", "found as wanted when read back");
    } else {
        audit_plain(s, n, "differs", "found otherwise when read back");
    }
    save_link(s, n->job, p, p->current);
    json_decref(wanted);
}

/* How long until a write of unknown outcome can no longer arrive: HubSpot cuts
 * a request off 100 s after it came (error handling, 524). */
static int64_t
cutoff_left(const struct job *j)
{
    int64_t cutoff_ms = j->tenant->d->config.cutoff_ms;
    int64_t since_ms = (clock_wall_us() - j->sent_us) / 1000;

    if (j->sent_us == 0 || since_ms < 0 || since_ms > cutoff_ms) {
        return j->sent_us == 0 || since_ms < 0 ? cutoff_ms : 0;
    }
    return cutoff_ms - since_ms;
}

static void
verify_absent(struct need *n, struct save *s)
{
    struct job *j = n->job;
    struct fault f;

    fault_clear(&f);
    (void)fault_set(&f, ERR_UNKNOWN,
                    "%s %s is not there (yet) when read back; it is sent "
                    "again when the unanswered write can no longer arrive",
                    map_object_name(n->part->object), n->part->key);
    n->part->absent = true;
    audit_plain(s, n, "absent", "not found when read back");
    job_worst(j, HUBSPOT_RETRY, &f, false, cutoff_left(j));
}

/* ---- contacts that exist already ---------------------------------------- */

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
    part_drop_email(j, n->part);
    job_need(j, n->part, LANE_UPSERT + MAP_CONTACTS, n->part->key, NULL,
             n->part->properties);
}

/* The e-mail is taken: look at who has it. False when this is no such case. */
static bool
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
    n->part->existing = arena_strdup(&n->job->arena, r->existing_id);
    job_need(n->job, n->part, LANE_FIND, email, NULL, NULL);
    return true;
}

static void
adopt(struct need *n, const char *id)
{
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

/* A contact that nobody of ours is yet, or that is this one, is taken over;
 * one of another account of ours keeps what it has. `by_email`: it was found by
 * the e-mail, so that it holds it now. */
static void
contact_found(struct need *n, const struct hubspot_result *r, struct save *s,
              bool by_email)
{
    const char *key = jsonx_text(r->properties, "fusion_account_number");

    if (key == NULL || key[0] == '\0' || text_equal(key, n->part->key)) {
        adopt(n, r->id);
    } else if (by_email) {
        go_without_email(n, s, key);
    } else {
        ask_again(n, s);
    }
}

/* Not found by the e-mail: perhaps it is a further address of the one that the
 * conflict named, perhaps that one has lost it meanwhile. */
static void
contact_absent(struct need *n, struct save *s)
{
    if (n->lane == LANE_FIND && n->part->existing != NULL) {
        job_need(n->job, n->part, LANE_LOOK, n->part->existing, NULL, NULL);
    } else {
        ask_again(n, s);
    }
}

/* ---- one result --------------------------------------------------------- */

static void
need_written(struct need *n, const struct hubspot_result *r, struct save *s,
             bool tell)
{
    if (n->lane == LANE_FIND || n->lane == LANE_LOOK) {
        contact_found(n, r, s, n->lane == LANE_FIND);
        return;
    }
    switch (lane_verb(n->lane)) {
    case HUBSPOT_READ:
        verify_found(n, r, s);
        break;
    case HUBSPOT_UPSERT:
        object_written(n, r, s);
        break;
    case HUBSPOT_UPDATE:
        if (n->lane == LANE_STATUS) {
            status_written(n, s);
        } else {
            object_written(n, r, s);
        }
        break;
    case HUBSPOT_ASSOCIATE:
    case HUBSPOT_DISSOCIATE:
        association_written(n, s, tell);
        break;
    case HUBSPOT_ARCHIVE:
        save_unlink(s, n->job, n->part);
        audit_plain(s, n, "archived", NULL);
        break;
    case HUBSPOT_VERBS:
        break;
    }
}

static void
need_rejected(struct need *n, const struct hubspot_result *r, struct save *s)
{
    if (begin_adoption(n, r, s)) {
        audit_fault(s, n, "conflict", &r->fault);
        return;
    }
    audit_fault(s, n, "rejected", &r->fault);
    if (n->lane == LANE_STATUS) {
        struct save_note note = {.event = "status_held",
                                 .hubspot_id = n->part->id,
                                 .outcome = "held",
                                 .fault = &r->fault};

        save_audit(s, n->job, &note);
        return;
    }
    job_worst(n->job, HUBSPOT_REJECTED, &r->fault, true, -1);
}

static void
need_absent(struct need *n, struct save *s)
{
    struct fault f;

    switch (lane_verb(n->lane)) {
    case HUBSPOT_READ:
        if (n->lane == LANE_FIND || n->lane == LANE_LOOK) {
            contact_absent(n, s);
        } else {
            verify_absent(n, s);
        }
        return;
    case HUBSPOT_ARCHIVE:
    case HUBSPOT_DISSOCIATE:
        need_written(n, NULL, s, true); /* gone is what was wanted */
        return;
    case HUBSPOT_UPSERT:
    case HUBSPOT_UPDATE:
    case HUBSPOT_ASSOCIATE:
    case HUBSPOT_VERBS:
        break;
    }
    fault_clear(&f);
    (void)fault_set(&f, ERR_MISSING, "%s %s is gone from HubSpot",
                    map_object_name(n->part->object), n->id);
    audit_fault(s, n, "rejected", &f);
    job_worst(n->job, HUBSPOT_REJECTED, &f, true, -1);
}

/* True: the need went back into its lane and is still pending. */
static bool
need_retry(struct need *n, const struct hubspot_result *r,
           const struct hubspot_reply *reply, struct save *s)
{
    struct dtenant *t = n->job->tenant;
    const struct hubspot_meta *m = &reply->meta;
    int64_t wait_ms = m->retry_after_us >= 0 ? m->retry_after_us / 1000 : -1;
    enum err err = r->fault.err;

    if (err == ERR_THROTTLED || err == ERR_QUOTA) {
        n->returns = true;
        return true;
    }
    if (err == ERR_LOCKED) {
        job_worst(n->job, HUBSPOT_RETRY, &r->fault, false,
                  wait_ms > LOCKED_MS ? wait_ms : LOCKED_MS);
    } else if (err == ERR_MAINTENANCE) {
        job_worst(n->job, HUBSPOT_RETRY, &r->fault, false, wait_ms);
    } else if (err == ERR_FORBIDDEN) {
        t->forbidden_until_us[lane_object(n->lane)] =
            clock_mono_us() + FORBIDDEN_MS * INT64_C(1000);
        job_worst(n->job, HUBSPOT_RETRY, &r->fault, false, FORBIDDEN_MS);
    } else if (err == ERR_CREDENTIALS) {
        job_worst(n->job, HUBSPOT_RETRY, &r->fault, false, 0);
    } else if (m->status == 400 || m->status == 409) {
        n->returns = true; /* refused with others, itself untouched */
        return true;
    } else {
        job_worst(n->job, HUBSPOT_RETRY, &r->fault, true, wait_ms);
    }
    audit_fault(s, n, "retry", &r->fault);
    return false;
}

static void
need_unknown(struct need *n, const struct hubspot_result *r, struct save *s)
{
    enum hubspot_outcome outcome =
        lane_verb(n->lane) == HUBSPOT_UPSERT ? HUBSPOT_UNKNOWN : HUBSPOT_RETRY;

    audit_fault(s, n, "unknown", &r->fault);
    job_worst(n->job, outcome, &r->fault, true, -1);
}

/* ---- the whole answer --------------------------------------------------- */

static const char *const outcome_names[] = {
    [HUBSPOT_WRITTEN] = "written",   [HUBSPOT_ABSENT] = "absent",
    [HUBSPOT_REJECTED] = "rejected", [HUBSPOT_RETRY] = "retry",
    [HUBSPOT_UNKNOWN] = "unknown",
};

static bool
one_result(struct need *n, const struct hubspot_result *r,
           const struct hubspot_reply *reply, struct save *s, bool tell)
{
    switch (r->outcome) {
    case HUBSPOT_WRITTEN:
        need_written(n, r, s, tell);
        return true;
    case HUBSPOT_ABSENT:
        need_absent(n, s);
        return true;
    case HUBSPOT_REJECTED:
        need_rejected(n, r, s);
        return true;
    case HUBSPOT_RETRY:
        return !need_retry(n, r, reply, s);
    case HUBSPOT_UNKNOWN:
        need_unknown(n, r, s);
        return true;
    }
    return true;
}

static const char *
request_result(const struct hubspot_reply *r)
{
    enum hubspot_outcome worst = HUBSPOT_WRITTEN;

    for (size_t i = 0; i < r->n; i++) {
        if (r->results[i].outcome > worst) {
            worst = r->results[i].outcome;
        }
    }
    return outcome_names[worst == HUBSPOT_ABSENT ? HUBSPOT_WRITTEN : worst];
}

/* A refusal that names nobody, and was not even said to be one to halve, would
 * come again for ever. */
static bool
must_halve(const struct hubspot_reply *r)
{
    bool rejected = false;

    if (r->meta.status != 400 && r->meta.status != 409) {
        return false;
    }
    for (size_t i = 0; i < r->n; i++) {
        rejected = rejected || r->results[i].outcome == HUBSPOT_REJECTED;
    }
    return r->n > 1 && !rejected;
}

void
batch_results(struct batch *b, const struct hubspot_reply *r, struct save *s)
{
    struct dispatch *d = b->tenant->d;

    s->result = request_result(r);
    d->status.requests++;
    if (r->split || must_halve(r)) {
        s->result = "retry";
        batch_account(b, "retry", b->n);
        lane_put_halves(b);
        return;
    }
    for (size_t i = 0; i < b->n; i++) {
        struct need *n = b->needs[i];
        enum hubspot_outcome outcome = r->results[i].outcome;
        bool tell = i == 0 || b->needs[i - 1]->job != n->job;

        batch_account(b, outcome_names[outcome], 1);
        d->status.inputs++;
        d->status.written += outcome == HUBSPOT_WRITTEN ? 1 : 0;
        d->status.rejected += outcome == HUBSPOT_REJECTED ? 1 : 0;
        save_carry(s, n->job);
        if (one_result(n, &r->results[i], r, s, tell)) {
            n->job->pending--;
        }
    }
    for (size_t i = b->n; i-- > 0;) {
        if (b->needs[i]->returns) {
            b->needs[i]->returns = false;
            lane_return(b->tenant, b->needs[i]);
        }
    }
    for (size_t i = 0; i < s->n_carried; i++) {
        struct job *j = s->carried[i];

        if (j->pending == 0 && j->unsaved == 1 && !j->settled) {
            job_settle(j, s);
        }
    }
    if (r->meta.fault.err == ERR_CREDENTIALS) {
        dtenant_halt(b->tenant, &r->meta.fault);
    }
    batch_free(b);
}
