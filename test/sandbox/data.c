/* SPDX-License-Identifier: UNLICENSED */
/*
 * The records of a world: arrays that grow, ids computed from indexes, and one
 * order by LastUpdateDate per kind.
 *
 * Ids are handed out in blocks of 16 that are shuffled inside, as a pod's
 * sequences are: a greater id is not always the later record. The shuffle is an
 * exclusive or with a hash of the block, so it is its own inverse.
 *
 * Invariant: every live record has exactly one live entry in by_stamp.
 */
#include "data.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct currency currencies[CURRENCIES] = {
    {"USD", 2, 0},    {"EUR", 2, 1131200}, {"GBP", 2, 1294550},
    {"JPY", 0, 6712}, {"KWD", 3, 3251000}, {"CAD", 2, 728400},
};

static const struct {
    int64_t base, step;
} id_space[K_COUNT] = {
    [K_CUSTOMER] = {300000014000000, 10},
    [K_PARTY] = {300000004000000, 10},
    [K_PERSON] = {300000024000000, 10},
    [K_INVOICE] = {300100170000000, 200},
    [K_RECEIPT] = {300100900000000, 10},
    [K_MEMO] = {300100600000000, 200},
    [K_ADJUSTMENT] = {300101400000000, 10},
};
enum { INSTALLMENT_ID = 180 };
#define APP_ID_BASE INT64_C(300101500000000)
#define EXTRA_ID_BASE INT64_C(300102000000000)

int
currency_find(const char *code)
{
    for (int i = 0; i < CURRENCIES; i++) {
        if (text_equal(currencies[i].code, code)) {
            return i;
        }
    }
    return -1;
}

int64_t
unit_of(unsigned currency)
{
    static const int64_t units[] = {1000, 100, 10, 1};

    return units[currencies[currency].digits];
}

int64_t
round_to(int64_t value, int64_t unit)
{
    int64_t half = unit / 2;

    if (value < 0) {
        return -((-value + half) / unit * unit);
    }
    return (value + half) / unit * unit;
}

int64_t
to_ledger(int64_t amount, unsigned currency)
{
    int64_t rate = currencies[currency].rate_e6;
    int64_t whole = amount / 1000000;
    int64_t rest = amount % 1000000;

    if (rate == 0) {
        return amount;
    }
    /* Split, so that the product stays inside 64 bits. */
    return round_to(whole * rate + rest * rate / 1000000, 10);
}

/* ---- records ------------------------------------------------------------ */

static size_t
kind_size(enum kind k)
{
    static const size_t sizes[K_COUNT] = {
        [K_CUSTOMER] = sizeof(struct customer),
        [K_PARTY] = sizeof(struct party),
        [K_PERSON] = sizeof(struct person),
        [K_INVOICE] = sizeof(struct invoice),
        [K_RECEIPT] = sizeof(struct receipt),
        [K_MEMO] = sizeof(struct memo),
        [K_ADJUSTMENT] = sizeof(struct adjustment),
    };

    return sizes[k];
}

static void *
kind_array(const struct world *w, enum kind k)
{
    void *const arrays[K_COUNT] = {
        [K_CUSTOMER] = w->customers,     [K_PARTY] = w->parties,
        [K_PERSON] = w->persons,         [K_INVOICE] = w->invoices,
        [K_RECEIPT] = w->receipts,       [K_MEMO] = w->memos,
        [K_ADJUSTMENT] = w->adjustments,
    };

    return arrays[k];
}

static void
kind_moved(struct world *w, enum kind k, void *p)
{
    switch ((int)k) {
    case K_CUSTOMER:
        w->customers = p;
        break;
    case K_PARTY:
        w->parties = p;
        break;
    case K_PERSON:
        w->persons = p;
        break;
    case K_INVOICE:
        w->invoices = p;
        break;
    case K_RECEIPT:
        w->receipts = p;
        break;
    case K_MEMO:
        w->memos = p;
        break;
    default:
        w->adjustments = p;
        break;
    }
}

uint32_t
world_add(struct world *w, enum kind k)
{
    size_t size = kind_size(k);

    if (w->n[k] == w->cap[k]) {
        size_t cap = w->cap[k] == 0 ? 64 : w->cap[k] * 2;

        kind_moved(w, k, mem_resize(kind_array(w, k), cap * size));
        w->cap[k] = cap;
    }
    memset((char *)kind_array(w, k) + w->n[k] * size, 0, size);
    return (uint32_t)w->n[k]++;
}

/* Where stamp and deletion mark of a record are. */
static int64_t *
stamp_slot(const struct world *w, enum kind k, uint32_t idx)
{
    switch ((int)k) {
    case K_CUSTOMER:
        return &w->customers[idx].stamp;
    case K_PARTY:
        return &w->parties[idx].stamp;
    case K_PERSON:
        return &w->persons[idx].stamp;
    case K_INVOICE:
        return &w->invoices[idx].stamp;
    case K_RECEIPT:
        return &w->receipts[idx].stamp;
    case K_MEMO:
        return &w->memos[idx].stamp;
    default:
        return &w->adjustments[idx].stamp;
    }
}

