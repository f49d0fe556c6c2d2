/* SPDX-License-Identifier: UNLICENSED */
/*
 * Hash map from text to pointers; keys are copied, values borrowed.
 *
 * One array serves twice: slots[i].key/value are the i-th entry in the order of
 * insertion, slots[i].cell is cell i of the hash table and holds the number of
 * an entry plus one, 0 when free. So a walk runs in the order of insertion
 * whatever the hashes are. A deleted entry keeps its number (key NULL) and its
 * cell, which keeps probe chains whole; both are dropped when the array is
 * rebuilt. Keys may come from a peer: the hash is keyed per process.
 *
 * Invariants: cap is 0 or a power of two; used <= 3/4 cap; count <= used.
 */
#include "base_priv.h"

#include <string.h>

enum { FIRST_CAP = 16 };

struct map_slot {
    char *key; /* NULL: deleted or not used yet */
    void *value;
    uint64_t hash;
    size_t cell;
};

void
map_init(struct map *m)
{
    memset(m, 0, sizeof(*m));
}

void
map_fini(struct map *m)
{
    for (size_t i = 0; i < m->used; i++) {
        mem_free(m->slots[i].key);
    }
    mem_free(m->slots);
    map_init(m);
}

/* The entry of `key`, or NULL. */
static struct map_slot *
find(const struct map *m, const char *key, uint64_t hash)
{
    size_t mask = m->cap - 1;

    if (m->cap == 0) {
        return NULL;
    }
    for (size_t i = (size_t)hash & mask; m->slots[i].cell != 0;
         i = (i + 1) & mask) {
        struct map_slot *e = &m->slots[m->slots[i].cell - 1];

        if (e->key != NULL && e->hash == hash && strcmp(e->key, key) == 0) {
            return e;
        }
    }
    return NULL;
}

static void
append(struct map *m, char *key, uint64_t hash, void *value)
{
    size_t mask = m->cap - 1;
    size_t i = (size_t)hash & mask;
    struct map_slot *e = &m->slots[m->used];

    e->key = key;
    e->value = value;
    e->hash = hash;
    while (m->slots[i].cell != 0) {
        i = (i + 1) & mask;
    }
    m->used++;
    m->count++;
    m->slots[i].cell = m->used;
}

/* Drops deleted entries; doubles when the live ones alone are many. */
static void
rebuild(struct map *m)
{
    struct map old = *m;

    map_init(m);
    m->cap = old.cap > 0 ? old.cap : FIRST_CAP;
    if (old.count >= old.cap / 2 && old.cap > 0) {
        m->cap *= 2;
    }
    m->slots = mem_array(m->cap, sizeof(m->slots[0]));
    for (size_t i = 0; i < old.used; i++) {
        const struct map_slot *e = &old.slots[i];

        if (e->key != NULL) {
            append(m, e->key, e->hash, e->value);
        }
    }
    mem_free(old.slots);
}

void *
map_get(const struct map *m, const char *key)
{
    const struct map_slot *e = find(m, key, base_key_hash(key, strlen(key)));

    return e != NULL ? e->value : NULL;
}

void *
map_put(struct map *m, const char *key, void *value)
{
    uint64_t hash = base_key_hash(key, strlen(key));
    struct map_slot *e = find(m, key, hash);

    if (e != NULL) {
        void *before = e->value;

        e->value = value;
        return before;
    }
    if (m->used >= m->cap / 4 * 3) {
        rebuild(m);
    }
    append(m, mem_strdup(key), hash, value);
    return NULL;
}

void *
map_del(struct map *m, const char *key)
{
    struct map_slot *e = find(m, key, base_key_hash(key, strlen(key)));
    void *value;

    if (e == NULL) {
        return NULL;
    }
    value = e->value;
    mem_free(e->key);
    e->key = NULL;
    e->value = NULL;
    m->count--;
    return value;
}

bool
map_next(const struct map *m, size_t *it, const char **key, void **value)
{
    while (*it < m->used) {
        const struct map_slot *e = &m->slots[(*it)++];

        if (e->key != NULL) {
            if (key != NULL) {
                *key = e->key;
            }
            if (value != NULL) {
                *value = e->value;
            }
            return true;
        }
    }
    return false;
}
