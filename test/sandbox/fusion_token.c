/* SPDX-License-Identifier: UNLICENSED */
/*
 * The identity domain: POST /oauth2/v1/token. Client credentials, password and
 * JWT user assertion; the client says who it is by Basic, by form fields or by
 * a client assertion. A token looks like a JWT but is only a name for a row
 * here; it dies after its life or when revoked.
 *
 * A JWT's signature is checked (RS256) when a public key was given for the pod,
 * its kid when an alias was given with the key; its claims always are. What is
 * wrong with a user assertion is an invalid_grant (400), with a client
 * assertion an invalid_client (401); the description says what.
 */
#include "fusion.h"

#include <inttypes.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORM_MAX = 16 };
#define AUDIENCE "identity.oraclecloud.com"

struct form {
    struct param field[FORM_MAX];
    size_t n;
};

const char *
client_secret(const struct fusion_sim *s, size_t i, char out[48])
{
    char text[64];
    struct hash h;
    char hex[HASH_TEXT_MAX];

    (void)snprintf(text, sizeof(text), "%" PRIu64 "/%zu", s->o.seed, i);
    h = hash_sha256(text, strlen(text));
    (void)snprintf(out, 48, "secret-%zu-%.16s", i, hash_text(&h, hex));
    return out;
}

void
token_scope(size_t i, char out[128])
{
    (void)snprintf(out, 128,
                   "urn:opc:resource:fa:instanceid=%zu"
                   "urn:opc:resource:consumer::all",
                   1000 + i);
}

/* ---- forms -------------------------------------------------------------- */

static int
hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static char *
form_text(struct arena *a, const char *s, size_t n)
{
    char *out = arena_alloc(a, n + 1);
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%' && i + 2 < n && hex_of(s[i + 1]) >= 0 &&
            hex_of(s[i + 2]) >= 0) {
            out[k++] = (char)(hex_of(s[i + 1]) * 16 + hex_of(s[i + 2]));
            i += 2;
        } else {
            out[k++] = s[i] == '+' ? ' ' : s[i];
        }
    }
    return out;
}

static void
form_parse(struct arena *a, const char *s, struct form *f)
{
    while (*s != 0 && f->n < FORM_MAX) {
        size_t n = strcspn(s, "&");
        size_t eq = strcspn(s, "=&");

        if (eq < n) {
            f->field[f->n].name = form_text(a, s, eq);
            f->field[f->n].value = form_text(a, s + eq + 1, n - eq - 1);
            f->n++;
        }
        s += n;
        s += *s == '&';
    }
}

static const char *
form_get(const struct form *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->field[i].name, name) == 0) {
            return f->field[i].value;
        }
    }
    return "";
}

/* ---- JWT ---------------------------------------------------------------- */

/* base64url without padding, as JWT has it. */
static unsigned char *
url_decode(struct arena *a, const char *s, size_t n, size_t *len)
{
    char *text = arena_alloc(a, n + 4);
    unsigned char *raw = NULL;
    unsigned char *out = NULL;

    for (size_t i = 0; i < n; i++) {
        text[i] = s[i] == '-' ? '+' : (s[i] == '_' ? '/' : s[i]);
    }
    while (n % 4 != 0) {
        text[n++] = '=';
    }
    if (base64_decode(text, &raw, len) != ERR_OK) {
        return NULL;
    }
    out = arena_alloc(a, *len + 1);
    memcpy(out, raw, *len);
    mem_free(raw);
    return out;
}

static bool
signature_ok(const struct pod *pod, const char *jwt, size_t signed_len,
             const unsigned char *sig, size_t sig_len)
{
    BIO *bio = BIO_new_mem_buf(pod->jwt_key, -1);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = key != NULL &&
              EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(ctx, sig, sig_len, (const unsigned char *)jwt,
                               signed_len) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok;
}

/* One of the audiences is the identity domain. */
static bool
audience_ok(json_t *aud)
{
    const char *one = json_string_value(aud);

    for (size_t i = 0; one == NULL && i < json_array_size(aud); i++) {
        one = json_string_value(json_array_get(aud, i));
        one = one != NULL && strstr(one, AUDIENCE) == NULL ? NULL : one;
    }
    return one != NULL && strstr(one, AUDIENCE) != NULL;
}

