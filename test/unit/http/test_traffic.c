/* SPDX-License-Identifier: UNLICENSED */
/*
 * What goes over the wire: ceilings of answers, TLS, what a request looks like,
 * many at once, and which URLs may be used at all.
 */
#include <unistd.h>
#include <zlib.h>

#include "fixture.h"
#include "http_priv.h"

static bool
say_hello(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    (void)r;
    (void)arg;
    return peer_answer(c, 200, "X-Test:  yes \r\n", "hello");
}

static bool
hold(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    (void)r;
    (void)arg;
    return peer_hold(c);
}

/* ---- size --------------------------------------------------------------- */

static bool
say_much(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    static char body[20001];

    (void)r;
    (void)arg;
    memset(body, 'x', sizeof(body) - 1);
    return peer_answer(c, 200, "", body);
}

static bool
say_much_chunked(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    unsigned chunks = *(unsigned *)arg;
    unsigned i;

    (void)r;
    (void)peer_text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (i = 0; i < chunks; i++) {
        if (!peer_text(c, "a\r\n0123456789\r\n")) {
            return false;
        }
    }
    return peer_text(c, "0\r\n\r\n");
}

static void
too_large(peer_fn *fn, void *arg)
{
    struct fx fx;
    struct end e = {0};
    struct http_spec spec = {.method = "GET", .max_body = 10000};

    fx_open(&fx, fn, arg);
    start_spec(&fx, &e, &spec, "/");
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_TOO_LARGE);
    EQ_INT(e.status, 200);
    IS(e.body_len <= 10000);
    IS(e.message[0] != '\0');
    fx_close(&fx);
}

TEST(a_body_announced_too_large_is_cut)
{
    too_large(say_much, NULL);
}

TEST(a_chunked_body_too_large_is_cut)
{
    unsigned chunks = 2000;

    too_large(say_much_chunked, &chunks);
}

TEST(a_chunked_body_arrives_whole)
{
    struct fx fx;
    struct end e = {0};
    unsigned chunks = 100;

    fx_open(&fx, say_much_chunked, &chunks);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.body_len, 1000);
    fx_close(&fx);
}

struct zipped {
    unsigned char data[65536];
    size_t len;
};

static void
zip(struct zipped *z, size_t zeros)
{
    static unsigned char plain[65536];
    z_stream s;

    memset(&s, 0, sizeof(s));
    memset(plain, 'a', sizeof(plain));
    EQ_INT(deflateInit2(&s, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
           Z_OK);
    s.next_out = z->data;
    s.avail_out = sizeof(z->data);
    while (zeros > 0) {
        s.next_in = plain;
        s.avail_in =
            zeros < sizeof(plain) ? (unsigned)zeros : (unsigned)sizeof(plain);
        zeros -= s.avail_in;
        EQ_INT(deflate(&s, zeros == 0 ? Z_FINISH : Z_NO_FLUSH),
               zeros == 0 ? Z_STREAM_END : Z_OK);
    }
    z->len = sizeof(z->data) - s.avail_out;
    (void)deflateEnd(&s);
}

static bool
say_zipped(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    const struct zipped *z = arg;
    char head[128];

    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   z->len);
    if (strstr(r->head, "Accept-Encoding: gzip") == NULL) {
        return peer_answer(c, 406, "", "");
    }
    return peer_text(c, head) && peer_write(c, (const char *)z->data, z->len);
}

TEST(a_compressed_body_arrives_decoded)
{
    struct fx fx;
    struct end e = {0};
    static struct zipped z;

    zip(&z, 100000);
    fx_open(&fx, say_zipped, &z);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.body_len, 100000);
    fx_close(&fx);
}

TEST(a_small_body_that_unpacks_to_a_large_one_is_cut)
{
    static struct zipped z;

    zip(&z, 20000000);
    IS(z.len < 30000);
    struct fx fx;
    struct end e = {0};
    struct http_spec spec = {.method = "GET", .max_body = 1000000};

    fx_open(&fx, say_zipped, &z);
    start_spec(&fx, &e, &spec, "/");
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_TOO_LARGE);
    IS(e.body_len <= 1000000);
    fx_close(&fx);
}

static bool
say_many_headers(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    unsigned i;

    (void)r;
    (void)arg;
    (void)peer_text(c, "HTTP/1.1 200 OK\r\n");
    for (i = 0; i < 1200; i++) {
        char line[128];

        (void)snprintf(line, sizeof(line), "X-%u: %080u\r\n", i, i);
        (void)peer_text(c, line);
    }
    (void)peer_text(c, "Content-Length: 0\r\n\r\n");
    return false;
}

