/* SPDX-License-Identifier: UNLICENSED */
/*
 * Unit tests of feed: the arithmetic of windows, what was learned, phases.
 */
#include "unit.h"

MAIN(window, learned)
