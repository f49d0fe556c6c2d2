/* SPDX-License-Identifier: UNLICENSED */
/* The made-up portal of portal.h. */
#include "portal.h"

#include "ml/jsonx.h"

void
portal_init(struct portal *t)
{
    memset(t, 0, sizeof(*t));
    for (int o = 0; o < MAP_OBJECTS; o++) {
        const char *const *names = map_standard_properties((enum map_object)o);

        t->properties[o] = json_array();
        for (; *names != NULL; names++) {
            (void)json_array_append_new(
                t->properties[o],
                json_pack("{s:s,s:s,s:{s:b}}", "name", *names, "type", "string",
                          "modificationMetadata", "readOnlyValue", 0));
        }
    }
}

void
portal_fini(struct portal *t)
{
    for (int o = 0; o < MAP_OBJECTS; o++) {
        json_decref(t->properties[o]);
        json_decref(t->shown[o]);
    }
}

/* All of ours, as if another run had made them. */
void
portal_fill(struct portal *t)
{
    size_t n;
    const struct map_property *p = map_properties(&n);

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(
            t->properties[p[i].object],
            json_pack("{s:s,s:s,s:b,s:s}", "name", p[i].name, "type", p[i].type,
                      "hasUniqueValue", (int)p[i].unique, "groupName",
                      "oracle_fusion"));
        t->group[p[i].object] = true;
    }
}

json_t *
portal_property(struct portal *t, enum map_object o, const char *name)
{
    for (size_t i = 0; i < json_array_size(t->properties[o]); i++) {
        json_t *p = json_array_get(t->properties[o], i);

        if (strcmp(jsonx_text(p, "name"), name) == 0) {
            return p;
        }
    }
    FAIL("no such property");
}

void
portal_drop(struct portal *t, enum map_object o, const char *name)
{
    for (size_t i = 0; i < json_array_size(t->properties[o]); i++) {
        if (strcmp(jsonx_text(json_array_get(t->properties[o], i), "name"),
                   name) == 0) {
            (void)json_array_remove(t->properties[o], i);
            return;
        }
    }
    FAIL("no such property");
}

static json_t *
answer_list(struct portal *t, enum map_object o)
{
    json_t *list = t->properties[o];

    if (t->created && t->hidden > 0) {
        t->hidden--;
        list = t->shown[o];
    }
    return json_pack("{s:O}", "results", list);
}

static json_t *
answer_create(struct portal *t, enum map_object o, const char *body,
              int *status)
{
    struct fault f;
    json_t *root;
    json_t *inputs;

    IS(t->group[o]);
    OK(jsonx_parse(body, strlen(body), &root, &f));
    inputs = json_object_get(root, "inputs");
    IS(json_array_size(inputs) > 0);
    json_decref(t->shown[o]);
    t->shown[o] = json_deep_copy(t->properties[o]);
    t->created = true;
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        json_t *p = json_array_get(inputs, i);

        EQ_STR(jsonx_text(p, "groupName"), "oracle_fusion");
        IS(jsonx_text(p, "label") != NULL && jsonx_text(p, "type") != NULL &&
           jsonx_text(p, "fieldType") != NULL);
    }
    (void)json_array_extend(t->properties[o], inputs);
    *status = 201;
    if (t->conflict_whole) {
        t->conflict_whole = false;
        json_decref(root);
        *status = 409;
        return json_pack("{s:s}", "category", "OBJECT_ALREADY_EXISTS");
    }
    IS(json_object_set(root, "results", inputs) == 0);
    return root;
}

static json_t *
answer_labels(const struct portal *t, const char *path)
{
    size_t n;
    const struct map_association *pairs = map_associations(&n);
    json_t *list = json_array();

    for (size_t i = 0; i < 2 * n; i++) {
        const struct map_association *pair = &pairs[i / 2];
        bool turned = i % 2 != 0;
        char want[128];

        (void)snprintf(want, sizeof(want), "/%s/%s/labels",
                       map_object_name(turned ? pair->to : pair->from),
                       map_object_name(turned ? pair->from : pair->to));
        for (size_t k = 0; strstr(path, want) != NULL && k < 2; k++) {
            unsigned type = turned ? pair->inverse[k] : pair->types[k];

            if (type != t->broken_type) {
                (void)json_array_append_new(
                    list,
                    json_pack("{s:s,s:i,s:n}", "category", "HUBSPOT_DEFINED",
                              "typeId", (int)type, "label"));
            }
        }
    }
    return json_pack("{s:o}", "results", list);
}

