/* SPDX-License-Identifier: UNLICENSED */
/*
 * The provisioning machine against a made-up portal that answers its calls in
 * memory: properties and groups are created in it, label lists come from the
 * table, and each test bends one thing.
 */
#include "fix.h"

#include "ml/jsonx.h"

enum { CALLS_MAX = 64 };

struct portal {
    json_t *properties[MAP_OBJECTS]; /* arrays */
    bool group[MAP_OBJECTS];
    unsigned hidden;      /* lists that do not yet show what was created */
    unsigned broken_type; /* a label type left out */
    int status;           /* of the next answer, once; 0: as it comes */
    const char *body;     /* with it */
    bool conflict_whole;  /* batch create: 409 for the whole batch, once */
    bool created;
    char calls[CALLS_MAX][96]; /* operations */
    int64_t waits[CALLS_MAX];
    size_t n;
    json_t *shown[MAP_OBJECTS];
};

static void
portal_init(struct portal *t)
{
    memset(t, 0, sizeof(*t));
    for (int o = 0; o < MAP_OBJECTS; o++) {
        const char *const *names = map_standard_properties((enum map_object)o);

        t->properties[o] = json_array();
        for (; *names != NULL; names++) {
            (void)json_array_append_new(
                t->properties[o],
                json_pack("{s:s,s:s,s:{s:b}}", "name", *names, "type", "string",
                          "modificationMetadata", "readOnlyValue", 0));
        }
    }
}

static void
portal_fini(struct portal *t)
{
    for (int o = 0; o < MAP_OBJECTS; o++) {
        json_decref(t->properties[o]);
        json_decref(t->shown[o]);
    }
}

/* All of ours, as if another run had made them. */
static void
portal_fill(struct portal *t)
{
    size_t n;
    const struct map_property *p = map_properties(&n);

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(
            t->properties[p[i].object],
            json_pack("{s:s,s:s,s:b,s:s}", "name", p[i].name, "type", p[i].type,
                      "hasUniqueValue", (int)p[i].unique, "groupName",
                      "oracle_fusion"));
        t->group[p[i].object] = true;
    }
}

static json_t *
portal_property(struct portal *t, enum map_object o, const char *name)
{
    for (size_t i = 0; i < json_array_size(t->properties[o]); i++) {
        json_t *p = json_array_get(t->properties[o], i);

        if (strcmp(jsonx_text(p, "name"), name) == 0) {
            return p;
        }
    }
    FAIL("no such property");
}

static void
portal_drop(struct portal *t, enum map_object o, const char *name)
{
    for (size_t i = 0; i < json_array_size(t->properties[o]); i++) {
        if (strcmp(jsonx_text(json_array_get(t->properties[o], i), "name"),
                   name) == 0) {
            (void)json_array_remove(t->properties[o], i);
            return;
        }
    }
    FAIL("no such property");
}

static json_t *
answer_list(struct portal *t, enum map_object o)
{
    json_t *list = t->properties[o];

    if (t->created && t->hidden > 0) {
        t->hidden--;
        list = t->shown[o];
    }
    return json_pack("{s:O}", "results", list);
}

static json_t *
answer_create(struct portal *t, enum map_object o, const char *body,
              int *status)
{
    struct fault f;
    json_t *root;
    json_t *inputs;

    IS(t->group[o]);
    OK(jsonx_parse(body, strlen(body), &root, &f));
    inputs = json_object_get(root, "inputs");
    IS(json_array_size(inputs) > 0);
    json_decref(t->shown[o]);
    t->shown[o] = json_deep_copy(t->properties[o]);
    t->created = true;
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        json_t *p = json_array_get(inputs, i);

        EQ_STR(jsonx_text(p, "groupName"), "oracle_fusion");
        IS(jsonx_text(p, "label") != NULL && jsonx_text(p, "type") != NULL &&
           jsonx_text(p, "fieldType") != NULL);
    }
    (void)json_array_extend(t->properties[o], inputs);
    *status = 201;
    if (t->conflict_whole) {
        t->conflict_whole = false;
        json_decref(root);
        *status = 409;
        return json_pack("{s:s}", "category", "OBJECT_ALREADY_EXISTS");
    }
    IS(json_object_set(root, "results", inputs) == 0);
    return root;
}

