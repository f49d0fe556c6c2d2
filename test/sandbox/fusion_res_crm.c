/* SPDX-License-Identifier: UNLICENSED */
/*
 * crmRestApi: hubOrganizations with their children, and hubPersons.
 *
 * hubOrganizations also holds suppliers and prospects; some customers have no
 * organisation there. Flags are JSON booleans. The path key is the PartyNumber.
 */
#include "fusion_res.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- organisations ------------------------------------------------------ */

enum {
    O_ID = 1,
    O_NUMBER,
    O_NAME,
    O_USAGE,
    O_STATUS,
    O_ADDRESS1,
    O_ADDRESS2,
    O_ADDRESS3,
    O_CITY,
    O_STATE,
    O_POSTAL,
    O_PROVINCE,
    O_COUNTRY,
    O_FORMATTED,
    O_EMAIL,
    O_PHONE,
    O_URL,
    O_DUNS,
    O_EMPLOYEES,
    O_BUSINESS,
    O_TAX,
    O_CURRENCY,
    O_CREATED,
    O_STAMP,
    O_BY,
    O_ADDRESS_ID,
    O_TRUE,
    O_TYPE
};
static const struct attr org_attrs[] = {
    {"PartyId", V_INT, AF_Q | AF_KEY, O_ID},
    {"PartyNumber", V_STR, AF_Q, O_NUMBER},
    {"OrganizationName", V_STR, AF_Q, O_NAME},
    {"PartyUsageCode", V_STR, AF_Q, O_USAGE},
    {"Status", V_STR, AF_Q, O_STATUS},
    {"Address1", V_STR, AF_Q, O_ADDRESS1},
    {"Address2", V_STR, AF_Q, O_ADDRESS2},
    {"Address3", V_STR, AF_Q, O_ADDRESS3},
    {"Address4", V_STR, AF_Q, 0},
    {"City", V_STR, AF_Q, O_CITY},
    {"State", V_STR, AF_Q, O_STATE},
    {"PostalCode", V_STR, AF_Q, O_POSTAL},
    {"County", V_STR, AF_Q, 0},
    {"Province", V_STR, AF_Q, O_PROVINCE},
    {"Country", V_STR, AF_Q, O_COUNTRY},
    {"AddressNumber", V_STR, AF_Q, 0},
    {"FormattedAddress", V_STR, 0, O_FORMATTED},
    {"EmailAddress", V_STR, AF_Q, O_EMAIL},
    {"RawPhoneNumber", V_STR, AF_Q, O_PHONE},
    {"URL", V_STR, AF_Q, O_URL},
    {"DUNSNumber", V_STR, AF_Q, O_DUNS},
    {"EmployeesTotal", V_INT, AF_Q, O_EMPLOYEES},
    {"LineOfBusiness", V_STR, AF_Q, O_BUSINESS},
    {"LocalActivityCode", V_STR, AF_Q, 0},
    {"LocalActivityCodeType", V_STR, AF_Q, 0},
    {"OrganizationType", V_STR, AF_Q, 0},
    {"StockSymbol", V_STR, AF_Q, 0},
    {"TaxpayerIdentificationNumber", V_STR, AF_Q, O_TAX},
    {"CurrencyCode", V_STR, AF_Q, O_CURRENCY},
    {"CorpCurrencyCode", V_STR, AF_Q, O_CURRENCY},
    {"YearEstablished", V_INT, AF_Q, 0},
    {"CreatedByModule", V_STR, AF_Q, 0},
    {"SourceSystem", V_STR, AF_Q, 0},
    {"SourceSystemReferenceValue", V_STR, AF_Q, 0},
    {"CreatedBy", V_STR, AF_Q, O_BY},
    {"CreationDate", V_TIME, AF_Q, O_CREATED},
    {"LastUpdateDate", V_TIME, AF_Q | AF_STAMP, O_STAMP},
    {"LastUpdatedBy", V_STR, AF_Q, O_BY},
};

