/* SPDX-License-Identifier: UNLICENSED */
/*
 * status: tenants, feeds, budgets and workers as the dashboards see them. For
 * people the feeds come in two tables: how they fare, and how they read.
 */
#include "cli_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
report(struct cli *c, enum store_report which, char **json)
{
    struct app *a = &c->app;
    struct store_report_spec spec = {.report = which,
                                     .tenant = c->argc > 0 ? c->argv[0] : NULL};
    struct store_op *op;

    if (app_wait(a, store_report(a->store, &spec, app_on_json, a, &op)) !=
        ERR_OK) {
        return cli_fail_wait(c);
    }
    *json = a->json;
    a->json = NULL;
    return APP_DONE;
}

/* ---- how feeds read ------------------------------------------------------ */

/* The seconds of a column as people say them: "1h", "42m", "3d". */
static void
put_span(json_t *out, const char *key, const json_t *row, const char *column)
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    const char *value = jsonx_text(row, column);
    int64_t s;
    char *text;
    size_t i;

    if (value == NULL) {
        return;
    }
    s = strtoll(value, NULL, 10);
    i = s == 0 ? COUNT_OF(units) - 1 : 0;
    /* a unit that does not hide more than a tenth of it */
    while (i + 1 < COUNT_OF(units) && s % units[i].seconds != 0 &&
           s < 10 * units[i].seconds) {
        i++;
    }
    text = mem_printf("%" PRId64 "%s", s / units[i].seconds, units[i].unit);
    json_object_set_new(out, key, json_string(text));
    mem_free(text);
}

/* "2025-01-01 .. 2025-03-04 of 2026-01-01": begun, where it stands, its end. */
static void
put_backfill(json_t *out, const json_t *row)
{
    const char *from = jsonx_text(row, "backfill_from");
    const char *at = jsonx_text(row, "backfill_at");
    const char *to = jsonx_text(row, "backfill_to");
    char *text;

    if (from == NULL || at == NULL || to == NULL) {
        return;
    }
    text = mem_printf("%.10s .. %.10s of %.10s", from, at, to);
    json_object_set_new(out, "backfill", json_string(text));
    mem_free(text);
}

static json_t *
reading_row(json_t *row)
{
    static const char *const same[] = {"tenant", "feed", "strategy",
                                       "last_sweep"};
    json_t *out = json_object();

    for (size_t i = 0; i < COUNT_OF(same); i++) {
        json_t *value = json_object_get(row, same[i]);

        json_object_set(out, same[i], value != NULL ? value : json_null());
    }
    put_span(out, "every", row, "interval_seconds");
    put_span(out, "late", row, "late_seconds");
    put_span(out, "overlap", row, "overlap_seconds");
    put_span(out, "open_round", row, "open_round_seconds");
    put_backfill(out, row);
    return out;
}

static void
print_reading(const struct cli *c, const char *feeds)
{
    static const char *const columns[] = {
        "tenant",  "feed",       "strategy", "every",      "late",
        "overlap", "open_round", "backfill", "last_sweep", NULL};
    json_t *rows = NULL, *row, *out = json_array();
    struct jsonx_writer w;
    struct fault ignored;
    struct buf b;
    size_t i;

    if (jsonx_parse(feeds, strlen(feeds), &rows, &ignored) == ERR_OK) {
        json_array_foreach(rows, i, row)
        {
            json_array_append_new(out, reading_row(row));
        }
    }
    buf_init(&b, 1 << 28);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, out);
    if (json_array_size(out) > 0) {
        (void)printf("\nReading:\n");
        cli_rows(c, buf_text(&b), columns, "");
    }
    buf_fini(&b);
    json_decref(out);
    json_decref(rows);
}

/* ---- what a person has to do -------------------------------------------- */

/* The text with every %s as the name. */
static void
print_named(const char *text, const char *name)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's') {
            (void)printf("%s", name);
            at++;
        } else {
            (void)putchar(*at);
        }
    }
}