TEST(headers_without_end_are_cut)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, say_many_headers, NULL);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_TOO_LARGE);
    HAS(e.message, "headers");
    fx_close(&fx);
}

/* ---- TLS ---------------------------------------------------------------- */

static void
tls(const struct peer_cert *cert, bool trusted, enum err want,
    const char *words)
{
    struct fx fx;
    struct end e = {0};

    fx_open_tls(&fx, say_hello, cert, trusted);
    start(&fx, &e, "POST", "/", "{}");
    wait_for(&fx, &e);
    EQ_ERR(e.err, want);
    if (want == ERR_OK) {
        EQ_STR(e.body, "hello");
    } else {
        HAS(e.message, words);
        NOT(e.maybe_sent);
        EQ_INT(peer_requests(fx.peer), 0);
    }
    fx_close(&fx);
}

TEST(a_certificate_of_the_added_authority_is_trusted)
{
    tls(&(struct peer_cert){"DNS:localhost,IP:127.0.0.1", -60, 3600}, true,
        ERR_OK, "");
}

TEST(a_certificate_of_an_unknown_authority_is_not)
{
    tls(&(struct peer_cert){"DNS:localhost,IP:127.0.0.1", -60, 3600}, false,
        ERR_TLS, "ca_file");
}

TEST(a_certificate_of_another_host_is_not)
{
    tls(&(struct peer_cert){"DNS:elsewhere.test", -60, 3600}, true, ERR_TLS,
        "127.0.0.1");
}

TEST(an_expired_certificate_is_not)
{
    tls(&(struct peer_cert){"IP:127.0.0.1", -7200, -3600}, true, ERR_TLS,
        "expired");
}

TEST(a_certificate_of_the_future_is_not)
{
    tls(&(struct peer_cert){"IP:127.0.0.1", 3600, 7200}, true, ERR_TLS,
        "not yet valid");
}

TEST(a_peer_that_speaks_no_tls_is_a_connect_error)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, say_hello, NULL);
    (void)snprintf(fx.base, sizeof(fx.base), "https://127.0.0.1:%u",
                   peer_port(fx.peer));
    struct http_spec spec = {.method = "GET", .timeout_ms = 300};

    start_spec(&fx, &e, &spec, "/");
    wait_for(&fx, &e);
    IS(e.err == ERR_CONNECT || e.err == ERR_TIMEOUT);
    NOT(e.maybe_sent);
    fx_close(&fx);
}

static void
bad_ca(const char *text, enum err want)
{
    char path[] = "/tmp/ml-bad-ca-XXXXXX";
    struct http_config config = {.ca_file = path};
    struct loop *l = loop_new();
    struct http *h = NULL;
    struct fault f;
    int fd = mkstemp(path);

    IS(fd >= 0);
    EQ_INT(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    if (want == ERR_FILE) {
        (void)unlink(path);
    }
    fault_clear(&f);
    EQ_ERR(http_open(l, &config, &h, &f), want);
    IS(h == NULL);
    HAS(f.message, path);
    (void)unlink(path);
    OK(loop_free(l));
}

TEST(a_missing_ca_file_is_named)
{
    bad_ca("", ERR_FILE);
}

TEST(a_ca_file_without_certificates_is_named)
{
    bad_ca("-----BEGIN PRIVATE KEY-----\n", ERR_CONFIG);
}

/* ---- what goes out ------------------------------------------------------ */

struct heard {
    char head[4096];
    size_t body_len;
    unsigned long sum;
};

static bool
listen_well(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    struct heard *h = arg;
    size_t i;

    (void)snprintf(h->head, sizeof(h->head), "%s", r->head);
    h->body_len = r->body_len;
    h->sum = 0;
    for (i = 0; i < r->body_len; i++) {
        h->sum += (unsigned char)r->body[i];
    }
    return peer_answer(c, 204, "", "");
}

TEST(a_large_body_goes_out_whole_and_without_expect)
{
    struct fx fx;
    struct end e = {0};
    static struct heard heard;
    size_t n = 3000000;
    char *body = malloc(n);
    struct http_spec spec = {.method = "PATCH", .body = body, .body_len = n};
    unsigned long sum = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        body[i] = (char)('a' + i % 23);
        sum += (unsigned char)body[i];
    }
    fx_open(&fx, listen_well, &heard);
    start_spec(&fx, &e, &spec, "/big");
    memset(body, 0, n);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.status, 204);
    EQ_INT(heard.body_len, n);
    EQ_UINT(heard.sum, sum);
    HAS(heard.head, "PATCH /big HTTP/1.1\r\n");
    HAS(heard.head, "\r\nContent-Type: application/json\r\n");
    HAS(heard.head, "\r\nUser-Agent: ml-connector/");
    LACKS(heard.head, "Expect");
    LACKS(heard.head, "Transfer-Encoding");
    free(body);
    fx_close(&fx);
}

