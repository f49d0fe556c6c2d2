/* SPDX-License-Identifier: UNLICENSED */
/*
 * replay list and replay run: parked jobs, and putting them back to work. A
 * running worker takes them up within a minute, `run --once` at once.
 */
#include "cli_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct flag replay_flags[] = {
    {"job", FLAG_LIST, "ID", "This job; may be repeated."},
    {"error", FLAG_TEXT, "CODE", "All jobs parked with this error code."},
    {"all", FLAG_BOOL, NULL, "Every parked job of the tenant."},
    {NULL, FLAG_BOOL, NULL, NULL}};

int
cmd_replay_list(struct cli *c)
{
    static const char *const columns[] = {"job",   "kind",       "fusion_id",
                                          "since", "error_code", "reason",
                                          NULL};
    struct store_report_spec spec = {.report = STORE_REPORT_REPLAY_QUEUE,
                                     .tenant = c->argv[0]};
    struct app *a = &c->app;
    struct store_op *op;

    if (!cli_tenant_exists(c, c->argv[0])) {
        return cli_fail_wait(c);
    }
    if (app_wait(a, store_report(a->store, &spec, app_on_json, a, &op)) !=
        ERR_OK) {
        return cli_fail_wait(c);
    }
    cli_rows(c, a->json, columns, "Nothing is parked.");
    return APP_DONE;
}

/* Which jobs: the ids as a JSON array of texts, "" for all; NULL: usage. */
static char *
chosen(struct cli *c, struct fault *f)
{
    const json_t *ids = flag_list(c, "job");
    size_t ways = (ids != NULL ? 1U : 0U) + (flag_set(c, "error") ? 1U : 0U) +
                  (flag_set(c, "all") ? 1U : 0U);
    struct jsonx_writer w;
    struct buf b;
    size_t n;
    char *text;

    if (ways != 1) {
        (void)fault_set(f, ERR_USAGE,
                        "say which: --job ID (repeated), --error CODE or "
                        "--all; `ml-connector replay list %s` shows them",
                        c->argv[0]);
        return NULL;
    }
    if (ids == NULL) {
        return mem_strdup("");
    }
    buf_init(&b, 1 << 20);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, ids);
    text = buf_take(&b, &n);
    return text;
}

int
cmd_replay_run(struct cli *c)
{
    struct app *a = &c->app;
    struct store_op *op;
    json_t *o = NULL;
    struct fault f;
    char *jobs;
    int status = APP_DONE;

    fault_clear(&f);
    jobs = chosen(c, &f);
    if (jobs == NULL) {
        return cli_fail(&f);
    }
    if (!cli_tenant_exists(c, c->argv[0]) ||
        app_wait(a, store_replay(a->store, c->argv[0],
                                 jobs[0] != '\0' ? jobs : NULL,
                                 flag_text(c, "error"), "operator",
                                 app_on_json, a, &op)) != ERR_OK) {
        status = cli_fail_wait(c);
    } else if (c->json) {
        (void)printf("%s\n", a->json);
    } else if (jsonx_parse(a->json, strlen(a->json), &o, &f) == ERR_OK) {
        (void)printf("%s jobs go back to work\n",
                     jsonx_text(o, "replayed"));
    }
    json_decref(o);
    mem_free(jobs);
    return status;
}
