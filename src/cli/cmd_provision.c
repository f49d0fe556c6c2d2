/* SPDX-License-Identifier: UNLICENSED */
/* provision: creates what the tenant's portal lacks; --dry-run only tells. */
#include "cli_priv.h"

#include <stdio.h>

int
cmd_provision(struct cli *c)
{
    struct session s;
    json_t *lines = NULL;
    char *text = NULL;
    struct fault f;
    int status = APP_DONE;
    enum err err;

    fault_clear(&f);
    err = session_open(&s, c, c->argv[0], &f);
    if (err == ERR_OK) {
        err = session_lease(&s, &f);
    }
    if (err == ERR_OK) {
        err = session_provision(&s, flag_set(c, "dry-run"), &lines, &text, &f);
    }
    if (lines != NULL && c->json) {
        cli_print_json(lines);
    } else if (text != NULL) {
        (void)printf("%s", text);
    }
    if (err != ERR_OK) {
        status = cli_fail(&f);
    }
    json_decref(lines);
    mem_free(text);
    session_close(&s);
    return status;
}
