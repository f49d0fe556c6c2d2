/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a command wants done under a portal's lease: here when the lease is free,
 * else by the worker that holds it.
 *
 *     lease free ----------------------------> done here -> answer
 *       ^  | held                                             ^
 *       |  +-> request left -> waited for --answered----------+
 *       |                        |   |
 *       +------- holder gone ----+   +-- patience over: withdrawn, told
 *
 * What a command prints does not depend on who did it.
 */
#include "cli_priv.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 200, TELL_MS = 1500, ARGUMENTS_MAX = 16 << 20 };

/* ---- answers ------------------------------------------------------------ */

enum err
cli_answer_error(const json_t *answer, struct fault *f)
{
    const char *text = jsonx_text(answer, "error");
    const char *code = jsonx_text(answer, "code");
    enum err err = ERR_CONFLICT;

    if (text == NULL) {
        return ERR_OK;
    }
    for (int i = 1; i < ERR_COUNT; i++) {
        err = text_equal(err_name((enum err)i), code) ? (enum err)i : err;
    }
    return fault_set(f, err, "%s", text);
}

enum err
cli_document(struct cli *c, json_t **out, struct fault *f)
{
    const char *json = c->app.json;

    *out = json != NULL ? json_loads(json, 0, NULL) : NULL;
    return json == NULL || *out != NULL ?
               ERR_OK :
               fault_set(f, ERR_SYNTAX, "the database gave no JSON");
}

/* The store does not keep the order of an object's members: that of answers is
 * by name, wherever they come from. Takes v, gives a new reference. */
static json_t *
in_order(json_t *v)
{
    size_t flags = JSON_SORT_KEYS | JSON_COMPACT;
    size_t n = json_dumpb(v, NULL, 0, flags);
    char *text = mem_alloc(n);
    json_t *out;

    (void)json_dumpb(v, text, n, flags);
    out = json_loadb(text, n, 0, NULL);
    mem_free(text);
    if (out == NULL) {
        return v;
    }
    json_decref(v);
    return out;
}

int64_t
cli_number(const json_t *o, const char *key)
{
    struct fault ignored;
    int64_t n = 0;
    bool has;

    return jsonx_get_int(o, key, &has, &n, &ignored) == ERR_OK && has ? n : 0;
}

bool
cli_request_is_answered(const json_t *request)
{
    return json_is_true(json_object_get(request, "answered"));
}

const char *
cli_actor(void)
{
    static char text[160];
    const struct passwd *who = getpwuid(getuid());
    char host[64] = "localhost";

    (void)gethostname(host, sizeof(host) - 1);
    if (who != NULL && who->pw_name != NULL) {
        (void)snprintf(text, sizeof(text), "%.80s@%s", who->pw_name, host);
    } else {
        (void)snprintf(text, sizeof(text), "%ld@%s", (long)getuid(), host);
    }
    return text;
}

/* ---- requests ----------------------------------------------------------- */

enum err
cli_request_leave(struct cli *c, int64_t tenant, const char *command,
                  const json_t *arguments, int64_t *id, struct fault *f)
{
    struct app *a = &c->app;
    struct jsonx_writer w;
    struct store_op *op;
    struct buf b;
    json_t *o;
    enum err err;

    buf_init(&b, ARGUMENTS_MAX);
    jsonx_begin(&w, &b);
    if (arguments != NULL) {
        jsonx_put_json(&w, arguments);
    }
    err = app_wait(a, store_request_add(a->store, tenant, command,
                                        b.len > 0 ? buf_text(&b) : NULL,
                                        cli_actor(), app_on_json, a, &op));
    buf_fini(&b);
    if (err != ERR_OK) {
        *f = a->fault;
        return err;
    }
    err = cli_document(c, &o, f);
    *id = cli_number(o, "id");
    json_decref(o);
    return err;
}

static void
on_timer(void *arg)
{
    struct cli *c = arg;

    loop_stop(c->app.loop);
}

static void
look_again_later(struct cli *c)
{
    struct loop_timer timer = {.loop = NULL};

    loop_timer_start(c->app.loop, &timer, LOOK_MS, on_timer, c);
    loop_run(c->app.loop);
    loop_timer_stop(&timer);
}

/* A person who waits is told for whom. */
static void
tell_waiting(const struct cli *c, const json_t *request)
{
    const char *worker = jsonx_text(request, "worker");
    const char *holder = jsonx_text(request, "holder");

    if (!c->json && isatty(STDERR_FILENO) != 0) {
        (void)fprintf(stderr, "%s %s...\n", worker != NULL ? worker : holder,
                      worker != NULL ? "is at it" : "is asked for it");
    }
}

enum err
cli_request_wait(struct cli *c, int64_t id, int64_t patience_ms,
                 json_t **request, struct fault *f)
{
    struct app *a = &c->app;
    int64_t now_us = clock_mono_us(), end_us = now_us + patience_ms * 1000;
    int64_t tell_us = now_us + TELL_MS * 1000;
    struct store_op *op;
    enum err err;

    *request = NULL;
    for (;;) {
        json_decref(*request);
        *request = NULL;
        if (app_wait(a, store_request_get(a->store, id, app_on_json, a, &op)) !=
            ERR_OK) {
            *f = a->fault;
            return f->err;
        }
        err = cli_document(c, request, f);
        if (err != ERR_OK || *request == NULL ||
            cli_request_is_answered(*request) ||
            jsonx_text(*request, "holder") == NULL ||
            clock_mono_us() >= end_us) {
            return err;
        }
        if (clock_mono_us() >= tell_us) {
            tell_waiting(c, *request);
            tell_us = INT64_MAX;
        }
        look_again_later(c);
    }
}

