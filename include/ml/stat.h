/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_STAT_H
#define ML_STAT_H

/*
 * stat: counters, gauges and histograms of the process, rendered as Prometheus
 * text. The list is stat.def. Loop thread only.
 */
#include "ml/base.h"

enum stat_id {
#define STAT(id, type, name, label1, label2, help) STAT_##id,
#include "ml/stat.def"
#undef STAT
    STAT_COUNT
};

/* Label values are copied; pass NULL for a label the row does not have. */
void stat_add(enum stat_id s, const char *v1, const char *v2, uint64_t n);
void stat_set(enum stat_id s, const char *v1, const char *v2, double value);
void stat_observe(enum stat_id s, const char *v1, double seconds);
uint64_t stat_value(enum stat_id s, const char *v1,
                    const char *v2); /* counters;
                                                         0 when never added */
void stat_render(struct buf *out); /* incl. ml_process_* read from /proc/self */
void stat_reset(void);             /* frees all; for tests and the end */

#endif
