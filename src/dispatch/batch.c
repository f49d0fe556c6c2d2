/* SPDX-License-Identifier: UNLICENSED */
/*
 * One request of one lane.
 *
 *     taken --write row stored--> sent --answer--> outcomes into a save
 *       |                          |
 *       +--> back into its lane    +--> the write row stays open when the
 *            (row not stored)           process dies: "unknown" afterwards
 *
 * Reads need no row. The token was taken before; it is settled on every way out.
 */
#include "dispatch_priv.h"

#include <inttypes.h>
#include <string.h>

struct batch *
batch_new(struct dtenant *t, unsigned lane, size_t n)
{
    struct batch *b = MEM_NEW(struct batch);

    b->magic = BATCH_MAGIC;
    b->tenant = t;
    b->lane = lane;
    b->n = n;
    b->needs = mem_array(n, sizeof(struct need *));
    list_init(&b->link);
    random_id(b->write);
    return b;
}

void
batch_free(struct batch *b)
{
    ML_ASSERT(b->magic == BATCH_MAGIC);
    b->magic = 0;
    store_cancel(b->opening);
    hubspot_cancel(b->sending);
    list_remove(&b->link);
    for (size_t i = 0; i < b->n; i++) {
        if (b->needs[i] != NULL) { /* NULL: gone to another batch */
            key_give(b->tenant->d, b->needs[i]);
        }
    }
    if (b->sent && b->accounted != b->n) {
        stat_add(STAT_hubspot_unaccounted, NULL, NULL,
                 b->n > b->accounted ? b->n - b->accounted :
                                       b->accounted - b->n);
    }
    mem_free(b->needs);
    mem_free(b);
}

static struct batch *
batch_from(void *arg)
{
    struct batch *b = arg;

    ML_ASSERT(b->magic == BATCH_MAGIC);
    return b;
}

void
batch_account(struct batch *b, const char *outcome, size_t n)
{
    b->accounted += n;
    stat_add(STAT_hubspot_inputs, map_object_name(lane_object(b->lane)),
             outcome, n);
}

void
batch_give_up(struct batch *b)
{
    if (b->sent) {
        batch_account(b, lane_reads(b->lane) ? "retry" : "unknown", b->n);
    }
}

/* The row of a write that is not sent after all; else it would count as one of
 * unknown outcome when the portal moves. */
static void
close_unsent(struct batch *b)
{
    struct save *s = save_new(b->tenant, b->write);

    s->result = "unsent";
    save_send(s);
}

/* Nothing was sent: the token comes back as soon as its time is over. */
static void
batch_put_back(struct batch *b)
{
    struct dtenant *t = b->tenant;
    struct dispatch *d = t->d;
    int64_t now_us = clock_mono_us();

    permits_settle(&d->permits, now_us, now_us);
    for (size_t i = b->n; i-- > 0;) {
        lane_return(t, b->needs[i]);
    }
    t->lanes[b->lane].in_flight--;
    t->busy--;
    d->status.in_flight--;
    batch_free(b);
    dtenant_release(t);
    dispatch_poke_run(d);
}

static void
on_answer(void *arg, const struct hubspot_reply *r)
{
    struct batch *b = batch_from(arg);
    struct dtenant *t = b->tenant;
    struct dispatch *d = t->d;
    struct save *s;

    b->sending = NULL;
    list_remove(&b->link);
    budget_settle(d, &b->permit, &r->meta);
    s = save_new(t, lane_reads(b->lane) ? NULL : b->write);
    s->http_status = r->meta.status;
    memcpy(s->correlation, r->meta.fault.correlation, FAULT_CODE_MAX);
    s->duration_ms = (r->meta.answered_us - r->meta.sent_us) / 1000;
    t->lanes[b->lane].in_flight--;
    t->lanes[b->lane].paused_until_us = budget_pause(&r->meta);
    d->status.in_flight--;
    LOG_DEBUG(&t->log, "dispatch.batch",
              "operation=%s inputs=%zu status=%d ms=%" PRId64,
              lane_name(b->lane), b->n, r->meta.status, s->duration_ms);
    batch_results(b, r, s); /* frees b */
    save_send(s);
    t->busy--;
    dtenant_release(t);
    dispatch_poke_run(d);
}

enum { READ_MAX = 64 };

static void
add_name(const char *list[READ_MAX], const char *name)
{
    size_t n = 0;

    while (list[n] != NULL && strcmp(list[n], name) != 0) {
        n++;
    }
    ML_ASSERT(n < READ_MAX - 1);
    list[n] = name; /* a name asked for twice may come twice */
}

/* What is read back: all that the mapping writes, each name once. */
static const char *const *
read_list(unsigned lane)
{
    static const char *const find[] = {"email", "fusion_account_number", NULL};
    static const char *lists[MAP_OBJECTS][READ_MAX];
    enum map_object o = lane_object(lane);
    const char *const *standard = map_standard_properties(o);
    const struct map_property *own;
    size_t n;

    if (lane == LANE_FIND || lane == LANE_LOOK) {
        return find;
    }
    if (lists[o][0] != NULL) {
        return lists[o];
    }
    for (size_t i = 0; standard[i] != NULL; i++) {
        add_name(lists[o], standard[i]);
    }
    own = map_properties(&n);
    for (size_t i = 0; i < n; i++) {
        if (own[i].object == o) {
            add_name(lists[o], own[i].name);
        }
    }
    if (o == MAP_INVOICES) {
        add_name(lists[o], "hs_invoice_status");
    }
    return lists[o];
}

