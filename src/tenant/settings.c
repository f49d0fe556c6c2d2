/* SPDX-License-Identifier: UNLICENSED */
/*
 * The settings of one tenant: what `tenant add` takes, as stored in the
 * database. One table says name, kind and bounds of each; checking and reading
 * go over it. Pure.
 */
#include "tenant_priv.h"

#include <ctype.h>
#include <string.h>

enum { KEEP_TEXT, KEEP_URL, KEEP_DURATION, KEEP_NUMBER };

struct row {
    const char *name;
    int kind;
    size_t offset;
    int64_t min, max; /* durations in ms, numbers */
};

#define MINUTE INT64_C(60000)
#define DAY (1440 * MINUTE)
#define AT(field) offsetof(struct tenant_settings, field)

static const struct row rows[] = {
    {"fusion_url", KEEP_URL, AT(fusion_url), 0, 0},
    {"fusion_auth", KEEP_TEXT, AT(fusion_auth), 0, 0},
    {"fusion_token_url", KEEP_URL, AT(fusion_token_url), 0, 0},
    {"fusion_client_id", KEEP_TEXT, AT(fusion_client_id), 0, 0},
    {"fusion_scope", KEEP_TEXT, AT(fusion_scope), 0, 0},
    {"fusion_user", KEEP_TEXT, AT(fusion_user), 0, 0},
    {"fusion_key_id", KEEP_TEXT, AT(fusion_key_id), 0, 0},
    {"hubspot_url", KEEP_URL, AT(hubspot_url), 0, 0},
    {"hubspot_tier", KEEP_TEXT, AT(hubspot_tier), 0, 0},
    {"hubspot_api_version", KEEP_TEXT, AT(hubspot_api_version), 0, 0},
    {"hubspot_limit", KEEP_NUMBER, AT(hubspot_limit), 1, 10000},
    {"hubspot_daily_limit", KEEP_NUMBER, AT(hubspot_daily_limit), 1, 100000000},
    {"interval_customers", KEEP_DURATION, AT(interval_ms[FEED_CUSTOMERS]),
     MINUTE, DAY},
    {"interval_invoices", KEEP_DURATION, AT(interval_ms[FEED_INVOICES]), MINUTE,
     DAY},
    {"interval_payments", KEEP_DURATION, AT(interval_ms[FEED_PAYMENTS]), MINUTE,
     DAY},
    {"key_prefix", KEEP_TEXT, AT(key_prefix), 0, 0},
    {"mapping_file", KEEP_TEXT, AT(mapping), 0, 0},
};

/* Per tier: requests per 10 s and per day (HubSpot, usage guidelines). */
static const struct {
    const char *name;
    int64_t limit, daily;
} tiers[] = {
    {"free", 100, 250000},
    {"starter", 100, 250000},
    {"professional", 190, 625000},
    {"enterprise", 190, 1000000},
};

static const char *
flag_name(const char *setting, char out[64])
{
    size_t i;

    for (i = 0; setting[i] != '\0' && i < 63; i++) {
        out[i] = setting[i] == '_' ? '-' : setting[i];
    }
    out[i] = '\0';
    return out;
}

static enum err
read_duration(const struct row *r, const char *text, int64_t *out,
              struct fault *f)
{
    char flag[64], min[TIME_TEXT_MAX], max[TIME_TEXT_MAX];

    if (duration_parse(text, out) == ERR_OK && *out >= r->min &&
        *out <= r->max) {
        return ERR_OK;
    }
    return fault_set(f, ERR_CONFIG,
                     "--%s: \"%s\" is no duration from %s to %s, written "
                     "like 15m",
                     flag_name(r->name, flag), text,
                     duration_format(r->min, min),
                     duration_format(r->max, max));
}

static enum err
read_number(const struct row *r, const char *text, int64_t *out,
            struct fault *f)
{
    char flag[64];
    int64_t n = 0;
    bool fits = text[0] != '\0';

    for (const char *p = text; *p != '\0' && fits; p++) {
        fits = isdigit((unsigned char)*p) && n <= r->max;
        n = n * 10 + (*p - '0');
    }
    if (fits && n >= r->min && n <= r->max) {
        *out = n;
        return ERR_OK;
    }
    return fault_set(f, ERR_CONFIG,
                     "--%s: \"%s\" is no whole number from %" PRId64
                     " to %" PRId64,
                     flag_name(r->name, flag), text, r->min, r->max);
}

