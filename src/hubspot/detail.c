/* SPDX-License-Identifier: UNLICENSED */
/*
 * One error object of HubSpot, which may be a whole body, an element of
 * errors[] of an accepted batch, or an element of errors[] inside one of
 * those. Every field may be missing or of another type.
 *
 * The class of an error comes from its sub-category, its category, the words
 * that only one kind of refusal has, in this order.
 */
#include "hubspot_priv.h"

#include "ml/jsonx.h"

#include <string.h>

struct word {
    const char *word;
    enum err err;
};

static const struct word sub_categories[] = {
    {"crm.associations.INVALID_IDENTIFIER", ERR_MISSING},
    {"Properties.PROPERTY_WITH_NAME_EXISTS", ERR_CONFLICT}};

static const struct word categories[] = {
    {"CONFLICT", ERR_CONFLICT},
    {"OBJECT_ALREADY_EXISTS", ERR_CONFLICT},
    {"OBJECT_NOT_FOUND", ERR_MISSING},
    {"MISSING_SCOPES", ERR_FORBIDDEN},
    {"RATE_LIMIT", ERR_THROTTLED},
    {"RATE_LIMITS", ERR_THROTTLED},
    {"LOCKED", ERR_LOCKED},
    {"INTERNAL_ERROR", ERR_UNAVAILABLE},
    {"SERVER_ERROR", ERR_UNAVAILABLE},
    {"TIMEOUT", ERR_UNAVAILABLE},
    {"VALIDATION_ERROR", ERR_REFUSED}};

const char *
hubspot_text(const json_t *v)
{
    return json_string_value(v); /* NULL for anything else */
}

static enum err
find_word(const struct word *words, size_t n, const char *word)
{
    for (size_t i = 0; word != NULL && i < n; i++) {
        if (strcmp(words[i].word, word) == 0) {
            return words[i].err;
        }
    }
    return ERR_OK;
}

enum err
hubspot_detail_err(const json_t *e)
{
    const char *message = jsonx_text(e, "message");
    enum err err = find_word(sub_categories, COUNT_OF(sub_categories),
                             jsonx_text(e, "subCategory"));

    if (err != ERR_OK) {
        return err;
    }
    err =
        find_word(categories, COUNT_OF(categories), jsonx_text(e, "category"));
    if ((err == ERR_OK || err == ERR_REFUSED) && message != NULL &&
        (strstr(message, "already has that value") != NULL ||
         strstr(message, "Existing ID:") != NULL)) {
        return ERR_CONFLICT;
    }
    return err;
}

/* The element of e.errors[] that says most, or NULL. */
static const json_t *
first_nested(const json_t *e)
{
    const json_t *nested = json_object_get(e, "errors");

    return json_is_object(json_array_get(nested, 0)) ?
               json_array_get(nested, 0) :
               NULL;
}

/* Refused values are listed as JSON inside the message: the code of the first
 * one, when it stands nowhere else. */
static void
code_in_message(const char *message, struct fault *f)
{
    static const char mark[] = "\"error\":\"";
    const char *at = message != NULL ? strstr(message, mark) : NULL;
    size_t n;

    if (at == NULL) {
        return;
    }
    at += sizeof(mark) - 1;
    n = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    if (n > 0 && n < sizeof(f->code)) {
        memcpy(f->code, at, n);
        f->code[n] = '\0';
    }
}

static void
is_currency(void *arg, const char *property)
{
    bool *yes = arg;

    *yes = *yes || strcmp(property, "hs_currency") == 0 ||
           strcmp(property, "hs_currency_code") == 0 ||
           strcmp(property, "hs_line_item_currency_code") == 0;
}

/* One code for what an operator does one thing about. */
static void
common_code(const json_t *nested, struct fault *f)
{
    bool currency = false;

    if (text_has_prefix(f->code, "MISSING_") &&
        strstr(f->code, "REQUIRED_PROPERTY") != NULL) {
        text_copy(f->code, sizeof(f->code), HUBSPOT_PORTAL_RULE);
        return;
    }
    hubspot_context_each(nested, "propertyName", is_currency, &currency);
    if (currency && text_has_prefix(f->code, "INVALID_")) {
        text_copy(f->code, sizeof(f->code), HUBSPOT_CURRENCY_INACTIVE);
    }
}

