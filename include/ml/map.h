/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_MAP_H
#define ML_MAP_H

/*
 * map: Fusion rows to records in our own normal form, and from there to HubSpot
 * properties. Pure functions over tables; no I/O, no clock, no logging; may run
 * in another thread. docs/mapping.md says the same in words.
 *
 * Rows are jansson trees whose numbers are strings (jsonx_scan, jsonx_parse).
 */
#include "ml/base.h"

#include <jansson.h>

enum map_kind { MAP_CUSTOMER, MAP_INVOICE, MAP_PAYMENT, MAP_KINDS };
const char *map_kind_name(enum map_kind k); /* "customer" ...; static */
bool map_kind_parse(const char *s, enum map_kind *k);

enum map_object {
    MAP_COMPANIES,
    MAP_CONTACTS,
    MAP_INVOICES,
    MAP_LINE_ITEMS,
    MAP_PAYMENTS,
    MAP_OBJECTS
};
/* HubSpot's path name: "companies" "contacts" "invoices" "line_items"
 * "commerce_payments"; its type id "0-2"...; our unique property of it. */
const char *map_object_name(enum map_object o);
const char *map_object_type_id(enum map_object o);
const char *map_object_key(enum map_object o);
bool map_object_parse(const char *name, enum map_object *o);

/* ---- what the portal must have ------------------------------------------ */

struct map_property {
    enum map_object object;
    const char *name, *label;
    const char *type;       /* "string" "number" "datetime" */
    const char *field_type; /* "text" "number" "date" */
    bool unique;
};
/* Ours, all in the group `oracle_fusion`, labelled "Oracle Fusion". */
const struct map_property *map_properties(size_t *n);
/* HubSpot's own properties that the mapping writes, per object: their absence
 * or being read-only is told by ping. NULL-terminated. */
const char *const *map_standard_properties(enum map_object o);

struct map_association {
    enum map_object from, to;
    unsigned types[2];   /* HUBSPOT_DEFINED type ids; 0 ends */
    unsigned inverse[2]; /* the same seen from `to` */
};
/* contact-company 279 and 1, invoice-contact 177, invoice-company 179,
 * invoice-line 409, payment-contact 387, payment-company 389,
 * invoice-payment 541; HubSpot's table of association type ids. */
const struct map_association *map_associations(size_t *n);

/* ---- records ------------------------------------------------------------ */

struct map_options {
    const char *key_prefix;            /* NULL: none */
    const char *const *business_units; /* NULL-terminated; NULL or empty: all */
    const char *mapping_file; /* content of a --mapping-file; NULL: none */
};
struct mapping; /* not the hash map of base */
/* ERR_CONFIG with line and reason when the mapping file is wrong. */
MUST_USE enum err map_new(const struct map_options *o, struct mapping **out,
                          struct fault *f);
void map_free(struct mapping *m);

/* ---- what a mapping file asks of Fusion --------------------------------- */

/* The resources that records are made of. */
enum map_resource {
    MAP_RES_INVOICES,
    MAP_RES_RECEIPTS,
    MAP_RES_ACCOUNTS,
    MAP_RES_ORGANIZATIONS,
    MAP_RES_PERSONS,
    MAP_RESOURCES
};
/* "receivablesInvoices" "standardReceipts" "receivablesCustomerAccountActivities"
 * "hubOrganizations" "hubPersons"; static. */
const char *map_resource_name(enum map_resource r);
bool map_resource_is_crm(enum map_resource r);
/*
 * The collections to expand beyond those that every mapping needs (lines and
 * installments; classifications and contact points), written as Fusion's
 * `expand` takes them: "receivablesInvoiceDFF",
 * "receivablesInvoiceLines.receivablesInvoiceLineDFF". Sorted, each once,
 * NULL-terminated; never NULL itself; lives as long as m. Only the first item
 * of such a collection is read. Without a mapping file: none.
 */
const char *const *map_expands(const struct mapping *m, enum map_resource r);
/* What the file makes of the records of one kind, and which business units are
 * wanted of invoices and payments, as a hash in hex over its entries: another order, layout or spelling of the same file gives the same.
 * "" when the file has nothing for that kind, or there is none. When it differs
 * from the one the kind was last read in full with, records may come out
 * otherwise: the whole kind is to be read again. Lives as long as m. */
const char *map_fingerprint(const struct mapping *m, enum map_kind k);

/* ---- checking a mapping file against both systems ----------------------- */

struct map_known {
    /* Per resource what describe says of it, as fusion_describe_all gives it:
     * {"attributes":{"<name>":{...}},"children":{"<name>":{the same}}}. NULL:
     * not known, nothing is said of it; a child's "attributes" may be null. */
    const json_t *describe[MAP_RESOURCES];
    /* Per object the `results` of HubSpot's property list. NULL: not known. */
    const json_t *properties[MAP_OBJECTS];
};
/* What the file refers to, so that only that is asked for. */
bool map_uses_resource(const struct mapping *m, enum map_resource r);
bool map_uses_object(const struct mapping *m, enum map_object o);
/*
 * Every complaint as a line of `out`: "mapping file, line 3: invoices.region:
 * ..." with the nearest name where one is near; at most MAP_COMPLAINTS_MAX, and
 * one that says how many more there are. ERR_CONFIG when there is any; f has
 * the first.
 */