static json_t *
answer_labels(const struct portal *t, const char *path)
{
    size_t n;
    const struct map_association *pairs = map_associations(&n);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        char want[128];

        (void)snprintf(want, sizeof(want), "/%s/%s/labels",
                       map_object_name(pairs[i].from),
                       map_object_name(pairs[i].to));
        for (size_t k = 0; strstr(path, want) != NULL && k < 2; k++) {
            if (pairs[i].types[k] != t->broken_type) {
                (void)json_array_append_new(
                    list,
                    json_pack("{s:s,s:i,s:n}", "category", "HUBSPOT_DEFINED",
                              "typeId", (int)pairs[i].types[k], "label"));
            }
        }
    }
    return json_pack("{s:o}", "results", list);
}

static enum map_object
object_of(const char *path)
{
    for (int o = 0; o < MAP_OBJECTS; o++) {
        char want[64];

        (void)snprintf(want, sizeof(want), "/crm/properties/2026-03/%s",
                       map_object_name((enum map_object)o));
        if (strncmp(path, want, strlen(want)) == 0 &&
            (path[strlen(want)] == '\0' || path[strlen(want)] == '/')) {
            return (enum map_object)o;
        }
    }
    FAIL("no object in %s", path);
}

static json_t *
portal_answer(struct portal *t, const struct hubspot_call *c, int *status)
{
    *status = 200;
    if (strstr(c->path, "/labels") != NULL) {
        return answer_labels(t, c->path);
    }
    if (strstr(c->path, "/groups") != NULL) {
        enum map_object o = object_of(c->path);

        EQ_STR(c->body,
               "{\"name\":\"oracle_fusion\",\"label\":\"Oracle Fusion\"}");
        *status = t->group[o] ? 409 : 201;
        t->group[o] = true;
        return json_object();
    }
    if (strcmp(c->method, "POST") == 0) {
        return answer_create(t, object_of(c->path), c->body, status);
    }
    return answer_list(t, object_of(c->path));
}

/* One call and its answer; false: there is no call. */
static bool
turn(struct hubspot_provision *p, struct portal *t, enum err *err,
     struct fault *f)
{
    struct hubspot_call c;
    struct hubspot_answer a = {.err = ERR_OK};
    struct hubspot_meta m;
    json_t *body;
    json_t *parsed;
    char *text;
    int64_t wait_ms;

    if (!hubspot_provision_next(p, &c, &wait_ms)) {
        return false;
    }
    IS(t->n < CALLS_MAX);
    (void)snprintf(t->calls[t->n], sizeof(t->calls[0]), "%s", c.operation);
    t->waits[t->n++] = wait_ms;
    if (t->status != 0) {
        a.status = t->status;
        text = strdup(t->body);
        t->status = 0;
    } else {
        body = portal_answer(t, &c, &a.status);
        text = json_dumps(body, 0);
        json_decref(body);
    }
    a.body = text;
    a.body_len = strlen(text);
    hubspot_answer_read(&a, strcmp(c.method, "GET") != 0, HUBSPOT_PROMISE_ANY,
                        &m, &parsed);
    fault_clear(f);
    *err = hubspot_provision_feed(p, &m, parsed, f);
    json_decref(parsed);
    free(text);
    return true;
}

static enum err
run_all(struct hubspot_provision *p, struct portal *t, struct fault *f)
{
    enum err err = ERR_OK;

    while (err == ERR_OK && turn(p, t, &err, f)) {
    }
    return err;
}

static size_t
count_calls(const struct portal *t, const char *operation)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        n += strstr(t->calls[i], operation) != NULL;
    }
    return n;
}

/* The report's line of that object and subject (NULL: its properties). */
static const json_t *
line_of(const struct hubspot_provision_report *r, const char *object,
        const char *subject)
{
    for (size_t i = 0; i < json_array_size(r->lines); i++) {
        const json_t *line = json_array_get(r->lines, i);

        if (text_equal(jsonx_text(line, "object"), object) &&
            text_equal(jsonx_text(line, "subject"), subject)) {
            return line;
        }
    }
    return NULL;
}

/* A member that lists names, as "a b ". */
static const char *
names_in(const json_t *line, const char *member, char out[1024])
{
    const json_t *names = json_object_get(line, member);
    struct buf b;

    IS(json_is_array(names));
    buf_init(&b, 1023);
    for (size_t i = 0; i < json_array_size(names); i++) {
        buf_addf(&b, "%s ", json_string_value(json_array_get(names, i)));
    }
    NOT(b.failed);
    memcpy(out, buf_text(&b), b.len + 1);
    buf_fini(&b);
    return out;
}

