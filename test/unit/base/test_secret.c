/* SPDX-License-Identifier: UNLICENSED */
/* Secrets, hashes, encodings, randomness. */
#include "unit.h"

#include "ml/base.h"

TEST(secrets_keep_their_bytes_and_a_nul)
{
    struct secret *s = secret_new("a\0b", 3);
    struct secret *t = secret_dup(s);
    struct secret *u = secret_new("a\0c", 3);
    struct secret *v = secret_new(NULL, 0);

    EQ_UINT(secret_len(s), 3);
    EQ_MEM(secret_bytes(s), "a\0b", 4);
    IS(secret_equal(s, t));
    NOT(secret_equal(s, u));
    NOT(secret_equal(s, v));
    EQ_UINT(secret_len(v), 0);
    EQ_INT(secret_bytes(v)[0], 0);
    IS(secret_dup(NULL) == NULL);
    secret_free(s);
    secret_free(t);
    secret_free(u);
    secret_free(v);
    secret_free(NULL);
}

TEST(wiping_zeroes)
{
    char b[5] = "abcd";

    secret_wipe_bytes(b, 4);
    EQ_MEM(b, "\0\0\0\0", 5);
    secret_wipe_bytes(NULL, 0);
}

TEST(sha256_gives_the_published_values)
{
    char out[HASH_TEXT_MAX];
    struct hash h = hash_sha256("abc", 3);

    EQ_STR(hash_text(&h, out), "ba7816bf8f01cfea414140de5dae2223"
                               "b00361a396177a9cb410ff61f20015ad");
    h = hash_sha256(NULL, 0);
    EQ_STR(hash_text(&h, out), "e3b0c44298fc1c149afbf4c8996fb924"
                               "27ae41e4649b934ca495991b7852b855");
}

static void
encodes(const char *bytes, size_t n, const char *want, const char *want_url)
{
    char *text = base64_encode(bytes, n);
    char *url = base64url_encode(bytes, n);
    unsigned char *back = NULL;
    size_t len = 0;

    EQ_STR(text, want);
    EQ_STR(url, want_url);
    OK(base64_decode(text, &back, &len));
    EQ_UINT(len, n);
    IS(n == 0 || memcmp(back, bytes, n) == 0);
    EQ_INT(back[len], 0);
    mem_free(text);
    mem_free(url);
    mem_free(back);
}

TEST(base64_encodes_and_decodes)
{
    encodes("", 0, "", "");
    encodes("f", 1, "Zg==", "Zg");
    encodes("fo", 2, "Zm8=", "Zm8");
    encodes("foo", 3, "Zm9v", "Zm9v");
    encodes("foob", 4, "Zm9vYg==", "Zm9vYg");
    encodes("\xfb\xff\xfe", 3, "+//+", "-__-");
    encodes("\0\0", 2, "AAA=", "AAA");
}

TEST(base64_that_is_not_strict_is_refused)
{
    static const char *const wrong[] = {
        "Z",    "Zg",     "Zg=",  "Zm9v=", "Zg==Zg==", "Zh==", "Zm9=", "Zm8= ",
        " Zm8", "Zm9v\n", "Z===", "====",  "Zm-_",     "=m9v", "Zm=v"};
    unsigned char *out;
    size_t n;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        ck_assert_msg(base64_decode(wrong[i], &out, &n) == ERR_TYPE, "\"%s\"",
                      wrong[i]);
        IS(out == NULL);
    }
}

TEST(random_values_differ)
{
    char a[RANDOM_ID_MAX];
    char b[RANDOM_ID_MAX];
    unsigned char *large = mem_alloc(200000);
    unsigned char zero[64] = {0};

    IS(random_u64() != random_u64());
    EQ_UINT(strlen(random_id(a)), 32);
    EQ_UINT(strspn(a, "0123456789abcdef"), 32);
    IS(strcmp(a, random_id(b)) != 0);
    random_bytes(large, 200000);
    IS(memcmp(large + 200000 - 64, zero, 64) != 0);
    mem_free(large);
}

SUITE(secret, RUN(secrets_keep_their_bytes_and_a_nul), RUN(wiping_zeroes),
      RUN(sha256_gives_the_published_values), RUN(base64_encodes_and_decodes),
      RUN(base64_that_is_not_strict_is_refused), RUN(random_values_differ))
