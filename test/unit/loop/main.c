/* SPDX-License-Identifier: UNLICENSED */
/* The program of the unit tests of loop. */
#include "unit.h"

MAIN(loop)
