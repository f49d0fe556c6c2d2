/* SPDX-License-Identifier: UNLICENSED */
/*
 * The program from outside, as far as it goes without a database: what it
 * prints where, and its exit status.
 */
#include "ml/jsonx.h"
#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_MAX = 64 * 1024, ARGS_MAX = 32 };

static char out[TEXT_MAX], said[TEXT_MAX];

static void
take(int fd, char *text)
{
    size_t n = 0;
    ssize_t got;

    while (n + 1 < TEXT_MAX &&
           (got = read(fd, text + n, TEXT_MAX - 1 - n)) > 0) {
        n += (size_t)got;
    }
    text[n] = '\0';
    (void)close(fd);
}

/* Small outputs only: stdout is read to its end before stderr. */
static int
run_words(char *const *argv, char *const *env)
{
    int to_out[2], to_err[2], status = 0;
    pid_t child;

    IS(pipe(to_out) == 0 && pipe(to_err) == 0);
    child = fork();
    IS(child >= 0);
    if (child == 0) {
        (void)dup2(to_out[1], STDOUT_FILENO);
        (void)dup2(to_err[1], STDERR_FILENO);
        (void)close(to_out[0]);
        (void)close(to_err[0]);
        (void)execve(ML_BINARY, argv, env);
        _exit(127);
    }
    (void)close(to_out[1]);
    (void)close(to_err[1]);
    take(to_out[0], out);
    take(to_err[0], said);
    IS(waitpid(child, &status, 0) == child);
    IS(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The line split at blanks; no quoting. */
static int
run_with(const char *env0, const char *line)
{
    static char text[4096], variable[512];
    char *argv[ARGS_MAX] = {NULL}, *env[] = {NULL, NULL};
    char *at = text;
    int n = 0;

    (void)snprintf(text, sizeof(text), "ml-connector%s%s",
                   line[0] != '\0' ? " " : "", line);
    (void)snprintf(variable, sizeof(variable), "%s", env0 != NULL ? env0 : "");
    env[0] = env0 != NULL ? variable : NULL;
    while (n < ARGS_MAX - 1) {
        argv[n++] = at;
        at = strchr(at, ' ');
        if (at == NULL) {
            break;
        }
        *at++ = '\0';
    }
    return run_words(argv, env);
}

static int
run(const char *line)
{
    return run_with(NULL, line);
}

static const char *const commands[] = {
    "migrate",       "run",         "tenant add",   "tenant set",
    "tenant list",   "tenant show", "tenant pause", "tenant resume",
    "tenant remove", "ping",        "provision",    "sync",
    "status",        "audit",       "replay list",  "replay run",
    "keys rotate",   "version"};

TEST(every_command_has_help_on_stdout)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        char line[64];

        (void)snprintf(line, sizeof(line), "%s --help", commands[i]);
        EQ_INT(run(line), 0);
        HAS(out, "usage: ml-connector ");
        HAS(out, commands[i]);
        HAS(out, "--json");
        EQ_STR(said, "");
    }
}

TEST(the_general_help_lists_every_command)
{
    EQ_INT(run("--help"), 0);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        HAS(out, commands[i]);
    }
    HAS(out, "Exit status");
    EQ_STR(said, "");
}

TEST(help_names_the_settings_and_the_flags)
{
    EQ_INT(run("tenant add --help"), 0);
    HAS(out, "--fusion-url URL");
    HAS(out, "--business-unit NAME");
    EQ_INT(run("--help run"), 0);
    HAS(out, "--once");
    HAS(out, "--database-url");
    EQ_INT(run("sync --help"), 0);
    HAS(out, "NAME [--feed FEED] [--since TIME]");
    HAS(out, "--since TIME");
}

TEST(no_command_at_all_is_wrong_usage_and_shows_the_commands)
{
    EQ_INT(run(""), 2);
    EQ_STR(out, "");
    HAS(said, "usage: ml-connector COMMAND");
}

TEST(an_unknown_command_gets_a_suggestion)
{
    EQ_INT(run("tennant list"), 2);
    HAS(said, "did you mean \"tenant list\"?");
    EQ_STR(out, "");
    EQ_INT(run("staus"), 2);
    HAS(said, "did you mean \"status\"?");
    EQ_INT(run("frobnicate"), 2);
    LACKS(said, "did you mean");
}

TEST(half_a_command_shows_its_other_halves)
{
    EQ_INT(run("tenant"), 2);
    EQ_STR(out, "");
    HAS(said, "ml-connector tenant add NAME");
    LACKS(said, "keys rotate");
    EQ_INT(run("keys --help"), 0);
    HAS(out, "ml-connector keys rotate");
}

TEST(version_and_help_also_go_as_people_write_them)
{
    EQ_INT(run("--version"), 0);
    HAS(out, "ml-connector ");
    EQ_INT(run("help"), 0);
    HAS(out, "usage: ml-connector COMMAND");
    EQ_INT(run("help ping"), 0);
    HAS(out, "usage: ml-connector ping NAME");
}

TEST(an_unknown_flag_gets_a_suggestion_also_among_the_settings)
{
    EQ_INT(run("run --onze"), 2);
    HAS(said, "did you mean --once?");
    EQ_INT(run("status --databse-url=x"), 2);
    HAS(said, "did you mean --database-url?");
    EQ_STR(out, "");
}