static enum err
read_row(const struct row *r, struct arena *a, const json_t *o,
         struct tenant_settings *out, struct fault *f)
{
    char *base = (char *)out + r->offset;
    const char *text = jsonx_text(o, r->name);
    struct fault inner;
    char flag[64];

    if (text == NULL) {
        return ERR_OK;
    }
    switch (r->kind) {
    case KEEP_DURATION:
        return read_duration(r, text, (int64_t *)(void *)base, f);
    case KEEP_NUMBER:
        return read_number(r, text, (int64_t *)(void *)base, f);
    default:
        break;
    }
    if (r->kind == KEEP_URL && http_check_url(text, &inner) != ERR_OK) {
        return fault_set(f, ERR_CONFIG, "--%s: %s", flag_name(r->name, flag),
                         inner.message);
    }
    *(const char **)(void *)base = arena_strdup(a, text);
    return ERR_OK;
}

static enum err
read_units(struct arena *a, const json_t *o, struct tenant_settings *out,
           struct fault *f)
{
    const json_t *list = json_object_get(o, "business_unit");
    size_t n = json_array_size(list);

    if (n == 0) {
        return ERR_OK;
    }
    out->business_units = arena_array(a, n + 1, sizeof(*out->business_units));
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (name == NULL || name[0] == '\0') {
            return fault_set(f, ERR_CONFIG, "--business-unit: a name is empty");
        }
        out->business_units[i] = arena_strdup(a, name);
    }
    return ERR_OK;
}

static enum err
read_since(const json_t *o, struct tenant_settings *out, struct fault *f)
{
    const char *text = jsonx_text(o, "since");

    if (text == NULL) {
        return ERR_OK;
    }
    if (time_parse(text, strlen(text), &out->since_us) != ERR_OK) {
        return fault_set(f, ERR_CONFIG,
                         "--since: \"%s\" is no date (2026-01-01) and no time "
                         "(2026-01-01T00:00:00Z)",
                         text);
    }
    return ERR_OK;
}

static enum err
read_tier(struct tenant_settings *out, struct fault *f)
{
    for (size_t i = 0; i < COUNT_OF(tiers); i++) {
        if (strcmp(tiers[i].name, out->hubspot_tier) != 0) {
            continue;
        }
        if (out->hubspot_limit == 0) {
            out->hubspot_limit = tiers[i].limit;
        }
        if (out->hubspot_daily_limit == 0) {
            out->hubspot_daily_limit = tiers[i].daily;
        }
        return ERR_OK;
    }
    return fault_set(f, ERR_CONFIG,
                     "--hubspot-tier: \"%s\" is not one of free, starter, "
                     "professional, enterprise",
                     out->hubspot_tier);
}

