/* SPDX-License-Identifier: UNLICENSED */
/*
 * The tenant that a command names: its state, who holds its portal; or what is
 * wrong with the name.
 */
#include "cli_priv.h"

static enum err
no_such_tenant(const char *name, const json_t *names, struct fault *f)
{
    size_t n = json_array_size(names);
    const char **all = mem_array(n + 1, sizeof(*all));
    const char *near;

    for (size_t i = 0; i < n; i++) {
        all[i] = json_string_value(json_array_get(names, i));
    }
    near = text_nearest(name, all);
    (void)fault_set(f, ERR_USAGE,
                    "there is no tenant named %s%s%s%s; see `ml-connector "
                    "tenant list`",
                    name, near != NULL ? ", did you mean " : "",
                    near != NULL ? near : "", near != NULL ? "?" : "");
    mem_free(all);
    return ERR_USAGE;
}

enum err
cli_target(struct cli *c, const char *name, json_t **tenant, struct fault *f)
{
    struct app *a = &c->app;
    struct store_op *op;
    json_t *o = NULL;
    enum err err;

    *tenant = NULL;
    if (app_wait(a, store_request_target(a->store, name, app_on_json, a,
                                         &op)) != ERR_OK) {
        *f = a->fault;
        return f->err;
    }
    err = cli_document(c, &o, f);
    if (err == ERR_OK && json_is_object(json_object_get(o, "tenant"))) {
        *tenant = json_incref(json_object_get(o, "tenant"));
    } else if (err == ERR_OK) {
        err = no_such_tenant(name, json_object_get(o, "names"), f);
    }
    json_decref(o);
    return err;
}

enum err
cli_target_removed(const char *name, struct fault *f)
{
    return fault_set(f, ERR_NOT_FOUND,
                     "tenant %s was removed: `ml-connector audit %s` still "
                     "tells of it, `ml-connector tenant add %s` adds it anew",
                     name, name, name);
}

bool
cli_tenant_exists(struct cli *c, const char *name)
{
    json_t *tenant = NULL;
    struct fault f;
    enum err err;

    fault_clear(&f);
    err = cli_target(c, name, &tenant, &f);
    if (err == ERR_OK && text_equal(jsonx_text(tenant, "state"), "removed")) {
        err = cli_target_removed(name, &f);
    }
    json_decref(tenant);
    c->app.fault = f;
    return err == ERR_OK;
}

bool
cli_tenant_existed(struct cli *c, const char *name)
{
    json_t *tenant = NULL;
    struct fault f;
    enum err err;

    fault_clear(&f);
    err = cli_target(c, name, &tenant, &f);
    json_decref(tenant);
    c->app.fault = f;
    return err == ERR_OK;
}
