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
};

static const struct mood moods[] = {
    {"as it comes", "mutate_every=1", 0, 10},
    {"cut pages, version 1", "mutate_every=2&limit_cap=7", 1, 0},
    {"quoted blanks, version 6", "mutate_every=1&literals=4", 6, 25},
    {"bare literals, version 9", "mutate_every=3&literals=34", 9, 15},
    {"zulu literals, receipts by stamp",
     "mutate_every=2&literals=2&receipts_stamp_q=1", 4, 12},
    {"receipts by id, no batches",
     "mutate_every=2&receipts_order=0&batch=0&receipts_null=1", 4, 12},
    {"another zone, an empty last page",
     "mutate_every=2&all_shift_min=-90&has_more_empty=1", 4, 20},
};

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
    (void)pod_post(&p, "switches?%s&mutate_seed=%u&late_seconds=1800&mutate_groups=7",
                   m->switches, seed);
    for (int i = 0; i < ROUNDS; i++) {
        pod_round_ok(&p);
    }
    moved = pod_count(&p, "mutations");
    (void)fprintf(stderr, "%s: %" PRId64 " changes meanwhile\n", m->name,
                  moved);
    IS(moved > 10);
    (void)pod_post(&p, "switches?mutate_every=0");
    pod_round_ok(&p);
    has_all_of_scratch(&p, spec.index);
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
