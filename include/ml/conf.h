/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_CONF_H
#define ML_CONF_H

/*
 * conf: the one table of settings (conf.def), from flags, environment and
 * defaults; the flag wins. A setting x_y is --x-y and ML_X_Y; a secret one is
 * ML_X_Y or, better, a file named by --x-y-file or ML_X_Y_FILE, and never a
 * flag value.
 */
#include "ml/base.h"

#define CONF_FIELD_STRING(id) const char *id;    /* NULL: not set */
#define CONF_FIELD_SECRET(id) struct secret *id; /* NULL: not set */
#define CONF_FIELD_DURATION(id) int64_t id;      /* milliseconds */
#define CONF_FIELD_SIZE(id) uint64_t id;         /* bytes */
#define CONF_FIELD_INT(id) int64_t id;
#define CONF_FIELD_BOOL(id) bool id;

struct conf {
#define CONF(id, type, def, min, max, reload, help) CONF_FIELD_##type(id)
#include "ml/conf.def"
#undef CONF
    char **owned; /* every text conf_load() made */
    size_t owned_count;
};

struct conf_row {
    const char *name; /* database_url */
    const char *env;  /* ML_DATABASE_URL */
    const char *flag; /* --database-url */
    const char *type, *def, *min, *max, *help;
    bool reload, secret;
};
const struct conf_row *conf_rows(size_t *n);

/* Takes the settings' flags (--x-y V, --x-y=V) out of argv (argc is updated,
 * what is left keeps its order), then the environment, then the defaults.
 * ERR_USAGE for a bad flag value, ERR_CONFIG for a bad or unknown ML_ variable
 * (names the nearest), each saying what, where and what to do. c is fini'ed on
 * failure. */
MUST_USE enum err conf_load(struct conf *c, int *argc, char **argv,
                            struct fault *f);
void conf_fini(struct conf *c);
/* docs/configuration.md and the lines of --help. */
void conf_render_markdown(struct buf *out);
void conf_render_help(struct buf *out);

#endif
