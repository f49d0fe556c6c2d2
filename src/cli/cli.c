/* SPDX-License-Identifier: UNLICENSED */
/*
 * The table of commands and what they have in common: --help, --json, the
 * settings, opening and closing.
 */
#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

static const struct flag no_flags[] = {{NULL, FLAG_BOOL, NULL, NULL}};
static const struct flag run_flags[] = {
    {"once", FLAG_BOOL, NULL,
     "Poll each feed of each active tenant once to its end, write until "
     "nothing is due, exit: 0 when everything is written, else 1 and a line "
     "for each record that is not."},
    {NULL, FLAG_BOOL, NULL, NULL}};
static const struct flag remove_flags[] = {
    {"yes", FLAG_BOOL, NULL, "Really remove; nothing is deleted in HubSpot."},
    {NULL, FLAG_BOOL, NULL, NULL}};
static const struct flag provision_flags[] = {
    {"dry-run", FLAG_BOOL, NULL, "Print what is missing; create nothing."},
    {NULL, FLAG_BOOL, NULL, NULL}};
static const struct flag audit_flags[] = {
    {"record", FLAG_TEXT, "KIND:ID",
     "Only this record, for instance invoice:300100170996427."},
    {"since", FLAG_TEXT, "TIME",
     "Only from then on: a date or an RFC 3339 "
     "time."},
    {"limit", FLAG_TEXT, "N", "At most the newest N events (1000)."},
    {"follow", FLAG_BOOL, NULL, "Go on with what comes, until interrupted."},
    {NULL, FLAG_BOOL, NULL, NULL}};

#define DATA (APP_DATABASE | APP_SCHEMA)
#define CHANGES (DATA | APP_WRITES)
static const struct command commands[] = {
    {"migrate", "", "Create or upgrade the database schema.", cmd_migrate,
     APP_DATABASE | APP_WRITES, 0, 0, no_flags},
    {"run", "[--once]", "The worker, until SIGTERM or SIGINT.", cmd_run,
     DATA | APP_VAULT | APP_HTTP | APP_WORKER, 0, 0, run_flags},
    {"tenant add", "NAME [flags]", "Add a tenant.", cmd_tenant_add,
     CHANGES | APP_VAULT | APP_HTTP, 1, 1, tenant_flags},
    {"tenant set", "NAME [flags]", "Change a tenant's settings or secrets.",
     cmd_tenant_set, CHANGES | APP_VAULT | APP_HTTP, 1, 1, tenant_flags},
    {"tenant list", "", "All tenants.", cmd_tenant_list, DATA, 0, 0, no_flags},
    {"tenant show", "NAME", "One tenant's settings; secrets are not shown.",
     cmd_tenant_show, DATA, 1, 1, no_flags},
    {"tenant pause", "NAME", "Stop polling and writing for a tenant.",
     cmd_tenant_pause, CHANGES, 1, 1, no_flags},
    {"tenant resume", "NAME", "Go on with a paused, held or halted tenant.",
     cmd_tenant_resume, CHANGES, 1, 1, no_flags},
    {"tenant remove", "NAME --yes", "Remove a tenant; its audit stays.",
     cmd_tenant_remove, CHANGES, 1, 1, remove_flags},
    {"ping", "NAME", "Check both systems of a tenant; writes nothing.",
     cmd_ping, CHANGES | APP_VAULT | APP_HTTP, 1, 1, no_flags},
    {"provision", "NAME [--dry-run]",
     "Create missing HubSpot properties of a tenant's portal.", cmd_provision,
     CHANGES | APP_VAULT | APP_HTTP, 1, 1, provision_flags},
    {"plan", "NAME [--limit N] [--ask-portal]",
     "What a sync would write now, and what it would cost; writes nothing.",
     cmd_plan, DATA | APP_VAULT | APP_HTTP, 1, 1, plan_flags},
    {"sync", "NAME [--feed FEED] [--since TIME]",
     "Make the running worker poll now, or read from a time on.", cmd_sync,
     CHANGES, 1, 1, sync_flags},
    {"status", "[NAME]", "Per tenant and feed: polls, cursors, queues.",
     cmd_status, DATA, 0, 1, no_flags},
    {"audit", "[NAME] [flags]", "What happened to records, newest last.",
     cmd_audit, DATA, 0, 1, audit_flags},
    {"replay list", "NAME [--error CODE] [--limit N]",
     "Parked jobs of a tenant, with their reasons.", cmd_replay_list, DATA, 1,
     1, replay_list_flags},
    {"replay run", "NAME (--job ID... | --error CODE | --all) [--dry-run]",
     "Put parked jobs back to work.", cmd_replay_run, CHANGES, 1, 1,
     replay_flags},
    {"keys rotate", "", "Seal every secret anew with the first master key.",
     cmd_keys_rotate, CHANGES | APP_VAULT, 0, 0, no_flags},
    {"version", "", "Print the version.", cmd_version, 0, 0, 0, no_flags},
};

/* ---- help --------------------------------------------------------------- */

static void
print_usage(FILE *out)
{
    (void)fprintf(out,
                  "ml-connector brings Oracle Fusion customers, invoices and "
                  "payments to HubSpot.\n\nusage: ml-connector COMMAND "
                  "[arguments] [flags]\n\ncommands:\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        (void)fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].help);
    }
    (void)fprintf(out,
                  "\nEach has --help. Exit status: 0 done, 1 something "
                  "failed, 2 wrong usage,\n3 cannot work as configured.\n");
}

