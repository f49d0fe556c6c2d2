/* SPDX-License-Identifier: UNLICENSED */
/*
 * The engine: which multi handle a request goes to, when it may start, and how
 * all of it ends.
 *
 *     op:  WAITING --admitted--> ACTIVE --finished--> done
 *             +--------cancel, close----+-----------> silence
 *
 * A multi handle slows down with the number of hosts in it, so Fusion's pods
 * are dealt to shards of at most 250; HubSpot has its own. What waits, waits
 * here: a transfer pending inside libcurl costs more and its wait would count
 * against its deadline. An op waits too until the addresses of its host are
 * known (resolve.c).
 *
 * Invariants: an op stands in exactly one list of its shard; op->easy is set
 * while libcurl has it; shards live as long as the engine; a host is forgotten
 * only when no op names it.
 */
#include <string.h>

#include "http_priv.h"

static struct http *
http_from(void *arg)
{
    struct http *h = arg;

    ML_ASSERT(h != NULL && h->magic == HTTP_MAGIC);
    return h;
}

/* ---- easy handles ------------------------------------------------------- */

CURL *
http_easy_take(struct http *h)
{
    CURL *easy;

    if (h->spare_count > 0) {
        return h->spare[--h->spare_count];
    }
    easy = curl_easy_init();
    ML_ASSERT(easy != NULL);
    return easy;
}

void
http_easy_give(struct http *h, CURL *easy)
{
    if (h->closing || h->spare_count == HTTP_EASY_SPARE) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    h->spare[h->spare_count++] = easy;
}

/* ---- hosts and shards --------------------------------------------------- */

/* Forgets the hosts nobody asked for lately, when room is needed. */
static void
hosts_sweep(struct http *h)
{
    int64_t old_us = clock_mono_us() - (int64_t)HTTP_HOST_KEEP_S * 1000000;
    size_t it = 0;
    const char *key;
    void *value;

    while (map_next(&h->hosts, &it, &key, &value)) {
        struct http_host *host = value;

        if (host->ops == 0 && host->used_us < old_us && !host->looking) {
            host->shard->hosts--;
            (void)map_del(&h->hosts, key);
            http_host_free(host);
        }
    }
}

static struct http_shard *
shard_with_room(const struct http *h)
{
    size_t i;

    for (i = 0; i < h->fusion_count; i++) {
        if (h->fusion[i]->hosts < HTTP_SHARD_HOSTS) {
            return h->fusion[i];
        }
    }
    return NULL;
}

/* The shard for one more host; the least filled one beyond the last. */
static struct http_shard *
shard_for_host(struct http *h)
{
    struct http_shard *s = shard_with_room(h);
    size_t i;

    if (s == NULL && h->fusion_count > 0) {
        hosts_sweep(h);
        s = shard_with_room(h);
    }
    if (s != NULL) {
        return s;
    }
    if (h->fusion_count < HTTP_SHARDS_MAX) {
        s = http_shard_new(h);
        h->fusion[h->fusion_count++] = s;
        return s;
    }
    s = h->fusion[0];
    for (i = 1; i < h->fusion_count; i++) {
        if (h->fusion[i]->hosts < s->hosts) {
            s = h->fusion[i];
        }
    }
    return s;
}

static struct http_shard *
shard_of_hubspot(struct http *h)
{
    if (h->hubspot == NULL) {
        h->hubspot = http_shard_new(h);
    }
    return h->hubspot;
}

static struct http_host *
host_find(struct http *h, enum http_peer peer, const char *name)
{
    char *key = mem_printf("%d %s", (int)peer, name);
    struct http_host *host = map_get(&h->hosts, key);

    if (host == NULL) {
        struct http_shard *s =
            peer == HTTP_HUBSPOT ? shard_of_hubspot(h) : shard_for_host(h);

        host = http_host_new(name);
        host->shard = s;
        s->hosts++;
        (void)map_put(&h->hosts, key, host);
    }
    mem_free(key);
    return host;
}

/* ---- admission ---------------------------------------------------------- */

static void
on_pump(void *arg)
{
    struct http *h = http_from(arg);
    size_t i;

    for (i = 0; i < h->fusion_count; i++) {
        http_shard_pump(h->fusion[i]);
    }
    if (h->hubspot != NULL) {
        http_shard_pump(h->hubspot);
    }
}

struct http_host *
http_op_via(const struct http_op *op)
{
    return op->http->proxy_host != NULL && !op->plain ? op->http->proxy_host :
                                                        op->host;
}

