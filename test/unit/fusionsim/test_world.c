/* SPDX-License-Identifier: UNLICENSED */
/*
 * The world adds up, before and after random changes, and holds what makes a
 * connector stumble.
 */
#include "fixture.h"

static void
check_invoice(const struct world *w, uint32_t idx)
{
    const struct invoice *v = &w->invoices[idx];
    int64_t total = v->freight;
    int64_t original = 0;
    int64_t paid[INSTALLMENTS_MAX] = {0};
    int64_t credited[INSTALLMENTS_MAX] = {0};
    struct line l;

    for (unsigned k = 0; k < v->n_lines; k++) {
        invoice_line(w, idx, k, &l);
        total += l.amount + (l.tax_inside ? 0 : l.tax);
        EQ_INT(l.amount % unit_of(v->currency), 0);
    }
    EQ_INT(total, v->entered);
    for (uint32_t a = v->first_app; a != NONE; a = w->apps[a].next_of_invoice) {
        (w->apps[a].of_memo ? credited : paid)[w->apps[a].installment] +=
            w->apps[a].amount;
    }
    for (unsigned k = 0; k < v->n_inst; k++) {
        const struct installment *i = &v->inst[k];

        original += i->original;
        EQ_INT(i->paid, paid[k]);
        EQ_INT(i->credited, -credited[k]);
        IS(installment_balance(i) >= 0 || i->original < 0);
        EQ_INT(i->closed != 0, installment_balance(i) == 0);
    }
    if (v->n_inst > 0) {
        EQ_INT(original, v->entered);
    } else {
        EQ_INT(v->status, INVOICE_INCOMPLETE);
    }
}

static void
check_receipt(const struct world *w, uint32_t idx)
{
    const struct receipt *r = &w->receipts[idx];
    int64_t used = 0;

    for (uint32_t a = r->first_app; a != NONE; a = w->apps[a].next_of_source) {
        used += w->apps[a].used;
        EQ_INT(w->apps[a].source, idx);
    }
    if (r->reversal != NULL) {
        EQ_INT(used, 0);
        EQ_INT(r->unapplied, 0);
    } else {
        EQ_INT(used + r->unapplied, r->amount);
        IS(r->unapplied >= 0);
    }
}

/* Every live record once, in order of (stamp, id). */
static void
check_order(const struct world *w, enum kind k)
{
    const struct stamp_index *x = &w->by_stamp[k];
    size_t live = 0;
    size_t alive = 0;
    int64_t stamp = INT64_MIN;
    int64_t id = 0;

    for (size_t i = 0; i < x->n; i++) {
        if (!stamp_live(w, k, i)) {
            continue;
        }
        live++;
        IS(x->v[i].stamp > stamp ||
           (x->v[i].stamp == stamp && world_id(w, k, x->v[i].idx) > id));
        stamp = x->v[i].stamp;
        id = world_id(w, k, x->v[i].idx);
    }
    for (uint32_t i = 0; i < w->n[k]; i++) {
        alive += world_alive(w, k, i);
    }
    EQ_INT(live, alive);
}

static void
check_world(const struct world *w)
{
    for (uint32_t i = 0; i < w->n[K_INVOICE]; i++) {
        check_invoice(w, i);
        EQ_INT(world_find(w, K_INVOICE, world_id(w, K_INVOICE, i)),
               world_alive(w, K_INVOICE, i) ? i : NONE);
    }
    for (uint32_t i = 0; i < w->n[K_RECEIPT]; i++) {
        check_receipt(w, i);
    }
    for (int k = 0; k < K_COUNT; k++) {
        check_order(w, (enum kind)k);
    }
}

static struct world *
make(uint64_t seed, size_t index)
{
    struct sim_options o = {
        .seed = seed, .customers = 120, .invoices = 1500, .receipts = 1100};

    return world_new_at(&o, index, INT64_C(1790000000000000));
}

static json_t *
mutate(struct world *w, unsigned n, uint64_t seed, int64_t now)
{
    const struct mutation m = {
        .n = n, .seed = seed, .now = now, .groups = MUTATE_ALL};

    return world_mutate(w, &m);
}

TEST(a_new_world_adds_up)
{
    struct world *w = make(7, 0);

    EQ_INT(w->n[K_INVOICE], 1500);
    IS(w->n[K_RECEIPT] >= 1100);
    check_world(w);
    world_free(w);
}

TEST(a_changed_world_adds_up)
{
    struct world *w = make(8, 1);

    for (unsigned i = 0; i < 5; i++) {
        json_t *done = mutate(w, 400, i, w->start_us + 1000000 * i);

        EQ_INT(json_array_size(json_object_get(done, "changes")), 400);
        json_decref(done);
        check_world(w);
    }
    world_free(w);
}

TEST(the_same_changes_happen_to_the_same_world)
{
    struct world *a = make(8, 1);
    struct world *b = make(8, 1);
    json_t *x = mutate(a, 200, 5, a->start_us);
    json_t *y = mutate(b, 200, 5, b->start_us);
    json_t *z = mutate(b, 200, 6, b->start_us);

    IS(json_equal(x, y));
    NOT(json_equal(x, z));
    json_decref(x);
    json_decref(y);
    json_decref(z);
    world_free(a);
    world_free(b);
}

