/* SPDX-License-Identifier: UNLICENSED */
/*
 * Walks beside the fresh polls: history from a time on, daily looks at what is
 * known. Where one stands is in the database and moves with the pages it reads,
 * so that it goes on after a restart, and in another worker.
 *
 *     begun --page--> moved --page--> ... --end--> done --its day--> begun
 *
 * A walk gives way when its feed is due again. One that is begun anew while it
 * is walked (a person asks for more) has another revision: what the old walk
 * still says of it is not taken.
 *
 * A stream read for the first time gets its cursor at the pod's clock and its
 * history as a walk: what changes from now on does not wait for years of it.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

#define NOW_SLACK_US 2000000 /* a Date has whole seconds, cut */

struct pass
pass_get(const struct poll *p, const char *name)
{
    const json_t *o = json_object_get(p->passes, name);
    struct pass s;

    memset(&s, 0, sizeof(s));
    (void)snprintf(s.name, sizeof(s.name), "%s", name);
    if (o == NULL) {
        return s;
    }
    s.known = true;
    s.revision = json_number(o, "revision");
    s.from_us = json_number(o, "from_us");
    s.to_us = json_number(o, "to_us");
    s.at_us = json_number(o, "at_us");
    s.begun_us = json_number(o, "begun_us");
    s.done_us = json_number(o, "done_us");
    s.open = s.done_us == 0;
    (void)snprintf(s.at_id, sizeof(s.at_id), "%s",
                   jsonx_text(o, "at_id") == NULL ? "" :
                                                    jsonx_text(o, "at_id"));
    return s;
}

/* When the feed was first polled: daily passes count from then. */
static int64_t
first_us(const struct poll *p)
{
    char name[NAME_MAX_PASS];

    (void)snprintf(name, sizeof(name), "backfill:%s",
                   feed_streams(p->feed->kind)[0]);
    return json_number(json_object_get(p->passes, name), "begun_us");
}

bool
pass_is_due(const struct poll *p, const struct pass *s)
{
    int64_t daily_ms = p->f->cfg.daily_ms;
    int64_t done = s->known ? s->done_us : first_us(p);

    if (s->open) {
        return true;
    }
    return daily_ms > 0 &&
           done < daily_last_us(p->now_us, daily_ms, feed_key(p->feed));
}

/* ---- beginning, moving -------------------------------------------------- */

/* As the statement does: one under way is widened and goes back. */
static struct pass
pass_begun(const struct poll *p, const char *name, int64_t from_us,
           int64_t to_us)
{
    struct pass s = pass_get(p, name);

    s.from_us = s.open && s.from_us < from_us ? s.from_us : from_us;
    s.to_us = s.open && s.to_us > to_us ? s.to_us : to_us;
    s.at_us = s.open && s.at_us < from_us ? s.at_us : from_us;
    s.at_id[0] = 0;
    s.revision++;
    s.begun_us = p->now_us;
    s.known = true;
    s.open = true;
    s.done_us = 0;
    return s;
}

void
pass_committed(struct poll *p, const struct store_pass *row)
{
    struct pass s = pass_get(p, row->pass);
    json_t *o = json_object();

    if (row->begin) {
        s = pass_begun(p, row->pass, row->from_us, row->to_us);
    } else {
        s.at_us = row->at_us;
        (void)snprintf(s.at_id, sizeof(s.at_id), "%s", row->at_id);
        s.done_us = row->done ? p->now_us : 0;
    }
    (void)json_object_set_new(o, "revision", json_integer(s.revision));
    (void)json_object_set_new(o, "from_us", json_integer(s.from_us));
    (void)json_object_set_new(o, "to_us", json_integer(s.to_us));
    (void)json_object_set_new(o, "at_us", json_integer(s.at_us));
    (void)json_object_set_new(o, "at_id", json_string(s.at_id));
    (void)json_object_set_new(o, "begun_us", json_integer(s.begun_us));
    (void)json_object_set_new(o, "done_us", json_integer(s.done_us));
    (void)json_object_set_new(p->passes, row->pass, o);
}

static void
on_begun(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        struct store_pass row = {.pass = p->pass.name,
                                 .begin = true,
                                 .from_us = p->pass.from_us,
                                 .to_us = p->pass.to_us};

        pass_committed(p, &row);
        p->pass = pass_get(p, p->pass.name);
        poll_return(p);
    }
}

static void
begin_step(struct poll *p)
{
    const struct pass *s = &p->pass;
    struct store_pass row = {.pass = s->name,
                             .begin = true,
                             .from_us = s->from_us,
                             .to_us = s->to_us};

    poll_store_started(p, store_pass_save(p->f->store, p->f->cfg.tenant,
                                          feed_kind_name(p->feed->kind), &row,
                                          on_begun, p, &p->sop));
}

