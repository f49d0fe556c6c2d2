/* SPDX-License-Identifier: UNLICENSED */
/* The types of settings, over the table in fake/ml/conf.def. */
#include "unit.h"

#include "conf_priv.h"

static enum err
load(struct conf *c, const char *arg, struct fault *f)
{
    char *copy = mem_strdup(arg);
    char name[] = "prog";
    char *argv[] = {name, copy, NULL};
    int argc = 2;
    enum err err;

    fault_clear(f);
    err = conf_load(c, &argc, argv, f);
    mem_free(copy);
    return err;
}

TEST(defaults_are_parsed_like_given_values)
{
    struct conf c;
    struct fault f;

    OK(load(&c, "x", &f));
    EQ_STR(c.some_text, "a|b");
    EQ_UINT(c.some_size, 65536);
    NOT(c.some_flag);
    EQ_INT(c.some_int, 5);
    EQ_INT(c.some_time, 0);
    IS(c.some_secret == NULL);
    conf_fini(&c);
}

TEST(values_of_every_type_are_taken)
{
    struct conf c;
    struct fault f;

    OK(load(&c, "--some-size=1MiB", &f));
    EQ_UINT(c.some_size, 1048576);
    conf_fini(&c);
    OK(load(&c, "--some-flag", &f));
    IS(c.some_flag);
    conf_fini(&c);
    OK(load(&c, "--some-flag=false", &f));
    NOT(c.some_flag);
    conf_fini(&c);
    OK(load(&c, "--some-flag=true", &f));
    IS(c.some_flag);
    conf_fini(&c);
    OK(load(&c, "--some-int=-7", &f));
    EQ_INT(c.some_int, -7);
    conf_fini(&c);
    OK(load(&c, "--some-time=2m", &f));
    EQ_INT(c.some_time, 120000);
    conf_fini(&c);
}

TEST(wrong_values_say_what_is_expected)
{
    static const struct {
        const char *arg, *says;
    } cases[] = {
        {"--some-size=5KB", "is not a size such as 4096, 64KiB"},
        {"--some-size=1", "from 1KiB to 1GiB"},
        {"--some-size=2GiB", "from 1KiB to 1GiB"},
        {"--some-flag=yes", "is not true or false"},
        {"--some-int=1x", "is not a whole number, from any to any"},
        {"--some-int=1-", "is not a whole number"},
        {"--some-int=99999999999999999999", "is not a whole number"},
        {"--some-time=1ms", "from 1s to any"},
        {"--some-time=", "a value is missing"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct conf c;
        struct fault f;

        EQ_ERR(load(&c, cases[i].arg, &f), ERR_USAGE);
        EQ_ERR(f.err, ERR_USAGE);
        HAS(f.message, cases[i].says);
        HAS(f.message, "--some-");
    }
}

TEST(the_page_and_the_help_show_every_type)
{
    struct buf b;

    buf_init(&b, 10000);
    conf_render_markdown(&b);
    HAS(buf_text(&b),
        "| `ML_SOME_TEXT` | `--some-text` | `a\\|b` | | | A text, "
        "one\\|two. |\n");
    HAS(buf_text(&b), "| `ML_SOME_SECRET_FILE`, `ML_SOME_SECRET` |");
    buf_reset(&b);
    conf_render_help(&b);
    HAS(buf_text(&b), "  --some-flag true|false\n");
    HAS(buf_text(&b), "  --some-size SIZE\n      A size. Default 64KiB. "
                      "[ML_SOME_SIZE]\n");
    HAS(buf_text(&b), "  --some-secret-file FILE\n      A secret. "
                      "[ML_SOME_SECRET_FILE]\n");
    buf_fini(&b);
}

SUITE(conf_types, RUN(defaults_are_parsed_like_given_values),
      RUN(values_of_every_type_are_taken),
      RUN(wrong_values_say_what_is_expected),
      RUN(the_page_and_the_help_show_every_type))

MAIN(conf_types)
