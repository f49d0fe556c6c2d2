/* SPDX-License-Identifier: UNLICENSED */
/*
 * Reading one whole small file: keys, certificates, mappings, settings. The
 * size is bounded by the caller; the message names the path and the reason.
 * What was read of a file that then failed is wiped, since it may be a key.
 */
#include "ml/base.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static enum err
file_fault(struct fault *f, const char *path, int error)
{
    char reason[128] = "unknown reason";

    (void)strerror_r(error, reason, sizeof(reason));
    return fault_set(f, ERR_FILE, "%s: %s", path, reason);
}

static enum err
read_all(FILE *in, const char *path, size_t max, struct buf *b, struct fault *f)
{
    char chunk[4096];
    size_t got;
    enum err err = ERR_OK;

    while ((got = fread(chunk, 1, sizeof(chunk), in)) > 0) {
        buf_add(b, chunk, got);
    }
    if (ferror(in) != 0) {
        err = file_fault(f, path, errno);
    } else if (b->failed) {
        err = fault_set(f, ERR_FILE, "%s: larger than %zu bytes", path, max);
    }
    secret_wipe_bytes(chunk, sizeof(chunk));
    return err;
}

enum err
file_read(const char *path, size_t max, char **data, size_t *n, struct fault *f)
{
    FILE *in = fopen(path, "re");
    struct buf b;
    enum err err;

    *data = NULL;
    *n = 0;
    if (in == NULL) {
        return file_fault(f, path, errno);
    }
    buf_init(&b, max);
    err = read_all(in, path, max, &b, f);
    (void)fclose(in);
    if (err == ERR_OK) {
        *data = buf_take(&b, n);
    }
    secret_wipe_bytes(b.data, b.cap);
    buf_fini(&b);
    return err;
}
