/* SPDX-License-Identifier: UNLICENSED */
/*
 * The true world as JSON, for test oracles: every attribute under Fusion's own
 * name, all children as bare arrays, nothing trimmed, cut or delayed by any
 * switch. Members that start with `_` are the simulator's: the stored stamp in
 * microseconds and sums of the books in the record's currency.
 */
#include "fusion_res.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *kind;
    const struct res *res;
} dumps[] = {
    {"customers", &res_accounts},      {"organizations", &res_organizations},
    {"persons", &res_persons},         {"invoices", &res_invoices},
    {"receipts", &res_receipts},       {"credit_memos", &res_memos},
    {"adjustments", &res_adjustments},
};

static void
customer_org(struct fctx *c, const struct row *parent, struct rows *out)
{
    uint32_t p = c->w->customers[parent->i].party;

    if (c->w->parties[p].has_org && !c->w->parties[p].deleted) {
        rows_add(c, out,
                 (struct row){.res = &res_organizations,
                              .name = "organization",
                              .i = p});
    }
}

static void
customer_persons(struct fctx *c, const struct row *parent, struct rows *out)
{
    uint32_t party = c->w->customers[parent->i].party;

    for (uint32_t p = c->w->parties[party].first_person; p != NONE;
         p = c->w->persons[p].next_of_party) {
        if (!c->w->persons[p].deleted) {
            rows_add(
                c, out,
                (struct row){.res = &res_persons, .name = "persons", .i = p});
        }
    }
}

static const struct child dump_org = {"organizations", &res_organizations,
                                      customer_org};
static const struct child dump_persons = {"persons", &res_persons,
                                          customer_persons};

static void
amount_member(struct jw *j, const char *name, int64_t n)
{
    char text[32];

    jw_key(j, name);
    jw_word(j, dec_e_text(n, 3, text));
}

static void
invoice_sums(struct fctx *c, struct jw *j, uint32_t idx)
{
    const struct invoice *v = &c->w->invoices[idx];
    int64_t paid = 0;
    int64_t credited = 0;

    for (unsigned k = 0; k < v->n_inst; k++) {
        paid += v->inst[k].paid;
        credited += v->inst[k].credited + v->inst[k].adjusted;
    }
    amount_member(j, "_balance", invoice_balance(v));
    amount_member(j, "_paid", paid);
    amount_member(j, "_credited", credited);
}

static struct sel *
dump_sel(struct fctx *c, const struct res *res)
{
    struct sel *s = sel_new(c, true);

    if (res == &res_invoices || res == &res_organizations ||
        res == &res_receipts) {
        sel_deep(c, res, s);
    }
    return s;
}

static void
dump_row(struct fctx *c, struct jw *j, const struct row *row,
         const struct sel *s)
{
    jw_element(j);
    jw_open(j, '{');
    render_members(c, j, row, s);
    jw_key(j, "_stamp_us");
    jw_int(j, world_stamp(c->w, row->res->kind, row->i));
    if (row->res == &res_invoices) {
        invoice_sums(c, j, row->i);
    } else if (row->res == &res_receipts) {
        render_child(c, j, row, &dump_receipt_apps, sel_new(c, true));
    } else if (row->res == &res_memos) {
        render_child(c, j, row, &dump_memo_apps, sel_new(c, true));
    } else if (row->res == &res_accounts) {
        render_child(c, j, row, &dump_org, dump_sel(c, &res_organizations));
        render_child(c, j, row, &dump_persons, sel_new(c, true));
    }
    jw_close(j, '}');
}

/* One record by its id (customers also by account number), or all of a kind
 * from the offset-th on, at most `limit` (0: all). */
void
dump_write(struct fctx *c, const char *kind, const char *id, int64_t offset,
           int64_t limit)
{
    struct jw j = {.b = c->out};
    const struct res *res = NULL;
    int64_t seen = 0;
    uint32_t only = NONE;

    for (size_t i = 0; i < COUNT_OF(dumps); i++) {
        res = strcmp(dumps[i].kind, kind) == 0 ? dumps[i].res : res;
    }
    if (res == NULL) {
        (void)fail(c, 404, "", "no such kind: %s", kind);
        return;
    }
    if (id != NULL) {
        only = world_find(c->w, res->kind, strtoll(id, NULL, 10));
        if (only == NONE && res == &res_accounts) {
            only = world_customer(c->w, id);
        }
        if (only == NONE) {
            (void)fail(c, 404, "", "no such record: %s", id);
            return;
        }
    }
    jw_open(&j, '{');
    jw_key(&j, kind);
    jw_open(&j, '[');
    for (uint32_t i = only == NONE ? 0 : only;
         i < c->w->n[res->kind] && (only == NONE || i == only); i++) {
        struct row row = {.res = res, .name = res->name, .i = i};

        if (!world_alive(c->w, res->kind, i) ||
            (res == &res_organizations && !c->w->parties[i].has_org)) {
            continue;
        }
        if (seen++ >= offset && (limit == 0 || seen <= offset + limit)) {
            dump_row(c, &j, &row, dump_sel(c, res));
        }
    }
    jw_close(&j, ']');
    jw_key(&j, "total");
    jw_int(&j, seen);
    jw_close(&j, '}');
}