static bool *
deleted_slot(const struct world *w, enum kind k, uint32_t idx)
{
    switch ((int)k) {
    case K_CUSTOMER:
        return &w->customers[idx].deleted;
    case K_PARTY:
        return &w->parties[idx].deleted;
    case K_PERSON:
        return &w->persons[idx].deleted;
    case K_INVOICE:
        return &w->invoices[idx].deleted;
    case K_RECEIPT:
        return &w->receipts[idx].deleted;
    case K_MEMO:
        return &w->memos[idx].deleted;
    default:
        return &w->adjustments[idx].deleted;
    }
}

int64_t
world_stamp(const struct world *w, enum kind k, uint32_t idx)
{
    return *stamp_slot(w, k, idx);
}

bool
world_alive(const struct world *w, enum kind k, uint32_t idx)
{
    return idx < w->n[k] && !*deleted_slot(w, k, idx);
}

/* ---- ids ---------------------------------------------------------------- */

uint32_t
world_order(const struct world *w, enum kind k, uint32_t place)
{
    uint64_t h = w->seed ^ ((uint64_t)(place >> 4) + 1) * 0x9e3779b97f4a7c15u;

    h ^= (uint64_t)k << 17;
    h = (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9u;
    return place ^ (uint32_t)((h >> 40) & 15U);
}

int64_t
world_id(const struct world *w, enum kind k, uint32_t idx)
{
    return id_space[k].base + id_space[k].step * world_order(w, k, idx);
}

uint32_t
world_find(const struct world *w, enum kind k, int64_t id)
{
    int64_t off = id - id_space[k].base;
    uint32_t idx = 0;

    if (off < 0 || off % id_space[k].step != 0 ||
        off / id_space[k].step > (int64_t)w->n[k] + 16) {
        return NONE;
    }
    idx = world_order(w, k, (uint32_t)(off / id_space[k].step));
    return world_alive(w, k, idx) ? idx : NONE;
}

int64_t
app_id(uint32_t app)
{
    return APP_ID_BASE + (int64_t)app;
}

int64_t
installment_id(const struct world *w, uint32_t invoice, unsigned k)
{
    return world_id(w, K_INVOICE, invoice) + INSTALLMENT_ID + (int64_t)k;
}

/* ---- order by stamp ----------------------------------------------------- */

size_t
stamp_seek(const struct stamp_index *x, int64_t us)
{
    size_t lo = 0;
    size_t hi = x->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (x->v[mid].stamp < us) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

bool
stamp_live(const struct world *w, enum kind k, size_t at)
{
    const struct stamp_entry *e = &w->by_stamp[k].v[at];

    return world_alive(w, k, e->idx) && world_stamp(w, k, e->idx) == e->stamp;
}

/* Where (stamp, id) belongs: binary search over both. */
static size_t
stamp_place(const struct world *w, enum kind k, int64_t stamp, int64_t id)
{
    const struct stamp_index *x = &w->by_stamp[k];
    size_t lo = 0;
    size_t hi = x->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct stamp_entry *e = &x->v[mid];

        if (e->stamp < stamp ||
            (e->stamp == stamp && world_id(w, k, e->idx) < id)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void
stamp_sweep(const struct world *w, enum kind k, struct stamp_index *x)
{
    size_t kept = 0;

    for (size_t i = 0; i < x->n; i++) {
        if (stamp_live(w, k, i)) {
            x->v[kept++] = x->v[i];
        }
    }
    x->n = kept;
    x->stale = 0;
}

void
stamp_clean(struct world *w, enum kind k)
{
    if (w->by_stamp[k].stale > 0) {
        stamp_sweep(w, k, &w->by_stamp[k]);
    }
}

static void
stamp_insert(struct world *w, enum kind k, uint32_t idx, int64_t stamp)
{
    struct stamp_index *x = &w->by_stamp[k];
    size_t at = 0;

    if (x->stale > 64 && x->stale > x->n / 8) {
        stamp_sweep(w, k, x);
    }
    if (x->n == x->cap) {
        x->cap = x->cap == 0 ? 64 : x->cap * 2;
        x->v = mem_resize(x->v, x->cap * sizeof(*x->v));
    }
    at = stamp_place(w, k, stamp, world_id(w, k, idx));
    /* Set back to a stamp it had before: the stale entry lives again. */
    if (at < x->n && x->v[at].idx == idx && x->v[at].stamp == stamp) {
        return;
    }
    memmove(x->v + at + 1, x->v + at, (x->n - at) * sizeof(*x->v));
    x->v[at] = (struct stamp_entry){.stamp = stamp, .idx = idx};
    x->n++;
}

void
world_touch(struct world *w, enum kind k, uint32_t idx, int64_t stamp)
{
    int64_t *slot = stamp_slot(w, k, idx);

    if (*slot != 0) {
        if (w->forward && stamp < *slot) {
            stamp = *slot + 1;
        }
        if (*slot == stamp) {
            return;
        }
        w->by_stamp[k].stale++;
    }
    *slot = stamp;
    stamp_insert(w, k, idx, stamp);
}

void
world_bury(struct world *w, enum kind k, uint32_t idx)
{
    *deleted_slot(w, k, idx) = true;
    w->by_stamp[k].stale++;
    if (k == K_CUSTOMER) {
        (void)map_del(&w->by_number, w->customers[idx].number);
    }
}

/* The map holds index + 1 as its pointer: NULL stays "none". */
uint32_t
world_customer(const struct world *w, const char *number)
{
    uintptr_t v = (uintptr_t)map_get(&w->by_number, number);

    return v == 0 ? NONE : (uint32_t)(v - 1);
}

const char *
world_text(struct world *w, const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    char *kept = NULL;

    va_start(ap, fmt);
    s = mem_vprintf(fmt, ap);
    va_end(ap);
    kept = arena_strdup(&w->texts, s);
    mem_free(s);
    return kept;
}

/* ---- amounts ------------------------------------------------------------ */

int64_t
installment_balance(const struct installment *i)
{
    return i->original - i->paid + i->credited + i->adjusted;
}

int64_t
invoice_balance(const struct invoice *v)
{
    int64_t sum = 0;

    if (v->n_inst == 0) {
        return v->entered;
    }
    for (unsigned i = 0; i < v->n_inst; i++) {
        sum += installment_balance(&v->inst[i]);
    }
    return sum;
}

/* ---- life --------------------------------------------------------------- */

static int
entry_before(const struct stamp_entry *a, const struct stamp_entry *b)
{
    if (a->stamp != b->stamp) {
        return a->stamp < b->stamp ? -1 : 1;
    }
    return a->idx < b->idx ? -1 : 1;
}

static int
entry_compare(const void *a, const void *b)
{
    return entry_before(a, b);
}

/* Entries of one stamp, sorted by id: nearly so already, since ids are
 * shuffled inside blocks of 16 only. */
static void
sort_group(const struct world *w, enum kind k, struct stamp_entry *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct stamp_entry e = v[i];
        int64_t id = world_id(w, k, e.idx);
        size_t j = i;

        while (j > 0 && world_id(w, k, v[j - 1].idx) > id) {
            v[j] = v[j - 1];
            j--;
        }
        v[j] = e;
    }
}

/* All records of a kind at once, by one sort. */
static void
index_build(struct world *w, enum kind k)
{
    struct stamp_index *x = &w->by_stamp[k];
    size_t from = 0;

    x->n = w->n[k];
    x->cap = x->n + 64;
    x->stale = 0;
    x->v = mem_resize(x->v, x->cap * sizeof(*x->v));
    for (uint32_t i = 0; i < x->n; i++) {
        x->v[i] = (struct stamp_entry){world_stamp(w, k, i), i};
    }
    qsort(x->v, x->n, sizeof(*x->v), entry_compare);
    for (size_t i = 1; i <= x->n; i++) {
        if (i == x->n || x->v[i].stamp != x->v[from].stamp) {
            sort_group(w, k, x->v + from, i - from);
            from = i;
        }
    }
}

struct world *
world_new_at(const struct sim_options *o, size_t index, int64_t now_us)
{
    struct world *w = MEM_NEW(struct world);

    w->seed = o->seed * 0x9e3779b97f4a7c15u + index * 0xd1342543de82ef95u + 1;
    w->index = index;
    w->start_us = now_us;
    w->next_extra = EXTRA_ID_BASE;
    arena_init(&w->texts);
    map_init(&w->by_number);
    map_init(&w->flex);
    w->receipts_bump = true;
    w->lines_bump = true;
    world_fill(w, o);
    for (int k = 0; k < K_COUNT; k++) {
        index_build(w, (enum kind)k);
    }
    return w;
}

struct world *
world_new(const struct sim_options *o, size_t index)
{
    return world_new_at(o, index, clock_wall_us());
}

void
world_free(struct world *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i < w->n[K_INVOICE]; i++) {
        mem_free(w->invoices[i].lines);
        mem_free(w->invoices[i].inst);
    }
    for (int k = 0; k < K_COUNT; k++) {
        mem_free(kind_array(w, (enum kind)k));
        mem_free(w->by_stamp[k].v);
    }
    mem_free(w->apps);
    map_fini(&w->by_number);
    map_fini(&w->flex);
    arena_fini(&w->texts);
    mem_free(w);
}
