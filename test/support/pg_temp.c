/* SPDX-License-Identifier: UNLICENSED */
/*
 * Runs the script `postgres` of this folder and waits for it. The cluster's
 * folder has a name of its own below /tmp, short enough for a Unix socket.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pg_temp.h"

extern char **environ;

static void
run(const struct pg_temp *t, const char *verb)
{
    char script[] = SUPPORT "/postgres";
    char word[16];
    char dir[sizeof(t->dir)];
    char *argv[] = {script, word, dir, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = 0;

    (void)snprintf(word, sizeof(word), "%s", verb);
    memcpy(dir, t->dir, sizeof(dir));
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0) != 0 ||
        posix_spawn(&pid, script, &actions, NULL, argv, environ) != 0) {
        abort();
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        (void)fprintf(stderr, "%s %s %s failed\n", script, verb, t->dir);
        abort();
    }
}

void
pg_temp_start(struct pg_temp *t)
{
    (void)snprintf(t->dir, sizeof(t->dir), "/tmp/ml-pg-XXXXXX");
    if (mkdtemp(t->dir) == NULL) {
        abort();
    }
    (void)snprintf(t->conninfo, sizeof(t->conninfo),
                   "host=%s user=postgres dbname=postgres", t->dir);
    run(t, "start");
}

void
pg_temp_restart(struct pg_temp *t)
{
    run(t, "restart");
}

void
pg_temp_halt(struct pg_temp *t)
{
    run(t, "halt");
}

void
pg_temp_resume(struct pg_temp *t)
{
    run(t, "start");
}

void
pg_temp_stop(struct pg_temp *t)
{
    run(t, "stop");
}
