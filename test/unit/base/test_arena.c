/* SPDX-License-Identifier: UNLICENSED */
/* Arenas: alignment, zeroing, reuse after reset, large requests. */
#include "unit.h"

#include "ml/base.h"

TEST(everything_is_aligned_and_zeroed)
{
    struct arena a;

    arena_init(&a);
    for (size_t n = 0; n < 300; n++) {
        unsigned char *p = arena_alloc(&a, n);

        EQ_UINT((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++) {
            EQ_INT(p[i], 0);
        }
        memset(p, 0xff, n);
    }
    arena_fini(&a);
}

TEST(memory_is_zeroed_again_after_a_reset)
{
    struct arena a;
    unsigned char *p;

    arena_init(&a);
    p = arena_alloc(&a, 64);
    memset(p, 0xaa, 64);
    EQ_UINT(a.used, 64);
    arena_reset(&a);
    EQ_UINT(a.used, 0);
    EQ_PTR(arena_alloc(&a, 64), p);
    EQ_INT(p[0], 0);
    EQ_INT(p[63], 0);
    arena_fini(&a);
    arena_reset(&a);
    arena_fini(&a);
}

TEST(a_large_request_leaves_the_small_block_in_use)
{
    struct arena a;
    char *first;
    char *large;
    char *second;

    arena_init(&a);
    first = arena_alloc(&a, 16);
    large = arena_alloc(&a, 1000000);
    second = arena_alloc(&a, 16);
    large[999999] = 'x';
    EQ_PTR(second, first + 16);
    arena_reset(&a);
    EQ_PTR(arena_alloc(&a, 16), first);
    arena_fini(&a);
}

TEST(a_reset_does_not_keep_a_large_first_block)
{
    struct arena a;

    arena_init(&a);
    (void)arena_alloc(&a, 1000000);
    arena_reset(&a);
    IS(a.head == NULL);
    (void)arena_alloc(&a, 10);
    IS(a.head != NULL);
    arena_fini(&a);
}

TEST(many_blocks_keep_their_content)
{
    struct arena a;
    char *texts[5000];

    arena_init(&a);
    for (int i = 0; i < 5000; i++) {
        texts[i] = arena_printf(&a, "text number %d", i);
    }
    for (int i = 0; i < 5000; i++) {
        char want[40];

        (void)snprintf(want, sizeof(want), "text number %d", i);
        EQ_STR(texts[i], want);
    }
    arena_reset(&a);
    arena_fini(&a);
}

TEST(texts_and_arrays_come_from_the_arena)
{
    struct arena a;
    uint64_t *n;

    arena_init(&a);
    EQ_STR(arena_strdup(&a, "abc"), "abc");
    EQ_STR(arena_strndup(&a, "abcdef", 2), "ab");
    EQ_STR(arena_strndup(&a, "ab", 20), "ab");
    IS(arena_strdup(&a, NULL) == NULL);
    IS(arena_strndup(&a, NULL, 1) == NULL);
    n = arena_array(&a, 10, sizeof(*n));
    EQ_UINT(n[9], 0);
    arena_fini(&a);
}

DEATH(an_arena_array_that_overflows_aborts)
{
    struct arena a;

    arena_init(&a);
    (void)arena_array(&a, SIZE_MAX / 2, 3);
}

DEATH(an_absurd_arena_size_aborts)
{
    struct arena a;

    arena_init(&a);
    (void)arena_alloc(&a, SIZE_MAX - 1);
}

DEATH(an_arena_block_that_overflows_aborts)
{
    struct arena a;

    arena_init(&a);
    (void)arena_alloc(&a, SIZE_MAX - 32);
}

SUITE(arena, RUN(everything_is_aligned_and_zeroed),
      RUN(memory_is_zeroed_again_after_a_reset),
      RUN(a_large_request_leaves_the_small_block_in_use),
      RUN(a_reset_does_not_keep_a_large_first_block),
      RUN(many_blocks_keep_their_content),
      RUN(texts_and_arrays_come_from_the_arena),
      DIES(an_arena_array_that_overflows_aborts),
      DIES(an_absurd_arena_size_aborts),
      DIES(an_arena_block_that_overflows_aborts))
