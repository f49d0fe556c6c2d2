/* SPDX-License-Identifier: UNLICENSED */
/* The heap: order, ties, removal anywhere. */
#include "unit.h"

#include "ml/base.h"

enum { NODES = 1000 };

TEST(nodes_leave_by_time_and_ties_as_they_came)
{
    struct heap h;
    static struct heap_node nodes[NODES];
    const struct heap_node *last = NULL;
    uint64_t seed = 99;

    heap_init(&h);
    IS(heap_first(&h) == NULL);
    for (size_t i = 0; i < NODES; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        heap_push(&h, &nodes[i], (int64_t)(seed >> 60));
    }
    for (size_t i = 0; i < NODES; i++) {
        struct heap_node *n = heap_first(&h);

        if (last != NULL) {
            IS(n->at > last->at || (n->at == last->at && n > last));
        }
        heap_remove(&h, n);
        EQ_UINT(n->pos, 0);
        heap_remove(&h, n);
        last = n;
    }
    EQ_UINT(h.count, 0);
    heap_fini(&h);
}

TEST(removal_anywhere_keeps_the_order)
{
    struct heap h;
    static struct heap_node nodes[NODES];
    uint64_t seed = 7;
    int64_t last = INT64_MIN;
    size_t left = 0;

    heap_init(&h);
    for (size_t i = 0; i < NODES; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        heap_push(&h, &nodes[i], (int64_t)(seed >> 50) - 8192);
    }
    for (size_t i = 0; i < NODES; i += 2) {
        heap_remove(&h, &nodes[(i * 7) % NODES]);
    }
    while (heap_first(&h) != NULL) {
        struct heap_node *n = heap_first(&h);

        IS(n->at >= last);
        last = n->at;
        heap_remove(&h, n);
        left++;
    }
    EQ_UINT(left, NODES / 2);
    heap_fini(&h);
}

TEST(a_finished_heap_forgets_its_nodes)
{
    struct heap h;
    struct heap_node n = {0};

    heap_init(&h);
    heap_push(&h, &n, 1);
    heap_fini(&h);
    EQ_UINT(n.pos, 0);
    heap_push(&h, &n, 1);
    heap_fini(&h);
}

DEATH(pushing_a_node_twice_aborts)
{
    struct heap h;
    struct heap_node n = {0};

    heap_init(&h);
    heap_push(&h, &n, 1);
    heap_push(&h, &n, 2);
}

SUITE(heap, RUN(nodes_leave_by_time_and_ties_as_they_came),
      RUN(removal_anywhere_keeps_the_order),
      RUN(a_finished_heap_forgets_its_nodes), DIES(pushing_a_node_twice_aborts))
