/* SPDX-License-Identifier: UNLICENSED */
/*
 * Outcomes on their way into the store.
 *
 *     filled --save_send--> sent --done--> freed
 *                            ^  |
 *                            +--+ database away: the same again in a second
 *
 * A save is never dropped while its dispatcher lives: while the database is
 * away the outcome stays here, and nothing new is sent. Jobs whose results it
 * carries go on only when it is in.
 */
#include "dispatch_priv.h"

#include <inttypes.h>
#include <string.h>

struct save *
save_new(struct dtenant *t, const char *write)
{
    struct save *s = MEM_NEW(struct save);

    s->magic = SAVE_MAGIC;
    s->tenant = t;
    s->result = "written";
    if (write != NULL) {
        memcpy(s->write, write, RANDOM_ID_MAX);
    }
    buf_init(&s->links, OUTCOME_BYTES);
    buf_init(&s->jobs, OUTCOME_BYTES);
    buf_init(&s->audit, OUTCOME_BYTES);
    buf_init(&s->gone, OUTCOME_BYTES);
    jsonx_begin(&s->wl, &s->links);
    jsonx_begin(&s->wj, &s->jobs);
    jsonx_begin(&s->wa, &s->audit);
    jsonx_begin(&s->wg, &s->gone);
    jsonx_open(&s->wl, '[');
    jsonx_open(&s->wj, '[');
    jsonx_open(&s->wa, '[');
    jsonx_open(&s->wg, '[');
    list_push(&t->d->saves, &s->link);
    t->busy++;
    return s;
}

void
save_free(struct save *s)
{
    ML_ASSERT(s->magic == SAVE_MAGIC);
    s->magic = 0;
    store_cancel(s->op);
    loop_timer_stop(&s->again);
    list_remove(&s->link);
    if (s->failing) {
        s->tenant->d->failing--;
    }
    s->tenant->busy--;
    buf_fini(&s->links);
    buf_fini(&s->jobs);
    buf_fini(&s->audit);
    buf_fini(&s->gone);
    mem_free(s->carried);
    mem_free(s->ended);
    mem_free(s);
}

/* ---- filling ------------------------------------------------------------ */

static void
put_link_head(struct save *s, const struct job *j, const struct part *p)
{
    jsonx_open(&s->wl, '{');
    jsonx_add_text(&s->wl, "kind", map_kind_name(j->kind));
    jsonx_add_text(&s->wl, "fusion_id", j->fusion_id);
    jsonx_add_text(&s->wl, "object", map_object_name(p->object));
    jsonx_add_text(&s->wl, "key", p->key);
    s->n_links++;
}

/* What HubSpot now holds of this object: the wanted properties, and for an
 * invoice the status it was moved to. */
static void
put_link_properties(struct save *s, const struct part *p)
{
    char text[HASH_TEXT_MAX];
    size_t n = strlen(p->properties);
    struct buf b;

    jsonx_add_text(&s->wl, "hash", hash_text(&p->hash, text));
    if (s->links.len + n > OUTCOME_BYTES - ROOM_BYTES) {
        return; /* the hash alone says that it is written */
    }
    jsonx_key(&s->wl, "properties");
    buf_init(&b, OUTCOME_BYTES);
    buf_add(&b, p->properties, n - 1); /* without the closing brace */
    if (p->status != NULL) {
        buf_addf(&b, "%s\"hs_invoice_status\":\"%s\"", n > 2 ? "," : "",
                 p->status);
    }
    buf_addc(&b, '}');
    jsonx_put_raw(&s->wl, buf_text(&b));
    buf_fini(&b);
}

void
save_link(struct save *s, const struct job *j, const struct part *p,
          bool properties)
{
    put_link_head(s, j, p);
    jsonx_add_text(&s->wl, "id", p->id);
    if (properties) {
        put_link_properties(s, p);
    }
    jsonx_key(&s->wl, "assoc");
    jsonx_open(&s->wl, '[');
    for (size_t i = 0; i < p->assoc_count; i++) {
        jsonx_put_text(&s->wl, p->assoc[i]);
    }
    jsonx_close(&s->wl, ']');
    jsonx_close(&s->wl, '}');
}

void
save_link_found(struct save *s, const struct job *j, const struct part *p,
                const json_t *properties)
{
    put_link_head(s, j, p);
    jsonx_add_text(&s->wl, "id", p->id);
    jsonx_key(&s->wl, "properties");
    jsonx_put_json(&s->wl, properties);
    jsonx_close(&s->wl, '}');
}

