/* SPDX-License-Identifier: UNLICENSED */
/*
 * The control API of the pods: <tenant>/<what>[/<id>[/<verb>]], where tenant is
 * an index or `all` (switches, revoke_tokens, reset_counts). Changes take their
 * stamp from the pod's clock; age_s=N sets it N seconds back, which is how a
 * late commit looks: a row that appears now with an older LastUpdateDate.
 */
#include "fusion_control.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters and answers --------------------------------------------- */

const char *
arg(const struct ctl *k, const char *name)
{
    return sim_query(k->r, name);
}

int64_t
arg_int(const struct ctl *k, const char *name, int64_t other)
{
    const char *v = arg(k, name);

    return v == NULL ? other : strtoll(v, NULL, 10);
}

bool
amount_of(const char *text, size_t n, unsigned scale, int64_t *out)
{
    struct dec d;
    struct dec one = {.limb = {1}};
    struct dec times;
    char digits[DEC_TEXT_MAX];

    for (unsigned i = 0; i < scale; i++) {
        one.limb[0] *= 10;
    }
    if (text == NULL || dec_parse(text, n, &d) != ERR_OK ||
        dec_mul(d, one, &times) != ERR_OK) {
        return false;
    }
    times = dec_round(times, 0);
    *out = strtoll(dec_text(&times, digits), NULL, 10);
    return true;
}

bool
arg_amount(const struct ctl *k, const char *name, unsigned scale, int64_t *out)
{
    const char *v = arg(k, name);

    return v != NULL && amount_of(v, strlen(v), scale, out);
}

void
refuse(struct ctl *k, int status, const char *why)
{
    sim_reply_json(k->p, status, json_pack("{s:s}", "error", why));
}

void
tell(struct ctl *k, enum kind kind, uint32_t idx)
{
    char text[TIME_TEXT_MAX];

    sim_reply_json(
        k->p, 200,
        json_pack("{s:I, s:s}", "id", (json_int_t)world_id(k->w, kind, idx),
                  "LastUpdateDate",
                  stamp_text(world_stamp(k->w, kind, idx), 0, text)));
}

uint32_t
target(struct ctl *k, enum kind kind)
{
    uint32_t idx = world_find(k->w, kind, strtoll(k->part[2], NULL, 10));

    if (idx == NONE && kind == K_CUSTOMER) {
        idx = world_customer(k->w, k->part[2]);
    }
    if (idx == NONE) {
        refuse(k, 404, "no such record");
    }
    return idx;
}

void
stamp(struct ctl *k, enum kind kind, uint32_t idx)
{
    if (arg_int(k, "quiet", 0) == 0) {
        world_touch(k->w, kind, idx, k->now);
    }
}

/* ---- texts by Fusion's names -------------------------------------------- */

unsigned
set_texts(struct ctl *k, void *record, const struct text_field *f, size_t n)
{
    unsigned set = 0;

    for (size_t i = 0; i < n; i++) {
        const char *v = arg(k, f[i].name);
        void *slot = (char *)record + f[i].at;

        if (v != NULL) {
            *(const char **)slot = world_text(k->w, "%s", v);
            set++;
        }
    }
    return set;
}

static const struct text_field party_fields[] = {
    {"OrganizationName", offsetof(struct party, name)},
    {"PartyUsageCode", offsetof(struct party, usage)},
    {"EmailAddress", offsetof(struct party, email)},
    {"RawPhoneNumber", offsetof(struct party, phone)},
    {"ContactPointPhone", offsetof(struct party, point_phone)},
    {"URL", offsetof(struct party, url)},
    {"Address1", offsetof(struct party, address1)},
    {"Address2", offsetof(struct party, address2)},
    {"Address3", offsetof(struct party, address3)},
    {"City", offsetof(struct party, city)},
    {"State", offsetof(struct party, state)},
    {"Province", offsetof(struct party, province)},
    {"PostalCode", offsetof(struct party, postal)},
    {"Country", offsetof(struct party, country)},
};
static const struct text_field person_fields[] = {
    {"FirstName", offsetof(struct person, first)},
    {"LastName", offsetof(struct person, last)},
    {"JobTitle", offsetof(struct person, title)},
    {"EmailAddress", offsetof(struct person, email)},
    {"RawWorkPhoneNumber", offsetof(struct person, work)},
    {"RawMobilePhoneNumber", offsetof(struct person, mobile)},
};
static const struct text_field customer_fields[] = {
    {"CustomerName", offsetof(struct customer, name)},
};
static const struct text_field class_fields[] = {
    {"ClassCategory", offsetof(struct class_row, category)},
    {"ClassCode", offsetof(struct class_row, code)},
    {"ClassCodeMeaning", offsetof(struct class_row, meaning)},
};

