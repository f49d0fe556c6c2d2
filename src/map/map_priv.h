/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_MAP_PRIV_H
#define ML_MAP_PRIV_H

/*
 * What the files of map share. A record is made in three steps: the rows of
 * Fusion and the facts worked out of them stand in a struct map_ctx; the table
 * rows.def says which of them become which property in which form; the
 * properties, sorted by name, become the text of `desired`.
 *
 *     invoice.c customer.c payment.c   rules that are no row of the table
 *     build.c                          rows and own mapping to properties
 *     format.c, industry.c, method.c   one text to another
 *     file.c, needs.c, check.c         --mapping-file: reading it, what it asks
 *                                      of Fusion, whether both systems have it
 *     record.c, equal.c                desired, hash, comparison
 */
#include "ml/base.h"
#include "ml/jsonx.h"
#include "ml/map.h"

/* Where a value comes from. FACT is worked out, the others are rows. */
enum map_scope {
    MAP_FROM_NONE,
    MAP_FROM_FACT,
    MAP_FROM_ACCOUNT,
    MAP_FROM_ORGANIZATION,
    MAP_FROM_PERSON,
    MAP_FROM_INVOICE,
    MAP_FROM_LINE,
    MAP_FROM_RECEIPT,
    MAP_SCOPES
};
const char *map_scope_name(enum map_scope s); /* "account" ...; static */
#define MAP_LINES "receivablesInvoiceLines"
/* The resource its rows are of; lines are a child of theirs. False: none. */
bool map_scope_resource(enum map_scope s, enum map_resource *r);

enum map_format {
    MAP_AS_TEXT,
    MAP_AS_DATE,     /* midnight UTC of the calendar day as written */
    MAP_AS_DAY,      /* the calendar day itself, YYYY-MM-DD */
    MAP_AS_TIME,     /* instant, milliseconds, Z */
    MAP_AS_AMOUNT,   /* plain decimal; anything else makes the row invalid */
    MAP_AS_NUMBER,   /* plain decimal; anything else is left out */
    MAP_AS_BOOLEAN,  /* true or false, from these, yes, no, Y and N */
    MAP_AS_EMAIL,    /* lower case, checked */
    MAP_AS_DOMAIN,   /* host of a URL, without www. */
    MAP_AS_CURRENCY, /* three letters, upper case */
    MAP_AS_METHOD,   /* receipt method to HubSpot's option */
    MAP_AS_KEY,      /* text with the tenant's prefix before it */
    MAP_FORMATS
};
const char *map_format_name(enum map_format f); /* "text" ...; static */

enum { MAP_SOURCES_MAX = 3 };
struct map_source {
    enum map_scope scope;
    const char *path; /* "Attribute" or "child.Attribute"; a fact's name */
};
struct map_row {
    enum map_object object;
    const char *property;
    enum map_format format;
    struct map_source sources[MAP_SOURCES_MAX]; /* MAP_FROM_NONE ends */
};
extern const struct map_row map_rows[];
extern const size_t map_rows_count;

/* ---- values ------------------------------------------------------------- */

enum map_found { MAP_ABSENT, MAP_VALUE, MAP_WRONG };
/* A scalar of a row as text: null, missing, "" and blanks are absent, arrays
 * and objects wrong. *text is in the arena or in the row. */
enum map_found map_scalar(struct arena *a, const json_t *v, const char **text,
                          size_t *n);
/* The value at "Attribute" or "child.Attribute" (the first item of a child
 * collection); NULL when there is none. */
const json_t *map_path(const json_t *row, const char *path);
/* What a value is, for messages: "array". Static. */
const char *map_type_name(const json_t *v);

/* Formats text; NULL when it does not fit. In the arena. */
const char *map_format(struct arena *a, enum map_format f, const char *text,
                       size_t n);
/* HubSpot's industry option for a classification, NULL: none. Static. */
const char *map_industry(const char *category, const char *code,
                         const char *meaning);
