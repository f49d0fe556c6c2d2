/* SPDX-License-Identifier: UNLICENSED */
/*
 * replay list and replay run: parked jobs, what each would change, and putting
 * them back to work. A running worker is told and takes them up within seconds;
 * `run --once` does at once.
 */
#include "cli_priv.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIST_PAGE = 1000,
    RUN_PAGE = 5000, /* jobs of one statement: it stays short */
    JOBS_MAX = 1 << 20,
    TABLE_MAX = 1 << 30,
    PATIENCE_MS = 10000
};

const struct flag replay_flags[] = {
    {"job", FLAG_LIST, "ID",
     "This job, parked or to be tried again later; may be repeated."},
    {"error", FLAG_TEXT, "CODE",
     "All jobs parked, or to be tried again later, with this error code."},
    {"all", FLAG_BOOL, NULL, "Every parked job of the tenant."},
    {"dry-run", FLAG_BOOL, NULL,
     "Print what each would change in HubSpot; nothing is put back to work."},
    {NULL, FLAG_BOOL, NULL, NULL}};
const struct flag replay_list_flags[] = {
    {"error", FLAG_TEXT, "CODE", "Only those parked with this error code."},
    {"limit", FLAG_TEXT, "N", "At most the N longest parked (all)."},
    {NULL, FLAG_BOOL, NULL, NULL}};

/* ---- list --------------------------------------------------------------- */

static enum err
read_limit(struct cli *c, size_t *limit, struct fault *f)
{
    const char *text = flag_text(c, "limit");
    char *end = NULL;
    long n;

    *limit = SIZE_MAX;
    if (text == NULL) {
        return ERR_OK;
    }
    n = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : 0;
    if (n < 1 || *end != '\0') {
        return fault_set(f, ERR_USAGE,
                         "--limit: \"%s\" is no whole number from 1", text);
    }
    *limit = (size_t)n;
    return ERR_OK;
}

/* Adds a page to rows; *more: there is another. */
static enum err
list_page(struct cli *c, json_t *rows, size_t limit, int64_t *total, bool *more)
{
    struct app *a = &c->app;
    const json_t *last = json_array_get(rows, json_array_size(rows) - 1);
    size_t room = limit - json_array_size(rows);
    struct store_replay spec = {
        .name = c->argv[0],
        .error_code = flag_text(c, "error"),
        .after = last != NULL ? cli_number(last, "job") : 0,
        .limit = room < LIST_PAGE ? (unsigned)room : LIST_PAGE};
    struct store_op *op;
    json_t *page, *jobs;
    enum err err;

    err = app_wait(a,
                   store_replay_list(a->store, &spec, jsonx_text(last, "since"),
                                     app_on_json, a, &op));
    if (err != ERR_OK) {
        return err;
    }
    err = cli_document(c, &page, &a->fault);
    jobs = json_object_get(page, "jobs");
    *total = cli_number(page, "total");
    *more = json_array_size(jobs) == LIST_PAGE;
    json_array_extend(rows, jobs);
    json_decref(page);
    return err;
}

static void
print_list(const struct cli *c, const json_t *rows, int64_t total)
{
    static const char *const columns[] = {
        "job", "kind", "fusion_id", "since", "error_code", "reason", NULL};
    size_t n = json_array_size(rows);
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, TABLE_MAX);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, rows);
    cli_rows(c, buf_text(&b), columns,
             flag_set(c, "error") ? "Nothing is parked with that error code." :
                                    "Nothing is parked.");
    buf_fini(&b);
    if ((int64_t)n < total) {
        (void)fprintf(stderr, "%zu of %" PRId64 " are shown\n", n, total);
    } else if (n > 0 && !c->json) {
        (void)fprintf(stderr, "%zu parked %s\n", n, n == 1 ? "job" : "jobs");
    }
}

int
cmd_replay_list(struct cli *c)
{
    json_t *rows = json_array();
    int64_t total = 0;
    bool more = true;
    size_t limit;
    struct fault f;
    int status = APP_DONE;

    fault_clear(&f);
    if (read_limit(c, &limit, &f) != ERR_OK) {
        status = cli_fail(&f);
    } else if (!cli_tenant_exists(c, c->argv[0])) {
        status = cli_fail_wait(c);
    }
    while (status == APP_DONE && more && json_array_size(rows) < limit) {
        if (list_page(c, rows, limit, &total, &more) != ERR_OK) {
            status = cli_fail_wait(c);
        }
    }
    if (status == APP_DONE) {
        print_list(c, rows, total);
    }
    json_decref(rows);
    return status;
}

/* ---- which jobs --------------------------------------------------------- */