static enum map_object
object_of(const char *path)
{
    for (int o = 0; o < MAP_OBJECTS; o++) {
        char want[64];

        (void)snprintf(want, sizeof(want), "/crm/properties/2026-03/%s",
                       map_object_name((enum map_object)o));
        if (strncmp(path, want, strlen(want)) == 0 &&
            (path[strlen(want)] == '\0' || path[strlen(want)] == '/')) {
            return (enum map_object)o;
        }
    }
    FAIL("no object in %s", path);
}

json_t *
portal_answer(struct portal *t, const struct hubspot_call *c, int *status)
{
    *status = 200;
    if (strstr(c->path, "/labels") != NULL) {
        return answer_labels(t, c->path);
    }
    if (strstr(c->path, "/groups") != NULL) {
        enum map_object o = object_of(c->path);

        EQ_STR(c->body,
               "{\"name\":\"oracle_fusion\",\"label\":\"Oracle Fusion\"}");
        *status = t->group[o] ? 409 : 201;
        t->group[o] = true;
        return json_object();
    }
    if (strcmp(c->method, "POST") == 0) {
        return answer_create(t, object_of(c->path), c->body, status);
    }
    return answer_list(t, object_of(c->path));
}

/* One call and its answer; false: there is no call. */
bool
portal_turn(struct hubspot_provision *p, struct portal *t, enum err *err,
            struct fault *f)
{
    struct hubspot_call c;
    struct hubspot_answer a = {.err = ERR_OK};
    struct hubspot_meta m;
    json_t *body;
    json_t *parsed;
    char *text;
    int64_t wait_ms;

    if (!hubspot_provision_next(p, &c, &wait_ms)) {
        return false;
    }
    IS(t->n < CALLS_MAX);
    (void)snprintf(t->calls[t->n], sizeof(t->calls[0]), "%s", c.operation);
    t->waits[t->n++] = wait_ms;
    if (t->status != 0) {
        a.status = t->status;
        text = strdup(t->body);
        t->status = 0;
    } else {
        body = portal_answer(t, &c, &a.status);
        text = json_dumps(body, 0);
        json_decref(body);
    }
    a.body = text;
    a.body_len = strlen(text);
    hubspot_answer_read(&a, strcmp(c.method, "GET") != 0, HUBSPOT_PROMISE_ANY,
                        &m, &parsed);
    fault_clear(f);
    *err = hubspot_provision_feed(p, &m, parsed, f);
    json_decref(parsed);
    free(text);
    return true;
}

enum err
portal_run(struct hubspot_provision *p, struct portal *t, struct fault *f)
{
    enum err err = ERR_OK;

    while (err == ERR_OK && portal_turn(p, t, &err, f)) {
    }
    return err;
}

size_t
portal_calls(const struct portal *t, const char *operation)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        n += strstr(t->calls[i], operation) != NULL;
    }
    return n;
}

/* The report's line of that object and subject (NULL: its properties). */
const json_t *
report_line(const struct hubspot_provision_report *r, const char *object,
            const char *subject)
{
    for (size_t i = 0; i < json_array_size(r->lines); i++) {
        const json_t *line = json_array_get(r->lines, i);

        if (text_equal(jsonx_text(line, "object"), object) &&
            text_equal(jsonx_text(line, "subject"), subject)) {
            return line;
        }
    }
    return NULL;
}

/* A member that lists names, as "a b ". */
const char *
line_names(const json_t *line, const char *member, char out[1024])
{
    const json_t *names = json_object_get(line, member);
    struct buf b;

    IS(json_is_array(names));
    buf_init(&b, 1023);
    for (size_t i = 0; i < json_array_size(names); i++) {
        buf_addf(&b, "%s ", json_string_value(json_array_get(names, i)));
    }
    NOT(b.failed);
    memcpy(out, buf_text(&b), b.len + 1);
    buf_fini(&b);
    return out;
}
