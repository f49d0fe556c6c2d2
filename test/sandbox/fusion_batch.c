/* SPDX-License-Identifier: UNLICENSED */
/*
 * The batch POST: its parts run in order inside one request, all or none. One
 * part that fails makes the whole fail and is the only one reported. Only
 * `get` is known here: the pod is read, never written.
 */
#include "fusion.h"

#include <string.h>

enum { PARTS_MAX = 200 };

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *
decode(struct arena *a, const char *s, size_t n)
{
    char *out = arena_alloc(a, n + 1);
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%' && i + 2 < n && hex_digit(s[i + 1]) >= 0 &&
            hex_digit(s[i + 2]) >= 0) {
            out[k++] = (char)(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2]));
            i += 2;
        } else {
            out[k++] = s[i] == '+' ? ' ' : s[i];
        }
    }
    return out;
}

/* The part's own parameters; gives its path. */
static const char *
part_params(struct fctx *c, const char *url)
{
    size_t n = strcspn(url, "?");
    const char *q = url + n;

    c->n_params = 0;
    while (*q == '?' || *q == '&') {
        size_t name = strcspn(q + 1, "=&");
        const char *eq = q + 1 + name;
        size_t value = *eq == '=' ? strcspn(eq + 1, "&") : 0;

        if (*eq == '=' && c->n_params < PARAMS_MAX) {
            c->params[c->n_params].name = decode(c->a, q + 1, name);
            c->params[c->n_params].value = decode(c->a, eq + 1, value);
            c->n_params++;
        }
        q = *eq == '=' ? eq + 1 + value : eq;
    }
    c->only_data = text_equal(param_get(c, "onlyData"), "true");
    return decode(c->a, url, n);
}

static void
part_run(struct fctx *c, const char *api, json_t *part, struct jw *j)
{
    const char *id = json_string_value(json_object_get(part, "id"));
    const char *path = json_string_value(json_object_get(part, "path"));
    const char *op = json_string_value(json_object_get(part, "operation"));
    struct buf out;
    struct buf *whole = c->out;

    if (id == NULL || path == NULL || !text_equal(op, "get")) {
        (void)fail(c, 400, "27540", "The batch part %s cannot be run.",
                   id == NULL ? "without id" : id);
        return;
    }
    buf_init(&out, whole->max);
    c->out = &out;
    fusion_get(c, api, part_params(c, path));
    c->out = whole;
    if (c->status == 0) {
        jw_element(j);
        jw_open(j, '{');
        jw_key(j, "id");
        jw_str(j, id);
        jw_key(j, "path");
        jw_str(j, arena_printf(c->a, "%s/%s/resources/11.13.18.05%s", c->base,
                               api, path));
        jw_key(j, "operation");
        jw_str(j, "get");
        jw_key(j, "payload");
        buf_add(j->b, buf_text(&out), out.len);
        jw_close(j, '}');
    }
    buf_fini(&out);
}

void
batch_handle(struct fctx *c, const char *api)
{
    json_t *body = json_loadb(c->r->body, c->r->body_len, 0, NULL);
    json_t *parts = json_object_get(body, "parts");
    const char *type = sim_header(c->r, "Content-Type");
    struct jw j = {.b = c->out};

    if (!sw(c, SW_batch) || type == NULL ||
        strncmp(type, "application/vnd.oracle.adf.batch+json", 37) != 0) {
        (void)fail(c, sw(c, SW_batch) ? 415 : 404, "11",
                   "Batch requests are not supported.");
    } else if (json_array_size(parts) == 0 ||
               json_array_size(parts) > PARTS_MAX ||
               (int64_t)json_array_size(parts) > c->pod->sw[SW_batch_limit]) {
        (void)fail(c, 400, "27540", "The batch has no or too many parts.");
    } else {
        jw_open(&j, '{');
        jw_key(&j, "parts");
        jw_open(&j, '[');
        for (size_t i = 0; i < json_array_size(parts) && c->status == 0; i++) {
            part_run(c, api, json_array_get(parts, i), &j);
        }
        jw_close(&j, ']');
        jw_close(&j, '}');
    }
    c->op = "batch";
    json_decref(body);
}
