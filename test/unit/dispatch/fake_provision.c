/* SPDX-License-Identifier: UNLICENSED */
/* Provisioning: so many calls, then an end. See fake.h. */
#include "fake.h"

struct hubspot_provision {
    unsigned answered;
    struct hubspot_provision_report report;
};

struct hubspot_provision *
hubspot_provision_new(const char *api_version, bool dry_run)
{
    (void)dry_run;
    EQ_STR(api_version, "v3");
    fake->provisions++;
    return MEM_NEW(struct hubspot_provision);
}

void
hubspot_provision_free(struct hubspot_provision *p)
{
    mem_free(p);
}

bool
hubspot_provision_next(struct hubspot_provision *p, struct hubspot_call *call,
                       int64_t *wait_ms)
{
    *wait_ms = 0;
    *call = (struct hubspot_call){
        .operation = "properties.read", .method = "GET", .path = "/crm"};
    return p->answered < fake->provision_calls;
}

enum err
hubspot_provision_feed(struct hubspot_provision *p,
                       const struct hubspot_meta *m, const json_t *body,
                       struct fault *f)
{
    (void)body;
    if (m->fault.err != ERR_OK) {
        return fault_set(f, m->fault.err, "%s", m->fault.message);
    }
    p->answered++;
    p->report.existed++;
    if (fake->provision_err != ERR_OK) {
        return fault_set(f, fake->provision_err, "the scope x is missing");
    }
    return ERR_OK;
}

const struct hubspot_provision_report *
hubspot_provision_report(const struct hubspot_provision *p)
{
    return &p->report;
}
