/* SPDX-License-Identifier: UNLICENSED */
/*
 * To come within the hour.
 */
#include "compare.h"
TEST(troubles_nothing_yet) { IS(true); }
SUITE(troubles, RUN(troubles_nothing_yet))
