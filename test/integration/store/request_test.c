/* SPDX-License-Identifier: UNLICENSED */
/*
 * What commands ask of the holder of a portal, and what every worker asks of
 * all polls: do they tie out?
 */
#include "fix.h"

static int64_t
number_in(const char *json, const char *key)
{
    const char *at = json != NULL ? strstr(json, key) : NULL;

    ck_assert_msg(at != NULL, "%s is not in %s", key, json);
    return strtoll(at + strlen(key), NULL, 10);
}

static int64_t
ask_for(struct fix *f, int64_t tenant, const char *command,
        const char *arguments)
{
    struct got g = {0};
    int64_t id;

    CALL(f, &g, store_request_add, tenant, command, arguments, "op", on_json);
    OK(g.err);
    id = number_in(g.json, "\"id\": ");
    got_clear(&g);
    return id;
}

static int64_t
ask(struct fix *f, int64_t tenant, const char *arguments)
{
    return ask_for(f, tenant, "sync", arguments);
}

static void
take_some(struct fix *f, struct got *g, const char *worker, const char *held,
          unsigned limit)
{
    struct store_requests spec = {
        .worker = worker, .held = held, .limit = limit};

    CALL(f, g, store_requests_take, &spec, on_json);
    OK(g->err);
}

static void
take(struct fix *f, struct got *g, const char *worker, int64_t tenant,
     const char *portal, int term)
{
    take_some(f, g, worker,
              text("[{\"tenant\":%" PRId64 ",\"portal\":\"%s\",\"term\":%d}]",
                   tenant, portal, term),
              64);
}

TEST(a_request_is_taken_by_the_holder_once_and_answered)
{
    struct fix f;
    struct got g = {0};
    int64_t t, id;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    CALL(&f, &g, store_tenants, NULL, on_tenants);
    NOT(g.asked);
    id = ask(&f, t, "{\"feed\":\"invoices\"}");
    CALL(&f, &g, store_tenants, NULL, on_tenants);
    IS(g.asked);
    CALL(&f, &g, store_request_get, id, on_json);
    HAS(g.json, "\"holder\": \"w1\"");
    HAS(g.json, "\"worker\": null");
    HAS(g.json, "\"answered\": false");
    take(&f, &g, "w1", t, "P-acme", 1);
    HAS(g.json, "\"command\": \"sync\"");
    HAS(g.json, "{\"feed\": \"invoices\"}");
    EQ_INT(number_in(g.json, "\"tenant\": "), t);
    take(&f, &g, "w1", t, "P-acme", 1);
    EQ_STR(g.json, "[]");
    CALL(&f, &g, store_requests_answer, "w1",
         text("[{\"id\":%" PRId64 ",\"answer\":{\"polling\":[]}}]", id),
         on_done);
    OK(g.err);
    CALL(&f, &g, store_request_get, id, on_json);
    HAS(g.json, "\"answered\": true");
    HAS(g.json, "\"answer\": {\"polling\": []}");
    HAS(g.json, "\"worker\": \"w1\"");
    CALL(&f, &g, store_tenants, NULL, on_tenants);
    NOT(g.asked);
    got_clear(&g);
    fix_close(&f);
}

TEST(only_under_its_own_lease_a_worker_takes_or_answers)
{
    struct fix f;
    struct got g = {0};
    int64_t t, id;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    id = ask(&f, t, NULL);
    take(&f, &g, "w2", t, "P-acme", 1); /* another worker */
    EQ_STR(g.json, "[]");
    take(&f, &g, "w1", t, "P-acme", 2); /* of the same name */
    EQ_STR(g.json, "[]");
    take(&f, &g, "w1", t, "P-else", 1);
    EQ_STR(g.json, "[]");
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET expires_at = now()");
    take(&f, &g, "w1", t, "P-acme", 1);
    EQ_STR(g.json, "[]");
    CALL(&f, &g, store_request_get, id, on_json);
    HAS(g.json, "\"holder\": null");
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET expires_at = now() + "
                      "interval '1 minute'");
    take(&f, &g, "w1", t, "P-acme", 1);
    HAS(g.json, "\"command\"");
    CALL(&f, &g, store_requests_answer, "w2",
         text("[{\"id\":%" PRId64 ",\"answer\":{}}]", id), on_done);
    OK(g.err);
    CALL(&f, &g, store_request_get, id, on_json);
    HAS(g.json, "\"answered\": false");
    got_clear(&g);
    fix_close(&f);
}

