/* SPDX-License-Identifier: UNLICENSED */
/*
 * ml-sandbox: options, start, the ready line, the end.
 *
 *     options -> certificates -> simulators -> servers -> ready line
 *             -> wait for SIGTERM or SIGINT -> stop in reverse -> exit 0
 *
 * Secrets and certificates stand in one private directory below TMPDIR that
 * is removed at the end. Exit 0 after a signal, 1 when it could not start, 2
 * for wrong usage. Signals are blocked in every thread and taken by sigwait.
 */
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct sandbox {
    struct sim_options options;
    struct sim_control control;
    struct sim_record *record;
    struct sim_http *servers[3];
    int ports[3];
    char *dir;
};

static const char usage[] =
    "usage: ml-sandbox [options]\n"
    "A Fusion pod and a HubSpot on loopback, for tests and rehearsals.\n"
    "  --seed N               seed of the sample data (1)\n"
    "  --customers N          customers per tenant (50)\n"
    "  --invoices N           invoices per tenant (200)\n"
    "  --receipts N           receipts per tenant (80)\n"
    "  --portals N            tenants: one pod and one portal each (1)\n"
    "  --tls                  HTTPS for both simulators, with an own CA\n"
    "  --tls-cert KIND        --tls with a certificate that is good, expired,\n"
    "                         wrong-host or other-ca\n"
    "  --record FILE          writes every request into FILE\n"
    "  --fusion ADDR:PORT     where Fusion listens (127.0.0.1:0)\n"
    "  --hubspot ADDR:PORT    where HubSpot listens (127.0.0.1:0)\n"
    "  --control ADDR:PORT    where the control API listens (127.0.0.1:0)\n"
    "  --help                 this text\n"
    "Port 0 takes any free one. One line of JSON tells when it is ready;\n"
    "SIGTERM or SIGINT ends it.\n";

enum option_id {
    OPT_SEED = 1,
    OPT_CUSTOMERS,
    OPT_INVOICES,
    OPT_RECEIPTS,
    OPT_PORTALS,
    OPT_TLS,
    OPT_TLS_CERT,
    OPT_RECORD,
    OPT_FUSION,
    OPT_HUBSPOT,
    OPT_CONTROL,
    OPT_HELP
};

static const struct option options[] = {
    {"seed", required_argument, NULL, OPT_SEED},
    {"customers", required_argument, NULL, OPT_CUSTOMERS},
    {"invoices", required_argument, NULL, OPT_INVOICES},
    {"receipts", required_argument, NULL, OPT_RECEIPTS},
    {"portals", required_argument, NULL, OPT_PORTALS},
    {"tls", no_argument, NULL, OPT_TLS},
    {"tls-cert", required_argument, NULL, OPT_TLS_CERT},
    {"record", required_argument, NULL, OPT_RECORD},
    {"fusion", required_argument, NULL, OPT_FUSION},
    {"hubspot", required_argument, NULL, OPT_HUBSPOT},
    {"control", required_argument, NULL, OPT_CONTROL},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* ---- options ------------------------------------------------------------ */

static bool
parse_count(const char *name, const char *s, uint64_t max, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(s, &end, 10);
    if (errno != 0 || end == s || *end != '\0' || s[0] == '-' || *out > max) {
        fprintf(stderr,
                "ml-sandbox: --%s takes a number from 0 to %llu, not '%s'\n",
                name, (unsigned long long)max, s);
        return false;
    }
    return true;
}

static bool
parse_size(const char *name, const char *s, size_t *out)
{
    uint64_t n;
    bool ok = parse_count(name, s, 10000000, &n);

    *out = ok ? (size_t)n : 0;
    return ok;
}

static bool
parse_addr(const char *name, const char *s, const char **out)
{
    const char *colon = strrchr(s, ':');
    uint64_t port;

    if (colon == NULL || colon == s ||
        !parse_count(name, colon + 1, 65535, &port)) {
        fprintf(stderr, "ml-sandbox: --%s takes ADDR:PORT, not '%s'\n", name,
                s);
        return false;
    }
    *out = s;
    return true;
}

static bool
parse_cert(const char *s, const char **out)
{
    static const char *const kinds[] = {"good", "expired", "wrong-host",
                                        "other-ca"};
    size_t i;

    for (i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(s, kinds[i]) == 0) {
            *out = kinds[i];
            return true;
        }
    }
    fprintf(stderr,
            "ml-sandbox: --tls-cert takes good, expired, wrong-host or "
            "other-ca, not '%s'\n",
            s);
    return false;
}

