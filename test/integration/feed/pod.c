/* SPDX-License-Identifier: UNLICENSED */
/*
 * Starts sandbox and database, opens pods. Only what this file started is
 * stopped, by its process id.
 */
#include "pod.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pg_temp.h"

extern char **environ;

static struct pg_temp server;
static json_t *ready;
static pid_t sandbox;
static unsigned databases;

/* ---- the sandbox -------------------------------------------------------- */

static bool
spawn(int *out)
{
    static char pods[16];
    static char customers[16];
    static char invoices[16];
    static char receipts[16];
    static char *const argv[] = {(char *)(uintptr_t)SANDBOX_PROGRAM,
                                 (char *)(uintptr_t) "--portals",
                                 pods,
                                 (char *)(uintptr_t) "--customers",
                                 customers,
                                 (char *)(uintptr_t) "--invoices",
                                 invoices,
                                 (char *)(uintptr_t) "--receipts",
                                 receipts,
                                 NULL};
    posix_spawn_file_actions_t actions;
    int fds[2];
    int rc;

    (void)snprintf(pods, sizeof(pods), "%d", POD_COUNT);
    (void)snprintf(customers, sizeof(customers), "%d", POD_CUSTOMERS);
    (void)snprintf(invoices, sizeof(invoices), "%d", POD_INVOICES);
    (void)snprintf(receipts, sizeof(receipts), "%d", POD_RECEIPTS);
    if (pipe(fds) != 0 || posix_spawn_file_actions_init(&actions) != 0) {
        return false;
    }
    (void)posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, fds[0]);
    (void)posix_spawn_file_actions_addclose(&actions, fds[1]);
    rc = posix_spawn(&sandbox, SANDBOX_PROGRAM, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(fds[1]);
    *out = fds[0];
    return rc == 0;
}

static void
read_ready(int fd)
{
    static char line[256 * 1024];
    struct fault f = {0};
    size_t n = 0;

    while (n + 1 < sizeof(line) && (n == 0 || line[n - 1] != '\n')) {
        ssize_t got = read(fd, line + n, 1);

        if (got <= 0 && errno != EINTR) {
            break;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    if (jsonx_parse(line, n, &ready, &f) != ERR_OK) {
        (void)fprintf(stderr, "the sandbox is not ready: %s\n", f.message);
    }
}

static void
on_closed(void *arg)
{
    loop_stop(arg);
}

static enum err migrated;

static void
on_migrated(void *arg, enum err err, const char *json, const struct fault *f)
{
    (void)json;
    migrated = err;
    if (err != ERR_OK) {
        (void)fprintf(stderr, "migrate: %s %s\n", err_name(err), f->message);
    }
    loop_stop(arg);
}

static void
make_template(void)
{
    char conninfo[320];
    struct pg_config config = {.conninfo = conninfo,
                               .connections = 1,
                               .statement_timeout_ms = 20000,
                               .application_name = "feed-test"};
    struct loop *l = loop_new();
    struct store_op *op = NULL;
    struct store *s = NULL;
    struct fault f = {0};
    struct pg *pg = NULL;
    PGconn *admin = PQconnectdb(server.conninfo);

    PQclear(PQexec(admin, "CREATE DATABASE migrated"));
    PQfinish(admin);
    (void)snprintf(conninfo, sizeof(conninfo),
                   "host=%s user=postgres dbname=migrated", server.dir);
    if (pg_open(l, &config, &pg, &f) != ERR_OK) {
        abort();
    }
    s = store_new(l, pg);
    if (store_migrate(s, on_migrated, l, &op) != ERR_OK) {
        abort();
    }
    loop_run(l);
    store_free(s);
    pg_close(pg, on_closed, l);
    loop_run(l);
    if (loop_free(l) != ERR_OK || migrated != ERR_OK) {
        abort();
    }
}

bool
pods_start(void)
{
    int fd = -1;

    pg_temp_start(&server);
    make_template();
    if (!spawn(&fd)) {
        (void)fprintf(stderr, "cannot start %s\n", SANDBOX_PROGRAM);
        return false;
    }
    read_ready(fd);
    return ready != NULL;
}

void
pods_stop(void)
{
    int status = 0;

    if (sandbox > 0) {
        (void)kill(sandbox, SIGTERM);
        (void)waitpid(sandbox, &status, 0);
    }
    json_decref(ready);
    ready = NULL;
    pg_temp_stop(&server);
}

void
pods_database(bool up)
{
    if (up) {
        pg_temp_resume(&server);
    } else {
        pg_temp_halt(&server);
    }
}

/* ---- control ------------------------------------------------------------ */

static void
on_control(void *arg, enum err err, const struct http_reply *r)
{
    struct pod *p = arg;
    struct fault f = {0};

    OK(err);
    p->status = r->status;
    json_decref(p->answer);
    p->answer = NULL;
    if (r->body_len > 0) {
        OK(jsonx_parse(r->body, r->body_len, &p->answer, &f));
    }
    loop_stop(p->loop);
}

static const json_t *
ask(struct pod *p, const char *method, const char *path, const char *body)
{
    char *url =
        mem_printf("%s/control/%s", jsonx_text(ready, "control_url"), path);
    struct http_spec spec = {.peer = HTTP_HUBSPOT,
                             .method = method,
                             .url = url,
                             .body = body,
                             .body_len = body == NULL ? 0 : strlen(body),
                             .timeout_ms = 10000};
    struct http_op *op = NULL;

    OK(http_send(p->http, &spec, on_control, p, &op));
    loop_run(p->loop);
    ck_assert_msg(p->status >= 200 && p->status < 300, "%s %s: HTTP %d", method,
                  path, p->status);
    mem_free(url);
    return p->answer;
}

PRINTF_LIKE(3, 0)
static const json_t *
control(struct pod *p, const char *method, const char *fmt, va_list ap)
{
    char *rest = mem_vprintf(fmt, ap);
    char *path = mem_printf("fusion/%zu/%s", p->index, rest);
    const json_t *out =
        ask(p, method, path, strcmp(method, "POST") == 0 ? "{}" : NULL);

    mem_free(path);
    mem_free(rest);
    return out;
}

void
pod_fault(struct pod *p, const char *rule)
{
    (void)ask(p, "POST", "faults", rule);
}

void
pod_mend(struct pod *p)
{
    (void)ask(p, "DELETE", "faults", NULL);
}

const json_t *
pod_post(struct pod *p, const char *fmt, ...)
{
    va_list ap;
    const json_t *out = NULL;

    va_start(ap, fmt);
    out = control(p, "POST", fmt, ap);
    va_end(ap);
    return out;
}

const json_t *
pod_get(struct pod *p, const char *fmt, ...)
{
    va_list ap;
    const json_t *out = NULL;

    va_start(ap, fmt);
    out = control(p, "GET", fmt, ap);
    va_end(ap);
    return out;
}

const json_t *
pod_delete(struct pod *p, const char *fmt, ...)
{
    va_list ap;
    const json_t *out = NULL;

    va_start(ap, fmt);
    out = control(p, "DELETE", fmt, ap);
    va_end(ap);
    return out;
}

int64_t
pod_count(struct pod *p, const char *name)
{
    const json_t *a = pod_get(p, "counts");
    struct fault f = {0};
    int64_t n = 0;
    bool has = false;

    OK(jsonx_get_int(a, name, &has, &n, &f));
    ck_assert_msg(has, "no count %s", name);
    return n;
}

int64_t
pod_sql(struct pod *p, const char *fmt, ...)
{
    va_list ap;
    char *sql = NULL;
    PGresult *r = NULL;
    int64_t n = 0;

    va_start(ap, fmt);
    sql = mem_vprintf(fmt, ap);
    va_end(ap);
    r = PQexec(p->db, sql);
    ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK ||
                      PQresultStatus(r) == PGRES_COMMAND_OK,
                  "%s: %s", sql, PQerrorMessage(p->db));
    if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) > 0) {
        n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    }
    PQclear(r);
    mem_free(sql);
    return n;
}

