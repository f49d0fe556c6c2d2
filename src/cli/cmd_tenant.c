/* SPDX-License-Identifier: UNLICENSED */
/*
 * tenant add, set, list, show, pause, resume, remove. What add and set store is
 * one JSON object of settings and one of sealed secrets; settings are checked
 * by the same code that reads them in the worker.
 */
#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

enum { SECRET_MAX = 64 * 1024, MAPPING_MAX = 1024 * 1024 };

#define DEFAULT_SINCE_US (INT64_C(90) * 86400 * 1000000)

const struct flag tenant_flags[] = {
    {"fusion-url", FLAG_TEXT, "URL", "The pod, https://HOST."},
    {"fusion-auth", FLAG_TEXT, "KIND",
     "client-credentials (default), jwt-assertion or basic."},
    {"fusion-token-url", FLAG_TEXT, "URL",
     "Token endpoint of the identity domain."},
    {"fusion-client-id", FLAG_TEXT, "ID", "OAuth2 client id."},
    {"fusion-client-secret-file", FLAG_TEXT, "FILE", "Its secret."},
    {"fusion-scope", FLAG_TEXT, "SCOPE",
     "Copied from the Fusion resource app, with its audience in front."},
    {"fusion-private-key-file", FLAG_TEXT, "FILE",
     "PEM key that signs JWT assertions."},
    {"fusion-key-id", FLAG_TEXT, "ID", "The key's alias, `kid`."},
    {"fusion-user", FLAG_TEXT, "USER", "For jwt-assertion and basic."},
    {"fusion-password-file", FLAG_TEXT, "FILE", "For basic."},
    {"hubspot-url", FLAG_TEXT, "URL", "Default https://api.hubapi.com."},
    {"hubspot-token-file", FLAG_TEXT, "FILE",
     "Token of the private app or service key."},
    {"hubspot-tier", FLAG_TEXT, "TIER",
     "free, starter (default), professional or enterprise: 100, 100, 190, 190 "
     "requests per 10 s."},
    {"hubspot-limit", FLAG_TEXT, "N",
     "Requests per 10 s, instead of the "
     "tier's."},
    {"hubspot-daily-limit", FLAG_TEXT, "N", "Requests per day, likewise."},
    {"hubspot-api-version", FLAG_TEXT, "VERSION",
     "2026-03 (default), 2026-09 or v3."},
    {"interval", FLAG_TEXT, "DURATION",
     "Between polls: 1m to 24h, default "
     "15m."},
    {"interval-customers", FLAG_TEXT, "DURATION", "For this feed alone."},
    {"interval-invoices", FLAG_TEXT, "DURATION", "For this feed alone."},
    {"interval-payments", FLAG_TEXT, "DURATION", "For this feed alone."},
    {"key-prefix", FLAG_TEXT, "P",
     "Begins every key; needed where tenants of one portal name different "
     "pods."},
    {"since", FLAG_TEXT, "TIME",
     "Where the first poll starts: a date or an RFC 3339 time; default 90 days "
     "ago."},
    {"business-unit", FLAG_LIST, "NAME",
     "Only invoices and receipts of these; may be repeated, replaces the ones "
     "before; \"\" takes them away."},
    {"mapping-file", FLAG_TEXT, "FILE",
     "Added or replaced properties, compared with what both systems have; see "
     "docs/mapping.md."},
    {NULL, FLAG_BOOL, NULL, NULL}};

static const struct {
    const char *flag, *field;
} secret_flags[] = {
    {"fusion-client-secret-file", "fusion_client_secret"},
    {"fusion-private-key-file", "fusion_private_key"},
    {"fusion-password-file", "fusion_password"},
    {"hubspot-token-file", "hubspot_token"},
};

/* ---- reading the flags -------------------------------------------------- */

static const char *
setting_name(const char *flag, char out[64])
{
    size_t i;

    for (i = 0; flag[i] != '\0' && i < 63; i++) {
        out[i] = flag[i] == '-' ? '_' : flag[i];
    }
    out[i] = '\0';
    return out;
}

