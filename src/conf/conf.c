/* SPDX-License-Identifier: UNLICENSED */
/*
 * Settings, from flags, environment and defaults, in this order of precedence;
 * conf.def is the only list. Every value passes the same parser and bounds
 * wherever it comes from, the defaults included.
 *
 * A secret is read from the file a flag or the environment names, or from the
 * environment itself, and never from a flag, since others can see those. An
 * empty environment variable is one that is not set. No message repeats the
 * value of a text or a secret: it may be a password.
 */
#include "conf_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SECRET_FILE_MAX = 65536 };

/* POSIX has it, no header declares it. */
extern char **environ;

/* Where the value of each row comes from, before it is parsed. */
struct sources {
    const char *flag[CONF_ROWS]; /* the value after the flag */
    const char *env[CONF_ROWS];  /* ML_X */
    const char *file[CONF_ROWS]; /* ML_X_FILE, secrets only */
};

static char *
own(struct conf *c, const char *s)
{
    char *copy = mem_strdup(s);

    c->owned = mem_resize(c->owned, (c->owned_count + 1) * sizeof(*c->owned));
    c->owned[c->owned_count++] = copy;
    return copy;
}

/* Where a row's value lives in c. */
static void *
field_of(struct conf *c, size_t row)
{
    return (char *)c + conf_offset(row);
}

static bool
parse_int(const char *s, int64_t *v)
{
    char rest;

    return s[strspn(s, "-0123456789")] == '\0' && strlen(s) < 19 &&
           sscanf(s, "%" SCNd64 "%c", v, &rest) == 1;
}

/* The value of any type that is a number, as one. */
static bool
parse_number(enum conf_type type, const char *s, int64_t *v)
{
    uint64_t bytes = 0;

    if (type == CONF_TYPE_DURATION) {
        return duration_parse(s, v) == ERR_OK;
    }
    if (type == CONF_TYPE_SIZE) {
        if (size_parse(s, &bytes) != ERR_OK) {
            return false;
        }
        *v = (int64_t)bytes; /* size_parse stays below INT64_MAX */
        return true;
    }
    return parse_int(s, v);
}

static const char *
kind_of(enum conf_type type)
{
    if (type == CONF_TYPE_DURATION) {
        return "a duration such as 250ms, 30s, 15m, 12h, 400d";
    }
    return type == CONF_TYPE_SIZE ? "a size such as 4096, 64KiB, 8MiB, 1GiB" :
                                    "a whole number";
}

static enum err
set_number(void *field, size_t i, const char *from, const char *value,
           struct fault *f)
{
    const struct conf_row *row = conf_row(i);
    enum conf_type type = conf_type(i);
    int64_t v = 0;
    int64_t min = INT64_MIN;
    int64_t max = INT64_MAX;

    if (row->min != NULL) {
        (void)parse_number(type, row->min, &min);
    }
    if (row->max != NULL) {
        (void)parse_number(type, row->max, &max);
    }
    if (!parse_number(type, value, &v) || v < min || v > max) {
        return fault_set(f, ERR_CONFIG,
                         "%s: \"%.40s\" is not %s, from %s to %s", from, value,
                         kind_of(type), row->min != NULL ? row->min : "any",
                         row->max != NULL ? row->max : "any");
    }
    if (type == CONF_TYPE_SIZE) {
        *(uint64_t *)field = (uint64_t)v;
    } else {
        *(int64_t *)field = v;
    }
    return ERR_OK;
}

static enum err
set_bool(bool *field, const char *from, const char *value, struct fault *f)
{
    if (text_equal(value, "true") || text_equal(value, "false")) {
        *field = value[0] == 't';
        return ERR_OK;
    }
    return fault_set(f, ERR_CONFIG, "%s: \"%.40s\" is not true or false", from,
                     value);
}

/* Parses a value that is not a secret; `from` names where it was given. */
static enum err
set_value(struct conf *c, size_t i, const char *from, const char *value,
          struct fault *f)
{
    switch (conf_type(i)) {
    case CONF_TYPE_STRING:
        *(const char **)field_of(c, i) = own(c, value);
        return ERR_OK;
    case CONF_TYPE_BOOL:
        return set_bool(field_of(c, i), from, value, f);
    case CONF_TYPE_SECRET:
        *(struct secret **)field_of(c, i) = secret_new(value, strlen(value));
        return ERR_OK;
    case CONF_TYPE_DURATION:
    case CONF_TYPE_SIZE:
    case CONF_TYPE_INT:
        break;
    }
    return set_number(field_of(c, i), i, from, value, f);
}

/* Reads a secret's file; a line end at the end is not part of it. */
static enum err
set_secret_file(struct conf *c, size_t i, const char *from, const char *path,
                struct fault *f)
{
    struct fault why;
    char *data;
    size_t n;

    fault_clear(&why);
    if (file_read(path, SECRET_FILE_MAX, &data, &n, &why) != ERR_OK) {
        return fault_set(f, ERR_CONFIG, "%s: %s", from, why.message);
    }
    while (n > 0 && (data[n - 1] == '\n' || data[n - 1] == '\r')) {
        data[--n] = '\0';
    }
    *(struct secret **)field_of(c, i) = secret_new(data, n);
    secret_wipe_bytes(data, n);
    mem_free(data);
    if (n == 0) {
        return fault_set(f, ERR_CONFIG, "%s: %s: the file is empty", from,
                         path);
    }
    return ERR_OK;
}

/* The row `arg` names, and where its value stands (NULL: the next argument).
 * CONF_ROWS when it is no setting of ours. */
