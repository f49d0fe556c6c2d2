/* SPDX-License-Identifier: UNLICENSED */
/*
 * Reading a reply: borrowed values of libpq's results, by column name.
 *
 * A statement, row or column that is not there is a mistake of ours, as the
 * statements are: it aborts. A reply of a failed unit has no rows.
 */
#include <stdlib.h>
#include <string.h>

#include "pg_priv.h"

static const PGresult *
result_at(const struct pg_reply *r, size_t statement)
{
    const struct pg_op *op = r->inner;

    ML_ASSERT(op != NULL && statement < r->statements);
    return op->results[statement];
}

static int
column_at(const PGresult *result, const char *column)
{
    int n = PQnfields(result);
    int i;

    for (i = 0; i < n; i++) {
        if (strcmp(PQfname(result, i), column) == 0) {
            return i;
        }
    }
    return -1;
}

/* The cell, which must exist. */
static const PGresult *
cell(const struct pg_reply *r, size_t statement, size_t row, const char *column,
     int *index)
{
    const PGresult *result = result_at(r, statement);

    ML_ASSERT(result != NULL && row < (size_t)PQntuples(result));
    *index = column_at(result, column);
    ML_ASSERT(*index >= 0);
    return result;
}

size_t
pg_rows(const struct pg_reply *r, size_t statement)
{
    const PGresult *result = result_at(r, statement);

    return result != NULL ? (size_t)PQntuples(result) : 0;
}

size_t
pg_affected(const struct pg_reply *r, size_t statement)
{
    const struct pg_op *op = r->inner;
    PGresult *result;

    ML_ASSERT(op != NULL && statement < r->statements);
    result = op->results[statement];
    return result != NULL ? (size_t)strtoull(PQcmdTuples(result), NULL, 10) : 0;
}

bool
pg_is_null(const struct pg_reply *r, size_t statement, size_t row,
           const char *column)
{
    int index;
    const PGresult *result = cell(r, statement, row, column, &index);

    return PQgetisnull(result, (int)row, index) == 1;
}

const char *
pg_text(const struct pg_reply *r, size_t statement, size_t row,
        const char *column)
{
    int index;
    const PGresult *result = cell(r, statement, row, column, &index);

    return PQgetisnull(result, (int)row, index) == 1 ?
               NULL :
               PQgetvalue(result, (int)row, index);
}

size_t
pg_len(const struct pg_reply *r, size_t statement, size_t row,
       const char *column)
{
    int index;
    const PGresult *result = cell(r, statement, row, column, &index);

    return (size_t)PQgetlength(result, (int)row, index);
}

int64_t
pg_int(const struct pg_reply *r, size_t statement, size_t row,
       const char *column)
{
    const char *text = pg_text(r, statement, row, column);

    return text != NULL ? (int64_t)strtoll(text, NULL, 10) : 0;
}

bool
pg_bool(const struct pg_reply *r, size_t statement, size_t row,
        const char *column)
{
    const char *text = pg_text(r, statement, row, column);

    return text != NULL && text[0] == 't';
}