/* ---- customers, organisations, persons ---------------------------------- */

/* With a PartyId one more account of that party. */
static uint32_t
customer_new(struct ctl *k)
{
    uint32_t party = NONE;

    if (arg(k, "PartyId") == NULL) {
        return op_customer(k->w, k->now);
    }
    party = world_find(k->w, K_PARTY, arg_int(k, "PartyId", 0));
    if (party == NONE) {
        refuse(k, 404, "PartyId names no party");
        return NONE;
    }
    return op_account(k->w, party, k->now);
}

static void
do_customer(struct ctl *k)
{
    uint32_t c = k->n == 2 ? customer_new(k) : target(k, K_CUSTOMER);

    if (c == NONE) {
        return;
    }
    if (k->del) {
        world_bury(k->w, K_CUSTOMER, c);
        sim_reply_json(k->p, 200, json_pack("{s:b}", "deleted", 1));
        return;
    }
    (void)set_texts(k, &k->w->customers[c], customer_fields,
                    COUNT_OF(customer_fields));
    if (arg(k, "hashed") != NULL) {
        k->w->customers[c].hashed = arg_int(k, "hashed", 0) != 0;
    }
    if (arg(k, "organization") != NULL) {
        k->w->parties[k->w->customers[c].party].has_org =
            arg_int(k, "organization", 1) != 0;
    }
    stamp(k, K_CUSTOMER, c);
    sim_reply_json(
        k->p, 200,
        json_pack(
            "{s:I, s:s, s:I}", "id", (json_int_t)world_id(k->w, K_CUSTOMER, c),
            "AccountNumber", k->w->customers[c].number, "PartyId",
            (json_int_t)world_id(k->w, K_PARTY, k->w->customers[c].party)));
}

static void
do_organization(struct ctl *k)
{
    uint32_t p = k->n > 2 ? target(k, K_PARTY) : NONE;
    struct party *o = NULL;

    if (p == NONE) {
        return;
    }
    o = &k->w->parties[p];
    if (k->del) {
        o->has_org = false;
        sim_reply_json(k->p, 200, json_pack("{s:b}", "deleted", 1));
        return;
    }
    o->has_org = true;
    (void)set_texts(k, o, party_fields, COUNT_OF(party_fields));
    if (set_texts(k, &o->classes[0], class_fields, COUNT_OF(class_fields)) >
        0) {
        o->n_classes = o->n_classes == 0 ? 1 : o->n_classes;
        o->classes[0].industry = true;
        o->classes[0].primary = true;
    }
    if (arg(k, "Status") != NULL) {
        o->active = text_equal(arg(k, "Status"), "A");
    }
    stamp(k, K_PARTY, p);
    tell(k, K_PARTY, p);
}

static void
do_person(struct ctl *k)
{
    uint32_t party =
        world_find(k->w, K_PARTY, arg_int(k, "OrganizationPartyId", 0));
    uint32_t p = NONE;

    if (k->n == 2 && party == NONE) {
        refuse(k, 404, "OrganizationPartyId names no party");
        return;
    }
    p = k->n == 2 ? op_person(k->w, party, k->now) : target(k, K_PERSON);
    if (p == NONE) {
        return;
    }
    if (k->del) {
        world_bury(k->w, K_PERSON, p);
        sim_reply_json(k->p, 200, json_pack("{s:b}", "deleted", 1));
        return;
    }
    (void)set_texts(k, &k->w->persons[p], person_fields,
                    COUNT_OF(person_fields));
    if (arg(k, "Status") != NULL) {
        k->w->persons[p].active = text_equal(arg(k, "Status"), "A");
    }
    stamp(k, K_PERSON, p);
    tell(k, K_PERSON, p);
}

/* ---- the rest ----------------------------------------------------------- */