struct run {
    struct portal portal;
    struct hubspot_provision *p;
    struct fault f;
};

static void
run_init(struct run *r, bool dry_run)
{
    memset(r, 0, sizeof(*r));
    portal_init(&r->portal);
    r->p = hubspot_provision_new("2026-03", dry_run);
}

static void
run_fini(struct run *r)
{
    hubspot_provision_free(r->p);
    portal_fini(&r->portal);
}

TEST(a_fresh_portal_costs_23_calls)
{
    const struct hubspot_provision_report *report;
    struct run r;
    size_t n;

    (void)map_properties(&n);
    run_init(&r, false);
    OK(run_all(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    EQ_UINT(r.portal.n, 5 + 5 + 5 + 1 + 7);
    EQ_UINT(count_calls(&r.portal, ".create_properties"), 5);
    EQ_UINT(count_calls(&r.portal, ".create_group"), 5);
    EQ_UINT(count_calls(&r.portal, ".labels"), 7);
    EQ_UINT(report->created, n);
    EQ_UINT(report->existed, 0);
    EQ_UINT(report->missing, 0);
    HAS(report->text, "invoices: 0 of our properties existed, 7 created, 0 "
                      "missing\n");
    EQ_UINT(json_array_size(report->lines), MAP_OBJECTS);
    IS(r.portal.waits[15] > 0); /* the confirming read */
    run_fini(&r);
}

TEST(a_finished_portal_costs_12_reads)
{
    const struct hubspot_provision_report *report;
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    OK(run_all(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    EQ_UINT(r.portal.n, 12);
    EQ_UINT(report->created, 0);
    EQ_UINT(report->missing, 0);
    IS(report->existed > 0);
    NOT(r.portal.created);
    run_fini(&r);
}

TEST(one_missing_property_needs_no_group)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    OK(run_all(r.p, &r.portal, &r.f));
    EQ_UINT(r.portal.n, 14);
    EQ_UINT(count_calls(&r.portal, "group"), 0);
    EQ_UINT(count_calls(&r.portal, "invoices.create_properties"), 1);
    EQ_UINT(hubspot_provision_report(r.p)->created, 1);
    run_fini(&r);
}

TEST(a_group_that_exists_is_fine)
{
    struct run r;

    run_init(&r, false);
    for (int o = 0; o < MAP_OBJECTS; o++) {
        r.portal.group[o] = true;
    }
    OK(run_all(r.p, &r.portal, &r.f));
    run_fini(&r);
}

TEST(a_dry_run_writes_nothing_and_tells_what_is_missing)
{
    struct run r;

    run_init(&r, true);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_CONTACTS, "fusion_party_id");
    OK(run_all(r.p, &r.portal, &r.f));
    EQ_UINT(r.portal.n, 12);
    NOT(r.portal.created);
    EQ_UINT(hubspot_provision_report(r.p)->missing, 1);
    HAS(hubspot_provision_report(r.p)->text, "contacts: 1 of our properties "
                                             "existed, 0 created, 1 missing");
    run_fini(&r);
}

TEST(a_dry_run_names_each_missing_property)
{
    const struct hubspot_provision_report *report;
    char names[1024];
    struct run r;

    run_init(&r, true);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_balance_due");
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    portal_drop(&r.portal, MAP_PAYMENTS, "fusion_receipt_id");
    OK(run_all(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    HAS(report->text, "\ninvoices: missing fusion_status, "
                      "fusion_balance_due\n");
    HAS(report->text, "\ncommerce_payments: missing fusion_receipt_id\n");
    EQ_PTR(strstr(report->text, "contacts: missing"), NULL);
    EQ_PTR(strstr(report->text, ": created"), NULL);
    EQ_STR(names_in(line_of(report, "invoices", NULL), "missing", names),
           "fusion_status fusion_balance_due ");
    EQ_STR(names_in(line_of(report, "invoices", NULL), "created", names), "");
    EQ_STR(names_in(line_of(report, "contacts", NULL), "missing", names), "");
    run_fini(&r);
}

TEST(what_was_created_is_named)
{
    const struct hubspot_provision_report *report;
    char names[1024];
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_balance_due");
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    OK(run_all(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    HAS(report->text, "\ninvoices: created fusion_status, "
                      "fusion_balance_due\n");
    EQ_PTR(strstr(report->text, ": missing"), NULL);
    EQ_STR(names_in(line_of(report, "invoices", NULL), "created", names),
           "fusion_status fusion_balance_due ");
    EQ_STR(names_in(line_of(report, "invoices", NULL), "missing", names), "");
    run_fini(&r);
}

TEST(what_is_not_listed_yet_is_read_again_after_a_longer_wait)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_PAYMENTS, "fusion_receipt_id");
    r.portal.hidden = 3;
    OK(run_all(r.p, &r.portal, &r.f));
    EQ_UINT(count_calls(&r.portal, "commerce_payments.properties"), 1 + 4);
    EQ_INT(r.portal.waits[6], 750);
    EQ_INT(r.portal.waits[7], 1500);
    EQ_INT(r.portal.waits[8], 3000);
    run_fini(&r);
}

TEST(what_never_shows_up_ends_it)
{
    struct run r;

    run_init(&r, false);
    r.portal.hidden = 1000;
    EQ_ERR(run_all(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "does not list the properties of");
    run_fini(&r);
}

TEST(a_batch_that_exists_already_is_read_again)
{
    struct run r;

    run_init(&r, false);
    r.portal.conflict_whole = true;
    OK(run_all(r.p, &r.portal, &r.f));
    EQ_UINT(count_calls(&r.portal, "companies.properties"), 2);
    EQ_UINT(hubspot_provision_report(r.p)->missing, 0);
    run_fini(&r);
}

TEST(a_property_of_another_type_stands_in_the_way)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_INVOICES, "fusion_balance_due"), "type",
        json_string("string"));
    EQ_ERR(run_all(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "fusion_balance_due of invoices has the type string "
                     "instead of number");
    HAS(r.f.message, "rename or delete it");
    EQ_UINT(r.portal.n, 5);
    run_fini(&r);
}

TEST(a_key_that_is_not_unique_stands_in_the_way)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_LINE_ITEMS, "fusion_line_id"),
        "hasUniqueValue", json_false());
    EQ_ERR(run_all(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "fusion_line_id of line_items does not require unique");
    NOT(r.portal.created);
    run_fini(&r);
}

TEST(all_conflicts_are_told_at_once)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_COMPANIES, "fusion_account_number"),
        "hasUniqueValue", json_false());
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_PAYMENTS, "fusion_receipt_id"),
        "calculated", json_true());
    EQ_ERR(run_all(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(hubspot_provision_report(r.p)->text, "companies fusion_account_number");
    HAS(hubspot_provision_report(r.p)->text,
        "fusion_receipt_id of commerce_payments is calculated or read-only");
    run_fini(&r);
}

TEST(read_only_and_absent_properties_of_hubspot_are_findings)
{
    const struct hubspot_provision_report *report;
    struct run r;

    run_init(&r, true);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_INVOICES, "hs_amount_billed"),
        "modificationMetadata", json_pack("{s:b}", "readOnlyValue", 1));
    portal_drop(&r.portal, MAP_COMPANIES, "industry");
    OK(run_all(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    HAS(report->text, "invoices hs_amount_billed: ");
    HAS(report->text, "companies industry: ");
    EQ_STR(
        jsonx_text(line_of(report, "invoices", "hs_amount_billed"), "finding"),
        "read_only");
    EQ_STR(jsonx_text(line_of(report, "companies", "industry"), "finding"),
           "absent");
    run_fini(&r);
}

TEST(calculated_properties_of_hubspot_that_may_be_written_are_fine)
{
    struct run r;

    run_init(&r, true);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_INVOICES, "hs_amount_billed"),
        "calculated", json_true());
    (void)json_object_del(portal_property(&r.portal, MAP_COMPANIES, "industry"),
                          "modificationMetadata");
    OK(run_all(r.p, &r.portal, &r.f));
    EQ_UINT(json_array_size(hubspot_provision_report(r.p)->lines), MAP_OBJECTS);
    EQ_PTR(strstr(hubspot_provision_report(r.p)->text, "read-only"), NULL);
    run_fini(&r);
}

