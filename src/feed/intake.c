/* SPDX-License-Identifier: UNLICENSED */
/*
 * A page into the database, and what its records need.
 *
 * A page, its cursor and what became of its rows commit together. What the
 * database does not know yet (customers, invoices) or has to see again goes
 * into two sets of the tenant; needs_serve() reads them in chunks and takes
 * them in. A need in hand goes back when its poll fails.
 *
 * Invariant: a cursor only moves forward, and only with rows that committed.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"
#include "ml/stat.h"

#include <stdio.h>
#include <string.h>

/* Rows older than this when read are no news: their jobs are backfill. */
#define FRESH_US (INT64_C(48) * 3600 * 1000000)

/* ---- needs ------------------------------------------------------------------------ */

static struct map *
needs_of(struct feeds *f, bool invoices)
{
    return invoices ? &f->need_invoices : &f->need_customers;
}

void
needs_add(struct feeds *f, bool invoices, const char *id)
{
    struct map *m = needs_of(f, invoices);

    if (id == NULL || *id == 0) {
        return;
    }
    if (m->count < NEEDS_MAX) {
        (void)map_put(m, id, f);
    } else {
        f->wanted_asked = false; /* the store knows what jobs wait for */
    }
}

void
needs_add_all(struct feeds *f, bool invoices, const char *json)
{
    json_t *list = NULL;
    struct fault ignored = {0};

    if (json == NULL ||
        jsonx_parse(json, strlen(json), &list, &ignored) != ERR_OK) {
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        needs_add(f, invoices, json_string_value(json_array_get(list, i)));
    }
    json_decref(list);
}

void
hand_set(struct poll *p, json_t *ids, bool invoices)
{
    json_decref(p->hand);
    p->hand = ids;
    p->hand_invoices = invoices;
    p->hand_needs = false;
}

void
hand_without(struct poll *p, const char *id)
{
    for (size_t i = json_array_size(p->hand); i > 0; i--) {
        if (text_equal(json_string_value(json_array_get(p->hand, i - 1)), id)) {
            (void)json_array_remove(p->hand, i - 1);
        }
    }
}

void
hand_back(struct poll *p)
{
    for (size_t i = 0; p->hand_needs && i < json_array_size(p->hand); i++) {
        needs_add(p->f, p->hand_invoices,
                  json_string_value(json_array_get(p->hand, i)));
    }
    hand_set(p, NULL, false);
}

static void
on_unanswered(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        hand_set(p, NULL, p->hand_invoices);
        poll_return(p);
    }
}

void
hand_unanswered(struct poll *p)
{
    char *ids = NULL;

    if (json_array_size(p->hand) == 0) {
        poll_return(p);
        return;
    }
    LOG_WARN(&p->log, "feed.unanswered", "kind=%s records=%zu",
             p->hand_invoices ? "invoice" : "receipt",
             json_array_size(p->hand));
    ids = feed_json(p->hand);
    poll_store_started(
        p, store_unanswered(p->f->store, p->f->cfg.tenant,
                            p->hand_invoices ? "invoice" : "payment", ids,
                            on_unanswered, p, &p->sop));
    mem_free(ids);
}

bool
needs_any(const struct feeds *f)
{
    return f->need_customers.count > 0 || f->need_invoices.count > 0;
}

bool
needs_take(struct poll *p, bool invoices, size_t n)
{
    struct map *m = needs_of(p->f, invoices);
    const char *key = NULL;
    void *value = NULL;
    size_t it = 0;

    hand_set(p, json_array(), invoices);
    p->hand_needs = true;
    while (json_array_size(p->hand) < n && map_next(m, &it, &key, &value)) {
        (void)json_array_append_new(p->hand, json_string(key));
        (void)map_del(m, key);
    }
    return json_array_size(p->hand) > 0;
}

/* ---- what jobs wait for: left by a dead process, or more than fitted ----- */

static void
want_each(struct feeds *f, bool of_invoices, const json_t *ids)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        needs_add(f, of_invoices, json_string_value(json_array_get(ids, i)));
    }
}

