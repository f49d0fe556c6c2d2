/* SPDX-License-Identifier: UNLICENSED */
/*
 * Sealing secrets for storage: AES-256-GCM under one of the master keys.
 *
 *     v1.<keyid>.<base64 of nonce (12) | ciphertext | tag (16)>
 *
 * The version, the key id, the tenant and the field are authenticated with the
 * content, each ended by a NUL, so a sealed value moved to another row, or
 * relabelled, does not open. The nonce is random: with 96 bits and the few
 * thousand secrets a master key ever seals, a repetition is out of the
 * question. Key bytes live here only and are wiped.
 */
#include "ml/vault.h"

#include <string.h>

#include <openssl/evp.h>

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16, ID_MAX = 32 };
enum { PLAIN_MAX = 1024 * 1024 };

struct key {
    char id[ID_MAX + 1];
    unsigned char bytes[KEY_BYTES];
};

struct vault {
    struct key *keys; /* the first encrypts */
    size_t count;
};

static const char id_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789_-";

void
vault_free(struct vault *v)
{
    if (v == NULL) {
        return;
    }
    secret_wipe_bytes(v->keys, v->count * sizeof(*v->keys));
    mem_free(v->keys);
    mem_free(v);
}

const char *
vault_key_id(const struct vault *v)
{
    return v->keys[0].id;
}

static const struct key *
find_key(const struct vault *v, const char *id, size_t len)
{
    for (size_t i = 0; i < v->count; i++) {
        if (strlen(v->keys[i].id) == len &&
            memcmp(v->keys[i].id, id, len) == 0) {
            return &v->keys[i];
        }
    }
    return NULL;
}

/* Decodes the key of a line; wipes the copies it needs. */
static bool
read_key(const char *text, size_t n, struct key *k)
{
    char *copy = mem_dup(text, n);
    unsigned char *bytes = NULL;
    size_t len = 0;
    bool ok = base64_decode(copy, &bytes, &len) == ERR_OK && len == KEY_BYTES;

    if (ok) {
        memcpy(k->bytes, bytes, KEY_BYTES);
    }
    secret_wipe_bytes(copy, n);
    mem_free(copy);
    secret_wipe_bytes(bytes, len);
    mem_free(bytes);
    return ok;
}

static enum err
add_line(struct vault *v, size_t number, const char *line, size_t n,
         struct fault *f)
{
    struct key *k = &v->keys[v->count];
    const char *colon = memchr(line, ':', n);
    size_t id_len = colon != NULL ? (size_t)(colon - line) : 0;

    if (colon == NULL) {
        return fault_set(f, ERR_CONFIG,
                         "master key, line %zu: expected keyid:base64", number);
    }
    if (id_len == 0 || id_len > ID_MAX || strspn(line, id_chars) != id_len) {
        return fault_set(f, ERR_CONFIG,
                         "master key, line %zu: the key id is not 1 to 32 of "
                         "A-Z a-z 0-9 _ -",
                         number);
    }
    if (find_key(v, line, id_len) != NULL) {
        return fault_set(f, ERR_CONFIG,
                         "master key, line %zu: the key id occurs twice",
                         number);
    }
    if (!read_key(colon + 1, n - id_len - 1, k)) {
        return fault_set(f, ERR_CONFIG,
                         "master key, line %zu: the key is not the base64 of "
                         "32 bytes",
                         number);
    }
    memcpy(k->id, line, id_len);
    v->count++;
    return ERR_OK;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static enum err
add_lines(struct vault *v, const char *text, struct fault *f)
{
    size_t number = 0;
    enum err err = ERR_OK;

    while (err == ERR_OK && *text != '\0') {
        size_t n = strcspn(text, "\n");
        const char *line = text;

        number++;
        text += n + (text[n] == '\n' ? 1 : 0);
        for (; n > 0 && is_blank(*line); n--) {
            line++;
        }
        while (n > 0 && is_blank(line[n - 1])) {
            n--;
        }
        if (n > 0 && *line != '#') {
            err = add_line(v, number, line, n, f);
        }
    }
    if (err == ERR_OK && v->count == 0) {
        err = fault_set(f, ERR_CONFIG, "master key: there is no key in it");
    }
    return err;
}

enum err
vault_new(const struct secret *lines, struct vault **out, struct fault *f)
{
    const char *text = (const char *)secret_bytes(lines);
    struct vault *v = MEM_NEW(struct vault);
    size_t most = 1;
    enum err err;

    *out = NULL;
    for (const char *p = text; *p != '\0'; p++) {
        most += *p == '\n' ? 1 : 0;
    }
    /* All at once: growing would leave copies of keys behind. */
    v->keys = mem_array(most, sizeof(*v->keys));
    err = add_lines(v, text, f);
    if (err != ERR_OK) {
        vault_free(v);
        return err;
    }
    *out = v;
    return ERR_OK;
}

/* Feeds what is authenticated but not encrypted. */
static bool
add_context(EVP_CIPHER_CTX *ctx, const char *key_id, const char *tenant,
            const char *field)
{
    const char *const parts[] = {"v1", key_id, tenant, field};

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        int len = 0;

        if (EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)parts[i],
                             (int)strlen(parts[i]) + 1) != 1) {
            return false;
        }
    }
    return true;
}

