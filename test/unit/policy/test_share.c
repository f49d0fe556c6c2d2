/* SPDX-License-Identifier: UNLICENSED */
/* Fair shares: proportions, unused shares, idling, weight 0. */
#include "unit.h"

#include "ml/policy.h"

static const unsigned weights[] = {50, 20, 10, 15, 5};

static void
serve(struct share *s, unsigned has_work, int rounds, int served[SHARE_MAX])
{
    memset(served, 0, sizeof(int) * SHARE_MAX);
    for (int i = 0; i < rounds; i++) {
        int class = share_pick(s, has_work);

        IS(class >= 0);
        IS((has_work & BIT(class)) != 0);
        served[class]++;
        share_charge(s, (unsigned)class, 1);
    }
}

static void
is_near(int got, int want)
{
    ck_assert_msg(got >= want - 2 && got <= want + 2, "%d not about %d", got,
                  want);
}

TEST(classes_with_work_are_served_by_weight)
{
    struct share s;
    int served[SHARE_MAX];

    share_init(&s, weights, 5);
    serve(&s, 31, 1000, served);
    is_near(served[0], 500);
    is_near(served[1], 200);
    is_near(served[2], 100);
    is_near(served[3], 150);
    is_near(served[4], 50);
}

TEST(an_unused_share_flows_to_the_others)
{
    struct share s;
    int served[SHARE_MAX];

    share_init(&s, weights, 5);
    serve(&s, BIT(1) | BIT(4), 1000, served);
    is_near(served[1], 800);
    is_near(served[4], 200);
    serve(&s, BIT(4), 100, served);
    EQ_INT(served[4], 100);
}

TEST(idling_saves_up_nothing)
{
    struct share s;
    int served[SHARE_MAX];

    share_init(&s, weights, 5);
    serve(&s, BIT(4), 1000, served);
    serve(&s, BIT(0) | BIT(4), 110, served);
    is_near(served[0], 100);
    is_near(served[4], 10);
    serve(&s, BIT(0), 1000, served);
    serve(&s, BIT(0) | BIT(4), 110, served);
    is_near(served[4], 10);
}

TEST(a_class_coming_from_idle_is_not_starved)
{
    struct share s;
    int served[SHARE_MAX];

    share_init(&s, weights, 5);
    serve(&s, BIT(0) | BIT(1), 100000, served);
    serve(&s, 31, 30, served);
    IS(served[2] >= 2);
    IS(served[3] >= 3);
    IS(served[4] >= 1);
}

TEST(cost_counts)
{
    struct share s;
    const unsigned equal[] = {1, 1};
    int served[2] = {0};

    share_init(&s, equal, 2);
    for (int i = 0; i < 400; i++) {
        int class = share_pick(&s, 3);

        served[class]++;
        share_charge(&s, (unsigned)class, class == 0 ? 3 : 1);
    }
    is_near(served[0], 100);
    is_near(served[1], 300);
}

TEST(weight_zero_goes_only_when_no_other_has_work)
{
    struct share s;
    const unsigned some[] = {1, 0, 0};
    int served[SHARE_MAX];

    share_init(&s, some, 3);
    serve(&s, 7, 100, served);
    EQ_INT(served[0], 100);
    serve(&s, 6, 100, served);
    EQ_INT(served[1], 50);
    EQ_INT(served[2], 50);
    EQ_INT(share_pick(&s, 0), -1);
    EQ_INT(share_pick(&s, 8), -1);
}

TEST(a_part_is_by_weight_and_rounded_up)
{
    struct share s;
    const unsigned some[] = {0, 1, 2};

    share_init(&s, weights, 5);
    EQ_UINT(share_part(&s, 0, 500), 250);
    EQ_UINT(share_part(&s, 4, 500), 25);
    EQ_UINT(share_part(&s, 4, 10), 1);
    EQ_UINT(share_part(&s, 4, 0), 0);
    share_init(&s, some, 3);
    EQ_UINT(share_part(&s, 0, 500), 0);
    EQ_UINT(share_part(&s, 2, 500), 334);
    share_init(&s, some, 1);
    EQ_UINT(share_part(&s, 0, 500), 0);
}

TEST(classes_have_names)
{
    enum work_class c;

    for (int i = 0; i < WORK_CLASSES; i++) {
        IS(work_class_parse(work_class_name((enum work_class)i), &c));
        EQ_INT(c, i);
    }
    NOT(work_class_parse("Fresh", &c));
    EQ_INT(c, WORK_FRESH);
    NOT(work_class_parse(NULL, &c));
}

DEATH(charging_an_unknown_class_aborts)
{
    struct share s;

    share_init(&s, weights, 5);
    share_charge(&s, 5, 1);
}

SUITE(share, RUN(classes_with_work_are_served_by_weight),
      RUN(an_unused_share_flows_to_the_others), RUN(idling_saves_up_nothing),
      RUN(a_class_coming_from_idle_is_not_starved), RUN(cost_counts),
      RUN(a_part_is_by_weight_and_rounded_up), RUN(classes_have_names),
      RUN(weight_zero_goes_only_when_no_other_has_work),
      DIES(charging_an_unknown_class_aborts))