TEST(another_association_type_ends_it)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    r.portal.broken_type = 541;
    EQ_ERR(run_all(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "association type 541 from invoices to "
                     "commerce_payments");
    run_fini(&r);
}

TEST(a_missing_scope_ends_it_and_is_named)
{
    struct run r;

    run_init(&r, false);
    r.portal.status = 403;
    r.portal.body = "{\"message\":\"no\",\"category\":\"MISSING_SCOPES\","
                    "\"context\":{\"requiredGranularScopes\":"
                    "[\"crm.schemas.companies.read\"]}}";
    EQ_ERR(run_all(r.p, &r.portal, &r.f), ERR_FORBIDDEN);
    HAS(r.f.message, "crm.schemas.companies.read");
    HAS(hubspot_provision_report(r.p)->text, "crm.schemas.companies.read");
    run_fini(&r);
}

TEST(every_call_may_fail_for_a_while_and_is_asked_again)
{
    static const struct {
        int status;
        enum err get, post;
    } rows[] = {{429, ERR_THROTTLED, ERR_THROTTLED},
                {502, ERR_UNAVAILABLE, ERR_UNAVAILABLE},
                {504, ERR_UNAVAILABLE, ERR_UNKNOWN},
                {401, ERR_CREDENTIALS, ERR_CREDENTIALS},
                {477, ERR_MAINTENANCE, ERR_MAINTENANCE}};
    struct run r;
    struct hubspot_call c;
    enum err err = ERR_OK;
    int64_t wait_ms;
    size_t turns = 0;

    run_init(&r, false);
    while (hubspot_provision_next(r.p, &c, &wait_ms)) {
        char before[160];
        bool post = strcmp(c.method, "POST") == 0;

        (void)snprintf(before, sizeof(before), "%s", c.path);
        r.portal.n = 0;
        r.portal.status = rows[turns % COUNT_OF(rows)].status;
        r.portal.body = "";
        IS(turn(r.p, &r.portal, &err, &r.f));
        EQ_ERR(err, post ? rows[turns % COUNT_OF(rows)].post :
                           rows[turns % COUNT_OF(rows)].get);
        IS(hubspot_provision_next(r.p, &c, &wait_ms));
        EQ_STR(c.path, before);
        IS(turn(r.p, &r.portal, &err, &r.f));
        OK(err);
        turns++;
    }
    EQ_UINT(turns, 23);
    run_fini(&r);
}

