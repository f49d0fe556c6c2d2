/* SPDX-License-Identifier: UNLICENSED */
/*
 * keys rotate: every secret that is sealed with another key than the first is
 * sealed anew with it. Online: each is replaced only if nobody changed it
 * meanwhile, and running workers open both as long as they hold both keys.
 * The others are opened all the same: a key may have the id of another.
 */
#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

struct rotation {
    json_t *changes;
    size_t seen, failed;
};

static void
rotate_one(struct cli *c, const json_t *row, struct rotation *r)
{
    const struct vault *v = c->app.vault;
    const char *name = jsonx_text(row, "name");
    const char *field = jsonx_text(row, "field");
    const char *sealed = jsonx_text(row, "sealed");
    struct secret *plain = NULL;
    char *again = NULL;
    struct fault f;
    bool stale = vault_is_stale(v, sealed);
    json_t *change;

    r->seen++;
    fault_clear(&f);
    if (vault_unseal(v, name, field, sealed, &plain, &f) != ERR_OK ||
        (stale && vault_seal(v, name, field, plain, &again) != ERR_OK)) {
        (void)fprintf(stderr, "ml-connector: tenant %s, %s: %s\n", name, field,
                      f.message);
        secret_free(plain);
        r->failed++;
        return;
    }
    if (!stale) {
        secret_free(plain);
        return;
    }
    change = json_object();
    json_object_set(change, "tenant", json_object_get(row, "tenant"));
    json_object_set_new(change, "field", json_string(field));
    json_object_set_new(change, "old", json_string(sealed));
    json_object_set_new(change, "new", json_string(again));
    json_array_append_new(r->changes, change);
    secret_free(plain);
    mem_free(again);
}

static enum err
replace(struct cli *c, const struct rotation *r)
{
    struct app *a = &c->app;
    struct store_op *op;
    struct jsonx_writer w;
    struct buf b;
    enum err err;

    buf_init(&b, 256 << 20);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, r->changes);
    err = app_wait(
        a, store_secrets_replace(a->store, buf_text(&b), app_on_json, a, &op));
    buf_fini(&b);
    return err;
}

int
cmd_keys_rotate(struct cli *c)
{
    struct app *a = &c->app;
    struct rotation r = {.changes = json_array()};
    json_t *rows = NULL, *row;
    struct store_op *op;
    struct fault f;
    size_t i;
    int status = APP_DONE;

    if (app_wait(a, store_secrets(a->store, app_on_json, a, &op)) != ERR_OK) {
        json_decref(r.changes);
        return cli_fail_wait(c);
    }
    if (jsonx_parse(a->json, strlen(a->json), &rows, &f) == ERR_OK) {
        json_array_foreach(rows, i, row)
        {
            rotate_one(c, row, &r);
        }
    }
    json_decref(rows);
    if (json_array_size(r.changes) > 0 && replace(c, &r) != ERR_OK) {
        status = cli_fail_wait(c);
    }
    if (status == APP_DONE) {
        (void)printf(c->json ? "{\"secrets\":%zu,\"rotated\":%zu,"
                               "\"failed\":%zu}\n" :
                               "%zu secrets, %zu sealed anew, %zu failed\n",
                     r.seen, json_array_size(r.changes), r.failed);
        status = r.failed > 0 ? APP_UNABLE : APP_DONE;
    }
    json_decref(r.changes);
    return status;
}