static bool
parse_one(struct sim_options *o, int id)
{
    switch ((enum option_id)id) {
    case OPT_SEED:
        return parse_count("seed", optarg, UINT64_MAX, &o->seed);
    case OPT_CUSTOMERS:
        return parse_size("customers", optarg, &o->customers);
    case OPT_INVOICES:
        return parse_size("invoices", optarg, &o->invoices);
    case OPT_RECEIPTS:
        return parse_size("receipts", optarg, &o->receipts);
    case OPT_PORTALS:
        return parse_size("portals", optarg, &o->portals);
    case OPT_TLS:
        o->tls = true;
        return true;
    case OPT_TLS_CERT:
        o->tls = true;
        return parse_cert(optarg, &o->tls_cert);
    case OPT_RECORD:
        o->record = optarg;
        return true;
    case OPT_FUSION:
        return parse_addr("fusion", optarg, &o->fusion_addr);
    case OPT_HUBSPOT:
        return parse_addr("hubspot", optarg, &o->hubspot_addr);
    case OPT_CONTROL:
        return parse_addr("control", optarg, &o->control_addr);
    case OPT_HELP:
        fputs(usage, stdout);
        exit(fflush(stdout) == 0 ? 0 : 1);
    }
    return false;
}

static bool
parse_options(struct sim_options *o, int argc, char **argv)
{
    int id;

    *o = (struct sim_options){.seed = 1,
                              .customers = 50,
                              .invoices = 200,
                              .receipts = 80,
                              .portals = 1,
                              .fusion_addr = "127.0.0.1:0",
                              .hubspot_addr = "127.0.0.1:0",
                              .control_addr = "127.0.0.1:0",
                              .tls_cert = "good"};
    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (id == '?' || !parse_one(o, id)) {
            return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "ml-sandbox: '%s' is no option\n", argv[optind]);
        return false;
    }
    if (o->portals == 0) {
        fprintf(stderr, "ml-sandbox: --portals must be at least 1\n");
        return false;
    }
    return true;
}

/* ---- the private directory ---------------------------------------------- */

static bool
dir_make(struct sandbox *s)
{
    const char *tmp = getenv("TMPDIR");

    s->dir = mem_printf("%s/ml-sandbox-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(s->dir) == NULL) {
        fprintf(stderr, "ml-sandbox: cannot make %s: %s\n", s->dir,
                strerror(errno));
        mem_free(s->dir);
        s->dir = NULL;
        return false;
    }
    return true;
}

static void
dir_remove(struct sandbox *s)
{
    struct dirent *e;
    DIR *d;

    if (s->dir == NULL) {
        return;
    }
    d = opendir(s->dir);
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            char *path = mem_printf("%s/%s", s->dir, e->d_name);

            unlink(path);
            mem_free(path);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    rmdir(s->dir);
    mem_free(s->dir);
    s->dir = NULL;
}

/* Moves the secret `key` of `tenant` into a file; `file_key` names it. */
static bool
secret_to_file(struct sandbox *s, json_t *tenant, size_t i, const char *key,
               const char *file_key)
{
    const char *text = json_string_value(json_object_get(tenant, key));
    char *path;
    FILE *f;
    bool ok;

    if (text == NULL) {
        return true;
    }
    path = mem_printf("%s/tenant-%zu-%s", s->dir, i, key);
    f = fopen(path, "w");
    ok = f != NULL && fputs(text, f) >= 0;
    ok = (f == NULL || fclose(f) == 0) && ok;
    if (ok) {
        json_object_set_new(tenant, file_key, json_string(path));
    } else {
        fprintf(stderr, "ml-sandbox: cannot write %s: %s\n", path,
                strerror(errno));
    }
    mem_free(path);
    return ok;
}

/* ---- the ready line ----------------------------------------------------- */

static void
set_url(json_t *ready, const char *key, const char *scheme, const char *addr,
        int port)
{
    const char *colon = strrchr(addr, ':');
    char *url =
        mem_printf("%s://%.*s:%d", scheme, (int)(colon - addr), addr, port);

    json_object_set_new(ready, key, json_string(url));
    mem_free(url);
}

static json_t *
ready_tenant(struct sandbox *s, size_t i)
{
    json_t *t = fusion_sim_tenant(s->control.fusion, i);
    json_t *h = hubspot_sim_tenant(s->control.hubspot, i);

    if (t == NULL) {
        t = json_object();
    }
    json_object_update_missing(t, h);
    json_object_set(t, "hubspot_token", json_object_get(h, "token"));
    json_object_del(t, "token");
    json_decref(h);
    if (!secret_to_file(s, t, i, "client_secret", "client_secret_file") ||
        !secret_to_file(s, t, i, "password", "password_file") ||
        !secret_to_file(s, t, i, "private_key", "private_key_file") ||
        !secret_to_file(s, t, i, "hubspot_token", "hubspot_token_file")) {
        json_decref(t);
        return NULL;
    }
    json_object_del(t, "client_secret");
    json_object_del(t, "password");
    json_object_del(t, "private_key");
    json_object_del(t, "hubspot_token");
    return t;
}

static bool
ready_tenants(struct sandbox *s, json_t *ready)
{
    json_t *all = json_array();
    size_t i;

    json_object_set_new(ready, "tenants", all);
    for (i = 0; i < s->options.portals; i++) {
        json_t *t = ready_tenant(s, i);

        if (t == NULL) {
            return false;
        }
        json_array_append_new(all, t);
    }
    return true;
}