void
save_unlink(struct save *s, const struct job *j, const struct part *p)
{
    put_link_head(s, j, p);
    jsonx_key(&s->wl, "id");
    jsonx_put_null(&s->wl);
    jsonx_close(&s->wl, '}');
}

void
save_gone(struct save *s, const char *kind, const char *fusion_id,
          const char *object, const char *id)
{
    jsonx_open(&s->wg, '{');
    jsonx_add_text(&s->wg, "kind", kind);
    jsonx_add_text(&s->wg, "fusion_id", fusion_id);
    jsonx_add_text(&s->wg, "object", object);
    jsonx_add_text(&s->wg, "id", id);
    jsonx_close(&s->wg, '}');
    s->n_gone++;
}

void
save_job_row(struct save *s, struct job *j, const char *state, int64_t due_ms,
             const char *waiting_for)
{
    jsonx_open(&s->wj, '{');
    jsonx_add_int(&s->wj, "id", j->id);
    jsonx_add_int(&s->wj, "revision", j->revision);
    jsonx_add_text(&s->wj, "state", state);
    jsonx_add_int(&s->wj, "attempts", (int64_t)j->attempts);
    jsonx_add_int(&s->wj, "due_ms", due_ms);
    if (waiting_for != NULL) {
        jsonx_add_text(&s->wj, "waiting_for", waiting_for);
    }
    if (j->gone) {
        jsonx_add_bool(&s->wj, "gone", true);
    }
    if (j->verdict != HUBSPOT_WRITTEN) {
        jsonx_add_text(&s->wj, "error_code",
                       j->fault.code[0] != '\0' ? j->fault.code :
                                                  err_name(j->fault.err));
        jsonx_add_text(&s->wj, "error", j->fault.message);
        jsonx_add_text(&s->wj, "correlation", j->fault.correlation);
    }
    jsonx_close(&s->wj, '}');
    s->n_jobs++;
}

static void
remember(struct job ***list, size_t *n, size_t *cap, struct job *j)
{
    if (*n == *cap) {
        *cap = *cap == 0 ? 16 : *cap * 2;
        *list = mem_resize(*list, *cap * sizeof(**list));
    }
    (*list)[(*n)++] = j;
}

void
save_carry(struct save *s, struct job *j)
{
    for (size_t i = s->n_carried; i-- > 0;) {
        if (s->carried[i] == j) {
            return; /* results of one job stand close together */
        }
    }
    remember(&s->carried, &s->n_carried, &s->cap_carried, j);
    j->unsaved++;
}

void
save_end(struct save *s, struct job *j)
{
    remember(&s->ended, &s->n_ended, &s->cap_ended, j);
}

static void
put_fault(struct save *s, const struct fault *f)
{
    if (f->http_status != 0) {
        jsonx_add_int(&s->wa, "http_status", f->http_status);
    }
    jsonx_add_text(&s->wa, "error_code",
                   f->code[0] != '\0' ? f->code : err_name(f->err));
    jsonx_add_text(&s->wa, "correlation", f->correlation);
}

/* What changed, unless the whole would be too much for one statement. */
static void
put_values(struct save *s, const struct save_note *n, const char *message)
{
    size_t size = (n->before != NULL ? strlen(n->before) : 0) +
                  (n->after != NULL ? strlen(n->after) : 0);

    if (s->audit.len + size > OUTCOME_BYTES - ROOM_BYTES) {
        jsonx_add_text(&s->wa, "message", "the values are too large to keep");
        return;
    }
    jsonx_add_text(&s->wa, "message", message);
    if (n->before != NULL) {
        jsonx_key(&s->wa, "before");
        jsonx_put_raw(&s->wa, n->before);
    }
    if (n->after != NULL) {
        jsonx_key(&s->wa, "after");
        jsonx_put_raw(&s->wa, n->after);
    }
}

