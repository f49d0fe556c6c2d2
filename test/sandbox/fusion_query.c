/* SPDX-License-Identifier: UNLICENSED */
/*
 * The q parameter: query-by-example of framework 1, row-match of 2 and later,
 * and finders, all parsed into one tree of comparisons.
 *
 * An attribute that describe calls not queryable is refused with a 400; a time
 * literal in a style this pod does not take, too. Null compares with nothing,
 * as in SQL. What the top conjunction says of LastUpdateDate and of ids is
 * given to the caller as bounds, so that a page costs no full scan.
 */
#include "fusion_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct scan {
    struct fctx *c;
    const struct res *res;
    const char *p;
    unsigned depth;
    bool all; /* a finder: every attribute may be named */
};
enum { DEPTH_MAX = 64, IN_MAX = 1000 };

const struct attr *
attr_find(const struct res *res, const char *name, size_t len)
{
    for (size_t i = 0; i < res->n_attrs; i++) {
        if (strncmp(res->attrs[i].name, name, len) == 0 &&
            res->attrs[i].name[len] == 0) {
            return &res->attrs[i];
        }
    }
    return NULL;
}

bool
attr_queryable(const struct fctx *c, const struct res *res,
               const struct attr *a)
{
    const struct {
        const struct res *res;
        enum sw which;
    } stamps[] = {{&res_receipts, SW_receipts_stamp_q},
                  {&res_memos, SW_memos_stamp_q},
                  {&res_invoices, SW_invoices_stamp_q},
                  {&res_accounts, SW_accounts_stamp_q},
                  {&res_organizations, SW_parties_stamp_q},
                  {&res_persons, SW_parties_stamp_q}};

    for (size_t i = 0; (a->flags & AF_STAMP) != 0 && i < COUNT_OF(stamps);
         i++) {
        if (stamps[i].res == res) {
            return sw(c, stamps[i].which);
        }
    }
    return (a->flags & AF_Q) != 0;
}

static struct node *
node_new(struct fctx *c, enum what what, struct node *l, struct node *r)
{
    struct node *n = arena_alloc(c->a, sizeof(*n));

    n->what = what;
    n->l = l;
    n->r = r;
    return n;
}

struct node *
query_and(struct fctx *c, struct node *a, struct node *b)
{
    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    return node_new(c, N_AND, a, b);
}

/* ---- literals ----------------------------------------------------------- */

static unsigned
literal_style(const struct lit *l)
{
    size_t n = strlen(l->text);
    unsigned style = 0;

    if (n <= 10) {
        style = 8;
    } else if (strchr(l->text, 'T') == NULL) {
        style = 4;
    } else if (l->text[n - 1] == 'Z') {
        style = 2;
    } else {
        style =
            n > 6 && (l->text[n - 6] == '+' || l->text[n - 6] == '-') ? 1 : 16;
    }
    return style | (l->quote == 0 ? 32U : 0U) | (l->quote == '"' ? 64U : 0U);
}

/* The user's time zone is this far ahead when the literal means a moment. */
static int64_t
zone_shift(const int64_t *on, const struct lit *l)
{
    int month = (l->text[5] - '0') * 10 + l->text[6] - '0';
    bool summer = month >= 4 && month <= 10;

    return on[SW_zone_shift_min] + (on[SW_zone_dst] != 0 && summer ? 60 : 0);
}

static bool
bind_time(struct scan *s, struct lit *l)
{
    const int64_t *on = s->c->pod->sw;
    unsigned style = literal_style(l);
    unsigned taken = (unsigned)on[SW_literals];
    int64_t us = 0;

    if (s->c->version == 1) {
        taken |= 32; /* query-by-example never needed quotes */
    }
    if ((style & ~taken) != 0 ||
        time_parse(l->text, strlen(l->text), &us) != ERR_OK) {
        return fail(s->c, 400, "27522",
                    "The value %s is not valid for a date-time attribute.",
                    l->text);
    }
    if ((style & (4U | 8U | 16U)) != 0) {
        us += zone_shift(on, l) * 60000000;
    }
    l->v.t = V_TIME;
    l->v.n = us + on[SW_all_shift_min] * 60000000;
    return true;
}

/* Decimal text to millionths. */
static bool
number_of(const char *s, int64_t *out)
{
    struct dec d;
    char text[DEC_TEXT_MAX];
    char *end = NULL;
    int64_t n = 0;
    int64_t digit = 100000;
    bool minus = *s == '-';

    if (dec_parse(s, strlen(s), &d) != ERR_OK) {
        return false;
    }
    (void)dec_text(&d, text);
    n = strtoll(text, &end, 10);
    if (n > INT64_C(9000000000000000) || n < -INT64_C(9000000000000000)) {
        return false;
    }
    if (n > INT64_C(9000000000000) || n < -INT64_C(9000000000000)) {
        *out = n; /* an id: kept whole */
        return *end == 0;
    }
    n = (n < 0 ? -n : n) * 1000000;
    for (const char *p = *end == '.' ? end + 1 : end; *p != 0 && digit > 0;
         p++) {
        n += digit * (*p - '0');
        digit /= 10;
    }
    *out = minus ? -n : n;
    return true;
}

