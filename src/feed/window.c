/* SPDX-License-Identifier: UNLICENSED */
/*
 * Keyset arithmetic, by stamp and by id, pure.
 *
 * A query says `LastUpdateDate >= low`. After a page, low moves to the last
 * row's stamp, cut to what a literal can say; rows there already given are
 * remembered and skipped. Only when a whole page lies on one such stamp does
 * the offset move, by the rows received less one: the row before must come
 * first again, else rows have moved underneath and the stamp is read from its
 * beginning.
 *
 * Not here: what to do with a row, and who asks.
 */
#include "feed_priv.h"

#include <stdio.h>
#include <string.h>

enum { RESTARTS_MAX = 20, KEY_MAX = 96 };

void
window_init(struct window *w, int64_t from_us, int64_t to_us,
            enum fusion_literal literal)
{
    memset(w, 0, sizeof(*w));
    w->from_us = fusion_literal_floor(FUSION_LITERAL_ISO_QUOTED, from_us);
    w->to_us = to_us;
    w->low_us = fusion_literal_floor(literal, from_us);
    map_init(&w->seen);
}

void
window_fini(struct window *w)
{
    map_fini(&w->seen);
}

static void
seen_key(char out[KEY_MAX], const char *id, int64_t us)
{
    (void)snprintf(out, KEY_MAX, "%.60s@%" PRId64, id, us);
}

enum window_fate
window_row(const struct window *w, const char *id, int64_t us)
{
    char key[KEY_MAX];

    if (us < w->from_us) {
        return WINDOW_BELOW;
    }
    if (w->to_us != 0 && us > w->to_us) {
        return WINDOW_ABOVE;
    }
    seen_key(key, id, us);
    return map_get(&w->seen, key) != NULL ? WINDOW_SEEN : WINDOW_TAKE;
}

static void
seen_add(struct window *w, const struct window_row *r)
{
    char key[KEY_MAX];

    if (r->us >= w->low_us) {
        seen_key(key, r->id, r->us);
        (void)map_put(&w->seen, key, w);
    }
}

static bool
in_order(const struct window_page *p, bool descending)
{
    for (size_t i = 1; i < p->n; i++) {
        int64_t a = p->rows[i - 1].us;
        int64_t b = p->rows[i].us;

        if (descending ? b > a : b < a) {
            return false;
        }
    }
    return true;
}

static void
cursor_follow(struct window *w, const struct window_page *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct window_row *r = &p->rows[i];

        if (r->us >= w->from_us && r->us >= w->cursor_us &&
            (w->to_us == 0 || r->us <= w->to_us)) {
            w->cursor_us = r->us;
            (void)snprintf(w->cursor_id, sizeof(w->cursor_id), "%s", r->id);
        }
    }
}

/* The page did not get past the stamp asked for. */
static enum window_next
step_inside(struct window *w, const struct window_page *p, bool moved)
{
    w->expect[0] = 0;
    if (moved) {
        w->offset = 0;
        return ++w->restarts > RESTARTS_MAX ? WINDOW_UNSTABLE : WINDOW_MORE;
    }
    w->offset += (unsigned)p->received;
    if (p->received > 1 && p->n == p->received) {
        w->offset--;
        (void)snprintf(w->expect, sizeof(w->expect), "%s",
                       p->rows[p->n - 1].id);
    }
    return WINDOW_MORE;
}

enum window_next
window_page(struct window *w, const struct window_page *p,
            enum fusion_literal literal)
{
    int64_t last = p->n == 0 ? INT64_MIN : p->rows[p->n - 1].us;
    bool moved = w->expect[0] != 0 &&
                 (p->n == 0 || strcmp(p->rows[0].id, w->expect) != 0);
    int64_t mark = w->hold_us > w->low_us ? w->hold_us : w->low_us;
    bool past =
        !moved && p->n > 0 && fusion_literal_floor(literal, last) > mark;

