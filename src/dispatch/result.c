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

/* "associated with contacts 501, companies 601"; NULL: with nothing. */
static const char *
joins_text(const struct need *n)
{
    size_t rows;
    const struct map_association *table = map_associations(&rows);
    const char *text = NULL;

    for (size_t k = 0; k < n->n_joins; k++) {
        const struct need_join *x = &n->joins[k];
        const struct map_association *a = &table[x->row];

        text = arena_printf(
            &n->job->arena, "%s %s %s", text != NULL ? text : "associated with",
            map_object_name(x->forward ? a->to : a->from), x->id);
        if (k + 1 < n->n_joins) {
            text = arena_printf(&n->job->arena, "%s,", text);
        }
    }
    return text;
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
                             .message = joins_text(n),
                             .duration_ms = s->duration_ms};
    const char *old = n->part->before;

    if (old == NULL) { /* all of it is new */
        note.before = "{}";
        note.after = n->properties;
        save_audit(s, n->job, &note);
        return;
    }
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

/* It was created with them. */
static void
joins_written(struct need *n)
{
    size_t rows;
    const struct map_association *table = map_associations(&rows);

    for (size_t k = 0; k < n->n_joins; k++) {
        const struct need_join *x = &n->joins[k];

        part_add_assoc(n->job, n->part, table[x->row].types[0], x->id);
    }
}

/* Whether the key led to another record than the link knows; `made`: it may
 * have been made just now. */
static void
is_moved(struct need *n, const struct hubspot_result *r, bool made,
         struct save *s)
{
    struct part *p = n->part;

    if (r->id != NULL && p->id != NULL && strcmp(p->id, r->id) != 0) {
        part_moved(n->job, p, r->id, made, s);
    }
}

static void
object_written(struct need *n, const struct hubspot_result *r, struct save *s)
{
    struct part *p = n->part;

    p->rebill = false;
    is_moved(n, r, r->created, s);
    p->id = r->id != NULL ? arena_strdup(&n->job->arena, r->id) : p->id;
    joins_written(n);
    p->current = !p->rebill;
    if (p->current) {
        save_link(s, n->job, p, true);
    }
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
        job_joins_again(n->job, n->part, n->lane - LANE_DISSOCIATE);
    }
    save_link(s, n->job, n->part, false);
    if (tell) {
        audit_plain(s, n, "written", NULL);
    }
}

/* Perhaps with the invoice's other properties. */
static void
status_written(struct need *n, struct save *s)
{
    n->part->status = n->job->status;
    n->part->current = true;
    save_link(s, n->job, n->part, true);
    audit_properties(s, n, "updated");
}

/* ---- reading back ------------------------------------------------------- */

/* How long until a write of unknown outcome can no longer arrive: HubSpot cuts
 * a request off 100 s after it came (error handling, 524). */
static int64_t
cutoff_left(const struct job *j)
{
    int64_t cutoff_ms = j->tenant->d->config.cutoff_ms;
    int64_t since_ms;

    if (j->sent_us == INT64_MIN) {
        return cutoff_ms;
    }
    since_ms = (clock_mono_us() - j->sent_us) / 1000;
    return since_ms < cutoff_ms ? cutoff_ms - since_ms : 0;
}

/* An older write may still arrive: then what is there says nothing, and what is
 * sent now may be overtaken. */
static bool
may_be_overtaken(const struct job *j)
{
    return job_changed_since(j) && cutoff_left(j) > 0;
}

static void
verify_later(struct need *n)
{
    struct job *j = n->job;
    struct fault f;

    fault_clear(&f);
    (void)fault_set(&f, ERR_UNKNOWN,
                    "%s %s has changed since an unanswered write was sent; it "
                    "is read back when that one can no longer arrive",
                    map_object_name(n->part->object), n->part->key);
    job_worst(j, HUBSPOT_UNKNOWN, &f, false, cutoff_left(j));
}

static void
verify_found(struct need *n, const struct hubspot_result *r, struct save *s)
{
    struct part *p = n->part;
    struct fault ignored;
    json_t *wanted = NULL;
    const char *status = jsonx_text(r->properties, "hs_invoice_status");

    if (p->looked) { /* it is there: the refusal was meant */
        job_worst(n->job, HUBSPOT_REJECTED, &n->job->refusal, true, -1);
        return;
    }
    is_moved(n, r, true, s);
    p->id = r->id != NULL ? arena_strdup(&n->job->arena, r->id) : p->id;
    p->status = arena_strdup(&n->job->arena, status);
    if (p->properties == NULL) { /* of a record that is gone */
        audit_plain(s, n, "differs", "found though Fusion has it no more");
        return;
    }
    if (p->rebill) {
        p->status = NULL; /* it is made anew, and written as such */
        audit_plain(s, n, "differs", "found as another record");
        return;
    }
    if (jsonx_parse(p->properties, strlen(p->properties), &wanted, &ignored) !=
        ERR_OK) {
        return;
    }
    if (may_be_overtaken(n->job)) {
        audit_plain(s, n, "early", "an older write may still arrive");
        verify_later(n);
    } else if (map_properties_equal(p->object, wanted, r->properties)) {
        p->current = true;
        audit_plain(s, n, "written", "found as wanted when read back");
    } else {
        p->current = false;
        audit_plain(s, n, "differs", "found otherwise when read back");
    }
    save_link(s, n->job, p, p->current);
    if (n->job->doubt && !p->current) {
        doubt_email(n, r, s);
    }
    json_decref(wanted);
}