/* HubSpot's payment method option; "other" when nothing fits. Static. */
const char *map_method(const char *receipt_method);
/* Whether `text` contains the words of `words` next to each other, whatever
 * their case and what stands between them. */
bool map_has_words(const char *text, const char *words);
/* Ids and numbers of any length, as numbers where both are digits. */
int map_id_cmp(const char *a, const char *b);

/* ---- one record being made ---------------------------------------------- */

struct map_prop {
    const char *name, *value;
};
struct map_props {
    struct map_prop *at;
    size_t n, cap;
};
struct map_thing { /* one object of `desired` */
    enum map_object object;
    const char *key;
    struct map_props props;
};

enum { MAP_FACTS_MAX = 16 };
struct map_ctx {
    const struct mapping *m;
    struct arena *a;
    struct map_record *out;
    struct fault *f;
    const char *where; /* "receivablesInvoiceLines[2]." or "" */
    const json_t *rows[MAP_SCOPES];
    struct map_prop facts[MAP_FACTS_MAX];
    size_t fact_count;
    struct map_thing *things;
    size_t thing_count, thing_cap;
    const char *status, *status_held;
    bool gone;
    bool invalid; /* f says why */
};
void map_ctx_init(struct map_ctx *c, const struct mapping *m, struct arena *a,
                  struct map_record *out, struct fault *f);
/* The row is no record: sets ERR_TYPE once; later calls are ignored. */
void map_refuse(struct map_ctx *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void map_note(struct map_ctx *c, const char *event, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void map_fact(struct map_ctx *c, const char *name, const char *value);
void map_fact_dec(struct map_ctx *c, const char *name, const struct dec *d);
void map_facts_clear(struct map_ctx *c);

/* Typed reads of an attribute; a wrong value of money or of an id refuses the
 * row, of anything else it is noted and counts as absent. */
const char *map_read_text(struct map_ctx *c, const json_t *row,
                          const char *attr);
bool map_read_money(struct map_ctx *c, const json_t *row, const char *attr,
                    struct dec *d);
/* Digits only; `required` refuses a row without. */
const char *map_read_id(struct map_ctx *c, const json_t *row, const char *attr,
                        bool required);
int64_t map_read_stamp(struct map_ctx *c, const json_t *row);
void map_saw_version(struct map_ctx *c, int64_t us);
/* sum += d; refuses the row when it does not fit. */
void map_sum(struct map_ctx *c, struct dec *sum, struct dec d,
             const char *what);

/* Adds an object with all properties that rows.def and the own mapping give
 * for it. Its key is the value of map_object_key(). */
struct map_thing *map_build(struct map_ctx *c, enum map_object object);
const char *map_thing_get(const struct map_thing *t, const char *property);
/* desired and hash; the fate. Copies nothing else. */
enum map_fate map_finish(struct map_ctx *c, enum map_kind kind);
/* ---- the mapping itself ------------------------------------------------- */

struct map_custom {
    enum map_object object;
    const char *property;
    struct map_source source[2]; /* the second when the row has none of it */
    const char *value;           /* a constant; NULL: source */
    enum map_format format;
    const struct map_row *replaces; /* the row of rows.def; NULL: added */
    unsigned line;                  /* in the file */
};
struct mapping {
    struct arena arena;
    const char *prefix; /* "" for none */
    const char **units; /* NULL-terminated; NULL: all */
    struct map_custom *custom;
    size_t custom_count;
    /* needs.c; NULL where the file says nothing */
    const char *const *expands[MAP_RESOURCES];
    const char *fingerprint[MAP_KINDS];
};
void map_needs(struct mapping *m); /* fills these two */
MUST_USE enum err map_file_parse(struct mapping *m, const char *text,
                                 struct fault *f);
/* The own mapping's entry for a property, NULL: none. */
const struct map_custom *map_custom_find(const struct mapping *m,
                                         enum map_object o, const char *name);
/* The type of a property that we know: 's' text, 'n' number, 't' time, 'e'
 * e-mail; 0 for others. */
char map_property_type(enum map_object o, const char *name);

#endif
