/* SPDX-License-Identifier: UNLICENSED */
/*
 * One sandbox and one PostgreSQL for all tests of this program:
 *
 *     integration-feed [suite...]
 */
#include "pod.h"

extern const struct unit_suite feed_suite;
extern const struct unit_suite calibration_suite;
extern const struct unit_suite overlap_suite;
extern const struct unit_suite passes_suite;
extern const struct unit_suite receipts_suite;
extern const struct unit_suite sweeps_suite;
extern const struct unit_suite costs_suite;
extern const struct unit_suite troubles_suite;
extern const struct unit_suite moving_suite;

static const struct unit_suite *const suites[] = {
    &feed_suite,   &calibration_suite, &overlap_suite,
    &passes_suite, &receipts_suite,    &sweeps_suite,
    &costs_suite,  &troubles_suite,    &moving_suite};

int
main(int argc, char **argv)
{
    const struct unit_suite *wanted[COUNT_OF(suites)];
    size_t n = unit_named(suites, COUNT_OF(suites), argc, argv, wanted);
    int rc = EXIT_FAILURE;

    if (n > 0 && pods_start()) {
        rc = unit_main(wanted, n);
    }
    pods_stop();
    return rc;
}
