/* SPDX-License-Identifier: UNLICENSED */
/*
 * Intrusive doubly linked lists: a ring through a head. An element that is in
 * no list points at itself, or is all zero as it was allocated, so removing it
 * again is harmless. The list owns nothing; an element is in at most one list
 * through one link.
 */
#include "ml/base.h"

void
list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

bool
list_empty(const struct list *l)
{
    return l->next == l;
}

bool
list_linked(const struct list *item)
{
    return item->next != NULL && item->next != item;
}

static void
insert_between(struct list *item, struct list *prev, struct list *next)
{
    ML_ASSERT(!list_linked(item));
    item->prev = prev;
    item->next = next;
    prev->next = item;
    next->prev = item;
}

void
list_push(struct list *l, struct list *item)
{
    insert_between(item, l->prev, l);
}

void
list_push_front(struct list *l, struct list *item)
{
    insert_between(item, l, l->next);
}

void
list_remove(struct list *item)
{
    if (list_linked(item)) {
        item->prev->next = item->next;
        item->next->prev = item->prev;
    }
    list_init(item);
}

struct list *
list_first(const struct list *l)
{
    return l->next != l ? l->next : NULL;
}

struct list *
list_pop(struct list *l)
{
    struct list *item = list_first(l);

    if (item != NULL) {
        list_remove(item);
    }
    return item;
}
