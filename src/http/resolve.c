/* SPDX-License-Identifier: UNLICENSED */
/*
 * Names to addresses, in libuv's pool, so that libcurl never starts a thread of
 * its own for it: each transfer is given the addresses it may use.
 *
 *     host: UNKNOWN --asked--> QUEUED -> RUNNING --answer--> FRESH
 *              ^                            |  no answer       |
 *              +----------------------------+  <---- 60 s -----+
 *
 * The pool also parses pages, so at most two look-ups run at a time. A name
 * that cannot be looked up any more keeps its old addresses; one that never
 * could fails what waits for it. A literal address needs nothing.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <uv.h>

#include "http_priv.h"

enum { LOOKUP_MAGIC = 0x4c4f4f4b };

struct lookup {
    unsigned magic;
    uv_getaddrinfo_t req;
    struct http *http;
    struct http_host *host;
};

/* ---- hosts -------------------------------------------------------------- */

static bool
is_literal(const char *name)
{
    struct in_addr v4;

    return name[0] == '[' || inet_pton(AF_INET, name, &v4) == 1;
}

struct http_host *
http_host_new(const char *key)
{
    struct http_host *host = MEM_NEW(struct http_host);
    const char *colon = strrchr(key, ':');

    ML_ASSERT(colon != NULL);
    host->name = mem_strndup(key, (size_t)(colon - key));
    host->port = mem_strdup(colon + 1);
    host->literal = is_literal(host->name);
    return host;
}

void
http_host_free(struct http_host *host)
{
    if (host == NULL) {
        return;
    }
    ML_ASSERT(!host->looking);
    list_remove(&host->queued);
    mem_free(host->name);
    mem_free(host->port);
    mem_free(host->addresses);
    mem_free(host);
}

/* ---- looking up --------------------------------------------------------- */

/* "+host:port:1.2.3.4,[::1]": what CURLOPT_RESOLVE takes; the plus lets
 * libcurl forget it again. NULL when there is no usable address. */
static char *
addresses_of(const struct http_host *host, const struct addrinfo *first)
{
    char text[INET6_ADDRSTRLEN];
    size_t n = 0;
    struct buf b;
    char *out;

    buf_init(&b, 4096);
    buf_addf(&b, "+%s:%s:", host->name, host->port);
    for (const struct addrinfo *ai = first; ai != NULL; ai = ai->ai_next) {
        if (uv_ip_name(ai->ai_addr, text, sizeof(text)) == 0) {
            buf_addf(&b, ai->ai_family == AF_INET6 ? "%s[%s]" : "%s%s",
                     n++ > 0 ? "," : "", text);
        }
    }
    out = n > 0 && !b.failed ? mem_strdup(buf_text(&b)) : NULL;
    buf_fini(&b);
    return out;
}

static void lookups_go_on(struct http *h);

static void
on_answer(uv_getaddrinfo_t *req, int status, struct addrinfo *first)
{
    struct lookup *l = req->data;
    struct http *h = l->http;
    struct http_host *host = l->host;
    char *addresses = NULL;

    ML_ASSERT(l->magic == LOOKUP_MAGIC);
    if (status == 0) {
        addresses = addresses_of(host, first);
    }
    uv_freeaddrinfo(first);
    host->looking = false;
    if (addresses != NULL) {
        mem_free(host->addresses);
        host->addresses = addresses;
    }
    if (host->addresses != NULL) {
        host->fresh_until_us =
            clock_mono_us() + (int64_t)HTTP_FRESH_S * 1000000;
    }
    l->magic = 0;
    mem_free(l);
    h->lookups--;
    if (!h->closing) {
        lookups_go_on(h);
        http_host_answered(h, host,
                           status != 0 ? uv_strerror(status) : "no address");
    }
    http_handle_closed(h);
}

static void
look_up(struct http *h, struct http_host *host)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                          .ai_flags = AI_ADDRCONFIG};
    struct lookup *l = MEM_NEW(struct lookup);

    l->magic = LOOKUP_MAGIC;
    l->http = h;
    l->host = host;
    l->req.data = l;
    host->looking = true;
    h->lookups++;
    h->handles++;
    ML_ASSERT(uv_getaddrinfo(loop_uv(h->loop), &l->req, on_answer, host->name,
                             NULL, &hints) == 0);
}

static void
lookups_go_on(struct http *h)
{
    struct list *item;

    while (h->lookups < HTTP_LOOKUPS_MAX &&
           (item = list_pop(&h->lookup_queue)) != NULL) {
        look_up(h, CONTAINER_OF(item, struct http_host, queued));
    }
}

bool
http_host_ready(struct http *h, struct http_host *host)
{
    if (host->literal ||
        (host->addresses != NULL && clock_mono_us() < host->fresh_until_us)) {
        return true;
    }
    if (!host->looking && !list_linked(&host->queued)) {
        list_push(&h->lookup_queue, &host->queued);
        lookups_go_on(h);
    }
    return false;
}
