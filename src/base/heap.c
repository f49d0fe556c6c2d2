/* SPDX-License-Identifier: UNLICENSED */
/*
 * A binary heap of intrusive nodes, smallest `at` first.
 *
 * Every push takes the next sequence number and ties compare by it, so equal
 * times leave in the order they came. pos is the node's 1-based place in the
 * array, 0 when it is in no heap: removal needs no search. Nodes must be zeroed
 * before their first push.
 */
#include "ml/base.h"

void
heap_init(struct heap *h)
{
    h->nodes = NULL;
    h->count = 0;
    h->cap = 0;
    h->next_seq = 0;
}

void
heap_fini(struct heap *h)
{
    for (size_t i = 0; i < h->count; i++) {
        h->nodes[i]->pos = 0;
    }
    mem_free(h->nodes);
    heap_init(h);
}

static bool
is_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void
place(struct heap *h, struct heap_node *n, size_t pos)
{
    h->nodes[pos - 1] = n;
    n->pos = pos;
}

static void
sift_up(struct heap *h, struct heap_node *n)
{
    size_t pos = n->pos;

    while (pos > 1 && is_before(n, h->nodes[pos / 2 - 1])) {
        place(h, h->nodes[pos / 2 - 1], pos);
        pos /= 2;
    }
    place(h, n, pos);
}

static void
sift_down(struct heap *h, struct heap_node *n)
{
    size_t pos = n->pos;

    while (pos * 2 <= h->count) {
        size_t child = pos * 2;

        if (child < h->count &&
            is_before(h->nodes[child], h->nodes[child - 1])) {
            child++;
        }
        if (!is_before(h->nodes[child - 1], n)) {
            break;
        }
        place(h, h->nodes[child - 1], pos);
        pos = child;
    }
    place(h, n, pos);
}

void
heap_push(struct heap *h, struct heap_node *n, int64_t at)
{
    ML_ASSERT(n->pos == 0);
    if (h->count == h->cap) {
        size_t cap = h->cap > 0 ? h->cap * 2 : 16;

        ML_ASSERT(cap <= SIZE_MAX / sizeof(h->nodes[0]));
        h->nodes = mem_resize(h->nodes, cap * sizeof(h->nodes[0]));
        h->cap = cap;
    }
    n->at = at;
    n->seq = h->next_seq++;
    h->count++;
    place(h, n, h->count);
    sift_up(h, n);
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
    struct heap_node *last;
    size_t pos = n->pos;

    if (pos == 0) {
        return;
    }
    ML_ASSERT(pos <= h->count && h->nodes[pos - 1] == n);
    n->pos = 0;
    last = h->nodes[h->count - 1];
    h->count--;
    if (last != n) {
        place(h, last, pos);
        sift_up(h, last);
        sift_down(h, last);
    }
}

struct heap_node *
heap_first(const struct heap *h)
{
    return h->count > 0 ? h->nodes[0] : NULL;
}
