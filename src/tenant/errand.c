/* SPDX-License-Identifier: UNLICENSED */
/*
 * One thing a command wants done for a tenant, by whoever holds the portal's
 * lease.
 *
 *     started --its kind works--> answer --next turn--> done
 *
 * It has clients of its own, made of the tenant's row, and is a caller of its
 * own in the portal's dispatcher: so it works for a tenant that is paused or
 * halted, or is only a candidate, and all it asks of HubSpot comes out of the
 * portal's one budget.
 */
#include "tenant_priv.h"

static const struct errand_kind *const kinds[] = {
    &errand_ping, &errand_provision, &errand_mapping, &errand_identify,
    &errand_plan};

struct errand *
errand_from(void *arg)
{
    struct errand *e = arg;

    ML_ASSERT(e->magic == ERRAND_MAGIC);
    return e;
}

/* ---- what kinds use ----------------------------------------------------- */

json_t *
errand_error(enum err err, const char *message)
{
    return json_pack("{s:s, s:s}", "error", message, "code", err_name(err));
}

const char *
errand_reason(const struct fault *f)
{
    return f->message[0] != '\0' ? f->message : err_text(f->err);
}

void
errand_line(struct errand *e, json_t *lines, json_t *line)
{
    json_array_append_new(lines, line);
    if (e->events.line != NULL) {
        e->events.line(e->events.arg, line);
    }
}

enum err
errand_call(struct errand *e, const struct hubspot_call *call,
            hubspot_call_fn *done, void *arg)
{
    if (e->caller == 0) {
        return ERR_CLOSED;
    }
    return dispatch_call(e->place.dispatch, e->caller, call, done, arg);
}

/* ---- the end ------------------------------------------------------------ */

static void
errand_free(struct errand *e)
{
    ML_ASSERT(e->magic == ERRAND_MAGIC);
    if (e->kind != NULL && e->kind->drop != NULL) {
        e->kind->drop(e);
    }
    e->magic = 0;
    loop_call_cancel(&e->ending);
    if (e->caller != 0) {
        dispatch_remove(e->place.dispatch, e->caller);
        e->hubspot = NULL;
    }
    hubspot_free(e->hubspot);
    fusion_free(e->fusion);
    json_decref(e->arguments);
    json_decref(e->answer);
    arena_fini(&e->arena);
    mem_free(e);
}

static void
on_ending(void *arg)
{
    struct errand *e = errand_from(arg);
    struct errand_events events = e->events;
    json_t *answer = e->answer;

    e->answer = NULL;
    errand_free(e);
    events.done(events.arg, answer);
    json_decref(answer);
}

void
errand_end(struct errand *e, json_t *answer)
{
    ML_ASSERT(e->answer == NULL);
    e->answer = answer;
    loop_later(e->place.loop, &e->ending, on_ending, e);
}

void
errand_fail(struct errand *e, const struct fault *f)
{
    errand_end(e, errand_error(f->err, errand_reason(f)));
}

/* ---- beginning ---------------------------------------------------------- */

void
tenant_row_copy(struct arena *a, const struct store_tenant *from,
                struct store_tenant *to)
{
    *to = *from;
    to->name = arena_strdup(a, from->name);
    to->state = arena_strdup(a, from->state);
    to->reason = arena_strdup(a, from->reason);
    to->portal = arena_strdup(a, from->portal);
    to->settings = arena_strdup(a, from->settings);
    to->sealed = arena_strdup(a, from->sealed);
    to->learned = arena_strdup(a, from->learned);
}

static enum err
open_clients(struct errand *e, struct fault *f)
{
    const struct errand_place *p = &e->place;
    enum err err =
        tenant_settings_read(&e->arena, e->row.settings, NULL, &e->settings, f);

    if (err == ERR_OK) {
        err = tenant_hubspot(p->loop, p->http, p->vault, p->conf, &e->row,
                             &e->hubspot, f);
    }
    if (err == ERR_OK) {
        err = tenant_fusion(p->loop, p->http, p->vault, p->conf, &e->row,
                            &e->fusion, f);
    }
    if (err == ERR_OK && e->unasked.err == ERR_OK) {
        e->caller = dispatch_add_caller(p->dispatch, e->row.name, e->hubspot,
                                        e->settings.hubspot_api_version);
    }
    return err;
}

enum err
errand_start(const struct errand_place *p, const char *command,
             const json_t *arguments, const struct errand_events *events,
             struct errand **out, struct fault *f)
{
    const struct errand_kind *kind = NULL;
    struct errand *e;
    enum err err;

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        kind = text_equal(kinds[i]->name, command) ? kinds[i] : kind;
    }
    if (kind == NULL) {
        return fault_set(f, ERR_MISSING, "there is no errand %s",
                         command != NULL ? command : "");
    }
    e = MEM_NEW(struct errand);
    e->magic = ERRAND_MAGIC;
    e->place = *p;
    e->events = *events;
    e->arguments = json_incref((json_t *)(uintptr_t)arguments);
    fault_clear(&e->unasked);
    if (p->unasked != NULL) {
        e->unasked = *p->unasked;
    }
    arena_init(&e->arena);
    tenant_row_copy(&e->arena, p->row, &e->row);
    e->place.row = &e->row;
    e->place.unasked = NULL;
    err = open_clients(e, f);
    if (err != ERR_OK) {
        errand_free(e);
        return err;
    }
    e->kind = kind;
    *out = e;
    kind->start(e);
    return ERR_OK;
}

void
errand_cancel(struct errand *e)
{
    if (e != NULL) {
        errand_free(errand_from(e));
    }
}
