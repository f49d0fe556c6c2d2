/* SPDX-License-Identifier: UNLICENSED */
/*
 * ping: one line for each thing that must be right on both sides, with what to
 * do where it is not. Reads only.
 */
#include "cli_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOCK_SKEW_MAX_S = 300 };

struct ping {
    struct cli *cli;
    struct session s;
    json_t *lines;
    bool failed;
    struct fusion_page page; /* the last one read */
    bool queryable;
};

/* state: ok, note (works without), failed. */
static void
line(struct ping *p, const char *side, const char *check, const char *state,
     const char *text)
{
    json_t *o = json_object();

    json_object_set_new(o, "side", json_string(side));
    json_object_set_new(o, "check", json_string(check));
    json_object_set_new(o, "state", json_string(state));
    json_object_set_new(o, "message", json_string(text));
    json_array_append_new(p->lines, o);
    p->failed = p->failed || strcmp(state, "failed") == 0;
    if (!p->cli->json) {
        (void)printf("%-8s %-14s %-7s %s\n", side, check, state, text);
        (void)fflush(stdout);
    }
}

/* ---- Fusion ------------------------------------------------------------- */

static void
on_token(void *arg, enum err err, const struct fault *f)
{
    app_on_done(&((struct ping *)arg)->cli->app, err, f);
}

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

    p->page = *page;
    app_on_done(&p->cli->app, err, &page->fault);
}

static void
on_describe(void *arg, enum err err, bool queryable, const struct fault *f)
{
    struct ping *p = arg;

    p->queryable = queryable;
    app_on_done(&p->cli->app, err, f);
}

static const char *
advice(enum err err)
{
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
        return "give the integration user the role for it";
    }
    return err == ERR_TLS ? "set ML_CA_FILE if the peer has a CA of its own" :
                            "check the tenant's settings";
}

static void
fault_line(struct ping *p, const char *side, const char *check,
           const char *state, const struct fault *f)
{
    char *text = mem_printf(
        "%s; %s", f->message[0] != '\0' ? f->message : err_text(f->err),
        advice(f->err));

    line(p, side, check, state, text);
    mem_free(text);
}

static bool
read_one(struct ping *p, const struct fusion_query *q, const char *check,
         bool needed, const char *good)
{
    struct app *a = &p->cli->app;
    struct fusion_op *op;
    enum err err =
        app_wait(a, fusion_read(p->s.fusion, q, on_row, on_page, p, &op));

    if (err != ERR_OK) {
        fault_line(p, "fusion", check, needed ? "failed" : "note", &a->fault);
        return false;
    }
    if (p->page.count == 0 && needed) {
        line(p, "fusion", check, "note",
             "answers, but shows no row: check the user's business units if "
             "there should be some");
        return true;
    }
    line(p, "fusion", check, "ok", good);
    return true;
}

