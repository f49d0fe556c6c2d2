/* SPDX-License-Identifier: UNLICENSED */
/*
 * Parked jobs: listed, looked at, put back to work.
 */
#include "fix.h"

static const char *
job_id(struct fix *f, const char *fusion_id)
{
    return fix_sql(f,
                   "SELECT id FROM ml_connector.job WHERE fusion_id = "
                   "'%s'",
                   fusion_id);
}

static void
park_all(struct fix *f)
{
    (void)fix_sql(f, "UPDATE ml_connector.job SET state = 'parked', "
                     "attempts = 8, error_code = 'E' || fusion_id, "
                     "error = 'no ' || fusion_id, correlation = 'c'; "
                     "UPDATE ml_connector.record SET state = 'parked'");
}

/* Three customers, each parked with a code of its own. */
static int64_t
open_parked(struct fix *f, struct got *g)
{
    int64_t t;

    fix_open(f, false);
    t = fix_tenant(f, "acme");
    fix_intake(f, g, t, "customers", "p", "fresh", 1,
               text("%s,%s,%s", customer("1", 1, 'a', NULL),
                    customer("2", 1, 'a', NULL), customer("3", 1, 'a', NULL)));
    park_all(f);
    return t;
}

static void
replay(struct fix *f, struct got *g, struct store_replay spec)
{
    spec.actor = "ann@host";
    spec.limit = spec.limit > 0 ? spec.limit : 100;
    CALL(f, g, store_replay, &spec, on_json);
    OK(g->err);
}

TEST(the_chosen_parked_jobs_go_back_to_work_audited_with_who_did_it)
{
    struct fix f;
    struct got g = {0};

    (void)open_parked(&f, &g);
    replay(&f, &g, (struct store_replay){.name = "nobody"});
    HAS(g.json, "\"known\" : false");
    replay(&f, &g, (struct store_replay){.name = "acme", .error_code = "E2"});
    HAS(g.json, "\"replayed\" : 1");
    HAS(g.json, "\"state\" : \"active\"");
    SQL_IS(&f, "1 parked fresh 8,2 queued replay 0,3 parked fresh 8",
           "SELECT string_agg(concat_ws(' ', fusion_id, state, class, "
           "attempts), ',' ORDER BY fusion_id) FROM ml_connector.job");
    replay(&f, &g,
           (struct store_replay){.name = "acme",
                                 .jobs = text("[\"%s\"]", job_id(&f, "3"))});
    SQL_IS(&f, "parked,pending,pending",
           "SELECT string_agg(state, ',' ORDER BY fusion_id) FROM "
           "ml_connector.record");
    replay(&f, &g, (struct store_replay){.name = "acme"});
    SQL_IS(&f, "1 E1 no 1 8 c,2 E2 no 2 8 c,3 E3 no 3 8 c",
           "SELECT string_agg(concat_ws(' ', fusion_id, error_code, message, "
           "attempt, correlation), ',' ORDER BY fusion_id) FROM "
           "ml_connector.audit_event WHERE event = 'job.replayed' AND "
           "worker = 'ann@host' AND job IS NOT NULL");
    replay(&f, &g, (struct store_replay){.name = "acme"});
    HAS(g.json, "\"replayed\" : 0");
    got_clear(&g);
    fix_close(&f);
}

/* A page at a time: what parks again meanwhile is not taken again. */
TEST(jobs_go_back_by_the_page_each_once)
{
    struct fix f;
    struct got g = {0};
    int64_t first;

    (void)open_parked(&f, &g);
    replay(&f, &g, (struct store_replay){.name = "acme", .limit = 2});
    HAS(g.json, "\"replayed\" : 2");
    first = strtoll(job_id(&f, "2"), NULL, 10);
    HAS(g.json, text("\"last\" : %" PRId64 "}", first));
    park_all(&f);
    replay(&f, &g,
           (struct store_replay){.name = "acme", .limit = 2, .after = first});
    HAS(g.json, "\"replayed\" : 1");
    SQL_IS(&f, "parked parked queued",
           "SELECT string_agg(state, ' ' ORDER BY fusion_id) FROM "
           "ml_connector.job");
    got_clear(&g);
    fix_close(&f);
}

