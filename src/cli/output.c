/* SPDX-License-Identifier: UNLICENSED */
/*
 * What commands print: data on stdout, as a table or as one JSON document;
 * everything else on stderr.
 */
#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

enum { DOCUMENT_MAX = 1 << 30 };

int
cli_fail(const struct fault *f)
{
    (void)fprintf(stderr, "ml-connector: %s\n", f->message);
    return app_status(f->err);
}

int
cli_fail_wait(const struct cli *c)
{
    return cli_fail(&c->app.fault);
}

void
cli_print_json(const json_t *v)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, DOCUMENT_MAX);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, v);
    (void)printf("%s\n", buf_text(&b));
    buf_fini(&b);
}

/* Columns of characters, not bytes; UTF-8 continuation bytes take no room. */
static int
width_of(const char *s)
{
    int n = 0;

    for (; *s != '\0'; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80 ? 1 : 0;
    }
    return n;
}

enum { CELL_MAX = 100 };

/* Times to the second, long texts cut: --json has them whole. */
static const char *
short_text(const char *text, char out[CELL_MAX])
{
    size_t n = strlen(text);
    int64_t us;

    if (n > 19 && text[10] == 'T' && time_parse(text, n, &us) == ERR_OK) {
        (void)time_format(us, out);
        out[19] = 'Z';
        out[20] = '\0';
        return out;
    }
    if (width_of(text) < CELL_MAX - 4) {
        return text;
    }
    n = CELL_MAX - 4;
    while (((unsigned char)text[n] & 0xc0) == 0x80) {
        n--; /* not inside a character */
    }
    memcpy(out, text, n);
    memcpy(out + n, "...", sizeof("..."));
    return out;
}

static const char *
cell(const json_t *row, const char *column, char out[CELL_MAX])
{
    const json_t *v = json_object_get(row, column);
    const char *text = json_string_value(v);

    if (text != NULL) {
        return short_text(text, out);
    }
    if (json_is_boolean(v)) {
        return json_is_true(v) ? "yes" : "no";
    }
    if (json_is_integer(v)) {
        (void)snprintf(out, CELL_MAX, "%" JSON_INTEGER_FORMAT,
                       json_integer_value(v));
        return out;
    }
    return v == NULL || json_is_null(v) ? "-" : "{...}";
}

static void
print_cell(const char *text, int width, bool last)
{
    (void)printf("%s%*s", text, last ? 0 : width - width_of(text) + 2, "");
}

static void
print_table(const json_t *rows, const char *const *columns)
{
    char number[CELL_MAX];
    int width[32] = {0};
    const json_t *row;
    size_t i, n = 0;

    while (columns[n] != NULL && n < COUNT_OF(width)) {
        width[n] = width_of(columns[n]);
        n++;
    }
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        for (size_t c = 0; c < n; c++) {
            int w = width_of(cell(row, columns[c], number));

            width[c] = w > width[c] ? w : width[c];
        }
    }
    for (size_t c = 0; c < n; c++) {
        print_cell(columns[c], width[c], c + 1 == n);
    }
    (void)printf("\n");
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        for (size_t c = 0; c < n; c++) {
            print_cell(cell(row, columns[c], number), width[c], c + 1 == n);
        }
        (void)printf("\n");
    }
}

void
cli_rows(const struct cli *c, const char *json, const char *const *columns,
         const char *none)
{
    json_t *rows = NULL;
    struct fault f;

    if (c->json) {
        (void)printf("%s\n", json);
        return;
    }
    if (jsonx_parse(json, strlen(json), &rows, &f) != ERR_OK) {
        (void)fprintf(stderr, "ml-connector: %s\n", f.message);
        return;
    }
    if (json_array_size(rows) == 0) {
        (void)fprintf(stderr, "%s\n", none);
    } else {
        print_table(rows, columns);
    }
    json_decref(rows);
}