static void
org_words(struct fctx *c, const struct party *p, int id, struct val *v)
{
    const char *const words[] = {
        [O_NUMBER] = p->number,     [O_NAME] = p->name,
        [O_USAGE] = p->usage,       [O_STATUS] = p->active ? "A" : "I",
        [O_ADDRESS1] = p->address1, [O_ADDRESS2] = p->address2,
        [O_ADDRESS3] = p->address3, [O_CITY] = p->city,
        [O_STATE] = p->state,       [O_POSTAL] = p->postal,
        [O_PROVINCE] = p->province, [O_COUNTRY] = p->country,
        [O_EMAIL] = p->email,       [O_PHONE] = p->phone,
        [O_URL] = p->url,           [O_DUNS] = p->duns,
        [O_BUSINESS] = p->business, [O_TAX] = p->tax_id,
        [O_CURRENCY] = "USD",       [O_BY] = "casey.brown",
        [O_TYPE] = "BILL_TO",
    };

    if (id == O_FORMATTED) {
        v_str(v,
              arena_printf(c->a, "%s,%s, %s", p->address1, p->city, p->postal));
        return;
    }
    v_str(v, words[id]);
    if (v->s != NULL && v->s[0] == 0) {
        v->t = V_NULL;
    }
}

static void
org_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct party *p = &c->w->parties[row->i];

    switch (id) {
    case O_ID:
        v_num(v, V_INT, world_id(c->w, K_PARTY, row->i));
        break;
    case O_ADDRESS_ID:
        v_num(v, V_INT, world_id(c->w, K_PARTY, row->i) + 1);
        break;
    case O_EMPLOYEES:
        v_num(v, V_INT, p->employees);
        break;
    case O_TRUE:
        v_num(v, V_BOOL, 1);
        break;
    case O_CREATED:
        v_num(v, V_TIME, p->created);
        break;
    case O_STAMP:
        v_num(v, V_TIME, p->stamp);
        break;
    default:
        org_words(c, p, id, v);
        break;
    }
}

static const char *
org_key(struct fctx *c, const struct row *row)
{
    return c->w->parties[row->i].number;
}

/* CDRM_ and the last eight digits of the id; a few clients use the id. */
static uint32_t
org_find(struct fctx *c, const char *key)
{
    int64_t id = text_has_prefix(key, "CDRM_") ?
                     INT64_C(300000000000000) + strtoll(key + 5, NULL, 10) :
                     strtoll(key, NULL, 10);
    uint32_t idx = world_find(c->w, K_PARTY, id);

    return idx != NONE && c->w->parties[idx].has_org ? idx : NONE;
}

static void
org_lookup(struct fctx *c, const struct attr *a, const char *text,
           struct rows *out)
{
    (void)a;
    lookup_id(c, &res_organizations, text, out);
}

static bool
org_visible(struct fctx *c, uint32_t idx)
{
    return c->w->parties[idx].has_org && account_visible(c, idx);
}

/* -- their children -- */

enum {
    C_ID = 1,
    C_PARTY,
    C_NUMBER,
    C_TYPE,
    C_CATEGORY,
    C_CODE,
    C_MEANING,
    C_INDUSTRY,
    C_FALSE,
    C_PRIMARY,
    C_STATUS,
    C_CREATED
};
static const struct attr class_attrs[] = {
    {"CodeAssignmentId", V_INT, AF_Q | AF_KEY, C_ID},
    {"PartyId", V_INT, AF_Q, C_PARTY},
    {"PartyNumber", V_STR, AF_Q, C_NUMBER},
    {"PartyType", V_STR, AF_Q, C_TYPE},
    {"ClassCategory", V_STR, AF_Q, C_CATEGORY},
    {"ClassCode", V_STR, AF_Q, C_CODE},
    {"ClassCodeMeaning", V_STR, 0, C_MEANING},
    {"IsIndustryFlag", V_BOOL, AF_Q, C_INDUSTRY},
    {"IsOrgTypeFlag", V_BOOL, AF_Q, C_FALSE},
    {"IsAuxClassificationFlag", V_BOOL, AF_Q, C_FALSE},
    {"PrimaryFlag", V_BOOL, AF_Q, C_PRIMARY},
    {"Status", V_STR, AF_Q, C_STATUS},
    {"StartDateActive", V_DATE, AF_Q, 0},
    {"EndDateActive", V_DATE, AF_Q, 0},
    {"CreationDate", V_TIME, AF_Q, C_CREATED},
    {"LastUpdateDate", V_TIME, AF_Q, C_CREATED},
};