TEST(jobs_to_be_tried_later_go_when_they_are_named_or_their_code_is)
{
    struct fix f;
    struct got g = {0};

    (void)open_parked(&f, &g);
    (void)fix_sql(&f, "UPDATE ml_connector.job SET state = CASE fusion_id "
                      "WHEN '2' THEN 'retry' ELSE 'unknown' END, "
                      "verify = fusion_id = '3', "
                      "due_at = now() + interval '1 hour', "
                      "error_code = 'MISSING_SCOPES' WHERE fusion_id <> '1'; "
                      "UPDATE ml_connector.record SET state = 'pending' "
                      "WHERE fusion_id <> '1'");
    replay(&f, &g, (struct store_replay){.name = "acme"});
    HAS(g.json, "\"replayed\" : 1");
    SQL_IS(&f, "queued retry unknown",
           "SELECT string_agg(state, ' ' ORDER BY fusion_id) FROM "
           "ml_connector.job");
    replay(&f, &g,
           (struct store_replay){.name = "acme",
                                 .jobs = text("[\"%s\"]", job_id(&f, "2"))});
    HAS(g.json, "\"replayed\" : 1");
    replay(
        &f, &g,
        (struct store_replay){.name = "acme", .error_code = "MISSING_SCOPES"});
    HAS(g.json, "\"replayed\" : 1");
    SQL_IS(&f, "3",
           "SELECT count(*) FROM ml_connector.job WHERE state = 'queued' AND "
           "due_at IS NULL");
    SQL_IS(&f, "3", /* of an unknown outcome: it is read back first */
           "SELECT string_agg(fusion_id, ' ') FROM ml_connector.job WHERE "
           "verify");
    got_clear(&g);
    fix_close(&f);
}

TEST(a_replayed_job_stays_of_its_class_until_it_is_done)
{
    struct fix f;
    struct got g = {0};
    int64_t t = open_parked(&f, &g);

    replay(&f, &g, (struct store_replay){.name = "acme", .error_code = "E1"});
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 1);
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"retry\","
                     "\"attempts\":1,\"due_ms\":0,\"error_code\":"
                     "\"UNAVAILABLE\",\"error\":\"502\"}]",
                     job_id(&f, "1")),
                NULL);
    SQL_IS(&f, "retry replay",
           "SELECT state || ' ' || class FROM ml_connector.job WHERE "
           "fusion_id = '1'");
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 1);
    SQL_IS(&f, "replay",
           "SELECT class FROM ml_connector.job WHERE fusion_id = '1'");
    got_clear(&g);
    fix_close(&f);
}

static void
look(struct fix *f, struct got *g, struct store_replay spec)
{
    spec.limit = 100;
    CALL(f, g, store_replay_look, &spec, on_json);
    OK(g->err);
}

static void
misses(struct fix *f, struct got *g, const char *jobs)
{
    struct store_replay spec = {.name = "acme", .jobs = jobs};

    CALL(f, g, store_replay_misses, &spec, on_json);
    OK(g->err);
}

/* The newest content of a record is what its job carries: a version that was
 * read after the attempt that failed is looked at, claimed and written. */
TEST(a_newer_version_wins_over_the_one_that_parked)
{
    struct fix f;
    struct got g = {0};
    int64_t t = open_parked(&f, &g);

    (void)fix_sql(&f, "UPDATE ml_connector.job SET since = now() - "
                      "interval '1 hour'; UPDATE ml_connector.record SET "
                      "last_change = now() - interval '2 hours'");
    look(&f, &g, (struct store_replay){.name = "acme", .error_code = "E1"});
    HAS(g.json, "\"newer\" : false");
    LACKS(g.json, "second");
    /* known meanwhile without going to work by itself */
    (void)fix_sql(&f, "UPDATE ml_connector.record SET last_change = now(), "
                      "desired = '{\"objects\":[{\"object\":\"companies\","
                      "\"key\":\"1\",\"properties\":{\"name\":\"second\"}}]}' "
                      "WHERE fusion_id = '1'");
    look(&f, &g, (struct store_replay){.name = "acme", .error_code = "E1"});
    HAS(g.json, "\"newer\" : true");
    HAS(g.json, "second");
    SQL_IS(&f, "3",
           "SELECT count(*) FROM ml_connector.job WHERE "
           "state = 'parked'");
    replay(&f, &g, (struct store_replay){.name = "acme", .error_code = "E1"});
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 1);
    HAS(g.text, "second");
    got_clear(&g);
    fix_close(&f);
}

