/* SPDX-License-Identifier: UNLICENSED */
/*
 * A pod that goes on working while it is read: after every request it changes
 * something, some of it stamped in the past. Whatever its limits, in the end
 * all is here.
 */
#include "compare.h"

enum { PODS = 135, ROUNDS = 2 };

struct mood {
    const char *name, *switches;
    int version;
    unsigned page;
    int late_s;
};

static const struct mood moods[] = {
    {"as it comes", "mutate_every=1", 0, 10, 0},
    {"cut pages, version 1", "mutate_every=2&limit_cap=7", 1, 0, 0},
    {"quoted blanks, version 6", "mutate_every=1&literals=4", 6, 25, 0},
    {"bare literals, version 9, late", "mutate_every=1&literals=34", 9, 15,
     1800},
    {"zulu literals, receipts by stamp, late",
     "mutate_every=1&literals=2&receipts_stamp_q=1", 4, 12, 1800},
    {"receipts by id, no batches",
     "mutate_every=2&receipts_order=0&batch=0&receipts_null=1", 4, 12, 0},
    {"another zone, an empty last page, late",
     "mutate_every=2&all_shift_min=-90&has_more_empty=1", 4, 20, 1800},
};

/* What changes a stamp back, so that a second reading within a second is not
 * believed, is found by the sweep of the day. */
static void
day_comes(struct pod *p)
{
    p->config.daily_ms = 1;
    p->config.wide_ms = p->config.overlap_ms;
    pod_again(p);
}

static void
is_read_while_it_moves(size_t at)
{
    const struct mood *m = &moods[at];
    struct pod_spec spec = {
        .index = PODS + at, .version = m->version, .page = m->page};
    unsigned seed = (unsigned)(random_u64() % 1000000);
    struct pod p;
    int64_t moved = 0;

    (void)fprintf(stderr, "%s: seed %u\n", m->name, seed);
    pod_open(&p, &spec);
    (void)pod_post(&p,
                   "switches?%s&mutate_seed=%u&mutate_groups=7&late_seconds=%d",
                   m->switches, seed, m->late_s);
    for (int i = 0; i < ROUNDS; i++) {
        pod_round_ok(&p);
    }
    moved = pod_count(&p, "mutations");
    (void)fprintf(stderr, "%s: %" PRId64 " changes meanwhile\n", m->name,
                  moved);
    IS(moved > 10);
    /* A later read of a smaller version counts when it is clearly later. */
    (void)pod_post(&p, "switches?mutate_every=0&clock_ms=5000");
    if (m->late_s > 0) {
        day_comes(&p);
    }
    pod_round_ok(&p);
    has_all_but_contacts(&p, spec.index);
    pod_round_ok(&p);
    opened_is(&p, 0, "when nothing moves");
    pod_close(&p);
}

TEST(a_pod_that_moves_is_read_as_it_comes)
{
    is_read_while_it_moves(0);
}

TEST(a_pod_that_moves_and_cuts_pages_is_read)
{
    is_read_while_it_moves(1);
}

TEST(a_pod_that_moves_and_wants_blanks_is_read)
{
    is_read_while_it_moves(2);
}

TEST(a_pod_that_moves_and_wants_bare_literals_is_read)
{
    is_read_while_it_moves(3);
}

TEST(a_pod_that_moves_with_receipts_by_stamp_is_read)
{
    is_read_while_it_moves(4);
}

TEST(a_pod_that_moves_with_receipts_by_id_is_read)
{
    is_read_while_it_moves(5);
}

TEST(a_pod_that_moves_in_another_zone_is_read)
{
    is_read_while_it_moves(6);
}

SUITE(moving, RUN_LONG(a_pod_that_moves_is_read_as_it_comes, 120),
      RUN_LONG(a_pod_that_moves_and_cuts_pages_is_read, 120),
      RUN_LONG(a_pod_that_moves_and_wants_blanks_is_read, 120),
      RUN_LONG(a_pod_that_moves_and_wants_bare_literals_is_read, 120),
      RUN_LONG(a_pod_that_moves_with_receipts_by_stamp_is_read, 120),
      RUN_LONG(a_pod_that_moves_with_receipts_by_id_is_read, 120),
      RUN_LONG(a_pod_that_moves_in_another_zone_is_read, 120))