static bool
ready_make(struct sandbox *s)
{
    const char *scheme = s->options.tls ? "https" : "http";
    json_t *ready = json_object();
    json_t *first, *path;
    char *ca;

    s->control.ready = ready;
    set_url(ready, "fusion_url", scheme, s->options.fusion_addr,
            s->ports[SIM_FUSION]);
    set_url(ready, "hubspot_url", scheme, s->options.hubspot_addr,
            s->ports[SIM_HUBSPOT]);
    set_url(ready, "control_url", "http", s->options.control_addr,
            s->ports[SIM_CONTROL]);
    json_object_set_new(ready, "pid", json_integer(getpid()));
    if (s->options.tls) {
        ca = mem_printf("%s/ca.pem", s->dir);
        json_object_set_new(ready, "ca_file", json_string(ca));
        mem_free(ca);
    } else {
        json_object_set_new(ready, "ca_file", json_null());
    }
    if (!ready_tenants(s, ready)) {
        return false;
    }
    first = json_array_get(json_object_get(ready, "tenants"), 0);
    path = json_object_get(first, "token_path");
    ca = mem_printf(
        "%s%s", json_string_value(json_object_get(ready, "fusion_url")),
        path != NULL ? json_string_value(path) : "/oauth2/v1/token");
    json_object_set_new(ready, "token_url", json_string(ca));
    mem_free(ca);
    return true;
}

/* ---- life --------------------------------------------------------------- */

static bool
serve(struct sandbox *s, enum sim_server kind, const char *addr,
      sim_handler_fn *handler, void *sim)
{
    struct sim_http_spec spec = {
        .kind = kind, .addr = addr, .handler = handler, .sim = sim};

    if (kind != SIM_CONTROL) {
        spec.pem_dir = s->options.tls ? s->dir : NULL;
        spec.faults = s->control.faults;
        spec.log = s->control.log;
        spec.record = s->record;
        spec.ident = kind == SIM_HUBSPOT ? hubspot_sim_ident : NULL;
        spec.way = kind == SIM_HUBSPOT ? hubspot_sim_way : NULL;
    }
    s->servers[kind] = sim_http_start(&spec, &s->ports[kind]);
    return s->servers[kind] != NULL;
}

/* Requests that come in before the ready line is made wait for it. */
static bool
sandbox_serve(struct sandbox *s)
{
    const struct sim_options *o = &s->options;
    struct sim_control *c = &s->control;
    bool ok;

    sim_hold();
    ok = serve(s, SIM_FUSION, o->fusion_addr, fusion_sim_handle, c->fusion) &&
         serve(s, SIM_HUBSPOT, o->hubspot_addr, hubspot_sim_handle,
               c->hubspot) &&
         serve(s, SIM_CONTROL, o->control_addr, sim_control_handle, c) &&
         ready_make(s);
    sim_release();
    return ok;
}

static bool
sandbox_start(struct sandbox *s)
{
    const struct sim_options *o = &s->options;
    struct sim_control *c = &s->control;

    if (!dir_make(s) || (o->tls && !sim_tls_make(s->dir, o->tls_cert))) {
        return false;
    }
    if (o->record != NULL) {
        s->record = sim_record_open(o->record);
        if (s->record == NULL) {
            return false;
        }
    }
    c->faults = sim_faults_new();
    c->log = sim_log_new();
    c->fusion = fusion_sim_new(o);
    c->hubspot = hubspot_sim_new(o);
    hubspot_sim_on_foreign(c->hubspot, sim_log_foreign, c->log);
    return c->fusion != NULL && c->hubspot != NULL && sandbox_serve(s);
}

static void
sandbox_stop(struct sandbox *s)
{
    sim_http_stop(s->servers[SIM_CONTROL]);
    sim_http_stop(s->servers[SIM_HUBSPOT]);
    sim_http_stop(s->servers[SIM_FUSION]);
    fusion_sim_free(s->control.fusion);
    hubspot_sim_free(s->control.hubspot);
    sim_faults_free(s->control.faults);
    sim_log_free(s->control.log);
    sim_record_close(s->record);
    json_decref(s->control.ready);
    dir_remove(s);
}

static void
say_ready(const struct sandbox *s)
{
    char *line = json_dumps(s->control.ready, JSON_COMPACT);

    printf("%s\n", line);
    fflush(stdout);
    mem_free(line);
}

/* As many sockets as the hard limit allows. */
static void
raise_files(void)
{
    struct rlimit rl;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }
}

int
main(int argc, char **argv)
{
    struct sandbox s = {.dir = NULL};
    sigset_t set;
    int sig = 0;
    bool ok;

    if (!parse_options(&s.options, argc, argv)) {
        fputs("Try 'ml-sandbox --help'.\n", stderr);
        return 2;
    }
    json_set_alloc_funcs(mem_alloc, mem_free);
    raise_files();
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    ok = sandbox_start(&s);
    if (ok) {
        say_ready(&s);
        sigwait(&set, &sig);
    }
    sandbox_stop(&s);
    return ok ? 0 : 1;
}
