/* SPDX-License-Identifier: UNLICENSED */
/*
 * plan: what a sync would write now, and what that would cost. It reads Fusion
 * and the database and asks HubSpot nothing, so it needs no lease and may run
 * beside a worker. With --ask-portal it takes the
 * lease, or asks the worker that holds it.
 */
#include "cli_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOWN = 20,
    SHOWN_MAX = 100000,
    REASONS = 10,
    SLACK_MS = 600000,  /* a worker that is asked may have others to do first */
    CLEARING_MS = 10000 /* of a plan that was stopped; upkeep does the rest */
};

const struct flag plan_flags[] = {
    {"limit", FLAG_TEXT, "N", "Records shown one by one; default 20."},
    {"ask-portal", FLAG_BOOL, NULL,
     "Also ask the portal what its properties take (5 requests, under its "
     "lease): values it would refuse are told."},
    {NULL, FLAG_BOOL, NULL, NULL}};

static enum err
read_limit(struct cli *c, unsigned *out, struct fault *f)
{
    const char *text = flag_text(c, "limit");
    char *end = NULL;
    unsigned long n;

    *out = SHOWN;
    if (text == NULL) {
        return ERR_OK;
    }
    n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || n > SHOWN_MAX) {
        return fault_set(f, ERR_USAGE,
                         "--limit: \"%s\" is not a number from 0 to %d", text,
                         SHOWN_MAX);
    }
    *out = (unsigned)n;
    return ERR_OK;
}

/* ---- for people --------------------------------------------------------- */

static json_int_t
count(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void
print_counts(const struct cli *c, const json_t *records)
{
    static const char *const columns[] = {"records",  "create",    "change",
                                          "archive",  "unchanged", "wait",
                                          "rejected", NULL};
    json_t *rows = json_array(), *o;
    struct jsonx_writer w;
    const char *kind;
    struct buf b;

    json_object_foreach((json_t *)(uintptr_t)records, kind, o)
    {
        json_t *row = json_copy(o);
        char *name = mem_printf("%ss", kind);

        json_object_set_new(row, "records", json_string(name));
        json_array_append_new(rows, row);
        mem_free(name);
    }
    buf_init(&b, 1 << 20);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, rows);
    cli_rows(c, buf_text(&b), columns, "");
    buf_fini(&b);
    json_decref(rows);
}

static void
print_cost(const json_t *plan)
{
    const json_t *operations = json_object_get(plan, "operations");
    const char *name;
    json_t *n;
    bool first = true;

    (void)printf("\nCost: %" JSON_INTEGER_FORMAT " requests, %.1f minutes at "
                 "%" JSON_INTEGER_FORMAT
                 " in 10 s, %.2f %% of the %" JSON_INTEGER_FORMAT
                 " of a day.\n",
                 count(plan, "requests"),
                 json_number_value(json_object_get(plan, "minutes")),
                 count(plan, "limit_per_10_seconds"),
                 100 * json_number_value(json_object_get(plan, "daily_share")),
                 count(plan, "daily_limit"));
    json_object_foreach((json_t *)(uintptr_t)operations, name, n)
    {
        (void)printf("%s%s %" JSON_INTEGER_FORMAT, first ? "  " : ", ", name,
                     json_integer_value(n));
        first = false;
    }
    (void)printf("%s", first ? "" : "\n");
}

static void
print_waiting(const json_t *waiting)
{
    size_t n = json_array_size(waiting);

    if (n > 0) {
        (void)printf("\nWaiting:\n");
    }
    for (size_t i = 0; i < n && i < REASONS; i++) {
        const json_t *o = json_array_get(waiting, i);

        (void)printf("  %" JSON_INTEGER_FORMAT " for %s\n", count(o, "records"),
                     jsonx_text(o, "for"));
    }
    if (n > REASONS) {
        (void)printf("  and for %zu others\n", n - REASONS);
    }
}

static void
print_rejected(const json_t *rejected)
{
    if (json_array_size(rejected) > 0) {
        (void)printf("\nRejected:\n");
    }
    for (size_t i = 0; i < json_array_size(rejected); i++) {
        const json_t *o = json_array_get(rejected, i);
        const char *why = jsonx_text(o, "why");

        (void)printf("  %s  %s\n", jsonx_text(o, "record"),
                     why != NULL ? why : "");
    }
}