void
save_audit(struct save *s, const struct job *j, const struct save_note *n)
{
    const char *message = n->message;

    jsonx_open(&s->wa, '{');
    jsonx_add_text(&s->wa, "event", n->event);
    jsonx_add_text(&s->wa, "kind", map_kind_name(j->kind));
    jsonx_add_text(&s->wa, "fusion_id", j->fusion_id);
    jsonx_add_text(&s->wa, "hubspot_id", n->hubspot_id);
    jsonx_add_int(&s->wa, "job", j->id);
    jsonx_add_int(&s->wa, "attempt", (int64_t)j->attempts + 1);
    jsonx_add_text(&s->wa, "outcome", n->outcome);
    if (n->fault != NULL) {
        put_fault(s, n->fault);
        message = message != NULL ? message : n->fault->message;
    } else if (s->http_status != 0) {
        jsonx_add_int(&s->wa, "http_status", s->http_status);
        jsonx_add_text(&s->wa, "correlation", s->correlation);
    }
    put_values(s, n, message);
    if (n->duration_ms > 0) {
        jsonx_add_int(&s->wa, "duration_ms", n->duration_ms);
    }
    jsonx_close(&s->wa, '}');
    s->n_audit++;
}

/* ---- sending ------------------------------------------------------------ */

/* Everything of j that was under way is stored: on to what follows. */
static void
job_goes_on(struct job *j)
{
    if (j->settled || j->pending > 0 || j->unsaved > 0 || j->tenant->removed) {
        return;
    }
    if (j->n_planned == 0 || j->verdict != HUBSPOT_WRITTEN) {
        job_settle(j, dtenant_thoughts(j->tenant));
    }
    if (!j->settled) {
        job_start_planned(j);
    }
}

static void
save_is_in(struct save *s, size_t released)
{
    struct dtenant *t = s->tenant;
    struct dispatch *d = t->d;

    for (size_t i = 0; i < s->n_carried; i++) {
        s->carried[i]->unsaved--;
    }
    for (size_t i = 0; i < s->n_ended; i++) {
        struct job *j = s->ended[i];

        if (j->verdict == HUBSPOT_WRITTEN && j->stage == STAGE_END) {
            stat_observe(STAT_sync_latency, NULL,
                         (double)(clock_wall_us() - j->seen_us) / 1e6);
        }
    }
    for (size_t i = 0; i < s->n_carried; i++) {
        job_goes_on(s->carried[i]);
    }
    for (size_t i = 0; i < s->n_ended; i++) {
        job_free(s->ended[i]);
    }
    if (released > 0 || s->n_ended > 0) {
        dispatch_poke(d, t->id); /* also one that was added again meanwhile */
    }
    save_free(s);
    dtenant_release(t);
    dispatch_poke_run(d);
}

static void save_start(void *arg);

static void
on_saved(void *arg, enum err err, size_t released, const struct fault *f)
{
    struct save *s = arg;
    struct dispatch *d = s->tenant->d;
    char safe[LOG_TEXT_MAX];

    ML_ASSERT(s->magic == SAVE_MAGIC);
    s->op = NULL;
    if (err == ERR_OK) {
        save_is_in(s, released);
        return;
    }
    if (!s->failing) {
        s->failing = true;
        d->failing++;
        LOG_WARN(&s->tenant->log, "dispatch.unsaved", "error=%s message=\"%s\"",
                 err_name(err), log_safe(safe, f->message));
    }
    if (err == ERR_LEASE_LOST) {
        dispatch_lost(d);
        return;
    }
    loop_timer_start(d->loop, &s->again, STORE_RETRY_MS, save_start, s);
}

static void
save_start(void *arg)
{
    struct save *s = arg;
    struct dispatch *d = s->tenant->d;
    struct store_outcome o = {
        .tenant = s->tenant->id,
        .portal = d->portal,
        .worker = d->worker,
        .term = d->term,
        .write = s->write[0] != '\0' ? s->write : NULL,
        .http_status = s->http_status,
        .result = s->result,
        .duration_ms = s->duration_ms,
        .links = s->n_links > 0 ? buf_text(&s->links) : NULL,
        .jobs = s->n_jobs > 0 ? buf_text(&s->jobs) : NULL,
        .audit = s->n_audit > 0 ? buf_text(&s->audit) : NULL,
        .gone = s->n_gone > 0 ? buf_text(&s->gone) : NULL,
    };

    ML_ASSERT(s->magic == SAVE_MAGIC);
    if (store_outcome(d->store, &o, on_saved, s, &s->op) != ERR_OK) {
        loop_timer_start(d->loop, &s->again, STORE_RETRY_MS, save_start, s);
    }
}

void
save_send(struct save *s)
{
    jsonx_close(&s->wl, ']');
    jsonx_close(&s->wj, ']');
    jsonx_close(&s->wa, ']');
    jsonx_close(&s->wg, ']');
    ML_ASSERT(!s->links.failed && !s->jobs.failed && !s->audit.failed &&
              !s->gone.failed);
    save_start(s);
}