static enum err
check_ids(const json_t *ids, struct fault *f)
{
    const json_t *id;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)ids, i, id)
    {
        const char *text = json_string_value(id);
        size_t n = text != NULL ? strspn(text, "0123456789") : 0;

        if (n == 0 || n > 18 || text[n] != '\0') {
            return fault_set(f, ERR_USAGE,
                             "--job: \"%s\" is no job id; `replay list` shows "
                             "them",
                             text != NULL ? text : "");
        }
    }
    return ERR_OK;
}

/* The ids as a JSON array of texts, to free, or NULL for no ids. */
static enum err
chosen(struct cli *c, char **jobs, struct fault *f)
{
    const json_t *ids = flag_list(c, "job");
    size_t ways = (ids != NULL ? 1U : 0U) + (flag_set(c, "error") ? 1U : 0U) +
                  (flag_set(c, "all") ? 1U : 0U);
    struct jsonx_writer w;
    struct buf b;
    enum err err;
    size_t n;

    *jobs = NULL;
    if (ways != 1) {
        return fault_set(f, ERR_USAGE,
                         "say which: --job ID (repeated), --error CODE or "
                         "--all; `ml-connector replay list %s` shows them",
                         c->argv[0]);
    }
    err = check_ids(ids, f);
    if (ids == NULL || err != ERR_OK) {
        return err;
    }
    buf_init(&b, JOBS_MAX);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, ids);
    if (b.failed) {
        buf_fini(&b);
        return fault_set(f, ERR_USAGE, "--job: too many; use --error or --all");
    }
    *jobs = buf_take(&b, &n);
    return ERR_OK;
}

/* ---- what was not found ------------------------------------------------- */

static char *
why_not(const struct cli *c, const json_t *miss)
{
    const char *state = jsonx_text(miss, "state");
    const char *waits = jsonx_text(miss, "waiting_for");

    if (state == NULL) {
        return mem_printf("there is no such job of %s: it is done, or never "
                          "was; `ml-connector audit %s` tells",
                          c->argv[0], c->argv[0]);
    }
    if (json_is_true(json_object_get(miss, "newer"))) {
        return mem_printf("a newer version of %s:%s was read after it had "
                          "parked and went to work by itself: it is %s now",
                          jsonx_text(miss, "kind"),
                          jsonx_text(miss, "fusion_id"), state);
    }
    return mem_printf("it is not parked but %s%s%s", state,
                      waits != NULL ? " for " : "", waits != NULL ? waits : "");
}

/* "INVALID_OPTION (12), CURRENCY_INACTIVE (3)" */
static char *
codes_there(const json_t *codes)
{
    const json_t *code;
    struct buf b;
    char *text;
    size_t i;

    buf_init(&b, 4096);
    json_array_foreach((json_t *)(uintptr_t)codes, i, code)
    {
        const char *name = jsonx_text(code, "error_code");

        buf_addf(&b, "%s%s (%" PRId64 ")", i > 0 ? ", " : "",
                 name != NULL ? name : "-", cli_number(code, "jobs"));
    }
    text = mem_strdup(b.len > 0 ? buf_text(&b) : "none");
    buf_fini(&b);
    return text;
}

/* Tells of each job that was named and is not there to be replayed, and of an
 * error code that no job has; gives APP_FAILED then. */
static int
tell_misses(struct cli *c, const json_t *there, int64_t taken)
{
    const json_t *misses = json_object_get(there, "misses"), *miss;
    const char *code = flag_text(c, "error");
    char *text;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)misses, i, miss)
    {
        text = why_not(c, miss);
        (void)fprintf(stderr, "ml-connector: job %s: %s\n",
                      jsonx_text(miss, "job"), text);
        mem_free(text);
    }
    if (code != NULL && taken == 0) {
        text = codes_there(json_object_get(there, "codes"));
        (void)fprintf(stderr,
                      "ml-connector: no job of %s is parked with %s; there "
                      "are: %s\n",
                      c->argv[0], code, text);
        mem_free(text);
    }
    return json_array_size(misses) > 0 || (code != NULL && taken == 0) ?
               APP_FAILED :
               APP_DONE;
}

static enum err
find_misses(struct cli *c, const struct store_replay *spec, json_t **there)
{
    struct app *a = &c->app;
    struct store_op *op;
    enum err err;

    *there = NULL;
    err = app_wait(a, store_replay_misses(a->store, spec, app_on_json, a, &op));
    return err == ERR_OK ? cli_document(c, there, &a->fault) : err;
}

/* ---- running ------------------------------------------------------------ */

struct replayed {
    int64_t tenant, n;
    char state[32];
    json_t *request; /* how the worker was told; NULL: it was not */
};

