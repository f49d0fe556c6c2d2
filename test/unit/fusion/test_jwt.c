/* SPDX-License-Identifier: UNLICENSED */
/*
 * Signed assertions: what they say, and that the signature holds.
 */
#include "fusion_priv.h"
#include "ml/jsonx.h"
#include "unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static char *
plain(const char *part, size_t n)
{
    char *text = mem_alloc(n + 5);
    unsigned char *out = NULL;
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        text[i] = part[i] == '-' ? '+' : part[i] == '_' ? '/' : part[i];
    }
    while (strlen(text) % 4 != 0) {
        text[strlen(text)] = '=';
    }
    OK(base64_decode(text, &out, &len));
    mem_free(text);
    return (char *)out;
}

TEST(an_assertion_is_signed_by_the_key_and_says_who)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    long n = 0;
    struct secret *secret = NULL;
    const struct jwt_claims claims = {.issuer = "client",
                                      .subject = "user",
                                      .key_id = "kid1",
                                      .now_s = 1000,
                                      .life_s = 300};
    struct fault f = {0};
    char *jwt = NULL;
    char *dot = NULL;
    char *last = NULL;
    char *head = NULL;
    char *body = NULL;
    char *sig = NULL;
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    IS(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    n = BIO_get_mem_data(bio, &pem);
    secret = secret_new(pem, (size_t)n);
    OK(jwt_sign(secret, &claims, &jwt, &f));
    dot = strchr(jwt, '.');
    last = strrchr(jwt, '.');
    head = plain(jwt, (size_t)(dot - jwt));
    body = plain(dot + 1, (size_t)(last - dot - 1));
    HAS(head, "\"alg\":\"RS256\"");
    HAS(head, "\"kid\":\"kid1\"");
    HAS(body, "\"iss\":\"client\"");
    HAS(body, "\"sub\":\"user\"");
    HAS(body, "\"aud\":[\"https://identity.oraclecloud.com/\"]");
    HAS(body, "\"iat\":1000");
    HAS(body, "\"exp\":1300");
    sig = plain(last + 1, strlen(last + 1));
    EQ_INT(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key), 1);
    EQ_INT(EVP_DigestVerify(md, (unsigned char *)sig, 256, (unsigned char *)jwt,
                            (size_t)(last - jwt)),
           1);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    (void)BIO_free(bio);
    secret_free(secret);
    mem_free(jwt);
    mem_free(head);
    mem_free(body);
    mem_free(sig);
}

TEST(a_key_that_is_none_is_told)
{
    const struct jwt_claims claims = {.issuer = "c", .subject = "u"};
    struct secret *s = secret_new("no key", 6);
    struct fault f = {0};
    char *jwt = NULL;

    EQ_ERR(jwt_sign(s, &claims, &jwt, &f), ERR_CREDENTIALS);
    HAS(f.message, "--fusion-private-key-file");
    EQ_ERR(jwt_sign(NULL, &claims, &jwt, &f), ERR_CREDENTIALS);
    secret_free(s);
}

SUITE(jwt, RUN_LONG(an_assertion_is_signed_by_the_key_and_says_who, 20),
      RUN(a_key_that_is_none_is_told))
