/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a failed answer means to callers: who may try again, who must migrate.
 */
#include "store_priv.h"

#include "unit.h"

static enum err
judged(enum err err, const char *sqlstate, struct fault *f)
{
    struct pg_reply r = {0};

    (void)fault_set(&r.fault, err, "as the server says");
    (void)snprintf(r.fault.code, sizeof(r.fault.code), "%s", sqlstate);
    return store_reply_err(err, &r, f);
}

TEST(deadlock_and_busy_lock_are_tried_again)
{
    struct fault f;

    EQ_ERR(judged(ERR_DB_STATEMENT, "40P01", &f), ERR_DB_TIMEOUT);
    EQ_ERR(f.err, ERR_DB_TIMEOUT);
    EQ_STR(f.message, "as the server says");
    EQ_ERR(judged(ERR_DB_STATEMENT, "40001", &f), ERR_DB_TIMEOUT);
    EQ_ERR(judged(ERR_DB_STATEMENT, "55P03", &f), ERR_DB_TIMEOUT);
}

TEST(missing_table_or_column_is_an_old_schema)
{
    struct fault f;

    EQ_ERR(judged(ERR_DB_STATEMENT, "42P01", &f), ERR_SCHEMA_OLD);
    EQ_ERR(judged(ERR_DB_STATEMENT, "42703", &f), ERR_SCHEMA_OLD);
    EQ_ERR(judged(ERR_DB_STATEMENT, "3F000", &f), ERR_SCHEMA_OLD);
}

TEST(other_failures_stay_what_they_are)
{
    struct fault f;

    EQ_ERR(judged(ERR_DB_STATEMENT, "42501", &f), ERR_DB_STATEMENT);
    EQ_ERR(judged(ERR_DB_AWAY, "unknown", &f), ERR_DB_AWAY);
    EQ_STR(f.code, "unknown");
    EQ_ERR(store_reply_err(ERR_DB_AWAY, NULL, &f), ERR_DB_AWAY);
    EQ_STR(f.message, err_text(ERR_DB_AWAY));
    EQ_ERR(store_reply_err(ERR_OK, NULL, &f), ERR_OK);
}

SUITE(err, RUN(deadlock_and_busy_lock_are_tried_again),
      RUN(missing_table_or_column_is_an_old_schema),
      RUN(other_failures_stay_what_they_are))
