/* SPDX-License-Identifier: UNLICENSED */
/* What commands ask of the worker that holds a tenant's portal. */
#include "stand_ins.h"

#define ROW(more) ONE("9", "sync", more)
#define ONE(id, command, more)                                                 \
    "[{\"id\":" id ",\"tenant\":5,\"name\":\"demo\",\"portal\":\"4711\","      \
    "\"command\":\"" command "\",\"arguments\":{" more "}}]"

TEST(nothing_asked_costs_no_statement)
{
    begin("4711");
    turn();
    reload();
    reload();
    EQ_UINT(fx.takes, 0);
    end();
}

TEST(a_request_of_a_tenant_at_work_is_taken_begun_and_answered)
{
    begin("4711");
    turn();
    fx.rows[0].asked = true;
    fx.asked = ROW("");
    reload();
    EQ_UINT(fx.takes, 1);
    EQ_STR(fx.held, "[{\"tenant\":5,\"portal\":\"4711\",\"term\":1}]");
    EQ_UINT(fx.synced[FEED_KINDS], 1);
    EQ_UINT(fx.answered, 1);
    EQ_STR(fx.answers,
           "[{\"id\":9,\"answer\":{\"polling\":[\"customers\",\"invoices\","
           "\"payments\"],\"was\":{\"customers\":\"idle\",\"invoices\":"
           "\"idle\",\"payments\":\"maintenance\"}}}]");
    fx.rows[0].asked = false;
    reload();
    EQ_UINT(fx.takes, 1);
    end();
}

TEST(a_request_for_one_feed_polls_that_one)
{
    begin("4711");
    turn();
    fx.rows[0].asked = true;
    fx.asked = ROW("\"feed\":\"invoices\"");
    reload();
    EQ_UINT(fx.synced[FEED_INVOICES], 1);
    EQ_UINT(fx.synced[FEED_KINDS], 0);
    HAS(fx.answers, "\"polling\":[\"invoices\"]");
    end();
}

TEST(what_is_not_understood_or_cannot_be_done_is_answered_so)
{
    begin("4711");
    turn();
    fx.rows[0].asked = true;
    fx.asked = ROW("\"feed\":\"orders\"");
    reload();
    HAS(fx.answers, "\"error\":\"this worker, version ");
    fx.asked = ONE("10", "dance", "");
    reload();
    HAS(fx.answers, "\"id\":10");
    HAS(fx.answers, "does not know");
    fx.asked = "[{\"id\":11,\"tenant\":77,\"command\":\"sync\","
               "\"arguments\":{}}]";
    reload();
    HAS(fx.answers, "\"id\":11");
    HAS(fx.answers, "stopped to work here");
    EQ_UINT(fx.synced[FEED_KINDS], 0);
    end();
}

TEST(without_the_lease_nothing_is_taken)
{
    begin("4711");
    turn();
    lose_lease();
    fx.rows[0].asked = true;
    fx.asked = ROW("");
    reload();
    EQ_UINT(fx.takes, 0);
    end();
}

TEST(an_answer_that_cannot_be_stored_is_stored_later)
{
    begin("4711");
    turn();
    fx.rows[0].asked = true;
    fx.asked = ROW("");
    fx.away = true;
    reload();
    EQ_UINT(fx.answered, 1);
    fx.away = false;
    reload();
    EQ_UINT(fx.answered, 2);
    HAS(fx.answers, "\"id\":9");
    reload();
    EQ_UINT(fx.answered, 2);
    EQ_UINT(fx.synced[FEED_KINDS], 1);
    end();
}

TEST(run_once_takes_before_it_polls_and_answers_after)
{
    begin_as("4711", true, true);
    fx.asked = ROW("");
    turn();
    EQ_UINT(fx.polls, 1);
    EQ_UINT(fx.takes, 1);
    EQ_UINT(fx.answered, 0);
    fx.feeds.idle(fx.feeds.arg);
    turn();
    EQ_UINT(fx.answered, 1);
    EQ_STR(fx.answers, "[{\"id\":9,\"answer\":{\"polled\":[\"customers\","
                       "\"invoices\"],\"failed\":{\"payments\":"
                       "\"back at nine\"}}}]");
    EQ_UINT(fx.synced[FEED_KINDS], 0);
    EQ_UINT(fx.finished, 0); /* its jobs are still to be counted */
    end();
}

/* ---- errands ------------------------------------------------------------ */

static void
asked(const char *rows)
{
    fx.rows[0].asked = true;
    fx.asked = rows;
    reload();
}

TEST(an_errand_is_done_under_the_budget_of_the_portal_and_answered)
{
    begin("4711");
    turn();
    asked(ONE("9", "provision", "\"dry_run\":true"));
    EQ_UINT(fx.loads, 1);
    EQ_UINT(fx.callers, 1);
    EQ_UINT(fx.provisions, 1);
    IS(fx.dry);
    EQ_UINT(fx.answered, 0);
    answer_provision(ERR_OK, "two are missing\n");
    turn();
    EQ_UINT(fx.answered, 1);
    EQ_STR(fx.answers,
           "[{\"id\":9,\"answer\":{\"lines\":[{\"object\":\"companies\"}],"
           "\"text\":\"two are missing\\n\"}}]");
    EQ_UINT(fx.removed, 1); /* the caller is gone, the tenant works on */
    IS(works_in("4711"));
    end();
}

