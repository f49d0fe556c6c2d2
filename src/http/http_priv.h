/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_HTTP_PRIV_H
#define ML_HTTP_PRIV_H

/*
 * What the files of http share:
 *   http.c     open, send, cancel, admission, close
 *   shard.c    one multi handle on the loop: sockets, timer, finished transfers
 *   transfer.c one easy handle: options, body in and out, what an error means
 *   resolve.c  names to addresses, in libuv's pool
 *   ca.c       the file of trusted certificates
 *   url.c      which URLs may be used
 */
#include <curl/curl.h>

#include "ml/http.h"

enum {
    HTTP_MAGIC = 0x48545450,
    HTTP_OP_MAGIC = 0x484f5021,
    HTTP_SHARD_MAGIC = 0x48534844,
    HTTP_SHARD_HOSTS = 250, /* beyond it one multi handle gets slow */
    HTTP_SHARD_ACTIVE = 512,
    HTTP_SHARD_CONNECTIONS = 512, /* kept; libcurl's default follows the load */
    HTTP_SHARDS_MAX = 64,
    HTTP_WAITING_MAX = 50000, /* sends that libcurl does not know of yet */
    HTTP_LOOKUPS_MAX = 2, /* of the pool's threads; the others parse pages */
    HTTP_FRESH_S = 60,    /* how long looked-up addresses are used */
    HTTP_HOST_KEEP_S = 3600,
    HTTP_EASY_SPARE = 64,
    HTTP_CONNECT_MS = 10000,
    HTTP_HEADERS_MAX = 64 * 1024,
    HTTP_BODY_MAX = 64 * 1024 * 1024,
    HTTP_CA_MAX = 16 * 1024 * 1024
};

/* One multi handle. Lives until the engine is gone. */
struct http_shard {
    unsigned magic;
    struct http *http;
    CURLM *multi;
    struct loop_timer timer;
    struct list active;  /* ops that libcurl has */
    struct list waiting; /* ops that it has not */
    struct list watches; /* open poll handles */
    size_t active_count;
    size_t hosts;
};

/* One "host:port" of Fusion and the shard it belongs to. */
struct http_host {
    struct http_shard *shard;
    size_t ops;
    int64_t used_us;
    char *name; /* without the port */
    char *port;
    char *addresses; /* as CURLOPT_RESOLVE takes them; NULL: not known */
    int64_t fresh_until_us;
    struct list queued; /* waits to be looked up */
    bool looking;
    bool literal; /* the name is an address */
};

struct http {
    unsigned magic;
    struct loop *loop;
    char *user_agent;
    char *proxy;
    char *ca_path;
    int ca_fd; /* what ca_path names, or -1 */
    struct http_shard *fusion[HTTP_SHARDS_MAX];
    size_t fusion_count;
    struct http_shard *hubspot;
    struct map hosts;
    CURL *spare[HTTP_EASY_SPARE];
    size_t spare_count;
    size_t ops;
    size_t waiting;
    struct http_host *proxy_host; /* NULL: no proxy */
    struct list lookup_queue;     /* hosts */
    size_t lookups;
    struct loop_call pump;
    size_t handles; /* open or closing */
    bool closing;
    loop_fn *closed;
    void *closed_arg;
    struct loop_call finish;
};

struct http_op {
    unsigned magic;
    struct list link;
    struct http *http;
    struct http_shard *shard;
    struct http_host *host;
    CURL *easy; /* set while libcurl has it */
    struct curl_slist *headers;
    struct curl_slist *resolve;
    char *url;
    char *name;
    char *method;
    char *body;
    size_t body_len;
    size_t body_at;
    bool has_body;
    bool plain;
    bool maybe_sent;
    bool too_large;
    bool too_late; /* until_us was over */
    bool told_out; /* crash points: it has gone out */
    int64_t timeout_ms;
    const int64_t *until_us;
    int64_t sent_us;
    struct buf answer;
    struct buf answer_headers; /* "Name: value\0" each */
    char error[CURL_ERROR_SIZE];
    http_done_fn *done;
    void *arg;
};

struct http_op *http_op_from(void *arg);

/* transfer.c */
MUST_USE enum err http_op_headers(struct http_op *op,
                                  const struct http_spec *spec);
void http_op_setup(struct http_op *op);
void http_op_free(struct http_op *op); /* not with libcurl any more */
enum err http_op_error(const struct http_op *op, CURLcode code,
                       char message[256]);

/* http.c */
CURL *http_easy_take(struct http *h);
void http_easy_give(struct http *h, CURL *easy);
/* The host whose address libcurl needs: the proxy's, if one is between. */
struct http_host *http_op_via(const struct http_op *op);
/* A look-up ended: what waits for the host starts, or fails with `reason`. */
void http_host_answered(struct http *h, struct http_host *host,
                        const char *reason);
void http_op_unlink(struct http_op *op);
void http_shard_pump(struct http_shard *s);
void http_handle_closed(struct http *h);

/* resolve.c */
struct http_host *http_host_new(const char *key); /* "name:port" */
void http_host_free(struct http_host *host);      /* not being looked up */
/* Whether its addresses are known; asks for them if not. */
bool http_host_ready(struct http *h, struct http_host *host);

/* shard.c */
void http_op_fail(struct http_op *op, enum err err, const char *reason);
struct http_shard *http_shard_new(struct http *h);
void http_shard_close(struct http_shard *s); /* its multi; the struct stays */

/* ca.c */
MUST_USE enum err http_ca_open(struct http *h, const char *ca_file,
                               struct fault *f);
void http_ca_close(struct http *h);

/* url.c */
struct http_url {
    char host[300]; /* lower case, with the port */
    bool plain;     /* http, hence loopback */
};
MUST_USE enum err http_url_parse(const char *url, struct http_url *out,
                                 struct fault *f);

#endif
