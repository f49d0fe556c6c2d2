/* SPDX-License-Identifier: UNLICENSED */
/*
 * The worker: tenants, upkeep, the HTTP side, signals.
 *
 *     STARTING -> RUNNING --signal, finished--> STOPPING -> STOPPED
 *
 * Shutdown is one list, the reverse of opening: timers; tenants (no new polls,
 * writes in flight end and are stored, leases are given back) until the
 * deadline; then the HTTP side. A second signal skips the wait.
 */
#include "ml/app.h"
#include "ml/jsonx.h"
#include "ml/log.h"
#include "ml/ops.h"
#include "ml/stat.h"
#include "ml/tenant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    WORKER_MAGIC = 0x574f524b,
    UPKEEP_MS = 60000,
    METRICS_MS = 5000,
    PLANS_MS = 2000,    /* plans that were broken off make way for others */
    METRICS_SHARE = 20, /* counting takes at most a 20th of the time */
    TIE_OUT_MS = 600000 /* how often one of all workers looks at all polls */
};

struct worker {
    unsigned magic;
    struct app *app;
    struct tenants *tenants;
    struct ops *ops;
    struct store_op *upkeep_op, *metrics_op, *tie_op;
    struct loop_timer upkeep, deadline, metrics;
    int64_t began_us; /* monotonic */
    int64_t counting_us;
    bool once, stopping, finished, closing, ended;
    bool cut_short; /* the end did not wait for everything */
    int signum;
};

static struct worker *
worker_from(void *arg)
{
    struct worker *w = arg;

    ML_ASSERT(w->magic == WORKER_MAGIC);
    return w;
}

/* ---- stopping ----------------------------------------------------------- */

static void
on_ops_closed(void *arg)
{
    struct worker *w = worker_from(arg);

    w->ended = true;
    loop_stop(w->app->loop);
}

static void
on_stopped(void *arg)
{
    struct worker *w = worker_from(arg);

    loop_timer_stop(&w->deadline);
    if (w->closing) {
        return; /* the deadline came first */
    }
    w->closing = true;
    if (w->ops == NULL) {
        on_ops_closed(w);
        return;
    }
    ops_close(w->ops, on_ops_closed, w);
    w->ops = NULL;
}

static void
on_tenants_stopped(void *arg)
{
    struct worker *w = worker_from(arg);

    if (!w->closing) {
        store_plans_end(w->app->store, PLANS_MS, on_stopped, w);
    }
}

static void
on_deadline(void *arg)
{
    struct worker *w = worker_from(arg);

    LOG_WARN(NULL, "worker.deadline", "left=unfinished");
    w->cut_short = true;
    on_stopped(w);
}

static void
worker_stop(struct worker *w, const char *reason)
{
    if (w->stopping) {
        return;
    }
    w->stopping = true;
    LOG_INFO(NULL, "worker.stop", "reason=%s", reason);
    loop_timer_stop(&w->upkeep);
    loop_timer_stop(&w->metrics);
    store_cancel(w->upkeep_op);
    store_cancel(w->metrics_op);
    store_cancel(w->tie_op);
    w->upkeep_op = NULL;
    w->metrics_op = NULL;
    w->tie_op = NULL;
    loop_timer_start(w->app->loop, &w->deadline, w->app->conf.shutdown_timeout,
                     on_deadline, w);
    tenants_stop(w->tenants, on_tenants_stopped, w);
}

static void
on_signal(void *arg, int signum)
{
    struct worker *w = worker_from(arg);

    if (w->stopping) {
        if (loop_timer_armed(&w->deadline)) {
            on_deadline(w); /* a second signal skips the wait */
        }
        return;
    }
    w->signum = signum;
    worker_stop(w, "signal");
}

static void
on_finished(void *arg)
{
    struct worker *w = worker_from(arg);

    w->finished = true;
    worker_stop(w, "finished");
}

static const char *
field(const json_t *o, const char *key, const char *otherwise)
{
    const char *text = jsonx_text(o, key);

    return text != NULL ? text : otherwise;
}

/* ---- do all polls tie out? ---------------------------------------------- */

/* Its terms in one line: "difference 1: read 10, unchanged 2, ...". */
static char *
terms_of(const json_t *row)
{
    static const char *const terms[] = {"read",    "unchanged",  "filtered",
                                        "invalid", "superseded", "open",
                                        "written", "parked"};
    struct buf b;
    char *text;

    buf_init(&b, 4096);
    buf_addf(&b, "difference %s", field(row, "difference", "?"));
    for (size_t i = 0; i < COUNT_OF(terms); i++) {
        buf_addf(&b, "%s %s %s", i == 0 ? ":" : ",", terms[i],
                 field(row, terms[i], "?"));
    }
    text = mem_strdup(buf_text(&b));
    buf_fini(&b);
    return text;
}

static void
tell_difference(const json_t *row)
{
    struct log_ctx ctx = {.tenant = field(row, "tenant", "?"),
                          .feed = field(row, "feed", "?")};
    char *terms = terms_of(row);

    LOG_ERROR(&ctx, "conservation.difference", "poll=%s message=\"%s\"",
              field(row, "poll", "?"), terms);
    mem_free(terms);
}

