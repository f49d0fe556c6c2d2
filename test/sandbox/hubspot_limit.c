/* SPDX-License-Identifier: UNLICENSED */
/*
 * HubSpot's limits and locks, and the network before it.
 *
 * Every request that arrives counts in its token's window and in the portal's
 * day; the window is an exact log of arrivals, a fixed bucket, or the weighted
 * mean of two buckets that many gateways use, by switch. An arrival is the
 * moment after the way there. Other apps on the token are a Poisson stream
 * whose requests are counted in the order of time, between ours, when the next
 * of ours arrives or somebody looks: no timer is needed for that.
 */
#include "hubspot.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SECOND_US = 1000000, FOREIGN_SPAN_US = 10000000 };
enum window_kind { WINDOW_ROLLING, WINDOW_FIXED, WINDOW_WEIGHTED };

/* 0 <= x < 1. */
static double
draw(struct hubspot_sim *s)
{
    return (double)(hub_draw(&s->way_random) & UINT64_C(0xffffffff)) /
           4294967296.0;
}

static int64_t
uniform(struct hubspot_sim *s, int64_t low, int64_t high)
{
    double span = high > low ? (double)(high - low) : 0.0;

    return (low > 0 ? low : 0) + (int64_t)(draw(s) * span);
}

/* ---- windows ------------------------------------------------------------ */

static int64_t
span_us(const struct hub_switches *w)
{
    return w->rate_window_ms > 0 ? w->rate_window_ms * 1000 : 1;
}

static void
window_roll(struct hub_window *v, const struct hub_switches *w, int64_t now_us)
{
    int64_t span = span_us(w);
    int64_t nth = now_us / span;

    if (nth != v->fixed) {
        v->fixed_before = nth == v->fixed + 1 ? v->fixed_count : 0;
        v->fixed = nth;
        v->fixed_count = 0;
    }
    while (v->count > 0 && v->arrivals[v->head] <= now_us - span) {
        v->head = (v->head + 1) % v->cap;
        v->count--;
    }
}

static int64_t
window_count(struct hub_window *v, const struct hub_switches *w, int64_t now_us)
{
    int64_t span = span_us(w);

    window_roll(v, w, now_us);
    if (w->rate_fixed == WINDOW_FIXED) {
        return v->fixed_count;
    }
    if (w->rate_fixed == WINDOW_WEIGHTED) {
        return v->fixed_count + v->fixed_before * (span - now_us % span) / span;
    }
    return (int64_t)v->count;
}

static void
window_push(struct hub_window *v, int64_t now_us)
{
    v->fixed_count++;
    if (v->count == v->cap) {
        size_t cap = v->cap == 0 ? 256 : v->cap * 2, i;
        int64_t *more = mem_array(cap, sizeof(*more));

        for (i = 0; i < v->count; i++) {
            more[i] = v->arrivals[(v->head + i) % v->cap];
        }
        mem_free(v->arrivals);
        v->arrivals = more;
        v->head = 0;
        v->cap = cap;
    }
    v->arrivals[(v->head + v->count++) % v->cap] = now_us;
}

void
hub_limit_fini(struct hub_token *t)
{
    mem_free(t->all.arrivals);
    mem_free(t->associations.arrivals);
}

void
hub_midnight_roll(struct hub_portal *po, int64_t now_us)
{
    int64_t day = (now_us + po->utc_offset_us) / (INT64_C(86400) * SECOND_US);

    if (day != po->day) {
        po->day = day;
        po->day_count = 0;
    }
}

/* ---- other apps --------------------------------------------------------- */

/* The time to the next one: exponential. */
static int64_t
foreign_gap(struct hub_token *t)
{
    double mean =
        (double)FOREIGN_SPAN_US / (double)t->portal->sw.foreign_per_10s;

    return 1 + (int64_t)(-log(1.0 - draw(t->portal->sim)) * mean);
}