/* ---- the pod ------------------------------------------------------------ */

static void
on_stored(void *arg)
{
    struct pod *p = arg;

    p->stored++;
    if (p->wait_stored) {
        p->wait_stored = false;
        loop_stop(p->loop);
    }
}

static void
on_halted(void *arg, enum err err, const struct fault *f)
{
    struct pod *p = arg;

    p->halted++;
    p->halted_err = err;
    p->halted_fault = *f;
}

static void
on_idle(void *arg)
{
    struct pod *p = arg;

    p->idle++;
    loop_stop(p->loop);
}

static void
open_database(struct pod *p)
{
    static char conninfo[320];
    struct pg_config config = {.conninfo = conninfo,
                               .connections = 2,
                               .statement_timeout_ms = 20000,
                               .application_name = "feed-test"};
    PGconn *admin = PQconnectdb(server.conninfo);
    struct fault f = {0};
    char name[64];
    char *sql = NULL;

    (void)snprintf(name, sizeof(name), "f%ld_%u", (long)getpid(), databases++);
    sql = mem_printf("CREATE DATABASE %s TEMPLATE migrated", name);
    PQclear(PQexec(admin, sql));
    PQfinish(admin);
    mem_free(sql);
    (void)snprintf(conninfo, sizeof(conninfo),
                   "host=%s user=postgres dbname=%s", server.dir, name);
    p->db = PQconnectdb(conninfo);
    OK(pg_open(p->loop, &config, &p->pg, &f));
    p->store = store_new(p->loop, p->pg);
    (void)pod_sql(p, "INSERT INTO ml_connector.tenant (name, settings) "
                     "VALUES ('acme', '{}')");
    p->tenant = pod_sql(p, "SELECT id FROM ml_connector.tenant");
}

static struct secret *
read_secret(const json_t *tenant)
{
    struct fault f = {0};
    struct secret *s = NULL;
    char *text = NULL;
    size_t n = 0;

    OK(file_read(jsonx_text(tenant, "client_secret_file"), 4096, &text, &n,
                 &f));
    s = secret_new(text, strcspn(text, "\r\n"));
    mem_free(text);
    return s;
}

