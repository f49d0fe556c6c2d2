/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_SANDBOX_FUSION_RES_H
#define ML_SANDBOX_FUSION_RES_H

/* What the resource tables share. */
#include "fusion.h"

void v_str(struct val *v, const char *s); /* NULL: null */
void v_dec(struct val *v, int64_t n, unsigned scale);
void v_num(struct val *v, enum vt t, int64_t n);
const char *key_int(struct fctx *c, int64_t id);
bool trimmed(const struct fctx *c, unsigned unit, uint64_t salt);
void lookup_id(struct fctx *c, const struct res *res, const char *text,
               struct rows *out);
void no_rows(struct fctx *c, const struct row *parent, struct rows *out);
extern const struct res res_none; /* attachments, notes: never any row */

bool account_visible(struct fctx *c, uint32_t idx);

/* fusion_res_line.c */
extern const struct res res_lines, res_installments;
void invoice_lines(struct fctx *c, const struct row *parent, struct rows *out);
void invoice_installments(struct fctx *c, const struct row *parent,
                          struct rows *out);

/* fusion_res_flex.c */
#define FLEX_CHILD(which)                                                      \
    extern const struct res res_##which;                                       \
    void which##_rows(struct fctx *c, const struct row *parent,                \
                      struct rows *out)
FLEX_CHILD(invoice_dff);
FLEX_CHILD(invoice_tdff);
FLEX_CHILD(invoice_gdf);
FLEX_CHILD(line_dff);
FLEX_CHILD(line_tdff);
FLEX_CHILD(receipt_dff);
FLEX_CHILD(receipt_gdf);
/* Sets "child.segment" (or "dff.segment", the first child) of the flexfields
 * below a record of `above`; false: no such segment, or no such value. */
bool flex_set(struct world *w, const struct res *above, int64_t id,
              const char *path, const char *value);

/* fusion_res_apps.c: ledger rows */
void apps_of_receipt(struct fctx *c, const struct row *parent,
                     struct rows *out);
void apps_of_memo(struct fctx *c, const struct row *parent, struct rows *out);
extern const struct res res_apps, res_paid_by_others, res_memo_apps,
    res_schedules, res_account_receipts, res_account_memos,
    res_account_adjustments;
void account_apps(struct fctx *c, const struct row *parent, struct rows *out);
void account_paid_by_others(struct fctx *c, const struct row *parent,
                            struct rows *out);
void account_memo_apps(struct fctx *c, const struct row *parent,
                       struct rows *out);
void account_schedules(struct fctx *c, const struct row *parent,
                       struct rows *out);
void account_receipts(struct fctx *c, const struct row *parent,
                      struct rows *out);
void account_memos(struct fctx *c, const struct row *parent, struct rows *out);
void account_adjustments(struct fctx *c, const struct row *parent,
                         struct rows *out);
const char *receipt_state(const struct receipt *r);
const char *receipt_status(const struct receipt *r);

#endif
