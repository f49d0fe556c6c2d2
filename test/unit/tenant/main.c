/* SPDX-License-Identifier: UNLICENSED */
/* The program of the unit tests of tenant. */
#include "unit.h"

MAIN(settings, portal, requests)