/* NULL, or what is wrong with the claims. */
static const char *
claims_fault(const struct pod *pod, json_t *claims, bool user, int64_t now_us)
{
    char client[32];
    char name[32];
    int64_t now = now_us / 1000000;
    json_int_t exp = json_integer_value(json_object_get(claims, "exp"));
    json_int_t nbf = json_integer_value(json_object_get(claims, "nbf"));
    const char *iss = json_string_value(json_object_get(claims, "iss"));
    const char *sub = json_string_value(json_object_get(claims, "sub"));

    (void)snprintf(client, sizeof(client), "client-%zu", pod->index);
    (void)snprintf(name, sizeof(name), "user-%zu", pod->index);
    if (exp <= now || nbf > now + 60) {
        return "The assertion has expired or is not valid yet.";
    }
    if (!text_equal(iss, client)) {
        return "The issuer of the assertion is not trusted.";
    }
    if (!text_equal(sub, user ? name : client)) {
        return "The subject of the assertion is unknown.";
    }
    return audience_ok(json_object_get(claims, "aud")) ?
               NULL :
               "The audience of the assertion is another.";
}

/* The header names RS256 and, where the pod knows the key's alias, that. */
static const char *
header_fault(const struct pod *pod, json_t *head)
{
    const char *alg = json_string_value(json_object_get(head, "alg"));
    const char *kid = json_string_value(json_object_get(head, "kid"));

    if (!text_equal(alg, "RS256")) {
        return "The algorithm of the assertion is not supported.";
    }
    return pod->jwt_kid != NULL && !text_equal(kid, pod->jwt_kid) ?
               "The certificate of the assertion is unknown." :
               NULL;
}

static json_t *
part_decode(struct arena *a, const char *text, size_t len)
{
    size_t n = 0;
    unsigned char *raw = url_decode(a, text, len, &n);

    return raw == NULL ? NULL : json_loadb((const char *)raw, n, 0, NULL);
}

/* NULL: the assertion is good; else what is wrong with it. */
static const char *
jwt_fault(struct arena *a, const struct pod *pod, const char *jwt, bool user,
          int64_t now_us)
{
    size_t head = strcspn(jwt, ".");
    size_t body = jwt[head] == 0 ? 0 : strcspn(jwt + head + 1, ".");
    const char *sig = jwt + head + 1 + body;
    unsigned char *mac = NULL;
    json_t *top = NULL;
    json_t *claims = NULL;
    const char *fault = NULL;
    size_t n = 0;

    if (jwt[head] == 0 || *sig != '.') {
        return "The assertion is no JWT.";
    }
    top = part_decode(a, jwt, head);
    claims = part_decode(a, jwt + head + 1, body);
    fault = top == NULL || claims == NULL ? "The assertion is no JWT." :
                                            header_fault(pod, top);
    if (fault == NULL) {
        fault = claims_fault(pod, claims, user, now_us);
    }
    json_decref(top);
    json_decref(claims);
    if (fault != NULL || pod->jwt_key == NULL) {
        return fault;
    }
    mac = url_decode(a, sig + 1, strlen(sig + 1), &n);
    return mac != NULL && signature_ok(pod, jwt, (size_t)(sig - jwt), mac, n) ?
               NULL :
               "The signature of the assertion is wrong.";
}

/* ---- who asks ----------------------------------------------------------- */

static struct pod *
pod_named(struct fusion_sim *s, const char *name, const char *prefix)
{
    char *end = NULL;
    size_t n = strlen(prefix);
    unsigned long i = 0;

    if (strncmp(name, prefix, n) != 0 || name[n] == 0) {
        return NULL;
    }
    i = strtoul(name + n, &end, 10);
    return *end == 0 && i < s->n_pods ? &s->pods[i] : NULL;
}

/* "Basic base64(name:secret)" to its parts; false when it is none. */
static bool
basic_parts(struct arena *a, const char *authorization, const char **name,
            const char **secret)
{
    unsigned char *raw = NULL;
    size_t n = 0;
    char *text = NULL;
    char *colon = NULL;

    if (authorization == NULL || strncmp(authorization, "Basic ", 6) != 0 ||
        base64_decode(authorization + 6, &raw, &n) != ERR_OK) {
        return false;
    }
    text = arena_strndup(a, (const char *)raw, n);
    mem_free(raw);
    colon = strchr(text, ':');
    if (colon == NULL) {
        return false;
    }
    *colon = 0;
    /* Both may come form-encoded, as RFC 6749 says. */
    *name = form_text(a, text, strlen(text));
    *secret = form_text(a, colon + 1, strlen(colon + 1));
    return true;
}

