/* SPDX-License-Identifier: UNLICENSED */
/* The program of the unit tests of ops. */
#include "unit.h"

MAIN(ops)
