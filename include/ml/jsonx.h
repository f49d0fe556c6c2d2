/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_JSONX_H
#define ML_JSONX_H

/*
 * jsonx: jansson behind typed getters that report a path, a scanner that
 * splits a page into its items, and a writer straight into a buffer.
 */
#include "ml/base.h"

#include <jansson.h>

/* Parses a whole small document. Numbers arrive as strings with their very
 * digits ("1.10", "1E2", 30-digit integers), so that nothing passes through a
 * double. Duplicate keys, NUL, bad UTF-8 and depth over 64 are ERR_SYNTAX with
 * a message saying where. Gives a new reference in *out. */
MUST_USE enum err jsonx_parse(const char *text, size_t n, json_t **out,
                              struct fault *f);

/* One item of a page; numbers are strings. `item` is borrowed; NULL when this
 * one item cannot be parsed (f says why), so that the rest survives. Anything
 * but ERR_OK ends the scan with that error. */
typedef enum err jsonx_item_fn(void *arg, json_t *item, const struct fault *f);
/* Walks the array that is the value of `key` at the top level of an object,
 * item by item, never holding the page as a tree. *envelope gives a new
 * reference to the object without that array. A missing or null array is no
 * items. Truncated or malformed text outside an item: ERR_SYNTAX. Pure: may
 * run in another thread. */
MUST_USE enum err jsonx_scan(const char *text, size_t n, const char *key,
                             jsonx_item_fn *fn, void *arg, json_t **envelope,
                             struct fault *f);

/* ---- getters: accept string or (in trees not made here) number ---------- */

/* Missing and null are both "absent": the getter gives NULL / false. A value of
 * another type is ERR_TYPE with "key: expected text, found array". */
const char *jsonx_text(const json_t *o, const char *key); /* borrowed; NULL
                                      when absent, or not a string */
MUST_USE enum err jsonx_get_text(const json_t *o, const char *key,
                                 const char **out, struct fault *f);
MUST_USE enum err jsonx_get_int(const json_t *o, const char *key, bool *has,
                                int64_t *out, struct fault *f);
MUST_USE enum err jsonx_get_dec(const json_t *o, const char *key, bool *has,
                                struct dec *out, struct fault *f);
MUST_USE enum err jsonx_get_time(const json_t *o, const char *key, bool *has,
                                 int64_t *us, struct fault *f);
MUST_USE enum err jsonx_get_bool(const json_t *o, const char *key, bool *has,
                                 bool *out, struct fault *f); /* also "Y"/"N",
                                                       "true"/"false" */
/* Array or absent; also the {"items":[...]} of a Fusion child collection. */
const json_t *jsonx_items(const json_t *o, const char *key);

/* ---- writer ------------------------------------------------------------- */

/* Commas and nesting (at most 32) are kept; errors stick to the buffer. Texts
 * are escaped; invalid UTF-8 bytes become U+FFFD, NUL characters are left out
 * (jsonb refuses them). */
struct jsonx_writer {
    struct buf *out; /* borrowed */
    uint32_t first;  /* bit per level: nothing written yet */
    unsigned depth;
    bool after_key;
};
void jsonx_begin(struct jsonx_writer *w, struct buf *out);
void jsonx_open(struct jsonx_writer *w, char bracket);  /* '{' or '[' */
void jsonx_close(struct jsonx_writer *w, char bracket); /* '}' or ']' */
void jsonx_key(struct jsonx_writer *w, const char *key);
void jsonx_put_text(struct jsonx_writer *w, const char *s); /* NULL: null */
void jsonx_put_textn(struct jsonx_writer *w, const char *s, size_t n);
void jsonx_put_int(struct jsonx_writer *w, int64_t v);
void jsonx_put_bool(struct jsonx_writer *w, bool v);
void jsonx_put_null(struct jsonx_writer *w);
void jsonx_put_raw(struct jsonx_writer *w, const char *json); /* already JSON */
void jsonx_put_json(struct jsonx_writer *w, const json_t *v); /* compact */
/* key and value in one */
void jsonx_add_text(struct jsonx_writer *w, const char *key, const char *s);
void jsonx_add_int(struct jsonx_writer *w, const char *key, int64_t v);
void jsonx_add_bool(struct jsonx_writer *w, const char *key, bool v);

#endif
