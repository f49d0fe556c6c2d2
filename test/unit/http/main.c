/* SPDX-License-Identifier: UNLICENSED */
/* The program of the unit tests of http. */
#include "unit.h"

MAIN(http, traffic)
