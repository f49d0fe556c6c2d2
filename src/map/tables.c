/* SPDX-License-Identifier: UNLICENSED */
/*
 * tables: the names. Kinds, objects, scopes, formats, the properties and
 * associations that a portal must have, and the rows of rows.def. Constant
 * data and the look-ups in it; the order of every table is the order in which
 * its users see it.
 */
#include <string.h>

#include "map_priv.h"

static const char *const kind_names[MAP_KINDS] = {
    [MAP_CUSTOMER] = "customer",
    [MAP_INVOICE] = "invoice",
    [MAP_PAYMENT] = "payment",
};

static const struct {
    const char *name, *type_id, *key;
} objects[MAP_OBJECTS] = {
    [MAP_COMPANIES] = {"companies", "0-2", "fusion_account_number"},
    [MAP_CONTACTS] = {"contacts", "0-1", "fusion_account_number"},
    [MAP_INVOICES] = {"invoices", "0-53", "fusion_transaction_id"},
    [MAP_LINE_ITEMS] = {"line_items", "0-8", "fusion_line_id"},
    [MAP_PAYMENTS] = {"commerce_payments", "0-101", "fusion_payment_key"},
};

#define OWN_TEXT(o, name, label)                                               \
    {                                                                          \
        MAP_##o, name, label, "string", "text", false                          \
    }
#define OWN_KEY(o, name, label)                                                \
    {                                                                          \
        MAP_##o, name, label, "string", "text", true                           \
    }
#define OWN_NUMBER(o, name, label)                                             \
    {                                                                          \
        MAP_##o, name, label, "number", "number", false                        \
    }
#define OWN_TIME(o, name, label)                                               \
    {                                                                          \
        MAP_##o, name, label, "datetime", "date", false                        \
    }

static const struct map_property properties[] = {
    OWN_KEY(COMPANIES, "fusion_account_number", "Fusion account number"),
    OWN_TEXT(COMPANIES, "fusion_party_id", "Fusion party id"),
    OWN_KEY(CONTACTS, "fusion_account_number", "Fusion account number"),
    OWN_TEXT(CONTACTS, "fusion_party_id", "Fusion party id"),
    OWN_KEY(INVOICES, "fusion_transaction_id", "Fusion transaction id"),
    OWN_TEXT(INVOICES, "fusion_transaction_number",
             "Fusion transaction number"),
    OWN_TEXT(INVOICES, "fusion_account_number", "Fusion account number"),
    OWN_TEXT(INVOICES, "fusion_status", "Fusion status"),
    OWN_TIME(INVOICES, "fusion_last_update", "Fusion last update"),
    OWN_NUMBER(INVOICES, "fusion_balance_due", "Fusion balance due"),
    OWN_NUMBER(INVOICES, "fusion_amount_credited", "Fusion amount credited"),
    OWN_KEY(LINE_ITEMS, "fusion_line_id", "Fusion line id"),
    OWN_TEXT(LINE_ITEMS, "fusion_transaction_id", "Fusion transaction id"),
    OWN_TEXT(LINE_ITEMS, "fusion_line_number", "Fusion line number"),
    OWN_NUMBER(LINE_ITEMS, "fusion_line_amount", "Fusion line amount"),
    OWN_KEY(PAYMENTS, "fusion_payment_key", "Fusion payment key"),
    OWN_TEXT(PAYMENTS, "fusion_receipt_id", "Fusion receipt id"),
    OWN_TEXT(PAYMENTS, "fusion_receipt_number", "Fusion receipt number"),
    OWN_TEXT(PAYMENTS, "fusion_receipt_status", "Fusion receipt status"),
};

static const char *const company_standard[] = {
    "name",  "domain", "phone",   "address",  "address2", "city",
    "state", "zip",    "country", "industry", NULL,
};
static const char *const contact_standard[] = {
    "email", "firstname", "lastname", "phone", "company", NULL,
};
static const char *const invoice_standard[] = {
    "hs_number",           "hs_currency",       "hs_invoice_date",
    "hs_due_date",         "hs_amount_billed",  "hs_purchase_order_number",
    "hs_invoice_billable", "hs_invoice_status", NULL,
};
static const char *const line_standard[] = {
    "name",     "description", "hs_sku",
    "quantity", "price",       "hs_line_item_currency_code",
    NULL,
};
static const char *const payment_standard[] = {
    "hs_initial_amount",      "hs_refunds_amount",
    "hs_latest_status",       "hs_initiated_date",
    "hs_currency_code",       "hs_customer_email",
    "hs_processor_type",      "hs_reference_number",
    "hs_payment_method_type", NULL,
};
static const char *const *const standard[MAP_OBJECTS] = {
    [MAP_COMPANIES] = company_standard, [MAP_CONTACTS] = contact_standard,
    [MAP_INVOICES] = invoice_standard,  [MAP_LINE_ITEMS] = line_standard,
    [MAP_PAYMENTS] = payment_standard,
};

