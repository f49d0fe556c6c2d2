/* SPDX-License-Identifier: UNLICENSED */
/*
 * Runs the suites that the arguments name, all without any, on one server: it
 * starts before the tests fork and stops after the last.
 */
#include "fix.h"

int
main(int argc, char **argv)
{
    extern const struct unit_suite schema_suite, intake_suite, job_suite,
        lease_suite, tenant_suite, speed_suite, rights_suite, reading_suite,
        request_suite, gone_suite, budget_suite, replay_suite, ceiling_suite,
        plan_suite, beat_suite, doubt_suite;
    const struct unit_suite *const suites[] = {
        &schema_suite,  &tenant_suite, &lease_suite,  &beat_suite,
        &intake_suite,  &job_suite,    &gone_suite,   &reading_suite,
        &request_suite, &replay_suite, &budget_suite, &ceiling_suite,
        &plan_suite,    &doubt_suite,  &rights_suite, &speed_suite};
    const struct unit_suite *wanted[COUNT_OF(suites)];
    size_t n = unit_named(suites, COUNT_OF(suites), argc, argv, wanted);
    int status;

    if (n == 0) {
        return EXIT_FAILURE;
    }
    fix_server_start();
    status = unit_main(wanted, n);
    fix_server_stop();
    return status;
}
