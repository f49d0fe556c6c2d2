/* SPDX-License-Identifier: UNLICENSED */
/*
 * Feeds a target every file of a folder: replay FOLDER. For builds without
 * libFuzzer, so that the corpus is checked in every run of the tests. The files
 * are taken by name, the last line counts them.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1024 * 1024 };

static void
feed(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    char *data = NULL;
    size_t n = 0;
    struct fault f = {0};

    if (file_read(path, FILE_MAX, &data, &n, &f) != ERR_OK) {
        (void)fprintf(stderr, "%s\n", f.message);
        exit(1);
    }
    /* Stands alone when the target aborts. */
    (void)fprintf(stderr, "%s\n", name);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)data, n);
    mem_free(data);
    mem_free(path);
}

int
main(int argc, char **argv)
{
    struct dirent **names = NULL;
    int found = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1;
    int fed = 0;

    if (found < 0) {
        (void)fprintf(stderr, "usage: replay FOLDER\n");
        return 2;
    }
    for (int i = 0; i < found; i++) {
        if (names[i]->d_name[0] != '.') {
            feed(argv[1], names[i]->d_name);
            fed++;
        }
        free(names[i]);
    }
    free(names);
    (void)printf("corpus pass %d\n", fed);
    return fed > 0 ? 0 : 1;
}