static void
check_pod_clock(struct ping *p)
{
    int64_t skew_s = (p->page.pod_us - clock_wall_us()) / 1000000;
    char *text;

    if (p->page.pod_us == 0) {
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

/* What the polls found out about the pod; NULL: nothing yet. */
static const char *
learned(struct ping *p, const char *key)
{
    struct fault ignored;
    json_t *o = NULL;
    const char *text = NULL;

    if (jsonx_parse(p->s.row.learned, strlen(p->s.row.learned), &o, &ignored) ==
            ERR_OK &&
        jsonx_text(o, key) != NULL) {
        text = arena_strdup(&p->s.arena, jsonx_text(o, key));
    }
    json_decref(o);
    return text;
}

static void
check_stamps(struct ping *p)
{
    const char *at = learned(p, "fusion_calibrated");
    const char *zone = learned(p, "fusion_zone_min");
    bool utc = zone == NULL || strcmp(zone, "0") == 0;
    char *text = NULL;

    if (at == NULL) {
        line(p, "fusion", "stamps", "note",
             "how the pod wants time stamps written is found out by the first "
             "poll");
        return;
    }
    text = mem_printf("time stamps are asked for in a style and zone that "
                      "were found right at %s%s%s%s",
                      at, utc ? "" : "; the pod reads them ", utc ? "" : zone,
                      utc ? "" :
                            " min from UTC: better set the integration "
                            "user's time zone to UTC");
    line(p, "fusion", "stamps", utc ? "ok" : "note", text);
    mem_free(text);
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
check_receipts(struct ping *p)
{
    const char *known = learned(p, "fusion_receipts");
    struct app *a = &p->cli->app;
    struct fusion_op *op;
    enum err err =
        app_wait(a, fusion_describe(p->s.fusion, "standardReceipts",
                                    "LastUpdateDate", on_describe, p, &op));

    if (err != ERR_OK) {
        fault_line(p, "fusion", "strategy", "note", &a->fault);
        return;
    }
    line(p, "fusion", "strategy", "ok",
         strategy_text(p->queryable                             ? 'A' :
                       known != NULL && strcmp(known, "C") == 0 ? 'C' :
                                                                  'B'));
}

static void
ping_fusion(struct ping *p)
{
    static const struct fusion_query invoices = {
        .resource = "receivablesInvoices",
        .order_by = "LastUpdateDate:desc",
        .limit = 1};
    static const struct fusion_query receipts = {.resource = "standardReceipts",
                                                 .limit = 1};
    static const struct fusion_query accounts = {
        .resource = "receivablesCustomerAccountActivities", .limit = 1};
    static const struct fusion_query parties = {
        .resource = "hubOrganizations", .crm = true, .limit = 1};
    struct app *a = &p->cli->app;
    struct fusion_op *op;
    enum err err = app_wait(a, fusion_token(p->s.fusion, on_token, p, &op));

    if (err != ERR_OK) {
        fault_line(p, "fusion", "token", "failed", &a->fault);
        return;
    }
    line(p, "fusion", "token", "ok", "the credentials are accepted");
    if (read_one(p, &invoices, "invoices", true, "invoices can be read")) {
        check_pod_clock(p);
        check_stamps(p);
    }
    if (read_one(p, &receipts, "receipts", true, "receipts can be read")) {
        check_receipts(p);
    }
    (void)read_one(p, &accounts, "accounts", true,
                   "customer accounts can be read");
    (void)read_one(p, &parties, "organizations", false,
                   "organisations enrich customers");
}

/* ---- HubSpot ------------------------------------------------------------ */

static bool
check_account(struct ping *p)
{
    static const struct hubspot_call details = {.operation = "account.details",
                                                .method = "GET",
                                                .path =
                                                    "/account-info/v3/details"};
    struct hubspot_meta meta;
    json_t *body = NULL;
    const char *currency;
    char *text;

    if (session_call(&p->s, &details, &meta, &body) != ERR_OK) {
        fault_line(p, "hubspot", "account", "failed", &meta.fault);
        json_decref(body);
        return false;
    }
    currency = jsonx_text(body, "companyCurrency");
    text = mem_printf(
        "portal %s, time zone %s, currency %s and %zu more", p->s.row.portal,
        jsonx_text(body, "timeZone") != NULL ? jsonx_text(body, "timeZone") :
                                               "?",
        currency != NULL ? currency : "?",
        json_array_size(json_object_get(body, "additionalCurrencies")));
    line(p, "hubspot", "account", "ok", text);
    mem_free(text);
    if (meta.max > 0) {
        bool fewer = meta.max < p->s.settings.hubspot_limit;

        text = mem_printf("HubSpot allows %d requests per %" PRId64
                          " s; %" PRId64 " are set here%s",
                          meta.max, meta.interval_us / 1000000,
                          p->s.settings.hubspot_limit,
                          fewer ? ", fewer will be used" : "");
        line(p, "hubspot", "limit", fewer ? "note" : "ok", text);
        mem_free(text);
    }
    json_decref(body);
    return true;
}

static void
check_scopes(struct ping *p)
{
    static const struct hubspot_call info = {.operation = "token.info",
                                             .method = "POST",
                                             .path = HUBSPOT_TOKEN_INFO,
                                             .with_token = true};
    char names[HUBSPOT_SCOPES_TEXT];
    struct hubspot_meta meta;
    json_t *body = NULL;
    size_t missing;
    char *text;

    if (session_call(&p->s, &info, &meta, &body) != ERR_OK) {
        fault_line(p, "hubspot", "scopes", "note", &meta.fault);
        json_decref(body);
        return;
    }
    missing = hubspot_missing_scopes(body, names, sizeof(names));
    json_decref(body);
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
}

static void
check_properties(struct ping *p)
{
    json_t *lines = NULL;
    char *text = NULL;
    struct fault f;
    enum err err = session_provision(&p->s, true, &lines, &text, &f);

    if (err != ERR_OK) {
        fault_line(p, "hubspot", "properties", "failed", &f);
    } else {
        line(p, "hubspot", "properties", "ok",
             "properties and association types can be read; what is missing is "
             "created before the first write (see `provision --dry-run`)");
    }
    json_decref(lines);
    mem_free(text);
}

/* False: the portal could not be asked, f says why. */
static bool
ping_hubspot(struct ping *p, struct fault *f)
{
    fault_clear(f);
    if (session_lease(&p->s, f) == ERR_LEASE_LOST) {
        line(p, "hubspot", "account", "note", f->message);
        return false;
    }
    if (f->err != ERR_OK) {
        fault_line(p, "hubspot", "account", "failed", f);
        return false;
    }
    if (check_account(p)) {
        check_scopes(p);
        check_properties(p);
    }
    return true;
}

/* ---- the tenant's own mapping ------------------------------------------- */

static void
mapping_lines(struct ping *p, const char *state, const char *before,
              const char *lines)
{
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");
        char *text = mem_printf("%s%.*s", before, (int)n, lines);

        line(p, "tenant", "mapping", state, text);
        mem_free(text);
        lines += n + (lines[n] == '\n' ? 1 : 0);
    }
}

static void
ping_mapping(struct ping *p, const struct fault *unleased)
{
    struct mapping_verdict v;
    char *text;

    mapping_verdict_init(&v);
    mapping_check(&p->s, unleased, &v);
    mapping_lines(p, "failed", "", buf_text(&v.complaints));
    mapping_lines(p, "note", "not checked against ", buf_text(&v.unasked));
    if (v.entries > 0 && v.complaints.len == 0 && v.unasked.len == 0) {
        text = mem_printf("the pod and the portal have all that the mapping "
                          "file names (%zu entries)",
                          v.entries);
        line(p, "tenant", "mapping", "ok", text);
        mem_free(text);
    }
    mapping_verdict_fini(&v);
}

int
cmd_ping(struct cli *c)
{
    struct ping p = {.cli = c, .lines = json_array()};
    struct fault f;
    int status = APP_DONE;
    bool asked;

    fault_clear(&f);
    if (session_open(&p.s, c, c->argv[0], &f) != ERR_OK) {
        status = cli_fail(&f);
    } else {
        ping_fusion(&p);
        asked = ping_hubspot(&p, &f);
        ping_mapping(&p, asked ? NULL : &f);
        if (c->json) {
            cli_print_json(p.lines);
        }
        status = p.failed ? APP_FAILED : APP_DONE;
    }
    session_close(&p.s);
    json_decref(p.lines);
    return status;
}
