/* SPDX-License-Identifier: UNLICENSED */
/*
 * The program of the unit tests of pg: one private PostgreSQL for all of them.
 */
#include "test_pg.h"

struct pg_temp test_pg;

extern const struct unit_suite pg_suite;
extern const struct unit_suite away_suite;
extern const struct unit_suite target_suite;

int
main(void)
{
    static const struct unit_suite *const suites[] = {&pg_suite, &away_suite,
                                                      &target_suite};
    int rc;

    pg_temp_start(&test_pg);
    rc = unit_main(suites, sizeof(suites) / sizeof(suites[0]));
    pg_temp_stop(&test_pg);
    return rc;
}
