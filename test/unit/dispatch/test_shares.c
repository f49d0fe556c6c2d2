/* SPDX-License-Identifier: UNLICENSED */
/* Who gets a token when not all can: classes, kinds, tenants. */
#include "fake.h"

static struct fx fx;

static const char *const classes[] = {"fresh", "retry", "replay", "backfill",
                                      "reconcile"};

static void
plain_jobs(int64_t tenant, const char *klass, int attempts, int n)
{
    char id[64];

    for (int i = 0; i < n; i++) {
        struct fake_job *j;

        (void)snprintf(id, sizeof(id), "%s-%d-%d-%d", klass, (int)tenant,
                       attempts, i);
        j = fx_plain(&fx, tenant, id);
        fx_set(&j->klass, klass);
        j->attempts = attempts;
    }
}

/* Everything is claimed before the first token is there. */
static void
let_all_go(size_t jobs, int64_t first, int64_t tenants)
{
    fx.hold = HOLD_HUBSPOT;
    for (int64_t t = first; t < first + tenants; t++) {
        fx_add(&fx, t, true);
    }
    dispatch_lease(fx.d, 1, clock_mono_us() + INT64_C(60000000), 500, 600);
    UNTIL(&fx, fx.d->n_jobs == jobs);
    EQ_UINT(fx.n_sent, 0);
}

/* Requests of a tenant among the first `n`. */
static size_t
of_tenant(int64_t tenant, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        found += fx.sent[i].hubspot == fx_hubspot(tenant) ? 1 : 0;
    }
    return found;
}

TEST(classes_get_their_share_of_scarce_tokens)
{
    static const int jobs[] = {1200, 600, 300, 400, 200};
    static const size_t share[] = {10, 4, 2, 3, 1};

    fx_open(&fx, NULL);
    for (int i = 0; i < WORK_CLASSES; i++) {
        plain_jobs(10 + i, classes[i], 0, jobs[i]);
    }
    let_all_go(2700, 10, WORK_CLASSES);
    UNTIL(&fx, fx.n_sent >= 20);
    for (int i = 0; i < WORK_CLASSES; i++) {
        size_t got = of_tenant(10 + i, 20);

        ck_assert_msg(got + 1 >= share[i] && got <= share[i] + 1,
                      "%s: %zu of 20", classes[i], got);
    }
    UNTIL(&fx, fx.n_sent == 27); /* what one does not use others do */
    fx_close(&fx);
}

TEST(what_was_tried_before_is_charged_to_the_retry_share)
{
    fx_open(&fx, NULL);
    plain_jobs(10, "fresh", 0, 1400);
    plain_jobs(11, "fresh", 2, 1400);
    let_all_go(2800, 10, 2);
    UNTIL(&fx, fx.n_sent >= 14);
    IS(of_tenant(11, 14) >= 3 && of_tenant(11, 14) <= 5);
    fx_close(&fx);
}

static void
refuse_tenant_11(struct fx *x, const struct sent *q, struct hubspot_meta *m,
                 struct hubspot_result *r, bool *split)
{
    (void)x;
    if (q->hubspot == fx_hubspot(11) && q->n > 1) {
        fail_all(q, m, r, 400, HUBSPOT_RETRY, ERR_REFUSED);
        *split = true;
    }
}

TEST(halves_of_a_refused_batch_do_not_push_fresh_work_aside)
{
    struct dispatch_config c = fx_config();
    size_t last = 0;

    c.limit = 7;
    c.window_ms = 40;
    fx_open(&fx, &c);
    fx.decide = refuse_tenant_11;
    plain_jobs(11, "fresh", 0, 100);
    plain_jobs(10, "fresh", 0, 3000);
    fx_add(&fx, 11, true);
    fx_add(&fx, 10, true);
    fx_lease(&fx, 60000);
    UNTIL(&fx, of_tenant(10, fx.n_sent) == 30);
    for (size_t i = 0; i < fx.n_sent; i++) {
        last = fx.sent[i].hubspot == fx_hubspot(10) ? i + 1 : last;
    }
    /* 20 of 70 are theirs, though halves were there all the time */
    ck_assert_msg(of_tenant(11, last) >= 6 && of_tenant(11, last) <= 18, "%zu",
                  of_tenant(11, last));
    fx_settle(&fx);
    EQ_UINT(of_tenant(11, fx.n_sent), 199);
    fx_close(&fx);
}

