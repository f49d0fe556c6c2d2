/* SPDX-License-Identifier: UNLICENSED */
/* run: the worker. With --once the lines of what is left go to stdout. */
#include "cli_priv.h"

#include <stdio.h>

static void
on_line(void *arg, const char *line)
{
    struct cli *c = arg;

    if (c->json) {
        json_array_append_new(c->lists, json_string(line));
    } else {
        (void)printf("%s\n", line);
    }
}

int
cmd_run(struct cli *c)
{
    bool once = flag_set(c, "once");
    int status;

    json_decref(c->lists);
    c->lists = json_array(); /* the lines, for --json */
    status = app_run(&c->app, once, on_line, c);
    if (c->json && once) {
        json_t *out = json_object();

        json_object_set_new(out, "done", json_boolean(status == APP_DONE));
        json_object_set(out, "unfinished", c->lists);
        cli_print_json(out);
        json_decref(out);
    }
    return status;
}
