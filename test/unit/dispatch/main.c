/* SPDX-License-Identifier: UNLICENSED */
/* The program of the unit tests of dispatch. */
#include "unit.h"

MAIN(flow, create, gone, lanes, shares, accounts, refused, contacts, away,
     removing, setup, budget, quota, effect, interrupted, doubt)
