/* SPDX-License-Identifier: UNLICENSED */
/*
 * The recording: every request a simulator was asked, in the order it was
 * handled, as a file that can be played back.
 *
 *     ml-recording 1
 *     fusion GET 200 2 0 /crmRestApi/...?q=...    server method status
 *     authorization: Bearer ...                   headers body-bytes target,
 *     accept: application/json                    then so many header lines
 *                                                 and the body, then a newline
 *
 * Written out under the server's lock, so two requests never mix and the file
 * is whole between them. Headers of the
 * connection and of the body's length are left out: who plays it back has its
 * own. A recording holds the sandbox's credentials and whole bodies; it is
 * readable by its owner only (the umask). A write that fails is
 * said once, and the recording ends there.
 */
#include "sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { TARGET_MAX = 1024 * 1024 };

struct sim_record {
    FILE *file;
    char *path;
};

/* One request's target and headers while they are put together. */
struct line {
    struct buf target, headers;
    size_t count;
};

static void
add_encoded(struct buf *b, const char *s, bool path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                                "uvwxyz0123456789-._~";

    for (; *s != '\0'; s++) {
        if (strchr(plain, *s) != NULL || (path && *s == '/')) {
            buf_addc(b, *s);
        } else {
            buf_addf(b, "%%%02X", (unsigned)(unsigned char)*s);
        }
    }
}

static void
on_argument(void *arg, const char *name, const char *value)
{
    struct line *l = arg;

    buf_addc(&l->target, l->count++ == 0 ? '?' : '&');
    add_encoded(&l->target, name, false);
    if (value != NULL) {
        buf_addc(&l->target, '=');
        add_encoded(&l->target, value, false);
    }
}

static void
on_header(void *arg, const char *name, const char *value)
{
    static const char *const own[] = {"Host", "Content-Length", "Connection",
                                      "Expect", "Transfer-Encoding"};
    struct line *l = arg;

    for (size_t i = 0; i < COUNT_OF(own); i++) {
        if (strcasecmp(name, own[i]) == 0) {
            return;
        }
    }
    if (value != NULL) {
        buf_addf(&l->headers, "%s: %s\n", name, value);
        l->count++;
    }
}

static void
record_end(struct sim_record *rec)
{
    if (rec->file != NULL && fclose(rec->file) != 0) {
        fprintf(stderr, "ml-sandbox: cannot write %s: %s\n", rec->path,
                strerror(errno));
    }
    rec->file = NULL;
}

struct sim_record *
sim_record_open(const char *path)
{
    struct sim_record *rec = MEM_NEW(struct sim_record);

    rec->path = mem_strdup(path);
    rec->file = fopen(path, "w");
    if (rec->file == NULL || fputs("ml-recording 1\n", rec->file) < 0) {
        fprintf(stderr, "ml-sandbox: cannot write %s: %s\n", path,
                strerror(errno));
        sim_record_close(rec);
        return NULL;
    }
    return rec;
}

void
sim_record_close(struct sim_record *rec)
{
    if (rec != NULL) {
        record_end(rec);
        mem_free(rec->path);
        mem_free(rec);
    }
}

void
sim_record_add(struct sim_record *rec, const struct sim_request *r,
               const struct sim_reply *p)
{
    struct line l = {.count = 0};
    bool ok;

    if (rec->file == NULL) {
        return;
    }
    buf_init(&l.target, TARGET_MAX);
    buf_init(&l.headers, TARGET_MAX);
    add_encoded(&l.target, r->path, true);
    sim_query_each(r, on_argument, &l);
    l.count = 0;
    sim_header_each(r, on_header, &l);
    ok = !l.target.failed && !l.headers.failed &&
         fprintf(rec->file, "%s %s %d %zu %zu %s\n%s",
                 sim_server_name(r->server), r->method, p->status, l.count,
                 r->body_len, buf_text(&l.target), buf_text(&l.headers)) > 0 &&
         fwrite(r->body, 1, r->body_len, rec->file) == r->body_len &&
         fputc('\n', rec->file) != EOF && fflush(rec->file) == 0;
    buf_fini(&l.target);
    buf_fini(&l.headers);
    if (!ok) {
        fprintf(stderr, "ml-sandbox: the recording ends: cannot write %s\n",
                rec->path);
        record_end(rec);
    }
}
