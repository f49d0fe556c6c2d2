/* SPDX-License-Identifier: UNLICENSED */
/* A command's own flags. */
#include "cli_priv.h"
#include "unit.h"

static const struct flag own[] = {{"alpha", FLAG_TEXT, "TEXT", "a text"},
                                  {"loud", FLAG_BOOL, NULL, "a switch"},
                                  {"unit", FLAG_LIST, "NAME", "repeated"},
                                  {NULL, FLAG_BOOL, NULL, NULL}};
static const struct command command = {.name = "test",
                                       .usage = "NAME [flags]",
                                       .min_args = 1,
                                       .max_args = 2,
                                       .flags = own};

static struct cli cli;
static char *words[16];
static struct fault fault;

static enum err
parse(int argc, char **argv)
{
    mem_free(cli.values);
    json_decref(cli.lists);
    memset(&cli, 0, sizeof(cli));
    fault_clear(&fault);
    cli.command = &command;
    memcpy(words, argv, (size_t)argc * sizeof(*argv));
    cli.argc = argc;
    cli.argv = words;
    return flags_parse(&cli, &fault);
}

#define PARSE(...)                                                             \
    parse((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),       \
          (char **)(uintptr_t)(const char *[]){__VA_ARGS__})

static void
done(void)
{
    mem_free(cli.values);
    json_decref(cli.lists);
}

TEST(values_come_as_next_word_or_after_an_equals_sign)
{
    OK(PARSE("name", "--alpha", "one"));
    EQ_STR(flag_text(&cli, "alpha"), "one");
    EQ_INT(cli.argc, 1);
    EQ_STR(cli.argv[0], "name");
    OK(PARSE("--alpha=two=2", "name"));
    EQ_STR(flag_text(&cli, "alpha"), "two=2");
    EQ_STR(cli.argv[0], "name");
    OK(PARSE("--alpha=", "name"));
    EQ_STR(flag_text(&cli, "alpha"), "");
    NOT(flag_set(&cli, "loud"));
    done();
}

TEST(a_repeated_flag_makes_a_list_in_order)
{
    const json_t *list;

    OK(PARSE("--unit", "b", "name", "--unit=a", "--unit", "b"));
    list = flag_list(&cli, "unit");
    EQ_UINT(json_array_size(list), 3);
    EQ_STR(json_string_value(json_array_get(list, 0)), "b");
    EQ_STR(json_string_value(json_array_get(list, 1)), "a");
    OK(PARSE("name"));
    IS(flag_list(&cli, "unit") == NULL);
    done();
}

TEST(a_switch_takes_no_value)
{
    OK(PARSE("--loud", "name"));
    IS(flag_set(&cli, "loud"));
    EQ_ERR(PARSE("--loud=yes", "name"), ERR_USAGE);
    HAS(fault.message, "takes no value");
    done();
}

TEST(a_flag_at_the_end_needs_its_value)
{
    EQ_ERR(PARSE("name", "--alpha"), ERR_USAGE);
    HAS(fault.message, "--alpha needs a value: TEXT");
    done();
}

TEST(two_dashes_end_the_flags)
{
    OK(PARSE("--loud", "--", "--alpha", "name"));
    EQ_INT(cli.argc, 2);
    EQ_STR(cli.argv[0], "--alpha");
    EQ_STR(cli.argv[1], "name");
    IS(flag_text(&cli, "alpha") == NULL);
    done();
}

TEST(an_unknown_flag_gets_a_suggestion)
{
    EQ_ERR(PARSE("name", "--alfa", "x"), ERR_USAGE);
    HAS(fault.message, "unknown flag --alfa, did you mean --alpha?");
    EQ_ERR(PARSE("name", "--zzzzzzzzzz"), ERR_USAGE);
    LACKS(fault.message, "did you mean");
    /* the beginning of a name is not the name */
    EQ_ERR(PARSE("name", "--alph", "x"), ERR_USAGE);
    done();
}

TEST(the_value_of_an_unknown_flag_is_never_shown)
{
    EQ_ERR(PARSE("name", "--alfa=geheim-123"), ERR_USAGE);
    HAS(fault.message, "unknown flag --alfa, did you mean --alpha?");
    LACKS(fault.message, "geheim");
    done();
}

TEST(too_few_and_too_many_arguments_show_the_usage)
{
    EQ_ERR(PARSE("--loud"), ERR_USAGE);
    HAS(fault.message, "usage: ml-connector test NAME [flags]");
    EQ_ERR(PARSE("a", "b", "c"), ERR_USAGE);
    OK(PARSE("a", "b"));
    done();
}

SUITE(flags, RUN(values_come_as_next_word_or_after_an_equals_sign),
      RUN(a_repeated_flag_makes_a_list_in_order), RUN(a_switch_takes_no_value),
      RUN(a_flag_at_the_end_needs_its_value), RUN(two_dashes_end_the_flags),
      RUN(an_unknown_flag_gets_a_suggestion),
      RUN(the_value_of_an_unknown_flag_is_never_shown),
      RUN(too_few_and_too_many_arguments_show_the_usage))
