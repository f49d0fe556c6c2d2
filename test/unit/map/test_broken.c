/* SPDX-License-Identifier: UNLICENSED */
/*
 * broken: every fixture with each attribute at any depth in turn removed,
 * null, or of a wrong type. Whatever comes: no crash, and either a record that
 * is sane or a refusal that names an attribute. Removing or nulling anything
 * but what identifies a record must leave a record.
 */
#include "support.h"

/* What a record cannot be without. */
static const char *const required[] = {
    "CustomerTransactionId", "InvoiceCurrencyCode", "CustomerTransactionLineId",
    "StandardReceiptId"};

struct fixture_set {
    json_t *row; /* what is mapped, and broken */
    enum map_kind kind;
};

static enum map_fate
map_row(const struct fixture_set *s)
{
    struct map_customer_rows rows = {.account_number = "1008",
                                     .bill_to_contact = "Dana Whitfield",
                                     .bill_to_email = "a@b.co"};
    struct map_record *all;
    struct map_record r;
    enum map_fate fate;
    size_t n;

    fault_clear(&fault);
    switch (s->kind) {
    case MAP_INVOICE:
        fate = map_invoice(plain(), arena(), s->row, &r, &fault);
        if (fate == MAP_RECORD) {
            check_sane(&r);
        }
        return fate;
    case MAP_PAYMENT:
        fate = map_payments(plain(), arena(), json_object_get(s->row, "r"),
                            json_object_get(s->row, "a"), &all, &n, &fault);
        for (size_t i = 0; i < n; i++) {
            check_sane(&all[i]);
        }
        return fate;
    case MAP_CUSTOMER:
        rows.account = json_object_get(s->row, "account");
        rows.organization = json_object_get(s->row, "organization");
        rows.persons = json_object_get(s->row, "persons");
        fate = map_customer(plain(), arena(), &rows, &r, &fault);
        if (fate == MAP_RECORD) {
            check_sane(&r);
        }
        return fate;
    case MAP_KINDS:
    default:
        break;
    }
    FAIL("no kind");
}

static bool
is_required(const char *key)
{
    for (size_t i = 0; i < COUNT_OF(required); i++) {
        if (strcmp(required[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static void
check_fate(const struct fixture_set *s, const char *key, bool absent)
{
    enum map_fate fate = map_row(s);

    ck_assert_msg(fate == MAP_RECORD || fate == MAP_INVALID, "%s: fate %d", key,
                  (int)fate);
    if (fate == MAP_INVALID) {
        ck_assert_msg(fault.err == ERR_TYPE && fault.message[0] != '\0',
                      "%s: no reason", key);
        ck_assert_msg(!absent || is_required(key) || strcmp(key, "r") == 0,
                      "%s is optional, but: %s", key, fault.message);
    }
}

static json_t *
wrong_value(size_t i)
{
    switch (i) {
    case 0:
        return json_null();
    case 1:
        return json_array();
    case 2:
        return json_pack("[[]]");
    case 3:
        return json_object();
    case 4:
        return json_pack("{s:i}", "items", 5);
    case 5:
        return json_true();
    case 6:
        return json_string("");
    case 7:
        return json_string("certainly no number, date or id");
    case 8:
        return json_string("-999999999999999999999999999999999999999999"
                           "9999999999999999999999999999.5");
    case 9:
        return json_integer(-1);
    case 10:
        return json_pack("[n,s,i]", "text", 3);
    default:
        return NULL;
    }
}

static void
break_all(struct fixture_set *s, json_t *node)
{
    const char *keys[200];
    const char *key;
    json_t *value;
    size_t n = 0;

    if (json_is_array(node)) {
        for (size_t i = 0; i < json_array_size(node); i++) {
            break_all(s, json_array_get(node, i));
        }
        return;
    }
    json_object_foreach(node, key, value)
    {
        if (strcmp(key, "links") != 0) {
            IS(n < COUNT_OF(keys));
            keys[n++] = key;
        }
    }
    for (size_t i = 0; i < n; i++) {
        json_t *bad;
        char *name = arena_strdup(arena(), keys[i]);
        json_t *kept = json_incref(json_object_get(node, name));

        for (size_t k = 0; (bad = wrong_value(k)) != NULL; k++) {
            json_object_set_new(node, name, bad);
            check_fate(s, name, k == 0);
        }
        json_object_del(node, name);
        check_fate(s, name, true);
        json_object_set_new(node, name, kept);
        /* keys[i] died with its entry; the others live on. */
        break_all(s, kept);
    }
}

static json_t *
first(const char *name, size_t i)
{
    return json_deep_copy(
        json_array_get(json_object_get(fixture(name), "items"), i));
}

static void
run(struct fixture_set *s)
{
    EQ_INT(map_row(s), MAP_RECORD);
    break_all(s, s->row);
    EQ_INT(map_row(s), MAP_RECORD);
    json_decref(s->row);
}

TEST(invoices_with_one_broken_attribute_are_records_or_refused)
{
    for (size_t i = 0; i < 2; i++) {
        struct fixture_set s = {
            .row = first("receivables_invoices_page.v3plus", i),
            .kind = MAP_INVOICE};
        struct fixture_set v1 = {
            .row = first("receivables_invoices_page.v1_onlydata", i),
            .kind = MAP_INVOICE};

        run(&s);
        run(&v1);
    }
}

TEST(receipts_with_one_broken_attribute_are_records_or_refused)
{
    for (size_t i = 0; i < 3; i++) {
        struct fixture_set s = {.row = json_object(), .kind = MAP_PAYMENT};

        json_object_set_new(s.row, "r", first("standard_receipts_page", i));
        json_object_set(
            s.row, "a",
            json_object_get(fixture("standard_receipt_applications_page"),
                            "items"));
        run(&s);
    }
}

TEST(customers_with_one_broken_attribute_are_records)
{
    struct fixture_set s = {.row = json_object(), .kind = MAP_CUSTOMER};

    json_object_set_new(s.row, "account",
                        first("customer_account_activities_page", 0));
    json_object_set_new(s.row, "organization",
                        first("hub_organizations_page", 0));
    json_object_set(s.row, "persons",
                    json_object_get(fixture("hub_persons_page"), "items"));
    run(&s);
}

SUITE(broken,
      RUN_LONG(invoices_with_one_broken_attribute_are_records_or_refused, 60),
      RUN_LONG(receipts_with_one_broken_attribute_are_records_or_refused, 60),
      RUN_LONG(customers_with_one_broken_attribute_are_records, 60))
