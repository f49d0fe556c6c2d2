/* SPDX-License-Identifier: UNLICENSED */
/*
 * What the rows of one page became: records and notes as JSON for the intake,
 * ids and stamps for the window, rows kept for a later step.
 *
 * Filled by row functions, possibly in libuv's pool; reset before every read,
 * also before a repeated one. Nothing here logs or counts metrics.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
collect_init(struct collect *c)
{
    memset(c, 0, sizeof(*c));
    arena_init(&c->arena);
    arena_init(&c->work);
    buf_init(&c->records, RECORDS_MAX);
    buf_init(&c->notes, NOTES_MAX);
}

void
collect_clear(struct collect *c)
{
    arena_reset(&c->work);
    buf_reset(&c->records);
    buf_reset(&c->notes);
    c->n_records = 0;
    c->filtered = 0;
    c->invalid = 0;
    c->n_notes = 0;
}

void
collect_reset(struct collect *c)
{
    collect_clear(c);
    arena_reset(&c->arena);
    c->n_rows = 0;
    c->bad = 0;
    c->why[0] = 0;
    json_decref(c->kept);
    c->kept = json_array();
}

void
collect_fini(struct collect *c)
{
    arena_fini(&c->arena);
    arena_fini(&c->work);
    buf_fini(&c->records);
    buf_fini(&c->notes);
    mem_free(c->rows);
    json_decref(c->kept);
    memset(c, 0, sizeof(*c));
}

void
collect_row(struct collect *c, const json_t *row, const char *id, int64_t us)
{
    if (c->n_rows == c->cap_rows) {
        c->cap_rows = c->cap_rows == 0 ? 64 : c->cap_rows * 2;
        c->rows = mem_resize(c->rows, c->cap_rows * sizeof(*c->rows));
    }
    c->rows[c->n_rows].id = arena_strdup(&c->arena, id);
    c->rows[c->n_rows].us = us;
    c->rows[c->n_rows].at =
        json_integer_value(json_object_get(row, FUSION_POSITION));
    c->n_rows++;
}

static int
by_place(const void *a, const void *b)
{
    const struct window_row *x = a;
    const struct window_row *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

void
collect_sort(struct collect *c)
{
    if (c->n_rows > 1) {
        qsort(c->rows, c->n_rows, sizeof(*c->rows), by_place);
    }
}

void
collect_note(struct collect *c, const char *event, enum map_kind kind,
             const char *id, const char *message)
{
    struct jsonx_writer w;

    if (c->notes.failed) {
        return;
    }
    if (c->n_notes++ > 0) {
        buf_addc(&c->notes, ',');
    }
    jsonx_begin(&w, &c->notes);
    jsonx_open(&w, '{');
    jsonx_add_text(&w, "event", event);
    jsonx_add_text(&w, "kind", map_kind_name(kind));
    jsonx_add_text(&w, "id", id);
    jsonx_add_text(&w, "message", message);
    jsonx_close(&w, '}');
}

void
collect_bad(struct collect *c, enum map_kind kind, const char *id,
            const char *why)
{
    c->invalid++;
    if (c->bad++ == 0) {
        (void)snprintf(c->why, sizeof(c->why), "%s", why);
    }
    collect_note(c, "invalid", kind, id, why);
}

void
collect_record(struct collect *c, const struct map_record *r)
{
    if (c->n_records++ > 0) {
        buf_addc(&c->records, ',');
    }
    map_record_json(r, &c->records);
}

void
collect_fate(struct collect *c, enum map_fate fate, enum map_kind kind,
             const char *id, const struct map_record *r, const struct fault *f)
{
    switch (fate) {
    case MAP_RECORD:
        collect_record(c, r);
        break;
    case MAP_FILTERED:
        c->filtered++;
        break;
    case MAP_INVALID:
    default:
        c->invalid++;
        collect_note(c, "invalid", kind, id, f->message);
        break;
    }
}

json_t *
collect_copy(const json_t *row)
{
    json_t *copy = json_deep_copy(row);
    const json_t *links = json_object_get(copy, "links");
    char *href = NULL;

    if (!json_is_array(links)) {
        links = json_object_get(json_object_get(copy, "@context"), "links");
    }
    for (size_t i = 0; i < json_array_size(links); i++) {
        const json_t *link = json_array_get(links, i);

        if (json_is_object(link) &&
            text_equal(jsonx_text(link, "rel"), "self") &&
            jsonx_text(link, "href") != NULL) {
            mem_free(href);
            href = mem_strdup(jsonx_text(link, "href"));
        }
    }
    (void)json_object_del(copy, "links");
    (void)json_object_del(copy, "@context");
    if (href != NULL) {
        (void)json_object_set_new(copy, "self_href", json_string(href));
        mem_free(href);
    }
    return copy;
}

char *
feed_json(const json_t *v)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, RECORDS_MAX);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, v);
    ML_ASSERT(!b.failed);
    return buf_take(&b, NULL);
}
