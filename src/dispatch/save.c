/* SPDX-License-Identifier: UNLICENSED */
/*
 * Outcomes on their way into the store.
 *
 *     filled --save_send--> sent --done--> freed
 *                            ^ |
 *                            +-+ the database did not take it: the same again
 *
 * A save is never dropped while its dispatcher lives: while the database is
 * away the outcome stays here, and nothing new is sent. Jobs whose results it
 * carries go on only when it is in. So there are at most as many as requests
 * were in flight, and one for each tenant's thoughts. What the database refuses
 * for ever is a matter of refused.c.
 */
#include "dispatch_priv.h"

#include <inttypes.h>
#include <string.h>

void
save_begin(struct save *s)
{
    for (unsigned i = 0; i < SAVE_LISTS; i++) {
        struct save_list *l = &s->lists[i];

        buf_init(&l->text, OUTCOME_BYTES);
        jsonx_begin(&l->w, &l->text);
        jsonx_open(&l->w, '[');
        l->n = 0;
    }
    s->n_rows = 0;
}

void
save_close(struct save *s)
{
    for (unsigned i = 0; i < SAVE_LISTS; i++) {
        jsonx_close(&s->lists[i].w, ']');
        ML_ASSERT(!s->lists[i].text.failed);
    }
}

void
save_fini(struct save *s)
{
    for (unsigned i = 0; i < SAVE_LISTS; i++) {
        buf_fini(&s->lists[i].text);
    }
}

/* A row begins; NULL: it is of no job of ours. */
static struct jsonx_writer *
row_open(struct save *s, enum save_which which, const struct job *j)
{
    struct save_list *l = &s->lists[which];

    if (s->n_rows == s->cap_rows) {
        s->cap_rows = s->cap_rows == 0 ? 64 : s->cap_rows * 2;
        s->rows = mem_resize(s->rows, s->cap_rows * sizeof(*s->rows));
    }
    s->rows[s->n_rows++] = (struct save_row){
        .job = j, .which = which, .from = l->text.len, .to = 0};
    jsonx_open(&l->w, '{');
    return &l->w;
}

static void
row_close(struct save *s)
{
    struct save_row *r = &s->rows[s->n_rows - 1];
    struct save_list *l = &s->lists[r->which];

    jsonx_close(&l->w, '}');
    r->to = l->text.len;
    l->n++;
}

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
    save_begin(s);
    list_push(&t->d->saves, &s->link);
    t->busy++;
    return s;
}

/* While one does nothing new is sent. */
static void
set_failing(struct save *s, bool failing)
{
    if (failing && !s->failing) {
        s->tenant->d->failing++;
    } else if (!failing && s->failing) {
        s->tenant->d->failing--;
    }
    s->failing = failing;
}

void
save_free(struct save *s)
{
    ML_ASSERT(s->magic == SAVE_MAGIC);
    s->magic = 0;
    store_cancel(s->op);
    loop_timer_stop(&s->again);
    list_remove(&s->link);
    set_failing(s, false);
    s->tenant->busy--;
    save_fini(s);
    mem_free(s->rows);
    mem_free(s->carried);
    mem_free(s->ended);
    mem_free(s);
}

/* ---- filling ------------------------------------------------------------ */

static struct jsonx_writer *
link_open(struct save *s, const struct job *j, const struct part *p)
{
    struct jsonx_writer *w = row_open(s, SAVE_LINKS, j);

    jsonx_add_text(w, "kind", map_kind_name(j->kind));
    jsonx_add_text(w, "fusion_id", j->fusion_id);
    jsonx_add_text(w, "object", map_object_name(p->object));
    jsonx_add_text(w, "key", p->key);
    return w;
}

/* What HubSpot now holds of this object: the wanted properties, and for an
 * invoice the status it was moved to. */
static void
put_link_properties(struct save *s, const struct part *p)
{
    struct save_list *l = &s->lists[SAVE_LINKS];
    char text[HASH_TEXT_MAX];
    size_t n = strlen(p->properties);
    struct buf b;

    jsonx_add_text(&l->w, "hash", hash_text(&p->hash, text));
    if (l->text.len + n > OUTCOME_BYTES - ROOM_BYTES) {
        return; /* the hash alone says that it is written */
    }
    jsonx_key(&l->w, "properties");
    buf_init(&b, OUTCOME_BYTES);
    buf_add(&b, p->properties, n - 1); /* without the closing brace */
    if (p->status != NULL) {
        buf_addf(&b, "%s\"hs_invoice_status\":\"%s\"", n > 2 ? "," : "",
                 p->status);
    }
    buf_addc(&b, '}');
    jsonx_put_raw(&l->w, buf_text(&b));
    buf_fini(&b);
}