static void
foreign_one(struct hub_token *t, int64_t mono_us, int64_t wall_us)
{
    struct hub_portal *po = t->portal;
    const struct hub_switches *w = &po->sw;
    bool refused;

    hub_midnight_roll(po, wall_us);
    refused = w->rate_enforced &&
              (po->day_count >= w->daily_limit ||
               window_count(&t->all, w, mono_us) >= w->rate_limit);
    window_roll(&t->all, w, mono_us);
    if (!refused || w->rate_count_refused) {
        window_push(&t->all, mono_us);
        po->day_count++;
    }
    po->foreign++;
    po->foreign_refused += refused;
    if (po->sim->on_foreign != NULL) {
        po->sim->on_foreign(po->sim->on_foreign_arg, po->id_text, mono_us,
                            wall_us, refused);
    }
}

static void
foreign_run(struct hub_token *t, int64_t mono_us, int64_t wall_us)
{
    if (t->portal->sw.foreign_per_10s <= 0) {
        t->foreign_next_us = 0;
        return;
    }
    if (t->foreign_next_us == 0) {
        t->foreign_next_us = mono_us + foreign_gap(t);
    }
    while (t->foreign_next_us <= mono_us) {
        foreign_one(t, t->foreign_next_us,
                    wall_us - (mono_us - t->foreign_next_us));
        t->foreign_next_us += foreign_gap(t);
    }
}

void
hubspot_sim_on_foreign(struct hubspot_sim *s, sim_foreign_fn *fn, void *arg)
{
    s->on_foreign = fn;
    s->on_foreign_arg = arg;
}

void
hubspot_sim_advance(struct hubspot_sim *s)
{
    int64_t mono_us = clock_mono_us();
    int64_t wall_us = clock_wall_us();
    const char *key;
    size_t it = 0;
    void *v;

    while (map_next(&s->tokens, &it, &key, &v)) {
        struct hub_token *t = v;

        if (t->foreign_next_us != 0) {
            foreign_run(t, mono_us, wall_us);
        }
    }
}

/* ---- refusals ----------------------------------------------------------- */

static bool
search_allowed(struct hub_portal *po, int64_t now_us)
{
    size_t max = (size_t)po->sw.search_per_second;
    size_t i, n = 0;

    for (i = 0; i < COUNT_OF(po->search_us); i++) {
        n += po->search_us[i] > now_us - SECOND_US && po->search_us[i] > 0;
    }
    if (n >= max && po->sw.rate_enforced) {
        return false;
    }
    po->search_us[po->nsearch++ % COUNT_OF(po->search_us)] = now_us;
    return true;
}

static void
refuse_rate(struct hub_call *c, const char *message, const char *policy,
            const char *group)
{
    struct hub_error e = {.status = 429, .message = message};
    json_t *extra =
        json_pack("{s:s, s:s, s:s}", "errorType", "RATE_LIMIT", "policyName",
                  policy, "requestId", c->po->id_text);
    char text[32];

    if (group != NULL) {
        json_object_set_new(extra, "groupName", json_string(group));
    }
    if (c->po->sw.retry_after > 0) {
        snprintf(text, sizeof(text), "%" PRId64, c->po->sw.retry_after);
        sim_reply_header(c->p, "Retry-After", text);
    }
    hub_refuse(c, &e, extra);
}

static void
refuse_burst(struct hub_call *c)
{
    refuse_rate(c, "You have reached your ten_secondly_rolling limit.",
                "TEN_SECONDLY_ROLLING", "publicapi:private-apps:api-calls");
    if (c->po->sw.rate_html) {
        sim_reply_html(c->p, 429);
    }
}

static bool
is_search(const struct hub_call *c)
{
    return c->route.row != NULL && c->route.row->run == object_search;
}

static bool
is_association(const struct hub_call *c)
{
    return c->route.row != NULL &&
           (strcmp(c->route.row->family, "associations") == 0 ||
            text_has_prefix(c->route.row->operation, "association"));
}

/* Association calls may have a limit of their own; true when it is reached. */
static bool
over_associations(struct hub_call *c, int64_t now_us)
{
    const struct hub_switches *w = &c->po->sw;
    struct hub_window *v = &c->token->associations;
    bool over;

    if (w->association_rate_limit <= 0 || !is_association(c)) {
        return false;
    }
    over = window_count(v, w, now_us) >= w->association_rate_limit;
    if (!over || w->rate_count_refused) {
        window_push(v, now_us);
    }
    return over && w->rate_enforced;
}

