/* SPDX-License-Identifier: UNLICENSED */
/*
 * Names and places: what the verbs are called, how many inputs one call takes,
 * and under which path an API version keeps a family of calls. Versions that
 * are dates share one pattern; v3 keeps its associations under v4.
 */
#include "hubspot_priv.h"

#include <string.h>

const char *
hubspot_verb_name(enum hubspot_verb v)
{
    static const char *const names[HUBSPOT_VERBS] = {
        [HUBSPOT_UPSERT] = "upsert",       [HUBSPOT_UPDATE] = "update",
        [HUBSPOT_READ] = "read",           [HUBSPOT_ARCHIVE] = "archive",
        [HUBSPOT_ASSOCIATE] = "associate", [HUBSPOT_DISSOCIATE] = "dissociate",
        [HUBSPOT_CREATE] = "create",       [HUBSPOT_JOINED] = "joined"};

    ML_ASSERT((unsigned)v < HUBSPOT_VERBS);
    return names[v];
}

bool
hubspot_reads(enum hubspot_verb v)
{
    return v == HUBSPOT_READ || v == HUBSPOT_JOINED;
}

size_t
hubspot_batch_max(enum hubspot_verb v)
{
    ML_ASSERT((unsigned)v < HUBSPOT_VERBS);
    return v == HUBSPOT_ASSOCIATE ? 2000 : 100;
}

bool
hubspot_writes_object(enum hubspot_verb v)
{
    return v == HUBSPOT_UPSERT || v == HUBSPOT_UPDATE || v == HUBSPOT_CREATE;
}

bool
hubspot_is_association(enum hubspot_verb v)
{
    return v == HUBSPOT_ASSOCIATE || v == HUBSPOT_DISSOCIATE;
}

void
hubspot_prefix(struct buf *b, enum hubspot_family f, const char *version)
{
    static const char *const families[] = {[HUBSPOT_OBJECTS] = "objects",
                                           [HUBSPOT_ASSOCIATIONS] =
                                               "associations",
                                           [HUBSPOT_PROPERTIES] = "properties"};

    if (strcmp(version, "v3") != 0) {
        buf_addf(b, "/crm/%s/%s", families[f], version);
    } else {
        buf_addf(b, "/crm/%s/%s", f == HUBSPOT_ASSOCIATIONS ? "v4" : "v3",
                 families[f]);
    }
}

void
hubspot_properties_path(struct buf *out, const char *api_version,
                        enum map_object o)
{
    hubspot_prefix(out, HUBSPOT_PROPERTIES, api_version);
    buf_addf(out, "/%s", map_object_name(o));
}

const struct map_association *
hubspot_pair(enum map_object from, enum map_object to)
{
    size_t n;
    const struct map_association *pairs = map_associations(&n);

    for (size_t i = 0; i < n; i++) {
        if (pairs[i].from == from && pairs[i].to == to) {
            return &pairs[i];
        }
    }
    return NULL;
}

bool
hubspot_seen_from(enum map_object from, enum map_object to,
                  struct map_association *out)
{
    const struct map_association *pair = hubspot_pair(from, to);

    if (pair != NULL) {
        *out = *pair;
        return true;
    }
    pair = hubspot_pair(to, from);
    if (pair == NULL) {
        return false;
    }
    *out = (struct map_association){.from = from, .to = to};
    for (size_t k = 0; k < COUNT_OF(out->types); k++) {
        out->types[k] = pair->inverse[k];
        out->inverse[k] = pair->types[k];
    }
    return true;
}