TEST(what_a_dead_worker_took_is_taken_by_the_next)
{
    struct fix f;
    struct got g = {0};
    int64_t t, id;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    id = ask(&f, t, NULL);
    take(&f, &g, "w1", t, "P-acme", 1);
    EQ_INT(number_in(g.json, "\"id\": "), id);
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET worker = 'w2', term = 2");
    take(&f, &g, "w2", t, "P-acme", 2);
    EQ_INT(number_in(g.json, "\"id\": "), id);
    CALL(&f, &g, store_requests_answer, "w1",
         text("[{\"id\":%" PRId64 ",\"answer\":{\"by\":1}}]", id), on_done);
    CALL(&f, &g, store_requests_answer, "w2",
         text("[{\"id\":%" PRId64 ",\"answer\":{\"by\":2}}]", id), on_done);
    CALL(&f, &g, store_requests_answer, "w2",
         text("[{\"id\":%" PRId64 ",\"answer\":{\"by\":3}}]", id), on_done);
    CALL(&f, &g, store_request_get, id, on_json);
    HAS(g.json, "{\"by\": 2}");
    got_clear(&g);
    fix_close(&f);
}

TEST(at_most_so_many_are_taken_oldest_first_and_not_what_is_left_to_others)
{
    struct fix f;
    struct got g = {0};
    int64_t t, first, sync, second;
    const char *held;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    first = ask_for(&f, t, "ping", NULL);
    sync = ask(&f, t, NULL);
    second = ask_for(&f, t, "ping", NULL);
    held = text("[{\"tenant\":%" PRId64 ",\"portal\":\"P-acme\",\"term\":1,"
                "\"without\":\"sync\"}]",
                t);
    take_some(&f, &g, "w1", held, 1);
    EQ_INT(number_in(g.json, "\"id\": "), first);
    HAS(g.json, "\"name\": \"acme\"");
    HAS(g.json, "\"portal\": \"P-acme\"");
    take_some(&f, &g, "w1", held, 64);
    EQ_INT(number_in(g.json, "\"id\": "), second);
    LACKS(g.json, "sync");
    take(&f, &g, "w1", t, "P-acme", 1);
    EQ_INT(number_in(g.json, "\"id\": "), sync);
    got_clear(&g);
    fix_close(&f);
}

/* Terms of different portals may be equal by chance. */
TEST(what_was_taken_before_the_lease_was_is_taken_again)
{
    struct fix f;
    struct got g = {0};
    int64_t t, id;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    id = ask_for(&f, t, "ping", NULL);
    take(&f, &g, "w1", t, "P-acme", 1);
    take(&f, &g, "w1", t, "P-acme", 1);
    EQ_STR(g.json, "[]");
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET taken_at = now()");
    take(&f, &g, "w1", t, "P-acme", 1);
    EQ_INT(number_in(g.json, "\"id\": "), id);
    got_clear(&g);
    fix_close(&f);
}

/* A lease that ran out may be renewed under the same term by a process that has
 * dropped what it had taken. */
TEST(what_this_process_has_not_in_hand_is_taken_again)
{
    struct fix f;
    struct got g = {0};
    struct store_requests spec = {.worker = "w1", .limit = 64};
    int64_t t, id;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    id = ask_for(&f, t, "ping", NULL);
    spec.held =
        text("[{\"tenant\":%" PRId64 ",\"portal\":\"P-acme\",\"term\":1}]", t);
    spec.known = "[]";
    CALL(&f, &g, store_requests_take, &spec, on_json);
    EQ_INT(number_in(g.json, "\"id\": "), id);
    spec.known = text("[%" PRId64 ",77]", id);
    CALL(&f, &g, store_requests_take, &spec, on_json);
    EQ_STR(g.json, "[]");
    spec.known = "[77]";
    CALL(&f, &g, store_requests_take, &spec, on_json);
    EQ_INT(number_in(g.json, "\"id\": "), id);
    got_clear(&g);
    fix_close(&f);
}

TEST(a_request_withdrawn_is_nobodys_and_says_how_it_stood)
{
    struct fix f;
    struct got g = {0};
    int64_t t, open, done;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    open = ask_for(&f, t, "ping", "{\"candidate\":{\"sealed\":{}},\"x\":1}");
    CALL(&f, &g, store_request_withdraw, open, on_json);
    HAS(g.json, "\"answered\": false");
    SQL_IS(&f, "{\"x\": 1}", "SELECT arguments FROM ml_connector.request");
    take(&f, &g, "w1", t, "P-acme", 1);
    EQ_STR(g.json, "[]");
    done = ask_for(&f, t, "ping", "{\"candidate\":{\"sealed\":{}}}");
    take(&f, &g, "w1", t, "P-acme", 1);
    CALL(&f, &g, store_requests_answer, "w1",
         text("[{\"id\":%" PRId64 ",\"answer\":{\"lines\":[]}}]", done),
         on_done);
    SQL_IS(&f, "{}",
           "SELECT arguments FROM ml_connector.request WHERE id = %" PRId64,
           done);
    CALL(&f, &g, store_request_withdraw, done, on_json);
    HAS(g.json, "\"answered\": true");
    HAS(g.json, "{\"lines\": []}");
    CALL(&f, &g, store_request_withdraw, done + 100, on_json);
    IS(g.json == NULL);
    got_clear(&g);
    fix_close(&f);
}