void
save_link(struct save *s, const struct job *j, const struct part *p,
          bool properties)
{
    struct jsonx_writer *w = link_open(s, j, p);

    jsonx_add_text(w, "id", p->id);
    if (properties) {
        put_link_properties(s, p);
    }
    jsonx_key(w, "assoc");
    jsonx_open(w, '[');
    for (size_t i = 0; i < p->assoc_count; i++) {
        jsonx_put_text(w, p->assoc[i]);
    }
    jsonx_close(w, ']');
    row_close(s);
}

void
save_link_found(struct save *s, const struct job *j, const struct part *p,
                const json_t *properties)
{
    struct jsonx_writer *w = link_open(s, j, p);

    jsonx_add_text(w, "id", p->id);
    jsonx_key(w, "properties");
    jsonx_put_json(w, properties);
    row_close(s);
}

void
save_unlink(struct save *s, const struct job *j, const struct part *p)
{
    struct jsonx_writer *w = link_open(s, j, p);

    jsonx_key(w, "id");
    jsonx_put_null(w);
    row_close(s);
}

void
save_gone(struct save *s, const char *kind, const char *fusion_id,
          const char *object, const char *id)
{
    struct jsonx_writer *w = row_open(s, SAVE_GONE, NULL);

    jsonx_add_text(w, "kind", kind);
    jsonx_add_text(w, "fusion_id", fusion_id);
    jsonx_add_text(w, "object", object);
    jsonx_add_text(w, "id", id);
    row_close(s);
}

void
save_job_row(struct save *s, struct job *j, const char *state, int64_t due_ms,
             const char *waiting_for)
{
    struct jsonx_writer *w = row_open(s, SAVE_JOBS, j);

    jsonx_add_int(w, "id", j->id);
    jsonx_add_int(w, "revision", j->revision);
    jsonx_add_text(w, "state", state);
    jsonx_add_int(w, "attempts", (int64_t)j->attempts);
    jsonx_add_int(w, "due_ms", due_ms);
    if (waiting_for != NULL) {
        jsonx_add_text(w, "waiting_for", waiting_for);
    }
    if (j->gone) {
        jsonx_add_bool(w, "gone", true);
    }
    if (j->verdict != HUBSPOT_WRITTEN) {
        jsonx_add_text(w, "error_code",
                       j->fault.code[0] != '\0' ? j->fault.code :
                                                  err_name(j->fault.err));
        jsonx_add_text(w, "error", j->fault.message);
        jsonx_add_text(w, "correlation", j->fault.correlation);
    }
    row_close(s);
}

void
save_remember(struct job ***list, size_t *n, size_t *cap, struct job *j)
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
    save_remember(&s->carried, &s->n_carried, &s->cap_carried, j);
    j->unsaved++;
}

void
save_end(struct save *s, struct job *j)
{
    save_remember(&s->ended, &s->n_ended, &s->cap_ended, j);
}

static void
put_fault(struct jsonx_writer *w, const struct fault *f)
{
    if (f->http_status != 0) {
        jsonx_add_int(w, "http_status", f->http_status);
    }
    jsonx_add_text(w, "error_code",
                   f->code[0] != '\0' ? f->code : err_name(f->err));
    jsonx_add_text(w, "correlation", f->correlation);
}

/* What changed, unless the whole would be too much for one statement. */
static void
put_values(struct save *s, const struct save_note *n, const char *message)
{
    struct save_list *l = &s->lists[SAVE_AUDIT];
    size_t size = (n->before != NULL ? strlen(n->before) : 0) +
                  (n->after != NULL ? strlen(n->after) : 0);

    if (l->text.len + size > OUTCOME_BYTES - ROOM_BYTES) {
        jsonx_add_text(&l->w, "message", "the values are too large to keep");
        return;
    }
    jsonx_add_text(&l->w, "message", message);
    if (n->before != NULL) {
        jsonx_key(&l->w, "before");
        jsonx_put_raw(&l->w, n->before);
    }
    if (n->after != NULL) {
        jsonx_key(&l->w, "after");
        jsonx_put_raw(&l->w, n->after);
    }
}

