/* SPDX-License-Identifier: UNLICENSED */
/*
 * The clients of one tenant, made from its row: secrets are opened for the
 * client's own copy and wiped here at once.
 */
#include "tenant_priv.h"

#include <string.h>

static enum err
unseal(const struct vault *v, const struct store_tenant *row, const char *field,
       struct secret **out, struct fault *f)
{
    json_t *o = NULL;
    const char *sealed;
    enum err err = jsonx_parse(row->sealed, strlen(row->sealed), &o, f);

    *out = NULL;
    if (err != ERR_OK) {
        return err;
    }
    sealed = jsonx_text(o, field);
    if (sealed != NULL) {
        err = vault_unseal(v, row->name, field, sealed, out, f);
    }
    json_decref(o);
    return err;
}

bool
tenant_opens(const struct vault *v, const struct store_tenant *row,
             struct fault *f)
{
    json_t *o = NULL, *value;
    const char *field;
    enum err err = jsonx_parse(row->sealed, strlen(row->sealed), &o, f);

    json_object_foreach(o, field, value)
    {
        struct secret *plain = NULL;

        if (err == ERR_OK && json_is_string(value)) {
            err = vault_unseal(v, row->name, field, json_string_value(value),
                               &plain, f);
        }
        secret_free(plain);
    }
    json_decref(o);
    return err == ERR_OK;
}

enum err
tenant_hubspot(struct loop *l, struct http *h, const struct vault *v,
               const struct conf *c, const struct store_tenant *row,
               struct hubspot **out, struct fault *f)
{
    struct tenant_settings s;
    struct secret *token = NULL;
    struct arena a;
    enum err err;

    *out = NULL;
    arena_init(&a);
    err = tenant_settings_read(&a, row->settings, NULL, &s, f);
    if (err == ERR_OK) {
        err = unseal(v, row, "hubspot_token", &token, f);
    }
    if (err == ERR_OK && token == NULL) {
        err = fault_set(f, ERR_CONFIG,
                        "tenant %s has no HubSpot token: `ml-connector tenant "
                        "set %s --hubspot-token-file FILE`",
                        row->name, row->name);
    }
    if (err == ERR_OK) {
        struct hubspot_config config = {.base_url = s.hubspot_url,
                                        .api_version = s.hubspot_api_version,
                                        .token = token,
                                        .timeout_ms = c->hubspot_timeout,
                                        .tenant = row->name};

        *out = hubspot_new(l, h, &config);
    }
    secret_free(token);
    arena_fini(&a);
    return err;
}

static enum fusion_literal
learned_literal(const struct store_tenant *row)
{
    enum fusion_literal literal = FUSION_LITERAL_ISO_QUOTED;
    struct fault ignored;
    json_t *o = NULL;
    int64_t n = 0;
    bool has = false;

    if (jsonx_parse(row->learned, strlen(row->learned), &o, &ignored) ==
            ERR_OK &&
        jsonx_get_int(o, "literal", &has, &n, &ignored) == ERR_OK && has &&
        n >= 0 && n < FUSION_LITERALS) {
        literal = (enum fusion_literal)n;
    }
    json_decref(o);
    return literal;
}

enum err
tenant_fusion(struct loop *l, struct http *h, const struct vault *v,
              const struct conf *c, const struct store_tenant *row,
              struct fusion **out, struct fault *f)
{
    struct tenant_settings s;
    struct secret *client = NULL, *password = NULL, *key = NULL;
    struct fusion_config config = {.tenant = row->name};
    struct arena a;
    enum err err;

    *out = NULL;
    arena_init(&a);
    err = tenant_settings_read(&a, row->settings, NULL, &s, f);
    if (err == ERR_OK) {
        err = unseal(v, row, "fusion_client_secret", &client, f);
    }
    if (err == ERR_OK) {
        err = unseal(v, row, "fusion_password", &password, f);
    }
    if (err == ERR_OK) {
        err = unseal(v, row, "fusion_private_key", &key, f);
    }
    if (err == ERR_OK && fusion_auth_parse(s.fusion_auth, &config.auth)) {
        config.base_url = s.fusion_url;
        config.token_url = s.fusion_token_url;
        config.client_id = s.fusion_client_id;
        config.scope = s.fusion_scope;
        config.user = s.fusion_user;
        config.key_id = s.fusion_key_id;
        config.client_secret = client;
        config.password = password;
        config.private_key = key;
        config.framework_version = (int)c->fusion_version;
        config.timeout_ms = c->fusion_timeout;
        config.parallel = (unsigned)c->fusion_parallel;
        config.literal = learned_literal(row);
        *out = fusion_new(l, h, &config);
    }
    secret_free(client);
    secret_free(password);
    secret_free(key);
    arena_fini(&a);
    return err;
}

struct store_lessee
tenant_lessee(const struct conf *c, const char *worker)
{
    return (struct store_lessee){.worker = worker,
                                 .ttl_ms = c->lease_ttl,
                                 .window_ms = c->hubspot_window};
}

struct dispatch_config
tenant_dispatch_config(const struct conf *c, const struct tenant_settings *s,
                       const char *portal, const char *worker)
{
    struct dispatch_config d = {
        .portal = portal,
        .worker = worker,
        .limit = (unsigned)s->hubspot_limit,
        .window_ms = c->hubspot_window,
        .linger_ms = c->hubspot_linger,
        .linger_busy_ms = c->hubspot_linger_busy,
        .cutoff_ms = c->hubspot_cutoff,
        .pace_percent = (unsigned)c->hubspot_pace,
        .depth = (unsigned)c->hubspot_depth,
        .retry_base_ms = c->retry_base,
        .retry_cap_ms = c->retry_cap,
        .retry_attempts = (unsigned)c->retry_attempts,
        .jobs_max = (unsigned)c->jobs_in_memory,
        .creates = c->hubspot_create != 0,
        .daily_limit = s->hubspot_daily_limit,
        .quota_backfill = (unsigned)c->quota_backfill,
        .quota_retry = (unsigned)c->quota_retry,
        .quota_save_ms = c->quota_save,
        .shares = {[WORK_FRESH] = (unsigned)c->share_fresh,
                   [WORK_RETRY] = (unsigned)c->share_retry,
                   [WORK_REPLAY] = (unsigned)c->share_replay,
                   [WORK_BACKFILL] = (unsigned)c->share_backfill,
                   [WORK_RECONCILE] = (unsigned)c->share_reconcile},
    };

    return d;
}

struct feeds_config
tenant_feeds_config(const struct conf *c, const struct tenant_settings *s,
                    const struct store_tenant *row, const char *worker)
{
    struct feeds_config config = {
        .tenant = row->id,
        .name = row->name,
        .worker = worker,
        .since_us = s->since_us,
        .overlap_ms = c->fusion_overlap,
        .wide_ms = c->fusion_overlap_daily,
        .daily_ms = c->fusion_daily,
        .open_age_ms = c->fusion_open_age,
        .behind_ms = c->fusion_behind,
        .page = (unsigned)c->fusion_page,
        .retry_base_ms = c->retry_base,
        .retry_cap_ms = c->retry_cap,
        .ceiling = c->change_ceiling,
        .ceiling_factor = c->change_factor,
        .learned = row->learned,
    };

    memcpy(config.interval_ms, s->interval_ms, sizeof(config.interval_ms));
    return config;
}
