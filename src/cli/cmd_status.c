/* SPDX-License-Identifier: UNLICENSED */
/* status: tenants and feeds as the dashboards see them. */
#include "cli_priv.h"

#include <stdio.h>

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

int
cmd_status(struct cli *c)
{
    static const char *const tenants[] = {"tenant",
                                          "state",
                                          "tier",
                                          "limit_per_10_seconds",
                                          "last_success",
                                          "open_jobs",
                                          "parked_jobs",
                                          "health",
                                          NULL};
    static const char *const feeds[] = {
        "tenant",     "feed",   "state",       "interval_seconds", "last_poll",
        "last_error", "cursor", "lag_seconds", "records_seen",     NULL};
    char *t = NULL, *f = NULL;
    int status;

    if (c->argc > 0 && !cli_tenant_exists(c, c->argv[0])) {
        return cli_fail_wait(c);
    }
    status = report(c, STORE_REPORT_TENANTS, &t);

    if (status == APP_DONE) {
        status = report(c, STORE_REPORT_FEEDS, &f);
    }
    if (status == APP_DONE && c->json) {
        (void)printf("{\"tenants\":%s,\"feeds\":%s}\n", t, f);
    } else if (status == APP_DONE) {
        cli_rows(c, t, tenants, "There is no tenant.");
        (void)printf("\n");
        cli_rows(c, f, feeds, "Nothing has been polled yet.");
    }
    mem_free(t);
    mem_free(f);
    return status;
}