int
kind_of(const char *name)
{
    static const char *const names[K_COUNT] = {
        "customer", "organization", "person",    "invoice",
        "receipt",  "credit_memo",  "adjustment"};

    for (int i = 0; i < K_COUNT; i++) {
        if (text_equal(names[i], name)) {
            return i;
        }
    }
    return -1;
}

static void
do_touch(struct ctl *k)
{
    int kind = kind_of(arg(k, "kind"));
    uint32_t idx = NONE;

    if (kind >= 0 && arg(k, "id") != NULL) {
        k->part[2] = arg(k, "id");
        idx = target(k, (enum kind)kind);
        if (idx == NONE) {
            return;
        }
        world_touch(k->w, (enum kind)kind, idx, k->now);
        tell(k, (enum kind)kind, idx);
        return;
    }
    refuse(k, 400, "kind and id are needed");
}

static void
do_counts(struct ctl *k)
{
    static const char *const names[K_COUNT] = {
        "customers", "parties",      "persons",    "invoices",
        "receipts",  "credit_memos", "adjustments"};
    json_t *out = json_object();

    for (int i = 0; i < K_COUNT; i++) {
        int64_t n = 0;

        for (uint32_t x = 0; x < k->w->n[i]; x++) {
            n += world_alive(k->w, (enum kind)i, x);
        }
        (void)json_object_set_new(out, names[i], json_integer(n));
    }
    (void)json_object_set_new(out, "applications",
                              json_integer((json_int_t)k->w->n_apps));
    (void)json_object_set_new(out, "requests", json_integer(k->pod->requests));
    (void)json_object_set_new(out, "refused", json_integer(k->pod->refused));
    (void)json_object_set_new(out, "token_requests",
                              json_integer(k->pod->token_requests));
    (void)json_object_set_new(out, "looked_at", json_integer(k->pod->looked));
    (void)json_object_set_new(out, "mutations",
                              json_integer(k->pod->mutations));
    (void)json_object_set_new(out, "most_in_flight",
                              json_integer((json_int_t)k->pod->most_busy));
    sim_reply_json(k->p, 200, out);
}

static void
do_dump(struct ctl *k)
{
    struct fctx c = {.s = k->s,
                     .pod = k->pod,
                     .w = k->w,
                     .a = k->a,
                     .r = k->r,
                     .base = "",
                     .now = k->now,
                     .version = 4,
                     .only_data = true,
                     .raw = true,
                     .out = &k->p->body};
    const char *kind = k->n > 2 ? k->part[2] : arg(k, "kind");

    dump_write(&c, kind == NULL ? "invoices" : kind,
               k->n > 3 ? k->part[3] : arg(k, "id"), arg_int(k, "offset", 0),
               arg_int(k, "limit", 0));
    if (c.status != 0) {
        buf_reset(&k->p->body);
        refuse(k, c.status, c.error);
        return;
    }
    if (k->p->body.failed) {
        refuse(k, 413, "too large: use offset and limit");
        return;
    }
    k->p->status = 200;
}

static void
do_client_secret(struct ctl *k)
{
    mem_free(k->pod->secret);
    k->pod->secret = k->r->body_len == 0 ? NULL : mem_strdup(k->r->body);
    sim_reply_json(k->p, 200,
                   json_pack("{s:b}", "changed", k->pod->secret != NULL));
}

static void
do_jwt_key(struct ctl *k)
{
    mem_free(k->pod->jwt_key);
    mem_free(k->pod->jwt_kid);
    k->pod->jwt_kid = k->r->body_len == 0 || arg(k, "kid") == NULL ?
                          NULL :
                          mem_strdup(arg(k, "kid"));
    k->pod->jwt_key = k->r->body_len == 0 ? NULL : mem_strdup(k->r->body);
    sim_reply_json(k->p, 200,
                   json_pack("{s:b}", "checked", k->pod->jwt_key != NULL));
}

static void
do_revoke(struct ctl *k)
{
    pod_revoke(k->s, k->pod);
    sim_reply_json(k->p, 200, json_pack("{s:b}", "revoked", 1));
}

static void
do_reset(struct ctl *k)
{
    k->pod->requests = 0;
    k->pod->refused = 0;
    k->pod->token_requests = 0;
    k->pod->most_busy = 0;
    k->pod->mutations = 0;
    k->pod->looked = 0;
    sim_reply_json(k->p, 200, json_pack("{s:b}", "reset", 1));
}

