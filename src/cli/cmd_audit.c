/* SPDX-License-Identifier: UNLICENSED */
/* audit: the trail, newest last; --follow goes on with what comes. */
#include "cli_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLLOW_MS = 1000 };

struct follow {
    struct cli *c;
    struct loop_timer timer;
    bool ended;
};

static bool
is_record(const char *record)
{
    const char *colon = strchr(record, ':');
    enum map_kind kind;
    char *name;
    bool is;

    if (colon == NULL || colon[1] == '\0') {
        return false;
    }
    name = mem_strndup(record, (size_t)(colon - record));
    is = map_kind_parse(name, &kind);
    mem_free(name);
    return is;
}

static enum err
read_spec(struct cli *c, struct store_report_spec *spec, struct fault *f)
{
    const char *since = flag_text(c, "since");
    const char *limit = flag_text(c, "limit");
    char *end = NULL;

    spec->report = STORE_REPORT_AUDIT;
    spec->tenant = c->argc > 0 ? c->argv[0] : NULL;
    spec->record = flag_text(c, "record");
    if (spec->record != NULL && !is_record(spec->record)) {
        return fault_set(f, ERR_USAGE,
                         "--record: \"%s\" is not customer:NUMBER, invoice:ID "
                         "or payment:RECEIPT:INVOICE, for instance "
                         "invoice:300100170996427 (CustomerTransactionId)",
                         spec->record);
    }
    if (since != NULL &&
        time_parse(since, strlen(since), &spec->since_us) != ERR_OK) {
        return fault_set(f, ERR_USAGE,
                         "--since: \"%s\" is no date (2026-01-01) and no time "
                         "(2026-01-01T00:00:00Z)",
                         since);
    }
    if (limit != NULL) {
        unsigned long n = strtoul(limit, &end, 10);

        if (*end != '\0' || n < 1 || n > 1000000) {
            return fault_set(f, ERR_USAGE,
                             "--limit: \"%s\" is no whole number from 1 to "
                             "1000000",
                             limit);
        }
        spec->limit = (unsigned)n;
    }
    return ERR_OK;
}

/* The greatest event id printed so far. */
static int64_t
last_id(const char *json, int64_t before)
{
    json_t *rows = NULL;
    struct fault f;
    int64_t id = before;
    bool has;

    if (jsonx_parse(json, strlen(json), &rows, &f) == ERR_OK &&
        json_array_size(rows) > 0) {
        const json_t *row = json_array_get(rows, json_array_size(rows) - 1);

        if (jsonx_get_int(row, "id", &has, &id, &f) != ERR_OK || !has) {
            id = before;
        }
    }
    json_decref(rows);
    return id;
}

static void
on_timer(void *arg)
{
    struct follow *w = arg;

    loop_stop(w->c->app.loop);
}

static void
on_signal(void *arg, int signum)
{
    struct follow *w = arg;

    (void)signum;
    w->ended = true;
    loop_stop(w->c->app.loop);
}

static int
print_rows(struct cli *c, struct store_report_spec *spec)
{
    static const char *const columns[] = {"time",    "tenant",    "event",
                                          "kind",    "fusion_id", "hubspot_id",
                                          "outcome", "message",   NULL};
    struct app *a = &c->app;
    struct store_op *op;
    int64_t id;

    if (app_wait(a, store_report(a->store, spec, app_on_json, a, &op)) !=
        ERR_OK) {
        return cli_fail_wait(c);
    }
    id = last_id(a->json, spec->after);
    if (strcmp(a->json, "[]") == 0 && c->argc > 0 &&
        !cli_tenant_existed(c, c->argv[0])) {
        return cli_fail_wait(c);
    }
    if (spec->after == 0 || id != spec->after) {
        cli_rows(c, a->json, columns, "There is no such event.");
        (void)fflush(stdout);
    }
    spec->after = id;
    return APP_DONE;
}

int
cmd_audit(struct cli *c)
{
    struct store_report_spec spec = {.report = STORE_REPORT_AUDIT};
    struct follow w = {.c = c};
    struct fault f;
    int status;

    fault_clear(&f);
    if (read_spec(c, &spec, &f) != ERR_OK) {
        return cli_fail(&f);
    }
    status = print_rows(c, &spec);
    if (!flag_set(c, "follow")) {
        return status;
    }
    loop_on_signal(c->app.loop, on_signal, &w);
    while (status == APP_DONE && !w.ended) {
        loop_timer_start(c->app.loop, &w.timer, FOLLOW_MS, on_timer, &w);
        loop_run(c->app.loop);
        if (!w.ended) {
            status = print_rows(c, &spec);
        }
    }
    loop_timer_stop(&w.timer);
    loop_on_signal(c->app.loop, NULL, NULL);
    return status;
}