TEST(missing_and_superfluous_arguments_are_wrong_usage)
{
    static const char *const lines[] = {
        "tenant add",  "tenant show",   "ping",
        "provision",   "ping a b",      "version more",
        "replay list", "replay run",    "replay list a b",
        "sync",        "sync a b",      "sync --feed invoices",
        "migrate now", "tenant list x", "keys rotate x"};

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        int status = run(lines[i]);

        ck_assert_msg(status == 2, "`%s` exits %d", lines[i], status);
        HAS(said, "usage: ml-connector ");
        EQ_STR(out, "");
    }
}

TEST(replay_says_how_it_is_told_which_jobs)
{
    EQ_INT(run("replay run --help"), 0);
    HAS(out, "NAME (--job ID... | --error CODE | --all) [--dry-run]");
    HAS(out, "--dry-run");
    EQ_INT(run("replay list --help"), 0);
    HAS(out, "--limit N");
    HAS(out, "--error CODE");
    EQ_INT(run("replay list demo --dry-run"), 2);
    HAS(said, "unknown flag --dry-run");
}

TEST(without_a_database_setting_a_command_cannot_work)
{
    EQ_INT(run("status"), 3);
    HAS(said, "ML_DATABASE_URL");
    EQ_INT(run("migrate"), 3);
    EQ_INT(run("run --once"), 3);
    HAS(said, "ML_MASTER_KEY_FILE");
    EQ_STR(out, "");
}

TEST(a_setting_that_does_not_fit_is_told_with_its_status)
{
    EQ_INT(run("status --hubspot-window=never"), 2);
    HAS(said, "hubspot-window");
    EQ_INT(run_with("ML_HUBSPOT_WINDOW=never", "status"), 3);
    HAS(said, "ML_HUBSPOT_WINDOW");
    EQ_INT(run_with("ML_HUBSPOT_WINDWO=10s", "status"), 3);
    HAS(said, "ML_HUBSPOT_WINDOW");
    EQ_INT(run_with("ML_LOG_LEVEL=loud", "status"), 3);
    HAS(said, "ML_LOG_LEVEL");
}

TEST(a_database_that_cannot_be_reached_is_told_without_its_password)
{
    EQ_INT(run_with("ML_DATABASE_URL=postgresql://me:geheim@127.0.0.1:1/x",
                    "status"),
           3);
    NOT(said[0] == '\0');
    LACKS(said, "geheim");
    EQ_STR(out, "");
}

TEST(the_version_is_for_people_or_one_json_document)
{
    struct fault f;
    json_t *o = NULL;

    EQ_INT(run("version"), 0);
    HAS(out, "ml-connector ");
    EQ_INT(run("--json version"), 0);
    fault_clear(&f);
    OK(jsonx_parse(out, strlen(out), &o, &f));
    IS(jsonx_text(o, "version") != NULL);
    IS(json_object_get(o, "schema") != NULL);
    json_decref(o);
    EQ_INT(run("version --"), 0);
    EQ_INT(run("version -- --json"), 2);
}

TEST(a_secret_as_a_flag_is_refused_without_being_shown)
{
    static const char *const lines[] = {
        "tenant add demo --hubspot-token=geheim-123",
        "tenant add demo --hubspot-token geheim-123",
        "tenant add demo --fusion-client-secret=geheim-123",
        "tenant add demo --fusion-password geheim-123",
        "run --master-key=geheim-123",
        "run --admin-token geheim-123",
        "run --master-key geheim-123",
    };

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        int status = run(lines[i]);

        ck_assert_msg(status == 2, "`%s` exits %d", lines[i], status);
        LACKS(said, "geheim");
        EQ_STR(out, "");
    }
}

TEST(a_master_key_that_cannot_be_used_is_not_shown)
{
    EQ_INT(run_with("ML_MASTER_KEY=k1:geheim", "run"), 3);
    LACKS(said, "geheim");
    HAS(said, "master key, line 1");
    EQ_INT(run_with("ML_MASTER_KEY_FILE=/nowhere/key", "run"), 3);
    HAS(said, "/nowhere/key");
}

SUITE(program, RUN_LONG(every_command_has_help_on_stdout, 20),
      RUN(the_general_help_lists_every_command),
      RUN(help_names_the_settings_and_the_flags),
      RUN(no_command_at_all_is_wrong_usage_and_shows_the_commands),
      RUN_LONG(an_unknown_command_gets_a_suggestion, 10),
      RUN_LONG(half_a_command_shows_its_other_halves, 10),
      RUN_LONG(version_and_help_also_go_as_people_write_them, 10),
      RUN(an_unknown_flag_gets_a_suggestion_also_among_the_settings),
      RUN_LONG(missing_and_superfluous_arguments_are_wrong_usage, 30),
      RUN_LONG(replay_says_how_it_is_told_which_jobs, 10),
      RUN_LONG(without_a_database_setting_a_command_cannot_work, 10),
      RUN_LONG(a_setting_that_does_not_fit_is_told_with_its_status, 10),
      RUN_LONG(a_database_that_cannot_be_reached_is_told_without_its_password,
               20),
      RUN_LONG(the_version_is_for_people_or_one_json_document, 10),
      RUN_LONG(a_secret_as_a_flag_is_refused_without_being_shown, 20),
      RUN_LONG(a_master_key_that_cannot_be_used_is_not_shown, 10))
