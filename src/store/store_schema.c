/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: the schema's life. Migrating takes three transactions:
 *
 *     look (is there a schema?) -> versions -> script -> versions -> told
 *                 +--- none: script --------------^
 *
 * The script holds a transaction-level advisory lock and runs each migration
 * only when its version row is not there yet, so that two at once do it once.
 * Version rows carry the SHA-256 of the script they came from; one that was
 * changed afterwards is refused. token says which run wrote a row.
 */
#include "store_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SCRIPT_MAX = 4 * 1024 * 1024, ANSWER_MAX = 64 * 1024 };

struct store_migration {
    char token[RANDOM_ID_MAX];
    int from; /* -1: not looked yet */

    bool applied; /* the script has run */
};

static const char role_sql[] =
    "CREATE ROLE ml_dashboard NOLOGIN; "
    "GRANT USAGE ON SCHEMA ml_dashboard TO ml_dashboard; "
    "GRANT SELECT ON ALL TABLES IN SCHEMA ml_dashboard TO ml_dashboard;";

static const char script_head[] =
    "SELECT pg_advisory_xact_lock(7813305180244900);\n"
    "DO $ml$ BEGIN\n"
    "IF to_regnamespace('ml_connector') IS NULL THEN\n"
    "CREATE SCHEMA ml_connector;\nEND IF;\n"
    "IF to_regclass('ml_connector.schema_version') IS NULL THEN\n"
    "CREATE TABLE ml_connector.schema_version (version integer PRIMARY KEY, "
    "name text NOT NULL, checksum text NOT NULL, "
    "compatible_from integer NOT NULL, token text, "
    "applied_at timestamptz NOT NULL DEFAULT now());\n"
    "END IF;\nEND $ml$;\n";

static const char script_tail[] =
    "DO $ml$ BEGIN\n"
    "IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles "
    "WHERE rolname = 'ml_dashboard') THEN\n"
    "BEGIN\nCREATE ROLE ml_dashboard NOLOGIN;\n"
    "EXCEPTION WHEN insufficient_privilege OR duplicate_object OR "
    "unique_violation THEN NULL;\nEND;\nEND IF;\n"
    "IF EXISTS (SELECT FROM pg_catalog.pg_roles "
    "WHERE rolname = 'ml_dashboard') THEN\n"
    /* The query above sees a role that was made this moment from another
     * database; names are looked up as of the last lock of another kind. */
    "LOCK TABLE ml_connector.schema_version IN SHARE ROW EXCLUSIVE MODE;\n"
    "GRANT USAGE ON SCHEMA ml_dashboard TO ml_dashboard;\n"
    "GRANT SELECT ON ALL TABLES IN SCHEMA ml_dashboard TO ml_dashboard;\n"
    "END IF;\nEND $ml$;\n";

int
store_schema_version(void)
{
    return STORE_SCHEMA_VERSION;
}

void
store_migration_free(struct store_migration *m)
{
    mem_free(m);
}

static void
script_hash(const struct store_script *s, char out[HASH_TEXT_MAX])
{
    struct hash h = hash_sha256(s->sql, strlen(s->sql));

    (void)hash_text(&h, out);
}

/* Whether the versions of the database fit; *top is its version. */
static enum err
versions_judge(const struct pg_reply *r, size_t at, int *top, struct fault *f)
{
    size_t n = pg_rows(r, at);
    int64_t compatible = 0;

    *top = 0;
    for (size_t i = 0; i < n; i++) {
        int version = (int)pg_int(r, at, i, "version");
        char sum[HASH_TEXT_MAX];

        *top = version;
        compatible = pg_int(r, at, i, "compatible_from");
        if (version < 1 || version > STORE_SCHEMA_VERSION) {
            continue;
        }
        script_hash(&store_scripts[version - 1], sum);
        if (strcmp(sum, pg_text(r, at, i, "checksum")) != 0) {
            return fault_set(f, ERR_SCHEMA_NEW,
                             "migration %s in the database is not the one "
                             "this program knows",
                             pg_text(r, at, i, "name"));
        }
    }
    if (compatible > STORE_SCHEMA_VERSION) {
        return fault_set(f, ERR_SCHEMA_NEW,
                         "the schema is version %d and needs a program for "
                         "version %" PRId64 " or later; this one is for %d",
                         *top, compatible, STORE_SCHEMA_VERSION);
    }
    return ERR_OK;
}

