/* SPDX-License-Identifier: UNLICENSED */
/*
 * Runs all suites on one server: it starts before the tests fork and stops
 * after the last.
 */
#include "fix.h"

int
main(void)
{
    extern const struct unit_suite schema_suite, intake_suite, job_suite,
        lease_suite, tenant_suite, speed_suite, rights_suite, reading_suite,
        request_suite, gone_suite, budget_suite, replay_suite, ceiling_suite,
        plan_suite, beat_suite;
    const struct unit_suite *const suites[] = {
        &schema_suite,  &tenant_suite, &lease_suite,  &beat_suite,
        &intake_suite,  &job_suite,    &gone_suite,   &reading_suite,
        &request_suite, &replay_suite, &budget_suite, &ceiling_suite,
        &plan_suite,    &rights_suite, &speed_suite};
    int status;

    fix_server_start();
    status = unit_main(suites, COUNT_OF(suites));
    fix_server_stop();
    return status;
}