bool
hub_limit_refuse(struct hub_call *c)
{
    struct hub_portal *po = c->po;
    int64_t now = c->r->now_mono_us;
    bool on = po->sw.rate_enforced != 0;
    bool over_day, over;

    foreign_run(c->token, now, c->now_us);
    hub_midnight_roll(po, c->now_us);
    over_day = po->day_count >= po->sw.daily_limit;
    over = window_count(&c->token->all, &po->sw, now) >= po->sw.rate_limit;
    if (!on || po->sw.rate_count_refused || !(over_day || over)) {
        window_push(&c->token->all, now);
        po->day_count++;
    }
    if (on && over_day) {
        refuse_rate(c, "You have reached your daily limit.", "DAILY", NULL);
        return true;
    }
    if ((on && over) || over_associations(c, now)) {
        refuse_burst(c);
        return true;
    }
    if (is_search(c) && !search_allowed(po, now)) {
        refuse_rate(c, "You have reached your secondly limit.", "SECONDLY",
                    NULL);
        return true;
    }
    return false;
}

/* ---- locks -------------------------------------------------------------- */

bool
hub_lock_refuse(struct hub_call *c, struct hub_record *const *list, size_t n)
{
    const struct hub_switches *w = &c->po->sw;
    int64_t now = c->r->now_mono_us;
    bool locked = false;
    size_t i;

    for (i = 0; i < n && w->lock_ms > 0; i++) {
        struct hub_record *rec = list[i];

        if (rec != NULL && rec->busy_us > now) {
            rec->locked_us = now + w->lock_ms * 1000;
        }
        locked = locked || (rec != NULL && rec->locked_us > now);
    }
    if (locked) {
        hub_refuse_f(c, 423, "LOCKED",
                     "The record is locked by another request; try again "
                     "after 2 seconds");
    }
    return locked;
}

void
hub_lock_take(struct hub_call *c, struct hub_record *rec)
{
    /* in the milliseconds that the answer waits */
    rec->busy_us = c->r->now_mono_us + hub_work_us(c) / 1000 * 1000 +
                   c->po->sw.lock_within_ms * 1000;
}

/* ---- headers ------------------------------------------------------------ */

static void
header_number(struct hub_call *c, const char *name, int64_t n)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, n < 0 ? 0 : n);
    sim_reply_header(c->p, name, text);
}

/* As things stood when the request arrived, itself included. */
void
hub_limit_headers(struct hub_call *c)
{
    const struct hub_switches *w = &c->po->sw;
    int64_t held = window_count(&c->token->all, w, c->r->now_mono_us);

    if (w->rate_headers == 0 || is_search(c)) {
        return;
    }
    header_number(c, "X-HubSpot-RateLimit-Interval-Milliseconds",
                  w->rate_window_ms);
    header_number(c, "X-HubSpot-RateLimit-Max", w->rate_limit);
    header_number(c, "X-HubSpot-RateLimit-Remaining", w->rate_limit - held);
    if (w->rate_headers == 1) {
        header_number(c, "X-HubSpot-RateLimit-Daily", w->daily_limit);
        header_number(c, "X-HubSpot-RateLimit-Daily-Remaining",
                      w->daily_limit - c->po->day_count);
    }
    header_number(c, "X-HubSpot-RateLimit-Secondly", w->rate_limit / 10);
    header_number(c, "X-HubSpot-RateLimit-Secondly-Remaining",
                  w->rate_limit / 10 - 1);
}

/* ---- time --------------------------------------------------------------- */

int64_t
hub_work_us(struct hub_call *c)
{
    const struct hub_switches *w = &c->po->sw;

    if (c->work_us < 0) {
        c->work_us = w->latency_us +
                     w->latency_input_us * (int64_t)c->p->inputs +
                     uniform(c->sim, 0, w->latency_jitter_us);
    }
    return c->work_us;
}

/* A request without a known token takes the first portal's way. */
void
hubspot_sim_way(void *sim, const struct sim_request *r, struct sim_way *out)
{
    struct hubspot_sim *s = sim;
    struct hub_portal *po = hub_portal_of(s, r);
    const struct hub_switches *w = &po->sw;

    out->there_us =
        uniform(s, w->net_there_min_ms * 1000, w->net_there_max_ms * 1000);
    out->back_us =
        uniform(s, w->net_back_min_ms * 1000, w->net_back_max_ms * 1000);
    out->cutoff_us = w->cutoff_ms * 1000;
}
