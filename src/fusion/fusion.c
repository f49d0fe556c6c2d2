/* SPDX-License-Identifier: UNLICENSED */
/*
 * The pod of one tenant: its settings, its queue of calls, its operations.
 * Owns copies of all settings; secrets are wiped at the end. Loop and http are
 * borrowed. Freeing cancels what is under way, silently.
 */
#include "fusion_priv.h"
#include "op.h"

#include <stdio.h>
#include <string.h>

static const char *const auth_names[] = {
    [FUSION_CLIENT_CREDENTIALS] = "client-credentials",
    [FUSION_JWT_ASSERTION] = "jwt-assertion",
    [FUSION_BASIC] = "basic",
};

bool
fusion_auth_parse(const char *s, enum fusion_auth *a)
{
    for (size_t i = 0; i < COUNT_OF(auth_names); i++) {
        if (text_equal(s, auth_names[i])) {
            *a = (enum fusion_auth)i;
            return true;
        }
    }
    return false;
}

struct url_style
fusion_style(const struct fusion *f)
{
    return (struct url_style){
        .base = f->base_url,
        .version = f->version,
        .literal = f->literal,
        .zone = f->zone,
    };
}

void
fusion_hide(const struct fusion *f, struct answer *a)
{
    a->hide[0] = f->token.bearer;
    a->hide[1] = f->client_secret;
    a->hide[2] = f->password;
    a->hide[3] = NULL;
}

struct fusion *
fusion_new(struct loop *l, struct http *h, const struct fusion_config *c)
{
    struct fusion *f = MEM_NEW(struct fusion);

    f->magic = MAGIC_FUSION;
    f->loop = l;
    f->http = h;
    f->tenant = mem_strdup(c->tenant);
    f->base_url = mem_strdup(c->base_url);
    f->token_url = mem_strdup(c->token_url == NULL ? "" : c->token_url);
    f->client_id = mem_strdup(c->client_id == NULL ? "" : c->client_id);
    f->scope = mem_strdup(c->scope);
    f->user = mem_strdup(c->user);
    f->key_id = mem_strdup(c->key_id);
    f->auth = c->auth;
    f->client_secret = secret_dup(c->client_secret);
    f->password = secret_dup(c->password);
    f->private_key = secret_dup(c->private_key);
    f->version = c->framework_version > 0 ? c->framework_version : 4;
    (void)snprintf(f->version_header, sizeof(f->version_header),
                   "REST-Framework-Version: %d", f->version);
    f->timeout_ms = c->timeout_ms;
    f->parallel = c->parallel > 0 ? c->parallel : 1;
    f->literal = c->literal;
    list_init(&f->waiting);
    list_init(&f->token_wait);
    list_init(&f->sent);
    list_init(&f->ended);
    list_init(&f->ops);
    return f;
}

void
fusion_free(struct fusion *f)
{
    struct list *item = NULL;

    if (f == NULL) {
        return;
    }
    ML_ASSERT(f->magic == MAGIC_FUSION);
    while ((item = list_first(&f->ops)) != NULL) {
        fusion_cancel(CONTAINER_OF(item, struct fusion_op, link));
    }
    token_fini(f);
    loop_call_cancel(&f->run);
    secret_free(f->client_secret);
    secret_free(f->password);
    secret_free(f->private_key);
    mem_free(f->tenant);
    mem_free(f->base_url);
    mem_free(f->token_url);
    mem_free(f->client_id);
    mem_free(f->scope);
    mem_free(f->user);
    mem_free(f->key_id);
    f->magic = 0;
    mem_free(f);
}

void
fusion_set_literal(struct fusion *f, enum fusion_literal literal)
{
    ML_ASSERT(literal >= 0 && literal < FUSION_LITERALS);
    f->literal = literal;
}

enum fusion_literal
fusion_get_literal(const struct fusion *f)
{
    return f->literal;
}

void
fusion_set_zone(struct fusion *f, int minutes)
{
    ML_ASSERT(minutes >= -FUSION_ZONE_MAX && minutes <= FUSION_ZONE_MAX);
    f->zone = minutes;
}

int
fusion_get_zone(const struct fusion *f)
{
    return f->zone;
}

uint64_t
fusion_requests(const struct fusion *f)
{
    return f->requests;
}