enum err
cli_request_withdraw(struct cli *c, int64_t id, json_t **request,
                     struct fault *f)
{
    struct app *a = &c->app;
    struct store_op *op;

    *request = NULL;
    if (app_wait(a, store_request_withdraw(a->store, id, app_on_json, a,
                                           &op)) != ERR_OK) {
        *f = a->fault;
        return f->err;
    }
    return cli_document(c, request, f);
}

/* ---- an errand, here or there ------------------------------------------- */

/* The tenant in whose name the holder is asked: itself, or for one that is not
 * stored, or not so, any of the portal. 0: the portal has none. */
static enum err
asked_as(struct session *s, int64_t *tenant, struct fault *f)
{
    struct app *a = &s->cli->app;
    struct store_op *op;
    json_t *o;
    enum err err;

    *tenant = s->row.id;
    if (!s->unstored || s->row.portal == NULL) {
        return ERR_OK;
    }
    if (app_wait(a, store_request_via(a->store, s->row.portal, app_on_json, a,
                                      &op)) != ERR_OK) {
        *f = a->fault;
        return f->err;
    }
    err = cli_document(s->cli, &o, f);
    *tenant = cli_number(o, "id");
    json_decref(o);
    return err;
}

static json_t *
with_candidate(const struct session *s, const json_t *arguments)
{
    json_t *out = arguments != NULL ?
                      json_copy((json_t *)(uintptr_t)arguments) :
                      json_object();
    json_t *settings = NULL, *sealed = NULL;
    struct fault ignored;

    if (s->unstored &&
        jsonx_parse(s->row.settings, strlen(s->row.settings), &settings,
                    &ignored) == ERR_OK &&
        jsonx_parse(s->row.sealed, strlen(s->row.sealed), &sealed, &ignored) ==
            ERR_OK) {
        json_object_set_new(out, "candidate",
                            json_pack("{s:s, s:O, s:O}", "name", s->row.name,
                                      "settings", settings, "sealed", sealed));
    }
    json_decref(settings);
    json_decref(sealed);
    return out;
}

/* The answer, or NULL when nobody holds the portal any more. */
static enum err
by_worker(struct session *s, const struct cli_errand *e, int64_t end_us,
          json_t **answer, struct fault *f)
{
    int64_t id = 0, tenant = 0, left_us = end_us - clock_mono_us();
    json_t *arguments, *request = NULL;
    enum err err = asked_as(s, &tenant, f);

    if (err != ERR_OK || tenant == 0) {
        return err;
    }
    arguments = with_candidate(s, e->arguments);
    err = cli_request_leave(s->cli, tenant, e->command, arguments, &id, f);
    json_decref(arguments);
    if (err == ERR_OK) {
        err = cli_request_wait(s->cli, id, left_us / 1000, &request, f);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (!cli_request_is_answered(request)) {
        json_decref(request);
        err = cli_request_withdraw(s->cli, id, &request, f);
    }
    *answer = json_incref(json_object_get(request, "answer"));
    if (!json_is_object(*answer)) {
        json_decref(*answer);
        *answer = NULL;
    }
    json_decref(request);
    return err;
}

static enum err
on_answer(json_t **answer, struct fault *f)
{
    *answer = in_order(*answer);
    return cli_answer_error(*answer, f);
}

static void
tell_lines(struct session *s, const json_t *answer)
{
    const json_t *line;
    size_t i;

    if (s->line != NULL) {
        json_array_foreach(json_object_get(answer, "lines"), i, line)
        {
            s->line(s->cli, line);
        }
    }
}

enum err
cli_errand(struct session *s, const struct cli_errand *e, json_t **answer,
           struct fault *f)
{
    int64_t end_us = clock_mono_us() + e->patience_ms * 1000;
    struct fault lease;
    enum err err;

    *answer = NULL;
    for (;;) {
        fault_clear(&lease);
        err = session_lease(s, &lease);
        if (err != ERR_LEASE_LOST) {
            break;
        }
        err = by_worker(s, e, end_us, answer, f);
        if (err != ERR_OK || *answer != NULL) {
            tell_lines(s, *answer);
            return err != ERR_OK ? err : on_answer(answer, f);
        }
        if (clock_mono_us() >= end_us) {
            return fault_set(f, ERR_TIMEOUT,
                             "%s and has not answered within %" PRId64
                             " s: it is asked no more; `ml-connector status "
                             "%s` and its log tell how it fares",
                             lease.message, e->patience_ms / 1000, s->row.name);
        }
        look_again_later(s->cli);
    }
    if (err != ERR_OK && !e->without_portal) {
        *f = lease;
        return err;
    }
    err = session_errand(s, e->command, e->arguments,
                         err != ERR_OK ? &lease : NULL, answer, f);
    return err != ERR_OK ? err : on_answer(answer, f);
}
