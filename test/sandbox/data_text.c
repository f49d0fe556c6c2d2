/* SPDX-License-Identifier: UNLICENSED */
/*
 * The words of a world: names, addresses, numbers, descriptions, all chosen by
 * a generator that is started from (seed, tenant, what, index), so that asking
 * twice gives the same answer. Names carry what breaks naive programs: quotes,
 * backslashes, letters beyond ASCII, 120 characters and more; e-mails are
 * missing, broken, shared, in capitals.
 */
#include "data.h"

#include <inttypes.h>
#include <string.h>

struct rng
rng_of(const struct world *w, uint64_t what, uint64_t i)
{
    struct rng r = {w->seed ^ (what * 0xa0761d6478bd642fu) ^
                    (i * 0xe7037ed1a0b428dbu)};

    (void)rng_next(&r);
    return r;
}

uint64_t
rng_next(struct rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t
rng_range(struct rng *r, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(rng_next(r) % (uint64_t)(hi - lo + 1));
}

bool
rng_percent(struct rng *r, unsigned percent)
{
    return rng_next(r) % 100 < percent;
}

#define PICK(r, table) ((table)[rng_next(r) % COUNT_OF(table)])

static const char *const stems[] = {
    "Meridian",     "Talbot",          "Harbor",   "Northwind Supply",
    "Kestrel",      "Blue Ridge",      "Orchard",  "M\u00fcller",
    "Nordlys",      "Pinecrest",       "Granite",  "Sterling",
    "\u00c5sgard",  "Caf\u00e9 Royal", "Vanguard", "O'Hara",
    "Juniper",      "Lakeside",        "Summit",   "Copper Hill",
    "\u6771\u4eac", "Ashford",         "Delmar",   "Quarry",
};
static const char *const trades[] = {
    "Components", "Instruments",        "Logistics",         "Foods",
    "Systems",    "Textiles",           "Consulting",        "Energy",
    "Medical",    "& Sons \"Trading\"", "Back\\Slash Media", "Tools <Export>",
    "Printing",   "Software",
};
static const char *const suffixes[] = {"Inc",  "GmbH", "Ltd", "LLC",
                                       "S.A.", "Corp", "AG",  "Pty"};
static const char *const firsts[] = {
    "Dana",  "Casey", "Bj\u00f6rn", "Amina", "Luis", "Chlo\u00e9",
    "Priya", "Tom",   "Ingrid",     "Wei",   "Sara", "Mikhail",
};
static const char *const lasts[] = {
    "Whitfield", "O'Brien", "Garc\u00eda", "Tanaka",   "Novak", "Lind",
    "Okafor",    "Smith",   "M\u00fcller", "Da Silva", "Chen",  "Brown",
};
static const char *const titles[] = {"Accounts Payable Manager", "Controller",
                                     "Buyer", "Treasurer", "Head of Finance"};

struct place {
    const char *city, *state, *province, *postal, *country;
};
static const struct place places[] = {
    {"Foster City", "CA", NULL, "94404", "US"},
    {"Chattanooga", "TN", NULL, "37402", "US"},
    {"Toronto", NULL, "ON", "M5V 2T6", "CA"},
    {"M\u00fcnchen", NULL, NULL, "80331", "DE"},
    {"London", NULL, NULL, "EC1A 1BB", "GB"},
    {"Montr\u00e9al", NULL, "QC", "H2Y 1C6", "CA"},
    {"Austin", "TX", NULL, "73301", "US"},
    {"Kuwait City", NULL, NULL, "13001", "KW"},
    {"Osaka", NULL, NULL, "530-0001", "JP"},
};

struct trade_class {
    const char *category, *code, *meaning;
};
static const struct trade_class class_table[] = {
    {"1987 SIC", "3679", "Electronic components, not elsewhere classified"},
    {"1987 SIC", "7372", "Prepackaged software"},
    {"1987 SIC", "4731", "Freight transportation arrangement"},
    {"1987 SIC", "2099", "Food preparations, not elsewhere classified"},
    {"NAICS_2012", "541511", "Custom Computer Programming Services"},
    {"NAICS_2012", "541611", "Administrative Management Consulting Services"},
    {"NAICS_2012", "339112", "Surgical and Medical Instrument Manufacturing"},
    {"NAICS_2017", "999990", "Unclassified Establishments"},
    {"CUSTOMER_CATEGORY", "HIGH_TECH", "High Technology"},
};

const char *
unit_name(unsigned unit)
{
    static const char *const names[UNITS] = {
        "Vision Operations", "Vision Services", "Vision Germany"};
    return names[unit % UNITS];
}

const char *
method_name(unsigned method)
{
    static const char *const names[METHODS] = {
        "Wire", "Check",        "ACH Direct Debit", "Credit Card",
        "Cash", "AR_ManRec_02", "Lockbox"};
    return names[method % METHODS];
}

/* A host name out of a company name: letters and digits only. */
static const char *
host_of(struct world *w, const char *name, uint32_t idx)
{
    char host[24];
    size_t n = 0;

    for (const char *p = name; *p != 0 && n < sizeof(host) - 1; p++) {
        if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')) {
            host[n++] = *p;
        } else if (*p >= 'A' && *p <= 'Z') {
            host[n++] = (char)(*p - 'A' + 'a');
        }
    }
    host[n] = 0;
    return world_text(w, "%s-%" PRIu32 "-%zu.example", host, idx, w->index);
}

