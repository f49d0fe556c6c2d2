/* SPDX-License-Identifier: UNLICENSED */
/*
 * ping: one finding for each thing that must be right on both sides, with what
 * to do where it is not. Reads only. One question after the other:
 *
 *     token -> invoices -> receipts -> strategy -> accounts -> organizations
 *           -> account -> scopes -> properties -> mapping
 *
 * Without a token nothing else is asked of the pod, without account details
 * nothing else of the portal.
 */
#include "tenant_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CLOCK_SKEW_MAX_S = 300 };

enum step {
    STEP_TOKEN,
    STEP_INVOICES,
    STEP_RECEIPTS,
    STEP_STRATEGY,
    STEP_ACCOUNTS,
    STEP_ORGANIZATIONS,
    STEP_ACCOUNT,
    STEP_SCOPES,
    STEP_PROPERTIES,
    STEP_MAPPING,
    STEPS
};

struct ping {
    struct errand *e;
    json_t *lines;
    enum step at; /* the step under way */
    struct fusion_op *op;
    struct mapping_asking *asking;
};

static void run(struct ping *p, enum step step);

/* state: ok, note (works without), failed. */
static void
line(struct ping *p, const char *side, const char *check, const char *state,
     const char *text)
{
    errand_line(p->e, p->lines,
                json_pack("{s:s, s:s, s:s, s:s}", "side", side, "check", check,
                          "state", state, "message", text));
}

static const char *
advice(const char *side, enum err err)
{
    if (err == ERR_CREDENTIALS || err == ERR_UNAUTHORIZED) {
        return strcmp(side, "hubspot") == 0 ?
                   "give the tenant a token that HubSpot knows: `ml-connector "
                   "tenant set NAME --hubspot-token-file FILE`" :
                   "check client id, secret and scope";
    }
    switch (err_class(err)) {
    case ERR_CLASS_AUTH:
        return "check client id, secret and scope";
    case ERR_CLASS_LATER:
    case ERR_CLASS_AGAIN:
        return "try again later; check the address if it stays so";
    case ERR_CLASS_NONE:
    case ERR_CLASS_REJECT:
    case ERR_CLASS_HALT:
    case ERR_CLASS_BUG:
        break;
    }
    if (err == ERR_FORBIDDEN) {
        return strcmp(side, "hubspot") == 0 ?
                   "give the token the scope for it" :
                   "give the integration user the role for it";
    }
    return err == ERR_TLS ? "set ML_CA_FILE if the peer has a CA of its own" :
                            "check the tenant's settings";
}

static void
fault_line(struct ping *p, const char *side, const char *check,
           const char *state, const struct fault *f)
{
    char *text = mem_printf("%s; %s", errand_reason(f), advice(side, f->err));

    line(p, side, check, state, text);
    mem_free(text);
}

static void
start_fault(struct fault *f, enum err err)
{
    fault_clear(f);
    (void)fault_set(f, err, "%s", err_text(err));
}

/* ---- Fusion ------------------------------------------------------------- */

static void
on_token(void *arg, enum err err, const struct fault *f)
{
    struct ping *p = arg;

    p->op = NULL;
    if (err != ERR_OK) {
        fault_line(p, "fusion", "token", "failed", f);
        run(p, STEP_ACCOUNT);
        return;
    }
    line(p, "fusion", "token", "ok", "the credentials are accepted");
    run(p, STEP_INVOICES);
}

static void
check_clock(struct ping *p, const struct fusion_page *page)
{
    int64_t skew_s = (page->pod_us - clock_wall_us()) / 1000000;
    char *text;

    if (page->pod_us == 0) {
        line(p, "fusion", "clock", "note", "the pod sends no Date header");
        return;
    }
    text = mem_printf("the pod's clock is %" PRId64 " s from ours; cursors go "
                      "by the pod's",
                      skew_s);
    line(p, "fusion", "clock",
         llabs((long long)skew_s) > CLOCK_SKEW_MAX_S ? "note" : "ok", text);
    mem_free(text);
}

