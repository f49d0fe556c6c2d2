/* SPDX-License-Identifier: UNLICENSED */
/*
 * The control API: plain HTTP and JSON, for tests and for people with curl.
 * This file only finds the part that answers; docs/sandbox.md lists all.
 *
 *     /control/ready     the ready line again
 *     /control/faults    faults.c
 *     /control/log       reqlog.c
 *     /control/fusion    the Fusion simulator
 *     /control/hubspot   the HubSpot simulator
 */
#include "sandbox.h"

#include <string.h>

void
sim_control_error(struct sim_reply *p, int status, const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = mem_vprintf(fmt, ap);
    va_end(ap);
    p->refused = true;
    sim_reply_json(p, status, json_pack("{s:s}", "error", text));
    mem_free(text);
}

json_t *
sim_control_body(const struct sim_request *r, struct sim_reply *p)
{
    json_error_t why;
    json_t *v;

    if (r->body_len == 0) {
        return json_object();
    }
    v = json_loadb(r->body, r->body_len, 0, &why);
    if (v == NULL) {
        sim_control_error(p, 400, "the body is not JSON: line %d: %s", why.line,
                          why.text);
    } else if (!json_is_object(v)) {
        sim_control_error(p, 400, "the body must be a JSON object");
        json_decref(v);
        v = NULL;
    }
    return v;
}

/* The path after `prefix` when it ends there or goes on with a slash. */
static const char *
below(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);

    if (strncmp(path, prefix, n) != 0 || (path[n] != '\0' && path[n] != '/')) {
        return NULL;
    }
    return path + n;
}

void
sim_control_handle(void *sim, const struct sim_request *r, struct sim_reply *p)
{
    struct sim_control *c = sim;
    const char *rest;

    hubspot_sim_advance(c->hubspot);
    if (below(r->path, "/control/ready") != NULL) {
        sim_reply_json(p, 200, json_incref(c->ready));
    } else if ((rest = below(r->path, "/control/faults")) != NULL) {
        sim_faults_control(c->faults, rest, r, p);
    } else if ((rest = below(r->path, "/control/log")) != NULL) {
        sim_log_control(c->log, rest, r, p);
    } else if ((rest = below(r->path, "/control/fusion")) != NULL) {
        fusion_sim_control(c->fusion, rest, r, p);
    } else if ((rest = below(r->path, "/control/hubspot")) != NULL) {
        hubspot_sim_control(c->hubspot, rest, r, p);
    } else {
        sim_control_error(p, 404,
                          "no %s; there is /control/ready, faults, log, "
                          "fusion, hubspot",
                          r->path);
    }
}