static bool
bind_literal(struct scan *s, const struct attr *a, struct lit *l)
{
    int64_t n = 0;
    char *end = NULL;

    l->v = (struct val){.t = a->type, .s = l->text};
    switch ((int)a->type) {
    case V_INT:
        l->v.n = strtoll(l->text, &end, 10);
        if (end == l->text || *end != 0) {
            return fail(s->c, 400, "27522", "The value %s is not a number.",
                        l->text);
        }
        return true;
    case V_DEC:
        l->v.scale = 6;
        if (!number_of(l->text, &l->v.n)) {
            return fail(s->c, 400, "27522", "The value %s is not a number.",
                        l->text);
        }
        return true;
    case V_DATE:
        if (time_parse(l->text, strlen(l->text), &n) != ERR_OK) {
            return fail(s->c, 400, "27522", "The value %s is not a date.",
                        l->text);
        }
        l->v.n = n / INT64_C(86400000000);
        return true;
    case V_TIME:
        return bind_time(s, l);
    case V_BOOL:
        l->v.n =
            strcasecmp(l->text, "true") == 0 || strcasecmp(l->text, "Y") == 0;
        return true;
    default:
        l->v.t = V_STR;
        return true;
    }
}

/* ---- the scanner -------------------------------------------------------- */

static bool
bad(struct scan *s, const char *why)
{
    return fail(s->c, 400, "27520",
                "URL request parameter q cannot be used in this context. "
                "%s near '%.40s'.",
                why, s->p);
}

static void
blanks(struct scan *s)
{
    while (*s->p == ' ' || *s->p == '\t' || *s->p == '\n') {
        s->p++;
    }
}

static bool
is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

static bool
take_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);

    blanks(s);
    if (strncasecmp(s->p, word, n) != 0 || is_name(s->p[n])) {
        return false;
    }
    s->p += n;
    return true;
}

static bool
take_sign(struct scan *s, const char *sign)
{
    size_t n = strlen(sign);

    blanks(s);
    if (strncmp(s->p, sign, n) != 0) {
        return false;
    }
    s->p += n;
    return true;
}

static bool
take_quoted(struct scan *s, struct lit *l)
{
    char quote = *s->p++;
    char *text = arena_alloc(s->c->a, strlen(s->p) + 1);
    size_t n = 0;

    for (;;) {
        if (*s->p == 0) {
            return bad(s, "A literal is not closed");
        }
        if (*s->p == quote && s->p[1] == quote) {
            s->p++;
        } else if (*s->p == quote) {
            s->p++;
            break;
        }
        text[n++] = *s->p++;
    }
    l->text = text;
    l->quote = quote;
    return true;
}

/* A literal. Unquoted it ends at a blank, comma or parenthesis; framework 1
 * lets it run to `;` or to an `and`. A stamp may hold one blank. */
static bool
take_literal(struct scan *s, struct lit *l)
{
    const char *from = NULL;

    blanks(s);
    if (*s->p == '\'' || *s->p == '"') {
        return take_quoted(s, l);
    }
    from = s->p;
    while (*s->p != 0 && *s->p != ';') {
        if (s->c->version > 1 && strchr(",)", *s->p) != NULL) {
            break;
        }
        if (*s->p == ' ') {
            bool stamp = s->p - from == 10 && from[4] == '-' &&
                         s->p[1] >= '0' && s->p[1] <= '9';
            bool ends = s->c->version > 1 ||
                        strncasecmp(s->p, " and ", 5) == 0 ||
                        strncasecmp(s->p, " or ", 4) == 0;

            if (ends && !stamp) {
                break;
            }
        }
        s->p++;
    }
    if (s->p == from) {
        return bad(s, "A value is missing");
    }
    l->text = arena_strndup(s->c->a, from, (size_t)(s->p - from));
    l->quote = 0;
    return true;
}

static const struct attr *
take_attr(struct scan *s)
{
    const char *from = NULL;
    const struct attr *a = NULL;

    blanks(s);
    from = s->p;
    while (is_name(*s->p)) {
        s->p++;
    }
    if (s->p == from) {
        (void)bad(s, "An attribute is missing");
        return NULL;
    }
    a = attr_find(s->res, from, (size_t)(s->p - from));
    if (a == NULL || (!s->all && !attr_queryable(s->c, s->res, a))) {
        (void)fail(s->c, 400, "27520",
                   "URL request parameter q cannot be used in this context. "
                   "The attribute %.*s is %s.",
                   (int)(s->p - from), from,
                   a == NULL ? "unknown" : "not queryable");
        return NULL;
    }
    return a;
}

