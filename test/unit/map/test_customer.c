/* SPDX-License-Identifier: UNLICENSED */
/*
 * customer: companies and contacts from whatever rows there are, and which
 * person is the contact.
 */
#include "support.h"

enum { COMPANY, CONTACT };

static struct map_record
customer(const char *account, const char *organization, const char *persons)
{
    struct map_customer_rows rows = {
        .account_number = "1008",
        .account = account != NULL ? q(account) : NULL,
        .organization = organization != NULL ? q(organization) : NULL,
        .persons = persons != NULL ? q(persons) : NULL,
        .bill_to_name = "Bill-to name",
        .bill_to_contact = "Dana Whitfield",
        .bill_to_party = "55",
        .bill_to_email = "AP@Example.com",
    };

    return customer_row(plain(), &rows);
}

TEST(company_fallbacks_and_forms)
{
    static const struct {
        const char *account, *organization, *name, *value;
    } cases[] = {
        {"{'CustomerName':'A'}", "{'OrganizationName':'O'}", "name", "A"},
        {"{'CustomerName':null}", "{'OrganizationName':'O'}", "name", "O"},
        {NULL, "{'OrganizationName':'O'}", "name", "O"},
        {NULL, NULL, "name", "Bill-to name"},
        {"{'CustomerId':77}", NULL, "fusion_party_id", "77"},
        {"{'CustomerId':null}", NULL, "fusion_party_id", "55"},
        {NULL, NULL, "fusion_account_number", "1008"},
        {NULL, "{'URL':'https://www.Example.com:8080/a?b'}", "domain",
         "example.com"},
        {NULL, "{'URL':null}", "domain", NULL},
        {NULL, "{'RawPhoneNumber':'+1 5'}", "phone", "+1 5"},
        {NULL,
         "{'RawPhoneNumber':'+1 5','ContactPoint':{'items':["
         "{'ContactPointType':'PHONE','PrimaryFlag':true,"
         "'FormattedPhoneNumber':'+1 6'}]}}",
         "phone", "+1 5"},
        {NULL,
         "{'ContactPoint':{'items':["
         "{'ContactPointType':'PHONE','PrimaryFlag':false,"
         "'FormattedPhoneNumber':'+1 6'},"
         "{'ContactPointType':'EMAIL','PrimaryFlag':true,"
         "'EmailAddress':'a@b.co'},"
         "{'ContactPointType':'PHONE','PrimaryFlag':true,'Status':'I',"
         "'FormattedPhoneNumber':'+1 7'},"
         "{'ContactPointType':'PHONE','PrimaryFlag':true,'Status':'A',"
         "'FormattedPhoneNumber':'+1 8'}]}}",
         "phone", "+1 8"},
        {NULL,
         "{'ContactPoint':[{'ContactPointType':'PHONE','PrimaryFlag':'Y',"
         "'FormattedPhoneNumber':'+1 6'}]}",
         "phone", "+1 6"},
        {NULL, "{'Address1':'1 A St','Address2':'B'}", "address", "1 A St"},
        {NULL, "{'Address2':'B','Address3':'C','Address4':'D'}", "address2",
         "B, C, D"},
        {NULL, "{'Address2':null,'Address3':'C','Address4':'D'}", "address2",
         "C, D"},
        {NULL, "{'Address4':'D'}", "address2", "D"},
        {NULL, "{'Address1':'1 A St'}", "address2", NULL},
        {NULL, "{'State':'CA','Province':'ON'}", "state", "CA"},
        {NULL, "{'State':null,'Province':'ON'}", "state", "ON"},
        {NULL, "{'PostalCode':94404}", "zip", "94404"},
        {NULL, "{'PostalCode':'94404'}", "zip", "94404"},
        {NULL, "{'Country':'US'}", "country", "US"},
        {NULL, "{'City':'M\\u00fcnchen \\u0022West\\u0022'}", "city",
         "M\xc3\xbcnchen \"West\""},
        {NULL, "{'City':['x']}", "city", NULL},
        {"[]", "'none'", "name", "Bill-to name"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r =
            customer(cases[i].account, cases[i].organization, NULL);

        ck_assert_pstr_eq(prop(&r, COMPANY, cases[i].name), cases[i].value);
    }
}

TEST(without_any_row_the_number_is_the_name)
{
    struct map_customer_rows rows = {.account_number = "1008"};
    struct map_record r = customer_row(plain(), &rows);

    EQ_UINT(objects_of(&r), 2);
    EQ_STR(prop(&r, COMPANY, "name"), "1008");
    EQ_STR(prop(&r, CONTACT, "lastname"), "1008");
    EQ_STR(prop(&r, CONTACT, "company"), "1008");
    IS(prop(&r, CONTACT, "email") == NULL);
    IS(r.email == NULL && r.party == NULL);
    EQ_STR(r.id, "1008");
    EQ_STR(r.number, "1008");
    EQ_INT(r.version_us, 0);
}

TEST(without_a_number_there_is_no_customer)
{
    static const char *const numbers[] = {NULL, "", "   "};

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct map_customer_rows rows = {.account_number = numbers[i]};
        struct map_record r;

        EQ_INT(map_customer(plain(), arena(), &rows, &r, &fault), MAP_INVALID);
        HAS(fault.message, "AccountNumber");
    }
}

