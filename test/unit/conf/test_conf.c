/* SPDX-License-Identifier: UNLICENSED */
/* Settings: precedence, secrets, unknown names, the real table. */
#include "unit.h"

#include <unistd.h>

#include "conf_priv.h"

enum { ARGS_MAX = 12 };

struct args {
    char *argv[ARGS_MAX + 1];
    int argc;
};

static void
args_init(struct args *a, const char *const *texts)
{
    a->argc = 0;
    for (; texts[a->argc] != NULL; a->argc++) {
        a->argv[a->argc] = mem_strdup(texts[a->argc]);
    }
    a->argv[a->argc] = NULL;
}

/* Loads with the given arguments; gives what is left, joined by blanks. */
static enum err
load(struct conf *c, struct fault *f, char left[200], const char *const *texts)
{
    struct args a;
    char *all[ARGS_MAX];
    int count;
    enum err err;

    args_init(&a, texts);
    count = a.argc;
    memcpy(all, a.argv, sizeof(all));
    fault_clear(f);
    err = conf_load(c, &a.argc, a.argv, f);
    left[0] = '\0';
    for (int i = 0; err == ERR_OK && i < a.argc; i++) {
        size_t n = strlen(left);

        (void)snprintf(left + n, 200 - n, "%s ", a.argv[i]);
    }
    IS(err != ERR_OK || a.argv[a.argc] == NULL);
    for (int i = 0; i < count; i++) {
        mem_free(all[i]);
    }
    return err;
}

#define LOAD(...) load(&c, &f, left, (const char *const[]){__VA_ARGS__, NULL})

static void
write_temp(char *path, const char *data)
{
    int fd = mkstemp(path);

    IS(fd >= 0);
    EQ_INT(write(fd, data, strlen(data)), (ssize_t)strlen(data));
    EQ_INT(close(fd), 0);
}

TEST(without_anything_the_defaults_hold)
{
    struct conf c;
    struct fault f;
    char left[200];

    OK(LOAD("prog"));
    EQ_STR(left, "prog ");
    IS(c.database_url == NULL);
    EQ_INT(c.database_connections, 4);
    EQ_STR(c.listen, "127.0.0.1:9464");
    EQ_INT(c.audit_retention, INT64_C(34560000000));
    IS(c.master_key == NULL);
    conf_fini(&c);
    conf_fini(&c);
}

TEST(a_flag_wins_over_the_environment_and_that_over_the_default)
{
    struct conf c;
    struct fault f;
    char left[200];

    EQ_INT(setenv("ML_DATABASE_CONNECTIONS", "7", 1), 0);
    EQ_INT(setenv("ML_LISTEN", "off", 1), 0);
    OK(LOAD("prog", "--database-connections", "9"));
    EQ_INT(c.database_connections, 9);
    EQ_STR(c.listen, "off");
    conf_fini(&c);
    OK(LOAD("prog"));
    EQ_INT(c.database_connections, 7);
    conf_fini(&c);
    EQ_INT(setenv("ML_LISTEN", "", 1), 0);
    OK(LOAD("prog"));
    EQ_STR(c.listen, "127.0.0.1:9464");
    conf_fini(&c);
}

TEST(settings_are_taken_out_and_the_rest_keeps_its_order)
{
    struct conf c;
    struct fault f;
    char left[200];

    OK(LOAD("prog", "run", "--listen", "off", "--json", "--log-level=debug",
            "x", "--", "--listen", "y"));
    EQ_STR(left, "prog run --json x -- --listen y ");
    EQ_STR(c.listen, "off");
    EQ_STR(c.log_level, "debug");
    conf_fini(&c);
    OK(LOAD("prog", "--listen=a", "--listen", "b"));
    EQ_STR(c.listen, "b");
    conf_fini(&c);
}

TEST(no_arguments_at_all_are_fine)
{
    char *argv[] = {NULL};
    struct conf c;
    struct fault f;
    int argc = 0;

    OK(conf_load(&c, &argc, argv, &f));
    EQ_INT(argc, 0);
    conf_fini(&c);
}

