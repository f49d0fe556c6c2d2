/* SPDX-License-Identifier: UNLICENSED */
/*
 * Unit tests of fusion: queries, errors and assertions as pure functions; the
 * operations against a scripted peer.
 */
#include "unit.h"

MAIN(query, error, jwt, read, describe, token)