static void
on_tied(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct worker *w = worker_from(arg);
    json_t *o = NULL, *row;
    struct fault ignored;
    char safe[LOG_TEXT_MAX];
    int64_t sum = 0;
    bool has;
    size_t i;

    w->tie_op = NULL;
    if (err != ERR_OK) {
        LOG_WARN(NULL, "conservation.unknown", "error=%s message=\"%s\"",
                 err_name(err), log_safe(safe, f->message));
        return;
    }
    if (jsonx_parse(json, strlen(json), &o, &ignored) != ERR_OK) {
        return;
    }
    if (jsonx_get_int(o, "difference", &has, &sum, &ignored) == ERR_OK) {
        stat_set(STAT_conservation, NULL, NULL, (double)sum);
    }
    json_array_foreach(json_object_get(o, "fresh"), i, row)
    {
        tell_difference(row);
    }
    json_decref(o);
}

/* After --once all of it is looked at anyway. */
static void
tie_out(struct worker *w)
{
    if (w->once || w->tie_op != NULL) {
        return;
    }
    if (store_conservation(w->app->store, w->app->worker, TIE_OUT_MS, on_tied,
                           w, &w->tie_op) != ERR_OK) {
        w->tie_op = NULL;
    }
}

/* ---- upkeep ------------------------------------------------------------- */

static void on_upkeep(void *arg);

static void
on_upkept(void *arg, enum err err, const struct fault *f)
{
    struct worker *w = worker_from(arg);
    char safe[LOG_TEXT_MAX];

    w->upkeep_op = NULL;
    if (err != ERR_OK) {
        LOG_WARN(NULL, "worker.upkeep", "error=%s message=\"%s\"",
                 err_name(err), log_safe(safe, f->message));
    } else {
        if (f->message[0] != '\0') {
            LOG_ERROR(NULL, "audit.late", "message=\"%s\"",
                      log_safe(safe, f->message));
        }
        tenants_poke(w->tenants); /* for what it released */
        tie_out(w);
    }
    loop_timer_start(w->app->loop, &w->upkeep, UPKEEP_MS, on_upkeep, w);
}

static void
on_upkeep(void *arg)
{
    struct worker *w = worker_from(arg);

    if (store_upkeep(w->app->store, w->app->conf.audit_retention, on_upkept, w,
                     &w->upkeep_op) != ERR_OK) {
        w->upkeep_op = NULL;
        loop_timer_start(w->app->loop, &w->upkeep, UPKEEP_MS, on_upkeep, w);
    }
}

/* Open jobs by state, from the store: what waits there is not in memory. */
static void
set_jobs(const char *json)
{
    static const char *const states[] = {"queued", "in_flight", "waiting",
                                         "retry",  "unknown",   "parked"};
    json_t *rows = NULL, *row;
    struct fault ignored;
    size_t i;

    if (jsonx_parse(json, strlen(json), &rows, &ignored) != ERR_OK) {
        return;
    }
    for (i = 0; i < COUNT_OF(states); i++) {
        stat_set(STAT_jobs, states[i], NULL, 0);
    }
    json_array_foreach(rows, i, row)
    {
        int64_t n = 0;
        bool has;

        if (jsonx_get_int(row, "jobs", &has, &n, &ignored) == ERR_OK) {
            stat_set(STAT_jobs, field(row, "state", "?"), NULL, (double)n);
        }
    }
    json_decref(rows);
}

static void on_metrics(void *arg);

static void
on_jobs(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct worker *w = worker_from(arg);
    int64_t took_ms = (clock_mono_us() - w->counting_us) / 1000;

    (void)f;
    w->metrics_op = NULL;
    if (err == ERR_OK) {
        set_jobs(json);
    }
    loop_timer_start(w->app->loop, &w->metrics,
                     METRICS_MS + took_ms * METRICS_SHARE, on_metrics, w);
}

static void
on_metrics(void *arg)
{
    struct worker *w = worker_from(arg);
    struct store_report_spec spec = {.report = STORE_REPORT_JOBS};

    w->counting_us = clock_mono_us();
    if (store_report(w->app->store, &spec, on_jobs, w, &w->metrics_op) !=
        ERR_OK) {
        w->metrics_op = NULL;
        loop_timer_start(w->app->loop, &w->metrics, METRICS_MS, on_metrics, w);
    }
}

/* ---- what is left after --once ------------------------------------------ */