TEST(a_wrong_flag_is_wrong_usage)
{
    struct conf c;
    struct fault f;
    char left[200];

    EQ_ERR(LOAD("prog", "--database-connections", "many"), ERR_USAGE);
    EQ_ERR(f.err, ERR_USAGE);
    EQ_STR(f.message, "--database-connections: \"many\" is not a whole number, "
                      "from 1 to 64");
    EQ_ERR(LOAD("prog", "--database-connections=65"), ERR_USAGE);
    EQ_ERR(LOAD("prog", "--database-connections=0"), ERR_USAGE);
    EQ_ERR(LOAD("prog", "--listen"), ERR_USAGE);
    EQ_STR(f.message, "--listen: a value is missing");
    EQ_ERR(LOAD("prog", "--listen="), ERR_USAGE);
}

TEST(a_wrong_variable_is_a_wrong_setting)
{
    struct conf c;
    struct fault f;
    char left[200];

    EQ_INT(setenv("ML_FUSION_OVERLAP", "5", 1), 0);
    EQ_ERR(LOAD("prog"), ERR_CONFIG);
    EQ_ERR(f.err, ERR_CONFIG);
    EQ_STR(f.message, "ML_FUSION_OVERLAP: \"5\" is not a duration such as "
                      "250ms, 30s, 15m, 12h, 400d, from 0s to 48h");
    IS(c.owned == NULL);
}

TEST(an_unknown_variable_names_the_nearest)
{
    struct conf c;
    struct fault f;
    char left[200];

    EQ_INT(setenv("ML_DATABSE_URL", "x", 1), 0);
    EQ_ERR(LOAD("prog"), ERR_CONFIG);
    EQ_STR(f.message, "ML_DATABSE_URL: there is no such setting; did you mean "
                      "ML_DATABASE_URL?");
    EQ_INT(unsetenv("ML_DATABSE_URL"), 0);
    EQ_INT(setenv("ML_MASTER_KEYFILE", "x", 1), 0);
    EQ_ERR(LOAD("prog"), ERR_CONFIG);
    HAS(f.message, "did you mean ML_MASTER_KEY_FILE?");
    EQ_INT(unsetenv("ML_MASTER_KEYFILE"), 0);
    EQ_INT(setenv("ML_QQQQQQQQQQQQQQQQQQQQQQQ", "x", 1), 0);
    EQ_ERR(LOAD("prog"), ERR_CONFIG);
    HAS(f.message, "remove it");
    EQ_INT(unsetenv("ML_QQQQQQQQQQQQQQQQQQQQQQQ"), 0);
    EQ_INT(setenv("XML_DATABSE_URL", "x", 1), 0);
    OK(LOAD("prog"));
    conf_fini(&c);
}

TEST(a_secret_comes_from_the_environment_or_a_file)
{
    char path[] = "/tmp/ml-unit-XXXXXX";
    struct conf c;
    struct fault f;
    char left[200];

    write_temp(path, "from file\r\n\n");
    EQ_INT(setenv("ML_ADMIN_TOKEN", "from env", 1), 0);
    OK(LOAD("prog"));
    EQ_STR((const char *)secret_bytes(c.admin_token), "from env");
    conf_fini(&c);
    OK(LOAD("prog", "--admin-token-file", path));
    EQ_STR((const char *)secret_bytes(c.admin_token), "from file");
    conf_fini(&c);
    EQ_INT(setenv("ML_ADMIN_TOKEN_FILE", path, 1), 0);
    EQ_ERR(LOAD("prog"), ERR_CONFIG);
    EQ_STR(f.message, "ML_ADMIN_TOKEN and ML_ADMIN_TOKEN_FILE are both set; "
                      "keep one");
    EQ_INT(unsetenv("ML_ADMIN_TOKEN"), 0);
    OK(LOAD("prog"));
    EQ_STR((const char *)secret_bytes(c.admin_token), "from file");
    conf_fini(&c);
    EQ_INT(unlink(path), 0);
    EQ_ERR(LOAD("prog"), ERR_CONFIG);
    HAS(f.message, "ML_ADMIN_TOKEN_FILE: /tmp/ml-unit-");
    EQ_ERR(LOAD("prog", "--admin-token-file=/nonexistent"), ERR_USAGE);
    HAS(f.message, "--admin-token-file: /nonexistent: ");
}