/* What the inputs are created with; to free. */
static struct hubspot_join *
put_joins(const struct batch *b, struct hubspot_input *inputs)
{
    size_t rows;
    const struct map_association *table = map_associations(&rows);
    struct hubspot_join *all = mem_array(b->n, JOINS_MAX * sizeof(*all));

    for (size_t i = 0; i < b->n; i++) {
        const struct need *n = b->needs[i];
        struct hubspot_join *joins = &all[i * JOINS_MAX];

        for (size_t k = 0; k < n->n_joins; k++) {
            const struct map_association *a = &table[n->joins[k].row];

            joins[k].to = n->joins[k].forward ? a->to : a->from;
            joins[k].id = n->joins[k].id;
        }
        inputs[i].joins = joins;
        inputs[i].n_joins = n->n_joins;
    }
    return all;
}

static void
batch_start(struct batch *b)
{
    const struct map_association *a = lane_association(b->lane);
    struct hubspot_input *inputs = mem_array(b->n, sizeof(*inputs));
    struct hubspot_join *joins = put_joins(b, inputs);
    struct hubspot_batch request = {.verb = lane_verb(b->lane),
                                    .object = lane_object(b->lane),
                                    .to = a != NULL ? a->to : MAP_COMPANIES,
                                    .inputs = inputs,
                                    .n = b->n,
                                    .until_us = &b->tenant->d->lease_until_us};
    enum err err;

    for (size_t i = 0; i < b->n; i++) {
        inputs[i].id = b->needs[i]->id;
        inputs[i].to = b->needs[i]->to;
        inputs[i].properties = b->needs[i]->properties;
    }
    if (request.verb == HUBSPOT_READ) {
        request.id_property = b->lane == LANE_FIND ?
                                  "email" :
                              b->lane == LANE_LOOK || b->lane >= LANE_STRAY ?
                                  NULL :
                                  map_object_key(request.object);
        request.read = read_list(b->lane);
    }
    err = hubspot_send(b->tenant->hubspot, &request, on_answer, b, &b->sending);
    mem_free(inputs);
    mem_free(joins);
    if (err != ERR_OK) {
        if (!lane_reads(b->lane)) {
            close_unsent(b);
        }
        batch_put_back(b);
        return;
    }
    b->sent = true;
    stat_add(STAT_hubspot_sent, map_object_name(request.object), NULL, b->n);
}

static void
on_opened(void *arg, enum err err, const struct fault *f)
{
    struct batch *b = batch_from(arg);
    struct dispatch *d = b->tenant->d;

    b->opening = NULL;
    if (err == ERR_OK) {
        save_goes_on(d);
    }
    if (err == ERR_OK && dispatch_may_send(d) && !b->tenant->halted &&
        !b->tenant->removed) {
        batch_start(b);
        return;
    }
    if (err == ERR_LEASE_LOST) {
        dispatch_lost(d);
    } else if (err != ERR_OK) {
        save_is_stuck(d, err, f);
        d->away_until_us = clock_mono_us() + STORE_RETRY_MS * 1000;
    } else {
        close_unsent(b);
    }
    batch_put_back(b);
}

static void
put_job_ids(const struct batch *b, struct buf *out)
{
    struct jsonx_writer w;
    int64_t last = 0;

    jsonx_begin(&w, out);
    jsonx_open(&w, '[');
    for (size_t i = 0; i < b->n; i++) {
        if (b->needs[i]->job->id != last) {
            last = b->needs[i]->job->id;
            jsonx_put_int(&w, last);
        }
    }
    jsonx_close(&w, ']');
}

void
batch_send(struct batch *b)
{
    struct dtenant *t = b->tenant;
    struct dispatch *d = t->d;
    struct store_write w = {.id = b->write,
                            .tenant = t->id,
                            .portal = d->portal,
                            .worker = d->worker,
                            .term = d->term,
                            .operation = lane_name(b->lane),
                            .inputs = b->n};
    struct buf ids;
    enum err err;

    t->lanes[b->lane].in_flight++;
    t->busy++;
    d->status.in_flight++;
    list_push(&d->flying, &b->link);
    if (lane_reads(b->lane)) {
        batch_start(b);
        return;
    }
    buf_init(&ids, OUTCOME_BYTES);
    put_job_ids(b, &ids);
    w.jobs = buf_text(&ids);
    err = store_write_open(d->store, &w, on_opened, b, &b->opening);
    buf_fini(&ids);
    if (err != ERR_OK) {
        d->away_until_us = clock_mono_us() + STORE_RETRY_MS * 1000;
        batch_put_back(b);
    }
}
