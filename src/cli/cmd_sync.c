/* SPDX-License-Identifier: UNLICENSED */
/*
 * sync: the worker that holds the tenant's portal polls now, or reads from a
 * time on.
 *
 *     history begun in the database -> request left -> answered, or not yet
 *
 * Nothing is lost without a worker: the history is to be read by whoever polls
 * next, and an open request is taken up by the next holder.
 */
#include "cli_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 10000 };

const struct flag sync_flags[] = {
    {"feed", FLAG_TEXT, "FEED",
     "Only this one: customers, invoices or payments."},
    {"since", FLAG_TEXT, "TIME",
     "Also read what changed from then on, beside the fresh polls: a date or "
     "an RFC 3339 time; may lie before the tenant's own --since."},
    {NULL, FLAG_BOOL, NULL, NULL}};

struct sync {
    struct cli *c;
    const char *name, *since;
    enum feed_kind feed; /* FEED_KINDS: all */
    int64_t since_us;    /* 0: only a poll */
    int64_t tenant, request;
};

/* ---- what was asked for ------------------------------------------------- */

static enum err
read_feed(struct sync *s, const char *feed, struct fault *f)
{
    const char *names[FEED_KINDS + 1] = {NULL};
    const char *near;

    s->feed = FEED_KINDS;
    if (feed == NULL || feed_kind_parse(feed, &s->feed)) {
        return ERR_OK;
    }
    for (enum feed_kind k = FEED_CUSTOMERS; k < FEED_KINDS; k++) {
        names[k] = feed_kind_name(k);
    }
    near = text_nearest(feed, names);
    return fault_set(f, ERR_USAGE,
                     "--feed: \"%s\" is none of customers, invoices, "
                     "payments%s%s%s",
                     feed, near != NULL ? "; did you mean " : "",
                     near != NULL ? near : "", near != NULL ? "?" : "");
}

static enum err
read_since(struct sync *s, const char *since, struct fault *f)
{
    s->since = since;
    if (since == NULL) {
        return ERR_OK;
    }
    if (time_parse(since, strlen(since), &s->since_us) != ERR_OK ||
        s->since_us <= 0) {
        return fault_set(f, ERR_USAGE,
                         "--since: \"%s\" is no date (2026-01-01) and no time "
                         "(2026-01-01T00:00:00Z) after 1970",
                         since);
    }
    if (s->since_us > clock_wall_us()) {
        return fault_set(f, ERR_USAGE, "--since: %s is still to come", since);
    }
    return ERR_OK;
}

/* Nobody polls a tenant in another state than active. */
static enum err
is_at_work(const struct sync *s, const json_t *tenant, struct fault *f)
{
    const char *state = jsonx_text(tenant, "state");
    const char *reason = jsonx_text(tenant, "reason");

    if (text_equal(state, "active")) {
        return ERR_OK;
    }
    if (text_equal(state, "removed")) {
        return cli_target_removed(s->name, f);
    }
    return fault_set(f, ERR_CONFLICT,
                     "tenant %s is %s%s%s: nothing is polled; `ml-connector "
                     "tenant resume %s` lets it work again",
                     s->name, state, reason != NULL ? ", " : "",
                     reason != NULL ? reason : "", s->name);
}

static enum err
find_tenant(struct sync *s, struct fault *f)
{
    json_t *tenant;
    enum err err = cli_target(s->c, s->name, &tenant, f);

    if (err == ERR_OK) {
        s->tenant = cli_number(tenant, "id");
        err = is_at_work(s, tenant, f);
    }
    json_decref(tenant);
    return err;
}

/* ---- asking for it ------------------------------------------------------ */

static bool
is_meant(const struct sync *s, enum feed_kind k)
{
    return s->feed == FEED_KINDS || s->feed == k;
}

/* Each stream is to be read from then on, up to where its cursor stands. */
static enum err
begin_history(struct sync *s, struct fault *f)
{
    struct app *a = &s->c->app;

    for (enum feed_kind k = FEED_CUSTOMERS; k < FEED_KINDS; k++) {
        const char *const *stream = feed_streams(k);

        for (; is_meant(s, k) && *stream != NULL; stream++) {
            char *name = mem_printf("backfill:%s", *stream);
            struct store_pass pass = {
                .pass = name, .begin = true, .from_us = s->since_us};
            struct store_op *op;
            enum err err = app_wait(a, store_pass_save(a->store, s->tenant,
                                                       feed_kind_name(k), &pass,
                                                       app_on_done, a, &op));

            mem_free(name);
            if (err != ERR_OK) {
                *f = a->fault;
                return err;
            }
        }
    }
    return ERR_OK;
}