static size_t
match_flag(const char *arg, const char **value)
{
    size_t len = strcspn(arg, "=");

    *value = arg[len] == '=' ? arg + len + 1 : NULL;
    for (size_t i = 0; i < CONF_ROWS; i++) {
        const char *flag = conf_row(i)->flag;

        if (strlen(flag) == len && strncmp(flag, arg, len) == 0) {
            return i;
        }
    }
    return CONF_ROWS;
}

/* `--master-key X`, when only `--master-key-file F` is offered. */
static bool
is_secret_value(const char *arg)
{
    size_t len = strcspn(arg, "=");

    for (size_t i = 0; i < CONF_ROWS; i++) {
        const struct conf_row *row = conf_row(i);

        if (row->secret && strlen(row->flag) == len + strlen("-file") &&
            strncmp(row->flag, arg, len) == 0) {
            return true;
        }
    }
    return false;
}

static enum err
take_flags(struct sources *s, int *argc, char **argv, struct fault *f)
{
    int kept = *argc > 0 ? 1 : 0;
    int i = kept;

    while (i < *argc && !text_equal(argv[i], "--")) {
        const char *value;
        size_t row = match_flag(argv[i], &value);

        if (is_secret_value(argv[i])) {
            return fault_set(f, ERR_USAGE,
                             "%.*s: a secret is not given on the command "
                             "line; name a file with %.*s-file",
                             (int)strcspn(argv[i], "="), argv[i],
                             (int)strcspn(argv[i], "="), argv[i]);
        }
        if (row == CONF_ROWS) {
            argv[kept++] = argv[i++];
            continue;
        }
        if (value == NULL && conf_type(row) == CONF_TYPE_BOOL) {
            value = "true";
        } else if (value == NULL) {
            value = ++i < *argc ? argv[i] : "";
        }
        if (value[0] == '\0') {
            return fault_set(f, ERR_USAGE, "%s: a value is missing",
                             conf_row(row)->flag);
        }
        s->flag[row] = value;
        i++;
    }
    while (i < *argc) {
        argv[kept++] = argv[i++];
    }
    *argc = kept;
    argv[kept] = NULL;
    return ERR_OK;
}

static enum err
unknown_variable(const char *name, struct fault *f)
{
    const char *names[2 * CONF_ROWS + 1];
    size_t n = 0;
    const char *near;

    for (size_t i = 0; i < CONF_ROWS; i++) {
        names[n++] = conf_row(i)->env;
        if (conf_row(i)->secret) {
            names[n++] = conf_env_file(i);
        }
    }
    names[n] = NULL;
    near = text_nearest(name, names);
    if (near != NULL) {
        return fault_set(f, ERR_CONFIG,
                         "%.80s: there is no such setting; did you mean %s?",
                         name, near);
    }
    return fault_set(f, ERR_CONFIG,
                     "%.80s: there is no such setting; remove it from the "
                     "environment",
                     name);
}

static enum err
take_environment(struct sources *s, struct fault *f)
{
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        size_t len = strcspn(*e, "=");
        const char *value = *e + len + ((*e)[len] == '=' ? 1 : 0);
        bool known = false;
        char *name;
        enum err err;

        if (!text_has_prefix(*e, "ML_")) {
            continue;
        }
        name = mem_strndup(*e, len);
        for (size_t i = 0; i < CONF_ROWS; i++) {
            if (text_equal(name, conf_row(i)->env)) {
                s->env[i] = value[0] != '\0' ? value : NULL;
                known = true;
            } else if (conf_row(i)->secret &&
                       text_equal(name, conf_env_file(i))) {
                s->file[i] = value[0] != '\0' ? value : NULL;
                known = true;
            }
        }
        err = known ? ERR_OK : unknown_variable(name, f);
        mem_free(name);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

static enum err
set_row(struct conf *c, size_t i, const struct sources *s, struct fault *f)
{
    const struct conf_row *row = conf_row(i);
    enum err err;

    if (s->flag[i] != NULL) {
        err = row->secret ? set_secret_file(c, i, row->flag, s->flag[i], f) :
                            set_value(c, i, row->flag, s->flag[i], f);
        if (err != ERR_OK && f != NULL) {
            f->err = ERR_USAGE;
        }
        return err != ERR_OK ? ERR_USAGE : ERR_OK;
    }
    if (s->env[i] != NULL && s->file[i] != NULL) {
        return fault_set(f, ERR_CONFIG, "%s and %s are both set; keep one",
                         row->env, conf_env_file(i));
    }
    if (s->file[i] != NULL) {
        return set_secret_file(c, i, conf_env_file(i), s->file[i], f);
    }
    if (s->env[i] != NULL) {
        return set_value(c, i, row->env, s->env[i], f);
    }
    return row->def != NULL ? set_value(c, i, row->name, row->def, f) : ERR_OK;
}

enum err
conf_load(struct conf *c, int *argc, char **argv, struct fault *f)
{
    struct sources s = {.flag = {NULL}};
    enum err err;

    memset(c, 0, sizeof(*c));
    err = take_flags(&s, argc, argv, f);
    if (err == ERR_OK) {
        err = take_environment(&s, f);
    }
    for (size_t i = 0; err == ERR_OK && i < CONF_ROWS; i++) {
        err = set_row(c, i, &s, f);
    }
    if (err != ERR_OK) {
        conf_fini(c);
    }
    return err;
}

void
conf_fini(struct conf *c)
{
    for (size_t i = 0; i < CONF_ROWS; i++) {
        if (conf_row(i)->secret) {
            secret_free(*(struct secret **)field_of(c, i));
        }
    }
    for (size_t i = 0; i < c->owned_count; i++) {
        /* A connection string may hold a password. */
        secret_wipe_bytes(c->owned[i], strlen(c->owned[i]));
        mem_free(c->owned[i]);
    }
    mem_free(c->owned);
    memset(c, 0, sizeof(*c));
}
