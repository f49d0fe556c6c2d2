/* SPDX-License-Identifier: UNLICENSED */
#ifndef PORTAL_H
#define PORTAL_H

/*
 * A portal of a running ml-sandbox, its HubSpot client, and calls that turn
 * the loop until they are answered.
 *
 * The sandbox is started once by main and shared by all tests; portal_open()
 * empties it, takes away its faults and lets as many requests pass as come.
 */
#include "ml/hubspot.h"
#include "ml/jsonx.h"
#include "ml/loop.h"
#include "ml/stat.h"
#include "unit.h"

enum { PORTAL_INPUTS = 128, PORTAL_TEXT = 64 };

struct sandbox {
    int pid; /* 0: none */
    char *hubspot_url, *control_url, *token;
};
extern struct sandbox sandbox;
bool sandbox_start(void); /* false with a line on stderr */
void sandbox_stop(void);

struct portal {
    struct loop *loop;
    struct http *http;
    struct hubspot *hubspot, *control;
    /* of the last answer */
    struct hubspot_meta meta;
    json_t *body;
    size_t n;
    bool split;
    char outcomes[PORTAL_INPUTS + 2]; /* WAXRU, "+" when split */
    char ids[PORTAL_INPUTS][PORTAL_TEXT];
    char existing[PORTAL_INPUTS][PORTAL_TEXT];
    bool created[PORTAL_INPUTS];
    struct fault faults[PORTAL_INPUTS];
    json_t *properties[PORTAL_INPUTS];
};

void portal_open(struct portal *p, const char *api_version);
void portal_close(struct portal *p);

/* Sends and waits; gives the outcomes. */
const char *portal_send(struct portal *p, const struct hubspot_batch *b);
/* A call of the sandbox's control API; the answer must be a 2xx and is valid
 * until the next call. */
const json_t *portal_control(struct portal *p, const char *method,
                             const char *path, const char *body);
void portal_switch(struct portal *p, const char *name, int value);
/* Asks HubSpot about the client's own token; the answer is in meta and is valid
 * until the next call. NULL: no JSON. */
const json_t *portal_token_info(struct portal *p);
/* Runs the machine to its end; *calls gives the number of calls. */
enum err portal_provision(struct portal *p, const char *api_version,
                          bool keep_waits, size_t *calls, struct fault *f);

#endif