static void
on_wanted(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct fault bad = {0};
    json_t *wanted = NULL;

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    p->f->wanted_asked = true; /* unless not all of it fits */
    if (jsonx_parse(json, strlen(json), &wanted, &bad) == ERR_OK) {
        want_each(p->f, false, json_object_get(wanted, "customers"));
        want_each(p->f, true, json_object_get(wanted, "invoices"));
    }
    json_decref(wanted);
    poll_return(p);
}

void
needs_ask(struct poll *p)
{
    poll_store_started(p, store_wanted(p->f->store, p->f->cfg.tenant,
                                       NEEDS_MAX / 2, on_wanted, p, &p->sop));
}

void
needs_serve(struct poll *p)
{
    p->late_before_us = 0; /* what is read by id is not late */
    if (needs_take(p, true, CHUNK_INVOICES)) {
        poll_call(p, invoices_by_id, needs_serve);
    } else if (needs_take(p, false, CHUNK_ACCOUNTS)) {
        poll_call(p, customers_by_number, needs_serve);
    } else if (!p->f->wanted_asked) {
        poll_call(p, needs_ask, needs_serve);
    } else {
        poll_return(p);
    }
}

static void
on_missing(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    LOG_INFO(&p->log, "feed.missing", "kind=%s records=%zu",
             p->hand_invoices ? "invoice" : "customer",
             json_array_size(p->hand));
    hand_set(p, NULL, p->hand_invoices);
    feeds_tell_stored(p->f);
    poll_return(p);
}

void
needs_missing(struct poll *p)
{
    char *ids = feed_json(p->hand);

    poll_store_started(p,
                       store_missing(p->f->store, p->f->cfg.tenant,
                                     p->hand_invoices ? "invoice" : "customer",
                                     ids, on_missing, p, &p->sop));
    mem_free(ids);
}

/* ---- the intake ------------------------------------------------------------------------ */

void
poll_stay(struct poll *p)
{
    memset(&p->advance, 0, sizeof(p->advance));
}

void
poll_release(struct poll *p)
{
    p->advance = p->held;
    memset(&p->held, 0, sizeof(p->held));
}

void
poll_move(struct poll *p, const char *stream, int64_t us, const char *id)
{
    const char *known_id = NULL;
    int64_t known = poll_cursor(p, stream, &known_id);
    struct store_cursor *c = &p->advance.cursor;

    poll_stay(p);
    if (us <= 0 || us < known || (us == known && text_equal(id, known_id))) {
        return;
    }
    (void)snprintf(p->cursor_id, sizeof(p->cursor_id), "%s", id);
    c->stream = stream;
    c->stamp_us = us;
    c->id = p->cursor_id;
}

static void
intake_count(struct poll *p, const struct store_intake_result *r)
{
    const char *name = feed_kind_name(p->as);
    struct feed *s = p->feed;
    struct collect *c = &p->page;

    s->read += c->n_records + c->filtered + c->invalid;
    s->opened += r->opened;
    stat_add(STAT_records, name, "unchanged", r->unchanged);
    stat_add(STAT_records, name, "superseded", r->superseded);
    stat_add(STAT_records, name, "opened", r->opened);
    stat_add(STAT_records, name, "filtered", c->filtered);
    stat_add(STAT_records, name, "invalid", c->invalid);
    LOG_DEBUG(&p->log, "feed.page",
              "as=%s records=%zu opened=%zu unchanged=%zu filtered=%zu "
              "invalid=%zu",
              name, c->n_records, r->opened, r->unchanged, c->filtered,
              c->invalid);
}

/* The cursor's object of a stream, made when it is not there. */
static json_t *
cursor_of(struct poll *p, const char *stream)
{
    json_t *c = json_object_get(p->cursors, stream);

    if (c == NULL) {
        c = json_object();
        (void)json_object_set_new(p->cursors, stream, c);
    }
    return c;
}

/* What was committed is what the next page goes by. */
static void
advance_committed(struct poll *p)
{
    const struct advance *a = &p->advance;
    json_t *c = NULL;

    if (a->cursor.stream != NULL) {
        c = cursor_of(p, a->cursor.stream);
        (void)json_object_set_new(c, "us", json_integer(a->cursor.stamp_us));
        (void)json_object_set_new(c, "id", json_string(p->cursor_id));
    }
    if (a->scanned != NULL) {
        c = cursor_of(p, a->scanned);
        (void)json_object_set_new(c, "scanned_us", json_integer(a->scanned_us));
    }
    for (size_t i = 0; i < COUNT_OF(a->passes); i++) {
        if (a->passes[i].pass != NULL) {
            pass_committed(p, &a->passes[i]);
        }
    }
    poll_stay(p);
}

