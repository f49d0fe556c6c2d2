/* SPDX-License-Identifier: UNLICENSED */
/* The identity domain and what a request without a good token gets. */
#include "fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define SCOPE                                                                  \
    "urn:opc:resource:fa:instanceid=1000urn:opc:resource:consumer::all"

static int
ask(struct rig *g, const char *body)
{
    g->authorization = NULL;
    return rig_send(g, "POST", "/oauth2/v1/token", body);
}

static const char *
basic(struct rig *g, const char *name, const char *secret)
{
    char *pair = mem_printf("%s:%s", name, secret);
    char *code = base64_encode(pair, strlen(pair));

    mem_free(g->token);
    g->token = mem_printf("Basic %s", code);
    mem_free(pair);
    mem_free(code);
    g->authorization = g->token;
    return g->token;
}

TEST(client_credentials_by_basic_give_a_bearer_token)
{
    struct rig g;
    json_t *t = NULL;

    rig_open(&g);
    t = fusion_sim_tenant(g.s, 0);
    (void)basic(&g, get_text(t, "client_id"), get_text(t, "client_secret"));
    EQ_INT(rig_send(&g, "POST", "/oauth2/v1/token",
                    "grant_type=client_credentials&scope=urn%3Aopc%3Aresource"
                    "%3Afa%3Ainstanceid%3D1000urn%3Aopc%3Aresource%3Aconsumer"
                    "%3A%3Aall"),
           200);
    EQ_STR(get_text(g.body, "token_type"), "Bearer");
    EQ_INT(get_int(g.body, "expires_in"), 3600);
    EQ_STR(g.operation, "token");
    json_decref(t);
    rig_close(&g);
}

TEST(wrong_secret_and_scope_and_grant_are_told_apart)
{
    struct rig g;
    json_t *t = NULL;
    char *body = NULL;

    rig_open(&g);
    t = fusion_sim_tenant(g.s, 0);
    EQ_INT(ask(&g, "grant_type=client_credentials&client_id=client-0&"
                   "client_secret=no&scope=" SCOPE),
           401);
    EQ_STR(get_text(g.body, "error"), "invalid_client");
    body = mem_printf("grant_type=client_credentials&client_id=client-0&"
                      "client_secret=%s&scope=urn:other",
                      get_text(t, "client_secret"));
    EQ_INT(ask(&g, body), 400);
    EQ_STR(get_text(g.body, "error"), "invalid_scope");
    mem_free(body);
    body = mem_printf("grant_type=refresh_token&client_id=client-0&"
                      "client_secret=%s&scope=" SCOPE,
                      get_text(t, "client_secret"));
    EQ_INT(ask(&g, body), 400);
    EQ_STR(get_text(g.body, "error"), "unsupported_grant_type");
    mem_free(body);
    json_decref(t);
    rig_close(&g);
}

TEST(password_grant_needs_the_right_password)
{
    struct rig g;
    json_t *t = NULL;
    char *body = NULL;

    rig_open(&g);
    t = fusion_sim_tenant(g.s, 0);
    for (int right = 0; right < 2; right++) {
        body = mem_printf("grant_type=password&username=user-0&password=%s&"
                          "client_id=client-0&client_secret=%s&scope=" SCOPE,
                          right ? "password-0" : "other",
                          get_text(t, "client_secret"));
        EQ_INT(ask(&g, body), right ? 200 : 400);
        mem_free(body);
    }
    json_decref(t);
    rig_close(&g);
}

TEST(a_changed_secret_counts_at_once_and_spares_tokens)
{
    static const char with[] =
        "grant_type=client_credentials&client_id=client-0&client_secret=other"
        "&scope=" SCOPE;
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_send(&g, "POST", "/control/fusion/0/client_secret", "other"),
           200);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    EQ_INT(ask(&g, with), 200);
    EQ_INT(rig_send(&g, "POST", "/control/fusion/0/client_secret", ""), 200);
    EQ_INT(ask(&g, with), 401);
    rig_close(&g);
}

TEST(a_token_dies_after_its_life_with_a_401_without_body)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    g.now_us += INT64_C(3601) * 1000000;
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 401);
    EQ_STR(header_of(&g, "WWW-Authenticate"), "Basic realm=\"owsm\"");
    EQ_INT(g.len, 0);
    rig_close(&g);
}

TEST(a_token_can_die_earlier_than_announced)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "token_life", 10);
    rig_login(&g);
    EQ_INT(get_int(g.body, "expires_in"), 3600);
    g.now_us += INT64_C(11) * 1000000;
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 401);
    rig_close(&g);
}

