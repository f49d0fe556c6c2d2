/* SPDX-License-Identifier: UNLICENSED */
/* Runs the tests of policy. */
#include "unit.h"

MAIN(permits, permits_sim, backoff, share, quota)
