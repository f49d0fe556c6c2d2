/* SPDX-License-Identifier: UNLICENSED */
/*
 * record: the text of `desired`, its hash, and the record as one JSON object
 * for the store. Properties come sorted and objects in their fixed order, so
 * the same content always gives the same text and the same hash, whatever the
 * order of Fusion's attributes.
 */
#include <string.h>

#include "map_priv.h"

/* No record comes near: 40 lines are 20 KiB. Above it is refused, not cut. */
enum { DESIRED_MAX = 64 * 1024 * 1024 };

static void
put_thing(struct jsonx_writer *w, const struct map_thing *t, bool stamps)
{
    jsonx_open(w, '{');
    jsonx_add_text(w, "object", map_object_name(t->object));
    jsonx_add_text(w, "key", t->key);
    jsonx_key(w, "properties");
    jsonx_open(w, '{');
    for (size_t i = 0; i < t->props.n; i++) {
        const struct map_prop *p = &t->props.at[i];

        if (stamps || strcmp(p->name, "fusion_last_update") != 0) {
            jsonx_add_text(w, p->name, p->value);
        }
    }
    jsonx_close(w, '}');
    jsonx_close(w, '}');
}

static void
put_desired(const struct map_ctx *c, struct buf *out, bool stamps)
{
    struct jsonx_writer w;

    jsonx_begin(&w, out);
    jsonx_open(&w, '{');
    jsonx_key(&w, "objects");
    jsonx_open(&w, '[');
    for (size_t i = 0; i < c->thing_count; i++) {
        put_thing(&w, &c->things[i], stamps);
    }
    jsonx_close(&w, ']');
    if (c->status != NULL) {
        jsonx_add_text(&w, "status", c->status);
    }
    if (c->status_held != NULL) {
        jsonx_add_text(&w, "status_held", c->status_held);
    }
    if (c->gone) {
        jsonx_add_bool(&w, "gone", true);
    }
    jsonx_close(&w, '}');
}

static void
add_parent(struct buf *b, const char *s)
{
    /* With its end, so that no two pairs of parents read alike. */
    buf_adds(b, s != NULL ? s : "");
    buf_addc(b, s != NULL ? '\n' : '\t');
}

enum map_fate
map_finish(struct map_ctx *c, enum map_kind kind)
{
    struct map_record *out = c->out;
    enum map_fate fate = MAP_RECORD;
    struct buf b;

    out->kind = kind;
    if (c->invalid) {
        return MAP_INVALID;
    }
    buf_init(&b, DESIRED_MAX);
    put_desired(c, &b, true);
    if (b.failed) {
        map_refuse(c, "the record is larger than %d bytes", (int)DESIRED_MAX);
        fate = MAP_INVALID;
    } else {
        out->desired = arena_strdup(c->a, buf_text(&b));
        buf_reset(&b);
        add_parent(&b, map_kind_name(kind));
        add_parent(&b, out->customer);
        add_parent(&b, out->invoice);
        put_desired(c, &b, false);
        out->hash = hash_sha256(buf_text(&b), b.len);
    }
    buf_fini(&b);
    return fate;
}

static void
put_notes(struct jsonx_writer *w, const struct map_record *r)
{
    jsonx_key(w, "notes");
    jsonx_open(w, '[');
    for (size_t i = 0; i < r->note_count; i++) {
        jsonx_open(w, '{');
        jsonx_add_text(w, "event", r->notes[i].event);
        jsonx_add_text(w, "message", r->notes[i].message);
        jsonx_close(w, '}');
    }
    jsonx_close(w, ']');
}

void
map_record_json(const struct map_record *r, struct buf *out)
{
    char hash[HASH_TEXT_MAX];
    struct jsonx_writer w;

    jsonx_begin(&w, out);
    jsonx_open(&w, '{');
    jsonx_add_text(&w, "kind", map_kind_name(r->kind));
    jsonx_add_text(&w, "id", r->id);
    jsonx_add_text(&w, "number", r->number);
    jsonx_add_text(&w, "customer", r->customer);
    jsonx_add_text(&w, "invoice", r->invoice);
    jsonx_add_text(&w, "receipt", r->receipt);
    jsonx_add_text(&w, "amount", r->amount);
    jsonx_add_text(&w, "currency", r->currency);
    jsonx_add_text(&w, "email", r->email);
    jsonx_add_text(&w, "party", r->party);
    jsonx_add_text(&w, "account_name", r->account_name);
    jsonx_add_text(&w, "contact_name", r->contact_name);
    jsonx_add_text(&w, "contact_email", r->contact_email);
    jsonx_add_text(&w, "balance", r->balance);
    jsonx_add_bool(&w, "open", r->open);
    jsonx_add_bool(&w, "draft", r->draft);
    if (r->stamp_us != 0) {
        jsonx_add_int(&w, "stamp_us", r->stamp_us);
    }
    jsonx_add_int(&w, "version_us", r->version_us);
    jsonx_add_text(&w, "hash", hash_text(&r->hash, hash));
    jsonx_key(&w, "desired");
    if (r->desired != NULL) {
        jsonx_put_raw(&w, r->desired);
    } else {
        jsonx_put_null(&w);
    }
    put_notes(&w, r);
    jsonx_close(&w, '}');
}
