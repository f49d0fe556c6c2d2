/* SPDX-License-Identifier: UNLICENSED */
/*
 * What is here against what the pod has: counted, or against a database that
 * read all of it anew.
 */
#include "compare.h"

int64_t
records(struct pod *p, const char *kind)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind = "
                   "'%s' AND hash IS NOT NULL",
                   kind);
}

size_t
opened(struct pod *p)
{
    size_t n = 0;

    for (unsigned k = 0; k < FEED_KINDS; k++) {
        n += feeds_status(p->feeds, (enum feed_kind)k).opened;
    }
    return n;
}

void
opened_is(struct pod *p, size_t want, const char *after)
{
    PGresult *r = PQexec(p->db, "SELECT string_agg(kind || ':' || fusion_id, "
                                "' ') FROM ml_connector.job WHERE revision "
                                "> 1");
    size_t n = opened(p);

    ck_assert_msg(n == want, "%zu opened, not %zu, after %s; replaced: %s", n,
                  want, after, PQgetvalue(r, 0, 0));
    PQclear(r);
}

void
invoices_are_equal(struct pod *p)
{
    const json_t *items = NULL;
    json_t *all = NULL;

    items = pod_get(p, "dump/invoices?limit=100000");
    all = json_deep_copy(json_object_get(items, "invoices"));
    IS(json_array_size(all) > 0);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *row = json_array_get(all, i);
        const char *id = jsonx_text(row, "CustomerTransactionId");
        size_t lines =
            json_array_size(jsonx_items(row, "receivablesInvoiceLines"));

        EQ_INT(pod_sql(p,
                       "SELECT jsonb_array_length(desired -> 'objects') "
                       "FROM ml_connector.record WHERE kind = 'invoice' "
                       "AND fusion_id = '%s'",
                       id),
               (int64_t)lines + 1);
    }
    EQ_INT(records(p, "invoice"), (int64_t)json_array_size(all));
    json_decref(all);
}

char *
digest(struct pod *p)
{
    PGresult *r = PQexec(
        p->db, "SELECT string_agg(kind || ' ' || fusion_id || ' ' || "
               "encode(hash, 'hex'), E'\n' ORDER BY kind, fusion_id) FROM "
               "ml_connector.record WHERE hash IS NOT NULL AND "
               "state <> 'gone'");
    char *out = NULL;

    IS(PQresultStatus(r) == PGRES_TUPLES_OK);
    out = mem_strdup(PQgetvalue(r, 0, 0));
    PQclear(r);
    return out;
}

void
same_lines(const char *got, const char *want)
{
    while (*got != 0 || *want != 0) {
        size_t a = strcspn(got, "\n");
        size_t b = strcspn(want, "\n");

        ck_assert_msg(a == b && memcmp(got, want, a) == 0,
                      "got  %.*s\nwant %.*s", (int)a, got, (int)b, want);
        got += a + (got[a] != 0);
        want += b + (want[b] != 0);
    }
}

/* What a record is here, for people; of a line of digest(). */
static char *
shown(struct pod *p, const char *line)
{
    char kind[32] = "";
    char id[96] = "";
    char *sql = NULL;
    char *out = NULL;
    PGresult *r = NULL;

    (void)sscanf(line, "%31s %95s", kind, id);
    sql = mem_printf("SELECT left(state || ' version ' || version_us || ' "
                     "read ' || read_us || ' ' || desired::text, 1200) FROM "
                     "ml_connector.record WHERE kind = '%s' AND fusion_id = "
                     "'%s'",
                     kind, id);
    r = PQexec(p->db, sql);
    out = mem_strdup(PQntuples(r) == 1 ? PQgetvalue(r, 0, 0) : "nothing");
    PQclear(r);
    mem_free(sql);
    return out;
}

/* On stderr, what the first line that differs is about. */
static void
show_difference(struct pod *p, struct pod *fresh, const char *got,
                const char *want)
{
    size_t n = 0;

    while (*got != 0 && *want != 0) {
        size_t a = strcspn(got, "\n");

        if (strncmp(got, want, a + 1) != 0) {
            char *is = shown(p, got);
            char *should = shown(fresh, got);

            (void)fprintf(stderr, "here   %s\nanew   %s\n", is, should);
            mem_free(is);
            mem_free(should);
            return;
        }
        n = a + (got[a] != 0);
        got += n;
        want += n;
    }
}

void
is_as_from_scratch(struct pod *p, const struct pod_spec *spec)
{
    struct pod_spec plain = {.index = spec->index};
    struct pod fresh;
    char *want = NULL;
    char *got = digest(p);

    pod_open(&fresh, &plain);
    pod_round_ok(&fresh);
    want = digest(&fresh);
    show_difference(p, &fresh, got, want);
    same_lines(got, want);
    mem_free(got);
    mem_free(want);
    pod_close(&fresh);
}