/* One pass of the cipher either way; `n` bytes in and out. When opening the
 * tag is checked, else it is made. */
static bool
run_cipher(const struct key *k, const char *tenant, const char *field,
           const unsigned char *nonce, const unsigned char *in, size_t n,
           unsigned char *out, unsigned char *tag, bool seal)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0;
    bool ok = ctx != NULL && n <= PLAIN_MAX &&
              EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->bytes, nonce,
                                seal ? 1 : 0) == 1 &&
              add_context(ctx, k->id, tenant, field) &&
              EVP_CipherUpdate(ctx, out, &len, in, (int)n) == 1;

    if (ok && !seal) {
        ok =
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1;
    }
    ok = ok && EVP_CipherFinal_ex(ctx, out + len, &len) == 1;
    if (ok && seal) {
        ok =
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1;
    }
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

enum err
vault_seal(const struct vault *v, const char *tenant, const char *field,
           const struct secret *plain, char **sealed)
{
    const struct key *k = &v->keys[0];
    size_t n = secret_len(plain);
    unsigned char *bytes;
    char *text;
    bool ok;

    *sealed = NULL;
    if (n > PLAIN_MAX) {
        return ERR_FULL;
    }
    bytes = mem_alloc(NONCE_BYTES + n + TAG_BYTES);
    random_bytes(bytes, NONCE_BYTES);
    ok = run_cipher(k, tenant, field, bytes, secret_bytes(plain), n,
                    bytes + NONCE_BYTES, bytes + NONCE_BYTES + n, true);
    ML_ASSERT(ok); /* the cipher itself only fails for want of memory */
    text = base64_encode(bytes, NONCE_BYTES + n + TAG_BYTES);
    *sealed = mem_printf("v1.%s.%s", k->id, text);
    mem_free(text);
    mem_free(bytes);
    return ERR_OK;
}

/* The key id inside a sealed text, NULL when it is no sealed text. */
static const char *
sealed_key_id(const char *sealed, size_t *len)
{
    const char *id = sealed + strlen("v1.");

    if (!text_has_prefix(sealed, "v1.")) {
        return NULL;
    }
    *len = strspn(id, id_chars);
    return *len > 0 && *len <= ID_MAX && id[*len] == '.' ? id : NULL;
}

static enum err
open_bytes(const struct key *k, const char *tenant, const char *field,
           unsigned char *bytes, size_t n, struct secret **plain)
{
    size_t len;
    unsigned char *out;
    bool ok;

    if (n < NONCE_BYTES + TAG_BYTES) {
        return ERR_KEY_WRONG;
    }
    len = n - NONCE_BYTES - TAG_BYTES;
    out = mem_alloc(len);
    ok = run_cipher(k, tenant, field, bytes, bytes + NONCE_BYTES, len, out,
                    bytes + n - TAG_BYTES, false);
    if (ok) {
        *plain = secret_new(out, len);
    }
    secret_wipe_bytes(out, len);
    mem_free(out);
    return ok ? ERR_OK : ERR_KEY_WRONG;
}

enum err
vault_unseal(const struct vault *v, const char *tenant, const char *field,
             const char *sealed, struct secret **plain, struct fault *f)
{
    const struct key *k;
    unsigned char *bytes = NULL;
    size_t id_len = 0;
    size_t n = 0;
    const char *id = sealed_key_id(sealed, &id_len);
    enum err err;

    *plain = NULL;
    if (id == NULL) {
        return fault_set(f, ERR_KEY_WRONG, "%s of %s: not a sealed value",
                         field, tenant);
    }
    k = find_key(v, id, id_len);
    if (k == NULL) {
        return fault_set(f, ERR_KEY_UNKNOWN,
                         "%s of %s was sealed with master key %.*s, which is "
                         "not here",
                         field, tenant, (int)id_len, id);
    }
    err = base64_decode(id + id_len + 1, &bytes, &n) == ERR_OK ?
              open_bytes(k, tenant, field, bytes, n, plain) :
              ERR_KEY_WRONG;
    mem_free(bytes);
    if (err != ERR_OK) {
        return fault_set(f, err, "%s of %s does not open with master key %s",
                         field, tenant, k->id);
    }
    return ERR_OK;
}

bool
vault_is_stale(const struct vault *v, const char *sealed)
{
    size_t len = 0;
    const char *id = sealed_key_id(sealed, &len);

    return id == NULL || find_key(v, id, len) != &v->keys[0];
}