static void
add_property(void *arg, const char *name)
{
    struct fault *f = arg;
    size_t n = strlen(f->message);
    bool first = strstr(f->message, "; required: ") == NULL;

    text_copy(f->message + n, sizeof(f->message) - n,
              first ? "; required: " : ", ");
    n = strlen(f->message);
    text_copy(f->message + n, sizeof(f->message) - n, name);
}

/* The words say only that some are missing. */
static void
name_properties(const json_t *e, struct fault *f)
{
    hubspot_context_each(e, "properties", add_property, f);
    hubspot_context_each(e, "propertyName", add_property, f);
}

static void
detail_code(const json_t *e, struct fault *f)
{
    const json_t *nested = first_nested(e);
    const char *code = jsonx_text(nested, "code");

    if (code == NULL) {
        code = jsonx_text(e, "code");
    }
    if (code == NULL) {
        code = jsonx_text(e, "category");
    }
    if (code != NULL) {
        text_copy(f->code, sizeof(f->code), code);
    }
    if (strcmp(f->code, "VALIDATION_ERROR") == 0) {
        code_in_message(jsonx_text(e, "message"), f);
    }
    common_code(nested != NULL ? nested : e, f);
    if (strcmp(f->code, HUBSPOT_PORTAL_RULE) == 0) {
        name_properties(nested != NULL ? nested : e, f);
    }
}

void
hubspot_detail_fault(const json_t *e, enum err fallback, struct fault *f)
{
    const json_t *nested = first_nested(e);
    const char *message = jsonx_text(e, "message");
    enum err err = hubspot_detail_err(e);

    if (jsonx_text(nested, "message") != NULL &&
        (message == NULL ||
         text_has_prefix(message, "Property values were not valid"))) {
        message = jsonx_text(nested, "message");
    }
    (void)fault_set(f, err != ERR_OK ? err : fallback, "%s",
                    message != NULL && *message != '\0' ?
                        message :
                        "refused without a reason");
    detail_code(e, f);
    if (f->err == ERR_FORBIDDEN) {
        hubspot_detail_scopes(e, f);
    }
}

/* ---- what it names ------------------------------------------------------ */

void
hubspot_context_each(const json_t *e, const char *name, hubspot_value_fn *fn,
                     void *arg)
{
    const json_t *v = json_object_get(json_object_get(e, "context"), name);
    size_t n = json_is_array(v) ? json_array_size(v) : 0;

    if (hubspot_text(v) != NULL) {
        fn(arg, hubspot_text(v));
    }
    for (size_t i = 0; i < n; i++) {
        const char *s = hubspot_text(json_array_get(v, i));

        if (s != NULL) {
            fn(arg, s);
        }
    }
}