TEST(revoked_tokens_are_refused_and_new_ones_work)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_control(&g, "POST", "revoke_tokens"), 200);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 401);
    rig_login(&g);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    EQ_INT(rig_control(&g, "GET", "counts"), 200);
    EQ_INT(get_int(g.body, "token_requests"), 2);
    rig_close(&g);
}

TEST(basic_authentication_obeys_its_switch)
{
    struct rig g;

    rig_open(&g);
    (void)basic(&g, "user-0", "password-0");
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    rig_switch(&g, "basic_auth", 0);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 401);
    rig_switch(&g, "basic_auth", 1);
    (void)basic(&g, "user-0", "password-1");
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 401);
    rig_close(&g);
}

TEST(the_token_decides_whose_world_is_seen)
{
    struct rig g;
    json_t *t = NULL;
    char *body = NULL;
    int64_t first = 0;

    rig_open(&g);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    first = get_amount(item(&g, 0), "EnteredAmount");
    t = fusion_sim_tenant(g.s, 1);
    body = mem_printf("grant_type=client_credentials&client_id=client-1&"
                      "client_secret=%s&scope=%s",
                      get_text(t, "client_secret"), get_text(t, "scope"));
    EQ_INT(ask(&g, body), 200);
    mem_free(g.token);
    g.token = mem_printf("Bearer %s", get_text(g.body, "access_token"));
    g.authorization = g.token;
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    IS(get_amount(item(&g, 0), "EnteredAmount") != first);
    mem_free(body);
    json_decref(t);
    rig_close(&g);
}

TEST(too_many_token_requests_a_second_get_429)
{
    struct rig g;
    json_t *t = NULL;
    char *body = NULL;

    rig_open(&g);
    t = fusion_sim_tenant(g.s, 0);
    body = mem_printf("grant_type=client_credentials&client_id=client-0&"
                      "client_secret=%s&scope=" SCOPE,
                      get_text(t, "client_secret"));
    rig_switch(&g, "token_per_second", 2);
    g.now_us += 2000000;
    EQ_INT(ask(&g, body), 200);
    EQ_INT(ask(&g, body), 200);
    EQ_INT(ask(&g, body), 429);
    EQ_STR(get_text(g.body, "code"), "TooManyRequests");
    g.now_us += 1000000;
    EQ_INT(ask(&g, body), 200);
    mem_free(body);
    json_decref(t);
    rig_close(&g);
}

/* ---- assertions --------------------------------------------------------- */

/* Signs what it is given, whatever it says. */
static char *
jwt_sign(EVP_PKEY *key, const char *head, const char *claims)
{
    char *a = base64url_encode(head, strlen(head));
    char *b = base64url_encode(claims, strlen(claims));
    char *text = mem_printf("%s.%s", a, b);
    unsigned char sig[512];
    size_t n = sizeof(sig);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char *c = NULL;
    char *out = NULL;

    EQ_INT(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    EQ_INT(
        EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text, strlen(text)),
        1);
    EVP_MD_CTX_free(ctx);
    c = base64url_encode(sig, n);
    out = mem_printf("%s.%s", text, c);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(text);
    return out;
}

#define HEAD "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"ml-key\"}"

static char *
jwt_claiming(EVP_PKEY *key, const char *head, const char *iss, const char *sub,
             const char *aud, int64_t exp)
{
    char *claims = mem_printf("{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":%s,"
                              "\"exp\":%" PRId64 "}",
                              iss, sub, aud, exp);
    char *out = jwt_sign(key, head, claims);

    mem_free(claims);
    return out;
}

static char *
jwt_make(EVP_PKEY *key, const char *sub, int64_t exp)
{
    return jwt_claiming(key, HEAD, "client-0", sub,
                        "[\"https://identity.oraclecloud.com/\"]", exp);
}

static void
give_key(struct rig *g, EVP_PKEY *key, const char *kid)
{
    char *url = mem_printf("/control/fusion/0/jwt_key%s", kid);
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    long n = 0;

    EQ_INT(PEM_write_bio_PUBKEY(bio, key), 1);
    n = BIO_get_mem_data(bio, &pem);
    pem = mem_strndup(pem, (size_t)n);
    EQ_INT(rig_send(g, "POST", url, pem), 200);
    mem_free(pem);
    mem_free(url);
    BIO_free(bio);
}

/* The status for an assertion; takes it. */
static int
assert_jwt(struct rig *g, char *jwt)
{
    json_t *t = fusion_sim_tenant(g->s, 0);
    char *body = mem_printf(
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=%s&"
        "client_id=client-0&client_secret=%s&scope=" SCOPE,
        jwt, get_text(t, "client_secret"));
    int status = ask(g, body);

    mem_free(body);
    mem_free(jwt);
    json_decref(t);
    return status;
}

