/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_TEST_POOLER_H
#define ML_TEST_POOLER_H

/*
 * A stand-in between client and server, on 127.0.0.1: relays to the server's
 * Unix socket, or answers by itself.
 */
enum pooler_mode {
    POOLER_RELAY,   /* like a pooler: refuses options in the start-up packet */
    POOLER_REFUSES, /* wrong password */
    POOLER_FULL,    /* too many connections */
    POOLER_SILENT   /* accepts and never answers */
};

struct pooler;
struct pooler *pooler_start(enum pooler_mode mode, const char *socket_dir);
unsigned pooler_port(const struct pooler *p);
unsigned pooler_refused(const struct pooler *p); /* start-ups with options */
void pooler_stop(struct pooler *p);

#endif
