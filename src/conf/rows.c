/* SPDX-License-Identifier: UNLICENSED */
/*
 * The table of settings made from conf.def, and the texts made from the table:
 * the page of the documentation and the lines of --help.
 *
 * Names are derived from the row's id, once: x_y is ML_X_Y and --x-y; a secret
 * is also ML_X_Y_FILE, and its only flag is --x-y-file.
 */
#include "conf_priv.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

static const struct {
    enum conf_type type;
    size_t offset;
} fields[CONF_ROWS] = {
#define CONF(id, type, def, min, max, reload, help)                            \
    [CONF_ROW_##id] = {CONF_TYPE_##type, offsetof(struct conf, id)},
#include "ml/conf.def"
#undef CONF
};

static struct conf_row rows[CONF_ROWS] = {
/* clang-format off */
#define CONF(id, type, def, min, max, reload, help)                            \
    [CONF_ROW_##id] = {#id, NULL, NULL, #type, def, min, max, help, reload,    \
                       false},
/* clang-format on */
#include "ml/conf.def"
#undef CONF
};

static char envs[CONF_ROWS][NAME_MAX_BYTES];
static char env_files[CONF_ROWS][NAME_MAX_BYTES];
static char flags[CONF_ROWS][NAME_MAX_BYTES];
static bool named;

static void
name_row(size_t i)
{
    struct conf_row *r = &rows[i];

    ML_ASSERT(strlen(r->name) < NAME_MAX_BYTES - 16);
    r->secret = fields[i].type == CONF_TYPE_SECRET;
    (void)snprintf(envs[i], NAME_MAX_BYTES, "ML_%s", r->name);
    for (char *p = envs[i]; *p != '\0'; p++) {
        if (*p >= 'a' && *p <= 'z') {
            *p = (char)(*p - 'a' + 'A');
        }
    }
    (void)snprintf(flags[i], NAME_MAX_BYTES, "--%s%s", r->name,
                   r->secret ? "-file" : "");
    for (char *p = flags[i]; *p != '\0'; p++) {
        if (*p == '_') {
            *p = '-';
        }
    }
    if (r->secret) {
        (void)snprintf(env_files[i], NAME_MAX_BYTES, "%.50s_FILE", envs[i]);
    }
    r->env = envs[i];
    r->flag = flags[i];
}

static void
name_rows(void)
{
    if (!named) {
        for (size_t i = 0; i < CONF_ROWS; i++) {
            name_row(i);
        }
        named = true;
    }
}

const struct conf_row *
conf_row(size_t i)
{
    ML_ASSERT(i < CONF_ROWS);
    name_rows();
    return &rows[i];
}

enum conf_type
conf_type(size_t i)
{
    return fields[i].type;
}

size_t
conf_offset(size_t i)
{
    return fields[i].offset;
}

const char *
conf_env_file(size_t i)
{
    return conf_row(i)->secret ? env_files[i] : NULL;
}

const struct conf_row *
conf_rows(size_t *n)
{
    name_rows();
    *n = CONF_ROWS;
    return rows;
}

/* A cell of the table: a bar inside would end it, even inside code. */
static void
add_cell(struct buf *out, const char *quote, const char *s)
{
    if (s == NULL) {
        buf_adds(out, " |");
        return;
    }
    buf_addf(out, " %s", quote);
    for (; *s != '\0'; s++) {
        buf_adds(out, *s == '|' ? "\\" : "");
        buf_addc(out, *s);
    }
    buf_addf(out, "%s |", quote);
}

void
conf_render_markdown(struct buf *out)
{
    buf_adds(out,
             "# Settings\n\n"
             "A flag wins over the environment, the environment over the "
             "default. An unknown `ML_` variable is an error. Durations are "
             "written `250ms`, `30s`, `15m`, `12h`, `400d`; sizes `4096`, "
             "`64KiB`, `8MiB`. A secret comes from the file its flag or its "
             "`..._FILE` variable names, or from its variable, never from the "
             "command line.\n\n"
             "| setting | flag | default | from | to | meaning |\n"
             "| --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < CONF_ROWS; i++) {
        const struct conf_row *r = conf_row(i);

        if (r->secret) {
            buf_addf(out, "| `%s`, `%s` |", conf_env_file(i), r->env);
        } else {
            buf_addf(out, "| `%s` |", r->env);
        }
        add_cell(out, "`", r->flag);
        add_cell(out, "`", r->def);
        add_cell(out, "`", r->min);
        add_cell(out, "`", r->max);
        add_cell(out, "", r->help);
        buf_addc(out, '\n');
    }
}

static const char *
value_word(size_t i)
{
    static const char *const words[] = {
        [CONF_TYPE_STRING] = "TEXT",   [CONF_TYPE_SECRET] = "FILE",
        [CONF_TYPE_DURATION] = "TIME", [CONF_TYPE_SIZE] = "SIZE",
        [CONF_TYPE_INT] = "N",         [CONF_TYPE_BOOL] = "true|false",
    };

    return words[fields[i].type];
}

void
conf_render_help(struct buf *out)
{
    for (size_t i = 0; i < CONF_ROWS; i++) {
        const struct conf_row *r = conf_row(i);

        buf_addf(out, "  %s %s\n      %s", r->flag, value_word(i), r->help);
        if (r->def != NULL) {
            buf_addf(out, " Default %s.", r->def);
        }
        buf_addf(out, " [%s]\n", r->secret ? conf_env_file(i) : r->env);
    }
}
