/* SPDX-License-Identifier: UNLICENSED */
/*
 * JSON web tokens signed with RS256, as the identity domain takes them for a
 * user or a client. The key is read for one signature and forgotten.
 */
#include "fusion_priv.h"
#include "ml/jsonx.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

enum { JWT_MAX = 16 * 1024 };

/* An encrypted key is not asked for at a terminal. */
static int
no_passphrase(char *out, int size, int rwflag, void *arg)
{
    (void)out;
    (void)size;
    (void)rwflag;
    (void)arg;
    return 0;
}

static char *
jwt_part(struct buf *b)
{
    char *text = base64url_encode(buf_text(b), b->len);

    buf_reset(b);
    return text;
}

static char *
jwt_input(const struct jwt_claims *c)
{
    struct buf b;
    struct jsonx_writer w;
    char id[RANDOM_ID_MAX];
    char *head = NULL;
    char *body = NULL;
    char *out = NULL;

    buf_init(&b, JWT_MAX);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '{');
    jsonx_add_text(&w, "alg", "RS256");
    jsonx_add_text(&w, "typ", "JWT");
    if (c->key_id != NULL && *c->key_id != 0) {
        jsonx_add_text(&w, "kid", c->key_id);
    }
    jsonx_close(&w, '}');
    head = jwt_part(&b);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '{');
    jsonx_add_text(&w, "iss", c->issuer);
    jsonx_add_text(&w, "sub", c->subject);
    jsonx_key(&w, "aud");
    jsonx_open(&w, '[');
    jsonx_put_text(&w, "https://identity.oraclecloud.com/");
    jsonx_close(&w, ']');
    jsonx_add_int(&w, "iat", c->now_s);
    jsonx_add_int(&w, "exp", c->now_s + c->life_s);
    jsonx_add_text(&w, "jti", random_id(id));
    jsonx_close(&w, '}');
    body = jwt_part(&b);
    out = mem_printf("%s.%s", head, body);
    mem_free(head);
    mem_free(body);
    buf_fini(&b);
    return out;
}

static enum err
jwt_signature(EVP_PKEY *key, const char *input, char **out)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char *sig = NULL;
    size_t n = 0;
    enum err err = ERR_CREDENTIALS;

    ML_ASSERT(md != NULL);
    if (EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestSign(md, NULL, &n, (const unsigned char *)input,
                       strlen(input)) == 1) {
        sig = mem_alloc(n);
        if (EVP_DigestSign(md, sig, &n, (const unsigned char *)input,
                           strlen(input)) == 1) {
            *out = base64url_encode(sig, n);
            err = ERR_OK;
        }
        mem_free(sig);
    }
    EVP_MD_CTX_free(md);
    return err;
}

enum err
jwt_sign(const struct secret *pem, const struct jwt_claims *c, char **out,
         struct fault *f)
{
    BIO *bio = NULL;
    EVP_PKEY *key = NULL;
    char *input = NULL;
    char *signature = NULL;
    enum err err = ERR_CREDENTIALS;

    if (pem != NULL && secret_len(pem) > 0 && secret_len(pem) < JWT_MAX) {
        bio = BIO_new_mem_buf(secret_bytes(pem), (int)secret_len(pem));
        key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    }
    if (key == NULL || !EVP_PKEY_is_a(key, "RSA")) {
        (void)fault_set(f, ERR_CREDENTIALS,
                        "--fusion-private-key-file holds no RSA private key "
                        "in PEM without a passphrase");
        goto fail;
    }
    input = jwt_input(c);
    err = jwt_signature(key, input, &signature);
    if (err != ERR_OK) {
        (void)fault_set(f, err, "the assertion cannot be signed");
        goto fail;
    }
    *out = mem_printf("%s.%s", input, signature);
fail:
    ERR_clear_error();
    mem_free(signature);
    mem_free(input);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return err;
}