static void
class_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct party *p = &c->w->parties[row->i];
    const struct class_row *k = &p->classes[row->k];

    switch (id) {
    case C_ID:
        v_num(v, V_INT, world_id(c->w, K_PARTY, row->i) + 2 + (int64_t)row->k);
        break;
    case C_PARTY:
        v_num(v, V_INT, world_id(c->w, K_PARTY, row->i));
        break;
    case C_NUMBER:
        v_str(v, p->number);
        break;
    case C_TYPE:
        v_str(v, "ORGANIZATION");
        break;
    case C_CATEGORY:
        v_str(v, k->category);
        break;
    case C_CODE:
        v_str(v, k->code);
        break;
    case C_MEANING:
        v_str(v, k->meaning);
        break;
    case C_INDUSTRY:
        v_num(v, V_BOOL, k->industry);
        break;
    case C_FALSE:
        v_num(v, V_BOOL, 0);
        break;
    case C_PRIMARY:
        v_num(v, V_BOOL, k->primary);
        break;
    case C_STATUS:
        v_str(v, "A");
        break;
    default:
        v_num(v, V_TIME, p->created);
        break;
    }
}

static const char *
class_key(struct fctx *c, const struct row *row)
{
    return key_int(c, world_id(c->w, K_PARTY, row->i) + 2 + (int64_t)row->k);
}

static const struct res res_classes = {
    .name = "CustomerClassification",
    .title = "Customer Classifications",
    .op = "CustomerClassification.get",
    .attrs = class_attrs,
    .n_attrs = COUNT_OF(class_attrs),
    .get = class_get,
    .key = class_key,
};

static void
org_rows(struct fctx *c, const struct row *parent, const struct res *res,
         unsigned n, struct rows *out)
{
    struct row *up = arena_alloc(c->a, sizeof(*up));

    *up = *parent;
    for (unsigned k = 0; k < n; k++) {
        rows_add(c, out,
                 (struct row){.res = res,
                              .name = res->name,
                              .parent = up,
                              .i = parent->i,
                              .k = k});
    }
}

static void
org_classes(struct fctx *c, const struct row *parent, struct rows *out)
{
    org_rows(c, parent, &res_classes, c->w->parties[parent->i].n_classes, out);
}

enum {
    P_ID = 1,
    P_TYPE,
    P_EMAIL,
    P_PHONE,
    P_URL,
    P_PRIMARY,
    P_STATUS,
    P_STAMP
};
static const struct attr point_attrs[] = {
    {"ContactPointId", V_INT, AF_Q | AF_KEY, P_ID},
    {"ContactPointType", V_STR, AF_Q, P_TYPE},
    {"EmailAddress", V_STR, AF_Q, P_EMAIL},
    {"FormattedPhoneNumber", V_STR, 0, P_PHONE},
    {"RawPhoneNumber", V_STR, AF_Q, P_PHONE},
    {"URL", V_STR, AF_Q, P_URL},
    {"PrimaryFlag", V_BOOL, AF_Q, P_PRIMARY},
    {"Status", V_STR, AF_Q, P_STATUS},
    {"LastUpdateDate", V_TIME, AF_Q, P_STAMP},
};

