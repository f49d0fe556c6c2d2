/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_JSONX_PRIV_H
#define ML_JSONX_PRIV_H

#include "ml/jsonx.h"

/* A reading position. After a failure `failed` stays set and f has the first
 * reason. */
struct jsonx_reader {
    const char *start, *p, *end;
    struct buf scratch; /* of the text being unescaped */
    struct fault *f;    /* may be NULL */
    unsigned depth;
    bool failed;
};

void jsonx_reader_init(struct jsonx_reader *r, const char *text, size_t n,
                       struct fault *f);
void jsonx_reader_fini(struct jsonx_reader *r);
/* Says where and why; gives NULL. */
json_t *jsonx_fail(struct jsonx_reader *r, const char *what);
void jsonx_skip_blanks(struct jsonx_reader *r);
/* Whether the next byte that is no blank is c; then it is consumed. */
bool jsonx_take(struct jsonx_reader *r, char c);
/* One value, numbers as strings; NULL after jsonx_fail(). */
json_t *jsonx_read_value(struct jsonx_reader *r);
/* A text, the quote not yet consumed. It lives in the scratch buffer or in the
 * input until the next read; NULL after jsonx_fail(). */
const char *jsonx_read_text(struct jsonx_reader *r, size_t *n);

#endif
