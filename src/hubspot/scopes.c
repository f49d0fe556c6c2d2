/* SPDX-License-Identifier: UNLICENSED */
/*
 * What the token must be allowed to do, compared with what HubSpot says it may
 * do.
 *
 * Line items have no schema scope for writing: creating their properties takes
 * e-commerce. Newer versions of the API name e-commerce and the scopes of line
 * items together, so that both are asked for.
 */
#include "hubspot_priv.h"

#include <string.h>

#define OBJECT_SCOPES(name)                                                    \
    "crm.objects." name ".read", "crm.objects." name ".write",                 \
        "crm.schemas." name ".read", "crm.schemas." name ".write"

static const char *const needed[] = {OBJECT_SCOPES("companies"),
                                     OBJECT_SCOPES("contacts"),
                                     OBJECT_SCOPES("invoices"),
                                     "crm.objects.line_items.read",
                                     "crm.objects.line_items.write",
                                     "crm.schemas.line_items.read",
                                     "e-commerce",
                                     OBJECT_SCOPES("commercepayments")};

static bool
has_scope(const json_t *scopes, const char *name)
{
    for (size_t i = 0; i < json_array_size(scopes); i++) {
        if (text_equal(json_string_value(json_array_get(scopes, i)), name)) {
            return true;
        }
    }
    return false;
}

/* Adds the whole name or nothing; gives the new length. */
static size_t
add_name(char *out, size_t size, size_t at, const char *name)
{
    const char *comma = at > 0 ? ", " : "";
    size_t n = strlen(comma) + strlen(name);

    if (n >= size - at) {
        return at;
    }
    memcpy(out + at, comma, strlen(comma));
    memcpy(out + at + strlen(comma), name, strlen(name) + 1);
    return at + n;
}

size_t
hubspot_missing_scopes(const json_t *token_info, char *out, size_t size)
{
    const json_t *scopes = json_object_get(token_info, "scopes");
    size_t missing = 0;
    size_t at = 0;

    ML_ASSERT(out != NULL && size > 0);
    out[0] = '\0';
    if (!json_is_array(scopes)) {
        return HUBSPOT_SCOPES_UNTOLD;
    }
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        if (!has_scope(scopes, needed[i])) {
            missing++;
            at = add_name(out, size, at, needed[i]);
        }
    }
    return missing;
}