void
pass_begin(struct poll *p, const char *name, int64_t from_us, int64_t to_us,
           step_fn *back)
{
    memset(&p->pass, 0, sizeof(p->pass));
    (void)snprintf(p->pass.name, sizeof(p->pass.name), "%s", name);
    p->pass.from_us = from_us;
    p->pass.to_us = to_us;
    poll_call(p, begin_step, back);
}

void
pass_move(struct poll *p, int64_t at_us, const char *id, bool done)
{
    struct pass *s = &p->pass;

    if (at_us > 0) {
        s->at_us = at_us;
    }
    (void)snprintf(s->at_id, sizeof(s->at_id), "%s", id);
    s->open = !done;
    p->walked = true;
    p->advance.passes[0] = (struct store_pass){.pass = s->name,
                                               .revision = s->revision,
                                               .at_us = s->at_us,
                                               .at_id = s->at_id,
                                               .done = done};
}

static void
on_saved(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        pass_committed(p, &p->advance.passes[0]);
        poll_stay(p);
        poll_return(p);
    }
}

static void
save_step(struct poll *p)
{
    poll_store_started(p, store_pass_save(p->f->store, p->f->cfg.tenant,
                                          feed_kind_name(p->feed->kind),
                                          &p->advance.passes[0], on_saved, p,
                                          &p->sop));
}

void
pass_save(struct poll *p, int64_t at_us, const char *id, bool done,
          step_fn *back)
{
    pass_move(p, at_us, id, done);
    poll_call(p, save_step, back);
}

void
pass_over(struct poll *p, const char *name)
{
    struct pass s = pass_get(p, name);
    struct advance *a = &p->advance;

    (void)snprintf(p->over, sizeof(p->over), "%s", name);
    a->passes[0] = (struct store_pass){.pass = p->over, .begin = true};
    a->passes[1] = (struct store_pass){
        .pass = p->over, .revision = s.revision + 1, .at_id = "", .done = true};
}

void
pass_leave(struct poll *p)
{
    memset(&p->pass, 0, sizeof(p->pass));
    p->klass = NULL;
}

/* ---- a stream's first poll ---------------------------------------------- */

int64_t
stream_floor_us(const struct poll *p, const char *stream)
{
    int64_t since = p->f->cfg.since_us;
    char name[NAME_MAX_PASS];
    struct pass s;

    (void)snprintf(name, sizeof(name), "backfill:%s", stream);
    s = pass_get(p, name);
    return s.known && s.from_us < since ? s.from_us : since;
}

bool
stream_is_new(const struct poll *p, const char *stream)
{
    return json_object_get(p->cursors, stream) == NULL;
}

/* What the pass is called is kept in p->over until it is stored. */
void
stream_begin(struct poll *p, const char *stream, step_fn *back)
{
    const struct feeds *f = p->f;
    int64_t to = feeds_until_us(f);
    int64_t since = f->cfg.since_us;
    /* Without a distance kept to the clock all that is there is read. */
    int64_t slack = f->cfg.behind_ms > 0 ? 0 : NOW_SLACK_US;

    to = to != 0 ? to : feeds_pod_us(f);
    to = to != 0 ? to : poll_clock_us(p, loop_now_us(f->loop));
    collect_reset(&p->page);
    poll_move(p, stream, to, "");
    (void)snprintf(p->over, sizeof(p->over), "backfill:%s", stream);
    /* Only what leads has a history of its own. */
    if (text_equal(stream, feed_streams(p->feed->kind)[0])) {
        p->advance.passes[0] =
            (struct store_pass){.pass = p->over,
                                .begin = true,
                                .from_us = since < to ? since : to,
                                .to_us = to + slack};
    }
    p->advance.scanned = stream;
    p->advance.overlap_us = f->cfg.overlap_ms * 1000;
    poll_store(p, p->feed->kind, back);
}

/* ---- history ------------------------------------------------------------ */

bool
backfill_takes(struct poll *p, const char *stream)
{
    char name[NAME_MAX_PASS];
    struct pass s;

    (void)snprintf(name, sizeof(name), "backfill:%s", stream);
    s = pass_get(p, name);
    if (!s.open) {
        return false;
    }
    if (poll_must_yield(p)) {
        p->feed->unfinished = true;
        return false;
    }
    p->pass = s;
    p->klass = "backfill";
    return true;
}

static void
backfill_ended(struct poll *p)
{
    pass_leave(p);
    poll_return(p);
}

void
backfill(struct poll *p, const struct scan_spec *spec, step_fn *back)
{
    if (!backfill_takes(p, spec->stream)) {
        poll_go(p, back);
        return;
    }
    ML_ASSERT(p->n_returns < RETURNS_MAX);
    p->returns[p->n_returns++] = back;
    scan_pass(p, spec, backfill_ended);
}
