/* SPDX-License-Identifier: UNLICENSED */
/*
 * A worker that owns nothing, and the page about the views: what
 * deploy/grants.sql gives is enough, and docs/audit.md names every column and
 * its queries run.
 */
#include "fix.h"

static char *
file_text(const char *path)
{
    struct fault f;
    char *data;
    size_t n;

    OK(file_read(path, 1 << 20, &data, &n, &f));
    return data;
}

/* deploy/grants.sql with psql's variable filled in. */
static void
grant(struct fix *f, const char *role)
{
    char *sql = file_text(TOP "/deploy/grants.sql");
    static const char variable[] = ":\"worker\"";
    struct buf b;
    char *at = sql;
    char *found;

    buf_init(&b, 1 << 20);
    while ((found = strstr(at, variable)) != NULL) {
        buf_add(&b, at, (size_t)(found - at));
        buf_adds(&b, role);
        at = found + sizeof(variable) - 1;
    }
    buf_adds(&b, at);
    (void)fix_sql(f, "%s", buf_text(&b));
    buf_fini(&b);
    mem_free(sql);
}

static void
on_plan_closed(void *arg)
{
    loop_stop(arg);
}

/* From its beginning to its end; temporary tables it needs none. */
static void
plans(struct fix *w, struct got *g, int64_t tenant)
{
    struct store_plan_spec c = {.conninfo = w->conninfo,
                                .worker = "plain",
                                .timeout_ms = 20000,
                                .tenant = tenant};
    struct fix p = *w;
    struct fault fault;

    got_clear(g);
    g->f = w;
    OK(store_plan_open(w->s, &c, on_done, g, &p.s, &fault));
    got_wait(w, g);
    OK(g->err);
    fix_intake(&p, g, tenant, "customers", "p2", "fresh", 2,
               customer("2", 1, 'b', "y@x.example"));
    OK(g->err);
    EQ_INT(g->intake.opened, 1);
    store_plan_close(p.s, on_plan_closed, w->loop);
    loop_run(w->loop);
    SQL_IS(w, "0", "SELECT count(*) FROM ml_connector.plan_record");
    SQL_IS(w, "0", "SELECT count(*) FROM ml_connector.plan");
}

TEST(worker_with_granted_rights_can_do_all_but_change_history)
{
    struct fix f;
    struct fix w;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    (void)fix_sql(&f, "CREATE ROLE plain LOGIN; DO $$ BEGIN EXECUTE format("
                      "'REVOKE TEMPORARY ON DATABASE %%I FROM PUBLIC', "
                      "current_database()); END $$");
    grant(&f, "plain");
    fix_second(&f, &w, " user=plain");
    CALL(&w, &g, store_check, on_done);
    OK(g.err);
    t = fix_tenant(&w, "acme");
    fix_intake(&w, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', "x@x.example"));
    fix_claim(&w, &g, t, 10);
    EQ_INT(g.n, 1);
    fix_outcome(&w, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"done\"}]",
                     fix_sql(&w, "SELECT id FROM ml_connector.job")),
                "[{\"event\":\"written\"}]");
    (void)fix_sql(&f, "CREATE TABLE ml_connector.audit_event_2020_01 "
                      "PARTITION OF ml_connector.audit_event FOR VALUES FROM "
                      "('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00')");
    CALL(&w, &g, store_upkeep, (int64_t)400 * 86400 * 1000, on_done);
    OK(g.err);
    SQL_IS(&f, "",
           "SELECT to_regclass("
           "'ml_connector.audit_event_2020_01')::text");
    SQL_IS(&w, "current", "SELECT state FROM ml_dashboard.records");
    SQL_IS(&f, "f",
           "SELECT has_table_privilege('plain', "
           "'ml_connector.audit_event', 'UPDATE, DELETE')");
    plans(&w, &g, t);
    got_clear(&g);
    fix_close(&w);
    (void)fix_sql(&f, "DROP OWNED BY plain; DROP ROLE plain");
    fix_close(&f);
}

TEST(page_about_the_views_names_every_column)
{
    struct fix f;
    char *page = file_text(TOP "/docs/audit.md");
    char *at;
    char *end;
    char *columns;

    fix_open(&f, false);
    columns = mem_strdup(
        fix_sql(&f, "SELECT string_agg(DISTINCT '`' || column_name || '`', "
                    "' ') FROM information_schema.columns WHERE "
                    "table_schema = 'ml_dashboard'"));
    for (at = columns; *at != '\0'; at = end) {
        end = at + strcspn(at, " ");
        if (*end == ' ') {
            *end++ = '\0';
        }
        HAS(page, at);
    }
    mem_free(columns);
    columns = mem_strdup(fix_sql(
        &f, "SELECT string_agg('## ' || viewname || E'\\n', '|' ORDER BY "
            "viewname) FROM pg_views WHERE schemaname = 'ml_dashboard'"));
    for (at = columns; *at != '\0'; at = end) {
        end = at + strcspn(at, "|");
        if (*end == '|') {
            *end++ = '\0';
        }
        HAS(page, at);
    }
    mem_free(columns);
    mem_free(page);
    fix_close(&f);
}

TEST(queries_of_the_page_run)
{
    static const char fence[] = "```sql\n";
    struct fix f;
    char *page = file_text(TOP "/docs/audit.md");
    char *at = page;
    unsigned n = 0;

    fix_open(&f, false);
    (void)fix_sql(&f, "CREATE ROLE grafana");
    while ((at = strstr(at, fence)) != NULL) {
        char *end;

        at += sizeof(fence) - 1;
        end = strstr(at, "```");
        IS(end != NULL);
        *end = '\0';
        (void)fix_sql(&f, "%s", at);
        at = end + 1;
        n++;
    }
    IS(n >= 6);
    (void)fix_sql(&f, "DROP OWNED BY grafana; DROP ROLE grafana");
    mem_free(page);
    fix_close(&f);
}

SUITE(rights,
      RUN_LONG(worker_with_granted_rights_can_do_all_but_change_history, 30),
      RUN_LONG(page_about_the_views_names_every_column, 30),
      RUN_LONG(queries_of_the_page_run, 30))
