/* SPDX-License-Identifier: UNLICENSED */
/*
 * One sandbox and one PostgreSQL for all tests of this program.
 */
#include "pod.h"

extern const struct unit_suite feed_suite;

int
main(void)
{
    static const struct unit_suite *const suites[] = {&feed_suite};
    int rc = EXIT_FAILURE;

    if (pods_start()) {
        rc = unit_main(suites, COUNT_OF(suites));
    }
    pods_stop();
    return rc;
}
