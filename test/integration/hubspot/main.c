/* SPDX-License-Identifier: UNLICENSED */
/*
 * One sandbox for all tests of this program.
 */
#include "portal.h"

extern const struct unit_suite portal_suite;

int
main(void)
{
    static const struct unit_suite *const suites[] = {&portal_suite};
    int rc = EXIT_FAILURE;

    if (sandbox_start()) {
        rc = unit_main(suites, COUNT_OF(suites));
    }
    sandbox_stop();
    return rc;
}
