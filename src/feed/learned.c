/* SPDX-License-Identifier: UNLICENSED */
/*
 * What was found out about a pod, as the store keeps it for the tenant: flat
 * JSON, unknown members ignored, everything may be missing.
 *
 *   fusion_literal   0..3, the style of time literals
 *   fusion_receipts  "A" stamps can be asked for, "B" newest first
 *   polled_<feed>    true once a poll of the feed has come to its end
 *   crm_off_<part>   since when customers are composed without; null: paid
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <string.h>

const char *const learned_debts[CRM_PARTS] = {
    [CRM_ORGS] = "crm_off_organizations",
    [CRM_PERSONS] = "crm_off_persons",
};

void
learned_parse(const char *json, struct learned *l)
{
    json_t *tree = NULL;
    struct fault ignored = {0};
    const char *receipts = NULL;
    int64_t n = 0;
    bool has = false;

    memset(l, 0, sizeof(*l));
    if (json == NULL ||
        jsonx_parse(json, strlen(json), &tree, &ignored) != ERR_OK) {
        return;
    }
    if (jsonx_get_int(tree, "fusion_literal", &has, &n, &ignored) == ERR_OK &&
        has && n >= 0 && n < FUSION_LITERALS) {
        l->has_literal = true;
        l->literal = (enum fusion_literal)n;
    }
    receipts = jsonx_text(tree, "fusion_receipts");
    if (text_equal(receipts, "A") || text_equal(receipts, "B")) {
        l->receipts = receipts[0];
    }
    for (unsigned k = 0; k < FEED_KINDS; k++) {
        char *key = mem_printf("polled_%s", feed_kind_name((enum feed_kind)k));
        bool value = false;

        if (jsonx_get_bool(tree, key, &has, &value, &ignored) == ERR_OK) {
            l->polled[k] = has && value;
        }
        mem_free(key);
    }
    for (unsigned part = 0; part < CRM_PARTS; part++) {
        l->owed[part] = jsonx_text(tree, learned_debts[part]) != NULL;
    }
    json_decref(tree);
}
