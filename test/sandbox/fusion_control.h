/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_SANDBOX_FUSION_CONTROL_H
#define ML_SANDBOX_FUSION_CONTROL_H

/*
 * A control call at work, and what the calls share. The calls themselves are
 * in fusion_control.c (the pod, customers), fusion_control_ar.c (invoices and
 * money) and fusion_control_bulk.c (many at once).
 */
#include "fusion_res.h"

enum { CONTROL_PARTS = 6 };

struct ctl {
    struct fusion_sim *s;
    struct pod *pod;
    struct world *w;
    const struct sim_request *r;
    struct sim_reply *p;
    struct arena *a;
    const char *part[CONTROL_PARTS];
    size_t n;
    int64_t now; /* of the pod, less age_s */
    bool del;
};

const char *arg(const struct ctl *k, const char *name);
int64_t arg_int(const struct ctl *k, const char *name, int64_t other);
/* Decimal text to 10^-scale; false when absent or no number. */
bool amount_of(const char *text, size_t n, unsigned scale, int64_t *out);
bool arg_amount(const struct ctl *k, const char *name, unsigned scale,
                int64_t *out);
void refuse(struct ctl *k, int status, const char *why);
void tell(struct ctl *k, enum kind kind, uint32_t idx);
/* The record of part 2; NONE and an answer when there is none. */
uint32_t target(struct ctl *k, enum kind kind);
int kind_of(const char *name); /* -1: none */
/* The record was changed: stamped, unless the call says quiet=1, as when
 * Fusion changes a row below it. */
void stamp(struct ctl *k, enum kind kind, uint32_t idx);

struct text_field {
    const char *name;
    size_t at;
};
/* Sets what was given; gives how many. */
unsigned set_texts(struct ctl *k, void *record, const struct text_field *f,
                   size_t n);

void do_invoice(struct ctl *k);
void do_receipt(struct ctl *k);
void do_credit_memo(struct ctl *k);
void do_adjustment(struct ctl *k);
void do_mutate(struct ctl *k);
void do_bulk(struct ctl *k);

#endif
