/* SPDX-License-Identifier: UNLICENSED */
/*
 * Answers to batches of HubSpot: a digit for the verb, a digit for the status,
 * the body. Three inputs are asked about.
 *
 * What must hold: every input gets one outcome, the same each time; what was
 * written or found has an id; what was not says why, in a bounded text; only a
 * batch refused as a whole is to be split, and then every input is to be sent
 * again; no input is called written by an answer that is no 2xx.
 */
#include "fuzz.h"
#include "hubspot_priv.h"

#include <string.h>

enum { INPUTS = 3 };

static const int statuses[] = {200, 201, 207, 400, 401,
                               403, 409, 429, 502, 524};

static const struct hubspot_input by_key[INPUTS] = {
    {.id = "k0", .properties = "{\"fusion_transaction_id\":\"k0\"}"},
    {.id = "k1", .properties = "{\"fusion_transaction_id\":\"k1\"}"},
    {.id = "k2", .properties = "{\"fusion_transaction_id\":\"k2\"}"}};
static const struct hubspot_input by_id[INPUTS] = {
    {.id = "100", .to = "900", .properties = "{\"a\":\"b\"}"},
    {.id = "101", .to = "901", .properties = "{\"a\":\"c\"}"},
    {.id = "102", .to = "902", .properties = "{\"a\":\"d\"}"}};

static void
request(struct hubspot_request *q, enum hubspot_verb verb)
{
    bool keys = verb == HUBSPOT_UPSERT || verb == HUBSPOT_READ;
    const struct hubspot_batch b = {.verb = verb,
                                    .object = MAP_INVOICES,
                                    .to = MAP_COMPANIES,
                                    .id_property =
                                        keys ? "fusion_transaction_id" : NULL,
                                    .inputs = keys ? by_key : by_id,
                                    .n = INPUTS};

    HOLDS(hubspot_encode("2026-03", &b, "t", q) == ERR_OK);
}

static void
check_fault(const struct fault *f)
{
    HOLDS(strnlen(f->message, sizeof(f->message)) < sizeof(f->message));
    HOLDS(strnlen(f->code, sizeof(f->code)) < sizeof(f->code));
    HOLDS(text_is_utf8(f->message, strlen(f->message)));
    HOLDS(text_is_utf8(f->code, strlen(f->code)));
    HOLDS(text_is_utf8(f->correlation, strlen(f->correlation)));
}

static void
check_result(const struct hubspot_result *r, enum hubspot_verb verb, int status)
{
    check_fault(&r->fault);
    switch (r->outcome) {
    case HUBSPOT_WRITTEN:
        HOLDS(status < 300);
        HOLDS(r->fault.err == ERR_OK);
        HOLDS(verb == HUBSPOT_ARCHIVE || verb >= HUBSPOT_ASSOCIATE ||
              (r->id != NULL && *r->id != 0));
        break;
    case HUBSPOT_ABSENT:
        break;
    case HUBSPOT_REJECTED:
    case HUBSPOT_RETRY:
    case HUBSPOT_UNKNOWN:
    default:
        HOLDS(r->fault.err != ERR_OK && r->fault.message[0] != 0);
        break;
    }
}

static void
check_same(const struct hubspot_decoded *a, const struct hubspot_decoded *b)
{
    HOLDS(a->reply.split == b->reply.split);
    for (size_t i = 0; i < INPUTS; i++) {
        HOLDS(a->results[i].outcome == b->results[i].outcome);
        HOLDS(text_equal(a->results[i].id, b->results[i].id));
        HOLDS(text_equal(a->results[i].fault.message,
                         b->results[i].fault.message));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hubspot_request q = {0};
    struct hubspot_decoded first = {0};
    struct hubspot_decoded second = {0};
    struct hubspot_answer a = {0};
    enum hubspot_verb verb = HUBSPOT_UPSERT;
    char *body = NULL;

    if (size < 2) {
        return 0;
    }
    verb = (enum hubspot_verb)fuzz_choice(data[0], HUBSPOT_VERBS);
    body = fuzz_text(data + 2, size - 2);
    a.status = statuses[fuzz_choice(data[1], COUNT_OF(statuses))];
    a.body = body;
    a.body_len = size - 2;
    a.maybe_sent = true;
    request(&q, verb);
    hubspot_decode(&q, &a, &first);
    hubspot_decode(&q, &a, &second);
    HOLDS(first.reply.n == INPUTS);
    HOLDS(!first.reply.split || a.status >= 300);
    check_fault(&first.reply.meta.fault);
    for (size_t i = 0; i < INPUTS; i++) {
        check_result(&first.results[i], verb, a.status);
        HOLDS(!first.reply.split || first.results[i].outcome == HUBSPOT_RETRY);
    }
    check_same(&first, &second);
    hubspot_decoded_fini(&first);
    hubspot_decoded_fini(&second);
    hubspot_request_fini(&q);
    mem_free(body);
    return 0;
}
