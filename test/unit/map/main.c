/* SPDX-License-Identifier: UNLICENSED */
/*
 * map's tests: whole samples, rules of each kind, the forms of values, the own
 * mapping, comparison, and rows with one attribute broken at a time.
 */
#include "unit.h"

MAIN(samples, invoice, payment, customer, format, file, needs, check, equal,
     broken)