static void
print_shown(const json_t *shown, json_int_t more)
{
    if (json_array_size(shown) > 0) {
        (void)printf("\nRecords:\n");
    }
    for (size_t i = 0; i < json_array_size(shown); i++) {
        const json_t *o = json_array_get(shown, i);
        const json_t *changes = json_object_get(o, "changes");
        const char *number = jsonx_text(o, "number");
        const char *why = jsonx_text(o, "why");

        (void)printf("  %s %s%s%s%s%s%s\n", jsonx_text(o, "fate"),
                     jsonx_text(o, "record"), number != NULL ? " (" : "",
                     number != NULL ? number : "", number != NULL ? ")" : "",
                     why != NULL ? " for " : "", why != NULL ? why : "");
        for (size_t k = 0; k < json_array_size(changes); k++) {
            const json_t *x = json_array_get(changes, k);
            const char *before = jsonx_text(x, "before");

            (void)printf("      %s %s: %s -> %s\n", jsonx_text(x, "object"),
                         jsonx_text(x, "property"),
                         before != NULL ? before : "(nothing)",
                         jsonx_text(x, "after"));
        }
    }
    if (more > 0) {
        (void)printf("  and %" JSON_INTEGER_FORMAT " more (--limit N, "
                     "--json)\n",
                     more);
    }
}

static void
print_plan(const struct cli *c, const json_t *plan)
{
    print_counts(c, json_object_get(plan, "records"));
    print_cost(plan);
    print_waiting(json_object_get(plan, "waiting"));
    print_rejected(json_object_get(plan, "rejected"));
    print_shown(json_object_get(plan, "shown"), count(plan, "more"));
}

/* ---- the command -------------------------------------------------------- */

/* Nothing is asked of the portal, so nobody's lease is needed. */
static enum err
plan_here(struct session *s, const json_t *arguments, json_t **plan,
          struct fault *f)
{
    struct fault unasked;
    enum err err;

    fault_clear(&unasked);
    (void)fault_set(&unasked, ERR_USAGE, "the portal is not asked");
    err = session_errand(s, "plan", arguments, &unasked, plan, f);
    return err != ERR_OK ? err : cli_answer_error(*plan, f);
}

static void
on_cleared(void *arg)
{
    app_on_done(arg, ERR_OK, NULL);
}

/* One that was stopped is still being removed. */
static void
await_clearing(struct cli *c)
{
    struct app *a = &c->app;

    store_plans_end(a->store, CLEARING_MS, on_cleared, a);
    if (app_wait(a, ERR_OK) != ERR_OK) {
        (void)cli_fail_wait(c);
    }
}

int
cmd_plan(struct cli *c)
{
    struct cli_errand e = {.command = "plan"};
    json_t *plan = NULL;
    struct session s;
    struct fault f;
    unsigned shown = 0;
    int status = APP_DONE;
    const char *why;
    enum err err;

    fault_clear(&f);
    err = read_limit(c, &shown, &f);
    if (err != ERR_OK) {
        return cli_fail(&f);
    }
    e.patience_ms = c->app.conf.plan_timeout + SLACK_MS;
    e.arguments = json_pack("{s:i, s:b}", "shown", (int)shown, "ask_portal",
                            flag_set(c, "ask-portal") ? 1 : 0);
    err = session_open(&s, c, c->argv[0], &f);
    s.stoppable = true;
    if (err == ERR_OK) {
        err = flag_set(c, "ask-portal") ? cli_errand(&s, &e, &plan, &f) :
                                          plan_here(&s, e.arguments, &plan, &f);
    }
    why = jsonx_text(plan, "incomplete");
    if (err == ERR_OK && c->json) {
        cli_print_json(plan);
    } else if (err == ERR_OK) {
        print_plan(c, plan);
    }
    if (err == ERR_OK && why != NULL) {
        err = fault_set(&f, ERR_MISSING, "the plan is incomplete: %s", why);
    }
    if (err != ERR_OK) {
        status = cli_fail(&f);
    }
    json_decref(plan);
    json_decref(e.arguments);
    await_clearing(c);
    session_close(&s);
    return status;
}
