/* SPDX-License-Identifier: UNLICENSED */
/*
 * Unit tests of feed: the arithmetic of windows and days, what was learned.
 */
#include "unit.h"

MAIN(window, when, learned)
