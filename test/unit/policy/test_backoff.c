/* SPDX-License-Identifier: UNLICENSED */
/* Backoff: doubling, cap, floor. */
#include "unit.h"

#include "ml/policy.h"

TEST(the_range_doubles_up_to_the_cap)
{
    EQ_INT(backoff_ms(0, 1000, 300000, 0.75), 750);
    EQ_INT(backoff_ms(1, 1000, 300000, 0.75), 1500);
    EQ_INT(backoff_ms(2, 1000, 300000, 0.75), 3000);
    EQ_INT(backoff_ms(8, 1000, 300000, 0.75), 192000);
    EQ_INT(backoff_ms(9, 1000, 300000, 0.75), 225000);
    EQ_INT(backoff_ms(4000000000U, 1000, 300000, 0.75), 225000);
    EQ_INT(backoff_ms(100, 1, INT64_MAX, 0.5), INT64_MAX / 2 + 1);
}

TEST(a_wait_is_never_below_half_the_base_nor_above_the_cap)
{
    EQ_INT(backoff_ms(0, 1000, 300000, 0.0), 500);
    EQ_INT(backoff_ms(7, 1000, 300000, 0.0), 500);
    EQ_INT(backoff_ms(0, 1000, 100, 0.99), 100);
    EQ_INT(backoff_ms(3, 1000, 100, 0.0), 100);
    EQ_INT(backoff_ms(3, 0, 100, 0.5), 0);
    EQ_INT(backoff_ms(3, 100, 0, 0.5), 0);
}

TEST(the_whole_range_is_used)
{
    int64_t low = INT64_MAX;
    int64_t high = 0;

    for (int i = 0; i < 100; i++) {
        int64_t ms = backoff_ms(5, 1000, 300000, i / 100.0);

        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    EQ_INT(low, 500);
    IS(high > 31000 && high < 32000);
}

DEATH(a_random_of_one_aborts)
{
    (void)backoff_ms(0, 1, 1, 1.0);
}

SUITE(backoff, RUN(the_range_doubles_up_to_the_cap),
      RUN(a_wait_is_never_below_half_the_base_nor_above_the_cap),
      RUN(the_whole_range_is_used), DIES(a_random_of_one_aborts))