static struct pod *
client_of(struct fusion_sim *s, struct arena *a, const struct form *f,
          const struct sim_request *r, const char **why)
{
    const char *name = form_get(f, "client_id");
    const char *secret = form_get(f, "client_secret");
    const char *assertion = form_get(f, "client_assertion");
    char right[48];
    struct pod *pod = NULL;

    (void)basic_parts(a, sim_header(r, "Authorization"), &name, &secret);
    pod = pod_named(s, name, "client-");
    if (pod == NULL) {
        return NULL;
    }
    if (pod->sw[SW_invalid_client] != 0) {
        return NULL;
    }
    if (*assertion != 0) {
        const char *fault = jwt_fault(a, pod, assertion, false, r->now_us);

        *why = fault == NULL ? *why : fault;
        return fault == NULL ? pod : NULL;
    }
    return strcmp(secret, pod->secret != NULL ?
                              pod->secret :
                              client_secret(s, pod->index, right)) == 0 ?
               pod :
               NULL;
}

/* ---- tokens ------------------------------------------------------------- */

static const char *
token_issue(struct fusion_sim *s, struct pod *pod, int64_t now_us)
{
    struct token *t = MEM_NEW(struct token);
    int64_t life = pod->sw[SW_token_life] > 0 ? pod->sw[SW_token_life] :
                                                pod->sw[SW_expires_in];
    char *claims = mem_printf(
        "{\"sub\":\"client-%zu\",\"jti\":%" PRIu64 ",\"exp\":%" PRId64 "}",
        pod->index, ++s->next_token, now_us / 1000000 + life);
    char *body = base64url_encode(claims, strlen(claims));
    char *mark = NULL;
    struct hash h = hash_sha256(claims, strlen(claims));

    mark = base64url_encode(h.b, sizeof(h.b));
    t->text = mem_printf("eyJhbGciOiJSUzI1NiJ9.%s.%s", body, mark);
    t->expires_us = now_us + life * 1000000;
    list_init(&t->link);
    list_push(&pod->tokens, &t->link);
    (void)map_put(&s->tokens, t->text, pod);
    mem_free(claims);
    mem_free(body);
    mem_free(mark);
    return t->text;
}

static void
tokens_drop_old(struct fusion_sim *s, struct pod *pod, int64_t now_us)
{
    struct list *l = NULL;
    struct list *next = NULL;

    LIST_EACH(&pod->tokens, l, next)
    {
        struct token *t = CONTAINER_OF(l, struct token, link);

        if (t->expires_us <= now_us) {
            list_remove(&t->link);
            (void)map_del(&s->tokens, t->text);
            mem_free(t->text);
            mem_free(t);
        }
    }
}

struct pod *
token_pod(struct fusion_sim *s, const char *authorization, int64_t now_us)
{
    struct arena a;
    struct pod *pod = NULL;
    const char *name = "";
    const char *secret = "";
    char right[32];

    if (authorization == NULL) {
        return NULL;
    }
    if (strncmp(authorization, "Bearer ", 7) == 0) {
        pod = map_get(&s->tokens, authorization + 7);
        if (pod != NULL) {
            tokens_drop_old(s, pod, now_us);
            pod = map_get(&s->tokens, authorization + 7);
        }
        return pod;
    }
    arena_init(&a);
    if (basic_parts(&a, authorization, &name, &secret)) {
        pod = pod_named(s, name, "user-");
    }
    if (pod != NULL) {
        (void)snprintf(right, sizeof(right), "password-%zu", pod->index);
        if (pod->sw[SW_basic_auth] == 0 || strcmp(secret, right) != 0) {
            pod = NULL;
        }
    }
    arena_fini(&a);
    return pod;
}

/* ---- the endpoint ------------------------------------------------------- */

/* `style` is the switch token_body: what a proxy before it may answer. */
static void
token_error(struct sim_reply *p, int64_t style, int status, const char *error,
            const char *text)
{
    p->refused = true;
    if (style != 0) {
        p->status = status;
        p->content_type = "text/html; charset=UTF-8";
        if (style == 1) {
            buf_adds(&p->body, "<html><body><h1>Error</h1></body></html>");
        }
        return;
    }
    sim_reply_json(p, status,
                   json_pack("{s:s, s:s, s:s}", "error", error,
                             "error_description", text, "ecid",
                             "4qWXg0Q0000000000"));
}

