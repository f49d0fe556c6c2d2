/* SPDX-License-Identifier: UNLICENSED */
/*
 * A mapping file that was changed makes other records of the same rows, and
 * other business units other ones. All of the feed are read again, as backfill:
 * what comes out the same costs HubSpot nothing.
 *
 *     fingerprint differs --> "backfill:<stream>" from where the tenant begins,
 *         and "known", are begun --> the new fingerprint is remembered
 *     history walked to its end --> "known": what was not read since it was
 *         begun (parents older than the beginning, customers), by id
 *
 * Remembered only after both walks were begun: a death between does it again.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

static const enum map_kind kinds[FEED_KINDS] = {
    [FEED_CUSTOMERS] = MAP_CUSTOMER,
    [FEED_INVOICES] = MAP_INVOICE,
    [FEED_PAYMENTS] = MAP_PAYMENT,
};

static const char *
fingerprint(const struct poll *p)
{
    return map_fingerprint(p->f->map, kinds[p->feed->kind]);
}

static const char *
stream_of(const struct poll *p)
{
    return feed_streams(p->feed->kind)[0];
}

/* ---- noticing ----------------------------------------------------------- */

static void
on_learnt(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct learned *l = &p->f->learned;

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        (void)snprintf(l->mapping[p->feed->kind],
                       sizeof(l->mapping[p->feed->kind]), "%s", fingerprint(p));
        poll_return(p);
    }
}

static void
remap_learn(struct poll *p)
{
    char *text = mem_printf("{\"mapping_%s\":\"%s\"}",
                            feed_kind_name(p->feed->kind), fingerprint(p));

    pass_leave(p);
    poll_store_started(p,
                       store_tenant_learn(p->f->store, p->f->cfg.tenant, NULL,
                                          text, on_learnt, p, &p->sop));
    mem_free(text);
}

static void
remap_begin_known(struct poll *p)
{
    pass_begin(p, "known", 0, 1, remap_learn);
}

/* Customers came by number as often as by stamp: all of them by number. */
static void
remap_begin(struct poll *p)
{
    char name[NAME_MAX_PASS];

    if (p->feed->kind == FEED_CUSTOMERS) {
        poll_go(p, remap_begin_known);
        return;
    }
    (void)snprintf(name, sizeof(name), "backfill:%s", stream_of(p));
    pass_begin(p, name, p->f->cfg.since_us, poll_cursor(p, stream_of(p), NULL),
               remap_begin_known);
}

void
remap(struct poll *p, step_fn *back)
{
    if (text_equal(p->f->learned.mapping[p->feed->kind], fingerprint(p))) {
        poll_go(p, back);
    } else if (stream_is_new(p, stream_of(p))) {
        poll_call(p, remap_learn, back);
    } else {
        LOG_INFO(&p->log, "feed.remapped", "stream=%s", stream_of(p));
        p->remapped = true;
        poll_call(p, remap_begin, back);
    }
}

/* ---- the ones by id ----------------------------------------------------- */

static void known_list(struct poll *p);

static void
known_next(struct poll *p)
{
    if (!p->pass.open) {
        pass_leave(p);
        poll_return(p);
    } else if (poll_must_yield(p)) {
        p->feed->unfinished = true;
        pass_leave(p);
        poll_return(p);
    } else {
        poll_go(p, known_list);
    }
}

static void
known_read(struct poll *p)
{
    pass_save(p, 0, p->known_id, p->known_id[0] == 0, known_next);
}

static void
on_known(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct fault bad = {0};
    json_t *ids = NULL;
    size_t n = 0;

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    if (jsonx_parse(json, strlen(json), &ids, &bad) != ERR_OK) {
        poll_fail(p, ERR_DB_SHAPE, &bad);
        return;
    }
    n = json_array_size(ids);
    (void)snprintf(p->known_id, sizeof(p->known_id), "%s",
                   n == 0 ? "" : json_string_value(json_array_get(ids, n - 1)));
    hand_set(p, ids, p->feed->kind == FEED_INVOICES);
    p->klass = "backfill";
    if (n == 0) {
        poll_go(p, known_read);
    } else if (p->feed->kind == FEED_INVOICES) {
        poll_call(p, invoices_by_id, known_read);
    } else if (p->feed->kind == FEED_CUSTOMERS) {
        poll_call(p, customers_by_number, known_read);
    } else {
        poll_call(p, receipts_by_payment, known_read);
    }
}

static void
known_list(struct poll *p)
{
    enum map_kind kind = kinds[p->feed->kind];

    poll_store_started(p, store_known(p->f->store, p->f->cfg.tenant,
                                      map_kind_name(kind), p->pass.at_id,
                                      p->pass.begun_us, CHUNK_ACCOUNTS,
                                      on_known, p, &p->sop));
}

void
remap_known(struct poll *p, step_fn *back)
{
    struct pass s = pass_get(p, "known");
    char name[NAME_MAX_PASS];

    (void)snprintf(name, sizeof(name), "backfill:%s", stream_of(p));
    if (!s.open || pass_get(p, name).open) {
        poll_go(p, back);
        return;
    }
    p->pass = s;
    poll_call(p, known_next, back);
}