TEST(seed_and_tenant_decide_the_world)
{
    struct world *a = make(7, 3);
    struct world *b = make(7, 3);
    struct world *other = make(7, 4);
    size_t same = 0;

    for (uint32_t i = 0; i < 1500; i++) {
        EQ_INT(a->invoices[i].entered, b->invoices[i].entered);
        EQ_INT(a->invoices[i].stamp, b->invoices[i].stamp);
        same += a->invoices[i].entered == other->invoices[i].entered;
    }
    IS(same < 100);
    world_free(a);
    world_free(b);
    world_free(other);
}

/* How often each oddity occurs. */
struct odd {
    size_t incomplete, frozen, foreign, many_lines, several, zero, void_,
        negative, mismatch, inside, together, unidentified, reversed, partial,
        cross, other, no_org, two_accounts, hashed, on_account;
};

static void
count_lines(const struct world *w, uint32_t idx, struct odd *n)
{
    struct line l;

    for (unsigned k = 0; k < w->invoices[idx].n_lines; k++) {
        int64_t product = 0;

        invoice_line(w, idx, k, &l);
        product = round_to(l.quantity_e3 * l.price_e4 / 10000,
                           unit_of(w->invoices[idx].currency));
        n->negative += l.amount < 0;
        n->mismatch += product != l.amount;
        n->inside += l.tax_inside && l.tax != 0;
    }
}

static void
count_invoices(const struct world *w, struct odd *n)
{
    for (uint32_t i = 0; i < w->n[K_INVOICE]; i++) {
        const struct invoice *v = &w->invoices[i];
        bool settled = v->n_inst > 0 && invoice_balance(v) == 0;

        count_lines(w, i, n);
        n->incomplete += v->status == INVOICE_INCOMPLETE;
        n->frozen += v->status == INVOICE_FROZEN;
        n->foreign += v->currency != 0;
        n->many_lines += v->n_lines > 25;
        n->several += v->n_inst > 1;
        n->zero += v->entered == 0;
        n->void_ += settled && v->entered != 0 && v->inst[0].paid == 0;
        n->together += i > 0 && v->stamp == w->invoices[i - 1].stamp;
    }
}

static void
count_receipts(const struct world *w, struct odd *n)
{
    for (uint32_t i = 0; i < w->n[K_RECEIPT]; i++) {
        const struct receipt *r = &w->receipts[i];

        n->unidentified += r->customer == NONE;
        n->reversed += r->reversal != NULL;
        n->partial += r->first_app != NONE && r->unapplied > 0;
        for (uint32_t a = r->first_app; a != NONE;
             a = w->apps[a].next_of_source) {
            const struct invoice *v = NULL;

            if (w->apps[a].invoice == NONE) {
                n->on_account++;
                continue;
            }
            v = &w->invoices[w->apps[a].invoice];
            n->cross += v->currency != r->currency;
            n->other += v->customer != r->customer;
        }
    }
}

TEST(a_world_holds_what_makes_connectors_stumble)
{
    struct world *w = make(7, 0);
    struct odd n = {0};

    count_invoices(w, &n);
    count_receipts(w, &n);
    for (uint32_t i = 0; i < w->n[K_CUSTOMER]; i++) {
        n.no_org += !w->parties[w->customers[i].party].has_org;
        n.hashed += w->customers[i].hashed;
        n.two_accounts +=
            i > 0 && w->customers[i].party == w->customers[i - 1].party;
    }
    IS(n.incomplete > 20 && n.frozen > 5 && n.foreign > 200);
    IS(n.many_lines > 10 && n.several > 50 && n.zero > 0 && n.void_ > 3);
    IS(n.negative > 5 && n.mismatch > 50 && n.inside > 20);
    IS(n.together > 50 && n.unidentified > 3 && n.reversed > 10);
    IS(n.partial > 20 && n.cross > 2 && n.other > 10);
    IS(n.on_account > 2 && n.no_org > 2 && n.two_accounts > 3 && n.hashed > 3);
    world_free(w);
}

TEST(stamps_lie_in_the_last_eighty_days)
{
    struct world *w = make(9, 0);

    for (uint32_t i = 0; i < w->n[K_INVOICE]; i++) {
        IS(w->invoices[i].stamp > w->start_us - INT64_C(81) * 86400 * 1000000);
        IS(w->invoices[i].stamp <= w->start_us - 290000000);
    }
    world_free(w);
}

TEST(a_stamp_set_back_and_forth_keeps_one_entry)
{
    struct world *w = make(9, 0);
    int64_t before = w->invoices[5].stamp;

    for (int i = 0; i < 200; i++) {
        world_touch(w, K_INVOICE, 5, before + 10 + i % 3);
        world_touch(w, K_INVOICE, 5, before);
    }
    check_order(w, K_INVOICE);
    world_free(w);
}

TEST(a_hundred_thousand_invoices_fit)
{
    struct sim_options o = {
        .seed = 1, .customers = 3000, .invoices = 100000, .receipts = 60000};
    struct world *w = world_new_at(&o, 0, INT64_C(1790000000000000));

    EQ_INT(w->n[K_INVOICE], 100000);
    IS(sizeof(struct invoice) + 2 * sizeof(struct installment) +
           2 * sizeof(struct app) <
       700);
    check_order(w, K_INVOICE);
    world_free(w);
}

SUITE(world, RUN(a_new_world_adds_up), RUN_LONG(a_changed_world_adds_up, 20),
      RUN(the_same_changes_happen_to_the_same_world),
      RUN(seed_and_tenant_decide_the_world),
      RUN(a_world_holds_what_makes_connectors_stumble),
      RUN(stamps_lie_in_the_last_eighty_days),
      RUN(a_stamp_set_back_and_forth_keeps_one_entry),
      RUN_LONG(a_hundred_thousand_invoices_fit, 30))