enum { MAP_COMPLAINTS_MAX = 50 };
MUST_USE enum err map_check(const struct mapping *m,
                            const struct map_known *known, struct buf *out,
                            struct fault *f);

struct map_note {      /* becomes an audit event of the record */
    const char *event; /* "industry_unmapped" "email_invalid" ... */
    const char *message;
};
enum { MAP_NOTES_MAX = 8 };

/*
 * One record. Everything lives in the arena given. `desired` is JSON:
 *
 *   {"objects":[{"object":"invoices","key":"<prefixed key>",
 *                "properties":{"name":"text",...}}, ...],
 *    "status":"open",           invoices: where hs_invoice_status shall go;
 *                               absent: leave it as it is
 *    "status_held":"no_lines",  why there is no status, when audit-worthy
 *    "gone":true}               payments `:unapplied` with amount 0: archive it
 *
 * Object order: company, contact / invoice, its lines in line order / payment.
 * All property values are JSON strings; properties without a value are absent.
 * hs_customer_email of payments and hs_invoice_billable are not in it: the
 * dispatcher knows the contact's e-mail and whether the invoice is new.
 * The hash is SHA-256 over kind, parents and desired without
 * fusion_last_update, in canonical order.
 */
struct map_record {
    enum map_kind kind;
    const char *id;       /* Fusion id as the mapping's table says, no prefix */
    const char *number;   /* TransactionNumber, ReceiptNumber, AccountNumber */
    const char *customer; /* account number this depends on; NULL: none */
    const char *invoice;  /* payments: CustomerTransactionId; NULL: none */
    const char *receipt;  /* payments: StandardReceiptId */
    const char *amount;   /* decimal text or NULL */
    const char *currency; /* or NULL */
    const char *email;    /* customers: the contact's wanted e-mail or NULL */
    const char *party; /* customers: PartyId or NULL; invoices: BillToPartyId */
    const char *account_name;  /* invoices: BillToCustomerName or NULL */
    const char *contact_name;  /* invoices: BillToContact or NULL */
    const char *contact_email; /* invoices: Email, checked, or NULL */
    const char *balance; /* invoices: InvoiceBalanceAmount as decimal text;
                                  NULL: none. Not in the hash */
    bool open;           /* worth reading again; not in the hash. Invoices:
                             Incomplete, or balance not 0. Payments: on the
                             `:unapplied` record of a receipt, when something of
                             it is unapplied or it is neither cleared nor
                             reversed */
    bool draft;          /* invoices: Incomplete; not in the hash */
    int64_t stamp_us;    /* payments: LastUpdateDate of the receipt alone; 0: of
                            other kinds */
    int64_t version_us;  /* greatest LastUpdateDate of the source rows */
    struct hash hash;
    const char *desired;
    struct map_note notes[MAP_NOTES_MAX];
    size_t note_count;
};

/* What became of a row. */
enum map_fate {
    MAP_RECORD,   /* out is filled */
    MAP_FILTERED, /* of a business unit that is not wanted */
    MAP_INVALID   /* cannot be a record: f (ERR_TYPE) says which field and why;
                     of an invoice or customer out->id is set if it has one */
};

/* Whether a row's BusinessUnit is one the tenant wants. */
bool map_unit_wanted(const struct mapping *m, const json_t *row);

/* A receivablesInvoices row with receivablesInvoiceLines and -Installments,
 * as child collections or bare arrays, complete. */
enum map_fate map_invoice(const struct mapping *m, struct arena *a,
                          const json_t *row, struct map_record *out,
                          struct fault *f);

/* The rows a customer is made of; any but number may be NULL. */
struct map_customer_rows {
    const char *account_number;
    const json_t *account;      /* receivablesCustomerAccountActivities */
    const json_t *organization; /* hubOrganizations incl. children */
    const json_t *persons;      /* array of hubPersons of that party */
    /* of the newest invoice known: */
    const char *bill_to_name, *bill_to_contact, *bill_to_party, *bill_to_email;
};
enum map_fate map_customer(const struct mapping *m, struct arena *a,
                           const struct map_customer_rows *rows,
                           struct map_record *out, struct fault *f);

/* A standardReceipts row and its standardReceiptApplications (array, all of
 * this receipt, also from several pages; rows without ReferenceTransactionId
 * are activities and make no payment). Gives *out (in the arena), *n records:
 * one per invoice applied to, and always one `:unapplied` (gone when 0). */
enum map_fate map_payments(const struct mapping *m, struct arena *a,
                           const json_t *receipt, const json_t *applications,
                           struct map_record **out, size_t *n, struct fault *f);

/* The record as an element of the JSON array that store_intake() takes:
 * {kind,id,number,customer,invoice,receipt,amount,currency,email,party,
 *  account_name,contact_name,contact_email,balance,open,draft,stamp_us,version_us,hash,
 *  desired,notes}.
 */
void map_record_json(const struct map_record *r, struct buf *out);

/* ---- helpers shared with the dispatcher --------------------------------- */

/* Hash of one object's properties (JSON object text as in desired), without
 * fusion_last_update: what a link remembers. */
struct hash map_properties_hash(const char *properties);
struct hash map_properties_hash_of(const json_t *properties); /* an object */
/* Whether HubSpot's properties (a JSON object as read back) hold the wanted
 * ones: numbers compared as decimals, datetimes as instants, e-mail without
 * case. fusion_last_update is not compared. */
bool map_properties_equal(enum map_object o, const json_t *wanted,
                          const json_t *found);

#endif