static bool
is_secret(const char *flag)
{
    for (size_t i = 0; i < COUNT_OF(secret_flags); i++) {
        if (strcmp(secret_flags[i].flag, flag) == 0) {
            return true;
        }
    }
    return false;
}

static enum err
read_mapping(struct cli *c, json_t *settings, struct fault *f)
{
    const char *path = flag_text(c, "mapping-file");
    char *text = NULL;
    size_t n = 0;
    enum err err;

    if (path == NULL) {
        return ERR_OK;
    }
    err = file_read(path, MAPPING_MAX, &text, &n, f);
    if (err == ERR_OK) {
        struct map_options options = {.mapping_file = text};
        struct mapping *m = NULL;

        err = map_new(&options, &m, f);
        map_free(m);
        if (err != ERR_OK) {
            struct fault why = *f;

            err = fault_set(f, ERR_USAGE, "--mapping-file: %s: %s", path,
                            why.message);
        }
    }
    if (err == ERR_OK) {
        json_object_set_new(settings, "mapping_file", json_string(text));
    }
    mem_free(text);
    return err;
}

static enum err
read_settings(struct cli *c, json_t *settings, struct fault *f)
{
    for (size_t i = 0; tenant_flags[i].name != NULL; i++) {
        const struct flag *flag = &tenant_flags[i];
        char name[64];

        if (c->values[i] == NULL || is_secret(flag->name) ||
            strcmp(flag->name, "mapping-file") == 0) {
            continue;
        }
        if (flag->kind == FLAG_LIST) {
            const json_t *list = flag_list(c, flag->name);
            const char *only = json_string_value(json_array_get(list, 0));

            /* a single empty one takes the setting away */
            json_object_set(settings, setting_name(flag->name, name),
                            json_array_size(list) == 1 && only != NULL &&
                                    only[0] == '\0' ?
                                json_null() :
                                (json_t *)(uintptr_t)list);
        } else {
            json_t *value = json_string(c->values[i]);

            if (value == NULL) {
                return fault_set(f, ERR_USAGE, "--%s: not UTF-8", flag->name);
            }
            json_object_set_new(settings, setting_name(flag->name, name),
                                value);
        }
    }
    return read_mapping(c, settings, f);
}

/* A PEM key has lines; everything else is one line of visible characters, as it
 * goes into a header. */
static bool
is_sendable(const char *flag, const char *text, size_t n)
{
    bool pem = strcmp(flag, "fusion-private-key-file") == 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < ' ' || c == 0x7f) {
            if (!pem || (c != '\n' && c != '\r' && c != '\t')) {
                return false;
            }
        }
    }
    return true;
}

/* The file without the white space at its end, which editors add. */
static enum err
read_secret(const char *flag, const char *path, struct secret **out,
            struct fault *f)
{
    char *text = NULL;
    size_t n = 0;
    enum err err = file_read(path, SECRET_MAX, &text, &n, f);

    if (err != ERR_OK) {
        return err;
    }
    while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL) {
        n--;
    }
    if (n == 0) {
        err = fault_set(f, ERR_USAGE, "--%s: %s is empty", flag, path);
    } else if (!is_sendable(flag, text, n)) {
        err = fault_set(f, ERR_USAGE,
                        "--%s: %s has more than one line or characters that "
                        "no token has; it must hold the secret and nothing "
                        "else",
                        flag, path);
    } else {
        *out = secret_new(text, n);
    }
    secret_wipe_bytes(text, n);
    mem_free(text);
    return err;
}

static enum err
read_secrets(struct cli *c, const char *tenant, json_t *sealed, struct fault *f)
{
    for (size_t i = 0; i < COUNT_OF(secret_flags); i++) {
        const char *flag = secret_flags[i].flag;
        const char *path = flag_text(c, flag);
        struct secret *plain = NULL;
        char *text = NULL;
        enum err err;

        if (path == NULL) {
            continue;
        }
        err = read_secret(flag, path, &plain, f);
        if (err == ERR_OK) {
            err = vault_seal(c->app.vault, tenant, secret_flags[i].field, plain,
                             &text);
        }
        secret_free(plain);
        if (err != ERR_OK) {
            return err;
        }
        json_object_set_new(sealed, secret_flags[i].field, json_string(text));
        mem_free(text);
    }
    return ERR_OK;
}

