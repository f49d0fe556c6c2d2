/* SPDX-License-Identifier: UNLICENSED */
/* Reading whole files. */
#include "unit.h"

#include <unistd.h>

#include "ml/base.h"

static void
write_temp(char *path, const char *data, size_t n)
{
    int fd = mkstemp(path);

    IS(fd >= 0);
    EQ_INT(write(fd, data, n), (ssize_t)n);
    EQ_INT(close(fd), 0);
}

TEST(a_file_is_read_whole_with_a_nul_added)
{
    char path[] = "/tmp/ml-unit-XXXXXX";
    char *data;
    size_t n;

    write_temp(path, "a\0b\n", 4);
    OK(file_read(path, 4, &data, &n, NULL));
    EQ_UINT(n, 4);
    EQ_MEM(data, "a\0b\n", 5);
    mem_free(data);
    EQ_INT(unlink(path), 0);
}

TEST(an_empty_file_is_an_empty_text)
{
    char path[] = "/tmp/ml-unit-XXXXXX";
    char *data;
    size_t n;

    write_temp(path, "", 0);
    OK(file_read(path, 4, &data, &n, NULL));
    EQ_UINT(n, 0);
    EQ_STR(data, "");
    mem_free(data);
    EQ_INT(unlink(path), 0);
}

TEST(a_file_past_the_limit_is_refused)
{
    char path[] = "/tmp/ml-unit-XXXXXX";
    struct fault f;
    char *data;
    size_t n;

    fault_clear(&f);
    write_temp(path, "12345", 5);
    EQ_ERR(file_read(path, 4, &data, &n, &f), ERR_FILE);
    IS(data == NULL);
    HAS(f.message, path);
    HAS(f.message, "larger than 4 bytes");
    EQ_INT(unlink(path), 0);
}

TEST(a_missing_file_is_named_with_the_reason)
{
    struct fault f;
    char *data;
    size_t n;

    fault_clear(&f);
    EQ_ERR(file_read("/nonexistent/x", 4, &data, &n, &f), ERR_FILE);
    HAS(f.message, "/nonexistent/x: ");
    HAS(f.message, "No such file");
}

TEST(a_folder_is_not_a_file)
{
    struct fault f;
    char *data;
    size_t n;

    fault_clear(&f);
    EQ_ERR(file_read("/tmp", 4, &data, &n, &f), ERR_FILE);
    HAS(f.message, "/tmp: ");
}

SUITE(file, RUN(a_file_is_read_whole_with_a_nul_added),
      RUN(an_empty_file_is_an_empty_text),
      RUN(a_file_past_the_limit_is_refused),
      RUN(a_missing_file_is_named_with_the_reason), RUN(a_folder_is_not_a_file))
