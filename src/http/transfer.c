/* SPDX-License-Identifier: UNLICENSED */
/*
 * One transfer as libcurl sees it: its options, its body on the way out and in,
 * and what its end means to us.
 *
 * The body goes out through a read callback that cannot seek. libcurl silently
 * sends a request again when a kept connection dies before the answer; a body
 * it cannot rewind makes it report an error instead, so that a write happens
 * once or is known to be in doubt. A write without a body has nothing to rewind
 * and gets a new connection.
 *
 * The answer is counted decoded and cut at its ceiling: a small compressed body
 * may be a large one.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_priv.h"

enum { KEEPALIVE_IDLE_S = 60, KEEPALIVE_EVERY_S = 30 };

struct http_op *
http_op_from(void *arg)
{
    struct http_op *op = arg;

    ML_ASSERT(op != NULL && op->magic == HTTP_OP_MAGIC);
    return op;
}

/* ---- headers of the request --------------------------------------------- */

static bool
is_header(const char *s)
{
    const char *colon = strchr(s, ':');

    return colon != NULL && colon != s && strpbrk(s, "\r\n") == NULL;
}

static void
add_header(struct http_op *op, const char *line)
{
    struct curl_slist *longer = curl_slist_append(op->headers, line);

    ML_ASSERT(longer != NULL);
    op->headers = longer;
}

/* "Authorization: " and what is given, without leaving copies behind. */
static void
add_authorization(struct http_op *op, const char *scheme, const char *value)
{
    char *line = mem_printf("Authorization: %s %s", scheme, value);

    add_header(op, line);
    secret_wipe_bytes(line, strlen(line));
    mem_free(line);
}

static void
add_basic(struct http_op *op, const char *user, const struct secret *password)
{
    size_t user_len = strlen(user);
    size_t len = user_len + 1 + (password != NULL ? secret_len(password) : 0);
    char *pair = mem_alloc(len + 1);
    char *coded;

    memcpy(pair, user, user_len);
    pair[user_len] = ':';
    if (password != NULL) {
        memcpy(pair + user_len + 1, secret_bytes(password),
               secret_len(password));
    }
    coded = base64_encode(pair, len);
    add_authorization(op, "Basic", coded);
    secret_wipe_bytes(coded, strlen(coded));
    secret_wipe_bytes(pair, len);
    mem_free(coded);
    mem_free(pair);
}

enum err
http_op_headers(struct http_op *op, const struct http_spec *spec)
{
    const char *const *line;
    char *type;

    for (line = spec->headers; line != NULL && *line != NULL; line++) {
        if (!is_header(*line)) {
            return ERR_USAGE;
        }
        add_header(op, *line);
    }
    if (spec->bearer != NULL) {
        const char *token = (const char *)secret_bytes(spec->bearer);

        if (strpbrk(token, "\r\n") != NULL) {
            return ERR_USAGE;
        }
        add_authorization(op, "Bearer", token);
    } else if (spec->basic_user != NULL) {
        add_basic(op, spec->basic_user, spec->basic_password);
    }
    if (spec->body != NULL) {
        type = mem_printf("Content-Type: %s", spec->content_type != NULL ?
                                                  spec->content_type :
                                                  "application/json");
        if (is_header(type)) {
            add_header(op, type);
            mem_free(type);
        } else {
            mem_free(type);
            return ERR_USAGE;
        }
    }
    /* Otherwise libcurl waits up to a second for leave to send a large body. */
    add_header(op, "Expect:");
    return ERR_OK;
}

/* ---- libcurl's callbacks ------------------------------------------------ */

/* However long a request waited for its connection or for the peer to read on:
 * after its time nothing of it leaves any more. One that breaks off before its
 * end does nothing at the peer. */
static bool
is_too_late(struct http_op *op)
{
    op->too_late = op->until_us != NULL && clock_mono_us() >= *op->until_us;
    return op->too_late;
}