TEST(an_errand_that_fails_says_why_and_with_which_code)
{
    begin("4711");
    turn();
    asked(ONE("9", "provision", ""));
    NOT(fx.dry);
    answer_provision(ERR_FORBIDDEN, "");
    turn();
    HAS(fx.answers, "\"error\":\"no scope\"");
    HAS(fx.answers, "\"code\":\"FORBIDDEN\"");
    HAS(fx.answers, "\"lines\":[");
    fx.gone = true;
    asked(ONE("10", "provision", ""));
    HAS(fx.answers, "\"id\":10");
    HAS(fx.answers, "changed meanwhile");
    EQ_UINT(fx.provisions, 1);
    end();
}

TEST(a_lease_given_up_drops_the_run_and_leaves_the_request_open)
{
    begin("4711");
    turn();
    asked(ONE("9", "provision", ""));
    EQ_UINT(fx.provisions, 1);
    fx.last->events.lease_lost(fx.last->events.arg);
    turn();
    EQ_UINT(fx.answered, 0);
    end();
    EQ_UINT(fx.answered, 0);
}

/* A lease that ran out may be renewed under the same term: what was dropped with
 * it is in nobody's hands and is taken again. */
TEST(what_is_in_hand_is_not_taken_again_and_what_was_dropped_is)
{
    begin("4711");
    turn();
    asked(ONE("9", "provision", ""));
    EQ_STR(fx.known, "[]");
    reload();
    EQ_STR(fx.known, "[9]");
    fx.away = true;
    answer_provision(ERR_OK, "nothing\n");
    turn();
    reload();
    EQ_UINT(fx.answered, 2);
    EQ_STR(fx.known, "[9]"); /* answered, and not yet stored */
    fx.away = false;
    reload();
    EQ_UINT(fx.answered, 3);
    asked(ONE("10", "provision", ""));
    EQ_STR(fx.known, "[]");
    EQ_UINT(fx.provisions, 2);
    lose_lease();
    fx.share = ROWS_MAX;
    reload();
    leases_soon(fx.tenants);
    turn();
    IS(works_in("4711")); /* again, under another term */
    reload();
    EQ_STR(fx.known, "[]");
    end();
}

TEST(an_answer_that_the_database_refuses_is_not_made_again_and_again)
{
    begin("4711");
    turn();
    fx.spoilt = true;
    asked(ONE("9", "provision", ""));
    answer_provision(ERR_OK, "nothing\n");
    turn();
    EQ_UINT(fx.answered, 1);
    reload();
    EQ_STR(fx.known, "[9]");
    EQ_UINT(fx.answered, 1);
    end();
}

TEST(a_worker_that_ends_drops_its_runs)
{
    begin("4711");
    turn();
    asked(ONE("9", "provision", ""));
    EQ_UINT(fx.provisions, 1);
    end();
    EQ_UINT(fx.removed, 1);
    EQ_UINT(fx.answered, 0);
}

TEST(a_run_outlives_a_change_of_its_tenant)
{
    begin("4711");
    turn();
    asked(ONE("9", "provision", ""));
    fx.rows[0].revision++;
    fx.rows[0].asked = false;
    reload();
    EQ_UINT(fx.frees, 1); /* set up anew */
    answer_provision(ERR_OK, "nothing\n");
    turn();
    EQ_UINT(fx.answered, 1);
    end();
}

TEST(a_tenant_that_is_paused_beside_one_at_work_is_served)
{
    begin("4711");
    fx.rows[1] = fx.rows[0];
    fx.rows[1].id = 6;
    fx.rows[1].name = "other";
    fx.n_rows = 2;
    turn();
    fx.rows[0].state = "paused";
    reload();
    asked(ONE("9", "sync", ""));
    EQ_STR(fx.held, "[{\"tenant\":5,\"portal\":\"4711\",\"term\":1,"
                    "\"without\":\"sync\"}]");
    asked(ONE("10", "provision", ""));
    EQ_UINT(fx.provisions, 1);
    answer_provision(ERR_OK, "nothing\n");
    turn();
    HAS(fx.answers, "\"id\":10");
    end();
}

/* Its portal is not known and must not be asked for anything else. */
TEST(a_tenant_halted_before_its_portal_was_known_is_told_why)
{
    begin(NULL);
    turn();
    answer_details(ERR_CREDENTIALS);
    turn();
    EQ_UINT(fx.halts, 1);
    fx.rows[0].reason = "HubSpot: not you";
    asked("[{\"id\":9,\"tenant\":5,\"name\":\"demo\",\"portal\":\"tenant:5\","
          "\"command\":\"provision\",\"arguments\":{}}]");
    EQ_UINT(fx.provisions, 0);
    HAS(fx.answers, "\"error\":\"the tenant is halted: HubSpot: not you\"");
    HAS(fx.answers, "\"code\":\"CREDENTIALS\"");
    end();
}