static const char *
party_name(struct world *w, uint32_t idx, struct rng *r)
{
    const char *stem = PICK(r, stems);
    const char *trade = PICK(r, trades);
    const char *suffix = PICK(r, suffixes);

    if (rng_percent(r, 3)) {
        return world_text(w,
                          "%s %s International Holding and Participation "
                          "Company for the Manufacture, Distribution and "
                          "Maintenance of Industrial Equipment No. %" PRIu32
                          " %s",
                          stem, trade, idx, suffix);
    }
    return world_text(w, "%s %s %" PRIu32 " %s", stem, trade, idx, suffix);
}

static void
party_address(struct world *w, struct party *p, struct rng *r)
{
    const struct place *at = &PICK(r, places);

    p->address1 = world_text(w, "%d Harbor Blvd", (int)rng_range(r, 1, 9900));
    p->address2 = rng_percent(r, 30) ?
                      world_text(w, "Suite %d", (int)rng_range(r, 1, 400)) :
                      NULL;
    p->address3 = rng_percent(r, 8) ? "c/o Shared Service Center" : NULL;
    p->city = at->city;
    p->state = at->state;
    p->province = at->province;
    p->postal = at->postal;
    p->country = at->country;
}

static void
party_classes(struct party *p, struct rng *r)
{
    unsigned n = rng_percent(r, 65) ? (rng_percent(r, 20) ? 2 : 1) : 0;

    p->n_classes = (uint8_t)n;
    for (unsigned i = 0; i < n; i++) {
        const struct trade_class *c = &PICK(r, class_table);

        p->classes[i] = (struct class_row){
            .category = c->category,
            .code = c->code,
            .meaning = c->meaning,
            .industry = strncmp(c->category, "CUST", 4) != 0,
            .primary = i == 0,
        };
    }
}

void
party_fill(struct world *w, uint32_t idx, struct rng *r)
{
    struct party *p = &w->parties[idx];
    const char *host = NULL;

    p->name = party_name(w, idx, r);
    p->number =
        world_text(w, "CDRM_%" PRId64, world_id(w, K_PARTY, idx) % 100000000);
    p->usage = rng_percent(r, 97) ? "CUSTOMER" : "PROSPECT";
    host = host_of(w, p->name, idx);
    if (rng_percent(r, 70)) {
        p->url =
            rng_percent(r, 60) ?
                world_text(w, "https://www.%s", host) :
                (rng_percent(r, 50) ? world_text(w, "http://%s/en/", host) :
                                      host);
    }
    if (rng_percent(r, 60)) {
        p->email = rng_percent(r, 5) ? "not an address" :
                                       world_text(w, "info@%s", host);
    }
    if (rng_percent(r, 70)) {
        p->phone =
            world_text(w, "+1 (650) 555-%04d", (int)rng_range(r, 0, 9999));
    } else if (rng_percent(r, 60)) {
        p->point_phone =
            world_text(w, "+49 89 %06d", (int)rng_range(r, 0, 999999));
    }
    party_address(w, p, r);
    party_classes(p, r);
    p->duns = world_text(w, "%09d", (int)rng_range(r, 1, 999999999));
    p->tax_id = rng_percent(r, 40) ?
                    world_text(w, "94-%07d", (int)rng_range(r, 0, 9999999)) :
                    NULL;
    p->business = rng_percent(r, 50) ? "Electronic components" : NULL;
    p->employees = (uint32_t)rng_range(r, 1, 5000);
    p->has_org = rng_percent(r, 93);
    p->active = rng_percent(r, 97);
    p->first_person = NONE;
}

void
person_fill(struct world *w, uint32_t idx, struct rng *r)
{
    struct person *p = &w->persons[idx];
    unsigned mail = (unsigned)rng_range(r, 0, 99);

    p->first = PICK(r, firsts);
    p->last = PICK(r, lasts);
    p->title = rng_percent(r, 70) ? PICK(r, titles) : NULL;
    if (mail < 8) {
        p->email = NULL;
    } else if (mail < 12) {
        p->email = "broken@@example";
    } else if (mail < 15) {
        p->email = "ap@shared-services.example"; /* one for many */
    } else {
        p->email =
            world_text(w,
                       mail < 25 ? "P%" PRIu32 ".%s@EXAMPLE-%zu.EXAMPLE" :
                                   "p%" PRIu32 ".%s@example-%zu.example",
                       idx, mail < 25 ? "AP" : "ap", w->index);
    }
    if (rng_percent(r, 60)) {
        p->work =
            world_text(w, "+1 (415) 555-%04d", (int)rng_range(r, 0, 9999));
    }
    if (rng_percent(r, 40)) {
        p->mobile =
            world_text(w, "+1 (628) 555-%04d", (int)rng_range(r, 0, 9999));
    }
    p->active = rng_percent(r, 85);
}

