/* SPDX-License-Identifier: UNLICENSED */
/*
 * To come within the hour.
 */
#include "compare.h"
TEST(receipts_nothing_yet) { IS(true); }
SUITE(receipts, RUN(receipts_nothing_yet))