TEST(credentials_and_headers_go_out_as_given)
{
    struct fx fx;
    struct end e = {0};
    struct end e2 = {0};
    static struct heard heard;
    const char *const headers[] = {"X-One: 1", "Accept: text/plain", NULL};
    struct secret *token = secret_new("tok-123", 7);
    struct http_spec spec = {
        .method = "GET", .headers = headers, .bearer = token};
    struct http_spec basic = {.method = "POST",
                              .body = "a=b",
                              .body_len = 3,
                              .content_type =
                                  "application/x-www-form-urlencoded",
                              .basic_user = "Aladdin",
                              .basic_password = token};

    fx_open(&fx, listen_well, &heard);
    start_spec(&fx, &e, &spec, "/");
    wait_for(&fx, &e);
    HAS(heard.head, "\r\nAuthorization: Bearer tok-123\r\n");
    HAS(heard.head, "\r\nX-One: 1\r\n");
    HAS(heard.head, "\r\nAccept: text/plain\r\n");
    LACKS(heard.head, "Content-Type");
    start_spec(&fx, &e2, &basic, "/");
    wait_for(&fx, &e2);
    HAS(heard.head, "\r\nAuthorization: Basic QWxhZGRpbjp0b2stMTIz\r\n");
    HAS(heard.head, "\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    LACKS(heard.head, "X-One");
    secret_free(token);
    fx_close(&fx);
}

TEST(a_write_without_body_says_its_length)
{
    struct fx fx;
    struct end e = {0};
    static struct heard heard;

    fx_open(&fx, listen_well, &heard);
    start(&fx, &e, "POST", "/", NULL);
    wait_for(&fx, &e);
    HAS(heard.head, "\r\nContent-Length: 0\r\n");
    fx_close(&fx);
}

static bool
send_away(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    (void)r;
    (void)arg;
    return peer_answer(c, 302, "Location: http://127.0.0.1:1/other\r\n", "");
}

TEST(a_redirect_is_an_answer_and_not_followed)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, send_away, NULL);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.status, 302);
    fx_close(&fx);
}

TEST(proxies_of_the_environment_are_not_used)
{
    struct fx fx;
    struct end e = {0};

    EQ_INT(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    EQ_INT(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
    fx_open(&fx, say_hello, NULL);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    fx_close(&fx);
}

static bool
say_wait_first(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    (void)peer_text(c, "HTTP/1.1 100 Continue\r\nX-Test: no\r\n\r\n");
    return say_hello(c, r, arg);
}

TEST(answers_100_are_not_the_answer)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, say_wait_first, NULL);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    EQ_INT(e.status, 200);
    EQ_STR(e.header, "yes");
    fx_close(&fx);
}

/* ---- many --------------------------------------------------------------- */

enum { PARALLEL = 200 };

TEST(two_hundred_at_once_all_end_well)
{
    struct fx fx;
    static struct end e[PARALLEL];
    unsigned left = PARALLEL;
    unsigned i;

    fx_open(&fx, say_hello, NULL);
    for (i = 0; i < PARALLEL; i++) {
        e[i].left = &left;
        start(&fx, &e[i], i % 3 == 0 ? "POST" : "GET", "/",
              i % 3 == 0 ? "{}" : NULL);
    }
    while (left > 0) {
        loop_run(fx.loop);
    }
    for (i = 0; i < PARALLEL; i++) {
        EQ_INT(e[i].done, 1);
        EQ_ERR(e[i].err, ERR_OK);
        EQ_STR(e[i].body, "hello");
    }
    EQ_INT(peer_requests(fx.peer), PARALLEL);
    fx_close(&fx);
}

TEST(kept_connections_are_used_again)
{
    struct fx fx;
    unsigned i;

    fx_open(&fx, say_hello, NULL);
    for (i = 0; i < 10; i++) {
        struct end e = {0};

        start(&fx, &e, "POST", "/", "{}");
        wait_for(&fx, &e);
        EQ_ERR(e.err, ERR_OK);
    }
    EQ_INT(peer_connections(fx.peer), 1);
    fx_close(&fx);
}