const char *
customer_name(struct world *w, uint32_t party, unsigned nth)
{
    const char *name = w->parties[party].name;

    return nth == 0 ? name : world_text(w, "%s (branch %u)", name, nth + 1);
}

/* "" stands for none. */
static const char *
or_null(const char *s)
{
    return s[0] == 0 ? NULL : s;
}

const char *
invoice_number(const struct world *w, uint32_t v, struct arena *a)
{
    struct rng r = rng_of(w, 11, v);

    if (w->invoices[v].number != NULL) {
        return w->invoices[v].number;
    }
    /* Not unique across business units: a few are shared by two invoices. */
    if (rng_percent(&r, 1) && v > 0) {
        return arena_printf(a, "%" PRIu32, 10000 + v - 1);
    }
    return arena_printf(a, "%" PRIu32, 10000 + v);
}

const char *
invoice_po(const struct world *w, uint32_t v, struct arena *a)
{
    struct rng r = rng_of(w, 12, v);

    if (w->invoices[v].po != NULL) {
        return or_null(w->invoices[v].po);
    }
    if (!rng_percent(&r, 55)) {
        return NULL;
    }
    return arena_printf(a, "PO-%05d", (int)rng_range(&r, 0, 99999));
}

/* The party whose person an invoice names; NULL when it names none. */
static const struct party *
invoice_billed(const struct world *w, uint32_t v)
{
    struct rng r = rng_of(w, 13, v);
    uint32_t customer = w->invoices[v].customer;

    if (customer == NONE || !rng_percent(&r, 60)) {
        return NULL;
    }
    return &w->parties[w->customers[customer].party];
}

const char *
invoice_email(const struct world *w, uint32_t v, struct arena *a)
{
    struct rng r = rng_of(w, 14, v);
    const struct party *billed = NULL;

    if (w->invoices[v].email != NULL) {
        return or_null(w->invoices[v].email);
    }
    billed = invoice_billed(w, v);
    if (billed != NULL && billed->billed_name != NULL && rng_percent(&r, 70)) {
        return billed->billed_email;
    }
    if (rng_percent(&r, 4)) {
        return "see remittance advice";
    }
    return rng_percent(&r, 40) && w->invoices[v].customer != NONE ?
               arena_printf(a, "ap-%" PRIu32 "@Customers-%zu.example",
                            w->invoices[v].customer, w->index) :
               NULL;
}

const char *
invoice_contact(const struct world *w, uint32_t v, struct arena *a)
{
    const struct party *billed = NULL;

    (void)a;
    if (w->invoices[v].contact != NULL) {
        return or_null(w->invoices[v].contact);
    }
    billed = invoice_billed(w, v);
    return billed == NULL ? NULL : billed->billed_name;
}

const char *
receipt_number(const struct world *w, uint32_t r, struct arena *a)
{
    static const char *const prefix[METHODS] = {"WIRE", "CHK",  "ACH", "CC",
                                                "CASH", "Rec5", "LBX"};

    if (w->receipts[r].number != NULL) {
        return w->receipts[r].number;
    }
    return arena_printf(a, "%s-%" PRIu32, prefix[w->receipts[r].method],
                        7000 + r);
}

const char *
memo_number(const struct world *w, uint32_t m, struct arena *a)
{
    (void)w;
    return arena_printf(a, "CM-%" PRIu32, 2000 + m);
}

const char *
person_name(const struct world *w, uint32_t p, struct arena *a)
{
    return arena_printf(a, "%s %s", w->persons[p].first, w->persons[p].last);
}

/* ---- lines -------------------------------------------------------------- */

static const char *const goods[] = {
    "Laptop",
    "Battery",
    "Charger",
    "Docking station 13\" / 15\"",
    "C:\\Tools\\Licence, 1 year",
    "Gep\u00e4ckst\u00fcck \u2014 Gr\u00f6\u00dfe L",
    "Steel bracket, galvanised",
    "Consulting, fixed fee \u2014 phase 1",
    "Support contract",
    "\u30ce\u30fc\u30c8 PC",
    "Travel expenses, as agreed in the statement of work of the master services "
    "agreement between the parties including all annexes, schedules and later "
    "amendments to them",
    "Cable 3 m",
};
static const char *const memos[] = {"Consulting", "Freight charge", "Discount",
                                    "Late fee"};

const char *
line_item(const struct line *l, struct arena *a)
{
    return l->kind == LINE_ITEM ?
               arena_printf(a, "AS%05" PRIu32, l->pick % 90000 + 10000) :
               NULL;
}

const char *
line_memo(const struct line *l)
{
    return l->kind == LINE_MEMO ? memos[l->pick % COUNT_OF(memos)] : NULL;
}

const char *
line_text(const struct line *l, struct arena *a)
{
    (void)a;
    if (l->text != NULL) {
        return or_null(l->text);
    }
    /* Some lines are named by their item or memo line only. */
    if (l->kind != LINE_TEXT && l->pick % 16 == 0) {
        return NULL;
    }
    return goods[(l->pick >> 4) % COUNT_OF(goods)];
}
