/* SPDX-License-Identifier: UNLICENSED */
/*
 * A store of which nothing remains: it sees what is known, keeps what is stored
 * into it, and neither shows nor leaves any of it, nor holds anybody up.
 */
#include "fix.h"

struct jobs {
    struct got *g;
    struct buf b;
};

static void
on_jobs(void *arg, enum err err, const struct store_plan_job *jobs, size_t n,
        const struct fault *fault)
{
    struct jobs *j = arg;

    for (size_t i = 0; i < n; i++) {
        buf_addf(&j->b, "%s:%s %s %s %s %s\n", jobs[i].kind, jobs[i].fusion_id,
                 jobs[i].state, jobs[i].found ? "found" : "open",
                 jobs[i].desired, jobs[i].parents);
    }
    on_done(j->g, err, fault);
}

/* Another fixture whose store is a plan of the tenant. */
static void
plan_open(struct fix *f, struct fix *p, struct got *g, int64_t tenant)
{
    struct store_plan_spec c = {.conninfo = f->conninfo,
                                .application_name = "plan-test",
                                .timeout_ms = 20000,
                                .idle_ms = 60000,
                                .tenant = tenant};
    struct fault fault;

    *p = *f;
    got_clear(g);
    g->f = p;
    OK(store_plan_open(f->loop, &c, on_done, g, &p->s, &fault));
    EQ_INT(g->calls, 0);
    got_wait(p, g);
}

static void
on_closed(void *arg)
{
    loop_stop(arg);
}

static void
plan_close(struct fix *p)
{
    store_plan_close(p->s, on_closed, p->loop);
    loop_run(p->loop);
}

static char *
jobs_of(struct fix *p, int64_t tenant, const char *kind)
{
    struct got g = {0};
    struct jobs j = {.g = &g};
    char *out;

    buf_init(&j.b, 1 << 20);
    g.f = p;
    OK(store_plan_jobs(p->s, tenant, kind, 0, 100, on_jobs, &j, NULL));
    got_wait(p, &g);
    OK(g.err);
    out = buf_take(&j.b, NULL);
    buf_fini(&j.b);
    return out;
}

/* All that is stored, as one text. */
static char *
all_of(struct fix *f)
{
    static const char *const tables[] = {
        "tenant",  "feed",        "cursor", "pass",          "poll",
        "account", "record",      "job",    "contact_email", "minute",
        "noted",   "audit_event", "link"};
    struct buf b;
    char *out;

    buf_init(&b, 1 << 22);
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        buf_addf(&b, "%s\n",
                 fix_sql(f,
                         "SELECT coalesce(string_agg(t::text, '|' ORDER BY "
                         "t::text), '') FROM ml_connector.%s t",
                         tables[i]));
    }
    out = buf_take(&b, NULL);
    buf_fini(&b);
    return out;
}

TEST(plan_keeps_what_is_stored_and_leaves_nothing)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t;
    char *before;
    char *after;
    char *jobs;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 1,
               customer("1008", 1, 'a', "x@x.example"));
    before = all_of(&f);
    plan_open(&f, &p, &g, t);
    OK(g.err);
    fix_intake(&p, &g, t, "invoices", "p2", "fresh", 2,
               invoice("3001", "1008", 1, 'b'));
    OK(g.err);
    EQ_INT(g.intake.opened, 1);
    fix_intake(&p, &g, t, "customers", "p2", "fresh", 2,
               customer("1009", 1, 'c', "x@x.example"));
    EQ_INT(g.intake.opened, 1);
    jobs = jobs_of(&p, t, "customer");
    HAS(jobs, "customer:1008 queued open {");
    HAS(jobs, "customer:1009 queued found {");
    mem_free(jobs);
    jobs = jobs_of(&p, t, "invoice");
    HAS(jobs, "invoice:3001 waiting found {");
    HAS(jobs, "\"coming\": true");
    mem_free(jobs);
    CALL(&p, &g, store_plan_totals, t, 10, on_json);
    OK(g.err);
    HAS(g.json, "\"unchanged\": {}");
    after = all_of(&f); /* nobody else sees it */
    EQ_STR(after, before);
    mem_free(after);
    plan_close(&p);
    after = all_of(&f);
    EQ_STR(after, before);
    mem_free(after);
    mem_free(before);
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_holds_nobody_up)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 1,
               customer("1008", 1, 'a', NULL));
    plan_open(&f, &p, &g, t);
    fix_intake(&p, &g, t, "customers", "p2", "fresh", 2,
               customer("1008", 2, 'b', NULL));
    EQ_INT(g.intake.opened, 1);
    /* the same record, by the worker */
    fix_intake(&f, &g, t, "customers", "p3", "fresh", 3,
               customer("1008", 3, 'c', NULL));
    OK(g.err);
    EQ_INT(g.intake.opened, 1);
    CALL(&f, &g, store_tenant_state, "acme", NULL, "paused", NULL, "operator",
         on_done);
    OK(g.err);
    fix_intake(&p, &g, t, "customers", "p2", "fresh", 4,
               customer("1008", 4, 'b', NULL));
    EQ_INT(g.intake.unchanged, 1);
    plan_close(&p);
    SQL_IS(&f, "c",
           "SELECT substr(encode(hash, 'hex'), 1, 1) FROM ml_connector.record");
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_cannot_write_to_what_it_has_no_copy_of)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    plan_open(&f, &p, &g, t);
    OK(g.err);
    CALL(&p, &g, store_request_add, t, "sync", "{}", "me", on_json);
    IS(g.err != ERR_OK);
    EQ_STR(g.fault.code, "25006");
    plan_close(&p);
    SQL_IS(&f, "0", "SELECT count(*) FROM ml_connector.request");
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_that_is_closed_at_once_tells_nothing)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    struct store_plan_spec c = {.conninfo = NULL, .timeout_ms = 1000};
    struct fault fault;

    fix_open(&f, false);
    c.conninfo = f.conninfo;
    c.tenant = fix_tenant(&f, "acme");
    p = f;
    g.f = &p;
    OK(store_plan_open(f.loop, &c, on_done, &g, &p.s, &fault));
    plan_close(&p);
    EQ_INT(g.calls, 0);
    fix_close(&f);
}

SUITE(plan, RUN_LONG(plan_keeps_what_is_stored_and_leaves_nothing, 20),
      RUN_LONG(plan_holds_nobody_up, 20),
      RUN_LONG(plan_cannot_write_to_what_it_has_no_copy_of, 20),
      RUN_LONG(plan_that_is_closed_at_once_tells_nothing, 20))
