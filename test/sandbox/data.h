/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_SANDBOX_DATA_H
#define ML_SANDBOX_DATA_H

/*
 * The world of one tenant: what its Fusion pod really holds. Compact records
 * in arrays, named by index; ids are computed from indexes. Amounts are exact
 * integers in thousandths (KWD has three digits), prices in ten-thousandths,
 * rates in millionths, dates in days since 1970, stamps in microseconds.
 *
 * Lines of a generated invoice are computed when asked for and stored only
 * once they were changed, so that a million invoices fit into memory.
 *
 * Invariants: an installment's balance is original - paid + credited +
 * adjusted (the last two are zero or negative); a receipt's amount is what its
 * applications used plus `unapplied`; application rows are only ever added.
 */
#include "sandbox.h"

#define NONE UINT32_MAX

enum kind {
    K_CUSTOMER,
    K_PARTY,
    K_PERSON,
    K_INVOICE,
    K_RECEIPT,
    K_MEMO,
    K_ADJUSTMENT,
    K_COUNT
};

enum { LINES_MAX = 50, INSTALLMENTS_MAX = 3, CLASSES_MAX = 2 };

struct currency {
    const char *code;
    unsigned digits; /* after the point */
    int64_t rate_e6; /* to the ledger's currency; 0: is the ledger's */
};
enum { CURRENCIES = 6 };
extern const struct currency currencies[CURRENCIES];
int currency_find(const char *code); /* -1: unknown */

struct class_row {
    const char *category, *code, *meaning;
    bool industry, primary;
};

struct party {
    const char *number, *name, *usage;
    const char *address1, *address2, *address3, *city, *state, *province;
    const char *postal, *country, *email, *phone, *point_phone, *url, *duns;
    const char *tax_id, *business;
    /* whom its generated invoices name: they keep what they were made with,
     * whatever becomes of the person */
    const char *billed_name, *billed_email;
    struct class_row classes[CLASSES_MAX];
    int64_t stamp, created;
    uint32_t first_person, employees;
    uint8_t n_classes;
    bool has_org; /* hubOrganizations knows it */
    bool active, deleted;
};

struct person {
    const char *first, *last, *title, *email, *work, *mobile;
    int64_t stamp, created;
    uint32_t party, next_of_party;
    bool active, deleted;
};

struct customer {
    const char *number, *name, *site;
    int64_t stamp, created;
    uint32_t party, first_invoice, first_receipt, first_memo;
    bool hashed; /* its REST key is opaque: the number is refused */
    bool deleted;
};

enum line_kind { LINE_ITEM, LINE_MEMO, LINE_TEXT };
struct line {
    int64_t id, tax_id;
    int64_t quantity_e3, price_e4, amount, tax;
    int64_t created, stamp;
    const char *text; /* NULL: from `pick` */
    uint32_t pick;
    uint16_t number;
    uint8_t kind, tax_percent;
    bool has_quantity, tax_inside;
};

struct installment {
    int64_t original, paid, credited, adjusted, stamp;
    int32_t due, closed; /* closed 0: open */
};

enum invoice_status { INVOICE_COMPLETE, INVOICE_INCOMPLETE, INVOICE_FROZEN };
struct invoice {
    int64_t stamp, created, entered, tax, freight;
    struct line *lines;       /* NULL: generated */
    struct installment *inst; /* NULL while incomplete */
    const char *number, *po, *email, *contact, *comments; /* NULL: generated;
                                                              "": none */
    uint32_t customer, next_of_customer, first_app, last_app, first_adjustment;
    int32_t date, due;
    uint16_t n_lines;
    uint8_t n_inst, currency, status, unit;
    bool no_name, deleted;
};

struct receipt {
    const char *number; /* NULL: generated */
    const char *reversal, *reason;
    int64_t stamp, created, amount, unapplied;
    uint32_t customer, next_of_customer, first_app, last_app;
    int32_t date, reversed;
    uint8_t currency, method, unit;
    bool text_amounts, deleted;
};

struct memo {
    int64_t stamp, created, amount, balance; /* both positive here */
    const char *reason;
    uint32_t customer, next_of_customer, first_app, last_app, credits;
    int32_t date;
    uint8_t currency, unit;
    bool deleted;
};

struct adjustment {
    int64_t stamp, created, amount; /* negative */
    const char *reason;
    uint32_t invoice, next_of_invoice;
    int32_t date;
    uint8_t installment;
    bool deleted;
};

