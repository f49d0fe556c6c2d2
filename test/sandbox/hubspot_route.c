/* SPDX-License-Identifier: UNLICENSED */
/*
 * Which call a method and path are. The families' prefixes in all versions are
 * taken off first, so that one table serves v3, v4, 2026-03 and 2026-09.
 *
 * In a pattern T is an object type, * anything, all else itself; rows are
 * tried in order, literals stand before wildcards.
 */
#include "hubspot.h"

#include <stdio.h>
#include <string.h>

enum { SEGMENTS_MAX = 10 };

static const struct hub_route_row rows[] = {
    {"objects", "POST", "T/search", "search", object_search, ACCESS_READ},
    {"objects", "POST", "T/merge", "merge", object_merge, ACCESS_WRITE},
    {"objects", "POST", "T/gdpr-delete", "gdpr_delete", object_gdpr_delete,
     ACCESS_WRITE},
    {"objects", "POST", "T/batch/create", "batch_create", batch_create,
     ACCESS_WRITE},
    {"objects", "POST", "T/batch/read", "batch_read", batch_read, ACCESS_READ},
    {"objects", "POST", "T/batch/update", "batch_update", batch_update,
     ACCESS_WRITE},
    {"objects", "POST", "T/batch/upsert", "batch_upsert", batch_upsert,
     ACCESS_WRITE},
    {"objects", "POST", "T/batch/archive", "batch_archive", batch_archive,
     ACCESS_WRITE},
    {"objects", "GET", "T", "list", object_list, ACCESS_READ},
    {"objects", "POST", "T", "create", object_create, ACCESS_WRITE},
    {"objects", "GET", "T/*", "read", object_read, ACCESS_READ},
    {"objects", "PATCH", "T/*", "update", object_update, ACCESS_WRITE},
    {"objects", "DELETE", "T/*", "archive", object_archive, ACCESS_WRITE},
    {"objects", "PUT", "T/*/associations/default/T/*", "association_default",
     assoc_put_default, ACCESS_WRITE},
    {"objects", "PUT", "T/*/associations/T/*", "association_put", assoc_put,
     ACCESS_WRITE},
    {"objects", "DELETE", "T/*/associations/T/*", "association_delete",
     assoc_delete, ACCESS_WRITE},
    {"objects", "GET", "T/*/associations/T", "association_list", assoc_list,
     ACCESS_READ},
    {"associations", "POST", "T/T/batch/create", "batch_create",
     assoc_batch_create, ACCESS_WRITE},
    {"associations", "POST", "T/T/batch/associate/default", "batch_default",
     assoc_batch_default, ACCESS_WRITE},
    {"associations", "POST", "T/T/batch/read", "batch_read", assoc_batch_read,
     ACCESS_READ},
    {"associations", "POST", "T/T/batch/archive", "batch_archive",
     assoc_batch_archive, ACCESS_WRITE},
    {"associations", "POST", "T/T/batch/labels/archive", "batch_labels_archive",
     assoc_batch_labels, ACCESS_WRITE},
    {"associations", "GET", "T/T/labels", "labels", assoc_labels, ACCESS_READ},
    {"properties", "POST", "T/batch/create", "batch_create", props_batch_create,
     ACCESS_WRITE},
    {"properties", "POST", "T/batch/read", "batch_read", props_batch_read,
     ACCESS_READ},
    {"properties", "POST", "T/batch/archive", "batch_archive",
     props_batch_archive, ACCESS_WRITE},
    {"properties", "GET", "T/groups", "groups", groups_list, ACCESS_READ},
    {"properties", "POST", "T/groups", "group_create", groups_create,
     ACCESS_WRITE},
    {"properties", "GET", "T/groups/*", "group_read", groups_read, ACCESS_READ},
    {"properties", "PATCH", "T/groups/*", "group_update", groups_update,
     ACCESS_WRITE},
    {"properties", "DELETE", "T/groups/*", "group_archive", groups_archive,
     ACCESS_WRITE},
    {"properties", "GET", "T", "list", props_list, ACCESS_READ},
    {"properties", "POST", "T", "create", props_create, ACCESS_WRITE},
    {"properties", "GET", "T/*", "read", props_read, ACCESS_READ},
    {"properties", "PATCH", "T/*", "update", props_update, ACCESS_WRITE},
    {"properties", "DELETE", "T/*", "archive", props_archive, ACCESS_WRITE},
    {"account", "GET", "details", "details", account_details, ACCESS_NONE},
    {"account", "GET", "api-usage/daily/private-apps", "usage", account_usage,
     ACCESS_NONE},
    {"oauth", "POST", "private-apps/get/access-token-info", "token_info",
     account_token, ACCESS_NONE},
    {"currencies", "GET", "codes", "codes", account_currencies, ACCESS_NONE},
    {"currencies", "GET", "company-currency", "company", account_currency,
     ACCESS_NONE},
    {"currencies", "GET", "exchange-rates", "rates", account_rates,
     ACCESS_NONE},
    {"currencies", "GET", "exchange-rates/current", "rates", account_rates,
     ACCESS_NONE},
};

