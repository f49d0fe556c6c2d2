/* SPDX-License-Identifier: UNLICENSED */
/*
 * To come within the hour.
 */
#include "compare.h"
TEST(sweeps_nothing_yet) { IS(true); }
SUITE(sweeps, RUN(sweeps_nothing_yet))
