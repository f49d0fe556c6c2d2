/* SPDX-License-Identifier: UNLICENSED */
/*
 * No key is in two requests at once, nor twice in one.
 *
 * Two writes of one new key that meet at HubSpot may make two objects, and a
 * batch that names one id twice is refused whole. Several tenants of a portal
 * may mean the same object, several contacts of ours the same one of HubSpot's.
 * A key is taken when its need enters a batch and comes back with the batch;
 * who wants it meanwhile stays in its lane. Associations may be repeated and
 * have none.
 */
#include "dispatch_priv.h"

#include <stdio.h>

enum { KEY_MAX = 320 };

/* "k2:300100": by our key, or by HubSpot's id; false: it needs none. */
static bool
key_name(const struct need *n, char out[KEY_MAX])
{
    enum map_object o = lane_object(n->lane);

    switch (lane_verb(n->lane)) {
    case HUBSPOT_UPSERT:
    case HUBSPOT_CREATE:
        (void)snprintf(out, KEY_MAX, "k%d:%s", (int)o, n->id);
        return true;
    case HUBSPOT_UPDATE:
    case HUBSPOT_ARCHIVE:
        (void)snprintf(out, KEY_MAX, "i%d:%s", (int)o, n->id);
        return true;
    case HUBSPOT_READ:
    case HUBSPOT_JOINED:
        (void)snprintf(out, KEY_MAX, "r%u:%s", n->lane, n->id);
        return true;
    case HUBSPOT_ASSOCIATE:
    case HUBSPOT_DISSOCIATE:
    case HUBSPOT_VERBS:
        break;
    }
    return false;
}

bool
key_take(struct dispatch *d, struct need *n)
{
    char key[KEY_MAX];

    ML_ASSERT(!n->keyed);
    if (!key_name(n, key)) {
        return true;
    }
    if (map_get(&d->keys, key) != NULL) {
        return false;
    }
    (void)map_put(&d->keys, key, n);
    n->keyed = true;
    return true;
}

void
key_give(struct dispatch *d, struct need *n)
{
    char key[KEY_MAX];

    if (n->keyed && key_name(n, key)) {
        (void)map_del(&d->keys, key);
        n->keyed = false;
        d->keys_given++;
    }
}