/* The status for an assertion signed by `key`. */
static int
assert_user(struct rig *g, EVP_PKEY *key, const char *sub, int64_t ahead_s)
{
    return assert_jwt(g, jwt_make(key, sub, g->now_us / 1000000 + ahead_s));
}

/* The status for a client that proves itself by `jwt`; takes it. */
static int
assert_client(struct rig *g, char *jwt)
{
    char *body =
        mem_printf("grant_type=client_credentials&client_id=client-0&"
                   "client_assertion_type=urn:ietf:params:oauth:client-"
                   "assertion-type:jwt-bearer&client_assertion=%s&scope=" SCOPE,
                   jwt);
    int status = ask(g, body);

    mem_free(body);
    mem_free(jwt);
    return status;
}

TEST(a_jwt_is_taken_when_claims_and_signature_are_right)
{
    struct rig g;
    EVP_PKEY *key = EVP_RSA_gen(2048);
    EVP_PKEY *other = EVP_RSA_gen(2048);

    rig_open(&g);
    give_key(&g, key, "");
    EQ_INT(assert_user(&g, key, "user-0", 300), 200);
    EQ_INT(assert_user(&g, other, "user-0", 300), 400);
    EQ_STR(get_text(g.body, "error"), "invalid_grant");
    EQ_INT(assert_user(&g, key, "user-1", 300), 400);
    EQ_INT(assert_user(&g, key, "user-0", -1), 400);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    rig_close(&g);
}

TEST(a_client_assertion_stands_for_the_secret)
{
    struct rig g;
    EVP_PKEY *key = EVP_RSA_gen(2048);

    rig_open(&g);
    give_key(&g, key, "");
    EQ_INT(
        assert_client(&g, jwt_make(key, "client-0", g.now_us / 1000000 + 60)),
        200);
    EVP_PKEY_free(key);
    rig_close(&g);
}

/* Each claim wrong in its turn: RFC 6749's errors, with what was wrong. */
TEST(what_is_wrong_with_an_assertion_is_told)
{
    static const struct {
        const char *head, *iss, *sub, *aud, *says;
        int ahead;
    } wrong[] = {
        {HEAD, "client-1", "user-0", "\"https://identity.oraclecloud.com/\"",
         "The issuer of the assertion is not trusted.", 60},
        {HEAD, "client-0", "user-7", "\"https://identity.oraclecloud.com/\"",
         "The subject of the assertion is unknown.", 60},
        {HEAD, "client-0", "user-0", "[\"https://idp.example/\"]",
         "The audience of the assertion is another.", 60},
        {HEAD, "client-0", "user-0", "[]",
         "The audience of the assertion is another.", 60},
        {HEAD, "client-0", "user-0", "\"https://identity.oraclecloud.com/\"",
         "The assertion has expired or is not valid yet.", -5},
        {"{\"alg\":\"RS256\",\"kid\":\"old-key\"}", "client-0", "user-0",
         "\"https://identity.oraclecloud.com/\"",
         "The certificate of the assertion is unknown.", 60},
        {"{\"alg\":\"RS256\"}", "client-0", "user-0",
         "\"https://identity.oraclecloud.com/\"",
         "The certificate of the assertion is unknown.", 60},
        {"{\"alg\":\"HS256\",\"kid\":\"ml-key\"}", "client-0", "user-0",
         "\"https://identity.oraclecloud.com/\"",
         "The algorithm of the assertion is not supported.", 60},
    };
    struct rig g;
    EVP_PKEY *key = EVP_RSA_gen(2048);

    rig_open(&g);
    give_key(&g, key, "?kid=ml-key");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EQ_INT(
            assert_jwt(&g, jwt_claiming(key, wrong[i].head, wrong[i].iss,
                                        wrong[i].sub, wrong[i].aud,
                                        g.now_us / 1000000 + wrong[i].ahead)),
            400);
        EQ_STR(get_text(g.body, "error"), "invalid_grant");
        EQ_STR(get_text(g.body, "error_description"), wrong[i].says);
    }
    EQ_INT(assert_jwt(
               &g, jwt_claiming(key, HEAD, "client-0", "user-0",
                                "[\"a\",\"https://identity.oraclecloud.com/\"]",
                                g.now_us / 1000000 + 60)),
           200);
    EQ_INT(assert_jwt(&g, mem_strdup("no.jwt")), 400);
    EQ_STR(get_text(g.body, "error_description"), "The assertion is no JWT.");
    /* Of the client itself it is another error. */
    EQ_INT(assert_client(&g, jwt_make(key, "user-0", g.now_us / 1000000 + 60)),
           401);
    EQ_STR(get_text(g.body, "error"), "invalid_client");
    EQ_STR(get_text(g.body, "error_description"),
           "The subject of the assertion is unknown.");
    EVP_PKEY_free(key);
    rig_close(&g);
}