/* ---- checking ----------------------------------------------------------- */

static void
put_text(struct buf *b, const json_t *o)
{
    struct jsonx_writer w;

    buf_init(b, 8 << 20);
    jsonx_begin(&w, b);
    jsonx_put_json(&w, o);
}

static enum err
check(const json_t *settings, const json_t *sealed, struct fault *f)
{
    const char *there[COUNT_OF(secret_flags) + 1] = {NULL};
    struct tenant_settings s;
    struct arena a;
    struct buf b;
    size_t n = 0;
    enum err err;

    for (size_t i = 0; i < COUNT_OF(secret_flags); i++) {
        if (json_object_get(sealed, secret_flags[i].field) != NULL) {
            there[n++] = secret_flags[i].field;
        }
    }
    arena_init(&a);
    put_text(&b, settings);
    err = tenant_settings_read(&a, buf_text(&b), there, &s, f);
    buf_fini(&b);
    arena_fini(&a);
    if (err == ERR_CONFIG) {
        f->err = err = ERR_USAGE;
    }
    return err;
}

/* A first poll that starts in the future would read nothing until then. */
static enum err
check_since(const json_t *settings, struct fault *f)
{
    const char *since = jsonx_text(settings, "since");
    int64_t us = 0;

    if (since != NULL && time_parse(since, strlen(since), &us) == ERR_OK &&
        us > clock_wall_us()) {
        return fault_set(f, ERR_USAGE, "--since: %s lies in the future", since);
    }
    return ERR_OK;
}

/* Where the first poll starts is fixed when the tenant is added. */
static void
fix_since(json_t *settings)
{
    char text[TIME_TEXT_MAX];

    if (json_object_get(settings, "since") == NULL) {
        json_object_set_new(
            settings, "since",
            json_string(time_format(clock_wall_us() - DEFAULT_SINCE_US, text)));
    }
}

/* ---- add and set -------------------------------------------------------- */

static enum err
gather(struct cli *c, json_t *settings, json_t *sealed, struct fault *f)
{
    enum err err = tenant_name_check(c->argv[0], f);

    if (err == ERR_OK) {
        err = read_settings(c, settings, f);
    }
    if (err == ERR_OK) {
        err = read_secrets(c, c->argv[0], sealed, f);
    }
    return err;
}

static int
say_done(const struct cli *c, const char *what)
{
    if (c->json) {
        (void)printf("{\"tenant\":\"%s\",\"done\":\"%s\"}\n", c->argv[0], what);
    } else {
        (void)printf("tenant %s %s\n", c->argv[0], what);
    }
    return APP_DONE;
}

static int
finish(struct cli *c, enum err err, const char *what)
{
    struct fault f = c->app.fault;

    if (err == ERR_OK) {
        return say_done(c, what);
    }
    if (err == ERR_EXISTS) {
        (void)fault_set(&f, ERR_USAGE,
                        "a tenant named %s exists; change it with `tenant set "
                        "%s`",
                        c->argv[0], c->argv[0]);
    } else if (err == ERR_NOT_FOUND &&
               !cli_tenant_exists((struct cli *)(uintptr_t)c, c->argv[0])) {
        f = c->app.fault;
    }
    return cli_fail(&f);
}

/* A mapping is compared with both systems before it is stored, so that no
 * worker ever takes up a wrong one. */
static enum err
check_mapping(struct cli *c, const struct store_tenant *was,
              const json_t *settings, const json_t *sealed, struct fault *f)
{
    struct store_tenant row = {
        .name = c->argv[0], .state = "active", .learned = "{}"};
    struct buf bs, bk;
    enum err err;

    if (flag_text(c, "mapping-file") == NULL) {
        return ERR_OK;
    }
    put_text(&bs, settings);
    put_text(&bk, sealed);
    row.id = was->id;
    row.portal = was->portal;
    row.settings = buf_text(&bs);
    row.sealed = buf_text(&bk);
    err = mapping_check_row(c, &row, f);
    buf_fini(&bs);
    buf_fini(&bk);
    return err;
}

