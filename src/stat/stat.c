/* SPDX-License-Identifier: UNLICENSED */
/*
 * Metrics of the process, rendered as Prometheus text.
 *
 * Each row of stat.def has a map from its label values to a cell. At most 200
 * combinations a row are kept apart; what comes later is counted under the
 * label value "other", so that nothing a peer sends can grow memory. Histograms
 * are in seconds with fixed bounds from 5 ms to a day, since sync latency runs
 * from under a second to hours. Loop thread only.
 */
#include "ml/stat.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum type { COUNTER, GAUGE, HISTOGRAM };
enum { CELLS_MAX = 200, VALUE_MAX = 120 };

static const double bounds[] = {0.005, 0.025, 0.1, 0.5, 1,    2.5,  5,
                                10,    30,    60,  300, 1800, 7200, 86400};

struct cell {
    uint64_t count; /* counter's value, histogram's count */
    double value;   /* gauge's value, histogram's sum */
    uint64_t bucket[COUNT_OF(bounds)];
};

static const struct row {
    enum type type;
    const char *name, *label1, *label2, *help;
} rows[STAT_COUNT] = {
#define STAT(id, type, name, label1, label2, help)                             \
    [STAT_##id] = {type, name, label1, label2, help},
#include "ml/stat.def"
#undef STAT
};

static struct map cells[STAT_COUNT];

/* The label part of a line without braces: state="busy",kind="x". Values are
 * cut and escaped. */
static void
add_label(struct buf *b, const char *label, const char *value)
{
    size_t n;

    if (label[0] == '\0') {
        return;
    }
    value = value != NULL ? value : "";
    n = strnlen(value, VALUE_MAX);
    buf_addf(b, "%s%s=\"", b->len > 0 ? "," : "", label);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)value[i];

        if (c == '"' || c == '\\') {
            buf_addc(b, '\\');
        }
        buf_addc(b, (char)(c < 0x20 || c > 0x7e ? '_' : c));
    }
    buf_addc(b, '"');
}

static void
make_key(struct buf *b, const struct row *r, const char *v1, const char *v2)
{
    buf_reset(b);
    add_label(b, r->label1, v1);
    add_label(b, r->label2, v2);
}

static struct cell *
cell_of(enum stat_id s, const char *v1, const char *v2, bool make)
{
    struct map *m = &cells[s];
    struct cell *c;
    struct buf key;

    buf_init(&key, 1024);
    make_key(&key, &rows[s], v1, v2);
    c = map_get(m, buf_text(&key));
    if (c == NULL && make) {
        if (m->count >= CELLS_MAX) {
            make_key(&key, &rows[s], "other", "other");
            c = map_get(m, buf_text(&key));
        }
        if (c == NULL) {
            c = MEM_NEW(struct cell);
            (void)map_put(m, buf_text(&key), c);
        }
    }
    buf_fini(&key);
    return c;
}

void
stat_add(enum stat_id s, const char *v1, const char *v2, uint64_t n)
{
    ML_ASSERT(rows[s].type == COUNTER);
    cell_of(s, v1, v2, true)->count += n;
}

void
stat_set(enum stat_id s, const char *v1, const char *v2, double value)
{
    ML_ASSERT(rows[s].type == GAUGE);
    cell_of(s, v1, v2, true)->value = value;
}

void
stat_observe(enum stat_id s, const char *v1, double seconds)
{
    struct cell *c;

    ML_ASSERT(rows[s].type == HISTOGRAM);
    c = cell_of(s, v1, NULL, true);
    seconds = seconds > 0 ? seconds : 0; /* a clock may step back */
    c->count++;
    c->value += seconds;
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        c->bucket[i] += seconds <= bounds[i] ? 1 : 0;
    }
}

uint64_t
stat_value(enum stat_id s, const char *v1, const char *v2)
{
    const struct cell *c = cell_of(s, v1, v2, false);

    return c != NULL ? c->count : 0;
}