/* What the polls found out about the pod, to free; NULL: nothing yet. */
static char *
learned(struct ping *p, const char *key)
{
    const char *all = p->e->row.learned;
    struct fault ignored;
    json_t *o = NULL;
    char *text = NULL;

    if (jsonx_parse(all, strlen(all), &o, &ignored) == ERR_OK) {
        text = mem_strdup(jsonx_text(o, key));
    }
    json_decref(o);
    return text;
}

static void
check_stamps(struct ping *p)
{
    char *at = learned(p, "fusion_calibrated");
    char *zone = learned(p, "fusion_zone_min");
    bool utc = zone == NULL || strcmp(zone, "0") == 0;
    char *text = NULL;

    if (at == NULL) {
        line(p, "fusion", "stamps", "note",
             "how the pod wants time stamps written is found out by the first "
             "poll");
    } else {
        text =
            mem_printf("time stamps are asked for in a style and zone that "
                       "were found right at %s%s%s%s",
                       at, utc ? "" : "; the pod reads them ", utc ? "" : zone,
                       utc ? "" :
                             " min from UTC: better set the integration "
                             "user's time zone to UTC");
        line(p, "fusion", "stamps", utc ? "ok" : "note", text);
    }
    mem_free(text);
    mem_free(at);
    mem_free(zone);
}

static const char *
strategy_text(char strategy)
{
    if (strategy == 'A') {
        return "receipts are polled by LastUpdateDate (A)";
    }
    return strategy == 'C' ?
               "LastUpdateDate of receipts can neither be queried nor sorted "
               "by: ids, and the stamps of the last 30 days (C)" :
               "LastUpdateDate of receipts cannot be queried: newest first "
               "until known ones appear (B)";
}

static void
on_describe(void *arg, enum err err, bool queryable, const struct fault *f)
{
    struct ping *p = arg;
    char *known;

    p->op = NULL;
    if (err != ERR_OK) {
        fault_line(p, "fusion", "strategy", "note", f);
    } else {
        known = learned(p, "fusion_receipts");
        line(p, "fusion", "strategy", "ok",
             strategy_text(queryable              ? 'A' :
                           text_equal(known, "C") ? 'C' :
                                                    'B'));
        mem_free(known);
    }
    run(p, STEP_ACCOUNTS);
}

/* ---- reading one row of each resource ----------------------------------- */

static const struct {
    struct fusion_query query;
    const char *check, *good;
    bool needed;
} reads[STEPS] = {
    [STEP_INVOICES] = {{.resource = "receivablesInvoices",
                        .order_by = "LastUpdateDate:desc",
                        .limit = 1},
                       "invoices",
                       "invoices can be read",
                       true},
    [STEP_RECEIPTS] = {{.resource = "standardReceipts", .limit = 1},
                       "receipts",
                       "receipts can be read",
                       true},
    [STEP_ACCOUNTS] = {{.resource = "receivablesCustomerAccountActivities",
                        .limit = 1},
                       "accounts",
                       "customer accounts can be read",
                       true},
    [STEP_ORGANIZATIONS] = {{.resource = "hubOrganizations",
                             .crm = true,
                             .limit = 1},
                            "organizations",
                            "organisations enrich customers",
                            false},
};

static void
on_row(void *arg, const json_t *row)
{
    (void)arg;
    (void)row;
}

static void
on_page(void *arg, enum err err, const struct fusion_page *page)
{
    struct ping *p = arg;
    const char *check = reads[p->at].check;
    bool needed = reads[p->at].needed;

    p->op = NULL;
    if (err != ERR_OK) {
        fault_line(p, "fusion", check, needed ? "failed" : "note",
                   &page->fault);
        run(p, p->at == STEP_RECEIPTS ? STEP_ACCOUNTS : p->at + 1);
        return;
    }
    if (page->count == 0 && needed) {
        line(p, "fusion", check, "note",
             "answers, but shows no row: check the user's business units if "
             "there should be some");
    } else {
        line(p, "fusion", check, "ok", reads[p->at].good);
    }
    if (p->at == STEP_INVOICES) {
        check_clock(p, page);
        check_stamps(p);
    }
    run(p, p->at + 1);
}

