/* SPDX-License-Identifier: UNLICENSED */
/* Lists: order, removal inside a walk, removal twice. */
#include "unit.h"

#include "ml/base.h"

struct item {
    int n;
    struct list link;
};

static int
number(struct list *l)
{
    return CONTAINER_OF(l, struct item, link)->n;
}

TEST(items_leave_in_the_order_they_came)
{
    struct list l;
    struct item items[4] = {{.n = 0}, {.n = 1}, {.n = 2}, {.n = 3}};

    list_init(&l);
    IS(list_empty(&l));
    IS(list_first(&l) == NULL);
    IS(list_pop(&l) == NULL);
    for (int i = 1; i < 4; i++) {
        list_init(&items[i].link);
        list_push(&l, &items[i].link);
    }
    list_init(&items[0].link);
    NOT(list_linked(&items[0].link));
    list_push_front(&l, &items[0].link);
    IS(list_linked(&items[0].link));
    for (int i = 0; i < 4; i++) {
        EQ_INT(number(list_first(&l)), i);
        EQ_INT(number(list_pop(&l)), i);
    }
    IS(list_empty(&l));
}

TEST(an_item_may_be_removed_inside_the_walk_and_twice)
{
    struct list l;
    struct list *at;
    struct list *next;
    struct item items[6];
    int sum = 0;

    list_init(&l);
    for (int i = 0; i < 6; i++) {
        items[i].n = i;
        list_init(&items[i].link);
        list_push(&l, &items[i].link);
    }
    LIST_EACH(&l, at, next)
    {
        if (number(at) % 2 == 0) {
            list_remove(at);
            list_remove(at);
            NOT(list_linked(at));
        }
    }
    LIST_EACH(&l, at, next)
    {
        sum = sum * 10 + number(at);
    }
    EQ_INT(sum, 135);
}

DEATH(pushing_a_linked_item_aborts)
{
    struct list l;
    struct list item;

    list_init(&l);
    list_init(&item);
    list_push(&l, &item);
    list_push(&l, &item);
}

SUITE(list, RUN(items_leave_in_the_order_they_came),
      RUN(an_item_may_be_removed_inside_the_walk_and_twice),
      DIES(pushing_a_linked_item_aborts))