static void
open_fusion(struct pod *p)
{
    const struct pod_spec *spec = &p->spec;
    const json_t *tenant =
        json_array_get(json_object_get(ready, "tenants"), spec->index);
    struct secret *secret = spec->secret == NULL ?
                                read_secret(tenant) :
                                secret_new(spec->secret, strlen(spec->secret));
    struct fusion_config c = {
        .tenant = "acme",
        .base_url = jsonx_text(ready, "fusion_url"),
        .auth = FUSION_CLIENT_CREDENTIALS,
        .token_url = jsonx_text(ready, "token_url"),
        .client_id = jsonx_text(tenant, "client_id"),
        .scope = jsonx_text(tenant, "scope"),
        .client_secret = secret,
        .framework_version = spec->version,
        .timeout_ms = 20000,
        .parallel = 4,
    };

    p->fusion = fusion_new(p->loop, p->http, &c);
    secret_free(secret);
}

static struct feeds_config
usual_config(const struct pod *p)
{
    return (struct feeds_config){
        .tenant = p->tenant,
        .name = "acme",
        .worker = "test",
        .interval_ms = {600000, 600000, 600000},
        .since_us = p->spec.since_us,
        .overlap_ms = 3600000,
        .wide_ms = 86400000,
        .page = p->spec.page == 0 ? 500 : p->spec.page,
        .retry_base_ms = 5,
        .retry_cap_ms = 20,
    };
}

static void
open_feeds(struct pod *p)
{
    struct feeds_events e = {
        .stored = on_stored, .halted = on_halted, .idle = on_idle, .arg = p};
    PGresult *r = PQexec(p->db, "SELECT learned FROM ml_connector.tenant");

    IS(PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1);
    p->config.learned = PQgetvalue(r, 0, 0);
    p->feeds = feeds_new(p->loop, p->store, p->fusion, p->map, &p->config, &e);
    p->config.learned = NULL;
    PQclear(r);
}

void
pod_again(struct pod *p)
{
    feeds_free(p->feeds);
    fusion_free(p->fusion);
    open_fusion(p);
    open_feeds(p);
}

void
pod_start(struct pod *p, int64_t interval_ms)
{
    for (unsigned k = 0; k < FEED_KINDS; k++) {
        p->config.interval_ms[k] = interval_ms;
    }
    pod_again(p);
    feeds_start(p->feeds);
}

void
pod_stored(struct pod *p)
{
    p->wait_stored = true;
    loop_run(p->loop);
    IS(!p->wait_stored);
}

void
pod_open(struct pod *p, const struct pod_spec *spec)
{
    struct http_config h = {.ca_file = NULL};
    struct map_options m = {.business_units = spec->units};
    struct fault f = {0};

    memset(p, 0, sizeof(*p));
    p->index = spec->index;
    p->spec = *spec;
    p->loop = loop_new();
    OK(http_open(p->loop, &h, &p->http, &f));
    open_database(p);
    pod_mend(p); /* what a test that failed left */
    open_fusion(p);
    OK(map_new(&m, &p->map, &f));
    p->config = usual_config(p);
    open_feeds(p);
}

static void
on_http_closed(void *arg)
{
    struct pod *p = arg;

    p->http = NULL;
    loop_stop(p->loop);
}

/* Whatever a test did: every poll accounts for every row it read. */
static void
is_conserved(struct pod *p)
{
    PGresult *r =
        PQexec(p->db, "SELECT string_agg(c::text, E'\n') FROM "
                      "ml_dashboard.conservation c WHERE difference <> 0");

    IS(PQresultStatus(r) == PGRES_TUPLES_OK);
    ck_assert_msg(PQgetisnull(r, 0, 0), "not accounted for:\n%s",
                  PQgetvalue(r, 0, 0));
    PQclear(r);
    EQ_INT(pod_sql(p, "SELECT count(*) FROM ml_connector.imbalance"), 0);
}

void
pod_close(struct pod *p)
{
    is_conserved(p);
    feeds_free(p->feeds);
    fusion_free(p->fusion);
    map_free(p->map);
    http_close(p->http, on_http_closed, p);
    loop_run(p->loop);
    store_free(p->store);
    pg_close(p->pg, on_closed, p->loop);
    loop_run(p->loop);
    OK(loop_free(p->loop));
    json_decref(p->answer);
    PQfinish(p->db);
    stat_reset();
}

void
pod_round(struct pod *p)
{
    unsigned before = p->idle;

    feeds_poll_once(p->feeds);
    loop_run(p->loop);
    EQ_UINT(p->idle, before + 1);
}

void
pod_round_ok(struct pod *p)
{
    pod_round(p);
    for (unsigned k = 0; k < FEED_KINDS; k++) {
        struct feed_status s = feeds_status(p->feeds, (enum feed_kind)k);

        ck_assert_msg(s.err == ERR_OK, "%s: %s %s",
                      feed_kind_name((enum feed_kind)k), err_name(s.err),
                      s.fault.message);
        EQ_STR(s.state, "idle");
    }
    is_conserved(p);
}
