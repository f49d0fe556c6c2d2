/* SPDX-License-Identifier: UNLICENSED */
/*
 * What failed answers mean: ADF's JSON, plain text, HTML, nothing, and the
 * token endpoint's.
 */
#include "fusion_priv.h"
#include "unit.h"

static enum err
decode(int status, const char *body, struct fault *f)
{
    const struct answer a = {
        .status = status, .body = body, .len = strlen(body)};

    fault_clear(f);
    return error_decode(&a, f);
}

static enum err
decode_token(int status, const char *body, struct fault *f)
{
    const struct answer a = {
        .status = status, .body = body, .len = strlen(body)};

    fault_clear(f);
    return error_decode_token(&a, f);
}

TEST(the_status_decides)
{
    static const struct {
        int status;
        enum err err;
    } rows[] = {
        {400, ERR_REFUSED},     {401, ERR_UNAUTHORIZED}, {403, ERR_FORBIDDEN},
        {404, ERR_MISSING},     {406, ERR_REFUSED},      {408, ERR_TIMEOUT},
        {429, ERR_THROTTLED},   {500, ERR_UNAVAILABLE},  {502, ERR_UNAVAILABLE},
        {503, ERR_MAINTENANCE}, {504, ERR_TIMEOUT},      {302, ERR_CREDENTIALS},
    };
    struct fault f = {0};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EQ_ERR(decode(rows[i].status, "x", &f), rows[i].err);
        EQ_ERR(f.err, rows[i].err);
        EQ_INT(f.http_status, rows[i].status);
        IS(f.message[0] != 0);
    }
}

TEST(adf_details_become_words)
{
    struct fault f = {0};

    EQ_ERR(decode(400,
                  "{\"title\" : \"Bad Request\", \"status\" : \"400\", "
                  "\"o:errorDetails\" : [{\"detail\" : \"The attribute "
                  "LastUpdateDate is not queryable.\", \"o:errorCode\" : "
                  "\"27520\"}]}",
                  &f),
           ERR_REFUSED);
    EQ_STR(f.code, "27520");
    EQ_STR(f.message, "HTTP 400: Bad Request: The attribute LastUpdateDate is "
                      "not queryable.");
}

TEST(html_loses_its_tags_and_plain_text_is_kept)
{
    struct fault f = {0};

    (void)decode(503,
                 "<html><head><title>503</title></head>\n<body>under "
                 "maintenance</body></html>",
                 &f);
    EQ_STR(f.message, "HTTP 503: 503 under maintenance");
    (void)decode(400, "URL request parameter q cannot be used.", &f);
    HAS(f.message, "URL request parameter q cannot be used.");
}

TEST(an_empty_400_is_tried_again)
{
    struct fault f = {0};

    EQ_ERR(decode(400, "", &f), ERR_UNAVAILABLE);
    EQ_ERR(decode(403, "", &f), ERR_FORBIDDEN);
}

TEST(broken_json_and_long_bodies_do_no_harm)
{
    struct fault f = {0};
    char *body = mem_alloc(400001);

    EQ_ERR(decode(500, "{\"title\": ", &f), ERR_UNAVAILABLE);
    EQ_ERR(decode(400, "{\"o:errorDetails\":[7]}", &f), ERR_REFUSED);
    EQ_ERR(decode(400, "{\"o:errorDetails\":{}}", &f), ERR_REFUSED);
    memset(body, 'x', 400000);
    EQ_ERR(decode(500, body, &f), ERR_UNAVAILABLE);
    IS(strlen(f.message) < FAULT_MESSAGE_MAX);
    EQ_ERR(decode(500, "\xff\xfe\x80", &f), ERR_UNAVAILABLE);
    IS(text_is_utf8(f.message, strlen(f.message)));
    mem_free(body);
}

TEST(a_redirect_names_the_page_without_its_query)
{
    struct fault f = {0};
    const struct answer a = {.status = 302,
                             .body = "",
                             .location =
                                 "https://login.example/oam?secret=abc"};

    EQ_ERR(error_decode(&a, &f), ERR_CREDENTIALS);
    HAS(f.message, "https://login.example/oam");
    LACKS(f.message, "abc");
}

