/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_PG_TEMP_H
#define ML_PG_TEMP_H

/*
 * A private temporary PostgreSQL for test programs, by the script `postgres`
 * beside this file (compile definition SUPPORT names the folder). Start it in
 * main() before the tests fork, stop it after: the forked tests share it.
 * Whatever goes wrong aborts.
 */
struct pg_temp {
    char dir[64];
    char conninfo[160];
};

void pg_temp_start(struct pg_temp *t);
void pg_temp_restart(struct pg_temp *t); /* hard, as after a crash */
void pg_temp_halt(struct pg_temp *t);    /* stops the server, keeps the data */
void pg_temp_resume(struct pg_temp *t);  /* starts it again */
void pg_temp_stop(struct pg_temp *t);    /* and removes all of it */

#endif