static void
take_first(void *arg, const char *value)
{
    const char **first = arg;

    if (*first == NULL) {
        *first = value;
    }
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The digits that end right before `end`, without blanks between. */
static char *
digits_before(const char *text, const char *end, struct arena *a)
{
    const char *from = end;

    while (from > text && is_digit(from[-1])) {
        from--;
    }
    return from < end ? arena_strndup(a, from, (size_t)(end - from)) : NULL;
}

const char *
hubspot_detail_existing(const json_t *e, struct arena *a)
{
    static const char clash[] = " already has that value";
    static const char mark[] = "Existing ID:";
    const char *message = jsonx_text(e, "message");
    const char *id = NULL;
    const char *at;

    hubspot_context_each(e, "existingId", take_first, &id);
    if (id == NULL) {
        hubspot_context_each(e, "existingObjectId", take_first, &id);
    }
    if (id != NULL) {
        return arena_strdup(a, id);
    }
    if (message == NULL) {
        return NULL;
    }
    at = strstr(message, mark);
    if (at != NULL) {
        size_t n;

        at += sizeof(mark) - 1;
        at += strspn(at, " ");
        n = strspn(at, "0123456789");
        return n > 0 ? arena_strndup(a, at, n) : NULL;
    }
    at = strstr(message, clash);
    return at != NULL ? digits_before(message, at, a) : NULL;
}

bool
hubspot_detail_clash(const json_t *e, const char *property)
{
    static const char mark[] = "propertyName=";
    const char *message = jsonx_text(e, "message");
    const char *at = message != NULL ? strstr(message, mark) : NULL;
    size_t n = strlen(property);

    if (at == NULL) { /* not told: only a contact has another one, its e-mail */
        return message == NULL || strstr(message, "Contact") == NULL;
    }
    at += sizeof(mark) - 1;
    return strncmp(at, property, n) == 0 && (at[n] == ',' || at[n] == '}');
}

/* ---- a record that is not there ----------------------------------------- */

struct gone {
    const char *id; /* of an end */
    bool named;
};

static void
is_gone(void *arg, const char *value)
{
    struct gone *g = arg;

    g->named = g->named || strcmp(g->id, value) == 0;
}

/* The id as a number of its own inside the words. */
static bool
words_name(const char *message, const char *id)
{
    size_t n = strlen(id);

    for (const char *at = message; at != NULL && n > 0; at++) {
        at = strstr(at, id);
        if (at == NULL) {
            return false;
        }
        if ((at == message || !is_digit(at[-1])) && !is_digit(at[n])) {
            return true;
        }
    }
    return false;
}

static bool
names_id(const json_t *e, const char *id)
{
    static const char *const names[] = {"id", "ids", "fromObjectId",
                                        "toObjectId"};
    struct gone g = {.id = id};

    if (id == NULL) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        hubspot_context_each(e, names[i], is_gone, &g);
    }
    return g.named || words_name(jsonx_text(e, "message"), id);
}

const char *
hubspot_detail_gone(const json_t *e, const struct hubspot_input *in)
{
    for (size_t k = 0; k < in->n_joins; k++) {
        if (names_id(e, in->joins[k].id)) {
            return in->joins[k].id;
        }
    }
    if (names_id(e, in->to)) {
        return in->to;
    }
    return in->to != NULL && names_id(e, in->id) ? in->id : NULL;
}

/* "Property \"x\" does not exist" */
bool
hubspot_lacks_property(const struct fault *f, enum map_object o)
{
    size_t n;
    const struct map_property *own = map_properties(&n);

    if (strcmp(f->code, "PROPERTY_DOESNT_EXIST") != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const char *at =
            own[i].object == o ? strstr(f->message, own[i].name) : NULL;

        if (at != NULL && at > f->message && strchr("\"' ", at[-1]) != NULL &&
            strchr("\"' .", at[strlen(own[i].name)]) != NULL) {
            return true;
        }
    }
    return false;
}

static void
add_scope(void *arg, const char *scope)
{
    struct fault *f = arg;
    size_t n = strlen(f->message);
    bool first = strstr(f->message, "; scopes: ") == NULL;

    if (strstr(f->message, scope) == NULL) {
        text_copy(f->message + n, sizeof(f->message) - n,
                  first ? "; scopes: " : ", ");
        n = strlen(f->message);
        text_copy(f->message + n, sizeof(f->message) - n, scope);
    }
}

static void
scopes_of(const json_t *e, struct fault *f)
{
    hubspot_context_each(e, "requiredGranularScopes", add_scope, f);
    hubspot_context_each(e, "requiredScopes", add_scope, f);
}

void
hubspot_detail_scopes(const json_t *e, struct fault *f)
{
    const json_t *nested = json_object_get(e, "errors");
    size_t n = json_is_array(nested) ? json_array_size(nested) : 0;

    scopes_of(e, f);
    for (size_t i = 0; i < n; i++) {
        scopes_of(json_array_get(nested, i), f);
    }
}
