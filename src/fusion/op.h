/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_FUSION_OP_H
#define ML_FUSION_OP_H

/* What a caller started; see op.c and describe.c. */
#include "fusion_priv.h"

enum op_kind { OP_READ, OP_BATCH, OP_DESCRIBE, OP_TOKEN };

struct fusion_op {
    unsigned magic;
    enum op_kind kind;
    struct fusion *f;
    struct list link;
    struct arena arena; /* copies of the queries */
    struct fusion_query *queries;
    size_t n_queries;
    struct fusion_call *call; /* pending */
    struct loop_work *pool; /* pending; owns page or describe once cancelled */
    struct page *page;
    struct describe *describe;
    struct fusion_page result;
    /* completing children (OP_READ) or parts (OP_BATCH) */
    size_t row_at;   /* of page->partial */
    size_t child_at; /* of page->names */
    size_t part_at;
    const char *child;
    json_t *more; /* items of the follow-up page being read; owned */
    bool more_has_more, more_spoilt;
    char more_why[FAULT_MESSAGE_MAX + 128]; /* what spoilt it */
    size_t more_bad; /* rows of a part that could not be read */
    unsigned tried;  /* describe: kinds of Accept */
    char *attribute;
    fusion_page_fn *done;
    fusion_describe_fn *described;
    fusion_describe_all_fn *described_all;
    fusion_token_fn *got_token;
    fusion_row_fn *row;
    fusion_row_at_fn *row_at_fn;
    void *arg;
};
struct fusion_op *op_from(void *arg);
/* Copies the queries; nothing is under way yet. */
struct fusion_op *op_new(struct fusion *f, enum op_kind kind,
                         const struct fusion_query *q, size_t n);
void op_free(struct fusion_op *op);

/* ---- describe.c ------------------------------------------------------------- */

/* The tree of fusion.h from an answer; a new reference. Pure. */
MUST_USE enum err describe_read(const char *body, size_t len,
                                const char *resource, json_t **out,
                                struct fault *f);
void describe_free(void *describe);

#endif