void
save_audit(struct save *s, const struct job *j, const struct save_note *n)
{
    struct jsonx_writer *w = row_open(s, SAVE_AUDIT, j);
    const char *message = n->message;

    jsonx_add_text(w, "event", n->event);
    jsonx_add_text(w, "kind", map_kind_name(j->kind));
    jsonx_add_text(w, "fusion_id", j->fusion_id);
    jsonx_add_text(w, "hubspot_id", n->hubspot_id);
    jsonx_add_int(w, "job", j->id);
    jsonx_add_int(w, "attempt", (int64_t)j->attempts + 1);
    jsonx_add_text(w, "outcome", n->outcome);
    if (n->fault != NULL) {
        put_fault(w, n->fault);
        message = message != NULL ? message : n->fault->message;
    } else if (s->http_status != 0) {
        jsonx_add_int(w, "http_status", s->http_status);
        jsonx_add_text(w, "correlation", s->correlation);
    }
    put_values(s, n, message);
    if (n->duration_ms > 0) {
        jsonx_add_int(w, "duration_ms", n->duration_ms);
    }
    row_close(s);
}

/* ---- the database takes it, or not -------------------------------------- */

void
save_is_stuck(struct dispatch *d, enum err err, const struct fault *f)
{
    char safe[LOG_TEXT_MAX];

    d->stuck = *f;
    d->stuck.err = err;
    if (d->stuck_us == 0) {
        d->stuck_us = clock_mono_us();
        LOG_WARN(NULL, "dispatch.unsaved",
                 "portal=%s error=%s code=%s message=\"%s\"", d->portal,
                 err_name(err), f->code, log_safe(safe, f->message));
    }
}

void
save_goes_on(struct dispatch *d)
{
    if (d->stuck_us != 0 && d->failing == 0) {
        LOG_INFO(NULL, "dispatch.saved", "portal=%s stuck_ms=%" PRId64,
                 d->portal, (clock_mono_us() - d->stuck_us) / 1000);
        d->stuck_us = 0;
    }
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
                         (double)(clock_mono_us() - j->seen_us) / 1e6);
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
    if (s->whole != NULL && --s->whole->pieces == 0) {
        save_start(s->whole);
    }
    save_free(s);
    dtenant_release(t);
    dispatch_poke_run(d);
}

static void
save_again(struct save *s)
{
    double random = random_share();

    loop_timer_start(s->tenant->d->loop, &s->again,
                     backoff_ms(s->tries, STORE_RETRY_MS, STORE_CAP_MS, random),
                     save_start, s);
    s->tries++;
}

static void
on_saved(void *arg, enum err err, size_t released, const struct fault *f)
{
    struct save *s = arg;
    struct dispatch *d = s->tenant->d;

    ML_ASSERT(s->magic == SAVE_MAGIC);
    s->op = NULL;
    if (err == ERR_OK) {
        set_failing(s, false);
        save_goes_on(d);
        save_is_in(s, released);
        return;
    }
    set_failing(s, true);
    if (err == ERR_LEASE_LOST) {
        dispatch_lost(d);
        save_again(s); /* it may have run out only */
    } else if (err == ERR_NOT_FOUND) {
        s->write[0] = '\0'; /* the row is gone: what came of it is known */
        save_again(s);
    } else if (!save_is_refused(s, err, f)) {
        save_is_stuck(d, err, f);
        save_again(s);
    } else if (++s->refusals < REFUSALS_MAX) {
        save_again(s);
    } else {
        save_divide(s, f);
    }
}

static const char *
list_text(struct save_list *l)
{
    return l->n > 0 ? buf_text(&l->text) : NULL;
}

void
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
        .links = list_text(&s->lists[SAVE_LINKS]),
        .jobs = list_text(&s->lists[SAVE_JOBS]),
        .audit = list_text(&s->lists[SAVE_AUDIT]),
        .gone = list_text(&s->lists[SAVE_GONE]),
    };

    ML_ASSERT(s->magic == SAVE_MAGIC);
    if (store_outcome(d->store, &o, on_saved, s, &s->op) != ERR_OK) {
        struct fault f;

        fault_clear(&f);
        (void)fault_set(&f, ERR_FULL, "more waits than may");
        set_failing(s, true);
        save_is_stuck(d, ERR_FULL, &f);
        save_again(s);
    }
}

void
save_send(struct save *s)
{
    save_close(s);
    s->since_us = clock_mono_us();
    save_start(s);
}