/* One line for each tenant that does not work: why, and what lets it go on. */
static void
print_stopped(const json_t *rows)
{
    static const struct {
        const char *state, *text;
    } texts[] = {
        {"paused", "`ml-connector tenant resume %s` lets it go on"},
        {"held", "`ml-connector plan %s` shows what would change, "
                 "`ml-connector tenant resume %s` lets it through"},
        {"halted", "`ml-connector ping %s` says what is wrong; it is tried "
                   "again every 10 minutes, and at once after `tenant set %s` "
                   "or `tenant resume %s`"},
    };
    const json_t *row;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        const char *name = jsonx_text(row, "tenant");
        const char *reason = jsonx_text(row, "reason");
        const char *since = jsonx_text(row, "health_since");

        for (size_t k = 0; k < COUNT_OF(texts); k++) {
            if (text_equal(texts[k].state, jsonx_text(row, "state"))) {
                (void)printf("\n%s is %s since %.19s%s%s\n    ", name,
                             texts[k].state, since != NULL ? since : "?",
                             reason != NULL ? ": " : "",
                             reason != NULL ? reason : "");
                print_named(texts[k].text, name);
                (void)printf("\n");
            }
        }
    }
}

static void
print_parked(const struct cli *c, const char *parked)
{
    static const char *const columns[] = {"tenant", "error_code", "jobs",
                                          "since", NULL};

    if (strcmp(parked, "[]") == 0) {
        return;
    }
    (void)printf("\nParked:\n");
    cli_rows(c, parked, columns, "");
    (void)printf("`ml-connector replay list %s` says why; mend that, then "
                 "`ml-connector replay run %s --error CODE`.\n",
                 c->argc > 0 ? c->argv[0] : "NAME",
                 c->argc > 0 ? c->argv[0] : "NAME");
}

enum {
    PART_TENANTS,
    PART_FEEDS,
    PART_BUDGETS,
    PART_PARKED,
    PART_WORKERS,
    PART_LEASES,
    PARTS
};

static void
print_json(char *const part[PARTS])
{
    (void)printf("{\"tenants\":%s,\"feeds\":%s,\"budgets\":%s,"
                 "\"parked\":%s,\"workers\":%s,\"leases\":%s}\n",
                 part[PART_TENANTS], part[PART_FEEDS], part[PART_BUDGETS],
                 part[PART_PARKED], part[PART_WORKERS], part[PART_LEASES]);
}

static void
print_text(const struct cli *c, char *const part[PARTS])
{
    static const char *const tenants[] = {
        "tenant",       "state",     "tier",        "limit_per_10_seconds",
        "last_success", "open_jobs", "parked_jobs", "health",
        "worker",       NULL};
    static const char *const feeds[] = {"tenant",      "feed",         "state",
                                        "last_poll",   "last_error",   "cursor",
                                        "lag_seconds", "records_seen", NULL};
    static const char *const budgets[] = {
        "tenant",      "burst_limit",      "tokens_out",  "throttled",
        "foreign_use", "daily_limit",      "used",        "used_percent",
        "per_hour",    "used_at_midnight", "runs_out_at", "level",
        NULL};
    static const char *const workers[] = {"worker",  "version", "started_at",
                                          "seen_at", "portals", NULL};
    json_t *rows;

    cli_rows(c, part[PART_TENANTS], tenants, "There is no tenant.");
    (void)printf("\n");
    cli_rows(c, part[PART_FEEDS], feeds, "Nothing has been polled yet.");
    print_reading(c, part[PART_FEEDS]);
    if (strcmp(part[PART_BUDGETS], "[]") != 0) {
        (void)printf("\nRequests to HubSpot, today:\n");
        cli_rows(c, part[PART_BUDGETS], budgets, "");
    }
    (void)printf("\nWorkers:\n");
    cli_rows(c, part[PART_WORKERS], workers, "None is running.");
    print_parked(c, part[PART_PARKED]);
    rows = json_loads(part[PART_TENANTS], 0, NULL);
    print_stopped(rows);
    json_decref(rows);
}

int
cmd_status(struct cli *c)
{
    static const enum store_report reports[PARTS] = {
        [PART_TENANTS] = STORE_REPORT_TENANTS,
        [PART_FEEDS] = STORE_REPORT_FEEDS,
        [PART_BUDGETS] = STORE_REPORT_BUDGETS,
        [PART_PARKED] = STORE_REPORT_PARKED,
        [PART_WORKERS] = STORE_REPORT_WORKERS,
        [PART_LEASES] = STORE_REPORT_LEASES};
    char *part[PARTS] = {NULL};
    int status = APP_DONE;

    if (c->argc > 0 && !cli_tenant_exists(c, c->argv[0])) {
        return cli_fail_wait(c);
    }
    for (size_t i = 0; i < PARTS && status == APP_DONE; i++) {
        status = report(c, reports[i], &part[i]);
    }
    if (status == APP_DONE && c->json) {
        print_json(part);
    } else if (status == APP_DONE) {
        print_text(c, part);
    }
    for (size_t i = 0; i < PARTS; i++) {
        mem_free(part[i]);
    }
    return status;
}
