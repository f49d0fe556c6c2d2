/* SPDX-License-Identifier: UNLICENSED */
/*
 * The clock around one command: runs it, waits for it, and writes one line of
 * JSON into a file: how long it took, the CPU time of it and of what it waited
 * for, and its highest resident memory, all by the kernel's own count.
 *
 *     bench-measure FILE COMMAND [ARGUMENT...]
 *
 * Exits as the command did; 128 and the signal's number when one ended it, 127
 * when it could not be run. SIGTERM and SIGINT kill the command: nobody wants
 * its figures any more.
 */
#include "ml/base.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t child;

static void
on_signal(int sig)
{
    (void)sig;
    if (child > 0) {
        kill(child, SIGKILL);
    }
}

static int64_t
micros(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + (int64_t)t.tv_usec;
}

static bool
report(const char *path, int64_t wall_us, int status)
{
    struct rusage u;
    FILE *f = fopen(path, "w");
    bool ok;

    if (f == NULL || getrusage(RUSAGE_CHILDREN, &u) != 0) {
        return false;
    }
    ok = fprintf(f,
                 "{\"wall_us\":%" PRId64 ",\"user_us\":%" PRId64
                 ",\"system_us\":%" PRId64 ",\"peak_kib\":%ld,\"exit\":%d}\n",
                 wall_us, micros(u.ru_utime), micros(u.ru_stime), u.ru_maxrss,
                 status) > 0;
    return fclose(f) == 0 && ok;
}

static int
wait_for_child(void)
{
    int status;

    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return 127;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
main(int argc, char **argv)
{
    struct sigaction end = {.sa_handler = on_signal};
    int64_t begun_us;
    int status;

    if (argc < 3) {
        fputs("usage: bench-measure FILE COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    begun_us = clock_mono_us();
    child = fork();
    if (child == 0) {
        execv(argv[2], argv + 2);
        fprintf(stderr, "bench-measure: cannot run %s: %s\n", argv[2],
                strerror(errno));
        _exit(127);
    }
    if (child < 0) {
        fprintf(stderr, "bench-measure: cannot fork: %s\n", strerror(errno));
        return 1;
    }
    status = wait_for_child();
    if (!report(argv[1], clock_mono_us() - begun_us, status)) {
        fprintf(stderr, "bench-measure: cannot write %s\n", argv[1]);
        return 1;
    }
    return status;
}
