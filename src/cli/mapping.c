/* SPDX-License-Identifier: UNLICENSED */
/*
 * A tenant's mapping file before it is stored. Either system may be out of
 * reach: what could not be asked is told, and is no reason to refuse the file.
 * What was asked and is not there, is.
 */
#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 60000 };

static void
say_lines(const json_t *lines, const char *before)
{
    const json_t *line;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)lines, i, line)
    {
        (void)fprintf(stderr, "ml-connector: %s%s\n", before,
                      json_string_value(line));
    }
}

static enum err
judge(struct cli *c, const struct store_tenant *row, const json_t *verdict,
      struct fault *f)
{
    const json_t *complaints = json_object_get(verdict, "complaints");
    const json_t *unasked = json_object_get(verdict, "unasked");

    if (json_array_size(complaints) > 0) {
        say_lines(complaints, "--mapping-file: ");
        return fault_set(f, ERR_USAGE,
                         "--mapping-file: %s does not fit; nothing was stored",
                         flag_text(c, "mapping-file"));
    }
    if (json_array_size(unasked) > 0) {
        say_lines(unasked, "the mapping was not checked against ");
        (void)fprintf(stderr,
                      "ml-connector: `ml-connector ping %s` checks it\n",
                      row->name);
    }
    return ERR_OK;
}

enum err
mapping_check_row(struct cli *c, const struct store_tenant *row,
                  struct fault *f)
{
    struct cli_errand e = {.command = "mapping",
                           .patience_ms = PATIENCE_MS,
                           .without_portal = true};
    json_t *verdict = NULL;
    struct session s;
    struct fault why;
    enum err err = session_open_row(&s, c, row, f);

    fault_clear(&why);
    if (err == ERR_OK) {
        err = cli_errand(&s, &e, &verdict, &why);
        if (err == ERR_OK) {
            err = judge(c, row, verdict, f);
        } else {
            err = fault_set(f, err,
                            "--mapping-file: not stored, for it could not be "
                            "checked: %s",
                            why.message);
        }
    }
    json_decref(verdict);
    session_close(&s);
    return err;
}