/* Row k: 0 phone, 1 e-mail, 2 web. */
static void
point_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    static const char *const types[] = {"PHONE", "EMAIL", "WEB"};
    const struct party *p = &c->w->parties[row->i];
    unsigned k = row->k % 3;

    switch (id) {
    case P_ID:
        v_num(v, V_INT, world_id(c->w, K_PARTY, row->i) + 4 + (int64_t)k);
        break;
    case P_TYPE:
        v_str(v, types[k]);
        break;
    case P_EMAIL:
        v_str(v, k == 1 ? p->email : NULL);
        break;
    case P_PHONE:
        v_str(v, k == 0 ? (p->point_phone != NULL ? p->point_phone : p->phone) :
                          NULL);
        break;
    case P_URL:
        v_str(v, k == 2 ? p->url : NULL);
        break;
    case P_PRIMARY:
        v_num(v, V_BOOL, 1);
        break;
    case P_STATUS:
        v_str(v, "A");
        break;
    default:
        v_num(v, V_TIME, p->stamp);
        break;
    }
}

static const char *
point_key(struct fctx *c, const struct row *row)
{
    return key_int(c, world_id(c->w, K_PARTY, row->i) + 4 + (int64_t)row->k);
}

static const struct res res_points = {
    .name = "ContactPoint",
    .title = "Contact Points",
    .op = "ContactPoint.get",
    .attrs = point_attrs,
    .n_attrs = COUNT_OF(point_attrs),
    .get = point_get,
    .key = point_key,
};

static void
org_points(struct fctx *c, const struct row *parent, struct rows *out)
{
    const struct party *p = &c->w->parties[parent->i];
    const char *const has[] = {
        p->point_phone != NULL ? p->point_phone : p->phone, p->email, p->url};
    struct rows all = {0};

    org_rows(c, parent, &res_points, 3, &all);
    for (unsigned k = 0; k < 3; k++) {
        if (has[k] != NULL && has[k][0] != 0) {
            rows_add(c, out, all.v[k]);
        }
    }
}

static const struct attr address_attrs[] = {
    {"AddressId", V_INT, AF_Q | AF_KEY, O_ADDRESS_ID},
    {"AddressNumber", V_STR, AF_Q, 0},
    {"AddressType", V_STR, AF_Q, O_TYPE},
    {"PrimaryFlag", V_BOOL, AF_Q, O_TRUE},
    {"Address1", V_STR, AF_Q, O_ADDRESS1},
    {"Address2", V_STR, AF_Q, O_ADDRESS2},
    {"Address3", V_STR, AF_Q, O_ADDRESS3},
    {"City", V_STR, AF_Q, O_CITY},
    {"State", V_STR, AF_Q, O_STATE},
    {"Province", V_STR, AF_Q, O_PROVINCE},
    {"PostalCode", V_STR, AF_Q, O_POSTAL},
    {"Country", V_STR, AF_Q, O_COUNTRY},
    {"FormattedAddress", V_STR, 0, O_FORMATTED},
    {"LastUpdateDate", V_TIME, AF_Q, O_STAMP},
};

static const char *
address_key(struct fctx *c, const struct row *row)
{
    return key_int(c, world_id(c->w, K_PARTY, row->i) + 1);
}

static const struct res res_addresses = {
    .name = "Address",
    .title = "Addresses",
    .op = "Address.get",
    .attrs = address_attrs,
    .n_attrs = COUNT_OF(address_attrs),
    .get = org_get,
    .key = address_key,
};

static void
org_addresses(struct fctx *c, const struct row *parent, struct rows *out)
{
    org_rows(c, parent, &res_addresses, 1, out);
}

