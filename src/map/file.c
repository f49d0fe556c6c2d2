/* SPDX-License-Identifier: UNLICENSED */
/*
 * file: a mapping and what an operator adds to it with --mapping-file:
 *
 *     {"invoices": {"po_date": {"path": "PurchaseOrderDate",
 *                               "format": "date"},
 *                   "sales_region": "receivablesInvoiceDFF.region",
 *                   "erp": {"value": "Fusion"}}}
 *
 * An entry adds a property or replaces the sources of one; the keys and what
 * the dispatcher sets are not to be had. Errors name the line; whether both
 * systems have what an entry names is check.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "map_priv.h"

struct reader {
    struct mapping *m;
    const char *text;
    const char *object_name, *property; /* where we are; NULL: nowhere */
    struct fault *f;
};

/* Keys, and what is set elsewhere and by other rules. */
static const char *const reserved[] = {
    "fusion_account_number", "fusion_transaction_id", "fusion_line_id",
    "fusion_payment_key",    "fusion_last_update",    "hs_invoice_status",
    "hs_invoice_billable",   "hs_customer_email",     "hs_object_id",
};

/* Which rows an object can be made from; the first two without a name. */
static const enum map_scope scopes[MAP_OBJECTS][4] = {
    [MAP_COMPANIES] = {MAP_FROM_ORGANIZATION, MAP_FROM_ACCOUNT},
    [MAP_CONTACTS] = {MAP_FROM_PERSON, MAP_FROM_ORGANIZATION, MAP_FROM_ACCOUNT},
    [MAP_INVOICES] = {MAP_FROM_INVOICE},
    [MAP_LINE_ITEMS] = {MAP_FROM_LINE, MAP_FROM_NONE, MAP_FROM_INVOICE},
    [MAP_PAYMENTS] = {MAP_FROM_RECEIPT},
};

/* ---- lines -------------------------------------------------------------- */

/* A walk over the file's text, which is known to be JSON. */
struct walk {
    const char *at;
    unsigned line, depth;
};

/* Over a text that begins at w->at; whether it is `name`. */
static bool
walk_text(struct walk *w, const char *name)
{
    const char *start = ++w->at;
    size_t n;

    while (*w->at != '"' && *w->at != '\0') {
        w->at += *w->at == '\\' && w->at[1] != '\0' ? 2 : 1;
    }
    n = (size_t)(w->at - start);
    w->at += *w->at == '"' ? 1 : 0;
    return name != NULL && strlen(name) == n && strncmp(start, name, n) == 0;
}

/* To the key `name` at that depth, and behind it; false at the end of what
 * stands so deep. */
static bool
walk_to(struct walk *w, unsigned depth, const char *name)
{
    while (*w->at != '\0') {
        char c = *w->at;

        if (c == '"') {
            bool is = walk_text(w, name);
            const char *next = w->at + strspn(w->at, " \t\r\n");

            if (is && w->depth == depth && *next == ':') {
                return true;
            }
            continue;
        }
        w->line += c == '\n' ? 1 : 0;
        w->depth += c == '{' || c == '[' ? 1 : 0;
        w->depth -= c == '}' || c == ']' ? 1 : 0;
        w->at++;
        if (w->depth < depth && (c == '}' || c == ']')) {
            return false;
        }
    }
    return false;
}

/* Where the entry under way stands, or its object, or the file. */
static unsigned
line_of(const struct reader *r)
{
    struct walk w = {.at = r->text, .line = 1};
    struct walk deep;

    if (r->object_name == NULL || !walk_to(&w, 1, r->object_name)) {
        return 1;
    }
    deep = w;
    return r->property != NULL && walk_to(&deep, 2, r->property) ? deep.line :
                                                                   w.line;
}