static enum err
ask(struct sync *s, json_t **request, struct fault *f)
{
    json_t *arguments = s->feed == FEED_KINDS ?
                            json_object() :
                            json_pack("{s:s}", "feed", feed_kind_name(s->feed));
    enum err err =
        cli_request_leave(s->c, s->tenant, "sync", arguments, &s->request, f);

    json_decref(arguments);
    return err != ERR_OK ?
               err :
               cli_request_wait(s->c, s->request, PATIENCE_MS, request, f);
}

/* ---- telling ------------------------------------------------------------ */

/* "customers, invoices" */
static char *
joined(const json_t *names)
{
    struct buf b;
    const json_t *name;
    char *text;
    size_t i;

    buf_init(&b, 4096);
    json_array_foreach((json_t *)(uintptr_t)names, i, name)
    {
        buf_addf(&b, "%s%s", i > 0 ? ", " : "", json_string_value(name));
    }
    text = mem_strdup(buf_text(&b));
    buf_fini(&b);
    return text;
}

static void
tell_answer(const struct sync *s, const json_t *request)
{
    const json_t *answer = json_object_get(request, "answer");
    const json_t *was = json_object_get(answer, "was");
    const json_t *failed = json_object_get(answer, "failed");
    const json_t *now = json_object_get(answer, "polling");
    char *feeds = joined(now != NULL ? now : json_object_get(answer, "polled"));
    const json_t *value;
    const char *feed;

    if (feeds[0] != '\0') {
        (void)printf("Worker %s %s %s of %s%s.\n",
                     jsonx_text(request, "worker"),
                     now != NULL ? "polls" : "has polled", feeds, s->name,
                     now != NULL ? " now" : "");
    }
    json_object_foreach((json_t *)(uintptr_t)was, feed, value)
    {
        const char *state = json_string_value(value);

        if (!text_equal(state, "idle") && !text_equal(state, "polling")) {
            (void)printf("%s was in %s; see `ml-connector status %s`.\n", feed,
                         state, s->name);
        }
    }
    json_object_foreach((json_t *)(uintptr_t)failed, feed, value)
    {
        (void)printf("%s failed: %s\n", feed, json_string_value(value));
    }
    mem_free(feeds);
}

static void
tell(const struct sync *s, const json_t *request)
{
    const char *holder = jsonx_text(request, "holder");

    if (s->since_us > 0) {
        (void)printf("What changed since %s will be read beside the fresh "
                     "polls; `ml-connector status %s` shows how far.\n",
                     s->since, s->name);
    }
    if (cli_request_is_answered(request)) {
        tell_answer(s, request);
    } else if (holder == NULL) {
        (void)printf("No worker holds the portal of %s now: the next `run` or "
                     "`run --once` does it.\n",
                     s->name);
    } else {
        (void)printf("%s holds the portal of %s and has not answered within "
                     "%d s: it, or the next worker that holds it, does it.\n",
                     holder, s->name, PATIENCE_MS / 1000);
    }
}

/* Takes the request. */
static void
tell_json(const struct sync *s, json_t *request)
{
    json_t *o = json_object();
    char time[TIME_TEXT_MAX];

    json_object_set_new(o, "tenant", json_string(s->name));
    json_object_set_new(o, "feed",
                        s->feed == FEED_KINDS ?
                            json_null() :
                            json_string(feed_kind_name(s->feed)));
    json_object_set_new(o, "since",
                        s->since_us == 0 ?
                            json_null() :
                            json_string(time_format(s->since_us, time)));
    json_object_set_new(o, "request", json_integer(s->request));
    for (size_t i = 0; i < 4; i++) {
        static const char *const keys[] = {"answered", "worker", "holder",
                                           "answer"};
        json_t *value = json_object_get(request, keys[i]);

        json_object_set(o, keys[i], value != NULL ? value : json_null());
    }
    cli_print_json(o);
    json_decref(o);
    json_decref(request);
}

/* ---- the command -------------------------------------------------------- */

int
cmd_sync(struct cli *c)
{
    struct sync s = {.c = c, .name = c->argv[0]};
    json_t *request = NULL;
    const char *refused;
    struct fault f;
    enum err err;

    fault_clear(&f);
    err = read_feed(&s, flag_text(c, "feed"), &f);
    if (err == ERR_OK) {
        err = read_since(&s, flag_text(c, "since"), &f);
    }
    if (err == ERR_OK) {
        err = find_tenant(&s, &f);
    }
    if (err == ERR_OK && s.since_us > 0) {
        err = begin_history(&s, &f);
    }
    if (err == ERR_OK) {
        err = ask(&s, &request, &f);
    }
    refused = jsonx_text(json_object_get(request, "answer"), "error");
    if (err == ERR_OK && refused != NULL) {
        err = fault_set(&f, ERR_CONFLICT, "worker %s: %s",
                        jsonx_text(request, "worker"), refused);
    }
    if (err != ERR_OK) {
        json_decref(request);
        return cli_fail(&f);
    }
    if (c->json) {
        tell_json(&s, request);
    } else {
        tell(&s, request);
        json_decref(request);
    }
    return APP_DONE;
}