/* HubSpot's own properties that are not text. */
static const struct {
    enum map_object object;
    const char *name;
    char type;
} standard_types[] = {
    {MAP_CONTACTS, "email", 'e'},
    {MAP_INVOICES, "hs_invoice_date", 't'},
    {MAP_INVOICES, "hs_due_date", 't'},
    {MAP_INVOICES, "hs_amount_billed", 'n'},
    {MAP_LINE_ITEMS, "quantity", 'n'},
    {MAP_LINE_ITEMS, "price", 'n'},
    {MAP_PAYMENTS, "hs_initial_amount", 'n'},
    {MAP_PAYMENTS, "hs_refunds_amount", 'n'},
    {MAP_PAYMENTS, "hs_initiated_date", 't'},
    {MAP_PAYMENTS, "hs_customer_email", 'e'},
};

static const struct map_association associations[] = {
    {MAP_CONTACTS, MAP_COMPANIES, {279, 1}, {280, 2}},
    {MAP_INVOICES, MAP_CONTACTS, {177, 0}, {178, 0}},
    {MAP_INVOICES, MAP_COMPANIES, {179, 0}, {180, 0}},
    {MAP_INVOICES, MAP_LINE_ITEMS, {409, 0}, {410, 0}},
    {MAP_PAYMENTS, MAP_CONTACTS, {387, 0}, {388, 0}},
    {MAP_PAYMENTS, MAP_COMPANIES, {389, 0}, {390, 0}},
    {MAP_INVOICES, MAP_PAYMENTS, {541, 0}, {542, 0}},
};

static const char *const scope_names[MAP_SCOPES] = {
    [MAP_FROM_NONE] = "",           [MAP_FROM_FACT] = "",
    [MAP_FROM_ACCOUNT] = "account", [MAP_FROM_ORGANIZATION] = "organization",
    [MAP_FROM_PERSON] = "person",   [MAP_FROM_INVOICE] = "invoice",
    [MAP_FROM_LINE] = "line",       [MAP_FROM_RECEIPT] = "receipt",
};

static const char *const format_names[MAP_FORMATS] = {
    [MAP_AS_TEXT] = "text",
    [MAP_AS_DATE] = "date",
    [MAP_AS_DAY] = "day",
    [MAP_AS_TIME] = "datetime",
    [MAP_AS_AMOUNT] = "amount",
    [MAP_AS_NUMBER] = "number",
    [MAP_AS_BOOLEAN] = "boolean",
    [MAP_AS_EMAIL] = "email",
    [MAP_AS_DOMAIN] = "domain",
    [MAP_AS_CURRENCY] = "currency",
    [MAP_AS_METHOD] = "payment method",
    [MAP_AS_KEY] = "key",
};

#define S(scope, path)                                                         \
    {                                                                          \
        MAP_FROM_##scope, path                                                 \
    }
#define ROW(object, property, format, ...)                                     \
    {MAP_##object, property, MAP_AS_##format, {__VA_ARGS__}},
const struct map_row map_rows[] = {
#include "rows.def"
};
#undef ROW
#undef S
const size_t map_rows_count = COUNT_OF(map_rows);

const char *
map_kind_name(enum map_kind k)
{
    ML_ASSERT((unsigned)k < MAP_KINDS);
    return kind_names[k];
}

bool
map_kind_parse(const char *s, enum map_kind *k)
{
    for (unsigned i = 0; i < MAP_KINDS; i++) {
        if (text_equal(s, kind_names[i])) {
            *k = (enum map_kind)i;
            return true;
        }
    }
    return false;
}

const char *
map_object_name(enum map_object o)
{
    ML_ASSERT((unsigned)o < MAP_OBJECTS);
    return objects[o].name;
}

const char *
map_object_type_id(enum map_object o)
{
    ML_ASSERT((unsigned)o < MAP_OBJECTS);
    return objects[o].type_id;
}

const char *
map_object_key(enum map_object o)
{
    ML_ASSERT((unsigned)o < MAP_OBJECTS);
    return objects[o].key;
}

bool
map_object_parse(const char *name, enum map_object *o)
{
    for (unsigned i = 0; i < MAP_OBJECTS; i++) {
        if (text_equal(name, objects[i].name)) {
            *o = (enum map_object)i;
            return true;
        }
    }
    return false;
}

const struct map_property *
map_properties(size_t *n)
{
    *n = COUNT_OF(properties);
    return properties;
}

const char *const *
map_standard_properties(enum map_object o)
{
    ML_ASSERT((unsigned)o < MAP_OBJECTS);
    return standard[o];
}

const struct map_association *
map_associations(size_t *n)
{
    *n = COUNT_OF(associations);
    return associations;
}

const char *
map_scope_name(enum map_scope s)
{
    ML_ASSERT((unsigned)s < MAP_SCOPES);
    return scope_names[s];
}

const char *
map_format_name(enum map_format f)
{
    ML_ASSERT((unsigned)f < MAP_FORMATS);
    return format_names[f];
}

char
map_property_type(enum map_object o, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(properties); i++) {
        const struct map_property *p = &properties[i];

        if (p->object == o && strcmp(p->name, name) == 0) {
            return p->type[0] == 'd' ? 't' : p->type[0];
        }
    }
    for (size_t i = 0; i < COUNT_OF(standard_types); i++) {
        if (standard_types[i].object == o &&
            strcmp(standard_types[i].name, name) == 0) {
            return standard_types[i].type;
        }
    }
    for (const char *const *s = standard[o]; *s != NULL; s++) {
        if (strcmp(*s, name) == 0) {
            return 's';
        }
    }
    return 0;
}
