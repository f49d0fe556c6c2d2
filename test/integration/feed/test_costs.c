/* SPDX-License-Identifier: UNLICENSED */
/*
 * To come within the hour.
 */
#include "compare.h"
TEST(costs_nothing_yet) { IS(true); }
SUITE(costs, RUN(costs_nothing_yet))