/* ---- HubSpot ------------------------------------------------------------ */

static void
check_limit(struct ping *p, const struct hubspot_meta *m)
{
    int64_t limit = p->e->settings.hubspot_limit;
    bool fewer = m->max < limit;
    char *text;

    if (m->max <= 0) {
        return;
    }
    text = mem_printf("HubSpot allows %d requests per %" PRId64 " s; %" PRId64
                      " are set here%s",
                      m->max, m->interval_us / 1000000, limit,
                      fewer ? ", fewer will be used" : "");
    line(p, "hubspot", "limit", fewer ? "note" : "ok", text);
    mem_free(text);
}

static void
on_account(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct ping *p = arg;
    const char *zone = jsonx_text(body, "timeZone");
    const char *currency = jsonx_text(body, "companyCurrency");
    char *text;

    if (m->fault.err != ERR_OK) {
        fault_line(p, "hubspot", "account", "failed", &m->fault);
        run(p, STEP_MAPPING);
        return;
    }
    text = mem_printf(
        "portal %s, time zone %s, currency %s and %zu more",
        p->e->row.portal != NULL ? p->e->row.portal : "?",
        zone != NULL ? zone : "?", currency != NULL ? currency : "?",
        json_array_size(json_object_get(body, "additionalCurrencies")));
    line(p, "hubspot", "account", "ok", text);
    mem_free(text);
    check_limit(p, m);
    run(p, STEP_SCOPES);
}

static void
on_scopes(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct ping *p = arg;
    char names[HUBSPOT_SCOPES_TEXT];
    size_t missing;
    char *text;

    if (m->fault.err != ERR_OK) {
        fault_line(p, "hubspot", "scopes", "note", &m->fault);
        run(p, STEP_PROPERTIES);
        return;
    }
    missing = hubspot_missing_scopes(body, names, sizeof(names));
    if (missing == HUBSPOT_SCOPES_UNTOLD) {
        line(p, "hubspot", "scopes", "note",
             "HubSpot does not say which scopes the token has");
    } else if (missing > 0) {
        text = mem_printf("give the token also: %s", names);
        line(p, "hubspot", "scopes", "failed", text);
        mem_free(text);
    } else {
        line(p, "hubspot", "scopes", "ok", "the token has all that is needed");
    }
    run(p, STEP_PROPERTIES);
}

static void
on_properties(void *arg, enum err err, const struct hubspot_provision_report *r,
              const struct fault *f)
{
    struct ping *p = arg;

    (void)r;
    if (err != ERR_OK) {
        fault_line(p, "hubspot", "properties", "failed", f);
    } else {
        line(p, "hubspot", "properties", "ok",
             "properties and association types can be read; what is missing is "
             "created before the first write (see `provision --dry-run`)");
    }
    run(p, STEP_MAPPING);
}

/* ---- the tenant's own mapping ------------------------------------------- */

static void
mapping_lines(struct ping *p, const char *state, const char *before,
              const json_t *texts)
{
    const json_t *v;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)texts, i, v)
    {
        char *text = mem_printf("%s%s", before, json_string_value(v));

        line(p, "tenant", "mapping", state, text);
        mem_free(text);
    }
}

