/* SPDX-License-Identifier: UNLICENSED */
/*
 * Windows against a model of a pod: a sorted list of rows, asked with
 * `>= low`, an offset and a limit, that may change between pages.
 */
#include "feed_priv.h"
#include "unit.h"

enum { ROWS_MAX = 1200, MS = 1000 };

struct row {
    int id;
    int64_t us; /* as stored; shown cut to milliseconds */
    bool given;
};
struct model {
    struct row rows[ROWS_MAX];
    size_t n;
    enum fusion_literal literal;
    uint64_t seed;
};

static int
by_stamp(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;

    if (x->us != y->us) {
        return x->us < y->us ? -1 : 1;
    }
    return x->id - y->id;
}

static uint64_t
next(struct model *m)
{
    m->seed = m->seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return m->seed >> 33;
}

/* One page as the pod gives it; counts what is new. */
static enum window_next
model_page(struct model *m, struct window *w, size_t limit)
{
    static char ids[ROWS_MAX][16];
    struct window_row out[ROWS_MAX];
    struct window_page page = {.rows = out};
    size_t skip = w->offset;

    qsort(m->rows, m->n, sizeof(m->rows[0]), by_stamp);
    for (size_t i = 0; i < m->n; i++) {
        struct row *r = &m->rows[i];
        int64_t shown = r->us / MS * MS;

        if (r->us < w->low_us || (w->to_us != 0 && r->us > w->to_us)) {
            continue;
        }
        if (skip > 0) {
            skip--;
            continue;
        }
        if (page.n == limit) {
            page.has_more = true;
            break;
        }
        (void)snprintf(ids[page.n], sizeof(ids[0]), "%d", r->id);
        out[page.n] = (struct window_row){.id = ids[page.n], .us = shown};
        if (window_row(w, ids[page.n], shown) == WINDOW_TAKE) {
            r->given = true;
        }
        page.n++;
    }
    page.received = page.n;
    return window_page(w, &page, m->literal);
}

static void
model_fill(struct model *m, uint64_t seed, size_t n, size_t stamps)
{
    memset(m, 0, sizeof(*m));
    m->seed = seed;
    m->n = n;
    for (size_t i = 0; i < n; i++) {
        m->rows[i].id = (int)i + 1;
        m->rows[i].us = INT64_C(1500000000000000) +
                        (int64_t)(next(m) % stamps) * 700000 +
                        (int64_t)(next(m) % 3) * 400;
    }
}

static void
read_all(struct model *m, size_t limit, bool moving)
{
    struct window w;
    enum window_next more = WINDOW_MORE;
    unsigned pages = 0;
    int64_t late = INT64_C(1600000000000000);

    window_init(&w, 0, 0, m->literal);
    while (more == WINDOW_MORE) {
        ck_assert_msg(pages++ < 5000, "no end, limit %zu", limit);
        more = model_page(m, &w, limit);
        if (moving && more == WINDOW_MORE && pages % 3 == 0 && pages < 60) {
            /* A row changes: it moves to the end, others move up. */
            struct row *r = &m->rows[next(m) % m->n];

            r->us = late += 900000;
            r->given = false;
        }
    }
    EQ_INT(more, WINDOW_END);
    for (size_t i = 0; i < m->n; i++) {
        ck_assert_msg(m->rows[i].given, "row %d at %" PRId64 " was missed",
                      m->rows[i].id, m->rows[i].us);
    }
    window_fini(&w);
}

TEST(every_row_is_given_whatever_the_page_size)
{
    static const size_t limits[] = {1, 2, 3, 7, 50, 500};
    struct model m;

    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        for (unsigned l = 0; l < FUSION_LITERALS; l++) {
            model_fill(&m, 11 + i, 200, 40);
            m.literal = (enum fusion_literal)l;
            read_all(&m, limits[i], false);
        }
    }
}

