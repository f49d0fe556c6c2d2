/* SPDX-License-Identifier: UNLICENSED */
/*
 * Loaded before the C library into a Postgres of a test (LD_PRELOAD): while the
 * file that FULL_DISK names exists, tables and indexes cannot grow. What is in
 * a file already can be written again, as on a disk that is full. The log of
 * transactions lies elsewhere and goes on, else Postgres would stop.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at);

static bool
is_below_base(int fd)
{
    char link[64];
    char path[4096];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n < 0) {
        return false;
    }
    path[n] = '\0';
    return strstr(path, "/base/") != NULL;
}

static bool
is_refused(int fd, size_t n, off64_t at)
{
    const char *flag = getenv("FULL_DISK");
    struct stat st;

    return flag != NULL && fstat(fd, &st) == 0 &&
           at + (off64_t)n > st.st_size && access(flag, F_OK) == 0 &&
           is_below_base(fd);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    if (is_refused(fd, n, at)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
    return pwrite64(fd, p, n, at);
}