/* ---- check -------------------------------------------------------------- */

static void
finish_check(struct store_op *op, enum err err, const struct pg_reply *r,
             const struct fault *f)
{
    struct fault own;
    int top = 0;

    fault_clear(&own);
    if (err == ERR_OK) {
        err = versions_judge(r, 0, &top, &own);
        if (err == ERR_OK && top < STORE_SCHEMA_VERSION) {
            err = fault_set(&own, ERR_SCHEMA_OLD,
                            "the schema is version %d, this program needs "
                            "%d: run ml-connector migrate",
                            top, STORE_SCHEMA_VERSION);
        }
        f = &own;
    } else if (err == ERR_SCHEMA_OLD) {
        (void)fault_set(&own, err,
                        "there is no schema yet: run ml-connector migrate");
        f = &own;
    }
    op->done.none(op->arg, err, f);
}

enum err
store_check(struct store *s, store_done_fn *done, void *arg,
            struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_check, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_SCHEMA_VERSIONS, NULL);
    return store_op_send(o, &c, op);
}

static void
finish_upkeep(struct store_op *op, enum err err, const struct pg_reply *r,
              const struct fault *f)
{
    struct store *s = op->s;
    struct fault late;

    fault_clear(&late);
    if (err == ERR_OK && !pg_bool(r, 0, 0, "ahead")) {
        (void)fault_set(&late, ERR_DB_TIMEOUT,
                        "the audit has no partition for next month yet: "
                        "something has read from it or locked it for long, see "
                        "pg_stat_activity");
        late.err = ERR_OK;
        f = &late;
    }
    if (err == ERR_OK) {
        mem_free(s->released_name);
        s->released_name = mem_strdup(pg_text(r, op->at, 0, "name"));
        s->released_tenant =
            s->released_name != NULL ? pg_int(r, op->at, 0, "tenant") : 0;
    }
    op->done.none(op->arg, err, f);
}

enum err
store_upkeep(struct store *s, int64_t retention_ms, store_done_fn *done,
             void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_upkeep, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, 0);
    (void)store_call_add(
        &c, SQL_UPKEEP_AUDIT,
        (const char *const[]){store_call_int(&c, retention_ms)});
    o->at = store_call_add(
        &c, SQL_JOB_RELEASE,
        (const char *const[]){NULL, store_call_int(&c, s->released_tenant),
                              s->released_name});
    (void)store_call_add(&c, SQL_UPKEEP_PRUNE, NULL);
    (void)store_call_add(&c, SQL_UPKEEP_PLANS, NULL);
    return store_op_send(o, &c, op);
}

/* ---- migrate ------------------------------------------------------------ */

static void
migrate_tell(struct store_op *op, enum err err, const char *json,
             const struct fault *f)
{
    struct store_op told = *op;

    op->migration = NULL;
    store_op_free(op);
    told.done.json(told.arg, err, json, f);
    store_migration_free(told.migration);
}

static void
migrate_fail(struct store_op *op, enum err err)
{
    struct fault f;

    fault_clear(&f);
    (void)fault_set(&f, err, "%s", err_text(err));
    migrate_tell(op, err, NULL, &f);
}

static void
migrate_answer(struct store_op *op, const struct pg_reply *r)
{
    const struct store_migration *m = op->migration;
    struct fault none;
    struct buf b;
    size_t n = pg_rows(r, 0);
    const char *comma = "";
    int64_t to = 0;

    buf_init(&b, ANSWER_MAX);
    buf_addf(&b, "{\"from\":%d,\"applied\":[", m->from);
    for (size_t i = 0; i < n; i++) {
        to = pg_int(r, 0, i, "version");
        if (text_equal(pg_text(r, 0, i, "token"), m->token)) {
            buf_addf(&b, "%s\"%s\"", comma, pg_text(r, 0, i, "name"));
            comma = ",";
        }
    }
    buf_addf(&b, "],\"to\":%" PRId64, to);
    if (!pg_bool(r, 1, 0, "role")) {
        buf_addf(&b, ",\"role_sql\":\"%s\"", role_sql);
    }
    buf_addc(&b, '}');
    fault_clear(&none);
    migrate_tell(op, ERR_OK, buf_text(&b), &none);
    buf_fini(&b);
}

static void migrate_versions(struct store_op *op);