static bool
has_secret(const char *const *secrets, const char *name)
{
    for (size_t i = 0; secrets[i] != NULL; i++) {
        if (strcmp(secrets[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static enum err
need(bool there, const char *flag, const char *auth, struct fault *f)
{
    if (there) {
        return ERR_OK;
    }
    return fault_set(f, ERR_CONFIG,
                     "--%s is missing%s%s; see `ml-connector "
                     "tenant add --help`",
                     flag, auth != NULL ? ": needed with --fusion-auth " : "",
                     auth != NULL ? auth : "");
}

/* What each kind of authentication needs (machinery: tenant add requires). */
static enum err
check_auth(const struct tenant_settings *s, const char *const *secrets,
           struct fault *f)
{
    static const char *const none[] = {NULL};
    const char *a = s->fusion_auth;
    enum fusion_auth auth;
    bool jwt;

    if (!fusion_auth_parse(a, &auth)) {
        return fault_set(f, ERR_CONFIG,
                         "--fusion-auth: \"%s\" is not one of "
                         "client-credentials, jwt-assertion, basic",
                         a);
    }
    secrets = secrets != NULL ? secrets : none;
    if (auth == FUSION_BASIC) {
        enum err err = need(s->fusion_user != NULL, "fusion-user", a, f);

        return err != ERR_OK ? err :
                               need(has_secret(secrets, "fusion_password"),
                                    "fusion-password-file", a, f);
    }
    jwt = auth == FUSION_JWT_ASSERTION;
    if (need(s->fusion_token_url != NULL, "fusion-token-url", a, f) != ERR_OK ||
        need(s->fusion_client_id != NULL, "fusion-client-id", a, f) != ERR_OK ||
        need(s->fusion_scope != NULL, "fusion-scope", a, f) != ERR_OK ||
        need(!jwt || s->fusion_user != NULL, "fusion-user", a, f) != ERR_OK ||
        need(!jwt || s->fusion_key_id != NULL, "fusion-key-id", a, f) !=
            ERR_OK ||
        need(!jwt || has_secret(secrets, "fusion_private_key"),
             "fusion-private-key-file", a, f) != ERR_OK ||
        need(jwt || has_secret(secrets, "fusion_client_secret"),
             "fusion-client-secret-file", a, f) != ERR_OK) {
        return ERR_CONFIG;
    }
    return ERR_OK;
}

static enum err
check(const struct tenant_settings *s, const char *const *secrets,
      struct fault *f)
{
    static const char *const versions[] = {"2026-03", "2026-09", "v3"};
    bool known = false;

    if (need(s->fusion_url != NULL, "fusion-url", NULL, f) != ERR_OK) {
        return ERR_CONFIG;
    }
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        known = known || strcmp(versions[i], s->hubspot_api_version) == 0;
    }
    if (!known) {
        return fault_set(f, ERR_CONFIG,
                         "--hubspot-api-version: \"%s\" is not one of "
                         "2026-03, 2026-09, v3",
                         s->hubspot_api_version);
    }
    if (secrets == NULL) {
        return ERR_OK;
    }
    if (need(has_secret(secrets, "hubspot_token"), "hubspot-token-file", NULL,
             f) != ERR_OK) {
        return ERR_CONFIG;
    }
    return check_auth(s, secrets, f);
}

static enum err
read_all(struct arena *a, const json_t *o, struct tenant_settings *out,
         struct fault *f)
{
    const char *interval = jsonx_text(o, "interval");
    enum err err;

    if (interval != NULL) {
        struct row all = {"interval", KEEP_DURATION, 0, MINUTE, DAY};
        int64_t ms;

        err = read_duration(&all, interval, &ms, f);
        if (err != ERR_OK) {
            return err;
        }
        for (int k = 0; k < FEED_KINDS; k++) {
            out->interval_ms[k] = ms;
        }
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        err = read_row(&rows[i], a, o, out, f);
        if (err != ERR_OK) {
            return err;
        }
    }
    err = read_units(a, o, out, f);
    if (err == ERR_OK) {
        err = read_since(o, out, f);
    }
    return err == ERR_OK ? read_tier(out, f) : err;
}

enum err
tenant_settings_read(struct arena *a, const char *settings,
                     const char *const *secrets, struct tenant_settings *out,
                     struct fault *f)
{
    json_t *o = NULL;
    enum err err;

    *out = (struct tenant_settings){
        .fusion_auth = "client-credentials",
        .hubspot_url = "https://api.hubapi.com",
        .hubspot_tier = "starter",
        .hubspot_api_version = "2026-03",
        .interval_ms = {15 * MINUTE, 15 * MINUTE, 15 * MINUTE},
    };
    err = jsonx_parse(settings, strlen(settings), &o, f);
    if (err == ERR_OK) {
        err = read_all(a, o, out, f);
    }
    if (err == ERR_OK) {
        err = check(out, secrets, f);
    }
    json_decref(o);
    return err;
}

enum err
tenant_name_check(const char *name, struct fault *f)
{
    size_t n = strlen(name);
    bool fits = n >= 1 && n <= 63;

    for (size_t i = 0; i < n && fits; i++) {
        fits = (name[i] >= 'a' && name[i] <= 'z') ||
               (name[i] >= '0' && name[i] <= '9') || name[i] == '-';
    }
    if (!fits || name[0] == '-') {
        return fault_set(f, ERR_USAGE,
                         "\"%s\" is no tenant name: 1 to 63 of a-z, 0-9 and "
                         "-, not beginning with -",
                         name);
    }
    return ERR_OK;
}
