/* SPDX-License-Identifier: UNLICENSED */
/*
 * samples: whole answers of Fusion against the HubSpot JSON that they must
 * become, property by property, and what must not matter: the framework's
 * version, the order of attributes, attributes nobody knows.
 */
#include "support.h"

static const json_t *
items(const char *name)
{
    const json_t *list = json_object_get(fixture(name), "items");

    IS(json_is_array(list));
    return list;
}

static void
check_invoices(const char *rows_file, const char *expected_file)
{
    const json_t *rows = items(rows_file);
    const json_t *want = expected(expected_file);

    EQ_UINT(json_array_size(rows), json_array_size(want));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        struct map_record r = invoice_row(plain(), json_array_get(rows, i));

        check_record(&r, json_array_get(want, i));
    }
}

static void
check_payments(const char *rows_file, const json_t *applications)
{
    const json_t *rows = items(rows_file);
    const json_t *want = expected(rows_file);
    size_t seen = 0;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        struct map_record *all;
        size_t n;

        EQ_INT(map_payments(plain(), arena(), json_array_get(rows, i),
                            applications, &all, &n, &fault),
               MAP_RECORD);
        for (size_t k = 0; k < n; k++) {
            check_sane(&all[k]);
            check_record(&all[k], json_array_get(want, seen++));
        }
    }
    EQ_UINT(seen, json_array_size(want));
}

TEST(invoices_with_child_collections_become_what_is_expected)
{
    check_invoices("receivables_invoices_page.v3plus",
                   "receivables_invoices_page");
}

TEST(invoices_with_child_arrays_become_what_is_expected)
{
    check_invoices("receivables_invoices_page.v1_onlydata",
                   "receivables_invoices_page");
}

TEST(both_framework_versions_give_the_same_text_and_hash)
{
    const json_t *a = items("receivables_invoices_page.v3plus");
    const json_t *b = items("receivables_invoices_page.v1_onlydata");

    for (size_t i = 0; i < json_array_size(a); i++) {
        struct map_record x = invoice_row(plain(), json_array_get(a, i));
        struct map_record y = invoice_row(plain(), json_array_get(b, i));

        EQ_STR(x.desired, y.desired);
        EQ_MEM(&x.hash, &y.hash, sizeof(x.hash));
        EQ_INT(x.version_us, y.version_us);
    }
}

TEST(an_invoice_without_installments_falls_back_on_its_own_balance)
{
    check_invoices("receivables_invoices_child_truncated.v3plus",
                   "receivables_invoices_child_truncated");
}

TEST(receipts_and_applications_become_what_is_expected)
{
    check_payments("standard_receipts_page",
                   json_object_get(
                       fixture("standard_receipt_applications_page"), "items"));
}

TEST(applications_may_come_as_the_whole_page)
{
    check_payments("standard_receipts_page",
                   fixture("standard_receipt_applications_page"));
}

TEST(a_receipt_with_string_amounts_becomes_what_is_expected)
{
    check_payments("standard_receipts_string_amounts", NULL);
}

TEST(customers_become_what_is_expected)
{
    const json_t *accounts = items("customer_account_activities_page");
    const json_t *want = expected("customer_account_activities_page");
    struct map_customer_rows rows = {
        .account_number = "1008",
        .account = json_array_get(accounts, 0),
        .organization = json_array_get(items("hub_organizations_page"), 0),
        .persons = items("hub_persons_page"),
        .bill_to_contact = "Dana Whitfield",
        .bill_to_email = "ap@meridian-components.example",
    };
    struct map_customer_rows hashed = {
        .account_number = "1006",
        .account = json_array_get(accounts, 1),
    };
    struct map_record r = customer_row(plain(), &rows);

    check_record(&r, json_array_get(want, 0));
    r = customer_row(plain(), &hashed);
    check_record(&r, json_array_get(want, 1));
}

/* The same tree with every object's attributes in reverse and one more. */
static json_t *
shuffled(const json_t *v, bool unknown)
{
    const char *keys[200];
    json_t *out;
    const char *key;
    json_t *value;
    size_t n = 0;

    if (json_is_array(v)) {
        out = json_array();
        for (size_t i = 0; i < json_array_size(v); i++) {
            json_array_append_new(out, shuffled(json_array_get(v, i), unknown));
        }
        return out;
    }
    if (!json_is_object(v)) {
        return json_deep_copy(v);
    }
    out = json_object();
    json_object_foreach((json_t *)(uintptr_t)v, key, value)
    {
        IS(n < 200);
        keys[n++] = key;
    }
    if (unknown) {
        json_object_set_new(out, "ANewAttribute",
                            json_pack("{s:[i,n]}", "deep", 1));
    }
    while (n-- > 0) {
        json_object_set_new(out, keys[n],
                            shuffled(json_object_get(v, keys[n]), unknown));
    }
    return out;
}

TEST(order_of_attributes_and_unknown_ones_change_nothing)
{
    const json_t *rows = items("receivables_invoices_page.v3plus");

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *other = shuffled(json_array_get(rows, i), true);
        struct map_record a = invoice_row(plain(), json_array_get(rows, i));
        struct map_record b = invoice_row(plain(), other);

        EQ_STR(a.desired, b.desired);
        EQ_MEM(&a.hash, &b.hash, sizeof(a.hash));
        EQ_UINT(b.note_count, 0);
        json_decref(other);
    }
}

TEST(a_newer_stamp_alone_changes_the_version_and_not_the_hash)
{
    json_t *row = json_deep_copy(
        json_array_get(items("receivables_invoices_page.v3plus"), 0));
    struct map_record a = invoice_row(plain(), row);
    struct map_record b;

    json_object_set_new(row, "LastUpdateDate",
                        json_string("2020-01-01T00:00:00.000+00:00"));
    b = invoice_row(plain(), row);
    EQ_MEM(&a.hash, &b.hash, sizeof(a.hash));
    IS(b.version_us > a.version_us);
    EQ_STR(prop(&b, 0, "fusion_last_update"), "2020-01-01T00:00:00.000Z");
    json_object_set_new(row, "BillToCustomerNumber", json_string("1009"));
    b = invoice_row(plain(), row);
    IS(memcmp(&a.hash, &b.hash, sizeof(a.hash)) != 0);
    json_decref(row);
}

SUITE(samples, RUN(invoices_with_child_collections_become_what_is_expected),
      RUN(invoices_with_child_arrays_become_what_is_expected),
      RUN(both_framework_versions_give_the_same_text_and_hash),
      RUN(an_invoice_without_installments_falls_back_on_its_own_balance),
      RUN(receipts_and_applications_become_what_is_expected),
      RUN(applications_may_come_as_the_whole_page),
      RUN(a_receipt_with_string_amounts_becomes_what_is_expected),
      RUN(customers_become_what_is_expected),
      RUN(order_of_attributes_and_unknown_ones_change_nothing),
      RUN(a_newer_stamp_alone_changes_the_version_and_not_the_hash))
