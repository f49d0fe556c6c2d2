/* SPDX-License-Identifier: UNLICENSED */
/*
 * The switches of a pod: numbers by name from fusion_switch.def, and one text,
 * the business unit whose rows the login may not see.
 */
#include "fusion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int64_t value;
} table[SW_COUNT] = {
#define SW(name, value, text) {#name, value},
#include "fusion_switch.def"
#undef SW
};

void
switches_default(struct pod *pod)
{
    for (size_t i = 0; i < SW_COUNT; i++) {
        pod->sw[i] = table[i].value;
    }
    pod->hidden_unit[0] = 0;
}

bool
switch_is_good(const char *name, const char *value)
{
    char *end = NULL;

    (void)strtoll(value, &end, 10);
    for (size_t i = 0; i < SW_COUNT; i++) {
        if (strcmp(name, table[i].name) == 0) {
            return *value != 0 && *end == 0;
        }
    }
    return strcmp(name, "hidden_business_unit") == 0;
}

bool
switch_set(struct pod *pod, const char *name, const char *value)
{
    char *end = NULL;
    long long n = strtoll(value, &end, 10);

    if (strcmp(name, "hidden_business_unit") == 0) {
        (void)snprintf(pod->hidden_unit, sizeof(pod->hidden_unit), "%s", value);
        return true;
    }
    for (size_t i = 0; i < SW_COUNT; i++) {
        if (strcmp(name, table[i].name) == 0 && *value != 0 && *end == 0) {
            pod->sw[i] = n;
            if (i == SW_payments_bump_invoice && pod->w != NULL) {
                pod->w->payments_bump = n != 0;
            }
            return true;
        }
    }
    return false;
}

json_t *
switches_json(const struct pod *pod)
{
    json_t *out = json_object();

    for (size_t i = 0; i < SW_COUNT; i++) {
        (void)json_object_set_new(out, table[i].name, json_integer(pod->sw[i]));
    }
    (void)json_object_set_new(out, "hidden_business_unit",
                              json_string(pod->hidden_unit));
    return out;
}