TEST(hosts_are_dealt_to_shards)
{
    struct fx fx;
    static struct end e[HTTP_SHARD_HOSTS + 1];
    struct end hubspot = {0};
    struct http_spec spec = {.method = "GET"};
    unsigned i;

    fx_open(&fx, hold, NULL);
    for (i = 0; i <= HTTP_SHARD_HOSTS; i++) {
        (void)snprintf(fx.base, sizeof(fx.base), "http://127.0.%u.%u:%u",
                       1 + i / 200, 1 + i % 200, peer_port(fx.peer));
        start_spec(&fx, &e[i], &spec, "/");
    }
    spec.peer = HTTP_HUBSPOT;
    start_spec(&fx, &hubspot, &spec, "/");
    EQ_INT(fx.http->fusion_count, 2);
    EQ_INT(fx.http->fusion[0]->hosts, HTTP_SHARD_HOSTS);
    EQ_INT(fx.http->fusion[1]->hosts, 1);
    EQ_INT(fx.http->waiting, 0);
    fx_close(&fx);
    EQ_INT(hubspot.done, 0);
}

static void
on_stop(void *arg)
{
    loop_stop(((struct fx *)arg)->loop);
}

TEST(a_full_shard_admits_one_for_each_that_ends)
{
    struct fx fx;
    struct end first = {0};
    struct end second = {0};
    struct http_shard *s;

    fx_open(&fx, say_hello, NULL);
    start(&fx, &first, "GET", "/", NULL);
    s = fx.http->fusion[0];
    EQ_INT(s->active_count, 1);
    s->active_count = HTTP_SHARD_ACTIVE; /* as if all the others were there */
    start(&fx, &second, "GET", "/", NULL);
    EQ_INT(fx.http->waiting, 1);
    EQ_INT(second.done, 0);
    wait_for(&fx, &first);
    EQ_INT(fx.http->waiting, 0);
    wait_for(&fx, &second);
    EQ_ERR(second.err, ERR_OK);
    EQ_INT(s->active_count, HTTP_SHARD_ACTIVE - 1);
    fx_close(&fx);
}

TEST(what_waits_for_admission_does_not_wait_in_its_timeout)
{
    struct fx fx;
    struct end late = {0};
    struct end next = {0};
    struct http_spec quick = {.method = "GET", .timeout_ms = 100};
    struct loop_timer timer = {.loop = NULL};

    fx_open(&fx, say_hello, NULL);
    start(&fx, &next, "GET", "/", NULL);
    fx.http->fusion[0]->active_count += HTTP_SHARD_ACTIVE; /* as if */
    start_spec(&fx, &late, &quick, "/");
    EQ_INT(fx.http->waiting, 1);
    loop_timer_start(fx.loop, &timer, 150, on_stop, &fx);
    loop_run(fx.loop);
    EQ_INT(late.done, 0);
    EQ_ERR(next.err, ERR_OK);
    fx.http->fusion[0]->active_count -= HTTP_SHARD_ACTIVE;
    next = (struct end){0};
    start(&fx, &next, "GET", "/", NULL);
    EQ_INT(fx.http->waiting, 0);
    wait_for(&fx, &late);
    EQ_ERR(late.err, ERR_OK);
    wait_for(&fx, &next);
    EQ_ERR(next.err, ERR_OK);
    fx_close(&fx);
}

TEST(names_are_looked_up_in_the_pool_and_nowhere_else)
{
    struct fx fx;
    struct end e[8] = {{0}};
    struct http_spec spec = {.method = "GET", .timeout_ms = 2000};
    unsigned i;

    fx_open(&fx, say_hello, NULL);
    (void)snprintf(fx.base, sizeof(fx.base), "http://localhost:%u",
                   peer_port(fx.peer));
    for (i = 0; i < COUNT_OF(e); i++) {
        start_spec(&fx, &e[i], &spec, "/");
        EQ_INT(e[i].done, 0);
    }
    EQ_INT(fx.http->lookups, 1);
    EQ_INT(fx.http->waiting, COUNT_OF(e));
    for (i = 0; i < COUNT_OF(e); i++) {
        wait_for(&fx, &e[i]);
        EQ_ERR(e[i].err, ERR_OK);
    }
    EQ_INT(fx.http->lookups, 0);
    fx_close(&fx);
}

/* ---- URLs --------------------------------------------------------------- */

static void
url_is(const char *url, enum err want)
{
    struct fault f;

    fault_clear(&f);
    if (http_check_url(url, &f) != want) {
        FAIL("%s: %s", url, f.message);
    }
    if (want != ERR_OK) {
        IS(f.message[0] != '\0');
    }
}

