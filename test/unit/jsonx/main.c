/* SPDX-License-Identifier: UNLICENSED */
/* Runs the tests of jsonx. */
#include "unit.h"

MAIN(read, scan, get, write)