static void
op_admit(struct http_op *op)
{
    struct http_shard *s = op->shard;
    CURLMcode rc;

    list_remove(&op->link);
    list_push(&s->active, &op->link);
    s->active_count++;
    s->http->waiting--;
    op->easy = http_easy_take(s->http);
    http_op_setup(op);
    op->sent_us = clock_mono_us();
    rc = curl_multi_add_handle(s->multi, op->easy);
    ML_ASSERT(rc == CURLM_OK);
    CRASH_POINT("send.handed", op->name);
}

void
http_shard_pump(struct http_shard *s)
{
    struct list *item;
    struct list *next;

    LIST_EACH(&s->waiting, item, next)
    {
        struct http_op *op = CONTAINER_OF(item, struct http_op, link);

        if (s->active_count >= HTTP_SHARD_ACTIVE) {
            break;
        }
        if (http_host_ready(s->http, http_op_via(op))) {
            op_admit(op);
        }
    }
}

/* The first op of a shard that waits for this host's addresses. */
static struct http_op *
waiting_for(const struct http_shard *s, const struct http_host *host)
{
    struct list *item;
    struct list *next;

    LIST_EACH((struct list *)(uintptr_t)&s->waiting, item, next)
    {
        struct http_op *op = CONTAINER_OF(item, struct http_op, link);

        if (http_op_via(op) == host) {
            return op;
        }
    }
    return NULL;
}

void
http_host_answered(struct http *h, struct http_host *host, const char *reason)
{
    struct http_op *op;
    size_t i;

    if (host->addresses != NULL) {
        loop_later(h->loop, &h->pump, on_pump, h);
        return;
    }
    /* Each done may cancel others, send anew or close the engine. What is sent
     * anew looks the name up again, so this ends. */
    for (i = 0; !h->closing && i < h->fusion_count; i++) {
        while (!h->closing && !host->looking && !list_linked(&host->queued) &&
               (op = waiting_for(h->fusion[i], host)) != NULL) {
            http_op_fail(op, ERR_RESOLVE, reason);
        }
    }
    while (!h->closing && !host->looking && !list_linked(&host->queued) &&
           h->hubspot != NULL && (op = waiting_for(h->hubspot, host)) != NULL) {
        http_op_fail(op, ERR_RESOLVE, reason);
    }
}

/* Takes the op from its list, from libcurl and from all counts. */
void
http_op_unlink(struct http_op *op)
{
    struct http *h = op->http;

    list_remove(&op->link);
    if (op->easy != NULL) {
        (void)curl_multi_remove_handle(op->shard->multi, op->easy);
        http_easy_give(h, op->easy);
        op->easy = NULL;
        op->shard->active_count--;
    } else {
        h->waiting--;
    }
    op->host->ops--;
    h->ops--;
}

/* ---- public ------------------------------------------------------------- */

