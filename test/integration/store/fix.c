/* SPDX-License-Identifier: UNLICENSED */
/*
 * The fixture; see fix.h. Databases are made by copying a migrated template,
 * which takes a fraction of migrating.
 */
#include "fix.h"

#include <stdarg.h>
#include <unistd.h>

#include "pg_temp.h"

static struct pg_temp server;
static unsigned databases;

/* ---- plain SQL ---------------------------------------------------------- */

static PGconn *
db_open(const char *conninfo)
{
    PGconn *db = PQconnectdb(conninfo);

    if (PQstatus(db) != CONNECTION_OK) {
        (void)fprintf(stderr, "%s", PQerrorMessage(db));
        abort(); /* not an assertion of Check: main() comes here too */
    }
    PQsetNoticeProcessor(db, NULL, NULL);
    return db;
}

const char *
fix_sql(struct fix *f, const char *fmt, ...)
{
    static char kept[8][65536];
    static unsigned next;
    char *out = kept[next++ % 8];
    static char sql[65536];
    PGresult *r;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sql, sizeof(sql), fmt, ap);
    va_end(ap);
    r = PQexec(f->db, sql);
    ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK ||
                      PQresultStatus(r) == PGRES_COMMAND_OK,
                  "%s: %s", sql, PQerrorMessage(f->db));
    (void)snprintf(out, sizeof(kept[0]), "%s",
                   PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return out;
}

const char *
text(const char *fmt, ...)
{
    static char kept[8][8192];
    static unsigned next;
    char *out = kept[next++ % 8];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(out, sizeof(kept[0]), fmt, ap);
    va_end(ap);
    return out;
}

/* ---- life --------------------------------------------------------------- */

static void
on_closed(void *arg)
{
    loop_stop(arg);
}

static void
store_side_open(struct fix *f)
{
    struct pg_config config = {
        .conninfo = f->conninfo,
        .connections = 2,
        .statement_timeout_ms = 20000,
        .application_name = "store-test",
    };
    struct fault fault;

    f->loop = loop_new();
    if (pg_open(f->loop, &config, &f->pg, &fault) != ERR_OK) {
        abort();
    }
    f->s = store_new(f->loop, f->pg);
}

static void
store_side_close(struct fix *f)
{
    store_free(f->s);
    pg_close(f->pg, on_closed, f->loop);
    loop_run(f->loop);
    OK(loop_free(f->loop));
}

void
fix_open(struct fix *f, bool empty)
{
    char name[64];
    PGconn *admin = db_open(server.conninfo);
    PGresult *r;

    memset(f, 0, sizeof(*f));
    (void)snprintf(name, sizeof(name), "t%ld_%u", (long)getpid(), databases++);
    r = PQexec(admin, text("CREATE DATABASE %s%s", name,
                           empty ? "" : " TEMPLATE migrated"));
    ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s",
                  PQerrorMessage(admin));
    PQclear(r);
    PQfinish(admin);
    (void)snprintf(f->conninfo, sizeof(f->conninfo),
                   "host=%s user=postgres dbname=%s", server.dir, name);
    f->db = db_open(f->conninfo);
    store_side_open(f);
}

void
fix_second(struct fix *f, struct fix *second, const char *extra)
{
    memset(second, 0, sizeof(*second));
    (void)snprintf(second->conninfo, sizeof(second->conninfo), "%.250s%.60s",
                   f->conninfo, extra);
    second->db = db_open(f->conninfo);
    store_side_open(second);
}

void
fix_close(struct fix *f)
{
    store_side_close(f);
    PQfinish(f->db);
}

void
fix_server_start(void)
{
    struct fix f = {0};
    struct got g = {0};
    PGconn *admin;

    pg_temp_start(&server);
    admin = db_open(server.conninfo);
    PQclear(PQexec(admin, "CREATE DATABASE migrated"));
    PQfinish(admin);
    (void)snprintf(f.conninfo, sizeof(f.conninfo),
                   "host=%s user=postgres dbname=migrated", server.dir);
    store_side_open(&f);
    if (store_migrate(f.s, on_json, &g, NULL) != ERR_OK) {
        abort();
    }
    g.f = &f;
    loop_run(f.loop);
    if (g.err != ERR_OK) {
        (void)fprintf(stderr, "migrate: %s %s\n", g.fault.code,
                      g.fault.message);
        pg_temp_stop(&server);
        abort();
    }
    got_clear(&g);
    store_free(f.s);
    pg_close(f.pg, on_closed, f.loop);
    loop_run(f.loop);
    if (loop_free(f.loop) != ERR_OK) {
        abort();
    }
}

void
fix_server_stop(void)
{
    pg_temp_stop(&server);
}