static enum err
check_new(struct cli *c, const json_t *settings, const json_t *sealed,
          struct fault *f)
{
    static const struct store_tenant none;
    enum err err = check_since(settings, f);

    if (err == ERR_OK) {
        err = check(settings, sealed, f);
    }
    if (err == ERR_OK && flag_text(c, "mapping-file") != NULL &&
        cli_tenant_exists(c, c->argv[0])) {
        return ERR_EXISTS;
    }
    return err == ERR_OK ? check_mapping(c, &none, settings, sealed, f) : err;
}

int
cmd_tenant_add(struct cli *c)
{
    json_t *settings = json_object(), *sealed = json_object();
    struct app *a = &c->app;
    struct store_op *op;
    struct buf bs, bk;
    struct fault f;
    enum err err;
    int status;

    fault_clear(&f);
    err = gather(c, settings, sealed, &f);
    if (err == ERR_OK) {
        err = check_new(c, settings, sealed, &f);
    }
    if (err == ERR_EXISTS) {
        status = finish(c, err, "");
    } else if (err != ERR_OK) {
        status = cli_fail(&f);
    } else {
        fix_since(settings);
        put_text(&bs, settings);
        put_text(&bk, sealed);
        status = finish(
            c,
            app_wait(a, store_tenant_add(a->store, c->argv[0], buf_text(&bs),
                                         buf_text(&bk), cli_actor(),
                                         app_on_done, a, &op)),
            "added");
        buf_fini(&bs);
        buf_fini(&bk);
    }
    json_decref(settings);
    json_decref(sealed);
    return status;
}

struct found {
    struct app *app;
    json_t *settings, *sealed;
    int64_t id;
    char *portal; /* owned; NULL: not known */
};

static void
on_found(void *arg, enum err err, const struct store_tenant *rows, size_t n,
         const struct fault *f)
{
    struct found *found = arg;
    struct fault ignored;

    if (err == ERR_OK && n == 1 &&
        jsonx_parse(rows[0].settings, strlen(rows[0].settings),
                    &found->settings, &ignored) == ERR_OK &&
        jsonx_parse(rows[0].sealed, strlen(rows[0].sealed), &found->sealed,
                    &ignored) == ERR_OK) {
        found->id = rows[0].id;
        found->portal = mem_strdup(rows[0].portal);
        app_on_done(found->app, ERR_OK, f);
        return;
    }
    app_on_done(found->app, err == ERR_OK ? ERR_NOT_FOUND : err, f);
}

/* What the tenant would be after the change must be usable as a whole. */
static enum err
check_merged(struct cli *c, const json_t *settings, const json_t *sealed,
             struct fault *f)
{
    struct app *a = &c->app;
    struct found found = {.app = a};
    struct store_op *op;
    enum err err =
        app_wait(a, store_tenants(a->store, c->argv[0], on_found, &found, &op));

    if (err == ERR_OK) {
        struct store_tenant was = {.id = found.id};

        /* Another token may be another portal's: it is asked anew. */
        if (json_object_get(sealed, "hubspot_token") == NULL &&
            json_object_get(settings, "hubspot_url") == NULL) {
            was.portal = found.portal;
        }
        json_object_update(found.settings, (json_t *)(uintptr_t)settings);
        json_object_update(found.sealed, (json_t *)(uintptr_t)sealed);
        err = check(found.settings, found.sealed, f);
        if (err == ERR_OK) {
            err = check_mapping(c, &was, found.settings, found.sealed, f);
        }
    } else {
        *f = a->fault;
    }
    mem_free(found.portal);
    json_decref(found.settings);
    json_decref(found.sealed);
    return err;
}

/* --since is where the first poll starts: afterwards cursors say where to go
 * on, and moving it would do nothing. With another key prefix everything would
 * be written a second time. */