/* The lines of what a new database gets are all among ours. */
static void
has_lines_of_scratch(struct pod *p, size_t index, char *(*lines)(struct pod *p))
{
    struct pod fresh;
    char *want = NULL;
    char *got = lines(p);
    char *line = NULL;

    pod_open(&fresh, &(struct pod_spec){.index = index});
    pod_round_ok(&fresh);
    want = lines(&fresh);
    IS(*want != 0);
    for (line = want; *line != 0;) {
        size_t n = strcspn(line, "\n");
        bool last = line[n] == 0;

        line[n] = 0;
        ck_assert_msg(strstr(got, line) != NULL, "missing: %s\n%s\nhere:\n%s",
                      line, shown(&fresh, line), shown(p, line));
        line += n + !last;
    }
    mem_free(got);
    mem_free(want);
    pod_close(&fresh);
}

void
has_all_of_scratch(struct pod *p, size_t index)
{
    has_lines_of_scratch(p, index, digest);
}

static char *
digest_without_contacts(struct pod *p)
{
    PGresult *r = PQexec(
        p->db,
        "SELECT string_agg(kind || ' ' || fusion_id || ' ' || "
        "CASE kind WHEN 'customer' THEN md5(desired #>> "
        "'{objects,0}') ELSE encode(hash, 'hex') END, E'\n' ORDER BY kind, "
        "fusion_id) FROM ml_connector.record WHERE hash IS NOT NULL "
        "AND state <> 'gone'");
    char *out = NULL;

    IS(PQresultStatus(r) == PGRES_TUPLES_OK);
    out = mem_strdup(PQgetvalue(r, 0, 0));
    PQclear(r);
    return out;
}

void
has_all_but_contacts(struct pod *p, size_t index)
{
    has_lines_of_scratch(p, index, digest_without_contacts);
}

void
reads_all_with(size_t index, const char *switches, int version, unsigned page)
{
    struct pod_spec spec = {.index = index, .version = version, .page = page};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?%s", switches);
    pod_round_ok(&p);
    invoices_are_equal(&p);
    (void)pod_post(&p, "switches?reset=1");
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

/* ---- accounts kept ------------------------------------------------------ */

int64_t
cost(struct pod *p, const char *feed)
{
    return pod_sql(p,
                   "SELECT requests FROM ml_connector.poll WHERE feed = '%s' "
                   "AND outcome <> '' ORDER BY started_at DESC LIMIT 1",
                   feed);
}

int64_t
events(struct pod *p, const char *event)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.audit_event WHERE "
                   "event = '%s'",
                   event);
}

bool
record_is(struct pod *p, int64_t id, const char *text)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind = "
                   "'invoice' AND fusion_id = '%" PRId64 "' AND "
                   "desired::text LIKE '%%%s%%'",
                   id, text) == 1;
}

/* ---- acting ------------------------------------------------------------- */

void
settle(struct pod *p)
{
    (void)pod_sql(
        p, "WITH done AS (DELETE FROM ml_connector.job RETURNING *), "
           "counted AS (UPDATE ml_connector.poll p SET written = p.written "
           "+ d.n FROM (SELECT poll, feed, count(*) AS n FROM done GROUP BY "
           "poll, feed) d WHERE p.poll = d.poll AND p.feed = d.feed), "
           "linked AS (INSERT INTO ml_connector.link (tenant_id, kind, "
           "fusion_id, object, key, hubspot_id) SELECT d.tenant_id, d.kind, "
           "d.fusion_id, o.object, o.object, d.id::text FROM done d JOIN "
           "(VALUES ('customer', 'companies'), ('customer', 'contacts'), "
           "('invoice', 'invoices')) o(kind, object) ON o.kind = d.kind ON "
           "CONFLICT DO NOTHING) "
           "UPDATE ml_connector.record r SET state = 'current' FROM done d "
           "WHERE r.kind = d.kind AND r.fusion_id = d.fusion_id AND r.state "
           "= 'pending'");
    EQ_INT(pod_sql(p, "SELECT count(*) FROM ml_connector.job"), 0);
}

void
forget(struct pod *p, const char *kind, int64_t id)
{
    settle(p);
    (void)pod_sql(p,
                  "WITH l AS (DELETE FROM ml_connector.link WHERE kind = '%s' "
                  "AND fusion_id = '%" PRId64 "') DELETE FROM "
                  "ml_connector.record WHERE kind = '%s' AND fusion_id = "
                  "'%" PRId64 "'",
                  kind, id, kind, id);
}

int64_t
open_invoice(struct pod *p, int n)
{
    int64_t id = pod_sql(p,
                         "SELECT fusion_id FROM ml_connector.record WHERE "
                         "kind = 'invoice' AND open AND NOT draft AND desired "
                         "->> 'status' = 'open' AND balance > 10 ORDER BY "
                         "fusion_id OFFSET %d LIMIT 1",
                         n);

    IS(id > 0);
    return id;
}
