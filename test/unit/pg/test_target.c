/* SPDX-License-Identifier: UNLICENSED */
/*
 * Connection strings and error codes: no server needed.
 */
#include <unistd.h>

#include "test_pg.h"

/* ---- connection strings ------------------------------------------------- */

static const char *
param(const struct pg_target *t, const char *keyword)
{
    size_t i;

    for (i = 0; i < t->params; i++) {
        if (strcmp(t->keywords[i], keyword) == 0) {
            return t->values[i];
        }
    }
    return "";
}

TEST(a_connection_string_that_cannot_be_parsed_is_not_quoted)
{
    struct loop *l = loop_new();
    struct pg_config c = {.conninfo = "postgres//me:hunter2@host/db",
                          .connections = 1};
    struct pg *p = NULL;
    struct fault f;

    fault_clear(&f);
    EQ_ERR(pg_open(l, &c, &p, &f), ERR_CONFIG);
    IS(p == NULL);
    LACKS(f.message, "hunter2");
    c.conninfo = NULL;
    EQ_ERR(pg_open(l, &c, &p, &f), ERR_CONFIG);
    c.conninfo = "host=a,b,c port=1,2";
    EQ_ERR(pg_open(l, &c, &p, &f), ERR_CONFIG);
    OK(loop_free(l));
}

TEST(hosts_of_a_uri_are_taken_apart)
{
    struct pg_target t;
    struct fault f;

    fault_clear(&f);
    OK(pg_target_parse("postgresql://me:pw%21@one.test:1,10.0.0.2:2,[::1]:3/"
                       "db?sslmode=require&options=-csearch_path%3Dx",
                       "app", false, &t, &f));
    EQ_INT(t.host_count, 3);
    EQ_STR(t.hosts[0].name, "one.test");
    EQ_STR(t.hosts[0].port, "1");
    IS(t.hosts[0].is_name);
    EQ_STR(t.hosts[1].name, "10.0.0.2");
    NOT(t.hosts[1].is_name);
    EQ_STR(t.hosts[2].name, "::1");
    EQ_STR(t.hosts[2].port, "3");
    NOT(t.hosts[2].is_name);
    EQ_STR(param(&t, "user"), "me");
    EQ_STR(param(&t, "password"), "pw!");
    EQ_STR(param(&t, "dbname"), "db");
    EQ_STR(param(&t, "sslmode"), "require");
    EQ_STR(param(&t, "application_name"), "app");
    EQ_STR(param(&t, "client_encoding"), "UTF8");
    EQ_STR(param(&t, "gssencmode"), "disable");
    EQ_STR(t.options, "-csearch_path=x");
    pg_target_fini(&t);
}

TEST(a_service_file_and_the_environment_count)
{
    char path[] = "/tmp/ml-service-XXXXXX";
    static const char text[] = "[ours]\nhost=svc.test\nport=77\nuser=sam\n";
    struct pg_target t;
    struct fault f;
    int fd = mkstemp(path);

    IS(fd >= 0);
    EQ_INT(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    (void)close(fd);
    EQ_INT(setenv("PGSERVICEFILE", path, 1), 0);
    EQ_INT(setenv("PGSSLMODE", "verify-full", 1), 0);
    fault_clear(&f);
    OK(pg_target_parse("service=ours dbname=d", NULL, false, &t, &f));
    EQ_INT(t.host_count, 1);
    EQ_STR(t.hosts[0].name, "svc.test");
    EQ_STR(t.hosts[0].port, "77");
    EQ_STR(param(&t, "user"), "sam");
    EQ_STR(param(&t, "sslmode"), "verify-full");
    pg_target_fini(&t);
    EQ_ERR(pg_target_parse("service=theirs", NULL, false, &t, &f), ERR_CONFIG);
    HAS(f.message, "theirs");
    (void)unlink(path);
}

TEST(an_address_that_was_given_is_not_resolved)
{
    struct pg_target t;
    struct fault f;

    fault_clear(&f);
    OK(pg_target_parse("host=db.test hostaddr=127.0.0.1 port=5", NULL, false,
                       &t, &f));
    EQ_INT(t.host_count, 0);
    EQ_STR(param(&t, "hostaddr"), "127.0.0.1");
    EQ_STR(param(&t, "host"), "db.test");
    EQ_STR(param(&t, "port"), "5");
    pg_target_fini(&t);
}

TEST(sqlstates_have_their_errors)
{
    EQ_ERR(pg_sqlstate_err("28P01"), ERR_DB_REFUSED);
    EQ_ERR(pg_sqlstate_err("3D000"), ERR_DB_REFUSED);
    EQ_ERR(pg_sqlstate_err("57014"), ERR_DB_TIMEOUT);
    EQ_ERR(pg_sqlstate_err("55P03"), ERR_DB_TIMEOUT);
    EQ_ERR(pg_sqlstate_err("57P01"), ERR_DB_AWAY);
    EQ_ERR(pg_sqlstate_err("57P03"), ERR_DB_AWAY);
    EQ_ERR(pg_sqlstate_err("08006"), ERR_DB_AWAY);
    EQ_ERR(pg_sqlstate_err("53300"), ERR_DB_AWAY);
    EQ_ERR(pg_sqlstate_err("25006"), ERR_DB_AWAY);
    EQ_ERR(pg_sqlstate_err("23505"), ERR_DB_STATEMENT);
    EQ_ERR(pg_sqlstate_err("42P01"), ERR_DB_STATEMENT);
}

SUITE(target, RUN(a_connection_string_that_cannot_be_parsed_is_not_quoted),
      RUN(hosts_of_a_uri_are_taken_apart),
      RUN(a_service_file_and_the_environment_count),
      RUN(an_address_that_was_given_is_not_resolved),
      RUN(sqlstates_have_their_errors))