/* The page is stored, and so is that the tenant is held: this poll ends here.
 * It goes on from there when it is let through. */
static void
intake_held(struct poll *p, const char *json)
{
    struct fault why = {0};

    p->held_json = mem_strdup(json);
    (void)fault_set(&why, ERR_HELD,
                    "this poll would change far more than "
                    "usual: the tenant is held");
    poll_fail(p, ERR_HELD, &why);
}

static void
on_intake(void *arg, enum err err, const struct store_intake_result *r,
          const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    intake_count(p, r);
    advance_committed(p);
    needs_add_all(p->f, false, r->unknown_customers);
    needs_add_all(p->f, false, r->stale_customers);
    needs_add_all(p->f, true, r->unknown_invoices);
    needs_add_all(p->f, true, r->touched_invoices);
    mem_free(p->accounts);
    p->accounts = NULL;
    if (r->held != NULL) {
        intake_held(p, r->held);
        return;
    }
    if (r->opened > 0) {
        feeds_tell_stored(p->f);
    }
    poll_return(p);
}

static const char *
intake_class(const struct poll *p)
{
    const struct collect *c = &p->page;
    int64_t pod = feeds_pod_us(p->f);

    if (p->klass != NULL) {
        return p->klass;
    }
    if (p->repaying || p->remapped ||
        (c->n_rows > 0 && pod != 0 && c->rows[c->n_rows - 1].us > 0 &&
         c->rows[c->n_rows - 1].us < pod - FRESH_US)) {
        return "backfill";
    }
    return "fresh";
}

static void
intake_step(struct poll *p)
{
    struct collect *c = &p->page;
    char *records = mem_printf("[%s]", buf_text(&c->records));
    char *notes = mem_printf("[%s]", buf_text(&c->notes));
    struct store_intake in = {
        .tenant = p->f->cfg.tenant,
        .feed = feed_kind_name(p->as),
        .worker = p->f->worker,
        .poll = p->id,
        .klass = intake_class(p),
        /* composed without what may come again: never newer than with it */
        .read_us = p->compose.without != 0 ? 0 : p->read_us,
        .reader = p->f->reader,
        .records = records,
        .accounts = p->accounts,
        .cursor = p->advance.cursor,
        .passes = {p->advance.passes[0], p->advance.passes[1]},
        .scanned = p->advance.scanned,
        .scanned_us = p->advance.scanned_us,
        .overlap_us = p->advance.overlap_us,
        .late_before_us = p->late_before_us,
        .late_clock_us = p->late_clock_us,
        .read = c->n_records + c->filtered + c->invalid,
        .filtered = c->filtered,
        .invalid = c->invalid,
        .notes = c->n_notes > 0 && !c->notes.failed ? notes : NULL,
        .ceiling = p->f->cfg.ceiling,
        .factor = p->f->cfg.ceiling_factor,
    };

    /* What a walk over what is old opens was asked for. */
    if (!p->walked && text_equal(in.klass, "fresh")) {
        in.news = feed_kind_name(p->feed->kind);
    }

    poll_store_started(p,
                       store_intake(p->f->store, &in, on_intake, p, &p->sop));
    mem_free(records);
    mem_free(notes);
}

void
poll_store(struct poll *p, enum feed_kind as, step_fn *back)
{
    const struct collect *c = &p->page;
    struct fault why = {0};

    p->as = as;
    if (c->records.failed) {
        (void)fault_set(&why, ERR_FULL,
                        "the records of one page are larger than %d bytes",
                        RECORDS_MAX);
        poll_fail(p, ERR_FULL, &why);
        return;
    }
    if (c->n_records == 0 && c->filtered == 0 && c->invalid == 0 &&
        c->n_notes == 0 && p->accounts == NULL &&
        p->advance.cursor.stream == NULL && p->advance.scanned == NULL &&
        p->advance.passes[0].pass == NULL) {
        poll_go(p, back);
        return;
    }
    poll_call(p, intake_step, back);
}