    if (!in_order(p, false)) {
        return WINDOW_DISORDER;
    }
    if (past) {
        map_fini(&w->seen);
        map_init(&w->seen);
        w->low_us = fusion_literal_floor(literal, last);
        w->offset = 0;
        w->hold_us = 0;
        w->expect[0] = 0;
        w->restarts = 0;
    }
    for (size_t i = 0; i < p->n; i++) {
        seen_add(w, &p->rows[i]);
    }
    cursor_follow(w, p);
    if (!moved &&
        (!p->has_more || (w->to_us != 0 && p->n > 0 && last > w->to_us))) {
        return WINDOW_END;
    }
    return past ? WINDOW_MORE : step_inside(w, p, moved);
}

/* ---- newest first ------------------------------------------------------------ */

void
descent_init(struct descent *d, int64_t floor_us)
{
    memset(d, 0, sizeof(*d));
    d->floor_us = floor_us;
}

enum window_next
descent_page(struct descent *d, const struct window_page *p)
{
    /* Rows that came meanwhile push others to the next page, so that only the
     * order inside a page says anything. */
    if (!in_order(p, true)) {
        return WINDOW_DISORDER;
    }
    if (p->n > 0 && p->rows[0].us > d->newest_us) {
        d->newest_us = p->rows[0].us;
        (void)snprintf(d->newest_id, sizeof(d->newest_id), "%s", p->rows[0].id);
    }
    d->bare = d->asked + p->received <= d->offset;
    d->offset = d->asked + (unsigned)p->received > d->offset ?
                    d->asked + (unsigned)p->received :
                    d->offset;
    if (p->n > 0) {
        d->last_us = p->rows[p->n - 1].us;
        (void)snprintf(d->last_id, sizeof(d->last_id), "%s",
                       p->rows[p->n - 1].id);
    }
    if (!p->has_more || (p->n > 0 && p->rows[p->n - 1].us < d->floor_us)) {
        return WINDOW_END;
    }
    return WINDOW_MORE;
}

/* ---- by id --------------------------------------------------------------- */

int
id_cmp(const char *a, const char *b)
{
    size_t n = strlen(a);
    size_t m = strlen(b);

    return n != m ? (n < m ? -1 : 1) : strcmp(a, b);
}

void
idwalk_init(struct idwalk *w, const char *low, bool unsorted)
{
    memset(w, 0, sizeof(*w));
    w->unsorted = unsorted;
    (void)snprintf(w->low, sizeof(w->low), "%s", low);
    (void)snprintf(w->high, sizeof(w->high), "%s", low);
}

bool
idwalk_page(struct idwalk *w, const struct window_page *p)
{
    const char *before = w->low;
    bool sorted = true;

    for (size_t i = 0; i < p->n; i++) {
        sorted = sorted && id_cmp(p->rows[i].id, before) > 0;
        before = p->rows[i].id;
        if (id_cmp(before, w->high) > 0) {
            (void)snprintf(w->high, sizeof(w->high), "%s", before);
        }
    }
    if (w->unsorted) {
        w->offset += (unsigned)p->received;
        return true;
    }
    if (p->n > 0) {
        (void)snprintf(w->low, sizeof(w->low), "%s", w->high);
    }
    return sorted;
}

/* ---- when ---------------------------------------------------------------------- */

int64_t
phase_next_us(int64_t wall_us, int64_t interval_ms, uint64_t key)
{
    int64_t interval = interval_ms > 0 ? interval_ms * 1000 : 1000000;
    int64_t phase = (int64_t)(key % (uint64_t)interval);
    int64_t rest = (wall_us - phase) % interval;

    if (rest < 0) {
        rest += interval;
    }
    return wall_us + interval - rest;
}

int64_t
daily_last_us(int64_t now_us, int64_t daily_ms, uint64_t key)
{
    int64_t day = daily_ms * 1000;
    int64_t phase = day < 8 ? 0 : (int64_t)(key % (uint64_t)(day / 8));
    int64_t rest = 0;

    ML_ASSERT(day > 0);
    rest = (now_us - phase) % day;
    return now_us - (rest < 0 ? rest + day : rest);
}

int64_t
overlap_us(const struct feeds_config *c, int64_t late_us)
{
    int64_t most = c->wide_ms > c->overlap_ms ? c->wide_ms : c->overlap_ms;
    int64_t want = c->overlap_ms * 1000;

    if (late_us > want / 2) {
        want = late_us > most * 500 ? most * 1000 : late_us * 2;
    }
    return want;
}