TEST(who_holds_a_portal_is_asked_in_the_name_of_a_tenant_of_it)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    (void)fix_tenant(&f, "beta");
    CALL(&f, &g, store_request_via, "P-acme", on_json);
    EQ_INT(number_in(g.json, "\"id\": "), t);
    HAS(g.json, "\"holder\": \"w1\"");
    CALL(&f, &g, store_request_via, "P-none", on_json);
    IS(g.json == NULL);
    CALL(&f, &g, store_tenant_state, "acme", NULL, "removed", NULL, "op",
         on_done);
    CALL(&f, &g, store_request_via, "P-acme", on_json);
    IS(g.json == NULL);
    got_clear(&g);
    fix_close(&f);
}

TEST(requests_of_other_tenants_stay_with_them)
{
    struct fix f;
    struct got g = {0};
    int64_t a, b, of_b;

    fix_open(&f, false);
    a = fix_tenant(&f, "acme");
    b = fix_tenant(&f, "beta");
    of_b = ask(&f, b, NULL);
    take(&f, &g, "w1", a, "P-acme", 1);
    EQ_STR(g.json, "[]");
    take(&f, &g, "w1", b, "P-acme", 1); /* not its portal */
    EQ_STR(g.json, "[]");
    take(&f, &g, "w1", b, "P-beta", 1);
    EQ_INT(number_in(g.json, "\"id\": "), of_b);
    got_clear(&g);
    fix_close(&f);
}

TEST(upkeep_drops_requests_after_a_day)
{
    struct fix f;
    struct got g = {0};
    int64_t t, old, kept;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    old = ask(&f, t, NULL);
    kept = ask(&f, t, NULL);
    (void)fix_sql(&f,
                  "UPDATE ml_connector.request SET asked_at = now() - "
                  "interval '25 hours' WHERE id = %" PRId64,
                  old);
    CALL(&f, &g, store_upkeep, INT64_C(86400000), on_done);
    OK(g.err);
    CALL(&f, &g, store_request_get, old, on_json);
    OK(g.err);
    IS(g.json == NULL);
    CALL(&f, &g, store_request_get, kept, on_json);
    IS(g.json != NULL);
    got_clear(&g);
    fix_close(&f);
}

TEST(a_command_learns_of_its_tenant_or_of_the_names_there_are)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    CALL(&f, &g, store_request_target, "acme", on_json);
    EQ_INT(number_in(g.json, "\"id\": "), t);
    HAS(g.json, "\"state\": \"active\"");
    HAS(g.json, "\"holder\": \"w1\"");
    HAS(g.json, "\"names\": []");
    CALL(&f, &g, store_request_target, "acne", on_json);
    HAS(g.json, "\"tenant\": null");
    HAS(g.json, "\"names\": [\"acme\"]");
    CALL(&f, &g, store_tenant_state, "acme", NULL, "removed", NULL, "op",
         on_done);
    CALL(&f, &g, store_request_target, "acme", on_json);
    HAS(g.json, "\"state\": \"removed\"");
    CALL(&f, &g, store_tenant_add, "acme", "{}", "{}", "ann@host", on_done);
    CALL(&f, &g, store_request_target, "acme", on_json);
    HAS(g.json, "\"state\": \"active\""); /* the one there is now */
    got_clear(&g);
    fix_close(&f);
}

/* ---- conservation ------------------------------------------------------- */

static void
look(struct fix *f, struct got *g, const char *worker, int64_t age_ms)
{
    CALL(f, g, store_conservation, worker, age_ms, on_json);
    OK(g->err);
}