static void
verify_absent(struct need *n, struct save *s)
{
    struct job *j = n->job;
    int64_t left_ms;
    struct fault f;

    if (n->part->looked) {
        part_lost(j, n->part, s);
        return;
    }
    left_ms = j->verify ? cutoff_left(j) : 0;
    n->part->by_key = true;
    audit_plain(s, n, "absent", "not found when read back");
    if (left_ms == 0) {
        return; /* it can no longer arrive: sent again, by its key */
    }
    fault_clear(&f);
    (void)fault_set(&f, ERR_UNKNOWN,
                    "%s %s is not there (yet) when read back; it is sent "
                    "again when the unanswered write can no longer arrive",
                    map_object_name(n->part->object), n->part->key);
    job_worst(j, HUBSPOT_UNKNOWN, &f, false, left_ms);
}

/* ---- one result --------------------------------------------------------- */

static void
need_written(struct need *n, const struct hubspot_result *r, struct save *s,
             bool tell)
{
    if (n->lane == LANE_FIND || n->lane == LANE_LOOK) {
        contact_found(n, r, s);
        return;
    }
    if (n->lane >= LANE_STRAY) {
        stray_found(n, r);
        return;
    }
    switch (lane_verb(n->lane)) {
    case HUBSPOT_READ:
        verify_found(n, r, s);
        break;
    case HUBSPOT_JOINED:
        joined_found(n, r);
        break;
    case HUBSPOT_UPSERT:
    case HUBSPOT_CREATE:
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

/* A creation that finds the key taken: HubSpot has the object though no link
 * says so. */
static bool
goes_by_key(struct need *n, const struct hubspot_result *r)
{
    struct part *p = n->part;

    if (lane_verb(n->lane) != HUBSPOT_CREATE || r->fault.err != ERR_CONFLICT ||
        !r->key_taken) {
        return false;
    }
    p->by_key = true;
    job_need(n->job, p, LANE_UPSERT + p->object, p->key, NULL, n->properties);
    return true;
}

/* An invoice that is archived is made anew by its upsert, which does not say
 * that it is billed elsewhere; then HubSpot wants a due date to come. Whether it
 * is still there decides. */
static bool
may_be_made_anew(struct need *n, const struct hubspot_result *r)
{
    struct part *p = n->part;

    if (n->lane != LANE_UPSERT + MAP_INVOICES || p->id == NULL || p->looked ||
        strcmp(r->fault.code, "INVALID_DATE") != 0) {
        return false;
    }
    p->looked = true;
    n->job->refusal = r->fault;
    job_need(n->job, p, LANE_READ + MAP_INVOICES, p->key, NULL, NULL);
    return true;
}

static void
need_rejected(struct need *n, const struct hubspot_result *r, struct save *s)
{
    if (goes_by_key(n, r) || begin_adoption(n, r, s)) {
        audit_fault(s, n, "conflict", &r->fault);
        return;
    }
    if ((r->fault.err == ERR_MISSING && end_is_gone(n, r->gone, s)) ||
        may_be_made_anew(n, r)) {
        audit_fault(s, n, "retry", &r->fault);
        return;
    }
    if (n->lane == LANE_STATUS && !n->part->current) {
        n->part->apart = true;
        n->job->stage = STAGE_OBJECTS;
        audit_fault(s, n, "retry", &r->fault);
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
need_absent(struct need *n, const struct hubspot_result *r, struct save *s)
{
    struct fault f;

    switch (lane_verb(n->lane)) {
    case HUBSPOT_READ:
        if (n->lane == LANE_FIND || n->lane == LANE_LOOK) {
            contact_absent(n, s);
        } else if (n->lane < LANE_STRAY) {
            verify_absent(n, s);
        }
        return;
    case HUBSPOT_JOINED:
        joined_found(n, r);
        return;
    case HUBSPOT_ARCHIVE:
    case HUBSPOT_DISSOCIATE:
        need_written(n, NULL, s, true); /* gone is what was wanted */
        return;
    case HUBSPOT_UPDATE:
        if (n->lane == LANE_ADOPT) {
            contact_absent(n, s);
        } else {
            part_lost(n->job, n->part, s);
        }
        return;
    case HUBSPOT_UPSERT:
    case HUBSPOT_CREATE:
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

/* An association that HubSpot takes and never answers for: an end may have been
 * merged into another, under whose id it answers. */
static bool
ends_are_doubted(struct need *n, const struct hubspot_reply *reply,
                 struct save *s)
{
    return lane_verb(n->lane) == HUBSPOT_ASSOCIATE &&
           reply->meta.fault.err == ERR_OK &&
           n->job->attempts >= DOUBT_ATTEMPTS && end_is_gone(n, NULL, s);
}

static void
need_unknown(struct need *n, const struct hubspot_result *r,
             const struct hubspot_reply *reply, struct save *s)
{
    enum hubspot_outcome outcome =
        lane_makes(n->lane) ? HUBSPOT_UNKNOWN : HUBSPOT_RETRY;

    audit_fault(s, n, "unknown", &r->fault);
    if (ends_are_doubted(n, reply, s)) {
        return;
    }
    job_worst(n->job, outcome, &r->fault, true, -1);
}

/* ---- the whole answer --------------------------------------------------- */

static const char *const outcome_names[] = {
    [HUBSPOT_WRITTEN] = "written",   [HUBSPOT_ABSENT] = "absent",
    [HUBSPOT_REJECTED] = "rejected", [HUBSPOT_RETRY] = "retry",
    [HUBSPOT_UNKNOWN] = "unknown",
};

/* False: the need went back into its lane and is still pending. */
static bool
one_result(struct need *n, const struct hubspot_result *r,
           const struct hubspot_reply *reply, struct save *s, bool tell)
{
    if (r->outcome == HUBSPOT_REJECTED &&
        hubspot_lacks_property(&r->fault, lane_object(n->lane))) {
        switch (setup_again(n->job->tenant, reply->meta.sent_us,
                            r->fault.message)) {
        case HOPE_SOON:
            n->returns = true;
            return false;
        case HOPE_LATER:
            setup_put_off(n->job);
            return true;
        case HOPE_NONE:
            break;
        }
    }
    switch (r->outcome) {
    case HUBSPOT_WRITTEN:
        need_written(n, r, s, tell);
        return true;
    case HUBSPOT_ABSENT:
        need_absent(n, r, s);
        return true;
    case HUBSPOT_REJECTED:
        need_rejected(n, r, s);
        return true;
    case HUBSPOT_RETRY:
        return !need_retry(n, r, reply, s);
    case HUBSPOT_UNKNOWN:
        need_unknown(n, r, reply, s);
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

/* Our unique property is gone from the portal: everything waits for it, or, if
 * it was made just now, is refused. */
static bool
without_key(struct batch *b, const struct hubspot_reply *r, struct save *s)
{
    struct dtenant *t = b->tenant;
    enum setup_hope hope;

    if (!r->no_key) {
        return false;
    }
    hope = setup_again(t, r->meta.sent_us, r->meta.fault.message);
    batch_account(b, hope == HOPE_NONE ? "rejected" : "retry", b->n);
    for (size_t i = 0; i < b->n; i++) {
        struct need *n = b->needs[i];

        if (hope == HOPE_SOON) {
            n->returns = true;
            continue;
        }
        save_carry(s, n->job);
        n->job->pending--;
        if (hope == HOPE_LATER) {
            setup_put_off(n->job);
        } else {
            audit_fault(s, n, "rejected", &r->meta.fault);
            job_worst(n->job, HUBSPOT_REJECTED, &r->meta.fault, true, -1);
        }
    }
    return true;
}

static void
count_input(struct batch *b, enum hubspot_outcome outcome)
{
    struct dispatch *d = b->tenant->d;

    batch_account(b, outcome_names[outcome], 1);
    d->status.inputs++;
    d->status.written += outcome == HUBSPOT_WRITTEN ? 1 : 0;
    d->status.rejected += outcome == HUBSPOT_REJECTED ? 1 : 0;
}

static void
each_result(struct batch *b, const struct hubspot_reply *r, struct save *s)
{
    const struct job *told = NULL;

    for (size_t i = 0; i < b->n; i++) {
        struct need *n = b->needs[i];
        bool tell = told != n->job;

        told = n->job;
        count_input(b, r->results[i].outcome);
        if (r->results[i].alone && b->n > 1) {
            lane_put_alone(b, i);
            continue;
        }
        save_carry(s, n->job);
        if (one_result(n, &r->results[i], r, s, tell)) {
            n->job->pending--;
        }
    }
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
    if (!without_key(b, r, s)) {
        each_result(b, r, s);
    }
    for (size_t i = b->n; i-- > 0;) {
        if (b->needs[i] != NULL && b->needs[i]->returns) {
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