TEST(only_https_and_loopback_urls_are_used)
{
    url_is("https://pod.fa.example.oraclecloud.com", ERR_OK);
    url_is("https://pod.example.com:8443/path?q=1", ERR_OK);
    url_is("http://127.0.0.1:8080", ERR_OK);
    url_is("http://127.8.9.10", ERR_OK);
    url_is("http://localhost:1/x", ERR_OK);
    url_is("http://[::1]:99/", ERR_OK);
    url_is("http://10.0.0.1/", ERR_USAGE);
    url_is("http://example.com/", ERR_USAGE);
    url_is("http://127.0.0.1.example.com/", ERR_USAGE);
    url_is("http://localhost.example.com/", ERR_USAGE);
    url_is("http://[::2]/", ERR_USAGE);
    url_is("ftp://127.0.0.1/", ERR_USAGE);
    url_is("file:///etc/passwd", ERR_USAGE);
    url_is("https://user:pw@example.com/", ERR_USAGE);
    url_is("http://127.0.0.1@example.com/", ERR_USAGE);
    url_is("https://example.com/#part", ERR_USAGE);
    url_is("https://exa mple.com/", ERR_USAGE);
    url_is("https://example.com/\r\nX: y", ERR_USAGE);
    url_is("example.com", ERR_USAGE);
    url_is("", ERR_USAGE);
    url_is(NULL, ERR_USAGE);
}

TEST(what_cannot_be_sent_is_refused_at_once)
{
    struct fx fx;
    struct end e = {0};
    const char *const bad[] = {"X-One: 1\r\nX-Two: 2", NULL};
    const char *const nameless[] = {"just words", NULL};
    struct secret *token = secret_new("a\nb", 3);
    struct http_spec spec = {.method = "GET", .url = "http://example.com/"};

    fx_open(&fx, say_hello, NULL);
    EQ_ERR(http_send(fx.http, &spec, on_end, &e, &e.op), ERR_USAGE);
    IS(e.op == NULL);
    spec.url = fx.base;
    spec.method = "BREW";
    EQ_ERR(http_send(fx.http, &spec, on_end, &e, &e.op), ERR_USAGE);
    spec.method = "GET";
    spec.headers = bad;
    EQ_ERR(http_send(fx.http, &spec, on_end, &e, &e.op), ERR_USAGE);
    spec.headers = nameless;
    EQ_ERR(http_send(fx.http, &spec, on_end, &e, &e.op), ERR_USAGE);
    spec.headers = NULL;
    spec.bearer = token;
    EQ_ERR(http_send(fx.http, &spec, on_end, &e, &e.op), ERR_USAGE);
    EQ_INT(http_in_flight(fx.http), 0);
    loop_run(fx.loop);
    EQ_INT(e.done, 0);
    secret_free(token);
    fx_close(&fx);
}

TEST(encoding_leaves_only_unreserved_characters)
{
    struct buf b;

    buf_init(&b, 1000);
    http_encode(&b, "aZ09-._~ /?&=+%\xc3\xa9");
    EQ_STR(buf_text(&b), "aZ09-._~%20%2F%3F%26%3D%2B%25%C3%A9");
    buf_fini(&b);
}

SUITE(traffic, RUN(a_body_announced_too_large_is_cut),
      RUN(a_chunked_body_too_large_is_cut), RUN(a_chunked_body_arrives_whole),
      RUN(a_compressed_body_arrives_decoded),
      RUN(a_small_body_that_unpacks_to_a_large_one_is_cut),
      RUN(headers_without_end_are_cut),
      RUN(a_certificate_of_the_added_authority_is_trusted),
      RUN(a_certificate_of_an_unknown_authority_is_not),
      RUN(a_certificate_of_another_host_is_not),
      RUN(an_expired_certificate_is_not),
      RUN(a_certificate_of_the_future_is_not),
      RUN(a_peer_that_speaks_no_tls_is_a_connect_error),
      RUN(a_missing_ca_file_is_named),
      RUN(a_ca_file_without_certificates_is_named),
      RUN(a_large_body_goes_out_whole_and_without_expect),
      RUN(credentials_and_headers_go_out_as_given),
      RUN(a_write_without_body_says_its_length),
      RUN(a_redirect_is_an_answer_and_not_followed),
      RUN(proxies_of_the_environment_are_not_used),
      RUN(answers_100_are_not_the_answer),
      RUN_LONG(two_hundred_at_once_all_end_well, 10),
      RUN(kept_connections_are_used_again), RUN(hosts_are_dealt_to_shards),
      RUN(names_are_looked_up_in_the_pool_and_nowhere_else),
      RUN(a_full_shard_admits_one_for_each_that_ends),
      RUN(what_waits_for_admission_does_not_wait_in_its_timeout),
      RUN(only_https_and_loopback_urls_are_used),
      RUN(what_cannot_be_sent_is_refused_at_once),
      RUN(encoding_leaves_only_unreserved_characters))
