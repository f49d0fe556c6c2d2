/* SPDX-License-Identifier: UNLICENSED */
/* migrate: creates or upgrades the schema; safe twice and at once. */
#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

static void
tell(const json_t *report)
{
    const json_t *applied = json_object_get(report, "applied");
    const char *role = jsonx_text(report, "role_sql");

    (void)printf("schema %s -> %s, %zu migrations applied\n",
                 jsonx_text(report, "from"), jsonx_text(report, "to"),
                 json_array_size(applied));
    if (role != NULL) {
        (void)printf("The dashboards' role could not be made; someone who may "
                     "create roles runs:\n%s\n",
                     role);
    }
}

int
cmd_migrate(struct cli *c)
{
    struct app *a = &c->app;
    struct store_op *op;
    json_t *report = NULL;
    struct fault f;

    if (app_wait(a, store_migrate(a->store, app_on_json, a, &op)) != ERR_OK) {
        return cli_fail_wait(c);
    }
    if (c->json) {
        (void)printf("%s\n", a->json);
        return APP_DONE;
    }
    if (jsonx_parse(a->json, strlen(a->json), &report, &f) != ERR_OK) {
        return cli_fail(&f);
    }
    tell(report);
    json_decref(report);
    return APP_DONE;
}
