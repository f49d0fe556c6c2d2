/* SPDX-License-Identifier: UNLICENSED */
/* version: the program's version and the schema it is built for. */
#include "cli_priv.h"

#include <stdio.h>

int
cmd_version(struct cli *c)
{
    if (c->json) {
        (void)printf("{\"version\":\"%s\",\"schema\":%d}\n", ML_VERSION,
                     store_schema_version());
    } else {
        (void)printf("ml-connector %s (schema %d)\n", ML_VERSION,
                     store_schema_version());
    }
    return APP_DONE;
}
