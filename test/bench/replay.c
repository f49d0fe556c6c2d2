/* SPDX-License-Identifier: UNLICENSED */
/*
 * The bare loop a worker is compared with: sends the requests of a recording
 * of the sandbox one after another by libcurl's easy interface, with
 * connections kept alive, reads each answer and throws it away.
 *
 *     bench-replay FILE FUSION_URL HUBSPOT_URL
 *
 * It neither parses, maps, stores nor waits: what it costs is the price of the
 * requests alone. Headers and bodies go out as they were recorded. Prints one
 * line of JSON; `differ` counts answers whose status is not the recorded one.
 * Exits 1 when the recording is damaged or a request got no answer at all.
 */
#include "ml/base.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { HEADERS_MAX = 64, SERVERS = 2, METHOD_MAX = 16, SERVER_MAX = 16 };

struct replay {
    FILE *file;
    CURL *curl;
    const char *base[SERVERS]; /* fusion, hubspot */
    char *line, *body;
    size_t line_cap, body_cap;
    uint64_t requests[SERVERS], differ, sent_bytes, read_bytes;
};

/* One request's first line. */
struct head {
    char server[SERVER_MAX], method[METHOD_MAX];
    int status;
    size_t headers, body_bytes;
    const char *target; /* in replay.line */
};

static bool
damaged(const struct replay *r, const char *what)
{
    uint64_t n = r->requests[0] + r->requests[1];

    fprintf(stderr, "bench-replay: request %" PRIu64 ": %s\n", n + 1, what);
    return false;
}

/* A line without its newline; NULL at the end. */
static char *
read_line(struct replay *r)
{
    ssize_t n = getline(&r->line, &r->line_cap, r->file);

    if (n <= 0) {
        return NULL;
    }
    if (r->line[n - 1] == '\n') {
        r->line[n - 1] = '\0';
    }
    return r->line;
}

static bool
read_head(struct replay *r, struct head *h)
{
    int at = -1;

    if (sscanf(r->line, "%15s %15s %d %zu %zu %n", h->server, h->method,
               &h->status, &h->headers, &h->body_bytes, &at) < 5 ||
        at < 0 || r->line[at] != '/' || h->headers > HEADERS_MAX) {
        return damaged(r, "no head line");
    }
    h->target = r->line + at;
    return true;
}

static bool
read_body(struct replay *r, size_t n)
{
    if (n + 1 > r->body_cap) {
        r->body_cap = n + 1;
        r->body = mem_resize(r->body, r->body_cap);
    }
    if (fread(r->body, 1, n + 1, r->file) != n + 1 || r->body[n] != '\n') {
        return damaged(r, "the body is cut off");
    }
    return true;
}

static size_t
on_answer(char *data, size_t size, size_t n, void *arg)
{
    struct replay *r = arg;

    (void)data;
    r->read_bytes += size * n;
    return size * n;
}

static bool
perform(struct replay *r, const struct head *h, struct curl_slist *headers)
{
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode code;

    curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, h->method);
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, why);
    if (h->body_bytes > 0) {
        curl_easy_setopt(r->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, r->body);
        curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)h->body_bytes);
    } else {
        curl_easy_setopt(r->curl, CURLOPT_HTTPGET, 1L);
    }
    code = curl_easy_perform(r->curl);
    curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK) {
        return damaged(r, why[0] != '\0' ? why : curl_easy_strerror(code));
    }
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    r->sent_bytes += h->body_bytes;
    r->differ += status != h->status;
    return true;
}

/* The request whose head line stands in r->line. */
static bool
replay_one(struct replay *r)
{
    struct curl_slist *headers = NULL;
    struct head h;
    size_t server;
    char *url;
    bool ok;

    if (!read_head(r, &h)) {
        return false;
    }
    server = strcmp(h.server, "hubspot") == 0 ? 1 : 0;
    url = mem_printf("%s%s", r->base[server], h.target);
    curl_easy_setopt(r->curl, CURLOPT_URL, url);
    mem_free(url);
    headers = curl_slist_append(NULL, "Expect:");
    ok = headers != NULL;
    for (size_t i = 0; ok && i < h.headers; i++) {
        struct curl_slist *more = NULL;

        if (read_line(r) != NULL) {
            more = curl_slist_append(headers, r->line);
        }
        ok = more != NULL || damaged(r, "a header is missing");
        headers = more != NULL ? more : headers;
    }
    ok = ok && read_body(r, h.body_bytes) && perform(r, &h, headers);
    r->requests[server]++;
    curl_slist_free_all(headers);
    return ok;
}

static bool
replay_all(struct replay *r)
{
    if (read_line(r) == NULL || strcmp(r->line, "ml-recording 1") != 0) {
        fputs("bench-replay: this is no recording\n", stderr);
        return false;
    }
    while (read_line(r) != NULL) {
        if (!replay_one(r)) {
            return false;
        }
    }
    return ferror(r->file) == 0;
}

static int64_t
micros(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + (int64_t)t.tv_usec;
}

static void
report(const struct replay *r, int64_t wall_us)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    printf("{\"wall_us\":%" PRId64 ",\"user_us\":%" PRId64
           ",\"system_us\":%" PRId64 ",\"fusion\":%" PRIu64
           ",\"hubspot\":%" PRIu64 ",\"differ\":%" PRIu64
           ",\"sent_bytes\":%" PRIu64 ",\"read_bytes\":%" PRIu64 "}\n",
           wall_us, micros(u.ru_utime), micros(u.ru_stime), r->requests[0],
           r->requests[1], r->differ, r->sent_bytes, r->read_bytes);
}

static bool
replay_open(struct replay *r, const char *path)
{
    r->file = fopen(path, "r");
    if (r->file == NULL) {
        fprintf(stderr, "bench-replay: cannot read %s: %s\n", path,
                strerror(errno));
        return false;
    }
    r->curl = curl_easy_init();
    if (r->curl == NULL) {
        fputs("bench-replay: libcurl does not start\n", stderr);
        return false;
    }
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(r->curl, CURLOPT_HTTP_VERSION,
                     (long)CURL_HTTP_VERSION_1_1);
    return true;
}

int
main(int argc, char **argv)
{
    struct replay r = {.file = NULL};
    int64_t begun_us = clock_mono_us();
    bool ok;

    if (argc != 4) {
        fputs("usage: bench-replay FILE FUSION_URL HUBSPOT_URL\n", stderr);
        return 2;
    }
    r.base[0] = argv[2];
    r.base[1] = argv[3];
    curl_global_init(CURL_GLOBAL_DEFAULT);
    ok = replay_open(&r, argv[1]) && replay_all(&r);
    if (ok) {
        report(&r, clock_mono_us() - begun_us);
    }
    if (r.curl != NULL) {
        curl_easy_cleanup(r.curl);
    }
    if (r.file != NULL) {
        fclose(r.file);
    }
    curl_global_cleanup();
    mem_free(r.line);
    mem_free(r.body);
    return ok ? 0 : 1;
}
