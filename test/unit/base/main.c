/* SPDX-License-Identifier: UNLICENSED */
/* Runs the tests of base. */
#include "unit.h"

MAIN(mem, arena, buf, list, map, heap, time, dec, err, secret, text, file)
