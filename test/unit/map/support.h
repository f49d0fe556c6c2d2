/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_TEST_MAP_SUPPORT_H
#define ML_TEST_MAP_SUPPORT_H

/*
 * What the tests of map share: rows written with single quotes, fixtures, a
 * run of the mapping whose every result dies with the test, and checks that
 * every record must pass whatever went in.
 */
#include "ml/base.h"
#include "ml/jsonx.h"
#include "ml/map.h"

#include "unit.h"

/* JSON with ' for "; numbers become strings as in the worker. */
json_t *q(const char *text);
json_t *fixture(const char *name);  /* fixtures/<name>.json */
json_t *expected(const char *name); /* expected/<name>.json */

/* A mapping without options, with one, or from a file's content. */
struct mapping *plain(void);
struct mapping *prefixed(const char *prefix);
struct mapping *custom(const char *file); /* with ' for " */

struct arena *arena(void); /* of this test */
extern struct fault fault; /* of the last mapping */

/* Each must give a record. */
struct map_record invoice(const char *row);
struct map_record invoice_row(const struct mapping *m, const json_t *row);
struct map_record customer_row(const struct mapping *m,
                               const struct map_customer_rows *rows);
struct map_record *payments(const char *receipt, const char *applications,
                            size_t *n);
/* Must be MAP_INVALID; gives the message. */
const char *invalid_invoice(const char *row);
const char *invalid_payments(const char *receipt, const char *applications);

/* A property of the n-th object of a record; NULL when it is not there. */
const char *prop(const struct map_record *r, size_t object, const char *name);
size_t objects_of(const struct map_record *r);
const char *status_of(const struct map_record *r); /* "" when absent */
const char *held_of(const struct map_record *r);   /* "" when absent */
bool is_gone(const struct map_record *r);
/* The first note of that event; NULL: none. */
const char *note_of(const struct map_record *r, const char *event);

/* What holds for every record: keys, texts, no empty value, sorted, a hash. */
void check_sane(const struct map_record *r);
/* The record as JSON equals `want` but for its hash; says the first path that
 * differs. */
void check_record(const struct map_record *r, const json_t *want);

#endif
