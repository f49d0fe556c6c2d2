/* SPDX-License-Identifier: UNLICENSED */
/*
 * The scopes of a token compared with those the connector needs: all of them,
 * each left out in turn, and answers that tell nothing.
 */
#include "fix.h"

static const char *const all[] = {
    "crm.objects.companies.read",        "crm.objects.companies.write",
    "crm.schemas.companies.read",        "crm.schemas.companies.write",
    "crm.objects.contacts.read",         "crm.objects.contacts.write",
    "crm.schemas.contacts.read",         "crm.schemas.contacts.write",
    "crm.objects.invoices.read",         "crm.objects.invoices.write",
    "crm.schemas.invoices.read",         "crm.schemas.invoices.write",
    "crm.objects.line_items.read",       "crm.objects.line_items.write",
    "crm.schemas.line_items.read",       "e-commerce",
    "crm.objects.commercepayments.read", "crm.objects.commercepayments.write",
    "crm.schemas.commercepayments.read", "crm.schemas.commercepayments.write"};

/* A token of all scopes but two; COUNT_OF(all): but none. */
static json_t *
token_without(size_t one, size_t two)
{
    json_t *scopes = json_array();

    (void)json_array_append_new(scopes, json_string("oauth"));
    for (size_t i = COUNT_OF(all); i-- > 0;) {
        if (i != one && i != two) {
            (void)json_array_append_new(scopes, json_string(all[i]));
        }
    }
    return json_pack("{s:i,s:o}", "hubId", 1, "scopes", scopes);
}

TEST(a_token_of_all_scopes_lacks_none)
{
    char out[HUBSPOT_SCOPES_TEXT] = "x";
    json_t *info = token_without(COUNT_OF(all), COUNT_OF(all));

    EQ_UINT(hubspot_missing_scopes(info, out, sizeof(out)), 0);
    EQ_STR(out, "");
    json_decref(info);
}

TEST(each_scope_that_is_missing_is_named)
{
    char out[HUBSPOT_SCOPES_TEXT];

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        json_t *info = token_without(i, i);

        EQ_UINT(hubspot_missing_scopes(info, out, sizeof(out)), 1);
        EQ_STR(out, all[i]);
        json_decref(info);
    }
}

TEST(two_missing_scopes_are_parted_by_commas)
{
    char out[HUBSPOT_SCOPES_TEXT];
    json_t *info = token_without(9, 15);

    EQ_UINT(hubspot_missing_scopes(info, out, sizeof(out)), 2);
    EQ_STR(out, "crm.objects.invoices.write, e-commerce");
    json_decref(info);
}

TEST(a_token_of_no_scopes_lacks_all_and_all_fit)
{
    static const char last[] = ", crm.schemas.commercepayments.write";
    char out[HUBSPOT_SCOPES_TEXT];
    json_t *info = json_pack("{s:[s,i,n]}", "scopes", "CRM.objects", 1);

    EQ_UINT(hubspot_missing_scopes(info, out, sizeof(out)), COUNT_OF(all));
    IS(strlen(out) > strlen(last));
    EQ_STR(out + strlen(out) - strlen(last), last);
    json_decref(info);
}

TEST(what_does_not_fit_is_left_out_whole)
{
    static const char want[] = "crm.objects.invoices.write";
    char out[64];
    json_t *info = token_without(9, 11);

    memset(out, 'x', sizeof(out));
    EQ_UINT(hubspot_missing_scopes(info, out, sizeof(want)), 2);
    EQ_STR(out, want);
    EQ_INT(out[sizeof(want)], 'x');
    EQ_UINT(hubspot_missing_scopes(info, out, sizeof(want) - 1), 2);
    EQ_STR(out, "");
    EQ_UINT(hubspot_missing_scopes(info, out, 1), 2);
    EQ_STR(out, "");
    json_decref(info);
}

TEST(an_answer_without_scopes_tells_nothing)
{
    char out[HUBSPOT_SCOPES_TEXT] = "x";
    json_t *odd = json_pack("{s:s}", "scopes", "e-commerce");
    json_t *list = json_array();

    IS(hubspot_missing_scopes(NULL, out, sizeof(out)) == HUBSPOT_SCOPES_UNTOLD);
    EQ_STR(out, "");
    IS(hubspot_missing_scopes(odd, out, sizeof(out)) == HUBSPOT_SCOPES_UNTOLD);
    IS(hubspot_missing_scopes(list, out, sizeof(out)) == HUBSPOT_SCOPES_UNTOLD);
    json_decref(odd);
    json_decref(list);
}

SUITE(scopes, RUN(a_token_of_all_scopes_lacks_none),
      RUN(each_scope_that_is_missing_is_named),
      RUN(two_missing_scopes_are_parted_by_commas),
      RUN(a_token_of_no_scopes_lacks_all_and_all_fit),
      RUN(what_does_not_fit_is_left_out_whole),
      RUN(an_answer_without_scopes_tells_nothing))
