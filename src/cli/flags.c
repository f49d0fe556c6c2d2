/* SPDX-License-Identifier: UNLICENSED */
/*
 * A command's own flags, from its table: --name VALUE or --name=VALUE, anywhere
 * among the arguments; `--` ends them.
 */
#include "cli_priv.h"

#include <string.h>

static size_t
flag_index(const struct cli *c, const char *name, size_t n)
{
    const struct flag *flags = c->command->flags;
    size_t i = 0;

    while (flags != NULL && flags[i].name != NULL &&
           (strncmp(flags[i].name, name, n) != 0 || flags[i].name[n] != '\0')) {
        i++;
    }
    return i;
}

static size_t
flag_count(const struct command *command)
{
    size_t n = 0;

    while (command->flags != NULL && command->flags[n].name != NULL) {
        n++;
    }
    return n;
}

static enum err
unknown(const struct cli *c, const char *name, size_t length, struct fault *f)
{
    char *shown = mem_strndup(name, length); /* not the value: a secret? */
    size_t n = flag_count(c->command), known = 0;
    const char **names = mem_array(n + 64, sizeof(*names));
    const struct conf_row *rows;
    const char *near;
    size_t settings;

    for (size_t i = 0; i < n; i++) {
        names[known++] = c->command->flags[i].name;
    }
    rows = conf_rows(&settings);
    for (size_t i = 0; i < settings && known < n + 60; i++) {
        names[known++] = rows[i].flag + 2;
    }
    near = text_nearest(shown, names);
    (void)fault_set(f, ERR_USAGE,
                    "unknown flag --%s%s%s%s; see `ml-connector "
                    "%s --help`",
                    shown, near != NULL ? ", did you mean --" : "",
                    near != NULL ? near : "", near != NULL ? "?" : "",
                    c->command->name);
    mem_free(names);
    mem_free(shown);
    return ERR_USAGE;
}

static void
keep(struct cli *c, size_t at, const char *value)
{
    const struct flag *flag = &c->command->flags[at];

    c->values[at] = value;
    if (flag->kind == FLAG_LIST) {
        json_t *list = json_object_get(c->lists, flag->name);

        if (list == NULL) {
            list = json_array();
            json_object_set_new(c->lists, flag->name, list);
        }
        json_array_append_new(list, json_string(value));
    }
}

/* Takes the flag at argv[i]; gives how many words it took, 0 on failure. */
static int
take_flag(struct cli *c, int i, struct fault *f)
{
    const char *word = c->argv[i];
    const char *equals = strchr(word, '=');
    size_t length =
        equals != NULL ? (size_t)(equals - word - 2) : strlen(word + 2);
    size_t at = flag_index(c, word + 2, length);

    if (at == flag_count(c->command)) {
        (void)unknown(c, word + 2, length, f);
        return 0;
    }
    if (c->command->flags[at].kind == FLAG_BOOL) {
        if (equals != NULL) {
            (void)fault_set(f, ERR_USAGE, "--%s takes no value",
                            c->command->flags[at].name);
            return 0;
        }
        keep(c, at, "");
        return 1;
    }
    if (equals != NULL) {
        keep(c, at, equals + 1);
        return 1;
    }
    if (i + 1 >= c->argc) {
        (void)fault_set(f, ERR_USAGE, "--%s needs a value: %s",
                        c->command->flags[at].name,
                        c->command->flags[at].value);
        return 0;
    }
    keep(c, at, c->argv[i + 1]);
    return 2;
}

enum err
flags_parse(struct cli *c, struct fault *f)
{
    int kept = 0, i = 0;

    c->values = mem_array(flag_count(c->command) + 1, sizeof(*c->values));
    c->lists = json_object();
    while (i < c->argc) {
        int took;

        if (strcmp(c->argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strncmp(c->argv[i], "--", 2) != 0) {
            c->argv[kept++] = c->argv[i++];
            continue;
        }
        took = take_flag(c, i, f);
        if (took == 0) {
            return ERR_USAGE;
        }
        i += took;
    }
    while (i < c->argc) {
        c->argv[kept++] = c->argv[i++];
    }
    c->argc = kept;
    if (kept < c->command->min_args || kept > c->command->max_args) {
        return fault_set(f, ERR_USAGE, "usage: ml-connector %s %s",
                         c->command->name, c->command->usage);
    }
    return ERR_OK;
}

const char *
flag_text(const struct cli *c, const char *name)
{
    size_t at = flag_index(c, name, strlen(name));

    ML_ASSERT(at < flag_count(c->command));
    return c->values[at];
}

bool
flag_set(const struct cli *c, const char *name)
{
    return flag_text(c, name) != NULL;
}

const json_t *
flag_list(const struct cli *c, const char *name)
{
    return json_object_get(c->lists, name);
}
