/* SPDX-License-Identifier: UNLICENSED */
/* Never more requests in any window than the portal allows. */
#include "fake.h"

static struct fx fx;

enum { LIMIT = 7, WINDOW_MS = 60 };

static void
open_small(void)
{
    struct dispatch_config c = fx_config();

    c.limit = LIMIT;
    c.window_ms = WINDOW_MS;
    fx_open(&fx, &c);
}

static void
invoices(int n)
{
    char id[16];

    for (int i = 0; i < n; i++) {
        (void)snprintf(id, sizeof(id), "i%d", i);
        fx_invoice(&fx, id, 2, "open");
    }
}

static void
never_too_many(const int64_t *at, size_t n)
{
    for (size_t i = LIMIT; i < n; i++) {
        IS(at[i] - at[i - LIMIT] >= WINDOW_MS * 1000);
    }
}

TEST(no_window_sees_more_requests_than_the_limit)
{
    int64_t at[SENT_MAX];

    open_small();
    invoices(700); /* 7 + 14 batches of objects, 2 of status, associations */
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx.n_sent > 3 * LIMIT);
    for (size_t i = 0; i < fx.n_sent; i++) {
        at[i] = fx.sent[i].at_us;
    }
    never_too_many(at, fx.n_sent);
    EQ_UINT(dispatch_status(fx.d).requests, fx.n_sent);
    fx_close(&fx);
}

TEST(calls_of_provisioning_count_against_the_limit_too)
{
    int64_t at[SENT_MAX];
    size_t n = 0;

    open_small();
    fx.provision_calls = 12;
    invoices(100);
    fx_add(&fx, TENANT, false);
    fx_lease(&fx, 60000);
    fx_settle(&fx);
    for (size_t i = 0; i < fx.n_calls; i++) {
        at[n++] = fx.call_us[i];
    }
    for (size_t i = 0; i < fx.n_sent; i++) {
        at[n++] = fx.sent[i].at_us;
    }
    IS(n > 2 * LIMIT);
    never_too_many(at, n);
    fx_close(&fx);
}

TEST(several_tenants_of_a_portal_share_one_limit)
{
    int64_t at[SENT_MAX];
    char id[16];

    open_small();
    for (int i = 0; i < 1200; i++) {
        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, 10 + i % 3, id);
    }
    for (int i = 0; i < 3; i++) {
        fx_add(&fx, 10 + i, true);
    }
    fx_lease(&fx, 60000);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 12);
    for (size_t i = 0; i < fx.n_sent; i++) {
        at[i] = fx.sent[i].at_us;
    }
    never_too_many(at, fx.n_sent);
    fx_close(&fx);
}

TEST(requests_in_flight_hold_their_tokens)
{
    char id[16];

    open_small();
    fx.hold = HOLD_HUBSPOT;
    for (int i = 0; i < 1200; i++) {
        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, TENANT, id);
    }
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == LIMIT);
    fx_quiet(&fx);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, LIMIT); /* however long the answers take */
    EQ_UINT(dispatch_status(fx.d).tokens_out, LIMIT);
    fx_let(&fx, HOLD_HUBSPOT);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 12);
    fx_close(&fx);
}

TEST(tokens_a_predecessor_left_out_are_not_used)
{
    int64_t begun_us = clock_mono_us();

    open_small();
    fx_plain(&fx, TENANT, "p1");
    fx_add(&fx, TENANT, true);
    dispatch_lease(fx.d, 1, begun_us + INT64_C(60000000), UINT32_MAX, 120);
    fx_settle(&fx);
    IS(fx.sent[0].at_us - begun_us >= 120000);
    fx_close(&fx);
}

TEST(a_put_back_request_gives_its_token_back)
{
    struct dispatch_config c = fx_config();
    int64_t back_ms = -1;

    c.limit = 1;
    c.window_ms = 400;
    fx_open(&fx, &c);
    fx.write_err = ERR_DB_AWAY;
    fx_plain(&fx, TENANT, "p1");
    fx_start(&fx);
    UNTIL(&fx, buf_text(&fx.operations)[0] != '\0');
    UNTIL(&fx, dispatch_tokens_out(fx.d, &back_ms) == 0);
    EQ_INT(back_ms, 0);
    fx.write_err = ERR_OK;
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 1);
    EQ_UINT(dispatch_tokens_out(fx.d, &back_ms), 1);
    IS(back_ms > 0 && back_ms <= 404);
    fx_close(&fx);
}

SUITE(budget, RUN_LONG(no_window_sees_more_requests_than_the_limit, 20),
      RUN_LONG(calls_of_provisioning_count_against_the_limit_too, 10),
      RUN_LONG(several_tenants_of_a_portal_share_one_limit, 10),
      RUN_LONG(requests_in_flight_hold_their_tokens, 10),
      RUN(tokens_a_predecessor_left_out_are_not_used),
      RUN_LONG(a_put_back_request_gives_its_token_back, 10))
