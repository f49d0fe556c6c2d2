/* SPDX-License-Identifier: UNLICENSED */
/*
 * The one file of trusted certificates.
 *
 * libcurl keeps a parsed store between connections only for a plain file and
 * without a directory of certificates; otherwise each connection parses the
 * whole bundle again. So an operator's own file does not become a blob: it is
 * written behind the system's bundle into a private file that has no name any
 * more when this returns, and is reached through its descriptor. Nothing is
 * left on disk, however the process ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_priv.h"

/* Where distributions keep the bundle. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

static const char *
system_bundle(void)
{
    size_t i;

    for (i = 0; i < COUNT_OF(bundles); i++) {
        if (access(bundles[i], R_OK) == 0) {
            return bundles[i];
        }
    }
    return NULL;
}

static bool
write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t did = write(fd, p, n);

        if (did < 0 && errno == EINTR) {
            continue;
        }
        if (did <= 0) {
            return false;
        }
        p += did;
        n -= (size_t)did;
    }
    return true;
}

/* A descriptor of a file that has no name any more, or -1. */
static int
nameless_file(void)
{
    const char *dir = getenv("TMPDIR");
    char *path = mem_printf("%s/ml-ca-XXXXXX",
                            dir != NULL && dir[0] == '/' ? dir : "/tmp");
    int fd = mkstemp(path);

    if (fd >= 0) {
        (void)unlink(path);
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    mem_free(path);
    return fd;
}

static enum err
combine(struct http *h, const struct buf *pem, const char *ca_file,
        struct fault *f)
{
    h->ca_fd = nameless_file();
    if (h->ca_fd < 0 || !write_all(h->ca_fd, pem->data, pem->len)) {
        return fault_set(f, ERR_FILE,
                         "a temporary file for the certificates of %s cannot "
                         "be written: %s",
                         ca_file, strerror(errno));
    }
    h->ca_path = mem_printf("/proc/self/fd/%d", h->ca_fd);
    return ERR_OK;
}

enum err
http_ca_open(struct http *h, const char *ca_file, struct fault *f)
{
    const char *bundle = system_bundle();
    char *extra = NULL;
    char *base = NULL;
    size_t extra_len = 0;
    size_t base_len = 0;
    struct buf pem;
    enum err err;

    if (ca_file == NULL || ca_file[0] == '\0') {
        if (bundle == NULL) {
            return fault_set(f, ERR_FILE,
                             "the system has no bundle of CA certificates: "
                             "install ca-certificates");
        }
        h->ca_path = mem_strdup(bundle);
        return ERR_OK;
    }
    buf_init(&pem, (size_t)2 * HTTP_CA_MAX);
    err = file_read(ca_file, HTTP_CA_MAX, &extra, &extra_len, f);
    if (err != ERR_OK) {
        goto fail;
    }
    if (strstr(extra, "-----BEGIN CERTIFICATE-----") == NULL ||
        strstr(extra, "-----END CERTIFICATE-----") == NULL) {
        err = fault_set(f, ERR_CONFIG, "%s holds no certificate in PEM form",
                        ca_file);
        goto fail;
    }
    if (bundle != NULL) {
        err = file_read(bundle, HTTP_CA_MAX, &base, &base_len, f);
        if (err != ERR_OK) {
            goto fail;
        }
        buf_add(&pem, base, base_len);
        buf_addc(&pem, '\n');
    }
    buf_add(&pem, extra, extra_len);
    err = combine(h, &pem, ca_file, f);
fail:
    buf_fini(&pem);
    mem_free(extra);
    mem_free(base);
    return err;
}

void
http_ca_close(struct http *h)
{
    if (h->ca_fd >= 0) {
        (void)close(h->ca_fd);
        h->ca_fd = -1;
    }
    mem_free(h->ca_path);
    h->ca_path = NULL;
}