static bool
token_throttled(struct pod *pod, const struct sim_request *r)
{
    int64_t second = r->now_us / 1000000;

    if (pod->token_second != second) {
        pod->token_second = second;
        pod->token_in_second = 0;
    }
    pod->token_in_second++;
    return pod->sw[SW_token_per_second] > 0 &&
           pod->token_in_second > pod->sw[SW_token_per_second];
}

static bool
grant_ok(struct arena *a, const struct pod *pod, const struct form *f,
         int64_t now_us, bool *known, const char **why)
{
    const char *grant = form_get(f, "grant_type");
    char name[32];
    char password[32];

    *known = true;
    if (strcmp(grant, "client_credentials") == 0) {
        return true;
    }
    if (strcmp(grant, "urn:ietf:params:oauth:grant-type:jwt-bearer") == 0) {
        const char *fault =
            jwt_fault(a, pod, form_get(f, "assertion"), true, now_us);

        *why = fault == NULL ? *why : fault;
        return fault == NULL;
    }
    (void)snprintf(name, sizeof(name), "user-%zu", pod->index);
    (void)snprintf(password, sizeof(password), "password-%zu", pod->index);
    *known = strcmp(grant, "password") == 0;
    return *known && strcmp(form_get(f, "username"), name) == 0 &&
           strcmp(form_get(f, "password"), password) == 0;
}

/* Counted and logged for the pod that was named, if one was. */
static void
token_refused(struct fusion_sim *s, struct arena *a, const struct form *f,
              const struct sim_request *r, struct sim_reply *p, const char *why)
{
    const char *name = form_get(f, "client_id");
    const char *secret = "";
    struct pod *pod = NULL;

    (void)basic_parts(a, sim_header(r, "Authorization"), &name, &secret);
    pod = pod_named(s, name, "client-");
    if (pod != NULL) {
        pod->token_requests++;
        p->scope = pod->scope;
    }
    token_error(p, pod == NULL ? 0 : pod->sw[SW_token_body], 401,
                "invalid_client", why);
}

static void
token_answer(struct fusion_sim *s, struct arena *a, const struct form *f,
             const struct sim_request *r, struct sim_reply *p)
{
    const char *why = "Client authentication failed.";
    struct pod *pod = client_of(s, a, f, r, &why);
    char scope[128];
    bool known = true;
    int64_t style = 0;

    if (pod == NULL) {
        token_refused(s, a, f, r, p, why);
        return;
    }
    style = pod->sw[SW_token_body];
    pod->token_requests++;
    p->scope = pod->scope;
    if (pod->sw[SW_token_status] != 0) {
        token_error(p, style, (int)pod->sw[SW_token_status], "server_error",
                    "An internal error occurred.");
        return;
    }
    if (token_throttled(pod, r)) {
        p->refused = true;
        sim_reply_json(p, 429,
                       json_pack("{s:s, s:s}", "code", "TooManyRequests",
                                 "message", "Too many requests for the user"));
        return;
    }
    token_scope(pod->index, scope);
    why = "The assertion or the credentials are not valid.";
    if (!grant_ok(a, pod, f, r->now_us, &known, &why)) {
        token_error(p, style, 400,
                    known ? "invalid_grant" : "unsupported_grant_type",
                    known ? why : "The grant type is not supported.");
    } else if (strcmp(form_get(f, "scope"), scope) != 0) {
        token_error(p, style, 400, "invalid_scope",
                    "The requested scope is invalid, unknown, or malformed.");
    } else {
        tokens_drop_old(s, pod, r->now_us);
        sim_reply_json(p, 200,
                       json_pack("{s:s, s:s, s:I}", "access_token",
                                 token_issue(s, pod, r->now_us), "token_type",
                                 "Bearer", "expires_in",
                                 (json_int_t)pod->sw[SW_expires_in]));
    }
}

void
token_handle(struct fusion_sim *s, const struct sim_request *r,
             struct sim_reply *p)
{
    struct arena a;
    struct form f = {0};

    p->operation = "token";
    if (strcmp(r->method, "POST") != 0) {
        token_error(p, 0, 405, "invalid_request", "Only POST is supported.");
        return;
    }
    arena_init(&a);
    form_parse(&a, r->body, &f);
    token_answer(s, &a, &f, r, p);
    arena_fini(&a);
}