static enum err
check_first(struct cli *c, const json_t *settings, struct fault *f)
{
    struct app *a = &c->app;
    struct store_report_spec spec = {.report = STORE_REPORT_FEEDS,
                                     .tenant = c->argv[0]};
    bool prefix = json_object_get(settings, "key_prefix") != NULL;
    struct store_op *op;
    enum err err;

    if (json_object_get(settings, "since") == NULL && !prefix) {
        return ERR_OK;
    }
    err = check_since(settings, f);
    if (err != ERR_OK) {
        return err;
    }
    err = app_wait(a, store_report(a->store, &spec, app_on_json, a, &op));
    if (err != ERR_OK) {
        *f = a->fault;
        return err;
    }
    if (strcmp(a->json, "[]") == 0) {
        return ERR_OK;
    }
    if (prefix) {
        return fault_set(f, ERR_USAGE,
                         "--key-prefix: tenant %s has been polled already; "
                         "with other keys all its records would be written a "
                         "second time",
                         c->argv[0]);
    }
    return fault_set(f, ERR_USAGE,
                     "--since: tenant %s has been polled already, and polls go "
                     "on from their cursors; `ml-connector sync %s --since "
                     "TIME` reads older records",
                     c->argv[0], c->argv[0]);
}

int
cmd_tenant_set(struct cli *c)
{
    json_t *settings = json_object(), *sealed = json_object();
    struct app *a = &c->app;
    struct store_op *op;
    struct buf bs, bk;
    struct fault f;
    enum err err;
    int status;

    fault_clear(&f);
    err = gather(c, settings, sealed, &f);
    if (err == ERR_OK && json_object_size(settings) == 0 &&
        json_object_size(sealed) == 0) {
        err = fault_set(&f, ERR_USAGE,
                        "nothing to change; see `ml-connector tenant set "
                        "--help`");
    }
    if (err == ERR_OK) {
        err = check_merged(c, settings, sealed, &f);
    }
    if (err == ERR_OK) {
        err = check_first(c, settings, &f);
    }
    if (err == ERR_NOT_FOUND) {
        status = finish(c, err, "");
    } else if (err != ERR_OK) {
        status = cli_fail(&f);
    } else {
        put_text(&bs, settings);
        put_text(&bk, sealed);
        status = finish(
            c,
            app_wait(a, store_tenant_set(a->store, c->argv[0], buf_text(&bs),
                                         buf_text(&bk), cli_actor(),
                                         app_on_done, a, &op)),
            "changed");
        buf_fini(&bs);
        buf_fini(&bk);
    }
    json_decref(settings);
    json_decref(sealed);
    return status;
}

/* ---- list and show ------------------------------------------------------ */

int
cmd_tenant_list(struct cli *c)
{
    static const char *const columns[] = {
        "tenant",       "state",     "tier",        "limit",
        "last_success", "open_jobs", "parked_jobs", NULL};
    struct store_report_spec spec = {.report = STORE_REPORT_TENANTS};
    struct app *a = &c->app;
    struct store_op *op;

    if (app_wait(a, store_report(a->store, &spec, app_on_json, a, &op)) !=
        ERR_OK) {
        return cli_fail_wait(c);
    }
    cli_rows(c, a->json, columns,
             "There is no tenant; `ml-connector tenant add --help` says how "
             "to add one.");
    return APP_DONE;
}

struct shown {
    struct app *app;
    json_t *out;
};

static void
on_shown(void *arg, enum err err, const struct store_tenant *rows, size_t n,
         const struct fault *f)
{
    struct shown *s = arg;
    json_t *sealed = NULL, *settings = NULL, *value;
    struct fault ignored;
    const char *key;

    if (err != ERR_OK || n == 0) {
        app_on_done(s->app, err == ERR_OK ? ERR_NOT_FOUND : err, f);
        return;
    }
    s->out = json_object();
    json_object_set_new(s->out, "tenant", json_string(rows[0].name));
    json_object_set_new(s->out, "state", json_string(rows[0].state));
    json_object_set_new(s->out, "reason",
                        rows[0].reason != NULL ? json_string(rows[0].reason) :
                                                 json_null());
    json_object_set_new(s->out, "portal",
                        rows[0].portal != NULL ? json_string(rows[0].portal) :
                                                 json_null());
    if (jsonx_parse(rows[0].settings, strlen(rows[0].settings), &settings,
                    &ignored) == ERR_OK) {
        json_object_set_new(s->out, "settings", settings);
    }
    value = json_array();
    if (jsonx_parse(rows[0].sealed, strlen(rows[0].sealed), &sealed,
                    &ignored) == ERR_OK) {
        json_t *ignored_text;

        json_object_foreach(sealed, key, ignored_text)
        {
            json_array_append_new(value, json_string(key));
        }
    }
    json_decref(sealed);
    json_object_set_new(s->out, "secrets", value);
    app_on_done(s->app, ERR_OK, f);
}