TEST(the_contact_is_the_newest_active_person_of_that_name)
{
    static const struct {
        const char *persons, *first;
    } cases[] = {
        {"[{'PartyId':2,'PersonName':'Al','FirstName':'F2','LastName':'L'},"
         "{'PartyId':3,'PersonName':'Dana Whitfield','FirstName':'F3',"
         "'LastName':'L'}]",
         "F3"},
        {"[{'PartyId':2,'PersonName':'Al','FirstName':'F2','LastName':'L'},"
         "{'PartyId':3,'PersonName':'dana  WHITFIELD ','FirstName':'F3',"
         "'LastName':'L'}]",
         "F3"},
        {"[{'PartyId':2,'PersonName':'Al','FirstName':'F2','LastName':'L'},"
         "{'PartyId':3,'PersonName':'  Dana Whitfield','FirstName':'F3',"
         "'LastName':'L'}]",
         "F3"},
        {"[{'PartyId':2,'PersonName':'Al','FirstName':'F2','LastName':'L'},"
         "{'PartyId':3,'PersonName':'Dana Whitfields','FirstName':'F3',"
         "'LastName':'L'}]",
         "F2"},
        {"[{'PartyId':30,'PersonName':'Al','FirstName':'F30','LastName':"
         "'L'},{'PartyId':4,'PersonName':'Bo','FirstName':'F4','LastName':"
         "'L'}]",
         "F4"},
        {"[{'PartyId':3,'PersonName':'Al','FirstName':'F3','LastName':'L',"
         "'Status':'I'},{'PartyId':4,'PersonName':'Bo','FirstName':'F4',"
         "'LastName':'L'}]",
         "F4"},
        {"[{'PartyId':3,'PersonName':'Dana Whitfield','FirstName':'F3',"
         "'LastName':'L','Status':'I'},{'PartyId':4,'PersonName':'Bo',"
         "'FirstName':'F4','LastName':'L','Status':'A'}]",
         "F4"},
        {"[{'PartyId':3,'PersonName':'Dana Whitfield','FirstName':'F3',"
         "'LastName':'L','LastUpdateDate':'2020-01-01T00:00:00+00:00'},"
         "{'PartyId':4,'PersonName':'Dana Whitfield','FirstName':'F4',"
         "'LastName':'L','LastUpdateDate':'2020-01-01T00:00:00.001+00:00'},"
         "{'PartyId':5,'PersonName':'Dana Whitfield','FirstName':'F5',"
         "'LastName':'L'}]",
         "F4"},
        {"[{'PartyId':4,'PersonName':'Dana Whitfield','FirstName':'F4',"
         "'LastName':'L'},{'PartyId':3,'PersonName':'Dana Whitfield',"
         "'FirstName':'F3','LastName':'L'}]",
         "F3"},
        {"[{'PartyId':3,'PersonName':'Dana Whitfield','FirstName':'F3',"
         "'LastName':'L','OrganizationPartyId':56},{'PartyId':4,"
         "'PersonName':'Bo','FirstName':'F4','LastName':'L',"
         "'OrganizationPartyId':55}]",
         "F4"},
        {"[{'FirstName':'Dana','LastName':'Whitfield','PartyId':9},"
         "{'PartyId':4,'PersonName':'Bo','FirstName':'F4','LastName':'L'}]",
         "Dana"},
        {"[{'FirstName':'X'},{'PartyId':4,'PersonName':'Bo','FirstName':"
         "'F4','LastName':'L'}]",
         "F4"},
        {"[7,null,{'PartyId':4,'PersonName':'Bo','FirstName':'F4',"
         "'LastName':'L'}]",
         "F4"},
        {"[{'PartyId':4,'PersonName':'Bo','FirstName':'F4','LastName':'L',"
         "'Status':'I'}]",
         NULL},
        {"[]", NULL},
        {"{}", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r = customer(NULL, NULL, cases[i].persons);

        ck_assert_pstr_eq(prop(&r, CONTACT, "firstname"), cases[i].first);
        EQ_STR(prop(&r, CONTACT, "lastname"),
               cases[i].first == NULL              ? "Bill-to name" :
               strcmp(cases[i].first, "Dana") == 0 ? "Whitfield" :
                                                     "L");
    }
}

TEST(contact_fallbacks_and_forms)
{
    static const struct {
        const char *organization, *person, *name, *value;
    } cases[] = {
        {"{'EmailAddress':'o@x.com'}", "{'EmailAddress':'P@X.com'}", "email",
         "p@x.com"},
        {"{'EmailAddress':'O@x.com'}", "{'EmailAddress':null}", "email",
         "o@x.com"},
        {"{'EmailAddress':'O@x.com'}", "{'EmailAddress':'nobody'}", "email",
         "o@x.com"},
        {"{}", "{}", "email", "ap@example.com"},
        {"{}", "{'RawWorkPhoneNumber':'1','RawMobilePhoneNumber':'2'}", "phone",
         "1"},
        {"{}", "{'RawWorkPhoneNumber':null,'RawMobilePhoneNumber':'2'}",
         "phone", "2"},
        {"{'RawPhoneNumber':'3'}", "{}", "phone", NULL},
        {"{}", "{'FirstName':'F','LastName':'L'}", "lastname", "L"},
        {"{}", "{'FirstName':'F'}", "lastname", NULL},
        {"{}", "{'PersonName':'P N'}", "lastname", "P N"},
        {"{}", "{'PartyId':1}", "lastname", "Bill-to name"},
        {"{}", "{'FirstName':'F'}", "company", "Bill-to name"},
        {"{}", "{'FirstName':'F'}", "fusion_party_id", "55"},
        {"{}", "{'FirstName':'F'}", "fusion_account_number", "1008"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r =
            customer(NULL, cases[i].organization,
                     arena_printf(arena(), "[%s]", cases[i].person));

        ck_assert_pstr_eq(prop(&r, CONTACT, cases[i].name), cases[i].value);
        ck_assert_pstr_eq(r.email, prop(&r, CONTACT, "email"));
    }
}

TEST(a_wrong_email_is_noted_with_its_attribute)
{
    struct map_record r =
        customer(NULL, "{'EmailAddress':'a@b'}", "[{'EmailAddress':'x y'}]");

    EQ_STR(prop(&r, CONTACT, "email"), "ap@example.com");
    EQ_UINT(r.note_count, 2);
    EQ_STR(r.notes[0].event, "email_invalid");
    EQ_STR(r.notes[0].message, "EmailAddress: \"x y\" is no e-mail address");
}

#define CLASS(category, code, meaning, more)                                   \
    "{'ClassCategory':'" category "','ClassCode':'" code                       \
    "','ClassCodeMeaning':'" meaning "','IsIndustryFlag':true,"                \
    "'PrimaryFlag':true" more "}"

TEST(industry_is_that_of_the_primary_classification)
{
    static const struct {
        const char *list, *industry, *note;
    } cases[] = {
        {CLASS("1987 SIC", "3679", "Electronic components", ""),
         "ELECTRICAL_ELECTRONIC_MANUFACTURING", NULL},
        {CLASS("NAICS_2002", "334418", "Printed circuits", ""),
         "ELECTRICAL_ELECTRONIC_MANUFACTURING", NULL},
        {CLASS("MY LIST", "X1", "Oil and Energy", ""), "OIL_ENERGY", NULL},
        {CLASS("MY LIST", "X1", "Beekeeping", ""), NULL,
         "no industry of HubSpot for \"MY LIST X1 Beekeeping\""},
        {CLASS("1987 SIC", "7372", "Prepackaged software", ""), NULL,
         "no industry of HubSpot for \"1987 SIC 7372 Prepackaged "
         "software\""},
        {CLASS("1987 SIC", "3679", "E", ",'Status':'I'"), NULL, NULL},
        {"{'ClassCategory':'1987 SIC','ClassCode':'36',"
         "'IsIndustryFlag':false,'PrimaryFlag':true}",
         NULL, NULL},
        {"{'ClassCategory':'1987 SIC','ClassCode':'36',"
         "'IsIndustryFlag':true,'PrimaryFlag':false}",
         NULL, NULL},
        {"{'ClassCategory':'1987 SIC','ClassCode':36,"
         "'IsIndustryFlag':'Y','PrimaryFlag':'Y'}",
         "ELECTRICAL_ELECTRONIC_MANUFACTURING", NULL},
        {CLASS("NAICS", "52", "", "") "," CLASS("1987 SIC", "60", "", ""),
         "BANKING", NULL},
        {CLASS("1987 SIC", "73", "", "") "," CLASS("NAICS", "52", "", ""),
         "FINANCIAL_SERVICES", NULL},
        {"7", NULL, NULL},
        {"", NULL, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r = customer(
            NULL,
            arena_printf(arena(), "{'CustomerClassification':{'items':[%s]}}",
                         cases[i].list),
            NULL);

        ck_assert_pstr_eq(prop(&r, COMPANY, "industry"), cases[i].industry);
        ck_assert_pstr_eq(note_of(&r, "industry_unmapped"), cases[i].note);
    }
}

TEST(the_version_of_a_customer_is_the_greatest_stamp)
{
    struct map_record r = customer(
        "{'LastUpdateDate':'1970-01-01T00:00:01Z'}",
        "{'LastUpdateDate':'1970-01-01T00:00:02Z','CustomerClassification':["
        "{'LastUpdateDate':'1970-01-01T00:00:03Z'}]}",
        "[{'LastUpdateDate':'1970-01-01T00:00:04Z','Status':'I'}]");

    EQ_INT(r.version_us, 4000000);
}

TEST(business_units_do_not_filter_customers_and_prefix_makes_keys)
{
    static const char *const units[] = {"A", NULL};
    struct map_options o = {.business_units = units, .key_prefix = "p_"};
    struct map_customer_rows rows = {.account_number = "1008"};
    struct mapping *m;
    struct map_record r;

    OK(map_new(&o, &m, &fault));
    r = customer_row(m, &rows);
    EQ_STR(r.id, "1008");
    EQ_STR(prop(&r, COMPANY, "fusion_account_number"), "p_1008");
    EQ_STR(prop(&r, CONTACT, "fusion_account_number"), "p_1008");
    EQ_STR(prop(&r, COMPANY, "name"), "1008");
    map_free(m);
}

SUITE(customer, RUN(company_fallbacks_and_forms),
      RUN(without_any_row_the_number_is_the_name),
      RUN(without_a_number_there_is_no_customer),
      RUN(the_contact_is_the_newest_active_person_of_that_name),
      RUN(contact_fallbacks_and_forms),
      RUN(a_wrong_email_is_noted_with_its_attribute),
      RUN(industry_is_that_of_the_primary_classification),
      RUN(the_version_of_a_customer_is_the_greatest_stamp),
      RUN(business_units_do_not_filter_customers_and_prefix_makes_keys))