static struct node *
compare_new(struct scan *s, const struct attr *a, enum cmp cmp)
{
    struct node *n = node_new(s->c, N_CMP, NULL, NULL);

    n->cmp = cmp;
    n->attr = a;
    return n;
}

static bool
add_literal(struct scan *s, struct node *n)
{
    struct lit l;
    struct lit *more = NULL;

    if (!take_literal(s, &l) || (n->cmp != C_LIKE && n->cmp != C_NOT_LIKE &&
                                 !bind_literal(s, n->attr, &l))) {
        return false;
    }
    if (n->n_lits >= IN_MAX) {
        return bad(s, "Too many values");
    }
    if ((n->n_lits & (n->n_lits - 1)) == 0) {
        more = arena_array(s->c->a, n->n_lits * 2 + 1, sizeof(*more));
        if (n->n_lits > 0) {
            memcpy(more, n->lits, n->n_lits * sizeof(*more));
        }
        n->lits = more;
    }
    n->lits[n->n_lits++] = l;
    return true;
}

static bool
take_list(struct scan *s, struct node *n)
{
    if (!take_sign(s, "(")) {
        return bad(s, "A list is missing");
    }
    do {
        if (!add_literal(s, n)) {
            return false;
        }
    } while (take_sign(s, ","));
    return take_sign(s, ")") || bad(s, "A list is not closed");
}

static bool
take_cmp(struct scan *s, enum cmp *cmp)
{
    static const struct {
        const char *sign;
        enum cmp cmp;
    } signs[] = {{"!=", C_NE}, {"<>", C_NE}, {"<=", C_LE}, {">=", C_GE},
                 {"<", C_LT},  {">", C_GT},  {"=", C_EQ}};

    for (size_t i = 0; i < COUNT_OF(signs); i++) {
        if (take_sign(s, signs[i].sign)) {
            *cmp = signs[i].cmp;
            return true;
        }
    }
    return false;
}

static struct node *
compared(struct scan *s)
{
    const struct attr *a = take_attr(s);
    struct node *n = NULL;
    enum cmp cmp = C_EQ;
    bool negated = false;

    if (a == NULL) {
        return NULL;
    }
    if (take_cmp(s, &cmp)) {
        n = compare_new(s, a, cmp);
        return add_literal(s, n) ? n : NULL;
    }
    if (take_word(s, "is")) {
        negated = take_word(s, "not");
        if (!take_word(s, "null")) {
            (void)bad(s, "NULL is missing");
            return NULL;
        }
        return compare_new(s, a, negated ? C_NOT_NULL : C_NULL);
    }
    negated = take_word(s, "not");
    if (take_word(s, "like")) {
        n = compare_new(s, a, negated ? C_NOT_LIKE : C_LIKE);
        return add_literal(s, n) ? n : NULL;
    }
    if (take_word(s, "in")) {
        n = compare_new(s, a, negated ? C_NOT_IN : C_IN);
        return take_list(s, n) ? n : NULL;
    }
    if (!negated && take_word(s, "between")) {
        n = compare_new(s, a, C_BETWEEN);
        if (!add_literal(s, n)) {
            return NULL;
        }
        if (!take_word(s, "and")) {
            (void)bad(s, "AND is missing");
            return NULL;
        }
        return add_literal(s, n) ? n : NULL;
    }
    (void)bad(s, "An operator is missing");
    return NULL;
}

/* A pod may take a condition and not obey it. */
static struct node *
condition(struct scan *s)
{
    struct node *n = compared(s);
    int64_t lax = s->c->pod->sw[SW_q_ignored];

    if (n != NULL &&
        (lax > 1 || (lax == 1 && (n->attr->flags & AF_STAMP) != 0))) {
        n->cmp = C_ANY;
    }
    return n;
}

static struct node *any_of(struct scan *s);

static struct node *
primary(struct scan *s)
{
    struct node *n = NULL;

    if (!take_sign(s, "(")) {
        return condition(s);
    }
    if (++s->depth > DEPTH_MAX) {
        (void)bad(s, "Too deep");
        return NULL;
    }
    n = any_of(s);
    s->depth--;
    if (n != NULL && !take_sign(s, ")")) {
        (void)bad(s, "A parenthesis is missing");
        return NULL;
    }
    return n;
}

static struct node *
all_of(struct scan *s)
{
    struct node *n = primary(s);

    while (n != NULL && (take_word(s, "and") || take_sign(s, ";"))) {
        struct node *r = primary(s);

        n = r == NULL ? NULL : node_new(s->c, N_AND, n, r);
    }
    return n;
}

