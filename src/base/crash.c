/* SPDX-License-Identifier: UNLICENSED */
/*
 * Crash points: the moments at which a fault test ends or stops the process.
 * Only in a program built with ML_CRASH_POINTS, never in the product. What
 * happens at them comes from the environment:
 *
 *     CRASH_AT=POINT POINT...  at the first of these, SIGKILL; stderr ends with
 *                              its name (a point is WHERE:WHAT)
 *     CRASH_SKIP=N             N of them are let pass first
 *     CRASH_STOP=1             SIGSTOP instead, once
 *     CRASH_LIST=FILE          each point passed is added to this file, once
 */
#include "ml/base.h"

#ifdef ML_CRASH_POINTS
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POINT_MAX = 160 };

static void
add_to_list(const char *path, const char *point)
{
    static struct map seen;
    static bool ready;
    FILE *out;

    if (!ready) {
        map_init(&seen);
        ready = true;
    }
    if (map_get(&seen, point) != NULL) {
        return;
    }
    (void)map_put(&seen, point, &seen);
    out = fopen(path, "a");
    ML_ASSERT(out != NULL && fprintf(out, "%s\n", point) > 0 &&
              fclose(out) == 0);
}

static bool
is_among(const char *points, const char *point)
{
    size_t len = strlen(point);
    const char *at = points;

    while ((at = strstr(at, point)) != NULL) {
        if ((at == points || at[-1] == ' ') &&
            (at[len] == ' ' || at[len] == '\0')) {
            return true;
        }
        at += len;
    }
    return false;
}

void
crash_point(const char *where, const char *what)
{
    static long passed;
    static bool over;
    const char *at = getenv("CRASH_AT");
    const char *skip = getenv("CRASH_SKIP");
    const char *list = getenv("CRASH_LIST");
    char point[POINT_MAX];
    int len = snprintf(point, sizeof(point), "%s:%s", where, what);

    ML_ASSERT(len > 0 && len < POINT_MAX);
    if (list != NULL) {
        add_to_list(list, point);
    }
    if (over || at == NULL || !is_among(at, point) ||
        passed++ < (skip != NULL ? strtol(skip, NULL, 10) : 0)) {
        return;
    }
    over = true;
    (void)fprintf(stderr, "crash point %s\n", point);
    (void)fflush(stderr);
    (void)kill(getpid(), getenv("CRASH_STOP") != NULL ? SIGSTOP : SIGKILL);
}
#endif