TEST(a_poll_that_does_not_tie_out_is_found_and_told_of_once)
{
    struct fix f;
    struct got g = {0};
    struct store_report_spec spec = {.report = STORE_REPORT_CONSERVATION};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p1", "fresh", 1,
               invoice("1", "c", 1, 'a'));
    fix_intake(&f, &g, t, "invoices", "p2", "fresh", 1,
               invoice("2", "c", 1, 'a'));
    look(&f, &g, "w1", 0);
    EQ_STR(g.json, "{\"fresh\": [], \"difference\": 0}");
    CALL(&f, &g, store_report, &spec, on_json);
    EQ_STR(g.json, "[]");
    (void)fix_sql(&f, "UPDATE ml_connector.poll SET read = read + 2 "
                      "WHERE poll = 'p2'");
    look(&f, &g, "w1", 0);
    HAS(g.json, "\"tenant\": \"acme\"");
    HAS(g.json, "\"poll\": \"p2\"");
    LACKS(g.json, "\"poll\": \"p1\"");
    HAS(g.json, "\"difference\": 2, ");
    look(&f, &g, "w2", 0); /* told of, and still there */
    EQ_STR(g.json, "{\"fresh\": [], \"difference\": 2}");
    CALL(&f, &g, store_report, &spec, on_json);
    HAS(g.json, "\"read\":3");
    HAS(g.json, "\"open\":1");
    /* a job too many, against a poll that is settled by itself */
    (void)fix_sql(&f, "UPDATE ml_connector.poll SET written = 1 "
                      "WHERE poll = 'p1'");
    look(&f, &g, "w1", 0);
    HAS(g.json, "\"poll\": \"p1\"");
    HAS(g.json, "\"difference\": -1, ");
    HAS(g.json, "\"difference\": 3}");
    CALL(&f, &g, store_report, &spec, on_json);
    EQ_STR(g.json,
           fix_sql(&f,
                   "SELECT json_agg(v) FROM (SELECT tenant, feed, poll, "
                   "started_at, read, unchanged, filtered, invalid, "
                   "superseded, open, written, parked, difference FROM "
                   "ml_dashboard.conservation WHERE difference <> 0 ORDER BY "
                   "tenant, started_at, feed) v"));
    got_clear(&g);
    fix_close(&f);
}

TEST(one_worker_looks_and_the_others_get_what_it_found)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    look(&f, &g, "w1", 600000); /* the first one looks at once */
    SQL_IS(&f, "w1", "SELECT worker FROM ml_connector.checked");
    fix_intake(&f, &g, t, "invoices", "p1", "fresh", 1,
               invoice("1", "c", 1, 'a'));
    (void)fix_sql(&f, "DELETE FROM ml_connector.job");
    look(&f, &g, "w2", 600000); /* not due */
    EQ_STR(g.json, "{\"fresh\": [], \"difference\": 0}");
    (void)fix_sql(&f, "UPDATE ml_connector.checked SET checked_at = now() - "
                      "interval '11 minutes'");
    (void)fix_sql(&f, "BEGIN; SELECT 1 FROM ml_connector.checked FOR UPDATE");
    look(&f, &g, "w2", 600000); /* another one is at it: no waiting */
    EQ_STR(g.json, "{\"fresh\": [], \"difference\": 0}");
    (void)fix_sql(&f, "ROLLBACK");
    look(&f, &g, "w2", 600000);
    HAS(g.json, "\"difference\": 1}");
    look(&f, &g, "w1", 600000);
    EQ_STR(g.json, "{\"fresh\": [], \"difference\": 1}");
    SQL_IS(&f, "w2", "SELECT worker FROM ml_connector.checked");
    got_clear(&g);
    fix_close(&f);
}

TEST(a_removed_tenant_leaves_no_difference)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p1", "fresh", 1,
               invoice("1", "c", 1, 'a'));
    CALL(&f, &g, store_tenant_state, "acme", NULL, "removed", NULL, "op",
         on_done);
    look(&f, &g, "w1", 0);
    EQ_STR(g.json, "{\"fresh\": [], \"difference\": 0}");
    got_clear(&g);
    fix_close(&f);
}

SUITE(request, RUN_LONG(a_request_is_taken_by_the_holder_once_and_answered, 20),
      RUN_LONG(only_under_its_own_lease_a_worker_takes_or_answers, 20),
      RUN_LONG(what_a_dead_worker_took_is_taken_by_the_next, 20),
      RUN_LONG(
          at_most_so_many_are_taken_oldest_first_and_not_what_is_left_to_others,
          20),
      RUN_LONG(what_was_taken_before_the_lease_was_is_taken_again, 20),
      RUN_LONG(what_this_process_has_not_in_hand_is_taken_again, 20),
      RUN_LONG(a_request_withdrawn_is_nobodys_and_says_how_it_stood, 20),
      RUN_LONG(who_holds_a_portal_is_asked_in_the_name_of_a_tenant_of_it, 20),
      RUN_LONG(requests_of_other_tenants_stay_with_them, 20),
      RUN_LONG(upkeep_drops_requests_after_a_day, 20),
      RUN_LONG(a_command_learns_of_its_tenant_or_of_the_names_there_are, 20),
      RUN_LONG(a_poll_that_does_not_tie_out_is_found_and_told_of_once, 20),
      RUN_LONG(one_worker_looks_and_the_others_get_what_it_found, 20),
      RUN_LONG(a_removed_tenant_leaves_no_difference, 20))