TEST(token_errors_say_what_to_check)
{
    struct fault f = {0};

    EQ_ERR(decode_token(401,
                        "{\"error\":\"invalid_client\","
                        "\"error_description\":\"failed\"}",
                        &f),
           ERR_CREDENTIALS);
    EQ_STR(f.code, "invalid_client");
    HAS(f.message, "--fusion-client-secret-file");
    EQ_ERR(decode_token(400, "{\"error\":\"invalid_scope\"}", &f),
           ERR_CREDENTIALS);
    HAS(f.message, "--fusion-scope");
    EQ_ERR(decode_token(404, "", &f), ERR_CREDENTIALS);
    HAS(f.message, "--fusion-token-url");
    EQ_ERR(decode_token(302, "", &f), ERR_CREDENTIALS);
    EQ_ERR(decode_token(403, "<html>", &f), ERR_CREDENTIALS);
    EQ_ERR(decode_token(429, "{\"code\":\"TooManyRequests\"}", &f),
           ERR_THROTTLED);
    EQ_ERR(decode_token(500, "", &f), ERR_UNAVAILABLE);
    EQ_ERR(decode_token(503, "", &f), ERR_UNAVAILABLE);
    EQ_ERR(decode_token(504, "", &f), ERR_TIMEOUT);
}

/* The secret as the pod repeats it, in words, codes and addresses. */
TEST(a_secret_that_is_repeated_is_not_said)
{
    static const struct {
        int status;
        const char *body, *location;
    } rows[] = {
        {401, "Bearer hidden-word is not known", NULL},
        {401, "{\"title\":\"hidden-word\",\"o:errorCode\":\"hidden-word\"}",
         NULL},
        {401, "{\"title\":\"h\\u0069dden-word\"}", NULL},
        {401, "hidden-hidden-wordword", NULL},
        {302, "", "https://login.example/hidden-word/x"},
    };
    struct secret *secret = secret_new("hidden-word", 11);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct answer a = {.status = rows[i].status,
                                 .body = rows[i].body,
                                 .len = strlen(rows[i].body),
                                 .location = rows[i].location,
                                 .hide = {secret}};
        struct fault f = {0};

        (void)error_decode(&a, &f);
        LACKS(f.message, "hidden-word");
        LACKS(f.code, "hidden-word");
        HAS(f.message, "***");
    }
    secret_free(secret);
}

TEST(words_are_one_line_of_what_prints)
{
    struct fault f = {0};

    (void)decode(500,
                 "{\"title\":\"a\\nb\\u0007\",\"detail\":\"c\\u0085d"
                 "\\u202ee\\u007f\"}",
                 &f);
    EQ_STR(f.message, "HTTP 500: a b: c d e");
    (void)decode(500, " \n{\"title\":\"x\",\"detail\":\" \\n\"}", &f);
    EQ_STR(f.message, "HTTP 500: x");
    (void)decode(500, "a\xff\xe2\x82z <b>bold</b>", &f);
    EQ_STR(f.message, "HTTP 500: a z bold");
}

TEST(retry_after_is_seconds_or_nothing)
{
    EQ_INT(error_retry_after_ms("7"), 7000);
    EQ_INT(error_retry_after_ms(NULL), 0);
    EQ_INT(error_retry_after_ms(""), 0);
    EQ_INT(error_retry_after_ms("-1"), 0);
    EQ_INT(error_retry_after_ms("Wed, 21 Oct 2026 07:28:00 GMT"), 0);
    EQ_INT(error_retry_after_ms("99999999999999999999"), 0);
}

SUITE(error, RUN(the_status_decides), RUN(adf_details_become_words),
      RUN(html_loses_its_tags_and_plain_text_is_kept),
      RUN(an_empty_400_is_tried_again),
      RUN(broken_json_and_long_bodies_do_no_harm),
      RUN(a_redirect_names_the_page_without_its_query),
      RUN(token_errors_say_what_to_check),
      RUN(a_secret_that_is_repeated_is_not_said),
      RUN(words_are_one_line_of_what_prints),
      RUN(retry_after_is_seconds_or_nothing))
