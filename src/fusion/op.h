/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_FUSION_OP_H
#define ML_FUSION_OP_H

/* What a caller started; see op.c. */
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
    struct loop_work *pool;   /* pending; owns page once cancelled */
    struct page *page;
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
    fusion_token_fn *got_token;
    fusion_row_fn *row;
    fusion_row_at_fn *row_at_fn;
    void *arg;
};

#endif