static void
on_script(void *arg, enum err err, const struct pg_reply *r)
{
    struct store_op *op = arg;
    struct fault f;

    ML_ASSERT(op != NULL && op->magic == STORE_OP_MAGIC);
    op->pg = NULL;
    err = store_reply_err(err, r, &f);
    if (err != ERR_OK) {
        migrate_tell(op, err, NULL, &f);
        return;
    }
    op->migration->applied = true;
    migrate_versions(op);
}

static void
script_add(struct buf *b, const struct store_script *s, const char *token)
{
    char sum[HASH_TEXT_MAX];

    script_hash(s, sum);
    buf_addf(b,
             "DO $ml$ BEGIN\nIF NOT EXISTS (SELECT FROM "
             "ml_connector.schema_version WHERE version = %d) THEN\n"
             "EXECUTE $ml_script$\n",
             s->version);
    buf_adds(b, s->sql);
    buf_addf(b,
             "\n$ml_script$;\nINSERT INTO ml_connector.schema_version "
             "(version, name, checksum, compatible_from, token) VALUES "
             "(%d, '%s', '%s', %d, '%s');\nEND IF;\nEND $ml$;\n",
             s->version, s->name, sum, s->compatible_from, token);
}

static void
migrate_script(struct store_op *op)
{
    struct buf b;
    enum err err;

    buf_init(&b, SCRIPT_MAX);
    buf_adds(&b, script_head);
    for (int i = 0; i < STORE_SCHEMA_VERSION; i++) {
        script_add(&b, &store_scripts[i], op->migration->token);
    }
    buf_adds(&b, script_tail);
    ML_ASSERT(!b.failed);
    err = pg_script(op->s->pg, buf_text(&b), 0, on_script, op, &op->pg);
    buf_fini(&b);
    if (err != ERR_OK) {
        op->pg = NULL;
        migrate_fail(op, err);
    }
}

static void
on_versions(void *arg, enum err err, const struct pg_reply *r)
{
    struct store_op *op = arg;
    struct fault f;
    int top = 0;

    ML_ASSERT(op != NULL && op->magic == STORE_OP_MAGIC);
    op->pg = NULL;
    err = store_reply_err(err, r, &f);
    if (err == ERR_OK) {
        err = versions_judge(r, 0, &top, &f);
    }
    if (err != ERR_OK) {
        migrate_tell(op, err, NULL, &f);
        return;
    }
    if (op->migration->from < 0) {
        op->migration->from = top;
    }
    if (!op->migration->applied && top < STORE_SCHEMA_VERSION) {
        migrate_script(op);
        return;
    }
    migrate_answer(op, r);
}

static void
migrate_versions(struct store_op *op)
{
    struct store_call c;
    enum err err;

    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_SCHEMA_VERSIONS, NULL);
    (void)store_call_add(&c, SQL_SCHEMA_PRESENT, NULL);
    err = pg_send(op->s->pg, c.steps, c.count, 0, 0, on_versions, op, &op->pg);
    arena_fini(&c.a);
    if (err != ERR_OK) {
        op->pg = NULL;
        migrate_fail(op, err);
    }
}

static void
on_look(void *arg, enum err err, const struct pg_reply *r)
{
    struct store_op *op = arg;
    struct fault f;

    ML_ASSERT(op != NULL && op->magic == STORE_OP_MAGIC);
    op->pg = NULL;
    err = store_reply_err(err, r, &f);
    if (err != ERR_OK) {
        migrate_tell(op, err, NULL, &f);
        return;
    }
    if (pg_bool(r, 0, 0, "present")) {
        migrate_versions(op);
        return;
    }
    op->migration->from = 0;
    migrate_script(op);
}

enum err
store_migrate(struct store *s, store_json_fn *done, void *arg,
              struct store_op **op)
{
    struct store_op *o = store_op_new(s, NULL, arg);
    struct store_call c;
    enum err err;

    o->done.json = done;
    o->migration = MEM_NEW(struct store_migration);
    o->migration->from = -1;
    (void)random_id(o->migration->token);
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_SCHEMA_PRESENT, NULL);
    err = pg_send(s->pg, c.steps, c.count, 0, 0, on_look, o, &o->pg);
    arena_fini(&c.a);
    if (err != ERR_OK) {
        o->pg = NULL;
        store_op_free(o);
        o = NULL;
    }
    if (op != NULL) {
        *op = o;
    }
    return err;
}