static enum err wrong(const struct reader *r, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static enum err
wrong(const struct reader *r, const char *fmt, ...)
{
    va_list ap;
    char *message;
    bool deep = r->property != NULL;

    va_start(ap, fmt);
    message = mem_vprintf(fmt, ap);
    va_end(ap);
    (void)fault_set(r->f, ERR_CONFIG, "mapping file, line %u: %s%s%s%s%s",
                    line_of(r), r->object_name != NULL ? r->object_name : "",
                    deep ? "." : "", deep ? r->property : "",
                    r->object_name != NULL ? ": " : "", message);
    mem_free(message);
    return ERR_CONFIG;
}

static bool
is_property_name(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= 100 && s[0] >= 'a' && s[0] <= 'z' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static bool
is_path(const char *s)
{
    size_t n = strlen(s);
    size_t dots = 0;

    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || s[i - 1] == '.';

        dots += s[i] == '.' ? 1 : 0;
        if (first && (s[i] == '.' || (s[i] >= '0' && s[i] <= '9'))) {
            return false;
        }
    }
    return n > 0 && n <= 120 && dots <= 3 && s[n - 1] != '.' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789_.") == n;
}

static enum err
parse_path(const struct reader *r, const char *path, struct map_custom *c)
{
    const enum map_scope *may = scopes[c->object];

    if (!is_path(path)) {
        return wrong(r,
                     "\"%.100s\" is no attribute path: expected "
                     "\"Attribute\" or \"child.Attribute\"",
                     path);
    }
    for (size_t i = 0; i < COUNT_OF(scopes[0]); i++) {
        const char *scope = map_scope_name(may[i]);
        size_t n = strlen(scope);

        if (n > 0 && strncmp(path, scope, n) == 0 && path[n] == '.') {
            c->source[0].scope = may[i];
            c->source[0].path = arena_strdup(&r->m->arena, path + n + 1);
            return ERR_OK;
        }
    }
    /* A collection is one of the first row: asking a pod for one that its
     * resource does not have fails the whole read. */
    for (size_t i = 0; i < COUNT_OF(c->source); i++) {
        if (may[i] == MAP_FROM_NONE || (i > 0 && strchr(path, '.') != NULL)) {
            break;
        }
        c->source[i].scope = may[i];
        c->source[i].path = arena_strdup(&r->m->arena, path);
    }
    return ERR_OK;
}

static enum err
parse_format(const struct reader *r, const char *name, struct map_custom *c)
{
    static const enum map_format formats[] = {
        MAP_AS_TEXT,  MAP_AS_NUMBER, MAP_AS_DATE,
        MAP_AS_DAY,   MAP_AS_TIME,   MAP_AS_BOOLEAN,
        MAP_AS_EMAIL, MAP_AS_DOMAIN, MAP_AS_CURRENCY};
    const char *names[COUNT_OF(formats) + 1] = {0};
    const char *near;

    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        names[i] = map_format_name(formats[i]);
        if (text_equal(name, names[i])) {
            c->format = formats[i];
            return ERR_OK;
        }
    }
    near = text_nearest(name, names);
    return wrong(r, "unknown format \"%.60s\"%s%s%s", name,
                 near != NULL ? ", did you mean \"" : "",
                 near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static enum err
parse_value(const struct reader *r, const json_t *v, struct map_custom *c)
{
    enum map_format f = c->format;
    const char *text;
    size_t n;

    if (map_scalar(&r->m->arena, v, &text, &n) != MAP_VALUE) {
        return wrong(r, "\"value\" must be a text that is not empty, found %s",
                     map_type_name(v));
    }
    /* A constant for the payment method is HubSpot's option itself. */
    f = f == MAP_AS_METHOD ? MAP_AS_TEXT : f;
    text = map_format(&r->m->arena, f, text, n);
    if (text == NULL) {
        return wrong(r, "\"value\" is no %s", map_format_name(f));
    }
    c->value = arena_strdup(&r->m->arena, text);
    return ERR_OK;
}

static enum err
parse_entry(const struct reader *r, const json_t *v, struct map_custom *c)
{
    static const char *const known[] = {"path", "value", "format", NULL};
    const char *path = jsonx_text(v, "path");
    const json_t *given = json_object_get(v, "value");
    const json_t *value = json_is_null(given) ? NULL : given;
    const char *near;
    const char *key;
    json_t *unused;
    enum err err = ERR_OK;

    if (json_is_string(v)) {
        return parse_path(r, json_string_value(v), c);
    }
    if (!json_is_object(v)) {
        return wrong(r, "expected a path or an object, found %s",
                     map_type_name(v));
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, unused)
    {
        if (!text_equal(key, "path") && !text_equal(key, "value") &&
            !text_equal(key, "format")) {
            near = text_nearest(key, known);
            return wrong(r, "unknown key \"%.60s\"%s%s%s", key,
                         near != NULL ? ", did you mean \"" : "",
                         near != NULL ? near : "", near != NULL ? "\"?" : "");
        }
    }
    if ((path == NULL) == (value == NULL)) {
        return wrong(r, "expected either a \"path\", a text, or a \"value\"");
    }
    if (json_object_get(v, "format") != NULL) {
        key = jsonx_text(v, "format");
        err = parse_format(r, key != NULL ? key : "", c);
    }
    if (err != ERR_OK) {
        return err;
    }
    return path != NULL ? parse_path(r, path, c) : parse_value(r, value, c);
}

static enum err
parse_property(struct reader *r, enum map_object o, const json_t *v)
{
    struct mapping *m = r->m;
    struct map_custom *c = &m->custom[m->custom_count];

    if (!is_property_name(r->property)) {
        return wrong(r, "is no property name: lower-case letters, digits and "
                        "_, a letter first");
    }
    for (size_t i = 0; i < COUNT_OF(reserved); i++) {
        if (strcmp(r->property, reserved[i]) == 0) {
            return wrong(r, "is set by the connector and cannot be mapped");
        }
    }
    c->object = o;
    c->line = line_of(r);
    c->format = MAP_AS_TEXT;
    c->property = arena_strdup(&m->arena, r->property);
    for (size_t i = 0; i < map_rows_count; i++) {
        if (map_rows[i].object == o &&
            strcmp(map_rows[i].property, c->property) == 0) {
            c->format = map_rows[i].format;
            c->replaces = &map_rows[i];
        }
    }
    m->custom_count++;
    return parse_entry(r, v, c);
}

static enum err
parse_object(struct reader *r, const json_t *tree)
{
    const char *names[MAP_OBJECTS + 1] = {0};
    enum map_object o;
    enum err err = ERR_OK;
    const char *near;
    const char *key;
    json_t *v;

    for (unsigned i = 0; i < MAP_OBJECTS; i++) {
        names[i] = map_object_name((enum map_object)i);
    }
    if (!map_object_parse(r->object_name, &o)) {
        near = text_nearest(r->object_name, names);
        return wrong(r, "is no object%s%s%s",
                     near != NULL ? ", did you mean \"" : "",
                     near != NULL ? near : "", near != NULL ? "\"?" : "");
    }
    if (!json_is_object(tree)) {
        return wrong(r, "expected an object of properties, found %s",
                     map_type_name(tree));
    }
    json_object_foreach((json_t *)(uintptr_t)tree, key, v)
    {
        r->property = key;
        err = parse_property(r, o, v);
        if (err != ERR_OK) {
            return err;
        }
    }
    r->property = NULL;
    return ERR_OK;
}

/* Where the parser counts bytes, people count lines. */
static enum err
no_json(const char *text, struct fault *f)
{
    static const char byte[] = "byte ";
    char *why = mem_strdup(f->message);
    char *rest = why;
    unsigned line = 1;
    size_t at = 0;

    if (text_has_prefix(why, byte)) {
        at = strtoul(why + strlen(byte), &rest, 10);
        rest += strspn(rest, ": ");
    }
    for (size_t i = 0; i < at && text[i] != '\0'; i++) {
        line += text[i] == '\n' ? 1 : 0;
    }
    (void)fault_set(f, ERR_CONFIG, "mapping file, line %u: %s", line, rest);
    mem_free(why);
    return ERR_CONFIG;
}

enum err
map_file_parse(struct mapping *m, const char *text, struct fault *f)
{
    struct reader r = {.m = m, .text = text, .f = f};
    json_t *tree = NULL;
    size_t total = 0;
    enum err err = ERR_OK;
    const char *key;
    json_t *v;

    if (jsonx_parse(text, strlen(text), &tree, f) != ERR_OK) {
        return no_json(text, f);
    }
    if (!json_is_object(tree)) {
        err = wrong(&r, "expected an object, found %s", map_type_name(tree));
        goto fail;
    }
    json_object_foreach(tree, key, v)
    {
        total += json_object_size(v);
    }
    m->custom = arena_array(&m->arena, total + 1, sizeof(*m->custom));
    json_object_foreach(tree, key, v)
    {
        r.object_name = key;
        err = parse_object(&r, v);
        if (err != ERR_OK) {
            goto fail;
        }
    }
fail:
    json_decref(tree);
    return err;
}

const struct map_custom *
map_custom_find(const struct mapping *m, enum map_object o, const char *name)
{
    for (size_t i = 0; i < m->custom_count; i++) {
        if (m->custom[i].object == o &&
            strcmp(m->custom[i].property, name) == 0) {
            return &m->custom[i];
        }
    }
    return NULL;
}

static void
copy_units(struct mapping *m, const char *const *units)
{
    size_t n = 0;

    while (units[n] != NULL) {
        n++;
    }
    m->units = arena_array(&m->arena, n + 1, sizeof(*m->units));
    for (size_t i = 0; i < n; i++) {
        m->units[i] = arena_strdup(&m->arena, units[i]);
    }
}

enum err
map_new(const struct map_options *o, struct mapping **out, struct fault *f)
{
    struct mapping *m = MEM_NEW(struct mapping);
    enum err err = ERR_OK;

    *out = NULL;
    arena_init(&m->arena);
    m->prefix = "";
    if (o != NULL && o->key_prefix != NULL) {
        m->prefix = arena_strdup(&m->arena, o->key_prefix);
    }
    if (o != NULL && o->business_units != NULL &&
        o->business_units[0] != NULL) {
        copy_units(m, o->business_units);
    }
    if (o != NULL && o->mapping_file != NULL) {
        err = map_file_parse(m, o->mapping_file, f);
    }
    if (err != ERR_OK) {
        map_free(m);
        return err;
    }
    map_needs(m);
    *out = m;
    return ERR_OK;
}

void
map_free(struct mapping *m)
{
    if (m == NULL) {
        return;
    }
    arena_fini(&m->arena);
    mem_free(m);
}