/* ---- answers ------------------------------------------------------------ */

void
got_clear(struct got *g)
{
    mem_free(g->json);
    mem_free(g->text);
    for (size_t i = 0; i < COUNT_OF(g->lists); i++) {
        mem_free(g->lists[i]);
    }
    memset(g, 0, sizeof(*g));
}

void
got_wait(struct fix *f, struct got *g)
{
    while (g->calls == 0) {
        loop_run(f->loop);
    }
    EQ_INT(g->calls, 1);
}

static struct got *
told(void *arg, enum err err, const struct fault *f)
{
    struct got *g = arg;

    g->calls++;
    g->err = err;
    if (f != NULL) {
        g->fault = *f;
    }
    loop_stop(g->f->loop);
    return g;
}

void
on_done(void *arg, enum err err, const struct fault *f)
{
    (void)told(arg, err, f);
}

void
on_json(void *arg, enum err err, const char *json, const struct fault *f)
{
    told(arg, err, f)->json = mem_strdup(json);
}

void
on_tenants(void *arg, enum err err, const struct store_tenant *rows, size_t n,
           const struct fault *f)
{
    struct got *g = told(arg, err, f);
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        buf_addf(&b, "%s %s %s %s %s rev=%" PRId64 "\n", rows[i].name,
                 rows[i].state, rows[i].portal ? rows[i].portal : "-",
                 rows[i].settings, rows[i].sealed, rows[i].revision);
        g->asked = g->asked || rows[i].asked;
    }
    g->n = n;
    g->text = mem_strdup(buf_text(&b));
    buf_fini(&b);
}

const struct store_lessee *
lessee(const char *worker, int64_t ttl_ms)
{
    static struct store_lessee who;

    who = (struct store_lessee){
        .worker = worker, .ttl_ms = ttl_ms, .window_ms = 10000};
    return &who;
}

void
on_lease(void *arg, enum err err, const struct store_lease *lease,
         const struct fault *f)
{
    struct got *g = told(arg, err, f);

    if (lease != NULL) {
        g->lease = *lease;
        g->text = mem_strdup(lease->holder);
        g->lease.holder = g->text;
    }
}

void
on_intake(void *arg, enum err err, const struct store_intake_result *r,
          const struct fault *f)
{
    struct got *g = told(arg, err, f);

    if (r != NULL) {
        g->intake = *r;
        g->lists[0] = mem_strdup(r->unknown_customers);
        g->lists[1] = mem_strdup(r->stale_customers);
        g->lists[2] = mem_strdup(r->unknown_invoices);
        g->lists[3] = mem_strdup(r->touched_invoices);
        g->json = mem_strdup(r->held);
    }
}

void
on_claim(void *arg, enum err err, const struct store_claim *c,
         const struct fault *f)
{
    struct got *g = told(arg, err, f);
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; c != NULL && i < c->n; i++) {
        const struct store_job *j = &c->jobs[i];

        buf_addf(&b, "%s:%s r%" PRId64 " %s%s a%u holder=%s %s %s %s\n",
                 j->kind, j->fusion_id, j->revision, j->klass,
                 j->verify ? " verify" : "", j->attempts, j->email_holder,
                 j->parents, j->links, j->desired);
    }
    if (c != NULL) {
        g->n = c->n;
        g->next_due_ms = c->next_due_ms;
        g->lease_lost = c->lease_lost;
    }
    g->text = mem_strdup(buf_text(&b));
    buf_fini(&b);
}

void
on_outcome(void *arg, enum err err, size_t released, const struct fault *f)
{
    told(arg, err, f)->n = released;
}

/* ---- scenes ------------------------------------------------------------- */

int64_t
fix_tenant(struct fix *f, const char *name)
{
    struct got g = {0};
    int64_t id;

    CALL(f, &g, store_tenant_add, name, "{}", "{}", "ann@host", on_done);
    OK(g.err);
    id = strtoll(fix_sql(f,
                         "SELECT id FROM ml_connector.tenant "
                         "WHERE name = '%s'",
                         name),
                 NULL, 10);
    CALL(f, &g, store_tenant_learn, id, text("P-%s", name), "{}", on_done);
    OK(g.err);
    CALL(f, &g, store_lease_take, text("P-%s", name), lessee("w1", 60000),
         on_lease);
    OK(g.err);
    IS(g.lease.held);
    EQ_INT(g.lease.term, 1);
    got_clear(&g);
    return id;
}

static const char *
portal_of(struct fix *f, int64_t tenant)
{
    return fix_sql(f,
                   "SELECT portal FROM ml_connector.tenant WHERE id = "
                   "%" PRId64,
                   tenant);
}