TEST(before_its_portal_is_known_nothing_is_taken_for_a_tenant)
{
    begin(NULL);
    turn();
    EQ_UINT(fx.n_calls, 1);
    asked(ONE("9", "provision", ""));
    EQ_UINT(fx.takes, 0);
    answer_details(ERR_OK);
    turn();
    reload();
    EQ_UINT(fx.takes, 1);
    EQ_UINT(fx.provisions, 1);
    end();
}

TEST(a_candidate_comes_with_its_request)
{
    begin("4711");
    turn();
    asked(ONE("9", "mapping",
              "\"candidate\":{\"name\":\"new\",\"settings\":"
              "{\"fusion_url\":\"https://pod.example.com\","
              "\"fusion_auth\":\"basic\",\"fusion_user\":\"u\","
              "\"mapping_file\":\"{\\\"orders\\\":{}}\"},"
              "\"sealed\":{\"hubspot_token\":\"t\"}}"));
    EQ_UINT(fx.loads, 0);
    HAS(fx.answers, "\"complaints\":[\"mapping file");
    HAS(fx.answers, "orders");
    asked(ONE("10", "mapping",
              "\"candidate\":{\"name\":\"new\",\"settings\":"
              "{\"fusion_url\":\"ftp://pod\"},\"sealed\":{}}"));
    HAS(fx.answers, "\"code\":\"CONFIG\"");
    end();
}

TEST(errands_are_bounded_in_number)
{
    char rows[4096];
    size_t n = 0;

    begin("4711");
    turn();
    for (int i = 0; i < 12; i++) {
        n += (size_t)snprintf(
            rows + n, sizeof(rows) - n,
            "%s{\"id\":%d,\"tenant\":5,\"name\":\"demo\",\"portal\":"
            "\"4711\",\"command\":\"provision\",\"arguments\":{}}",
            i == 0 ? "[" : ",", 20 + i);
    }
    (void)snprintf(rows + n, sizeof(rows) - n, "]");
    asked(rows);
    EQ_UINT(fx.limit, 64);
    EQ_UINT(fx.provisions, 8);
    answer_provision(ERR_OK, "nothing\n");
    turn();
    EQ_UINT(fx.answered, 1);
    EQ_UINT(fx.provisions, 9);
    reload();
    EQ_UINT(fx.limit, 64 - 11);
    end();
}

TEST(replayed_jobs_are_looked_for_at_once)
{
    begin("4711");
    turn();
    asked(ONE("9", "replay", ""));
    EQ_UINT(fx.mended, 1);
    HAS(fx.answers, "\"working\":true");
    end();
}

TEST(run_once_does_errands_too_and_waits_for_them)
{
    begin_as("4711", true, false);
    turn();
    asked(ONE("9", "provision", ""));
    HAS(fx.held, "\"without\":\"sync\"");
    EQ_UINT(fx.provisions, 1);
    NOT(requests_are_settled(fx.tenants));
    answer_provision(ERR_OK, "nothing\n");
    turn();
    IS(requests_are_settled(fx.tenants));
    EQ_UINT(fx.answered, 1);
    end();
}

SUITE(requests, RUN(nothing_asked_costs_no_statement),
      RUN(a_request_of_a_tenant_at_work_is_taken_begun_and_answered),
      RUN(a_request_for_one_feed_polls_that_one),
      RUN(what_is_not_understood_or_cannot_be_done_is_answered_so),
      RUN(without_the_lease_nothing_is_taken),
      RUN(an_answer_that_cannot_be_stored_is_stored_later),
      RUN(run_once_takes_before_it_polls_and_answers_after),
      RUN(an_errand_is_done_under_the_budget_of_the_portal_and_answered),
      RUN(an_errand_that_fails_says_why_and_with_which_code),
      RUN(a_lease_given_up_drops_the_run_and_leaves_the_request_open),
      RUN(what_is_in_hand_is_not_taken_again_and_what_was_dropped_is),
      RUN(an_answer_that_the_database_refuses_is_not_made_again_and_again),
      RUN(a_worker_that_ends_drops_its_runs),
      RUN(a_run_outlives_a_change_of_its_tenant),
      RUN(a_tenant_that_is_paused_beside_one_at_work_is_served),
      RUN(a_tenant_halted_before_its_portal_was_known_is_told_why),
      RUN(before_its_portal_is_known_nothing_is_taken_for_a_tenant),
      RUN(a_candidate_comes_with_its_request),
      RUN(errands_are_bounded_in_number),
      RUN(replayed_jobs_are_looked_for_at_once),
      RUN(run_once_does_errands_too_and_waits_for_them))