TEST(one_stamp_on_more_rows_than_a_page_is_read_by_offset)
{
    struct model m;

    for (size_t limit = 1; limit < 40; limit += 6) {
        model_fill(&m, 5, 300, 1);
        read_all(&m, limit, false);
        model_fill(&m, 6, 300, 2);
        read_all(&m, limit, false);
    }
}

TEST(twelve_hundred_rows_stored_at_one_instant_are_all_given)
{
    struct model m;

    for (unsigned l = 0; l < FUSION_LITERALS; l++) {
        model_fill(&m, 7, ROWS_MAX, 1);
        for (size_t i = 0; i < m.n; i++) {
            m.rows[i].us = INT64_C(1500000000123456);
        }
        m.literal = (enum fusion_literal)l;
        read_all(&m, 500, false);
    }
}

/* As pods cut pages without a word: always the same, or by their mood. */
TEST(pages_cut_by_the_pod_lose_nothing)
{
    static const size_t caps[] = {500, 499, 299, 200};
    static const size_t stamps[] = {1, 3, 400};
    struct model m;

    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        for (size_t k = 0; k < COUNT_OF(stamps); k++) {
            model_fill(&m, i * 10 + k + 1, ROWS_MAX, stamps[k]);
            m.literal = (enum fusion_literal)(i % FUSION_LITERALS);
            read_all(&m, caps[i], stamps[k] == 400);
        }
    }
}

static void
read_moody(struct model *m)
{
    static const size_t caps[] = {500, 499, 299, 200};
    struct window w;
    enum window_next more = WINDOW_MORE;
    unsigned pages = 0;

    window_init(&w, 0, 0, m->literal);
    while (more == WINDOW_MORE) {
        IS(pages++ < 100);
        more = model_page(m, &w, caps[next(m) % COUNT_OF(caps)]);
    }
    EQ_INT(more, WINDOW_END);
    for (size_t i = 0; i < m->n; i++) {
        IS(m->rows[i].given);
    }
    window_fini(&w);
}

TEST(pages_cut_differently_each_time_lose_nothing)
{
    struct model m;

    for (uint64_t seed = 1; seed < 30; seed++) {
        model_fill(&m, seed, ROWS_MAX, seed % 5 + 1);
        m.literal = (enum fusion_literal)(seed % FUSION_LITERALS);
        read_moody(&m);
    }
}

TEST(rows_that_move_during_the_scan_hide_no_other)
{
    struct model m;

    for (uint64_t seed = 1; seed < 60; seed++) {
        model_fill(&m, seed, 150, seed % 2 == 0 ? 1 : 30);
        m.literal = (enum fusion_literal)(seed % FUSION_LITERALS);
        read_all(&m, 2 + seed % 20, true);
    }
}

TEST(a_row_is_given_once_and_again_when_it_changed)
{
    struct window w;
    const struct window_row r = {.id = "7", .us = 5 * MS};
    const struct window_page page = {
        .rows = &r, .n = 1, .received = 1, .has_more = true};

    window_init(&w, 0, 0, FUSION_LITERAL_ISO_QUOTED);
    EQ_INT(window_row(&w, "7", 5 * MS), WINDOW_TAKE);
    EQ_INT(window_page(&w, &page, FUSION_LITERAL_ISO_QUOTED), WINDOW_MORE);
    EQ_INT(window_row(&w, "7", 5 * MS), WINDOW_SEEN);
    EQ_INT(window_row(&w, "7", 6 * MS), WINDOW_TAKE);
    EQ_INT(window_row(&w, "8", 5 * MS), WINDOW_TAKE);
    window_fini(&w);
}