/* Switches come as parameters or as a JSON object; `reset=1` first puts all
 * back to their defaults. A wrong one is named, and none is set then. */
static void
do_switches(struct ctl *k)
{
    json_t *all = switches_wanted(k->r);
    const char *name = NULL;
    json_t *v = NULL;

    json_object_foreach(all, name, v)
    {
        if (!switch_is_good(name, json_string_value(v))) {
            refuse(k, 400,
                   arena_printf(k->a, "no switch or no number: %s", name));
            json_decref(all);
            return;
        }
    }
    if (arg(k, "reset") != NULL) {
        switches_default(k->pod);
    }
    json_object_foreach(all, name, v)
    {
        (void)switch_set(k->pod, name, json_string_value(v));
    }
    json_decref(all);
    sim_reply_json(k->p, 200, switches_json(k->pod));
}

enum { READS = 1, ALL = 2, POD_ONLY = 4 };

static const struct {
    const char *name;
    void (*run)(struct ctl *k);
    unsigned
        flags; /* READS: GET may; ALL: of all tenants; POD_ONLY: no world */
} verbs[] = {
    {"counts", do_counts, READS},
    {"dump", do_dump, READS},
    {"switches", do_switches, READS | ALL | POD_ONLY},
    {"revoke_tokens", do_revoke, ALL | POD_ONLY},
    {"reset_counts", do_reset, ALL | POD_ONLY},
    {"client_secret", do_client_secret, POD_ONLY},
    {"jwt_key", do_jwt_key, ALL | POD_ONLY},
    {"customer", do_customer, 0},
    {"organization", do_organization, 0},
    {"person", do_person, 0},
    {"invoice", do_invoice, 0},
    {"receipt", do_receipt, 0},
    {"credit_memo", do_credit_memo, 0},
    {"adjustment", do_adjustment, 0},
    {"touch", do_touch, 0},
    {"mutate", do_mutate, ALL},
    {"bulk", do_bulk, 0},
};

static void
run_verb(struct ctl *k, size_t verb, bool all)
{
    size_t from = all ? 0 : strtoul(k->part[0], NULL, 10);
    size_t to = all ? k->s->n_pods : from + 1;
    unsigned flags = verbs[verb].flags;

    if (all && (flags & ALL) == 0) {
        refuse(k, 400, "not of all tenants at once");
        return;
    }
    if ((flags & READS) == 0 && strcmp(k->r->method, "GET") == 0) {
        refuse(k, 405, "changes need POST, PUT, PATCH or DELETE");
        return;
    }
    for (size_t i = from; i < to; i++) {
        k->pod = &k->s->pods[i];
        k->w = (flags & POD_ONLY) != 0 ? k->pod->w : pod_world(k->s, k->pod);
        k->now = pod_now(k->pod, k->r) - arg_int(k, "age_s", 0) * 1000000;
        buf_reset(&k->p->body);
        verbs[verb].run(k);
    }
}

void
fusion_sim_control(struct fusion_sim *s, const char *rest,
                   const struct sim_request *r, struct sim_reply *p)
{
    struct arena a;
    struct ctl k = {.s = s, .r = r, .p = p, .a = &a};
    char *end = NULL;
    char *path = NULL;
    bool all = false;
    bool found = false;

    arena_init(&a);
    for (path = arena_strdup(&a, rest); *path != 0 && k.n < CONTROL_PARTS;) {
        while (*path == '/') {
            path++;
        }
        if (*path != 0) {
            k.part[k.n++] = path;
            path += strcspn(path, "/");
            if (*path != 0) {
                *path++ = 0;
            }
        }
    }
    k.del = strcmp(r->method, "DELETE") == 0;
    all = k.n > 0 && strcmp(k.part[0], "all") == 0;
    if (k.n < 2 ||
        (!all && (strtoul(k.part[0], &end, 10) >= s->n_pods || *end != 0))) {
        refuse(&k, 404, "no such tenant: <index or all>/<what>");
        arena_fini(&a);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(verbs) && !found; i++) {
        if (strcmp(verbs[i].name, k.part[1]) == 0) {
            found = true;
            run_verb(&k, i, all);
        }
    }
    if (!found) {
        refuse(&k, 404, "no such thing to do");
    }
    arena_fini(&a);
}
