/* SPDX-License-Identifier: UNLICENSED */
/* What commands ask of the worker that holds a tenant's portal. */
#include "stand_ins.h"

#define ROW(more)                                                              \
    "[{\"id\":9,\"tenant\":5,\"command\":\"sync\",\"arguments\":{" more "}}]"

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
    fx.asked = "[{\"id\":10,\"tenant\":5,\"command\":\"dance\","
               "\"arguments\":{}}]";
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
    fx.last->events.lease_lost(fx.last->events.arg);
    turn();
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

SUITE(requests, RUN(nothing_asked_costs_no_statement),
      RUN(a_request_of_a_tenant_at_work_is_taken_begun_and_answered),
      RUN(a_request_for_one_feed_polls_that_one),
      RUN(what_is_not_understood_or_cannot_be_done_is_answered_so),
      RUN(without_the_lease_nothing_is_taken),
      RUN(an_answer_that_cannot_be_stored_is_stored_later),
      RUN(run_once_takes_before_it_polls_and_answers_after))