static void
print_value(const char *key, const json_t *value)
{
    const json_t *item;
    size_t i;

    (void)printf("%-22s ", key);
    if (json_is_array(value)) {
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            (void)printf("%s%s", i > 0 ? ", " : "", json_string_value(item));
        }
        (void)printf("\n");
    } else {
        (void)printf("%s\n",
                     json_is_string(value) ? json_string_value(value) : "-");
    }
}

int
cmd_tenant_show(struct cli *c)
{
    struct app *a = &c->app;
    struct shown s = {.app = a};
    struct store_op *op;
    json_t *value, *inner;
    const char *key, *name;
    enum err err =
        app_wait(a, store_tenants(a->store, c->argv[0], on_shown, &s, &op));

    if (err != ERR_OK) {
        return finish(c, err, "");
    }
    if (c->json) {
        cli_print_json(s.out);
    } else {
        json_object_foreach(s.out, key, value)
        {
            if (!json_is_object(value)) {
                print_value(key, value);
                continue;
            }
            json_object_foreach(value, name, inner)
            {
                print_value(name, inner);
            }
        }
    }
    json_decref(s.out);
    return APP_DONE;
}

/* ---- pause, resume, remove ---------------------------------------------- */

/* What it was before is said too: who resumes a halted tenant should know why
 * it stood. */
static void
say_moved(const struct cli *c, const char *what, const char *to,
          const json_t *was)
{
    const char *state = jsonx_text(was, "state");
    const char *reason = jsonx_text(was, "reason");
    json_t *o;

    if (c->json) {
        o = json_pack("{s:s, s:s, s:s, s:s?}", "tenant", c->argv[0], "done",
                      what, "was", state, "reason", reason);
        cli_print_json(o);
        json_decref(o);
    } else if (text_equal(state, to)) {
        (void)printf("tenant %s is %s already\n", c->argv[0], state);
    } else if (text_equal(state, "active")) {
        (void)printf("tenant %s %s\n", c->argv[0], what);
    } else {
        (void)printf("tenant %s %s; it was %s%s%s\n", c->argv[0], what, state,
                     reason != NULL ? ": " : "", reason != NULL ? reason : "");
    }
}

static int
move(struct cli *c, const char *to, const char *what)
{
    struct app *a = &c->app;
    json_t *was = NULL;
    struct store_op *op;
    struct fault f;
    enum err err;

    fault_clear(&f);
    err = cli_target(c, c->argv[0], &was, &f);
    if (err == ERR_OK && text_equal(jsonx_text(was, "state"), "removed")) {
        err = cli_target_removed(c->argv[0], &f);
    }
    if (err == ERR_OK && !text_equal(jsonx_text(was, "state"), to)) {
        err =
            app_wait(a, store_tenant_state(a->store, c->argv[0], NULL, to, NULL,
                                           cli_actor(), app_on_done, a, &op));
        f = a->fault;
    }
    if (err == ERR_OK) {
        say_moved(c, what, to, was);
    }
    json_decref(was);
    return err == ERR_OK ? APP_DONE : cli_fail(&f);
}

int
cmd_tenant_pause(struct cli *c)
{
    return move(c, "paused", "paused");
}

int
cmd_tenant_resume(struct cli *c)
{
    return move(c, "active", "resumed");
}

int
cmd_tenant_remove(struct cli *c)
{
    struct fault f;

    if (!flag_set(c, "yes")) {
        fault_clear(&f);
        (void)fault_set(&f, ERR_USAGE,
                        "tenant remove %s stops it for good (its audit and "
                        "what it wrote to HubSpot stay); say --yes",
                        c->argv[0]);
        return cli_fail(&f);
    }
    return move(c, "removed", "removed");
}