static void
render_histogram(struct buf *out, const struct row *r, const char *labels,
                 const struct cell *c)
{
    const char *comma = labels[0] != '\0' ? "," : "";

    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        buf_addf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", r->name, labels,
                 comma, bounds[i], c->bucket[i]);
    }
    buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", r->name, labels,
             comma, c->count);
    if (labels[0] != '\0') {
        buf_addf(out, "%s_sum{%s} %.9g\n%s_count{%s} %" PRIu64 "\n", r->name,
                 labels, c->value, r->name, labels, c->count);
    } else {
        buf_addf(out, "%s_sum %.9g\n%s_count %" PRIu64 "\n", r->name, c->value,
                 r->name, c->count);
    }
}

static void
render_cell(struct buf *out, const struct row *r, const char *labels,
            const struct cell *c)
{
    if (r->type == HISTOGRAM) {
        render_histogram(out, r, labels, c);
        return;
    }
    buf_adds(out, r->name);
    if (labels[0] != '\0') {
        buf_addf(out, "{%s}", labels);
    }
    if (r->type == COUNTER) {
        buf_addf(out, " %" PRIu64 "\n", c->count);
    } else {
        buf_addf(out, " %.9g\n", c->value);
    }
}

static void
render_row(struct buf *out, enum stat_id s)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const struct row *r = &rows[s];
    const struct cell zero = {0};
    const char *labels;
    void *value;
    size_t it = 0;

    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name,
             types[r->type]);
    while (map_next(&cells[s], &it, &labels, &value)) {
        render_cell(out, r, labels, value);
    }
    if (cells[s].count == 0 && r->label1[0] == '\0') {
        render_cell(out, r, "", &zero);
    }
}

static void
render_process_row(struct buf *out, const char *name, const char *type,
                   const char *help, double value)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name,
             type, name, value);
}

static size_t
open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    if (dir == NULL) {
        return 0;
    }
    while (readdir(dir) != NULL) {
        n++;
    }
    (void)closedir(dir);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the folder's own */
}

/* CPU seconds and resident bytes from /proc/self/stat. */
static bool
read_self(double *cpu_s, double *resident_bytes)
{
    FILE *in = fopen("/proc/self/stat", "re");
    char line[1024];
    size_t n;
    unsigned long user = 0;
    unsigned long system_time = 0;
    long pages = 0;
    const char *after;

    if (in == NULL) {
        return false;
    }
    n = fread(line, 1, sizeof(line) - 1, in);
    (void)fclose(in);
    line[n] = '\0';
    after = strrchr(line, ')'); /* the name may hold anything */
    if (after == NULL ||
        sscanf(after + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d "
               "%*d %*d %*d %*d %*u %*u %ld",
               &user, &system_time, &pages) != 3) {
        return false;
    }
    *cpu_s = (double)(user + system_time) / (double)sysconf(_SC_CLK_TCK);
    *resident_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
    return true;
}

void
stat_render(struct buf *out)
{
    double cpu_s;
    double resident_bytes;

    for (int s = 0; s < STAT_COUNT; s++) {
        render_row(out, (enum stat_id)s);
    }
    if (read_self(&cpu_s, &resident_bytes)) {
        render_process_row(out, "ml_process_cpu_seconds_total", "counter",
                           "CPU time used.", cpu_s);
        render_process_row(out, "ml_process_resident_memory_bytes", "gauge",
                           "Memory resident.", resident_bytes);
    }
    render_process_row(out, "ml_process_open_fds", "gauge",
                       "Open file descriptors.", (double)open_descriptors());
}

void
stat_reset(void)
{
    for (int s = 0; s < STAT_COUNT; s++) {
        size_t it = 0;
        void *value;

        while (map_next(&cells[s], &it, NULL, &value)) {
            mem_free(value);
        }
        map_fini(&cells[s]);
    }
}
