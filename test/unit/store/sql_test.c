/* SPDX-License-Identifier: UNLICENSED */
/*
 * What can be said of the embedded SQL without a database: shapes, numbering,
 * and the manners of a guest.
 */
#include "ml/base.h"
#include "store_sql.h"

#include <ctype.h>

#include "unit.h"

int store_schema_version(void);

TEST(every_statement_is_embedded_with_its_first_line)
{
    IS(SQL_COUNT > 30);
    for (size_t i = 0; i < SQL_COUNT; i++) {
        const struct store_sql *s = &store_sql[i];
        char last[16];

        EQ_INT(strncmp(s->sql, "-- ", 3), 0);
        (void)snprintf(last, sizeof(last), "$%u", s->params);
        if (s->params > 0) {
            HAS(s->sql, last);
        }
        (void)snprintf(last, sizeof(last), "$%u", s->params + 1);
        LACKS(s->sql, last);
        LACKS(s->sql, ";\n");
    }
}

TEST(migrations_are_numbered_from_one)
{
    EQ_INT(store_schema_version(), STORE_SCHEMA_VERSION);
    for (int i = 0; i < STORE_SCHEMA_VERSION; i++) {
        EQ_INT(store_scripts[i].version, i + 1);
        EQ_INT(strtol(store_scripts[i].name, NULL, 10), i + 1);
        IS(store_scripts[i].compatible_from <= i + 1);
        LACKS(store_scripts[i].sql, "$ml_script$");
    }
}

TEST(nothing_is_left_in_a_session)
{
    static const char *const words[] = {
        "LISTEN",  "NOTIFY",     "SET SESSION",      "pg_advisory_lock(",
        "PREPARE", "TEMP TABLE", "CREATE EXTENSION", "DECLARE CURSOR"};

    for (size_t k = 0; k < COUNT_OF(words); k++) {
        for (size_t i = 0; i < SQL_COUNT; i++) {
            LACKS(store_sql[i].sql, words[k]);
        }
        for (size_t i = 0; i < STORE_SCHEMA_VERSION; i++) {
            LACKS(store_scripts[i].sql, words[k]);
        }
    }
}

/* "FROM job" where "FROM ml_connector.job" is meant. */
static bool
names_bare(const char *sql, const char *verb, const char *table)
{
    char words[64];
    const char *at = sql;
    size_t len = (size_t)snprintf(words, sizeof(words), "%s %s", verb, table);

    while ((at = strstr(at, words)) != NULL) {
        at += len;
        if (!isalnum((unsigned char)*at) && *at != '_') {
            return true;
        }
    }
    return false;
}

TEST(tables_are_named_with_their_schema)
{
    static const char *const verbs[] = {"FROM", "JOIN", "INTO", "UPDATE",
                                        "USING"};
    static const char *const tables[] = {
        "tenant", "secret",  "lease",  "feed",        "cursor",
        "poll",   "account", "record", "link",        "contact_email",
        "job",    "write",   "minute", "audit_event", "schema_version",
        "pass",   "request", "noted",  "checked"};

    for (size_t i = 0; i < SQL_COUNT; i++) {
        for (size_t v = 0; v < COUNT_OF(verbs); v++) {
            for (size_t t = 0; t < COUNT_OF(tables); t++) {
                ck_assert_msg(
                    !names_bare(store_sql[i].sql, verbs[v], tables[t]),
                    "%s: %s %s without schema", store_sql[i].name, verbs[v],
                    tables[t]);
            }
        }
    }
}

SUITE(sql, RUN(every_statement_is_embedded_with_its_first_line),
      RUN(migrations_are_numbered_from_one), RUN(nothing_is_left_in_a_session),
      RUN(tables_are_named_with_their_schema))

MAIN(sql, err)