static void
known_customers(int n)
{
    char id[16], link[256];

    for (int i = 0; i < n; i++) {
        (void)snprintf(id, sizeof(id), "k%d", i);
        fx_customer(&fx, id);
        (void)snprintf(link, sizeof(link),
                       "{\"object\":\"companies\",\"key\":\"%s\",\"id\":"
                       "\"c%d\",\"assoc\":[],\"properties\":{\"name\":"
                       "\"Old\"}}",
                       id, i);
        fx_link(&fx, "customer", id, link);
        (void)snprintf(link, sizeof(link),
                       "{\"object\":\"contacts\",\"key\":\"%s\",\"id\":"
                       "\"p%d\",\"assoc\":[\"279:c%d\"],\"properties\":{"
                       "\"fusion_account_number\":\"%s\",\"email\":"
                       "\"%s@example.com\"}}",
                       id, i, i, id, id);
        fx_link(&fx, "customer", id, link);
    }
}

TEST(of_full_lanes_the_one_that_finishes_most_goes_first)
{
    char id[16];

    fx_open(&fx, NULL);
    for (int i = 0; i < 100; i++) { /* have yet to be joined */
        (void)snprintf(id, sizeof(id), "i%d", i);
        fx_invoice(&fx, id, 0, NULL);
    }
    known_customers(100); /* a name has changed, that is all */
    let_all_go(200, TENANT, 1);
    UNTIL(&fx, fx.n_sent == 2);
    EQ_STR(fx_trace(&fx), "upsert companies 100; upsert invoices 100; ");
    fx_close(&fx);
}

TEST(new_customers_finish_nothing_before_they_are_joined)
{
    char id[16];

    fx_open(&fx, NULL);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof(id), "n%d", i);
        fx_customer(&fx, id);
        (void)snprintf(id, sizeof(id), "i%d", i);
        fx_invoice(&fx, id, 0, NULL);
    }
    let_all_go(200, TENANT, 1);
    UNTIL(&fx, fx.n_sent == 3);
    EQ_STR(fx_trace(&fx), "upsert invoices 100; upsert contacts 100; "
                          "upsert companies 100; ");
    fx_close(&fx);
}

static void
make_older(int64_t tenant, int64_t by_us)
{
    struct list *item, *next, *ni, *nn;

    LIST_EACH(&fx.d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

        for (unsigned l = 0; l < LANES && t->id == tenant; l++) {
            LIST_EACH(&t->lanes[l].needs, ni, nn)
            {
                CONTAINER_OF(ni, struct need, link)->since_us -= by_us;
            }
        }
    }
}

TEST(a_few_of_one_tenant_do_not_wait_for_ever_behind_another)
{
    fx_open(&fx, NULL);
    plain_jobs(10, "fresh", 0, 2500);
    fx_customer(&fx, "1008")->tenant = 11; /* partly filled, finishes nothing */
    let_all_go(2501, 10, 2);
    make_older(10, 2000000); /* all that time there was something better */
    make_older(11, INT64_C(6000000));
    UNTIL(&fx, fx.n_sent >= 27);
    EQ_UINT(of_tenant(11, 2), 2);
    fx_close(&fx);
}

/* Memory is not one tenant's: the other is taken up meanwhile. */
TEST(tenants_of_a_portal_with_backlogs_go_on_side_by_side)
{
    struct dispatch_config c = fx_config();

    c.jobs_max = 300;
    fx_open(&fx, &c);
    plain_jobs(10, "fresh", 0, 1500);
    plain_jobs(11, "fresh", 0, 1500);
    fx_add(&fx, 10, true);
    fx_add(&fx, 11, true);
    fx_lease(&fx, 60000);
    UNTIL(&fx, fx.n_sent >= 12);
    ck_assert_msg(of_tenant(11, 12) >= 4 && of_tenant(11, 12) <= 8, "%zu of 12",
                  of_tenant(11, 12));
    fx_settle(&fx);
    IS(of_tenant(11, fx.n_sent) <= 20);
    fx_close(&fx);
}

TEST(a_claim_keeps_room_for_every_class)
{
    static const int parts[] = {250, 100, 50, 75, 25};

    fx_open(&fx, NULL);
    fx_plain(&fx, TENANT, "p1");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.room.jobs, 500);
    for (int i = 0; i < WORK_CLASSES; i++) {
        EQ_INT(fx.room.parts[i], parts[i]);
    }
    fx_close(&fx);
}

SUITE(shares, RUN_LONG(classes_get_their_share_of_scarce_tokens, 20),
      RUN_LONG(what_was_tried_before_is_charged_to_the_retry_share, 20),
      RUN_LONG(halves_of_a_refused_batch_do_not_push_fresh_work_aside, 20),
      RUN_LONG(of_full_lanes_the_one_that_finishes_most_goes_first, 10),
      RUN_LONG(new_customers_finish_nothing_before_they_are_joined, 10),
      RUN_LONG(a_few_of_one_tenant_do_not_wait_for_ever_behind_another, 20),
      RUN_LONG(tenants_of_a_portal_with_backlogs_go_on_side_by_side, 20),
      RUN(a_claim_keeps_room_for_every_class))
