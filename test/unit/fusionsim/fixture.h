/* SPDX-License-Identifier: UNLICENSED */
#ifndef FUSIONSIM_FIXTURE_H
#define FUSIONSIM_FIXTURE_H

/*
 * A simulator without a server: requests made up from a URL, headers and a
 * body. Answers are parsed when they are JSON.
 */
#include "fusion.h"
#include "unit.h"

struct rig {
    struct fusion_sim *s;
    const char *version, *accept, *authorization; /* of the next requests */
    const char *content_type, *encoding;
    char *token; /* "Bearer ..." */
    int64_t now_us;
    /* the last answer */
    int status;
    char *text;
    size_t len;
    json_t *body; /* NULL: no JSON */
    json_t *headers;
    int64_t delay_ms;
    char operation[64];
};

#define FSCM "/fscmRestApi/resources/11.13.18.05/"
#define CRM "/crmRestApi/resources/11.13.18.05/"

/* A world of 60 customers, 400 invoices, 300 receipts; logged in. */
void rig_open(struct rig *g);
void rig_open_sized(struct rig *g, size_t customers, size_t invoices,
                    size_t receipts);
void rig_close(struct rig *g);
void rig_login(struct rig *g);
/* Gives the status. The URL's query is sent as written but for blanks. */
int rig_send(struct rig *g, const char *method, const char *url,
             const char *body);
int rig_get(struct rig *g, const char *fmt, ...) PRINTF_LIKE(2, 3);
int rig_control(struct rig *g, const char *method, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void rig_switch(struct rig *g, const char *name, int64_t value);
struct world *rig_world(struct rig *g);

/* items[i] of the last answer, and members of it. */
json_t *item(const struct rig *g, size_t i);
size_t items(const struct rig *g);
int64_t get_int(json_t *o, const char *name);
const char *get_text(json_t *o, const char *name);
bool get_true(json_t *o, const char *name);
/* An amount in thousandths, from a number or a string. */
int64_t get_amount(json_t *o, const char *name);
const char *header_of(const struct rig *g, const char *name); /* or "" */

#endif
