/* SPDX-License-Identifier: UNLICENSED */
/*
 * format: one value at a time, through the private functions of map.
 */
#include "map_priv.h"
#include "support.h"

static const char *
as(enum map_format f, const char *text)
{
    return map_format(arena(), f, text, strlen(text));
}

TEST(emails_are_lowered_and_checked)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"A.B@Example.COM", "a.b@example.com"},
        {"  a@b.co \t", "a@b.co"},
        {"a+b_c%d@x-y.z.museum", "a+b_c%d@x-y.z.museum"},
        {"o'hara@x.com", "o'hara@x.com"},
        {"a@b.co; c@d.co", "a@b.co"},
        {"bad, c@d.co", "c@d.co"},
        {";;", NULL},
        {"", NULL},
        {"a", NULL},
        {"a@", NULL},
        {"@b.co", NULL},
        {"a@b", NULL},
        {"a@@b.co", NULL},
        {"a@b..co", NULL},
        {"a@-b.co", NULL},
        {"a@b-.co", NULL},
        {"a@b.co-", NULL},
        {"a@.b.co", NULL},
        {"a@b.co.", NULL},
        {"a@b.c", NULL},
        {"a@1.2.3.44", NULL},
        {".a@b.co", NULL},
        {"a.@b.co", NULL},
        {"a..b@c.co", NULL},
        {"a b@c.co", NULL},
        {"a\"b@c.co", NULL},
        {"<a@b.co>", NULL},
        {"\xc3\xa9@b.co", NULL},
        {"a@\xc3\xa9.co", NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "@b.co",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "@b.co"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "@b.co",
         NULL},
        {"a@bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
         ".co",
         NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_pstr_eq(as(MAP_AS_EMAIL, cases[i].in), cases[i].out);
    }
}

TEST(domains_are_the_host_of_a_url)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"https://www.example.com", "example.com"},
        {"http://Example.com/path?q#f", "example.com"},
        {"www.example.com", "example.com"},
        {"example.com:8443/x", "example.com"},
        {"https://user:pw@www.example.co.uk./", "example.co.uk"},
        {"https://shop.example.com?x=1", "shop.example.com"},
        {"https://www.www.de", "www.de"},
        {"https://", NULL},
        {"", NULL},
        {"n/a", NULL},
        {"localhost", NULL},
        {"http://10.0.0.1/", NULL},
        {"http://[::1]/", NULL},
        {"see our site", NULL},
        {"https://exa mple.com", NULL},
        {"https://.com", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_pstr_eq(as(MAP_AS_DOMAIN, cases[i].in), cases[i].out);
    }
}

TEST(methods_are_found_by_whole_words)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"Check", "check"},
        {"US_CHECKS-MANUAL", "check"},
        {"Cashier's check", "check"},
        {"Cheque", "check"},
        {"Wire", "wire_transfer"},
        {"BofA WIRE USD", "wire_transfer"},
        {"Bank  Transfer", "wire_transfer"},
        {"ach", "ach"},
        {"Automatic ACH (CTX)", "ach"},
        {"Credit Card", "card"},
        {"Visa/MC", "card"},
        {"Petty cash", "cash"},
        {"Lockbox", "other"},
        {"Coach travel", "other"},
        {"Checkout", "other"},
        {"AR_ManRec_02", "other"},
        {"\xc3\xa9"
         "cash",
         "other"},
        {"-", "other"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        EQ_STR(map_method(cases[i].in), cases[i].out);
    }
}

