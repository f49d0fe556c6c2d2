/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a connector asks about the account: details, usage, the token, the
 * currencies. Nothing here can be changed through the API; the control API
 * does.
 */
#include "hubspot.h"

#include <string.h>

static json_t *
more_currencies(struct hub_portal *po)
{
    json_t *more = json_array();
    json_t *v;
    size_t i;

    json_array_foreach(po->currencies, i, v)
    {
        if (i > 0) {
            json_array_append(more, v);
        }
    }
    return more;
}

static const char *
company_currency(struct hub_portal *po)
{
    const char *s = json_string_value(json_array_get(po->currencies, 0));

    return s == NULL ? "USD" : s;
}

void
account_details(struct hub_call *c)
{
    sim_reply_json(
        c->p, 200,
        json_pack("{s:I, s:s, s:s, s:s, s:o, s:s, s:i, s:s, s:s}", "portalId",
                  (json_int_t)c->po->id, "accountType",
                  c->po->sw.sandbox_account ? "DEVELOPER_TEST" : "STANDARD",
                  "timeZone", c->po->time_zone, "companyCurrency",
                  company_currency(c->po), "additionalCurrencies",
                  more_currencies(c->po), "utcOffset", "+00:00",
                  "utcOffsetMilliseconds", 0, "uiDomain", "app.hubspot.com",
                  "dataHostingLocation", "na1"));
}

void
account_usage(struct hub_call *c)
{
    char at[TIME_TEXT_MAX], reset[TIME_TEXT_MAX];
    static const int64_t day = INT64_C(86400000000);

    time_format(c->now_us, at);
    time_format((c->now_us / day + 1) * day, reset);
    sim_reply_json(c->p, 200,
                   json_pack("{s:[{s:s, s:I, s:I, s:s, s:s, s:s}]}", "results",
                             "name", "private-apps-api-calls-daily",
                             "usageLimit", (json_int_t)c->po->sw.daily_limit,
                             "currentUsage", (json_int_t)c->po->day_count,
                             "collectedAt", at, "fetchStatus", "SUCCESS",
                             "resetsAt", reset));
}

void
account_token(struct hub_call *c)
{
    json_t *key = json_object_get(c->body, "tokenKey");
    struct hub_token *t = json_is_string(key) ?
                              map_get(&c->sim->tokens, json_string_value(key)) :
                              NULL;
    json_t *scopes;
    const char *name;
    size_t it = 0;
    void *v;

    if (t == NULL || strcmp(t->state, "active") != 0) {
        hub_refuse_f(c, 404, "OBJECT_NOT_FOUND", "resource not found");
        return;
    }
    scopes = json_array();
    while (map_next(&t->scopes, &it, &name, &v)) {
        json_array_append_new(scopes, json_string(name));
    }
    sim_reply_json(c->p, 200,
                   json_pack("{s:I, s:I, s:I, s:o}", "userId", (json_int_t)1,
                             "hubId", (json_int_t)t->portal->id, "appId",
                             (json_int_t)100 + (json_int_t)t->portal->id,
                             "scopes", scopes));
}

/* The account's currencies, as exchange rates have them. */
void
account_rates(struct hub_call *c)
{
    json_t *all = json_array();
    json_t *v;
    size_t i;

    json_array_foreach(c->po->currencies, i, v)
    {
        if (i > 0) {
            json_array_append_new(
                all, json_pack("{s:s, s:s, s:f, s:b}", "fromCurrencyCode",
                               json_string_value(v), "toCurrencyCode",
                               company_currency(c->po), "conversionRate", 1.0,
                               "visibleInUI", 1));
        }
    }
    sim_reply_json(c->p, 200, json_pack("{s:o}", "results", all));
}

/* All codes HubSpot knows; here those of the account. */
void
account_currencies(struct hub_call *c)
{
    json_t *all = json_array();
    json_t *v;
    size_t i;

    json_array_foreach(c->po->currencies, i, v)
    {
        json_array_append_new(
            all, json_pack("{s:O, s:O}", "currencyCode", v, "currencyName", v));
    }
    sim_reply_json(c->p, 200, json_pack("{s:o}", "results", all));
}

void
account_currency(struct hub_call *c)
{
    sim_reply_json(c->p, 200,
                   json_pack("{s:s, s:s}", "currencyCode",
                             company_currency(c->po), "currencyName",
                             company_currency(c->po)));
}
