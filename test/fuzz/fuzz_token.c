/* SPDX-License-Identifier: UNLICENSED */
/*
 * Answers of the token endpoint. The first byte: 't' a 200 with a token, else
 * one of the statuses below; the rest is the body.
 *
 * What must hold: a token that is taken fits a header line and lives between a
 * second and a day; what is refused has a reason that prints; the client's
 * secret, should the endpoint repeat it, and the token stand in no message.
 */
#include "fusion_priv.h"
#include "fuzz.h"

#include <string.h>

static const char SECRET[] = "hidden-word-0123";
static const int statuses[] = {301, 400, 401, 403, 404,
                               408, 429, 500, 503, 504};

static void
read_token(const char *body, size_t n)
{
    struct secret *bearer = NULL;
    struct secret *again = NULL;
    int64_t life = 0;
    int64_t life2 = 0;
    struct fault f = {0};

    if (token_read(body, n, &bearer, &life, &f) != ERR_OK) {
        HOLDS(bearer == NULL && f.err != ERR_OK && f.message[0] != 0);
        fuzz_fault_prints(&f);
        HOLDS(strstr(f.message, SECRET) == NULL);
        return;
    }
    HOLDS(f.err == ERR_OK && f.message[0] == 0);
    HOLDS(life >= 1 && life <= 86400);
    HOLDS(secret_len(bearer) > 0 && secret_len(bearer) <= n);
    HOLDS(strpbrk((const char *)secret_bytes(bearer), "\r\n") == NULL);
    HOLDS(token_read(body, n, &again, &life2, &f) == ERR_OK);
    HOLDS(secret_equal(bearer, again) && life == life2);
    secret_free(bearer);
    secret_free(again);
}

static void
read_error(int status, const char *body, size_t n)
{
    struct secret *secret = secret_new(SECRET, strlen(SECRET));
    const struct answer a = {
        .status = status, .body = body, .len = n, .hide = {NULL, secret}};
    struct fault f = {0};
    enum err err = error_decode_token(&a, &f);

    HOLDS(err != ERR_OK && f.err == err && f.http_status == status);
    HOLDS(f.message[0] != 0);
    fuzz_fault_prints(&f);
    HOLDS(strstr(f.message, SECRET) == NULL);
    HOLDS(strstr(f.code, SECRET) == NULL);
    secret_free(secret);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = NULL;

    if (size == 0) {
        return 0;
    }
    body = fuzz_text(data + 1, size - 1);
    if (data[0] == 't') {
        read_token(body, size - 1);
    } else {
        read_error(statuses[fuzz_choice(data[0], COUNT_OF(statuses))], body,
                   size - 1);
    }
    mem_free(body);
    return 0;
}