static size_t
on_read(char *to, size_t size, size_t count, void *arg)
{
    struct http_op *op = http_op_from(arg);
    size_t room = size * count;
    size_t n = op->body_len - op->body_at;

    if (is_too_late(op)) {
        return CURL_READFUNC_ABORT;
    }
    if (n > room) {
        n = room;
    }
    if (n > 0) {
        memcpy(to, op->body + op->body_at, n);
        op->body_at += n;
    }
    return n;
}

static size_t
on_write(char *from, size_t size, size_t count, void *arg)
{
    struct http_op *op = http_op_from(arg);
    size_t n = size * count;

    buf_add(&op->answer, from, n);
    if (op->answer.failed) {
        op->too_large = true;
        return 0;
    }
    return n;
}

static size_t
on_header(char *from, size_t size, size_t count, void *arg)
{
    struct http_op *op = http_op_from(arg);
    size_t n = size * count;
    size_t len = n;

    if (n >= 5 && memcmp(from, "HTTP/", 5) == 0) {
        buf_reset(&op->answer_headers);
        return n;
    }
    while (len > 0 && (from[len - 1] == '\r' || from[len - 1] == '\n' ||
                       from[len - 1] == ' ' || from[len - 1] == '\t')) {
        len--;
    }
    if (len == 0 || memchr(from, '\0', len) != NULL) {
        return n;
    }
    buf_add(&op->answer_headers, from, len);
    buf_addc(&op->answer_headers, '\0');
    if (op->answer_headers.failed) {
        op->too_large = true;
        return 0;
    }
    return n;
}

/* The connection stands; the next thing is the request's first byte. */
static int
on_request(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct http_op *op = http_op_from(arg);

    (void)peer_ip;
    (void)own_ip;
    (void)peer_port;
    (void)own_port;
    if (is_too_late(op)) {
        return CURL_PREREQFUNC_ABORT;
    }
    op->maybe_sent = true;
    CRASH_POINT("send.starts", op->name);
    return CURL_PREREQFUNC_OK;
}

/* ---- options ------------------------------------------------------------ */

/* An option that fails is a mistake of ours or no memory. */
static void
must(CURLcode code)
{
    ML_ASSERT(code == CURLE_OK);
}

static void
setup_connection(struct http_op *op)
{
    CURL *e = op->easy;
    const struct http *h = op->http;

    must(curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L));
    must(curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L));
    must(curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR,
                          op->plain ? "http" : "https"));
    must(curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L));
    must(
        curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1));
    /* Never the environment's; nor one between us and ourselves. */
    must(curl_easy_setopt(e, CURLOPT_PROXY,
                          h->proxy != NULL && !op->plain ? h->proxy : ""));
    must(curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L));
    must(curl_easy_setopt(e, CURLOPT_CAPATH, NULL));
    must(curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_path));
    must(curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L));
    must(curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L));
    must(
        curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2));
    must(curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS));
    must(curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L));
    must(curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S));
    must(curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_EVERY_S));
    must(curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_request));
    must(curl_easy_setopt(e, CURLOPT_PREREQDATA, op));
}

static void
setup_method(struct http_op *op)
{
    CURL *e = op->easy;
    bool get = strcmp(op->method, "GET") == 0;

    if (op->has_body) {
        must(curl_easy_setopt(e, CURLOPT_POST, 1L));
        must(curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
                              (curl_off_t)op->body_len));
        must(curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read));
        must(curl_easy_setopt(e, CURLOPT_READDATA, op));
    } else if (get) {
        must(curl_easy_setopt(e, CURLOPT_HTTPGET, 1L));
    }
    if (!get || op->has_body) {
        must(curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, op->method));
    }
    if (!get && op->body_len == 0) {
        must(curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L));
    }
}

