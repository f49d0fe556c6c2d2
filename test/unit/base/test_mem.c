/* SPDX-License-Identifier: UNLICENSED */
/* Memory: never NULL, zeroed, overflow is fatal. */
#include "unit.h"

#include "ml/base.h"

TEST(allocated_memory_is_zeroed)
{
    unsigned char *p = mem_alloc(4096);
    unsigned char zero[4096] = {0};

    EQ_MEM(p, zero, sizeof(zero));
    mem_free(p);
}

TEST(size_zero_gives_a_pointer_to_free)
{
    void *p = mem_alloc(0);
    void *q = mem_array(0, 8);
    void *r = mem_array(8, 0);

    IS(p != NULL && q != NULL && r != NULL);
    r = mem_resize(r, 0);
    IS(r != NULL);
    mem_free(p);
    mem_free(q);
    mem_free(r);
    mem_free(NULL);
}

TEST(resizing_keeps_the_content)
{
    char *p = mem_strdup("kept");

    p = mem_resize(p, 100000);
    EQ_STR(p, "kept");
    mem_free(p);
}

TEST(texts_are_copied_up_to_the_limit)
{
    char *a = mem_strndup("abcdef", 3);
    char *b = mem_strndup("ab", 30);
    char *c = mem_strndup("", 0);

    EQ_STR(a, "abc");
    EQ_STR(b, "ab");
    EQ_STR(c, "");
    IS(mem_strdup(NULL) == NULL);
    IS(mem_strndup(NULL, 3) == NULL);
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

TEST(printf_allocates_what_it_needs)
{
    char *s = mem_printf("%s-%0500d", "x", 7);

    EQ_UINT(strlen(s), 502);
    EQ_INT(s[501], '7');
    mem_free(s);
}

DEATH(an_array_that_overflows_aborts)
{
    (void)mem_array(SIZE_MAX / 2, 3);
}

TEST(a_copy_of_bytes_has_all_of_them_and_a_nul)
{
    char *a = mem_dup("a\0b", 3);
    char *b = mem_dup(NULL, 0);

    EQ_MEM(a, "a\0b", 4);
    EQ_STR(b, "");
    mem_free(a);
    mem_free(b);
}

SUITE(mem, RUN(allocated_memory_is_zeroed),
      RUN(size_zero_gives_a_pointer_to_free), RUN(resizing_keeps_the_content),
      RUN(texts_are_copied_up_to_the_limit),
      RUN(printf_allocates_what_it_needs), DIES(an_array_that_overflows_aborts),
      RUN(a_copy_of_bytes_has_all_of_them_and_a_nul))
