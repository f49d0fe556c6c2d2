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
    pod_flags(pod);
}

void
pod_flags(struct pod *pod)
{
    const int64_t *on = pod->sw;

    if (pod->w != NULL) {
        pod->w->payments_bump = on[SW_payments_bump_invoice] != 0;
        pod->w->receipts_bump = on[SW_applications_bump_receipt] != 0;
        pod->w->lines_bump = on[SW_lines_bump_invoice] != 0;
    }
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
            pod_flags(pod);
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

static void
take_parameter(void *arg, const char *name, const char *value)
{
    if (strcmp(name, "reset") != 0 && strcmp(name, "age_s") != 0) {
        (void)json_object_set_new(arg, name,
                                  json_string(value != NULL ? value : ""));
    }
}

json_t *
switches_wanted(const struct sim_request *r)
{
    json_t *body = json_loadb(r->body, r->body_len, 0, NULL);
    json_t *all = json_object();
    const char *name = NULL;
    json_t *v = NULL;

    sim_query_each(r, take_parameter, all);
    json_object_foreach(body, name, v)
    {
        (void)json_object_set_new(
            all, name,
            json_is_string(v) ?
                json_incref(v) :
                json_sprintf("%lld", json_is_true(v) ?
                                         1LL :
                                         (long long)json_integer_value(v)));
    }
    json_decref(body);
    return all;
}
