/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_HTTP_PRIV_H
#define ML_HTTP_PRIV_H

/*
 * What the files of http share:
 *   http.c     open, send, cancel, admission, close
 *   shard.c    one multi handle on the loop: sockets, timer, finished transfers
 *   transfer.c one easy handle: options, body in and out, what an error means
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
    HTTP_COLD_MAX = 64,       /* host names being resolved: a thread each */
    HTTP_WARM_S = 50,         /* less than libcurl keeps an address, 60 s */
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
    int64_t warm_us; /* last time its name was surely resolved; 0: never */
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
    struct http_host hubspot_host;
    CURL *spare[HTTP_EASY_SPARE];
    size_t spare_count;
    size_t ops;
    size_t waiting;
    size_t cold; /* active ops whose name may be being resolved */
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
    char *url;
    char *method;
    char *body;
    size_t body_len;
    size_t body_at;
    bool has_body;
    bool plain;
    bool cold;
    bool maybe_sent;
    bool too_large;
    int64_t timeout_ms;
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
void http_op_warm(struct http_op *op); /* its name is resolved */
void http_op_unlink(struct http_op *op);
void http_shard_pump(struct http_shard *s);
void http_handle_closed(struct http *h);

/* shard.c */
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