static enum err
run_all(struct cli *c, struct store_replay *spec, struct replayed *r)
{
    struct app *a = &c->app;
    int64_t n = RUN_PAGE;

    spec->limit = RUN_PAGE;
    while (n == RUN_PAGE) {
        struct store_op *op;
        json_t *o = NULL;
        enum err err =
            app_wait(a, store_replay(a->store, spec, app_on_json, a, &op));

        if (err == ERR_OK) {
            err = cli_document(c, &o, &a->fault);
        }
        if (err != ERR_OK) {
            return err;
        }
        n = cli_number(o, "replayed");
        r->n += n;
        r->tenant = cli_number(o, "tenant");
        text_copy(r->state, sizeof(r->state), jsonx_text(o, "state"));
        spec->after = cli_number(o, "last");
        json_decref(o);
    }
    return ERR_OK;
}

/* Whoever holds the portal looks at once, and tries again what it had given up
 * for an hour. */
static enum err
tell_worker(struct cli *c, struct replayed *r)
{
    struct fault *f = &c->app.fault;
    int64_t id = 0;
    enum err err;

    if (r->n == 0 || strcmp(r->state, "active") != 0) {
        return ERR_OK;
    }
    err = cli_request_leave(c, r->tenant, "replay", NULL, &id, f);
    return err == ERR_OK ?
               cli_request_wait(c, id, PATIENCE_MS, &r->request, f) :
               err;
}

static bool
is_taken_up(const struct replayed *r)
{
    return json_is_true(
        json_object_get(json_object_get(r->request, "answer"), "working"));
}

static void
tell_run(const struct cli *c, const struct replayed *r)
{
    const char *name = c->argv[0];
    const char *holder = jsonx_text(r->request, "holder");

    if (r->n == 0 && flag_set(c, "all")) {
        (void)printf("Nothing is parked.\n");
        return;
    }
    (void)printf("%" PRId64 " %s back to work\n", r->n,
                 r->n == 1 ? "job goes" : "jobs go");
    if (r->n == 0) {
        return;
    }
    if (strcmp(r->state, "active") != 0) {
        (void)printf("Tenant %s is %s: they wait until `ml-connector tenant "
                     "resume %s`.\n",
                     name, r->state, name);
    } else if (is_taken_up(r)) {
        (void)printf("Worker %s takes them up now.\n",
                     jsonx_text(r->request, "worker"));
    } else if (holder == NULL) {
        (void)printf("No worker holds the portal of %s now: the next `run` or "
                     "`run --once` takes them up.\n",
                     name);
    } else {
        (void)printf("%s holds the portal of %s and has not taken them up "
                     "yet; `ml-connector status %s` and its log tell how it "
                     "fares.\n",
                     holder, name, name);
    }
}

static void
tell_run_json(const struct replayed *r, const json_t *there)
{
    json_t *misses = json_object_get(there, "misses");
    json_t *o = json_pack("{s:b, s:I, s:s}", "known", 1, "replayed",
                          (json_int_t)r->n, "state", r->state);
    bool taken = is_taken_up(r);
    json_t *worker = json_object_get(r->request, "worker");

    json_object_set(o, "misses", misses);
    json_object_set_new(o, "taken_up", json_boolean(taken));
    json_object_set_new(o, "worker", taken ? json_incref(worker) : json_null());
    cli_print_json(o);
    json_decref(o);
}

static int
run(struct cli *c, struct store_replay *spec)
{
    struct replayed r = {.n = 0};
    json_t *there = NULL;
    int status;
    enum err err = find_misses(c, spec, &there);

    if (err == ERR_OK) {
        err = run_all(c, spec, &r);
    }
    if (err == ERR_OK) {
        err = tell_worker(c, &r);
    }
    if (err != ERR_OK) {
        status = cli_fail_wait(c);
    } else {
        if (c->json) {
            tell_run_json(&r, there);
        } else if (r.n > 0 || flag_set(c, "all")) {
            tell_run(c, &r);
        }
        status = tell_misses(c, there, r.n);
    }
    json_decref(r.request);
    json_decref(there);
    return status;
}

/* ---- dry run ------------------------------------------------------------ */

static int
look(struct cli *c, struct store_replay *spec)
{
    json_t *there = NULL;
    int64_t n = 0;
    int status;
    enum err err = find_misses(c, spec, &there);

    if (err == ERR_OK) {
        err = replay_look(c, spec, json_object_get(there, "misses"), &n);
    }
    status = err == ERR_OK ? tell_misses(c, there, n) : cli_fail_wait(c);
    json_decref(there);
    return status;
}

int
cmd_replay_run(struct cli *c)
{
    struct store_replay spec = {.name = c->argv[0], .actor = cli_actor()};
    char *jobs = NULL;
    struct fault f;
    int status;

    fault_clear(&f);
    if (chosen(c, &jobs, &f) != ERR_OK) {
        return cli_fail(&f);
    }
    spec.jobs = jobs;
    spec.error_code = flag_text(c, "error");
    if (!cli_tenant_exists(c, c->argv[0])) {
        status = cli_fail_wait(c);
    } else if (flag_set(c, "dry-run")) {
        status = look(c, &spec);
    } else {
        status = run(c, &spec);
    }
    mem_free(jobs);
    return status;
}