void
http_op_setup(struct http_op *op)
{
    CURL *e = op->easy;

    must(curl_easy_setopt(e, CURLOPT_PRIVATE, op));
    must(curl_easy_setopt(e, CURLOPT_ERRORBUFFER, op->error));
    must(curl_easy_setopt(e, CURLOPT_URL, op->url));
    must(curl_easy_setopt(e, CURLOPT_USERAGENT, op->http->user_agent));
    must(curl_easy_setopt(e, CURLOPT_HTTPHEADER, op->headers));
    must(curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip"));
    must(curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)op->timeout_ms));
    must(curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE,
                          (curl_off_t)op->answer.max));
    must(curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write));
    must(curl_easy_setopt(e, CURLOPT_WRITEDATA, op));
    must(curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header));
    must(curl_easy_setopt(e, CURLOPT_HEADERDATA, op));
    if (http_op_via(op)->addresses != NULL) {
        op->resolve = curl_slist_append(NULL, http_op_via(op)->addresses);
        ML_ASSERT(op->resolve != NULL);
        must(curl_easy_setopt(e, CURLOPT_RESOLVE, op->resolve));
    }
    setup_connection(op);
    setup_method(op);
}

void
http_op_free(struct http_op *op)
{
    struct curl_slist *item;

    for (item = op->headers; item != NULL; item = item->next) {
        secret_wipe_bytes(item->data, strlen(item->data));
    }
    curl_slist_free_all(op->headers);
    curl_slist_free_all(op->resolve);
    if (op->body != NULL) {
        /* A token request has its secrets here. */
        secret_wipe_bytes(op->body, op->body_len);
        mem_free(op->body);
    }
    buf_fini(&op->answer);
    buf_fini(&op->answer_headers);
    mem_free(op->url);
    mem_free(op->name);
    mem_free(op->method);
    op->magic = 0;
    mem_free(op);
}

/* ---- the end ------------------------------------------------------------ */

static enum err
error_of(const struct http_op *op, CURLcode code)
{
    long verify = 0;

    if (op->too_large) {
        return ERR_TOO_LARGE;
    }
    if (op->too_late) {
        return ERR_TIMEOUT;
    }
    /* Only what needs more than "it broke" is named. */
    switch ((int)code) {
    case CURLE_OK:
        return ERR_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return ERR_RESOLVE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
        return ERR_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_FILESIZE_EXCEEDED:
        return ERR_TOO_LARGE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CLIENTCERT:
        return ERR_TLS;
    case CURLE_SSL_CONNECT_ERROR:
        (void)curl_easy_getinfo(op->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
        return verify != 0 ? ERR_TLS : ERR_CONNECT;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
        return ERR_SYNTAX;
    default:
        return op->maybe_sent ? ERR_RESET : ERR_CONNECT;
    }
}

enum err
http_op_error(const struct http_op *op, CURLcode code, char message[256])
{
    enum err err = error_of(op, code);
    const char *hint = "";
    const char *words =
        op->error[0] != '\0' ? op->error : curl_easy_strerror(code);
    struct buf b;

    message[0] = '\0';
    if (err == ERR_OK) {
        return err;
    }
    if (op->too_large) {
        words = op->answer.failed ? "the body is larger than allowed" :
                                    "the headers are larger than allowed";
    }
    if (op->too_late) {
        words = "its time was over before all of it had left";
    }
    if (err == ERR_TLS && (strstr(words, "issuer") != NULL ||
                           strstr(words, "self-signed") != NULL ||
                           strstr(words, "self signed") != NULL)) {
        hint = " (a private authority's certificate is added with ca_file)";
    }
    buf_init(&b, (size_t)2 * CURL_ERROR_SIZE);
    buf_addf(&b, "%.180s%s", words, hint);
    if (b.len > 255) {
        b.len = 255;
    }
    memcpy(message, buf_text(&b), b.len);
    message[b.len] = '\0';
    buf_fini(&b);
    return err;
}

const char *
http_header(const struct http_reply *r, const char *name)
{
    const struct buf *b = r->inner;
    size_t name_len = strlen(name);
    const char *line;
    const char *end;

    if (b == NULL || b->data == NULL) {
        return NULL;
    }
    end = b->data + b->len;
    for (line = b->data; line < end; line += strlen(line) + 1) {
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            line += name_len + 1;
            return line + strspn(line, " \t");
        }
    }
    return NULL;
}