TEST(a_created_property_may_have_been_created_although_the_answer_was_lost)
{
    struct run r;
    struct hubspot_call c;
    enum err err = ERR_OK;
    int64_t wait_ms;
    int status;
    json_t *lost;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    for (int i = 0; i < 5; i++) {
        IS(turn(r.p, &r.portal, &err, &r.f));
    }
    IS(hubspot_provision_next(r.p, &c, &wait_ms));
    lost = portal_answer(&r.portal, &c, &status);
    json_decref(lost);
    r.portal.status = 207;
    r.portal.body =
        "{\"results\":[],\"errors\":[{\"category\":\"OBJECT_ALREADY_EXISTS\","
        "\"subCategory\":\"Properties.PROPERTY_WITH_NAME_EXISTS\",\"context\":"
        "{\"name\":[\"fusion_status\"]}}]}";
    OK(run_all(r.p, &r.portal, &r.f));
    EQ_UINT(hubspot_provision_report(r.p)->created, 1);
    run_fini(&r);
}

TEST(a_property_hubspot_refuses_ends_it_with_its_words)
{
    struct run r;
    enum err err = ERR_OK;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    for (int i = 0; i < 5; i++) {
        IS(turn(r.p, &r.portal, &err, &r.f));
    }
    r.portal.status = 207;
    r.portal.body = "{\"results\":[],\"errors\":[{\"category\":"
                    "\"VALIDATION_ERROR\",\"message\":\"too many properties\","
                    "\"context\":{\"name\":[\"fusion_status\"]}}]}";
    EQ_ERR(run_all(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "too many properties");
    run_fini(&r);
}

TEST(a_request_hubspot_refuses_ends_it_with_its_words)
{
    struct run r;

    run_init(&r, false);
    r.portal.status = 404;
    r.portal.body = "{\"message\":\"Unable to infer object type\"}";
    EQ_ERR(run_all(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "properties of companies");
    HAS(r.f.message, "Unable to infer object type");
    EQ_UINT(r.portal.n, 1);
    run_fini(&r);
}

TEST(what_exists_already_but_is_not_listed_is_asked_for_again)
{
    struct run r;
    enum err err = ERR_OK;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    for (int i = 0; i < 5; i++) {
        IS(turn(r.p, &r.portal, &err, &r.f));
    }
    r.portal.status = 400;
    r.portal.body = "{\"category\":\"OBJECT_ALREADY_EXISTS\"}";
    OK(run_all(r.p, &r.portal, &r.f));
    EQ_UINT(count_calls(&r.portal, "invoices.create_properties"), 2);
    EQ_UINT(hubspot_provision_report(r.p)->created, 1);
    run_fini(&r);
}

TEST(what_appears_with_another_type_meanwhile_stands_in_the_way)
{
    struct run r;
    enum err err = ERR_OK;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_balance_due");
    for (int i = 0; i < 5; i++) {
        IS(turn(r.p, &r.portal, &err, &r.f));
    }
    (void)json_array_append_new(r.portal.properties[MAP_INVOICES],
                                json_pack("{s:s,s:s}", "name",
                                          "fusion_balance_due", "type",
                                          "enumeration"));
    r.portal.status = 409;
    r.portal.body = "{}";
    EQ_ERR(run_all(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "fusion_balance_due");
    run_fini(&r);
}

TEST(lists_of_odd_shape_change_nothing)
{
    static const char *const bodies[] = {"{}", "[]", "{\"results\":null}",
                                         "{\"results\":{}}"};
    struct run r;
    struct hubspot_call c;
    enum err err = ERR_OK;
    int64_t wait_ms;

    run_init(&r, false);
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        r.portal.status = 200;
        r.portal.body = bodies[i];
        IS(turn(r.p, &r.portal, &err, &r.f));
        EQ_ERR(err, ERR_PROMISE);
        IS(hubspot_provision_next(r.p, &c, &wait_ms));
        EQ_STR(c.path, "/crm/properties/2026-03/companies");
    }
    r.portal.status = 200;
    r.portal.body = "{\"results\":[1,null,{\"name\":[]},{\"name\":\"x\"}]}";
    IS(turn(r.p, &r.portal, &err, &r.f));
    OK(err);
    run_fini(&r);
}

TEST(paths_of_v3_are_v3_and_v4)
{
    struct hubspot_provision *p = hubspot_provision_new("v3", false);
    struct hubspot_call c;
    int64_t wait_ms;

    memset(&c, 0xff, sizeof(c)); /* the whole call is filled in */
    IS(hubspot_provision_next(p, &c, &wait_ms));
    EQ_STR(c.path, "/crm/v3/properties/companies");
    EQ_STR(c.method, "GET");
    EQ_STR(c.operation, "companies.properties");
    EQ_PTR(c.body, NULL);
    NOT(c.with_token);
    hubspot_provision_free(p);
}

SUITE(
    provision, RUN(a_fresh_portal_costs_23_calls),
    RUN(a_finished_portal_costs_12_reads),
    RUN(one_missing_property_needs_no_group), RUN(a_group_that_exists_is_fine),
    RUN(a_dry_run_writes_nothing_and_tells_what_is_missing),
    RUN(a_dry_run_names_each_missing_property), RUN(what_was_created_is_named),
    RUN(what_is_not_listed_yet_is_read_again_after_a_longer_wait),
    RUN(what_never_shows_up_ends_it),
    RUN(a_batch_that_exists_already_is_read_again),
    RUN(a_property_of_another_type_stands_in_the_way),
    RUN(a_key_that_is_not_unique_stands_in_the_way),
    RUN(all_conflicts_are_told_at_once),
    RUN(read_only_and_absent_properties_of_hubspot_are_findings),
    RUN(calculated_properties_of_hubspot_that_may_be_written_are_fine),
    RUN(another_association_type_ends_it),
    RUN(a_missing_scope_ends_it_and_is_named),
    RUN(every_call_may_fail_for_a_while_and_is_asked_again),
    RUN(a_created_property_may_have_been_created_although_the_answer_was_lost),
    RUN(a_property_hubspot_refuses_ends_it_with_its_words),
    RUN(a_request_hubspot_refuses_ends_it_with_its_words),
    RUN(what_exists_already_but_is_not_listed_is_asked_for_again),
    RUN(what_appears_with_another_type_meanwhile_stands_in_the_way),
    RUN(lists_of_odd_shape_change_nothing), RUN(paths_of_v3_are_v3_and_v4))