void
fix_intake(struct fix *f, struct got *g, int64_t tenant, const char *feed,
           const char *poll, const char *klass, int64_t read_s,
           const char *records)
{
    struct store_intake in = {
        .tenant = tenant,
        .feed = feed,
        .worker = "w1",
        .poll = poll,
        .klass = klass,
        .read_us = read_s * 1000000,
        .reader = f->reader,
        .records = text("[%s]", records),
    };

    in.read = (size_t)strtoull(
        fix_sql(f, "SELECT jsonb_array_length($x$%s$x$)", in.records), NULL,
        10);
    CALL(f, g, store_intake, &in, on_intake);
    ck_assert_msg(g->err == ERR_OK, "%s %s", g->fault.code, g->fault.message);
}

/* For so many jobs, none kept for any class. */
const struct store_room *
fix_room(unsigned jobs)
{
    static struct store_room room;

    room.jobs = jobs;
    return &room;
}

void
fix_claim(struct fix *f, struct got *g, int64_t tenant, unsigned limit)
{
    fix_claim_room(f, g, tenant, fix_room(limit));
}

void
fix_claim_room(struct fix *f, struct got *g, int64_t tenant,
               const struct store_room *room)
{
    CALL(f, g, store_claim, tenant, portal_of(f, tenant), 1, room, on_claim);
    ck_assert_msg(g->err == ERR_OK, "%s %s", g->fault.code, g->fault.message);
}

void
fix_outcome(struct fix *f, struct got *g, int64_t tenant, const char *links,
            const char *jobs, const char *audit)
{
    struct store_outcome out = {
        .tenant = tenant,
        .portal = portal_of(f, tenant),
        .worker = "w1",
        .term = 1,
        .links = links,
        .jobs = jobs,
        .audit = audit,
    };

    CALL(f, g, store_outcome, &out, on_outcome);
    ck_assert_msg(g->err == ERR_OK, "%s %s", g->fault.code, g->fault.message);
}

static const char *
hex(char digit)
{
    static char out[HASH_TEXT_MAX];

    memset(out, digit, HASH_TEXT_MAX - 1);
    return out;
}

const char *
customer(const char *id, int version, char hash, const char *email)
{
    return text("{\"kind\":\"customer\",\"id\":\"%s\",\"number\":\"%s\","
                "\"email\":%s%s%s,\"version_us\":%d,\"hash\":\"%s\","
                "\"desired\":{\"objects\":[{\"object\":\"companies\"}]}}",
                id, id, email ? "\"" : "", email ? email : "null",
                email ? "\"" : "", version, hex(hash));
}

const char *
invoice(const char *id, const char *account, int version, char hash)
{
    return text("{\"kind\":\"invoice\",\"id\":\"%s\",\"number\":\"N%s\","
                "\"customer\":%s%s%s,\"amount\":\"100.10\","
                "\"currency\":\"USD\",\"open\":true,\"version_us\":%d,"
                "\"account_name\":\"Acme\",\"contact_name\":\"Ann\","
                "\"party\":\"77\",\"contact_email\":\"a@x.example\","
                "\"hash\":\"%s\",\"desired\":{\"objects\":[],"
                "\"status\":\"open\"},\"notes\":[{\"event\":"
                "\"industry_unmapped\",\"message\":\"m\"}]}",
                id, id, account ? "\"" : "", account ? account : "null",
                account ? "\"" : "", version, hex(hash));
}

const char *
payment(const char *id, const char *account, const char *inv, int version,
        char hash)
{
    return text("{\"kind\":\"payment\",\"id\":\"%s\",\"receipt\":\"9\","
                "\"customer\":%s%s%s,\"invoice\":%s%s%s,"
                "\"version_us\":%d,\"hash\":\"%s\",\"desired\":{\"objects\":"
                "[]%s}}",
                id, account ? "\"" : "", account ? account : "null",
                account ? "\"" : "", inv ? "\"" : "", inv ? inv : "null",
                inv ? "\"" : "", version, hex(hash),
                hash == '0' ? ",\"gone\":true" : "");
}

void
fix_link(struct fix *f, int64_t tenant, const char *kind, const char *id)
{
    bool is_customer = strcmp(kind, "customer") == 0;

    (void)fix_sql(f,
                  "INSERT INTO ml_connector.link (tenant_id, kind, fusion_id,"
                  " object, key, hubspot_id) SELECT %" PRId64 ", '%s', '%s',"
                  " o, '%s', 'H-' || o || '-%s' FROM unnest('{%s}'::text[]) "
                  "o ON CONFLICT DO NOTHING",
                  tenant, kind, id, id, id,
                  is_customer ? "companies,contacts" : "invoices");
}
