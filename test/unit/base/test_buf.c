/* SPDX-License-Identifier: UNLICENSED */
/* Buffers: growth, the ceiling, what is left after failure. */
#include "unit.h"

#include "ml/base.h"

TEST(adding_past_the_ceiling_fails_and_stays_failed)
{
    struct buf b;

    buf_init(&b, 5);
    buf_adds(&b, "abc");
    NOT(b.failed);
    buf_adds(&b, "def");
    IS(b.failed);
    EQ_STR(buf_text(&b), "abc");
    buf_addc(&b, 'd');
    buf_addf(&b, "%d", 1);
    EQ_UINT(b.len, 3);
    buf_reset(&b);
    NOT(b.failed);
    EQ_STR(buf_text(&b), "");
    buf_adds(&b, "12345");
    NOT(b.failed);
    EQ_STR(buf_text(&b), "12345");
    EQ_UINT(b.cap, 6);
    buf_fini(&b);
}

TEST(formatting_past_the_ceiling_adds_nothing)
{
    struct buf b;

    buf_init(&b, 4);
    buf_addf(&b, "%s", "12345");
    IS(b.failed);
    EQ_STR(buf_text(&b), "");
    buf_fini(&b);
    buf_fini(&b);
}

TEST(a_ceiling_of_zero_takes_nothing_but_nothing)
{
    struct buf b;

    buf_init(&b, 0);
    buf_add(&b, "", 0);
    buf_addf(&b, "%s", "");
    NOT(b.failed);
    IS(b.data == NULL);
    buf_addc(&b, 'x');
    IS(b.failed);
    buf_reset(&b);
    NOT(b.failed);
    buf_fini(&b);
}

TEST(content_survives_growth_and_ends_with_a_nul)
{
    struct buf b;

    buf_init(&b, 1000000);
    for (int i = 0; i < 1000; i++) {
        buf_addf(&b, "%04d,", i);
        EQ_INT(b.data[b.len], 0);
    }
    EQ_UINT(b.len, 5000);
    IS(strncmp(buf_text(&b) + 4995, "0999,", 5) == 0);
    buf_fini(&b);
    EQ_STR(buf_text(&b), "");
}

TEST(taking_gives_the_data_and_empties)
{
    struct buf b;
    size_t n = 9;
    char *s;

    buf_init(&b, 100);
    s = buf_take(&b, &n);
    EQ_STR(s, "");
    EQ_UINT(n, 0);
    mem_free(s);
    buf_add(&b, "a\0b", 3);
    s = buf_take(&b, &n);
    EQ_UINT(n, 3);
    EQ_MEM(s, "a\0b", 4);
    EQ_UINT(b.len, 0);
    mem_free(s);
    buf_adds(&b, "again");
    s = buf_take(&b, NULL);
    EQ_STR(s, "again");
    mem_free(s);
}

SUITE(buf, RUN(adding_past_the_ceiling_fails_and_stays_failed),
      RUN(formatting_past_the_ceiling_adds_nothing),
      RUN(a_ceiling_of_zero_takes_nothing_but_nothing),
      RUN(content_survives_growth_and_ends_with_a_nul),
      RUN(taking_gives_the_data_and_empties))