/* A row of the applications' ledger. */
struct app {
    int64_t stamp, created;
    int64_t amount; /* in the invoice's currency; negative: taken back */
    int64_t used;   /* of the receipt or memo, in its currency */
    uint32_t source, invoice, next_of_source, next_of_invoice;
    int32_t date; /* invoice NONE: put on account */
    uint8_t installment;
    bool of_memo, latest;
};

struct stamp_entry {
    int64_t stamp;
    uint32_t idx;
};
/* Sorted by stamp, then id. An entry whose record moved on or is gone is stale
 * and skipped; many stale ones are swept. */
struct stamp_index {
    struct stamp_entry *v;
    size_t n, cap, stale;
};

struct world {
    uint64_t seed;
    size_t index;
    int64_t start_us; /* the moment it was made */
    struct arena texts;
    struct party *parties;
    struct person *persons;
    struct customer *customers;
    struct invoice *invoices;
    struct receipt *receipts;
    struct memo *memos;
    struct adjustment *adjustments;
    struct app *apps;
    size_t n[K_COUNT], cap[K_COUNT], n_apps, cap_apps;
    struct stamp_index by_stamp[K_COUNT];
    struct map by_number; /* AccountNumber -> index + 1 */
    int64_t next_extra;   /* ids of lines added later */
    struct map flex;      /* flexfields set by hand: path -> text */
    bool payments_bump;   /* an application stamps the invoice's header */
    bool receipts_bump;   /* an application stamps the receipt */
    bool lines_bump;      /* a new total stamps the invoice's header */
    bool forward;         /* stamps of a record only grow, meanwhile */
};

/* ---- data.c: records, ids, order ---------------------------------------- */

struct world *world_new_at(const struct sim_options *o, size_t index,
                           int64_t now_us);
