/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_TEST_PORTAL_H
#define ML_TEST_PORTAL_H

/*
 * A made-up portal for tests of the provisioning machine: it answers calls in
 * memory; properties and groups are created in it, label lists come from the
 * table, and each test bends one thing.
 */
#include "fix.h"

enum { CALLS_MAX = 64 };

struct portal {
    json_t *properties[MAP_OBJECTS]; /* arrays */
    bool group[MAP_OBJECTS];
    unsigned hidden;      /* lists that do not yet show what was created */
    unsigned broken_type; /* a label type left out */
    int status;           /* of the next answer, once; 0: as it comes */
    const char *body;     /* with it */
    bool conflict_whole;  /* batch create: 409 for the whole batch, once */
    bool created;
    char calls[CALLS_MAX][96]; /* operations */
    int64_t waits[CALLS_MAX];
    size_t n;
    json_t *shown[MAP_OBJECTS];
};

void portal_init(struct portal *t);
void portal_fini(struct portal *t);
void portal_fill(struct portal *t);
json_t *portal_property(struct portal *t, enum map_object o, const char *name);
void portal_drop(struct portal *t, enum map_object o, const char *name);
json_t *portal_answer(struct portal *t, const struct hubspot_call *c,
                      int *status);
bool portal_turn(struct hubspot_provision *p, struct portal *t, enum err *err,
                 struct fault *f);
enum err portal_run(struct hubspot_provision *p, struct portal *t,
                    struct fault *f);
size_t portal_calls(const struct portal *t, const char *operation);
const json_t *report_line(const struct hubspot_provision_report *r,
                          const char *object, const char *subject);
const char *line_names(const json_t *line, const char *member, char out[1024]);

#endif