TEST(rows_outside_the_window_are_left_and_do_not_move_the_cursor)
{
    struct window w;
    const struct window_row rows[] = {
        {"1", 1 * MS, 0}, {"2", 5 * MS, 1}, {"3", 9 * MS, 2}};
    const struct window_page page = {
        .rows = rows, .n = 3, .received = 3, .has_more = true};

    window_init(&w, 3 * MS, 6 * MS, FUSION_LITERAL_ISO_QUOTED);
    EQ_INT(window_row(&w, "1", 1 * MS), WINDOW_BELOW);
    EQ_INT(window_row(&w, "2", 5 * MS), WINDOW_TAKE);
    EQ_INT(window_row(&w, "3", 9 * MS), WINDOW_ABOVE);
    EQ_INT(window_page(&w, &page, FUSION_LITERAL_ISO_QUOTED), WINDOW_END);
    EQ_INT(w.cursor_us, 5 * MS);
    EQ_STR(w.cursor_id, "2");
    window_fini(&w);
}

TEST(a_pod_that_does_not_sort_is_found_out)
{
    const struct window_row up[] = {{"1", 9, 0}, {"2", 5, 1}};
    const struct window_row down[] = {{"1", 5, 0}, {"2", 9, 1}};
    struct window_page page = {.rows = up, .n = 2, .received = 2};
    struct window w;
    struct descent d;

    window_init(&w, 0, 0, FUSION_LITERAL_ISO_QUOTED);
    EQ_INT(window_page(&w, &page, FUSION_LITERAL_ISO_QUOTED), WINDOW_DISORDER);
    window_fini(&w);
    descent_init(&d, 0);
    page.rows = down;
    EQ_INT(descent_page(&d, &page), WINDOW_DISORDER);
}

TEST(an_empty_page_ends_and_moves_nothing)
{
    const struct window_page page = {0};
    struct window w;

    window_init(&w, 77, 0, FUSION_LITERAL_ISO_QUOTED);
    EQ_INT(window_page(&w, &page, FUSION_LITERAL_ISO_QUOTED), WINDOW_END);
    EQ_INT(w.cursor_us, 0);
    window_fini(&w);
}

TEST(newest_first_stops_below_the_watermark)
{
    const struct window_row a[] = {{"9", 90, 0}, {"8", 80, 1}};
    const struct window_row b[] = {{"8", 80, 0}, {"5", 50, 1}};
    struct window_page page = {
        .rows = a, .n = 2, .received = 2, .has_more = true};
    struct descent d;

    descent_init(&d, 60);
    EQ_INT(descent_page(&d, &page), WINDOW_MORE);
    EQ_UINT(d.offset, 2);
    page.rows = b;
    EQ_INT(descent_page(&d, &page), WINDOW_END);
    EQ_INT(d.newest_us, 90);
    EQ_STR(d.newest_id, "9");
}

TEST(a_phase_is_stable_and_within_the_interval)
{
    int64_t now = INT64_C(1700000000000000);
    int64_t first = phase_next_us(now, 600000, 12345678901234567ULL);

    IS(first > now);
    IS(first <= now + INT64_C(600000000));
    EQ_INT(phase_next_us(first, 600000, 12345678901234567ULL),
           first + INT64_C(600000000));
    EQ_INT(phase_next_us(first - 1, 600000, 12345678901234567ULL), first);
    IS(phase_next_us(now, 600000, 5) != phase_next_us(now, 600000, 99999));
    IS(phase_next_us(-5, 600000, 3) > -5);
}

SUITE(window, RUN_LONG(every_row_is_given_whatever_the_page_size, 20),
      RUN_LONG(one_stamp_on_more_rows_than_a_page_is_read_by_offset, 20),
      RUN_LONG(twelve_hundred_rows_stored_at_one_instant_are_all_given, 20),
      RUN_LONG(pages_cut_by_the_pod_lose_nothing, 20),
      RUN_LONG(pages_cut_differently_each_time_lose_nothing, 20),
      RUN_LONG(rows_that_move_during_the_scan_hide_no_other, 20),
      RUN(a_row_is_given_once_and_again_when_it_changed),
      RUN(rows_outside_the_window_are_left_and_do_not_move_the_cursor),
      RUN(a_pod_that_does_not_sort_is_found_out),
      RUN(an_empty_page_ends_and_moves_nothing),
      RUN(newest_first_stops_below_the_watermark),
      RUN(a_phase_is_stable_and_within_the_interval))
