/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_CONF_PRIV_H
#define ML_CONF_PRIV_H

#include "ml/conf.h"

enum conf_type {
    CONF_TYPE_STRING,
    CONF_TYPE_SECRET,
    CONF_TYPE_DURATION,
    CONF_TYPE_SIZE,
    CONF_TYPE_INT,
    CONF_TYPE_BOOL
};

enum conf_row_id {
#define CONF(id, type, def, min, max, reload, help) CONF_ROW_##id,
#include "ml/conf.def"
#undef CONF
    CONF_ROWS
};

/* Rows by number, 0 to CONF_ROWS - 1. */
const struct conf_row *conf_row(size_t i);
enum conf_type conf_type(size_t i);
size_t conf_offset(size_t i);        /* of the field in struct conf */
const char *conf_env_file(size_t i); /* ML_X_FILE of a secret, else NULL */

#endif
