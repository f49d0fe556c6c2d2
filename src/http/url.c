/* SPDX-License-Identifier: UNLICENSED */
/*
 * Which URLs may be used, and percent-encoding.
 *
 * https to anywhere, http only to this machine: "localhost" or a literal
 * address of the loopback. No credentials in a URL, no fragment, no control
 * characters. libcurl's own parser decides what the host is, so that nobody
 * else can read the URL differently.
 */
#include <arpa/inet.h>
#include <string.h>

#include "http_priv.h"

static bool
is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[64];
    size_t n = strlen(host);

    if (strcmp(host, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    if (n < 3 || n - 1 > sizeof(bare) || host[0] != '[' || host[n - 1] != ']') {
        return false;
    }
    memcpy(bare, host + 1, n - 2);
    bare[n - 2] = '\0';
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool
has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s <= ' ' || (unsigned char)*s == 0x7f) {
            return true;
        }
    }
    return false;
}

static void
lower(char *s)
{
    for (; *s != '\0'; s++) {
        if (*s >= 'A' && *s <= 'Z') {
            *s = (char)(*s - 'A' + 'a');
        }
    }
}

static bool
url_has(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

/* The rules, on a parsed URL. */
static enum err
url_judge(CURLU *u, struct http_url *out, struct fault *f)
{
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    enum err err = ERR_USAGE;
    struct buf key;

    buf_init(&key, sizeof(out->host) - 1);
    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) !=
            CURLUE_OK) {
        (void)fault_set(f, err, "the URL has no scheme or host");
        goto fail;
    }
    lower(host);
    out->plain = strcmp(scheme, "http") == 0;
    if (!out->plain && strcmp(scheme, "https") != 0) {
        (void)fault_set(f, err, "the URL is not https");
        goto fail;
    }
    if (out->plain && !is_loopback(host)) {
        (void)fault_set(f, err, "http is only for this machine: use https");
        goto fail;
    }
    if (url_has(u, CURLUPART_USER) || url_has(u, CURLUPART_PASSWORD)) {
        (void)fault_set(f, err, "credentials do not belong into a URL");
        goto fail;
    }
    if (url_has(u, CURLUPART_FRAGMENT)) {
        (void)fault_set(f, err, "the URL has a fragment (#)");
        goto fail;
    }
    buf_addf(&key, "%s:%s", host, port);
    if (key.failed) {
        (void)fault_set(f, err, "the URL's host name is too long");
        goto fail;
    }
    memcpy(out->host, buf_text(&key), key.len + 1);
    err = ERR_OK;
fail:
    buf_fini(&key);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return err;
}

enum err
http_url_parse(const char *url, struct http_url *out, struct fault *f)
{
    CURLU *u;
    enum err err;

    if (url == NULL || url[0] == '\0') {
        return fault_set(f, ERR_USAGE, "the URL is empty");
    }
    if (has_control(url)) {
        return fault_set(f, ERR_USAGE,
                         "the URL has blanks or control characters");
    }
    u = curl_url();
    ML_ASSERT(u != NULL);
    if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK) {
        err = fault_set(f, ERR_USAGE,
                        "the URL cannot be used; "
                        "it looks like https://host/path");
    } else {
        err = url_judge(u, out, f);
    }
    curl_url_cleanup(u);
    return err;
}

enum err
http_check_url(const char *url, struct fault *f)
{
    struct http_url parsed;

    return http_url_parse(url, &parsed, f);
}

void
http_encode(struct buf *b, const char *s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
            c == '~') {
            buf_addc(b, *s);
        } else {
            buf_addc(b, '%');
            buf_addc(b, hex[c >> 4]);
            buf_addc(b, hex[c & 15]);
        }
    }
}
