/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_SANDBOX_FUSION_QUERY_H
#define ML_SANDBOX_FUSION_QUERY_H

/* The tree a q or finder becomes: made in fusion_query.c, asked in
 * fusion_match.c. */
#include "fusion.h"

enum what { N_AND, N_OR, N_CMP };
enum cmp {
    C_EQ,
    C_NE,
    C_LT,
    C_LE,
    C_GT,
    C_GE,
    C_LIKE,
    C_NOT_LIKE,
    C_IN,
    C_NOT_IN,
    C_BETWEEN,
    C_NULL,
    C_NOT_NULL,
    C_ANY /* the pod does not look */
};
struct lit {
    const char *text;
    char quote; /* 0, ' or " */
    struct val v;
};
struct node {
    enum what what;
    enum cmp cmp;
    struct node *l, *r;
    const struct attr *attr;
    struct lit *lits;
    size_t n_lits;
};

#endif