TEST(industries_are_found_by_name_or_code)
{
    static const struct {
        const char *category, *code, *meaning, *out;
    } cases[] = {
        {NULL, NULL, "Banking", "BANKING"},
        {NULL, NULL, "airlines / aviation", "AIRLINES_AVIATION"},
        {NULL, NULL, "Airlines and Aviation", "AIRLINES_AVIATION"},
        {NULL, NULL, "Arts & Crafts", "ARTS_AND_CRAFTS"},
        {NULL, NULL, "Arts", NULL},
        {NULL, NULL, "and", NULL},
        {NULL, NULL, "", NULL},
        {"1987 SIC", "3679", "Banking", "BANKING"},
        {"1987 SIC", "3679", NULL, "ELECTRICAL_ELECTRONIC_MANUFACTURING"},
        {"SIC", "01", NULL, "FARMING"},
        {"SIC", "7372", NULL, NULL},
        {"SIC", "0", NULL, NULL},
        {"SIC", "A1", NULL, NULL},
        {"NAICS_1997", "334", NULL, "ELECTRICAL_ELECTRONIC_MANUFACTURING"},
        {"NAICS_1997", "11", NULL, "FARMING"},
        {"NAICS_1997", "1121", NULL, "RANCHING"},
        {"NAICS_1997", "54", NULL, NULL},
        {"CUSTOMER_CATEGORY", "3679", NULL, NULL},
        {"1987 SIC", NULL, NULL, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_pstr_eq(
            map_industry(cases[i].category, cases[i].code, cases[i].meaning),
            cases[i].out);
    }
}

TEST(currencies_dates_and_numbers_take_their_form_or_nothing)
{
    static const struct {
        enum map_format format;
        const char *in, *out;
    } cases[] = {
        {MAP_AS_CURRENCY, " usd ", "USD"},
        {MAP_AS_CURRENCY, "US", NULL},
        {MAP_AS_CURRENCY, "U$D", NULL},
        {MAP_AS_CURRENCY, "USDX", NULL},
        {MAP_AS_DATE, "2018-10-09", "2018-10-09T00:00:00Z"},
        {MAP_AS_DATE, "2018-10-09T05:24:44+00:00", "2018-10-09T00:00:00Z"},
        {MAP_AS_DATE, "09.10.2018", NULL},
        {MAP_AS_DAY, "2018-10-09", "2018-10-09"},
        {MAP_AS_DAY, " 2018-10-09T23:24:44-08:00 ", "2018-10-09"},
        {MAP_AS_DAY, "soon", NULL},
        {MAP_AS_TIME, "2018-10-09T05:24:44.5+0530", "2018-10-08T23:54:44.500Z"},
        {MAP_AS_BOOLEAN, "true", "true"},
        {MAP_AS_BOOLEAN, " Yes ", "true"},
        {MAP_AS_BOOLEAN, "Y", "true"},
        {MAP_AS_BOOLEAN, "FALSE", "false"},
        {MAP_AS_BOOLEAN, "n", "false"},
        {MAP_AS_BOOLEAN, "No", "false"},
        {MAP_AS_BOOLEAN, "nope", NULL},
        {MAP_AS_BOOLEAN, "ye", NULL},
        {MAP_AS_BOOLEAN, "1", NULL},
        {MAP_AS_NUMBER, "+1.50", "1.50"},
        {MAP_AS_NUMBER, "1.5e-3", "0.0015"},
        {MAP_AS_NUMBER, "0x10", NULL},
        {MAP_AS_NUMBER, "1,000", NULL},
        {MAP_AS_NUMBER, "NaN", NULL},
        {MAP_AS_TEXT, " keep ", " keep "},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_pstr_eq(as(cases[i].format, cases[i].in), cases[i].out);
    }
}

TEST(numbers_of_foreign_trees_are_read_too)
{
    json_t *row =
        json_pack("{s:I,s:s,s:i,s:f}", "CustomerTransactionId",
                  (json_int_t)300100170996427, "InvoiceCurrencyCode", "USD",
                  "EnteredAmount", 5, "InvoiceBalanceAmount", 2.5);
    struct map_record r = invoice_row(plain(), row);

    EQ_STR(r.id, "300100170996427");
    EQ_STR(r.amount, "5");
    EQ_STR(prop(&r, 0, "fusion_balance_due"), "2.5");
    json_decref(row);
}

TEST(names_and_tables_agree)
{
    size_t n;
    const struct map_property *own = map_properties(&n);
    enum map_object o;
    enum map_kind k;

    for (size_t i = 0; i < n; i++) {
        EQ_INT(own[i].unique,
               strcmp(own[i].name, map_object_key(own[i].object)) == 0);
        IS(text_has_prefix(own[i].name, "fusion_"));
        IS(text_has_prefix(own[i].label, "Fusion "));
    }
    /* Every row writes a property that the portal is checked for. */
    for (size_t i = 0; i < map_rows_count; i++) {
        ck_assert_msg(
            map_property_type(map_rows[i].object, map_rows[i].property) != 0,
            "%s is not declared", map_rows[i].property);
    }
    (void)map_associations(&n);
    EQ_UINT(n, 7);
    IS(map_object_parse("line_items", &o) && o == MAP_LINE_ITEMS);
    NOT(map_object_parse("lines", &o));
    IS(map_kind_parse("payment", &k) && k == MAP_PAYMENT);
    NOT(map_kind_parse("receipt", &k));
    EQ_STR(map_kind_name(MAP_CUSTOMER), "customer");
    EQ_STR(map_object_type_id(MAP_INVOICES), "0-53");
    EQ_STR(map_object_name(MAP_PAYMENTS), "commerce_payments");
}

TEST(the_page_in_docs_names_every_property_and_note)
{
    /* those that a file may ask for */
    static const enum map_format formats[] = {
        MAP_AS_TEXT,  MAP_AS_NUMBER, MAP_AS_DATE,
        MAP_AS_DAY,   MAP_AS_TIME,   MAP_AS_BOOLEAN,
        MAP_AS_EMAIL, MAP_AS_DOMAIN, MAP_AS_CURRENCY};
    char *text;
    size_t n;

    OK(file_read(MAP_TEST_DIR "/../../../docs/mapping.md", 1 << 20, &text, &n,
                 &fault));
    for (size_t i = 0; i < map_rows_count; i++) {
        HAS(text, arena_printf(arena(), "`%s`", map_rows[i].property));
    }
    for (unsigned o = 0; o < MAP_OBJECTS; o++) {
        const char *const *s = map_standard_properties((enum map_object)o);

        for (; *s != NULL; s++) {
            HAS(text, arena_printf(arena(), "`%s`", *s));
        }
    }
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        HAS(text, arena_printf(arena(), "`%s`", map_format_name(formats[i])));
    }
    HAS(text, "`industry_unmapped`");
    HAS(text, "`email_invalid`");
    HAS(text, "`value_ignored`");
    mem_free(text);
}

SUITE(format, RUN(emails_are_lowered_and_checked),
      RUN(domains_are_the_host_of_a_url), RUN(methods_are_found_by_whole_words),
      RUN(industries_are_found_by_name_or_code),
      RUN(currencies_dates_and_numbers_take_their_form_or_nothing),
      RUN(numbers_of_foreign_trees_are_read_too), RUN(names_and_tables_agree),
      RUN(the_page_in_docs_names_every_property_and_note))
