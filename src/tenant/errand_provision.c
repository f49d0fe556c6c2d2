/* SPDX-License-Identifier: UNLICENSED */
/*
 * provision: what a tenant's portal lacks is created, or with dry_run only told.
 * identify: which portal it is, before anything else may be asked of it.
 */
#include "tenant_priv.h"

#include <inttypes.h>

static const struct hubspot_call details = {.operation = "account.details",
                                            .method = "GET",
                                            .path = "/account-info/v3/details"};

/* ---- provision ---------------------------------------------------------- */

static void
on_provisioned(void *arg, enum err err,
               const struct hubspot_provision_report *r, const struct fault *f)
{
    struct errand *e = errand_from(arg);
    json_t *answer =
        err == ERR_OK ? json_object() : errand_error(err, errand_reason(f));

    if (r != NULL && json_array_size(r->lines) > 0) {
        json_object_set(answer, "lines", (json_t *)(uintptr_t)r->lines);
        json_object_set_new(answer, "text", json_string(r->text));
    }
    errand_end(e, answer);
}

static void
provision(struct errand *e)
{
    bool dry = json_is_true(json_object_get(e->arguments, "dry_run"));

    if (e->unasked.err != ERR_OK) {
        errand_fail(e, &e->unasked);
    } else if (dispatch_provision(e->place.dispatch, e->caller, dry,
                                  on_provisioned, e) != ERR_OK) {
        errand_end(e, errand_error(ERR_CLOSED, err_text(ERR_CLOSED)));
    }
}

const struct errand_kind errand_provision = {.name = "provision",
                                             .start = provision};

/* ---- identify ----------------------------------------------------------- */

static void
on_details(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct errand *e = errand_from(arg);
    const json_t *id = json_object_get(body, "portalId");
    struct fault f = m->fault;
    char *text = NULL;

    if (json_is_integer(id)) {
        text = mem_printf("%" JSON_INTEGER_FORMAT, json_integer_value(id));
    } else if (json_is_string(id)) {
        text = mem_strdup(json_string_value(id));
    }
    if (f.err == ERR_OK && text == NULL) {
        (void)fault_set(&f, ERR_PROMISE,
                        "HubSpot's account details name no portalId");
    }
    if (f.err != ERR_OK) {
        errand_fail(e, &f);
    } else {
        errand_end(e, json_pack("{s:s}", "portal", text));
    }
    mem_free(text);
}

static void
identify(struct errand *e)
{
    if (errand_call(e, &details, on_details, e) != ERR_OK) {
        errand_end(e, errand_error(ERR_CLOSED, err_text(ERR_CLOSED)));
    }
}

const struct errand_kind errand_identify = {.name = "identify",
                                            .start = identify};
