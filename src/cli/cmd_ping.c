/* SPDX-License-Identifier: UNLICENSED */
/*
 * ping: one line for each thing that must be right on both sides, with what to
 * do where it is not. Reads only; here, or by the worker that holds the portal.
 */
#include "cli_priv.h"

#include <stdio.h>

enum { PATIENCE_MS = 120000 };

static void
on_line(struct cli *c, const json_t *line)
{
    if (!c->json) {
        (void)printf("%-8s %-14s %-7s %s\n", jsonx_text(line, "side"),
                     jsonx_text(line, "check"), jsonx_text(line, "state"),
                     jsonx_text(line, "message"));
        (void)fflush(stdout);
    }
}

static bool
has_failed(const json_t *lines)
{
    const json_t *line;
    bool failed = false;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)lines, i, line)
    {
        failed = failed || text_equal(jsonx_text(line, "state"), "failed");
    }
    return failed;
}

int
cmd_ping(struct cli *c)
{
    struct cli_errand e = {
        .command = "ping", .patience_ms = PATIENCE_MS, .without_portal = true};
    json_t *answer = NULL;
    struct session s;
    struct fault f;
    int status = APP_DONE;
    enum err err;

    fault_clear(&f);
    err = session_open(&s, c, c->argv[0], &f);
    s.line = on_line;
    if (err == ERR_OK) {
        err = cli_errand(&s, &e, &answer, &f);
    }
    if (err != ERR_OK) {
        status = cli_fail(&f);
    } else {
        if (c->json) {
            cli_print_json(json_object_get(answer, "lines"));
        }
        status = has_failed(json_object_get(answer, "lines")) ? APP_FAILED :
                                                                APP_DONE;
    }
    json_decref(answer);
    session_close(&s);
    return status;
}