struct cut {
    const char *seg[SEGMENTS_MAX];
    size_t n;
    const char *family;
    size_t from; /* first segment after family and version */
};

static bool
cut_path(char *path, struct cut *out)
{
    char *s = path;

    out->n = 0;
    while (*s == '/') {
        *s++ = '\0';
        if (*s == '\0') {
            break;
        }
        if (out->n == SEGMENTS_MAX) {
            return false;
        }
        out->seg[out->n++] = s;
        s += strcspn(s, "/");
    }
    return out->n > 1;
}

static bool
version_of(const char *s, enum hub_version *v)
{
    static const char *const names[] = {"v3", "v4", "2026-03", "2026-09"};
    size_t i;

    for (i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(s, names[i]) == 0) {
            *v = (enum hub_version)i;
            return true;
        }
    }
    return false;
}

/* /first/{version}/family/..., /first/family/{version}/... */
static bool
family_crm(struct cut *k, enum hub_version *v)
{
    static const char *const families[] = {"objects", "associations",
                                           "properties", "currencies"};
    size_t i, at;

    if (k->n < 3) {
        return false;
    }
    at = version_of(k->seg[1], v) ? 2 : 1;
    if (at == 1 && !version_of(k->seg[2], v)) {
        return false;
    }
    for (i = 0; i < COUNT_OF(families); i++) {
        if (strcmp(k->seg[at], families[i]) == 0) {
            k->family = families[i];
            k->from = 3;
            return true;
        }
    }
    return false;
}

static bool
family_find(struct cut *k, enum hub_version *v)
{
    if (strcmp(k->seg[0], "crm") == 0 || strcmp(k->seg[0], "settings") == 0) {
        return family_crm(k, v);
    }
    k->from = 2;
    if (strcmp(k->seg[0], "account-info") == 0 && version_of(k->seg[1], v)) {
        k->family = "account";
        return true;
    }
    k->family = "oauth";
    return strcmp(k->seg[0], "oauth") == 0;
}

/* One segment against one piece of a pattern. */
static bool
piece_matches(struct hub_route *out, const char *piece, size_t n,
              const char *seg, size_t *args)
{
    enum hub_type type;

    if (n == 1 && piece[0] == '*') {
        out->arg[(*args)++] = seg;
        return true;
    }
    if (n != 1 || piece[0] != 'T') {
        return strlen(seg) == n && strncmp(seg, piece, n) == 0;
    }
    type = hub_type_of(seg);
    if (type == HUB_TYPES) {
        out->wrong_type = seg;
    } else if (out->type == HUB_TYPES) {
        out->type = type;
    } else {
        out->to = type;
    }
    return true;
}

static bool
pattern_matches(struct hub_route *out, const char *pattern, const struct cut *k)
{
    size_t i = k->from, args = 0, n;

    out->type = out->to = HUB_TYPES;
    out->wrong_type = NULL;
    out->arg[0] = out->arg[1] = NULL;
    for (; *pattern != '\0'; pattern += n + (pattern[n] == '/')) {
        n = strcspn(pattern, "/");
        if (i == k->n || !piece_matches(out, pattern, n, k->seg[i++], &args)) {
            return false;
        }
    }
    return i == k->n;
}

static const char *
operation_name(struct hubspot_sim *s, const struct hub_route *out,
               const char *family)
{
    const char *first =
        out->type != HUB_TYPES && strcmp(family, "objects") == 0 ?
            hub_types[out->type].name :
            family;
    char name[96];
    char *have;

    snprintf(name, sizeof(name), "%s.%s", first, out->row->operation);
    have = map_get(&s->operations, name);
    if (have == NULL) {
        have = mem_strdup(name);
        map_put(&s->operations, name, have);
    }
    return have;
}

void
hub_route_find(struct hubspot_sim *s, const struct sim_request *r,
               struct hub_route *out)
{
    struct cut k = {.n = 0};
    size_t i;

    *out = (struct hub_route){.row = NULL,
                              .type = HUB_TYPES,
                              .to = HUB_TYPES,
                              .operation = "unknown"};
    snprintf(out->path, sizeof(out->path), "%s", r->path);
    if (!cut_path(out->path, &k) || !family_find(&k, &out->version)) {
        return;
    }
    for (i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].family, k.family) != 0 ||
            !pattern_matches(out, rows[i].pattern, &k)) {
            continue;
        }
        if (strcmp(rows[i].method, r->method) == 0) {
            out->row = &rows[i];
            out->operation = operation_name(s, out, k.family);
            return;
        }
        out->other_method = true;
    }
}
