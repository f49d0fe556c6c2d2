/* SPDX-License-Identifier: UNLICENSED */
/*
 * The two clocks. Every interval and deadline is measured on the monotonic one,
 * which never steps; the wall clock is for people. What is stored is stamped by
 * the database.
 */
#include "ml/base.h"

#include <time.h>

static int64_t
read_us(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);

    ML_ASSERT(rc == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t
clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}