/* ---- troubles of the identity domain ------------------------------------ */

static int
ask_by_secret(struct rig *g)
{
    json_t *t = fusion_sim_tenant(g->s, 0);
    char *body = mem_printf("grant_type=client_credentials&client_id=client-0&"
                            "client_secret=%s&scope=" SCOPE,
                            get_text(t, "client_secret"));
    int status = ask(g, body);

    mem_free(body);
    json_decref(t);
    return status;
}

TEST(a_client_can_be_unknown_all_of_a_sudden)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "invalid_client", 1);
    EQ_INT(ask_by_secret(&g), 401);
    EQ_STR(get_text(g.body, "error"), "invalid_client");
    EQ_INT(rig_control(&g, "GET", "counts"), 200);
    EQ_INT(get_int(g.body, "token_requests"), 2); /* the login's too */
    g.authorization = g.token;
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    rig_switch(&g, "invalid_client", 0);
    EQ_INT(ask_by_secret(&g), 200);
    rig_close(&g);
}

TEST(token_errors_come_in_every_body)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "token_status", 500);
    EQ_INT(ask_by_secret(&g), 500);
    EQ_STR(get_text(g.body, "error"), "server_error");
    rig_switch(&g, "token_body", 1);
    EQ_INT(ask_by_secret(&g), 500);
    IS(g.body == NULL && strstr(g.text, "<html>") != NULL);
    rig_switch(&g, "token_body", 2);
    rig_switch(&g, "token_status", 0);
    rig_switch(&g, "invalid_client", 1);
    EQ_INT(ask_by_secret(&g), 401);
    EQ_INT(g.len, 0);
    rig_close(&g);
}

/* Many requests in flight are all refused; the token lives on, or not. */
TEST(hundreds_of_requests_can_be_answered_401)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "unauthorized_next", 300);
    rig_switch(&g, "latency_ms", 40);
    for (int i = 0; i < 300; i++) {
        EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 401);
        EQ_STR(g.operation, "unauthorized");
        EQ_STR(header_of(&g, "WWW-Authenticate"), "Basic realm=\"owsm\"");
        EQ_INT(g.delay_ms, 40);
        EQ_INT(g.len, 0);
    }
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    EQ_INT(rig_control(&g, "GET", "counts"), 200);
    EQ_INT(get_int(g.body, "most_in_flight"), 301);
    rig_switch(&g, "html_401", 1);
    EQ_INT(rig_control(&g, "POST",
                       "switches?unauthorized_next=1&unauthorized_revokes=1"),
           200);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 401);
    IS(strstr(g.text, "<html>") != NULL);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 401);
    rig_login(&g);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    rig_close(&g);
}

TEST(every_nth_request_can_be_answered_401)
{
    struct rig g;
    int refused = 0;

    rig_open(&g);
    rig_switch(&g, "unauthorized_every", 4);
    for (int i = 0; i < 12; i++) {
        refused += rig_get(&g, FSCM "receivablesInvoices?limit=1") == 401;
    }
    EQ_INT(refused, 3);
    rig_close(&g);
}

SUITE(token, RUN(client_credentials_by_basic_give_a_bearer_token),
      RUN(wrong_secret_and_scope_and_grant_are_told_apart),
      RUN(password_grant_needs_the_right_password),
      RUN(a_changed_secret_counts_at_once_and_spares_tokens),
      RUN(a_token_dies_after_its_life_with_a_401_without_body),
      RUN(a_token_can_die_earlier_than_announced),
      RUN(revoked_tokens_are_refused_and_new_ones_work),
      RUN(basic_authentication_obeys_its_switch),
      RUN(the_token_decides_whose_world_is_seen),
      RUN(too_many_token_requests_a_second_get_429),
      RUN_LONG(a_jwt_is_taken_when_claims_and_signature_are_right, 20),
      RUN_LONG(a_client_assertion_stands_for_the_secret, 20),
      RUN_LONG(what_is_wrong_with_an_assertion_is_told, 20),
      RUN(a_client_can_be_unknown_all_of_a_sudden),
      RUN(token_errors_come_in_every_body),
      RUN(hundreds_of_requests_can_be_answered_401),
      RUN(every_nth_request_can_be_answered_401))
