/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a portal has, compared with what it must have, and the findings of that
 * for people (one line each) and for programs (one object each).
 *
 * A property of ours must have our type, must be writable, and must be unique
 * where it is a key: HubSpot lets none of this be changed afterwards. HubSpot's
 * own properties only make findings; some of them are calculated and may be
 * written all the same, so that only readOnlyValue counts there.
 */
#include "hubspot_priv.h"

#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

enum { REPORT_MAX = 256 * 1024, LINE_MAX_BYTES = 1024 };

void
hubspot_findings_init(struct hubspot_findings *f)
{
    buf_init(&f->text, REPORT_MAX);
    f->lines = json_array();
    ML_ASSERT(f->lines != NULL);
}

void
hubspot_findings_fini(struct hubspot_findings *f)
{
    buf_fini(&f->text);
    json_decref(f->lines);
    f->lines = NULL;
}

static void
set_text(json_t *o, const char *key, const char *value)
{
    if (value != NULL) {
        ML_ASSERT(json_object_set_new(o, key, json_string(value)) == 0);
    }
}

/* Outside words may end in the middle of a character, or be none. */
static void
make_ascii(char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || (unsigned char)*s > 0x7e) {
            *s = '?';
        }
    }
}

json_t *
hubspot_finding(struct hubspot_findings *f, const char *object,
                const char *subject, const char *finding, const char *fmt, ...)
{
    char message[LINE_MAX_BYTES];
    json_t *line = json_object();
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    make_ascii(message);
    set_text(line, "object", object);
    set_text(line, "subject", subject);
    set_text(line, "finding", finding);
    set_text(line, "message", message);
    ML_ASSERT(json_array_append_new(f->lines, line) == 0);
    buf_addf(&f->text, "%s%s%s: %s\n", object, subject != NULL ? " " : "",
             subject != NULL ? subject : "", message);
    return line;
}

/* ---- properties --------------------------------------------------------- */

const json_t *
hubspot_property_find(const json_t *results, const char *name)
{
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *p = json_array_get(results, i);

        if (text_equal(jsonx_text(p, "name"), name)) {
            return p;
        }
    }
    return NULL;
}

static bool
is_read_only(const json_t *p)
{
    const json_t *m = json_object_get(p, "modificationMetadata");

    return json_is_true(json_object_get(m, "readOnlyValue"));
}

enum err
hubspot_property_fits(const struct map_property *p, const json_t *found,
                      struct fault *f)
{
    static const char advice[] =
        "rename or delete it in HubSpot (Settings > Properties), then "
        "provision again";
    const char *object = map_object_name(p->object);
    const char *type = jsonx_text(found, "type");

    if (!text_equal(type, p->type)) {
        return fault_set(f, ERR_CONFIG,
                         "property %s of %s has the type %s instead of %s; %s",
                         p->name, object, type != NULL ? type : "(none)",
                         p->type, advice);
    }
    if (p->unique && !json_is_true(json_object_get(found, "hasUniqueValue"))) {
        return fault_set(f, ERR_CONFIG,
                         "property %s of %s does not require unique values, "
                         "which cannot be changed later; %s",
                         p->name, object, advice);
    }
    if (json_is_true(json_object_get(found, "calculated")) ||
        is_read_only(found)) {
        return fault_set(f, ERR_CONFIG,
                         "property %s of %s is calculated or read-only; %s",
                         p->name, object, advice);
    }
    return ERR_OK;
}

void
hubspot_standard_check(enum map_object o, const json_t *results,
                       struct hubspot_findings *out)
{
    const char *const *names = map_standard_properties(o);
    const char *object = map_object_name(o);

    for (; *names != NULL; names++) {
        const json_t *p = hubspot_property_find(results, *names);

        if (p == NULL) {
            hubspot_finding(out, object, *names, "absent",
                            "this portal does not have HubSpot's own "
                            "property; records that carry it will be refused");
        } else if (is_read_only(p)) {
            hubspot_finding(out, object, *names, "read_only",
                            "this portal has HubSpot's own property as "
                            "read-only; records that carry it may be refused");
        }
    }
}

/* ---- associations ------------------------------------------------------- */

static bool
has_type(const json_t *results, unsigned type)
{
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *label = json_array_get(results, i);
        struct fault ignored;
        int64_t id = 0;
        bool has = false;

        if (jsonx_get_int(label, "typeId", &has, &id, &ignored) == ERR_OK &&
            has && id == (int64_t)type &&
            text_equal(jsonx_text(label, "category"), "HUBSPOT_DEFINED")) {
            return true;
        }
    }
    return false;
}

enum err
hubspot_labels_fit(const struct map_association *pair, const json_t *results,
                   struct fault *f)
{
    for (size_t k = 0; k < COUNT_OF(pair->types) && pair->types[k] != 0; k++) {
        if (!has_type(results, pair->types[k])) {
            return fault_set(
                f, ERR_CONFIG,
                "the portal does not list association type %u from %s to %s; "
                "nothing can be linked that way: report this, the type ids of "
                "HubSpot have changed",
                pair->types[k], map_object_name(pair->from),
                map_object_name(pair->to));
        }
    }
    return ERR_OK;
}