static const struct attr usage_attrs[] = {
    {"PartyUsageCode", V_STR, AF_Q, O_USAGE},
    {"LastUpdateDate", V_TIME, AF_Q, O_STAMP},
};
static const struct res res_usages = {
    .name = "UsageAssignment",
    .title = "Usage Assignments",
    .op = "UsageAssignment.get",
    .attrs = usage_attrs,
    .n_attrs = COUNT_OF(usage_attrs),
    .get = org_get,
    .key = address_key,
};

static void
org_usages(struct fctx *c, const struct row *parent, struct rows *out)
{
    org_rows(c, parent, &res_usages, 1, out);
}

static const struct child org_children[] = {
    {"Address", &res_addresses, org_addresses},
    {"ContactPoint", &res_points, org_points},
    {"CustomerClassification", &res_classes, org_classes},
    {"UsageAssignment", &res_usages, org_usages},
    {"Relationship", &res_none, no_rows},
};
const struct res res_organizations = {
    .name = "hubOrganizations",
    .title = "Hub Organizations",
    .op = "hubOrganizations.get",
    .api = "crmRestApi",
    .kind = K_PARTY,
    .attrs = org_attrs,
    .n_attrs = COUNT_OF(org_attrs),
    .get = org_get,
    .key = org_key,
    .find = org_find,
    .lookup = org_lookup,
    .visible = org_visible,
    .children = org_children,
    .n_children = COUNT_OF(org_children),
    .finders = "PrimaryKey PartyIdAltKey PartyNumberAltKey PartyNumberRF "
               "PartyUsageCodeRF SourceSystemReferenceRF",
};

/* ---- persons ------------------------------------------------------------ */

enum {
    N_ID = 1,
    N_NUMBER,
    N_NAME,
    N_FIRST,
    N_LAST,
    N_TITLE,
    N_EMAIL,
    N_WORK,
    N_MOBILE,
    N_ORG,
    N_ORG_NUMBER,
    N_ORG_NAME,
    N_USAGE,
    N_STATUS,
    N_FALSE,
    N_CREATED,
    N_STAMP,
    N_BY
};
static const struct attr person_attrs[] = {
    {"PartyId", V_INT, AF_Q | AF_KEY, N_ID},
    {"PartyNumber", V_STR, AF_Q, N_NUMBER},
    {"PersonName", V_STR, AF_Q, N_NAME},
    {"FirstName", V_STR, AF_Q, N_FIRST},
    {"MiddleName", V_STR, AF_Q, 0},
    {"LastName", V_STR, AF_Q, N_LAST},
    {"Salutation", V_STR, AF_Q, 0},
    {"JobTitle", V_STR, AF_Q, N_TITLE},
    {"Department", V_STR, AF_Q, 0},
    {"ContactRole", V_STR, AF_Q, 0},
    {"EmailAddress", V_STR, AF_Q, N_EMAIL},
    {"RawWorkPhoneNumber", V_STR, AF_Q, N_WORK},
    {"RawMobilePhoneNumber", V_STR, AF_Q, N_MOBILE},
    {"OrganizationPartyId", V_INT, AF_Q | AF_LOOKUP, N_ORG},
    {"OrganizationPartyNumber", V_STR, AF_Q, N_ORG_NUMBER},
    {"OrganizationPartyName", V_STR, AF_Q | AF_DENORM, N_ORG_NAME},
    {"PartyUsageCode", V_STR, AF_Q, N_USAGE},
    {"Status", V_STR, AF_Q, N_STATUS},
    {"DoNotContactFlag", V_BOOL, AF_Q, N_FALSE},
    {"DoNotEmailFlag", V_BOOL, AF_Q, N_FALSE},
    {"Address1", V_STR, AF_Q, 0},
    {"City", V_STR, AF_Q, 0},
    {"State", V_STR, AF_Q, 0},
    {"PostalCode", V_STR, AF_Q, 0},
    {"Country", V_STR, AF_Q, 0},
    {"CreatedBy", V_STR, AF_Q, N_BY},
    {"CreationDate", V_TIME, AF_Q, N_CREATED},
    {"LastUpdateDate", V_TIME, AF_Q | AF_STAMP, N_STAMP},
    {"LastUpdatedBy", V_STR, AF_Q, N_BY},
};