TEST(what_replay_leaves_alone_is_told_with_where_it_stands)
{
    struct fix f;
    struct got g = {0};
    int64_t t = open_parked(&f, &g);
    const char *one = text("%s", job_id(&f, "1"));
    const char *two = text("%s", job_id(&f, "2"));

    (void)fix_sql(&f,
                  "INSERT INTO ml_connector.audit_event (tenant_id, event, "
                  "kind, fusion_id, job, at) SELECT tenant_id, 'job.parked', "
                  "kind, fusion_id, id, now() - interval '1 hour' FROM "
                  "ml_connector.job WHERE fusion_id = '1'");
    fix_intake(&f, &g, t, "customers", "q", "fresh", 9,
               customer("1", 2, 'b', NULL));
    misses(&f, &g, text("[\"%s\",\"%s\",\"987654321\"]", one, two));
    HAS(g.json, text("\"job\" : \"%s\", \"state\" : \"queued\"", one));
    HAS(g.json, "\"newer\" : true");
    LACKS(g.json, text("\"job\" : \"%s\"", two));
    HAS(g.json, "\"job\" : \"987654321\", \"state\" : null");
    HAS(g.json, "\"codes\" : [{\"error_code\" : \"E2\", \"jobs\" : 1}, "
                "{\"error_code\" : \"E3\", \"jobs\" : 1}]");
    misses(&f, &g, NULL);
    HAS(g.json, "\"misses\" : []");
    got_clear(&g);
    fix_close(&f);
}

TEST(the_list_comes_by_the_page_and_says_how_many_there_are)
{
    struct fix f;
    struct got g = {0};
    struct store_replay spec = {.name = "acme", .limit = 2};
    const char *at, *since;

    (void)open_parked(&f, &g);
    (void)fix_sql(&f, "UPDATE ml_connector.job SET since = "
                      "'2026-01-01T00:00:00.000001Z'");
    CALL(&f, &g, store_replay_list, &spec, NULL, on_json);
    OK(g.err);
    HAS(g.json, "\"total\" : 3");
    HAS(g.json, "\"error_code\":\"E2\"");
    LACKS(g.json, "\"error_code\":\"E3\"");
    at = strstr(g.json, "\"since\":\"");
    IS(at != NULL);
    since = text("%.*s", (int)strcspn(at + 9, "\""), at + 9);
    spec.after = strtoll(job_id(&f, "2"), NULL, 10);
    CALL(&f, &g, store_replay_list, &spec, since, on_json);
    HAS(g.json, "\"total\" : 3");
    HAS(g.json, "\"error_code\":\"E3\"");
    LACKS(g.json, "\"error_code\":\"E2\"");
    spec =
        (struct store_replay){.name = "acme", .error_code = "E1", .limit = 2};
    CALL(&f, &g, store_replay_list, &spec, NULL, on_json);
    HAS(g.json, "\"total\" : 1");
    LACKS(g.json, "\"error_code\":\"E2\"");
    got_clear(&g);
    fix_close(&f);
}

TEST(what_is_parked_is_counted_by_code)
{
    struct fix f;
    struct got g = {0};
    struct store_report_spec spec = {.report = STORE_REPORT_PARKED};

    (void)open_parked(&f, &g);
    (void)fix_sql(&f, "UPDATE ml_connector.job SET error_code = 'E1' WHERE "
                      "fusion_id = '3'");
    CALL(&f, &g, store_report, &spec, on_json);
    HAS(g.json, "\"error_code\":\"E1\",\"jobs\":2");
    HAS(g.json, "\"error_code\":\"E2\",\"jobs\":1");
    IS(strstr(g.json, "E1") < strstr(g.json, "E2"));
    spec.tenant = "beta";
    CALL(&f, &g, store_report, &spec, on_json);
    EQ_STR(g.json, "[]");
    got_clear(&g);
    fix_close(&f);
}

SUITE(replay,
      RUN_LONG(the_chosen_parked_jobs_go_back_to_work_audited_with_who_did_it,
               20),
      RUN_LONG(jobs_go_back_by_the_page_each_once, 20),
      RUN_LONG(jobs_to_be_tried_later_go_when_they_are_named_or_their_code_is,
               20),
      RUN_LONG(a_replayed_job_stays_of_its_class_until_it_is_done, 20),
      RUN_LONG(a_newer_version_wins_over_the_one_that_parked, 20),
      RUN_LONG(what_replay_leaves_alone_is_told_with_where_it_stands, 20),
      RUN_LONG(the_list_comes_by_the_page_and_says_how_many_there_are, 20),
      RUN_LONG(what_is_parked_is_counted_by_code, 20))
