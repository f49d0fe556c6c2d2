/* SPDX-License-Identifier: UNLICENSED */
/*
 * Starts the sandbox, talks to it, and waits. Only what this file started is
 * stopped, by its process id.
 */
#include "portal.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct sandbox sandbox;

/* ---- the process -------------------------------------------------------- */

static bool
spawn(int *out)
{
    static const char *const argv[] = {
        SANDBOX_PROGRAM, "--customers", "1", "--invoices", "1",
        "--receipts",    "1",           NULL};
    posix_spawn_file_actions_t actions;
    int fds[2];
    pid_t pid;
    int rc;

    if (pipe(fds) != 0) {
        return false;
    }
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return false;
    }
    (void)posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, fds[0]);
    (void)posix_spawn_file_actions_addclose(&actions, fds[1]);
    rc = posix_spawn(&pid, SANDBOX_PROGRAM, &actions, NULL,
                     (char *const *)(uintptr_t)argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(fds[1]);
    *out = fds[0];
    sandbox.pid = rc == 0 ? (int)pid : 0;
    return rc == 0;
}

/* The ready line, or as much as there is. */
static size_t
read_line(int fd, char *line, size_t max)
{
    size_t n = 0;

    while (n + 1 < max && (n == 0 || line[n - 1] != '\n')) {
        ssize_t got = read(fd, line + n, 1);

        if (got <= 0 && errno != EINTR) {
            break;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    line[n] = '\0';
    return n;
}

static char *
read_token(const char *path)
{
    struct fault f;
    char *data;
    size_t n;

    if (file_read(path, 4096, &data, &n, &f) != ERR_OK) {
        return NULL;
    }
    data[strcspn(data, "\r\n")] = '\0';
    return data;
}

bool
sandbox_start(void)
{
    static char line[65536];
    struct fault f;
    json_t *ready = NULL;
    const json_t *tenant;
    size_t n;
    int fd;

    if (!spawn(&fd)) {
        (void)fprintf(stderr, "cannot start %s\n", SANDBOX_PROGRAM);
        return false;
    }
    n = read_line(fd, line, sizeof(line));
    (void)close(fd);
    if (jsonx_parse(line, n, &ready, &f) != ERR_OK) {
        (void)fprintf(stderr, "the sandbox is not ready: %s\n", line);
        return false;
    }
    tenant = json_array_get(json_object_get(ready, "tenants"), 0);
    sandbox.hubspot_url = mem_strdup(jsonx_text(ready, "hubspot_url"));
    sandbox.control_url = mem_strdup(jsonx_text(ready, "control_url"));
    sandbox.token = read_token(jsonx_text(tenant, "hubspot_token_file"));
    json_decref(ready);
    return sandbox.token != NULL;
}

void
sandbox_stop(void)
{
    int status;

    if (sandbox.pid > 0) {
        (void)kill(sandbox.pid, SIGTERM);
        (void)waitpid(sandbox.pid, &status, 0);
    }
    mem_free(sandbox.hubspot_url);
    mem_free(sandbox.control_url);
    mem_free(sandbox.token);
    memset(&sandbox, 0, sizeof(sandbox));
}

/* ---- the portal --------------------------------------------------------- */

static struct hubspot *
client(struct portal *p, const char *url, const char *api_version)
{
    struct secret *token = secret_new(sandbox.token, strlen(sandbox.token));
    struct hubspot_config c = {.base_url = url,
                               .api_version = api_version,
                               .token = token,
                               .timeout_ms = 5000,
                               .tenant = "test"};
    struct hubspot *h = hubspot_new(p->loop, p->http, &c);

    secret_free(token);
    return h;
}

void
portal_open(struct portal *p, const char *api_version)
{
    struct http_config c = {.ca_file = NULL};
    struct fault f;

    memset(p, 0, sizeof(*p));
    p->loop = loop_new();
    OK(http_open(p->loop, &c, &p->http, &f));
    p->hubspot = client(p, sandbox.hubspot_url, api_version);
    p->control = client(p, sandbox.control_url, api_version);
    (void)portal_control(p, "DELETE", "/control/faults", NULL);
    (void)portal_control(p, "POST", "/control/hubspot/reset", "{}");
    (void)portal_control(p, "DELETE", "/control/hubspot/switches", NULL);
    portal_switch(p, "rate_enforced", 0);
    portal_switch(p, "property_lag_min_ms", 0);
    portal_switch(p, "property_lag_max_ms", 0);
}

static void
drop_answer(struct portal *p)
{
    for (size_t i = 0; i < p->n; i++) {
        json_decref(p->properties[i]);
        p->properties[i] = NULL;
    }
    p->n = 0;
    json_decref(p->body);
    p->body = NULL;
}

static void
on_closed(void *arg)
{
    struct portal *p = arg;

    p->http = NULL;
}

void
portal_close(struct portal *p)
{
    drop_answer(p);
    hubspot_free(p->hubspot);
    hubspot_free(p->control);
    http_close(p->http, on_closed, p);
    loop_run(p->loop);
    EQ_PTR(p->http, NULL);
    OK(loop_free(p->loop));
    stat_reset();
}

/* ---- calls -------------------------------------------------------------- */

static void
on_batch(void *arg, const struct hubspot_reply *r)
{
    struct portal *p = arg;

    IS(r->n <= PORTAL_INPUTS);
    p->meta = r->meta;
    p->n = r->n;
    p->split = r->split;
    for (size_t i = 0; i < r->n; i++) {
        const struct hubspot_result *one = &r->results[i];

        p->outcomes[i] = "WAXRU"[one->outcome];
        (void)snprintf(p->ids[i], PORTAL_TEXT, "%s",
                       one->id != NULL ? one->id : "");
        (void)snprintf(p->existing[i], PORTAL_TEXT, "%s",
                       one->existing_id != NULL ? one->existing_id : "");
        p->created[i] = one->created;
        p->faults[i] = one->fault;
        p->properties[i] = json_incref(one->properties);
    }
    (void)snprintf(p->outcomes + r->n, 2, "%s", r->split ? "+" : "");
    loop_stop(p->loop);
}

const char *
portal_send(struct portal *p, const struct hubspot_batch *b)
{
    struct hubspot_op *op;

    drop_answer(p);
    OK(hubspot_send(p->hubspot, b, on_batch, p, &op));
    loop_run(p->loop);
    EQ_UINT(p->n, b->n);
    return p->outcomes;
}

static void
on_call(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct portal *p = arg;

    p->meta = *m;
    p->body = json_deep_copy(body);
    loop_stop(p->loop);
}

static void
call(struct portal *p, struct hubspot *h, const struct hubspot_call *c)
{
    struct hubspot_op *op;

    drop_answer(p);
    OK(hubspot_call_send(h, c, on_call, p, &op));
    loop_run(p->loop);
}

const json_t *
portal_control(struct portal *p, const char *method, const char *path,
               const char *body)
{
    struct hubspot_call c = {
        .operation = "control", .method = method, .path = path, .body = body};

    call(p, p->control, &c);
    ck_assert_msg(p->meta.fault.err == ERR_OK, "%s %s: %s", method, path,
                  p->meta.fault.message);
    return p->body;
}

void
portal_switch(struct portal *p, const char *name, int value)
{
    char body[128];

    (void)snprintf(body, sizeof(body), "{\"%s\":%d}", name, value);
    (void)portal_control(p, "POST", "/control/hubspot/switches", body);
}

const json_t *
portal_token_info(struct portal *p)
{
    struct hubspot_call c = {.operation = "token.info",
                             .method = "POST",
                             .path = HUBSPOT_TOKEN_INFO,
                             .with_token = true};

    call(p, p->hubspot, &c);
    return p->body;
}

static void
stop_loop(void *arg)
{
    loop_stop(arg);
}

enum err
portal_provision(struct portal *p, const char *api_version, bool keep_waits,
                 size_t *calls, struct fault *f)
{
    struct hubspot_provision *machine =
        hubspot_provision_new(api_version, false);
    struct hubspot_call c;
    enum err err = ERR_OK;
    int64_t wait_ms;

    *calls = 0;
    while (err == ERR_OK && hubspot_provision_next(machine, &c, &wait_ms)) {
        if (keep_waits && wait_ms > 0) {
            struct loop_timer t = {.fn = NULL};

            loop_timer_start(p->loop, &t, wait_ms, stop_loop, p->loop);
            loop_run(p->loop);
        }
        call(p, p->hubspot, &c);
        fault_clear(f);
        err = hubspot_provision_feed(machine, &p->meta, p->body, f);
        (*calls)++;
    }
    hubspot_provision_free(machine);
    return err;
}