/* One line of what a report row says is not done; NULL when nothing is. */
static char *
line_of(enum store_report report, const json_t *row)
{
    const char *tenant = field(row, "tenant", "?");
    const char *state = field(row, "state", "");
    const char *outcome = field(row, "last_outcome", "ok");
    bool waits = strcmp(state, "waiting") == 0;

    if (report == STORE_REPORT_TENANTS) {
        return strcmp(state, "halted") != 0 && strcmp(state, "held") != 0 ?
                   NULL :
                   mem_printf("tenant %s is %s: %s", tenant, state,
                              field(row, "reason", "see its audit"));
    }
    if (report == STORE_REPORT_FEEDS) {
        return strcmp(outcome, "ok") == 0 ?
                   NULL :
                   mem_printf("tenant %s feed %s failed: %s", tenant,
                              field(row, "feed", "?"),
                              field(row, "last_error", outcome));
    }
    if (report == STORE_REPORT_CONSERVATION) {
        char *terms = terms_of(row);
        char *line = mem_printf("tenant %s feed %s poll %s does not tie out: "
                                "%s",
                                tenant, field(row, "feed", "?"),
                                field(row, "poll", "?"), terms);

        mem_free(terms);
        return line;
    }
    return mem_printf("%s %s:%s is %s%s%s: %s %s", tenant,
                      field(row, "kind", "?"), field(row, "fusion_id", "?"),
                      state, waits ? " for " : "",
                      waits ? field(row, "waiting_for", "?") : "",
                      field(row, "error_code", ""), field(row, "reason", ""));
}

static size_t
report_rows(struct worker *w, enum store_report report, app_report_fn *tell,
            void *arg)
{
    /* a feed's failure of an earlier run is none of this one's */
    int64_t run_ms = (clock_mono_us() - w->began_us) / 1000;
    struct store_report_spec spec = {
        .report = report, .limit = 1000, .within_ms = run_ms + 1000};
    struct app *a = w->app;
    struct store_op *op;
    json_t *rows = NULL, *row;
    struct fault f;
    size_t i, n = 0;

    if (app_wait(a, store_report(a->store, &spec, app_on_json, a, &op)) !=
            ERR_OK ||
        jsonx_parse(a->json, strlen(a->json), &rows, &f) != ERR_OK) {
        tell(arg, a->fault.message);
        return 1;
    }
    json_array_foreach(rows, i, row)
    {
        char *line = line_of(report, row);

        if (line != NULL) {
            tell(arg, line);
            n++;
        }
        mem_free(line);
    }
    json_decref(rows);
    return n;
}

static int
report_left(struct worker *w, const char *skipped, app_report_fn *tell,
            void *arg)
{
    size_t left = report_rows(w, STORE_REPORT_TENANTS, tell, arg);

    left += report_rows(w, STORE_REPORT_FEEDS, tell, arg);
    left += report_rows(w, STORE_REPORT_UNFINISHED, tell, arg);
    left += report_rows(w, STORE_REPORT_CONSERVATION, tell, arg);
    if (skipped[0] != '\0') {
        char *line =
            mem_printf("skipped, leased to another worker: %s", skipped);

        tell(arg, line);
        mem_free(line);
        left++;
    }
    return left == 0 ? APP_DONE : APP_FAILED;
}

/* ---- the whole of it ---------------------------------------------------- */

static enum err
worker_open(struct worker *w, struct fault *f)
{
    struct app *a = w->app;
    struct tenants_config config = {
        .conf = &a->conf, .worker = a->worker, .once = w->once};
    struct tenants_events events = {.finished = on_finished, .arg = w};
    struct ops_config ops = {.listen = w->once ? "off" : a->conf.listen,
                             .admin_token = a->conf.admin_token};
    enum err err = ERR_OK;

    w->tenants =
        tenants_new(a->loop, a->http, a->store, a->vault, &config, &events);
    err = ops_open(a->loop, a->store, w->tenants, &ops, &w->ops, f);
    if (err != ERR_OK) {
        return err;
    }
    loop_on_signal(a->loop, on_signal, w);
    on_upkeep(w);
    on_metrics(w);
    tenants_start(w->tenants);
    LOG_INFO(NULL, "worker.start", "version=%s schema=%d listen=%s port=%d",
             ML_VERSION, store_schema_version(), ops.listen,
             w->ops != NULL ? ops_port(w->ops) : 0);
    return ERR_OK;
}

int
app_run(struct app *a, bool once, app_report_fn *report, void *arg)
{
    struct worker w = {.magic = WORKER_MAGIC,
                       .app = a,
                       .once = once,
                       .began_us = clock_mono_us()};
    struct fault f, unable;
    char *skipped;
    int status = APP_DONE;
    enum err err;

    fault_clear(&f);
    err = worker_open(&w, &f);
    if (err != ERR_OK) {
        report(arg, f.message);
        tenants_free(w.tenants);
        return app_status(err);
    }
    while (!w.ended) {
        loop_run(a->loop);
    }
    skipped = tenants_skipped(w.tenants);
    unable = *tenants_unable(w.tenants);
    tenants_free(w.tenants);
    loop_timer_stop(&w.deadline);
    if (once && w.finished) {
        status = report_left(&w, skipped, report, arg);
        if (unable.err != ERR_OK) {
            report(arg, unable.message);
            status = app_status(unable.err);
        }
    } else if (once) {
        report(arg, "ended by a signal before all was done");
        status = APP_FAILED;
    } else if (w.cut_short) {
        status = APP_FAILED;
    }
    mem_free(skipped);
    loop_on_signal(a->loop, NULL, NULL);
    return status;
}
