/* SPDX-License-Identifier: UNLICENSED */
/* Runs the tests of the Fusion simulator. */
#include "unit.h"

MAIN(world, token, collection, query, account, trouble, control, moment, flex,
     trap)
