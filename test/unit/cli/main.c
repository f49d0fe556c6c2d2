/* SPDX-License-Identifier: UNLICENSED */
/* The program of the unit tests of cli. */
#include "unit.h"

MAIN(flags, program)
