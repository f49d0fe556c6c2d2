/* SPDX-License-Identifier: UNLICENSED */
/* The vault: lines, sealing, moving, rotation, tampering. */
#include "unit.h"

#include "ml/vault.h"

#define KEY_A "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "b-2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
/* another key under the name of a */
#define KEY_A2 "a:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="

static struct secret *
text_secret(const char *s)
{
    return secret_new(s, strlen(s));
}

static struct vault *
open_vault(const char *lines)
{
    struct secret *s = text_secret(lines);
    struct vault *v;
    struct fault f;

    fault_clear(&f);
    OK(vault_new(s, &v, &f));
    secret_free(s);
    return v;
}

static char *
seal(const struct vault *v, const char *text)
{
    struct secret *s = text_secret(text);
    char *sealed;

    OK(vault_seal(v, "acme", "fusion", s, &sealed));
    secret_free(s);
    return sealed;
}

static void
opens_as(const struct vault *v, const char *sealed, const char *want)
{
    struct secret *plain;
    struct fault f;

    fault_clear(&f);
    OK(vault_unseal(v, "acme", "fusion", sealed, &plain, &f));
    EQ_STR((const char *)secret_bytes(plain), want);
    EQ_UINT(secret_len(plain), strlen(want));
    secret_free(plain);
}

static void
does_not_open(const struct vault *v, const char *tenant, const char *field,
              const char *sealed, enum err want)
{
    struct secret *plain;
    struct fault f;

    fault_clear(&f);
    EQ_ERR(vault_unseal(v, tenant, field, sealed, &plain, &f), want);
    IS(plain == NULL);
    HAS(f.message, tenant);
}

TEST(what_was_sealed_opens)
{
    struct vault *v = open_vault(KEY_A);
    char *one = seal(v, "hunter2");
    char *two = seal(v, "hunter2");
    char *none = seal(v, "");

    EQ_STR(vault_key_id(v), "a");
    IS(text_has_prefix(one, "v1.a."));
    IS(strcmp(one, two) != 0);
    LACKS(one, "hunter2");
    opens_as(v, one, "hunter2");
    opens_as(v, two, "hunter2");
    opens_as(v, none, "");
    mem_free(one);
    mem_free(two);
    mem_free(none);
    vault_free(v);
    vault_free(NULL);
}

TEST(a_sealed_value_moved_elsewhere_does_not_open)
{
    struct vault *v = open_vault(KEY_A);
    char *sealed = seal(v, "hunter2");

    does_not_open(v, "other", "fusion", sealed, ERR_KEY_WRONG);
    does_not_open(v, "acme", "hubspot", sealed, ERR_KEY_WRONG);
    does_not_open(v, "acmef", "usion", sealed, ERR_KEY_WRONG);
    mem_free(sealed);
    vault_free(v);
}

TEST(a_relabelled_value_does_not_open)
{
    /* the same key bytes under two names */
    struct vault *v =
        open_vault(KEY_A2 "\nc:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=");
    char *sealed = seal(v, "hunter2");

    sealed[3] = 'c';
    does_not_open(v, "acme", "fusion", sealed, ERR_KEY_WRONG);
    mem_free(sealed);
    vault_free(v);
}

TEST(every_changed_character_is_noticed)
{
    struct vault *v = open_vault(KEY_A);
    char *sealed = seal(v, "hunter2");

    for (size_t i = strlen("v1.a."); sealed[i] != '\0'; i++) {
        char was = sealed[i];

        sealed[i] = was == 'A' ? 'B' : 'A';
        does_not_open(v, "acme", "fusion", sealed, ERR_KEY_WRONG);
        sealed[i] = was;
    }
    opens_as(v, sealed, "hunter2");
    mem_free(sealed);
    vault_free(v);
}

TEST(the_first_key_seals_and_all_open)
{
    struct vault *before = open_vault(KEY_A);
    struct vault *after =
        open_vault("# new first\n\n  " KEY_B " \r\n" KEY_A "\n");
    char *old = seal(before, "hunter2");
    char *new = seal(after, "hunter3");

    EQ_STR(vault_key_id(after), "b-2");
    opens_as(after, old, "hunter2");
    opens_as(after, new, "hunter3");
    IS(vault_is_stale(after, old));
    NOT(vault_is_stale(after, new));
    NOT(vault_is_stale(before, old));
    IS(vault_is_stale(before, "rubbish"));
    does_not_open(before, "acme", "fusion", new, ERR_KEY_UNKNOWN);
    mem_free(old);
    mem_free(new);
    vault_free(before);
    vault_free(after);
}

TEST(another_key_of_the_same_name_does_not_open)
{
    struct vault *v = open_vault(KEY_A);
    struct vault *w = open_vault(KEY_A2);
    char *sealed = seal(v, "hunter2");

    does_not_open(w, "acme", "fusion", sealed, ERR_KEY_WRONG);
    mem_free(sealed);
    vault_free(v);
    vault_free(w);
}

TEST(what_is_not_sealed_is_refused)
{
    static const char *const wrong[] = {
        "",
        "v1",
        "v1.",
        "v1.a",
        "v1..AAAA",
        "v2.a.AAAA",
        "v1.a.",
        "v1.a.AAAA",
        "v1.a.!!!!",
        "hunter2",
        "v1.a b.AAAA",
        "v1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.AAAA"};
    struct vault *v = open_vault(KEY_A);

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        does_not_open(v, "acme", "fusion", wrong[i], ERR_KEY_WRONG);
    }
    vault_free(v);
}

TEST(a_secret_past_the_limit_is_not_sealed)
{
    struct vault *v = open_vault(KEY_A);
    char *large = mem_alloc(1024 * 1024 + 1);
    struct secret *s = secret_new(large, 1024 * 1024 + 1);
    char *sealed;

    EQ_ERR(vault_seal(v, "acme", "fusion", s, &sealed), ERR_FULL);
    IS(sealed == NULL);
    mem_free(large);
    secret_free(s);
    vault_free(v);
}

TEST(wrong_lines_are_named_and_never_shown)
{
    static const struct {
        const char *lines, *says;
    } cases[] = {
        {"", "no key"},
        {"# only a comment\n\n", "no key"},
        {"justakey", "line 1: expected keyid"},
        {KEY_A "\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
         "line 2: expected keyid"},
        {":AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "line 1: the key id"},
        {"a b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
         "line 1: the key id"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:"
         "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
         "line 1: the key id"},
        {KEY_A "\n\n" KEY_A2, "line 3: the key id occurs twice"},
        {"a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", "32 bytes"},
        {"a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "32 bytes"},
        {"a:", "32 bytes"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct secret *s = text_secret(cases[i].lines);
        struct vault *v;
        struct fault f;

        fault_clear(&f);
        EQ_ERR(vault_new(s, &v, &f), ERR_CONFIG);
        IS(v == NULL);
        HAS(f.message, cases[i].says);
        LACKS(f.message, "AAECAw");
        secret_free(s);
    }
}

SUITE(vault, RUN(what_was_sealed_opens),
      RUN(a_sealed_value_moved_elsewhere_does_not_open),
      RUN(a_relabelled_value_does_not_open),
      RUN(every_changed_character_is_noticed),
      RUN(the_first_key_seals_and_all_open),
      RUN(another_key_of_the_same_name_does_not_open),
      RUN(what_is_not_sealed_is_refused),
      RUN(a_secret_past_the_limit_is_not_sealed),
      RUN(wrong_lines_are_named_and_never_shown))

MAIN(vault)
