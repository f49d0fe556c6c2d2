/* SPDX-License-Identifier: UNLICENSED */
/*
 * What was found out about a pod, as the store keeps it for the tenant: flat
 * JSON, unknown members ignored, everything may be missing.
 *
 *   fusion_literal     0..3, the style of time literals
 *   fusion_zone_min    what is added to them, minutes
 *   fusion_calibrated  when both were last found to be right
 *   fusion_receipts    "A" stamps can be asked for, "B" newest first, "C" ids
 *   fusion_described   when the pod was last asked whether they can
 *   mapping_<feed>     what its mapping file was when all was last read
 *   polled_<feed>    true once a poll of the feed has come to its end
 *   crm_off_<part>   since when customers are composed without; null: paid
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

const char *const learned_debts[CRM_PARTS] = {
    [CRM_ORGS] = "crm_off_organizations",
    [CRM_PERSONS] = "crm_off_persons",
};

static void
learned_feeds(const json_t *tree, struct learned *l)
{
    struct fault ignored = {0};

    for (unsigned k = 0; k < FEED_KINDS; k++) {
        const char *name = feed_kind_name((enum feed_kind)k);
        char *key = mem_printf("polled_%s", name);
        const char *text = NULL;
        bool has = false;
        bool value = false;

        if (jsonx_get_bool(tree, key, &has, &value, &ignored) == ERR_OK) {
            l->polled[k] = has && value;
        }
        mem_free(key);
        key = mem_printf("mapping_%s", name);
        text = jsonx_text(tree, key);
        (void)snprintf(l->mapping[k], sizeof(l->mapping[k]), "%s",
                       text == NULL ? "" : text);
        mem_free(key);
    }
}

static void
learned_read(const json_t *tree, struct learned *l)
{
    struct fault ignored = {0};
    const char *receipts = NULL;
    int64_t n = 0;
    bool has = false;

    if (jsonx_get_int(tree, "fusion_literal", &has, &n, &ignored) == ERR_OK &&
        has && n >= 0 && n < FUSION_LITERALS) {
        l->has_literal = true;
        l->literal = (enum fusion_literal)n;
    }
    if (jsonx_get_int(tree, "fusion_zone_min", &has, &n, &ignored) == ERR_OK &&
        has && n >= -FUSION_ZONE_MAX && n <= FUSION_ZONE_MAX) {
        l->zone_min = (int)n;
    }
    if (jsonx_get_time(tree, "fusion_calibrated", &has, &n, &ignored) ==
            ERR_OK &&
        has && l->has_literal) {
        l->calibrated_us = n;
    }
    receipts = jsonx_text(tree, "fusion_receipts");
    if (receipts != NULL && strlen(receipts) == 1 &&
        strchr("ABC", receipts[0]) != NULL) {
        l->receipts = receipts[0];
    }
    if (jsonx_get_time(tree, "fusion_described", &has, &n, &ignored) ==
            ERR_OK &&
        has) {
        l->described_us = n;
    }
    learned_feeds(tree, l);
    for (unsigned part = 0; part < CRM_PARTS; part++) {
        l->owed[part] = jsonx_text(tree, learned_debts[part]) != NULL;
    }
}

void
learned_parse(const char *json, struct learned *l)
{
    struct fault ignored = {0};
    json_t *tree = NULL;

    memset(l, 0, sizeof(*l));
    if (json != NULL &&
        jsonx_parse(json, strlen(json), &tree, &ignored) == ERR_OK) {
        learned_read(tree, l);
        json_decref(tree);
    }
}

void
learned_refresh(struct feeds *f, enum feed_kind k, const json_t *tree)
{
    struct learned now;

    memset(&now, 0, sizeof(now));
    learned_read(tree, &now);
    memcpy(f->learned.mapping[k], now.mapping[k], sizeof(now.mapping[k]));
    if (k == FEED_CUSTOMERS) {
        memcpy(f->learned.owed, now.owed, sizeof(now.owed));
    }
}