/* The proxy's own name is what is looked up then; libcurl's default port. */
static void
open_proxy(struct http *h)
{
    CURLU *u = curl_url();
    char *host = NULL;
    char *port = NULL;
    char *key;

    if (curl_url_set(u, CURLUPART_URL, h->proxy, CURLU_GUESS_SCHEME) ==
            CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        (void)curl_url_get(u, CURLUPART_PORT, &port, 0);
        key = mem_printf("%s:%s", host, port != NULL ? port : "1080");
        h->proxy_host = http_host_new(key);
        mem_free(key);
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

enum err
http_open(struct loop *l, const struct http_config *c, struct http **out,
          struct fault *f)
{
    struct http *h = MEM_NEW(struct http);
    enum err err;

    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        mem_free(h);
        return fault_set(f, ERR_CONFIG, "libcurl cannot be initialised");
    }
    h->magic = HTTP_MAGIC;
    h->loop = l;
    h->ca_fd = -1;
    err = http_ca_open(h, c->ca_file, f);
    if (err != ERR_OK) {
        http_ca_close(h);
        mem_free(h);
        curl_global_cleanup();
        return err;
    }
    h->user_agent = mem_strdup(
        c->user_agent != NULL ? c->user_agent : "ml-connector/" ML_VERSION);
    h->proxy = mem_strdup(c->proxy);
    map_init(&h->hosts);
    list_init(&h->lookup_queue);
    if (h->proxy != NULL) {
        open_proxy(h);
    }
    *out = h;
    return ERR_OK;
}

static bool
is_method(const char *s)
{
    static const char *const known[] = {"GET", "POST", "PATCH", "PUT",
                                        "DELETE"};
    size_t i;

    for (i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(s, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

static struct http_op *
op_new(struct http *h, const struct http_spec *spec, bool plain)
{
    struct http_op *op = MEM_NEW(struct http_op);

    op->magic = HTTP_OP_MAGIC;
    op->http = h;
    list_init(&op->link);
    op->url = mem_strdup(spec->url);
    op->name = mem_strdup(spec->name != NULL ? spec->name : "");
    op->method = mem_strdup(spec->method);
    op->plain = plain;
    /* An empty body is one too: the peer wants to see its length. */
    op->has_body = spec->body != NULL || (strcmp(spec->method, "GET") != 0 &&
                                          strcmp(spec->method, "DELETE") != 0);
    op->body_len = spec->body != NULL ? spec->body_len : 0;
    if (op->body_len > 0) {
        op->body = mem_alloc(op->body_len);
        memcpy(op->body, spec->body, op->body_len);
    }
    op->timeout_ms = spec->timeout_ms > 0 ? spec->timeout_ms : 1;
    if (op->timeout_ms > INT32_MAX) {
        op->timeout_ms = INT32_MAX;
    }
    op->until_us = spec->until_us;
    buf_init(&op->answer, spec->max_body > 0 ? spec->max_body : HTTP_BODY_MAX);
    buf_init(&op->answer_headers, HTTP_HEADERS_MAX);
    return op;
}

enum err
http_send(struct http *h, const struct http_spec *spec, http_done_fn *done,
          void *arg, struct http_op **out)
{
    struct http_url url;
    struct fault ignored;
    struct http_op *op;

    ML_ASSERT(done != NULL);
    if (out != NULL) {
        *out = NULL;
    }
    fault_clear(&ignored);
    if (h->closing) {
        return ERR_CLOSED;
    }
    if (h->waiting >= HTTP_WAITING_MAX) {
        return ERR_FULL;
    }
    if (!is_method(spec->method) ||
        http_url_parse(spec->url, &url, &ignored) != ERR_OK) {
        return ERR_USAGE;
    }
    op = op_new(h, spec, url.plain);
    if (http_op_headers(op, spec) != ERR_OK) {
        http_op_free(op);
        return ERR_USAGE;
    }
    CRASH_POINT("send.before", op->name);
    op->done = done;
    op->arg = arg;
    op->host = host_find(h, spec->peer, url.host);
    op->host->ops++;
    op->host->used_us = clock_mono_us();
    op->shard = op->host->shard;
    list_push(&op->shard->waiting, &op->link);
    h->ops++;
    h->waiting++;
    http_shard_pump(op->shard);
    if (out != NULL) {
        *out = op;
    }
    return ERR_OK;
}

void
http_cancel(struct http_op *arg)
{
    struct http_op *op;
    struct http *h;
    struct http_shard *s;

    if (arg == NULL) {
        return;
    }
    op = http_op_from(arg);
    h = op->http;
    s = op->shard;
    http_op_unlink(op);
    http_op_free(op);
    if (!list_empty(&s->waiting)) {
        loop_later(h->loop, &h->pump, on_pump, h);
    }
}

size_t
http_in_flight(const struct http *h)
{
    return h->ops;
}

/* ---- close -------------------------------------------------------------- */

static void
on_finish(void *arg)
{
    struct http *h = http_from(arg);
    loop_fn *closed = h->closed;
    void *closed_arg = h->closed_arg;
    size_t it = 0;
    const char *key;
    void *value;
    size_t i;

    while (map_next(&h->hosts, &it, &key, &value)) {
        http_host_free(value);
    }
    map_fini(&h->hosts);
    http_host_free(h->proxy_host);
    for (i = 0; i < h->fusion_count; i++) {
        mem_free(h->fusion[i]);
    }
    mem_free(h->hubspot);
    http_ca_close(h);
    mem_free(h->user_agent);
    if (h->proxy != NULL) {
        secret_wipe_bytes(h->proxy, strlen(h->proxy));
        mem_free(h->proxy);
    }
    curl_global_cleanup();
    h->magic = 0;
    mem_free(h);
    if (closed != NULL) {
        closed(closed_arg);
    }
}

void
http_handle_closed(struct http *h)
{
    h->handles--;
    if (h->closing && h->handles == 0) {
        loop_later(h->loop, &h->finish, on_finish, h);
    }
}

void
http_close(struct http *h, loop_fn *closed, void *arg)
{
    size_t i;

    (void)http_from(h);
    ML_ASSERT(!h->closing);
    h->closing = true;
    h->closed = closed;
    h->closed_arg = arg;
    loop_call_cancel(&h->pump);
    for (i = 0; i < h->fusion_count; i++) {
        http_shard_close(h->fusion[i]);
    }
    if (h->hubspot != NULL) {
        http_shard_close(h->hubspot);
    }
    while (h->spare_count > 0) {
        curl_easy_cleanup(h->spare[--h->spare_count]);
    }
    if (h->handles == 0) {
        loop_later(h->loop, &h->finish, on_finish, h);
    }
}
