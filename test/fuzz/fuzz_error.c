/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a pod says when it refuses: three bytes of status, a line for the
 * Location and Retry-After headers, the body.
 *
 * What must hold: the status alone decides the error, but for an empty 400;
 * the words are bounded and print; a secret that the pod repeats stands in
 * none of them, nor does the query of a Location.
 */
#include "fusion_priv.h"
#include "fuzz.h"

#include <string.h>

static const char SECRET[] = "hidden-word-0123";

static int
status_of(const char *text)
{
    int status = 0;

    for (size_t i = 0; i < 3 && text[i] != 0; i++) {
        status = status * 10 +
                 (text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : 5);
    }
    /* 2xx is no error, and no peer gets here with it. */
    return status < 100 || (status >= 200 && status < 300) ? 500 : status;
}

static void
check_words(const struct fault *f)
{
    fuzz_fault_prints(f);
    HOLDS(f->message[0] != 0);
    HOLDS(strstr(f->message, SECRET) == NULL);
    HOLDS(strstr(f->code, SECRET) == NULL);
}

static void
check_prefix(struct fault *f)
{
    error_prefix(f, "receivablesInvoices");
    check_words(f);
    HOLDS(text_has_prefix(f->message, "receivablesInvoices: "));
    error_prefix(f, "receivablesInvoices");
    check_words(f);
}

static void
check_wait(const char *header)
{
    int64_t ms = error_retry_after_ms(header);

    HOLDS(ms >= 0 && ms <= 86400 * 1000 && ms % 1000 == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    size_t head = strnlen(text, size < 3 ? size : 3);
    size_t line = strcspn(text + head, "\n");
    struct secret *secret = secret_new(SECRET, strlen(SECRET));
    char *location = mem_strndup(text + head, line);
    size_t at = head + line + (text[head + line] == '\n');
    struct answer a = {.status = status_of(text),
                       .location = location,
                       .body = text + at,
                       .len = size - at,
                       .hide = {secret}};
    struct answer bare = {.status = a.status, .body = "x", .len = 1};
    struct fault f = {0};
    struct fault plain = {0};
    enum err err = error_decode(&a, &f);

    HOLDS(err != ERR_OK && f.err == err && f.http_status == a.status);
    HOLDS(err == error_decode(&bare, &plain) ||
          (a.status == 400 && a.len == 0));
    check_words(&f);
    check_prefix(&f);
    check_wait(location);
    secret_free(secret);
    mem_free(location);
    mem_free(text);
    return 0;
}