static struct node *
any_of(struct scan *s)
{
    struct node *n = all_of(s);

    while (n != NULL && take_word(s, "or")) {
        struct node *r = all_of(s);

        n = r == NULL ? NULL : node_new(s->c, N_OR, n, r);
    }
    return n;
}

/* ---- framework 1: attr op value [and|or [op] value] ; ... --------------- */

static struct node *
example_value(struct scan *s, const struct attr *a, enum cmp cmp)
{
    struct node *n = compare_new(s, a, cmp);
    struct lit *l = NULL;

    if (!add_literal(s, n)) {
        return NULL;
    }
    l = &n->lits[0];
    if (a->type == V_STR && (cmp == C_EQ || cmp == C_NE) &&
        strchr(l->text, '*') != NULL) {
        n->cmp = cmp == C_EQ ? C_LIKE : C_NOT_LIKE;
    }
    return n;
}

static struct node *
example_one(struct scan *s)
{
    const struct attr *a = take_attr(s);
    struct node *n = NULL;
    enum cmp cmp = C_EQ;

    if (a == NULL) {
        return NULL;
    }
    if (!take_cmp(s, &cmp)) {
        (void)bad(s, "An operator is missing");
        return NULL;
    }
    n = example_value(s, a, cmp);
    while (n != NULL) {
        bool both = take_word(s, "and");
        struct node *r = NULL;

        if (!both && !take_word(s, "or")) {
            break;
        }
        if (!take_cmp(s, &cmp)) {
            cmp = C_EQ;
        }
        r = example_value(s, a, cmp);
        n = r == NULL ? NULL : node_new(s->c, both ? N_AND : N_OR, n, r);
    }
    return n;
}

static struct node *
example(struct scan *s)
{
    struct node *n = example_one(s);

    while (n != NULL && take_sign(s, ";")) {
        struct node *r = example_one(s);

        n = r == NULL ? NULL : node_new(s->c, N_AND, n, r);
    }
    return n;
}

struct node *
query_parse(struct fctx *c, const struct res *res, const char *q)
{
    struct scan s = {.c = c, .res = res, .p = q};
    struct node *n = c->version == 1 ? example(&s) : any_of(&s);

    blanks(&s);
    if (n != NULL && *s.p != 0) {
        (void)bad(&s, "Not understood");
        return NULL;
    }
    return n;
}

/* ---- finders ------------------------------------------------------------ */

static bool
finder_known(const struct res *res, const char *name, size_t len)
{
    const char *p = res->finders;

    while (p != NULL && *p != 0) {
        size_t n = strcspn(p, " ");

        if (n == len && strncmp(p, name, len) == 0) {
            return true;
        }
        p += n;
        p += *p == ' ';
    }
    return false;
}

static struct node *
finder_variable(struct fctx *c, const struct res *res, const char *v, size_t n,
                int64_t *days)
{
    struct scan s = {.c = c, .res = res, .all = true};
    const char *eq = memchr(v, '=', n);
    size_t len = eq == NULL ? n : (size_t)(eq - v);
    char *text = NULL;
    struct node *out = NULL;
    struct lit l = {0};
    const struct attr *a = NULL;

    if (eq != NULL) {
        text = arena_strndup(c->a, eq + 1, n - len - 1);
    }
    if (eq != NULL && len > 11 && strncmp(eq - 11, "LimitByDays", 11) == 0) {
        *days = strtoll(eq + 1, NULL, 10);
        return NULL;
    }
    if (strncmp(v, "Bind", 4) == 0) {
        v += 4;
        len -= 4;
    }
    a = eq == NULL ? NULL : attr_find(res, v, len);
    if (a == NULL) {
        (void)fail(c, 400, "27521", "The finder variable %.*s is unknown.",
                   (int)len, v);
        return NULL;
    }
    l.text = text;
    l.quote = '\'';
    out = compare_new(&s, a, C_EQ);
    if (!bind_literal(&s, a, &l)) {
        return NULL;
    }
    out->lits = arena_array(c->a, 1, sizeof(l));
    out->lits[0] = l;
    out->n_lits = 1;
    return out;
}

struct node *
query_finder(struct fctx *c, const struct res *res, const char *finder,
             int64_t *days, bool *named)
{
    size_t n = strcspn(finder, ";");
    const char *p = finder + n;
    struct node *all = NULL;

    *named = false;
    if (!finder_known(res, finder, n)) {
        (void)fail(c, 400, "27521", "The finder %.*s is unknown.", (int)n,
                   finder);
        return NULL;
    }
    while (*p == ';' || *p == ',') {
        int64_t before = *days;

        p++;
        n = strcspn(p, ",;");
        if (n > 0) {
            all = query_and(c, all, finder_variable(c, res, p, n, days));
        }
        *named =
            *named || *days != before || strstr(finder, "LimitByDays=") != NULL;
        p += n;
    }
    return all;
}
