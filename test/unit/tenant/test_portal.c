/* SPDX-License-Identifier: UNLICENSED */
/*
 * Portals and their members: which portal a tenant belongs to, the lease, what
 * comes and goes.
 */
#include "stand_ins.h"

TEST(a_tenant_works_under_the_lease_of_its_portal)
{
    begin("4711");
    turn();
    EQ_STR(fx.taken[0], "4711");
    IS(works_in("4711"));
    EQ_UINT(fx.n_calls, 0);
    EQ_UINT(tenants_count(fx.tenants, "active"), 1);
    end();
    EQ_UINT(fx.released, 1);
    EQ_UINT(fx.frees, 1);
}

TEST(a_tenant_of_an_unknown_portal_asks_which_it_is_and_moves_there)
{
    begin(NULL);
    turn();
    EQ_STR(fx.taken[0], "tenant:5");
    EQ_UINT(fx.n_calls, 1);
    answer_details(ERR_OK);
    turn();
    EQ_UINT(fx.learned, 1);
    EQ_STR(fx.taken[1], "4711");
    IS(works_in("4711"));
    EQ_UINT(fx.released, 1); /* the portal that was only its own */
    end();
}

TEST(credentials_refused_when_asking_halt_the_tenant)
{
    begin(NULL);
    turn();
    answer_details(ERR_CREDENTIALS);
    turn();
    EQ_UINT(fx.halts, 1);
    EQ_UINT(fx.last->n, 0);
    EQ_UINT(tenants_count(fx.tenants, "halted"), 1);
    end();
}

TEST(a_tenant_changed_while_it_asks_for_its_portal_asks_again)
{
    begin(NULL);
    turn();
    EQ_UINT(fx.n_calls, 1);
    fx.rows[0].revision++;
    reload();
    EQ_UINT(fx.n_calls, 2);
    EQ_UINT(fx.frees, 0); /* it does not begin to work there */
    answer_details(ERR_OK);
    turn();
    IS(works_in("4711"));
    end();
}

TEST(a_changed_tenant_is_set_up_anew)
{
    begin("4711");
    turn();
    fx.rows[0].revision++;
    reload();
    IS(works_in("4711"));
    EQ_UINT(fx.frees, 1);
    EQ_UINT(fx.leases, 1);
    end();
}

TEST(a_paused_tenant_gives_its_portal_back_and_a_resumed_one_takes_it_again)
{
    begin("4711");
    turn();
    fx.rows[0].state = "paused";
    reload();
    EQ_UINT(fx.released, 1);
    IS(fx.last == NULL);
    fx.rows[0].state = "active";
    reload();
    EQ_UINT(fx.leases, 2);
    IS(works_in("4711"));
    end();
}

TEST(a_tenant_resumed_while_its_portal_is_given_back_takes_it_again)
{
    begin("4711");
    turn();
    fx.hold_release = true;
    fx.rows[0].state = "paused";
    reload();
    EQ_UINT(fx.released, 1);
    fx.rows[0].state = "active";
    reload();
    EQ_UINT(fx.leases, 1); /* not yet */
    fx.hold_release = false;
    loop_later(fx.loop, &fx.releasing->later, on_done, fx.releasing);
    turn();
    EQ_UINT(fx.leases, 2);
    IS(works_in("4711"));
    end();
}

TEST(a_lost_lease_drops_all_work)
{
    begin("4711");
    turn();
    fx.last->events.lease_lost(fx.last->events.arg);
    turn();
    IS(fx.last == NULL);
    EQ_UINT(fx.frees, 1);
    EQ_UINT(fx.released, 0);
    end();
}

TEST(a_halted_tenant_stops_and_the_lease_stays)
{
    struct fault f;

    begin("4711");
    turn();
    fault_clear(&f);
    (void)fault_set(&f, ERR_CREDENTIALS, "not you");
    fx.last->events.halted(fx.last->events.arg, 5, ERR_CREDENTIALS, &f);
    turn();
    EQ_UINT(fx.halts, 1);
    EQ_UINT(fx.last->n, 0);
    EQ_UINT(fx.released, 0);
    end();
}

TEST(a_held_tenant_stops_says_why_and_gives_its_portal_back)
{
    begin("4711");
    turn();
    fx.feeds.held(fx.feeds.arg,
                  "{\"feed\":\"invoices\",\"opened\":9100,\"usual\":130,"
                  "\"ceiling\":5000,\"records\":{\"invoice\":{\"create\":"
                  "9000,\"change\":100,\"objects\":36000}}}");
    EQ_UINT(fx.last->n, 0); /* nothing more is sent */
    HAS(fx.reason, "a poll of invoices would have to write 9000 new and 100 "
                   "changed invoices");
    HAS(fx.reason, "at most 130 records, the ceiling is 5000");
    HAS(fx.reason, "at least 361 requests"); /* 90 + 270 + 1 */
    HAS(fx.reason, "`ml-connector plan demo`");
    HAS(fx.reason, "`ml-connector tenant resume demo`");
    reload();
    turn();
    EQ_UINT(fx.released, 1);
    end();
}

SUITE(
    portal, RUN(a_tenant_works_under_the_lease_of_its_portal),
    RUN(a_tenant_of_an_unknown_portal_asks_which_it_is_and_moves_there),
    RUN(credentials_refused_when_asking_halt_the_tenant),
    RUN(a_tenant_changed_while_it_asks_for_its_portal_asks_again),
    RUN(a_changed_tenant_is_set_up_anew),
    RUN(a_paused_tenant_gives_its_portal_back_and_a_resumed_one_takes_it_again),
    RUN(a_tenant_resumed_while_its_portal_is_given_back_takes_it_again),
    RUN(a_lost_lease_drops_all_work),
    RUN(a_halted_tenant_stops_and_the_lease_stays),
    RUN(a_held_tenant_stops_says_why_and_gives_its_portal_back))