int64_t world_id(const struct world *w, enum kind k, uint32_t idx);
/* NONE: no such id, or the record is deleted. */
uint32_t world_find(const struct world *w, enum kind k, int64_t id);
uint32_t world_order(const struct world *w, enum kind k, uint32_t place);
int64_t world_stamp(const struct world *w, enum kind k, uint32_t idx);
bool world_alive(const struct world *w, enum kind k, uint32_t idx);
/* Sets LastUpdateDate and keeps the index. */
void world_touch(struct world *w, enum kind k, uint32_t idx, int64_t stamp);
/* First entry with a stamp >= us. */
size_t stamp_seek(const struct stamp_index *x, int64_t us);
bool stamp_live(const struct world *w, enum kind k, size_t at);
/* Drops stale entries, so that places can be counted. */
void stamp_clean(struct world *w, enum kind k);
/* A zeroed record at the end; invalidates pointers of its kind. */
uint32_t world_add(struct world *w, enum kind k);
void world_bury(struct world *w, enum kind k, uint32_t idx);
uint32_t world_customer(const struct world *w, const char *number);
const char *world_text(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

int64_t app_id(uint32_t app);
int64_t installment_id(const struct world *w, uint32_t invoice, unsigned k);
int64_t invoice_balance(const struct invoice *v);
int64_t installment_balance(const struct installment *i);
int64_t to_ledger(int64_t amount, unsigned currency);
int64_t round_to(int64_t value, int64_t unit); /* half away from zero */
int64_t unit_of(unsigned currency); /* smallest amount, in thousandths */

/* ---- data_text.c: words ------------------------------------------------- */

struct rng {
    uint64_t s;
};
struct rng rng_of(const struct world *w, uint64_t what, uint64_t i);
uint64_t rng_next(struct rng *r);
int64_t rng_range(struct rng *r, int64_t lo, int64_t hi); /* both included */
bool rng_percent(struct rng *r, unsigned percent);

const char *unit_name(unsigned unit);
const char *method_name(unsigned method);
enum { UNITS = 3, METHODS = 7 };
void party_fill(struct world *w, uint32_t idx, struct rng *r);
void person_fill(struct world *w, uint32_t idx, struct rng *r);
const char *customer_name(struct world *w, uint32_t party, unsigned nth);
/* Generated texts go to the arena `a`; NULL: the record has none. */
const char *invoice_number(const struct world *w, uint32_t v, struct arena *a);
const char *invoice_po(const struct world *w, uint32_t v, struct arena *a);
const char *invoice_email(const struct world *w, uint32_t v, struct arena *a);
const char *invoice_contact(const struct world *w, uint32_t v, struct arena *a);
const char *receipt_number(const struct world *w, uint32_t r, struct arena *a);
const char *memo_number(const struct world *w, uint32_t m, struct arena *a);
const char *person_name(const struct world *w, uint32_t p, struct arena *a);
const char *line_item(const struct line *l, struct arena *a);
const char *line_memo(const struct line *l);
const char *line_text(const struct line *l, struct arena *a);

/* ---- data_gen.c: the first state ---------------------------------------- */

void world_fill(struct world *w, const struct sim_options *o);
uint32_t gen_customer(struct world *w, struct rng *r, int64_t now_us);
/* The nth account (0..) of a party; the caller sets its stamp. */
uint32_t gen_account(struct world *w, uint32_t party, unsigned nth,
                     struct rng *r);
void line_fill(const struct world *w, uint32_t invoice, unsigned k,
               struct line *l);
/* Line k as it is now. */
void invoice_line(const struct world *w, uint32_t invoice, unsigned k,
                  struct line *out);

/* ---- data_ops.c: changes; `now` is the stamp they get ------------------- */

uint32_t op_customer(struct world *w, int64_t now);
/* One more account of a party. */
uint32_t op_account(struct world *w, uint32_t party, int64_t now);
uint32_t op_person(struct world *w, uint32_t party, int64_t now);
uint32_t op_invoice(struct world *w, uint32_t customer, unsigned n_lines,
                    unsigned currency, int64_t now);
/* Complete makes installments, Incomplete drops them; false when refused. */
bool op_status(struct world *w, uint32_t invoice, unsigned status, int64_t now);
bool op_invoice_customer(struct world *w, uint32_t invoice, uint32_t customer,
                         int64_t now);
bool op_currency(struct world *w, uint32_t invoice, unsigned currency,
                 int64_t now);
bool op_line_add(struct world *w, uint32_t invoice, int64_t now);
bool op_line_remove(struct world *w, uint32_t invoice, unsigned k, int64_t now);
bool op_line_change(struct world *w, uint32_t invoice, unsigned k,
                    int64_t quantity_e3, int64_t price_e4, int64_t now);
struct line *op_lines(struct world *w, uint32_t invoice); /* stored now */
uint32_t op_receipt(struct world *w, uint32_t customer, unsigned currency,
                    int64_t amount, int64_t now);
/* Applies up to `amount` (invoice's currency); gives what was applied. */
int64_t op_apply(struct world *w, uint32_t receipt, uint32_t invoice,
                 int64_t amount, int64_t now);
int64_t op_unapply(struct world *w, uint32_t receipt, uint32_t invoice,
                   int64_t now); /* NONE: from all, also from account */
/* Puts up to `amount` on account: a ledger row without an invoice. */
int64_t op_on_account(struct world *w, uint32_t receipt, int64_t amount,
                      int64_t now);
bool op_reverse(struct world *w, uint32_t receipt, const char *category,
                int64_t now);
uint32_t op_memo(struct world *w, uint32_t invoice, int64_t amount,
                 int64_t now);
uint32_t op_adjust(struct world *w, uint32_t invoice, int64_t amount,
                   int64_t now);

/* ---- data_mutate.c ------------------------------------------------------ */

enum {
    MUTATE_CUSTOMERS = 1,
    MUTATE_INVOICES = 2,
    MUTATE_RECEIPTS = 4,
    MUTATE_CREDITS = 8,
    MUTATE_ALL = 15
};
struct mutation {
    unsigned n, groups; /* MUTATE_... */
    uint64_t seed;
    int64_t now;
    int64_t late_us; /* half of them get a stamp up to so much older */
};
/* Random changes; gives {"changes": [{"op","kind","id"}...]}. A late change
 * never sets a record's own stamp back: who changed it before had committed. */
json_t *world_mutate(struct world *w, const struct mutation *m);

/* ---- data_bulk.c -------------------------------------------------------- */

struct bulk {
    enum kind kind;
    size_t n;
    bool fresh;        /* new records, else existing ones spread evenly */
    int64_t at, step;  /* stamp of the first, and what each next has more */
    uint32_t customer; /* of new invoices and receipts; NONE: all in turn */
    unsigned lines, currency;
    int64_t amount; /* of new receipts */
};
/* Stamps many records as one long statement does; gives their ids. NULL: no
 * new ones of that kind, or there is no customer. */
json_t *world_bulk(struct world *w, const struct bulk *b);

#endif
