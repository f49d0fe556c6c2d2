/* SPDX-License-Identifier: UNLICENSED */
/*
 * provision: creates what the tenant's portal lacks; --dry-run only tells. Here,
 * or by the worker that holds the portal.
 */
#include "cli_priv.h"

#include <stdio.h>

enum { PATIENCE_MS = 120000 };

int
cmd_provision(struct cli *c)
{
    json_t *arguments =
        json_pack("{s:b}", "dry_run", flag_set(c, "dry-run") ? 1 : 0);
    struct cli_errand e = {.command = "provision",
                           .arguments = arguments,
                           .patience_ms = PATIENCE_MS};
    const json_t *lines;
    const char *text;
    json_t *answer = NULL;
    struct session s;
    struct fault f;
    int status = APP_DONE;
    enum err err;

    fault_clear(&f);
    err = session_open(&s, c, c->argv[0], &f);
    if (err == ERR_OK) {
        err = cli_errand(&s, &e, &answer, &f);
    }
    lines = json_object_get(answer, "lines");
    text = jsonx_text(answer, "text");
    if (lines != NULL && c->json) {
        cli_print_json(lines);
    } else if (text != NULL) {
        (void)printf("%s", text);
    }
    if (err != ERR_OK) {
        status = cli_fail(&f);
    }
    json_decref(answer);
    json_decref(arguments);
    session_close(&s);
    return status;
}