static void
on_mapping(struct errand *e, json_t *verdict)
{
    struct ping *p = e->own;
    const json_t *complaints = json_object_get(verdict, "complaints");
    const json_t *unasked = json_object_get(verdict, "unasked");
    json_int_t entries =
        json_integer_value(json_object_get(verdict, "entries"));
    char *text;

    mapping_lines(p, "failed", "", complaints);
    mapping_lines(p, "note", "not checked against ", unasked);
    if (entries > 0 && json_array_size(complaints) == 0 &&
        json_array_size(unasked) == 0) {
        text = mem_printf("the pod and the portal have all that the mapping "
                          "file names (%" JSON_INTEGER_FORMAT " entries)",
                          entries);
        line(p, "tenant", "mapping", "ok", text);
        mem_free(text);
    }
    json_decref(verdict);
    run(p, STEPS);
}

/* ---- one after the other ------------------------------------------------ */

static void
ask_fusion(struct ping *p)
{
    struct fusion *fusion = p->e->fusion;
    struct fusion_page page = {.count = 0};
    struct fault f;
    enum err err;

    if (p->at == STEP_TOKEN) {
        err = fusion_token(fusion, on_token, p, &p->op);
    } else if (p->at == STEP_STRATEGY) {
        err = fusion_describe(fusion, "standardReceipts", "LastUpdateDate",
                              on_describe, p, &p->op);
    } else {
        err = fusion_read(fusion, &reads[p->at].query, on_row, on_page, p,
                          &p->op);
    }
    if (err == ERR_OK) {
        return;
    }
    start_fault(&f, err);
    page.fault = f;
    if (p->at == STEP_TOKEN) {
        on_token(p, err, &f);
    } else if (p->at == STEP_STRATEGY) {
        on_describe(p, err, false, &f);
    } else {
        on_page(p, err, &page);
    }
}

static void
ask_hubspot(struct ping *p)
{
    static const struct hubspot_call details = {.operation = "account.details",
                                                .method = "GET",
                                                .path =
                                                    "/account-info/v3/details"};
    static const struct hubspot_call info = {.operation = "token.info",
                                             .method = "POST",
                                             .path = HUBSPOT_TOKEN_INFO,
                                             .with_token = true};
    struct hubspot_meta m = {.max = -1};
    struct errand *e = p->e;
    enum err err;

    if (p->at == STEP_ACCOUNT && e->unasked.err != ERR_OK) {
        m.fault = e->unasked;
        on_account(p, &m, NULL);
        return;
    }
    if (p->at == STEP_PROPERTIES) {
        err = dispatch_provision(e->place.dispatch, e->caller, true,
                                 on_properties, p);
    } else if (p->at == STEP_ACCOUNT) {
        err = errand_call(e, &details, on_account, p);
    } else {
        err = errand_call(e, &info, on_scopes, p);
    }
    if (err == ERR_OK) {
        return;
    }
    start_fault(&m.fault, err);
    if (p->at == STEP_PROPERTIES) {
        on_properties(p, err, NULL, &m.fault);
    } else if (p->at == STEP_ACCOUNT) {
        on_account(p, &m, NULL);
    } else {
        on_scopes(p, &m, NULL);
    }
}

static void
run(struct ping *p, enum step step)
{
    p->at = step;
    if (step < STEP_ACCOUNT) {
        ask_fusion(p);
    } else if (step < STEP_MAPPING) {
        ask_hubspot(p);
    } else if (step == STEP_MAPPING) {
        p->asking = mapping_ask(p->e, on_mapping);
    } else {
        errand_end(p->e, json_pack("{s:O}", "lines", p->lines));
    }
}

static void
start(struct errand *e)
{
    struct ping *p = MEM_NEW(struct ping);

    p->e = e;
    p->lines = json_array();
    e->own = p;
    run(p, STEP_TOKEN);
}

static void
drop(struct errand *e)
{
    struct ping *p = e->own;

    if (p == NULL) {
        return;
    }
    e->own = NULL;
    fusion_cancel(p->op);
    mapping_ask_drop(p->asking);
    json_decref(p->lines);
    mem_free(p);
}

const struct errand_kind errand_ping = {
    .name = "ping", .start = start, .drop = drop};