static void
print_help(const struct command *c)
{
    struct buf settings;

    (void)printf("usage: ml-connector %s%s%s\n\n%s\n\nflags:\n", c->name,
                 c->usage[0] != '\0' ? " " : "", c->usage, c->help);
    for (size_t i = 0; c->flags[i].name != NULL; i++) {
        (void)printf("  --%s%s%s\n        %s\n", c->flags[i].name,
                     c->flags[i].value != NULL ? " " : "",
                     c->flags[i].value != NULL ? c->flags[i].value : "",
                     c->flags[i].help);
    }
    (void)printf("  --json\n        One JSON document on stdout.\n");
    if ((c->needs & APP_WORKER) == 0) {
        if (c->needs != 0) {
            (void)printf("\nSettings, such as ML_DATABASE_URL, come from the "
                         "environment or flags; `ml-connector run --help`\n"
                         "and docs/configuration.md have all of them.\n");
        }
        return;
    }
    buf_init(&settings, 1 << 20);
    conf_render_help(&settings);
    (void)printf("\nsettings (each also as an environment variable):\n%s",
                 buf_text(&settings));
    buf_fini(&settings);
}

/* ---- finding the command ------------------------------------------------ */

/* The command named by the first one or two words; *words says how many. */
static const struct command *
find_command(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const char *name = commands[i].name;
        const char *blank = strchr(name, ' ');
        size_t first = blank != NULL ? (size_t)(blank - name) : strlen(name);

        if (argc < 2 || strlen(argv[1]) != first ||
            strncmp(argv[1], name, first) != 0) {
            continue;
        }
        *words = 1;
        if (blank == NULL) {
            return &commands[i];
        }
        if (argc > 2 && strcmp(argv[2], blank + 1) == 0) {
            *words = 2;
            return &commands[i];
        }
    }
    return NULL;
}

/* The commands that begin with this word: "tenant", "keys"; false: none. */
static bool
print_group(FILE *out, const char *word)
{
    size_t n = strlen(word);
    bool any = false;

    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const char *name = commands[i].name;

        if (strncmp(name, word, n) != 0 || name[n] != ' ') {
            continue;
        }
        if (!any) {
            (void)fprintf(out, "commands of %s:\n", word);
        }
        any = true;
        (void)fprintf(out, "  ml-connector %s %s\n        %s\n", name,
                      commands[i].usage, commands[i].help);
    }
    return any;
}

static int
no_such_command(int argc, char **argv)
{
    const char *names[COUNT_OF(commands) + 1] = {NULL};
    char *word = argc > 2 && argv[2][0] != '-' ?
                     mem_printf("%s %s", argv[1], argv[2]) :
                     mem_strdup(argv[1]);
    const char *near;

    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        names[i] = commands[i].name;
    }
    near = text_nearest(word, names);
    (void)fprintf(stderr,
                  "ml-connector: there is no command \"%s\"%s%s%s; see "
                  "`ml-connector --help`\n",
                  word, near != NULL ? ", did you mean \"" : "",
                  near != NULL ? near : "", near != NULL ? "\"?" : "");
    mem_free(word);
    return APP_USAGE;
}

/* ---- running it --------------------------------------------------------- */

static bool
take_word(int *argc, char **argv, const char *word)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            return false;
        }
        if (strcmp(argv[i], word) == 0) {
            for (int k = i; k + 1 < *argc; k++) {
                argv[k] = argv[k + 1];
            }
            (*argc)--;
            return true;
        }
    }
    return false;
}

static int
run_command(struct cli *c)
{
    struct fault f;
    enum err err;
    int status;

    fault_clear(&f);
    err = flags_parse(c, &f);
    if (err == ERR_OK) {
        err = app_open(&c->app, c->command->needs, &f);
    }
    if (err != ERR_OK) {
        return cli_fail(&f);
    }
    status = c->command->run(c);
    app_close(&c->app);
    return status;
}

static int
load_and_run(struct cli *c, int argc, char **argv, int words)
{
    struct fault f;
    int status;

    fault_clear(&f);
    if (conf_load(&c->app.conf, &argc, argv, &f) != ERR_OK) {
        return cli_fail(&f);
    }
    c->argc = argc - 1 - words;
    c->argv = argv + 1 + words;
    status = run_command(c);
    conf_fini(&c->app.conf);
    mem_free(c->values);
    json_decref(c->lists);
    if (fflush(stdout) != 0 && status == APP_DONE) {
        (void)fprintf(stderr, "ml-connector: stdout cannot be written\n");
        status = APP_FAILED;
    }
    return status;
}

int
cli_main(int argc, char **argv)
{
    bool help = take_word(&argc, argv, "--help");
    static char version[] = "version";
    struct cli c = {.json = take_word(&argc, argv, "--json")};
    int words = 0;

    while (take_word(&argc, argv, "--json")) {
        continue; /* said twice */
    }

    json_object_seed(0);
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        argv[1] = version;
    }
    if (argc > 1 && strcmp(argv[1], "help") == 0) {
        help = true;
        argc--;
        argv++;
    }
    c.command = find_command(argc, argv, &words);
    if (c.command == NULL && argc == 2 &&
        print_group(help ? stdout : stderr, argv[1])) {
        return help ? APP_DONE : APP_USAGE;
    }
    if (c.command == NULL && (help || argc < 2)) {
        print_usage(help ? stdout : stderr);
        return help ? APP_DONE : APP_USAGE;
    }
    if (c.command == NULL) {
        return no_such_command(argc, argv);
    }
    if (help) {
        print_help(c.command);
        return APP_DONE;
    }
    return load_and_run(&c, argc, argv, words);
}