static void
person_words(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct person *p = &c->w->persons[row->i];
    const struct party *o = &c->w->parties[p->party];
    const char *const words[] = {
        [N_FIRST] = p->first,       [N_LAST] = p->last,
        [N_TITLE] = p->title,       [N_EMAIL] = p->email,
        [N_WORK] = p->work,         [N_MOBILE] = p->mobile,
        [N_ORG_NUMBER] = o->number, [N_ORG_NAME] = o->name,
        [N_USAGE] = "ORG_CONTACT",  [N_STATUS] = p->active ? "A" : "I",
        [N_BY] = "casey.brown",
    };

    v_str(v, words[id]);
    if (v->s != NULL && v->s[0] == 0) {
        v->t = V_NULL;
    }
}

static void
person_get(struct fctx *c, const struct row *row, int id, struct val *v)
{
    const struct person *p = &c->w->persons[row->i];
    int64_t own = world_id(c->w, K_PERSON, row->i);

    switch (id) {
    case N_ID:
        v_num(v, V_INT, own);
        break;
    case N_NUMBER:
        v_str(v, arena_printf(c->a, "CDRM_%" PRId64, own % 100000000));
        break;
    case N_NAME:
        v_str(v, person_name(c->w, row->i, c->a));
        break;
    case N_ORG:
        v_num(v, V_INT, world_id(c->w, K_PARTY, p->party));
        break;
    case N_FALSE:
        v_num(v, V_BOOL, 0);
        break;
    case N_CREATED:
        v_num(v, V_TIME, p->created);
        break;
    case N_STAMP:
        v_num(v, V_TIME, p->stamp);
        break;
    default:
        person_words(c, row, id, v);
        break;
    }
}

static const char *
person_key(struct fctx *c, const struct row *row)
{
    return arena_printf(c->a, "CDRM_%" PRId64,
                        world_id(c->w, K_PERSON, row->i) % 100000000);
}

static uint32_t
person_find(struct fctx *c, const char *key)
{
    int64_t id = text_has_prefix(key, "CDRM_") ?
                     INT64_C(300000000000000) + strtoll(key + 5, NULL, 10) :
                     strtoll(key, NULL, 10);

    return world_find(c->w, K_PERSON, id);
}

static void
person_lookup(struct fctx *c, const struct attr *a, const char *text,
              struct rows *out)
{
    uint32_t party = NONE;

    if ((a->flags & AF_KEY) != 0) {
        lookup_id(c, &res_persons, text, out);
        return;
    }
    party = world_find(c->w, K_PARTY, strtoll(text, NULL, 10));
    for (uint32_t p = party == NONE ? NONE : c->w->parties[party].first_person;
         p != NONE; p = c->w->persons[p].next_of_party) {
        if (!c->w->persons[p].deleted) {
            rows_add(c, out,
                     (struct row){.res = &res_persons,
                                  .name = res_persons.name,
                                  .i = p});
        }
    }
}

static const struct child person_children[] = {
    {"ContactPoint", &res_none, no_rows},
    {"Address", &res_none, no_rows},
    {"Relationship", &res_none, no_rows},
};
const struct res res_persons = {
    .name = "hubPersons",
    .title = "Hub Persons",
    .op = "hubPersons.get",
    .api = "crmRestApi",
    .kind = K_PERSON,
    .attrs = person_attrs,
    .n_attrs = COUNT_OF(person_attrs),
    .get = person_get,
    .key = person_key,
    .find = person_find,
    .lookup = person_lookup,
    .visible = account_visible,
    .children = person_children,
    .n_children = COUNT_OF(person_children),
    .finders = "PrimaryKey PartyIdAltKey PartyNumberAltKey",
};