TEST(an_empty_secret_file_is_refused)
{
    char path[] = "/tmp/ml-unit-XXXXXX";
    struct conf c;
    struct fault f;
    char left[200];

    write_temp(path, "\n");
    EQ_INT(setenv("ML_MASTER_KEY_FILE", path, 1), 0);
    EQ_ERR(LOAD("prog"), ERR_CONFIG);
    HAS(f.message, "the file is empty");
    EQ_INT(unlink(path), 0);
}

TEST(a_secret_is_refused_on_the_command_line_and_not_shown)
{
    struct conf c;
    struct fault f;
    char left[200];

    EQ_ERR(LOAD("prog", "--master-key", "hunter2"), ERR_USAGE);
    EQ_STR(f.message, "--master-key: a secret is not given on the command "
                      "line; name a file with --master-key-file");
    EQ_ERR(LOAD("prog", "--admin-token=hunter2"), ERR_USAGE);
    LACKS(f.message, "hunter2");
    OK(LOAD("prog", "--master", "x"));
    EQ_STR(left, "prog --master x ");
    conf_fini(&c);
}

TEST(every_default_and_bound_in_the_table_holds)
{
    size_t n;
    const struct conf_row *rows = conf_rows(&n);
    struct conf c;
    struct fault f;
    char left[200];

    EQ_UINT(n, CONF_ROWS);
    for (size_t i = 0; i < n; i++) {
        IS(text_has_prefix(rows[i].env, "ML_"));
        IS(text_has_prefix(rows[i].flag, "--"));
        EQ_INT(rows[i].secret, text_equal(rows[i].type, "SECRET"));
        IS(!rows[i].secret || rows[i].def == NULL);
        EQ_INT(rows[i].help[strlen(rows[i].help) - 1], '.');
        IS((rows[i].min == NULL) == (rows[i].max == NULL));
        if (rows[i].min != NULL) {
            OK(LOAD("prog", rows[i].flag, rows[i].min));
            conf_fini(&c);
            OK(LOAD("prog", rows[i].flag, rows[i].max));
            conf_fini(&c);
        }
    }
    EQ_STR(conf_env_file(CONF_ROW_master_key), "ML_MASTER_KEY_FILE");
    IS(conf_env_file(CONF_ROW_listen) == NULL);
}

TEST(the_page_and_the_help_name_every_setting)
{
    struct buf page;
    struct buf help;
    size_t n;
    const struct conf_row *rows = conf_rows(&n);

    buf_init(&page, 65536);
    buf_init(&help, 65536);
    conf_render_markdown(&page);
    conf_render_help(&help);
    NOT(page.failed);
    for (size_t i = 0; i < n; i++) {
        HAS(buf_text(&page), rows[i].env);
        HAS(buf_text(&page), rows[i].flag);
        HAS(buf_text(&help), rows[i].env);
        HAS(buf_text(&help), rows[i].flag);
        HAS(buf_text(&help), rows[i].help);
    }
    buf_fini(&page);
    buf_fini(&help);
}

SUITE(conf, RUN(without_anything_the_defaults_hold),
      RUN(a_flag_wins_over_the_environment_and_that_over_the_default),
      RUN(settings_are_taken_out_and_the_rest_keeps_its_order),
      RUN(no_arguments_at_all_are_fine), RUN(a_wrong_flag_is_wrong_usage),
      RUN(a_wrong_variable_is_a_wrong_setting),
      RUN(an_unknown_variable_names_the_nearest),
      RUN(a_secret_comes_from_the_environment_or_a_file),
      RUN(an_empty_secret_file_is_refused),
      RUN(a_secret_is_refused_on_the_command_line_and_not_shown),
      RUN(every_default_and_bound_in_the_table_holds),
      RUN(the_page_and_the_help_name_every_setting))

MAIN(conf)
