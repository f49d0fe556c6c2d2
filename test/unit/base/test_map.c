/* SPDX-License-Identifier: UNLICENSED */
/* Maps, against an array as the model; the walk; the keyed hash. */
#include "unit.h"

#include "base_priv.h"

enum { KEYS = 500 };

static char *
key_of(int i, char out[16])
{
    (void)snprintf(out, 16, "key-%d", i);
    return out;
}

TEST(a_map_agrees_with_an_array_through_random_changes)
{
    struct map m;
    int model[KEYS] = {0};
    static int values[KEYS];
    char key[16];
    uint64_t seed = 12345;
    size_t count = 0;

    map_init(&m);
    for (int step = 0; step < 50000; step++) {
        int i;

        seed = seed * 6364136223846793005U + 1442695040888963407U;
        i = (int)((seed >> 33) % KEYS);
        if ((seed >> 20) % 3 == 0) {
            void *gone = map_del(&m, key_of(i, key));

            EQ_PTR(gone, model[i] != 0 ? &values[i] : NULL);
            count -= model[i] != 0 ? 1 : 0;
            model[i] = 0;
        } else {
            void *before = map_put(&m, key_of(i, key), &values[i]);

            EQ_PTR(before, model[i] != 0 ? &values[i] : NULL);
            count += model[i] == 0 ? 1 : 0;
            model[i] = 1;
        }
        EQ_UINT(m.count, count);
    }
    for (int i = 0; i < KEYS; i++) {
        EQ_PTR(map_get(&m, key_of(i, key)), model[i] != 0 ? &values[i] : NULL);
    }
    IS(m.cap <= 2048);
    map_fini(&m);
    EQ_UINT(m.count, 0);
}

TEST(a_walk_runs_in_order_of_insertion_and_may_remove)
{
    struct map m;
    static int values[100];
    char key[16];
    size_t it = 0;
    const char *k;
    void *v;
    int seen = 0;

    map_init(&m);
    NOT(map_next(&m, &it, &k, &v));
    for (int i = 0; i < 100; i++) {
        (void)map_put(&m, key_of(i, key), &values[i]);
    }
    it = 0;
    while (map_next(&m, &it, &k, &v)) {
        EQ_PTR(v, &values[seen]);
        EQ_STR(k, key_of(seen, key));
        if (seen % 3 == 0) {
            EQ_PTR(map_del(&m, key), v);
        }
        seen++;
    }
    EQ_INT(seen, 100);
    EQ_UINT(m.count, 66);
    it = 0;
    IS(map_next(&m, &it, NULL, NULL));
    IS(map_next(&m, &it, NULL, &v));
    EQ_PTR(v, &values[2]);
    map_fini(&m);
}

TEST(an_empty_map_has_nothing)
{
    struct map m;

    map_init(&m);
    IS(map_get(&m, "x") == NULL);
    IS(map_del(&m, "x") == NULL);
    map_fini(&m);
}

TEST(keys_are_copied_and_the_empty_key_is_one)
{
    struct map m;
    char key[] = "abc";
    int a = 1;
    int b = 2;

    map_init(&m);
    (void)map_put(&m, key, &a);
    key[0] = 'x';
    EQ_PTR(map_get(&m, "abc"), &a);
    IS(map_get(&m, "xbc") == NULL);
    (void)map_put(&m, "", &b);
    EQ_PTR(map_get(&m, ""), &b);
    map_fini(&m);
}

TEST(the_key_hash_depends_on_every_byte_and_the_length)
{
    char s[40] = {0};
    uint64_t plain = base_key_hash(s, sizeof(s));

    EQ_UINT(base_key_hash(s, sizeof(s)), plain);
    for (size_t i = 0; i < sizeof(s); i++) {
        s[i] = 1;
        IS(base_key_hash(s, sizeof(s)) != plain);
        IS(base_key_hash(s, i) != plain);
        s[i] = 0;
    }
}

SUITE(map, RUN(a_map_agrees_with_an_array_through_random_changes),
      RUN(a_walk_runs_in_order_of_insertion_and_may_remove),
      RUN(an_empty_map_has_nothing),
      RUN(keys_are_copied_and_the_empty_key_is_one),
      RUN(the_key_hash_depends_on_every_byte_and_the_length))
