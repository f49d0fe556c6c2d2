/* SPDX-License-Identifier: UNLICENSED */
/*
 * docs-print PAGE: the pages of docs/ that are made of the tables in
 * include/ml, as Markdown on stdout.
 *
 * configuration: conf.def; errors: err.def; events: event.def; metrics:
 * stat.def. Nothing else is said here than what the tables say, but for the
 * two sentences at the head of each page.
 */
#include "ml/base.h"
#include "ml/conf.h"

#include <stdio.h>
#include <string.h>

static void
errors(struct buf *out)
{
    static const struct {
        const char *name, *class_name, *text;
    } rows[] = {
#define ERR(name, class_name, text) {#name, #class_name, text},
#include "ml/err.def"
#undef ERR
    };

    buf_adds(
        out,
        "# Errors\n\n"
        "The names that stand in `error_code` of the audit and the replay "
        "queue, in logs and metrics. The class says what happens next. Where "
        "HubSpot gave a code of its own (`INVALID_OPTION`, `MISSING_SCOPES`), "
        "that code stands in audit and replay queue instead.\n\n"
        "| class | what happens |\n| --- | --- |\n"
        "| AGAIN | tried again with growing waits; counts as an attempt |\n"
        "| LATER | waits as long as told; counts no attempt |\n"
        "| AUTH | credentials are fetched anew once, then as HALT |\n"
        "| REJECT | the record parks with the reason; all others go on |\n"
        "| HALT | the tenant, object type or command stops until it is put "
        "right; a worker looks again by itself every 10 to 60 minutes |\n"
        "| BUG | ours: reported with what is needed to find it |\n\n"
        "| error | class | meaning |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].class_name, "NONE") != 0) {
            buf_addf(out, "| `%s` | %s | %s |\n", rows[i].name,
                     rows[i].class_name, rows[i].text);
        }
    }
}

static void
events(struct buf *out)
{
    static const struct {
        const char *name, *level, *meaning;
    } rows[] = {
#define EVENT(name, level, meaning) {name, level, meaning},
#include "ml/event.def"
#undef EVENT
    };

    buf_adds(out,
             "# Log events\n\n"
             "One line on stderr each, JSON or text (`ML_LOG_FORMAT`), with "
             "`time`, `level`, `event`, `worker` and the fields of the event. "
             "What happened to a record is in the audit, not in the log.\n\n"
             "| event | level | meaning |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buf_addf(out, "| `%s` | %s | %s |\n", rows[i].name, rows[i].level,
                 rows[i].meaning);
    }
}

static void
metrics(struct buf *out)
{
    static const struct {
        const char *type, *name, *label[2], *help;
    } rows[] = {
#define STAT(id, type, name, label1, label2, help)                             \
    {#type, name, {label1, label2}, help},
#include "ml/stat.def"
#undef STAT
    };

    buf_adds(out, "# Metrics\n\n"
                  "`GET /metrics` of a worker, in the Prometheus text format. "
                  "Histograms are in seconds.\n\n"
                  "| metric | type | labels | meaning |\n"
                  "| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buf_addf(out, "| `%s` | ", rows[i].name);
        for (const char *s = rows[i].type; *s != '\0'; s++) {
            buf_addc(out, *s >= 'A' && *s <= 'Z' ? (char)(*s + 32) : *s);
        }
        buf_adds(out, " |");
        for (size_t k = 0; k < 2; k++) {
            if (rows[i].label[k][0] != '\0') {
                buf_addf(out, " `%s`", rows[i].label[k]);
            }
        }
        buf_addf(out, " | %s |\n", rows[i].help);
    }
}

static const struct {
    const char *name;
    void (*print)(struct buf *out);
} pages[] = {
    {"configuration", conf_render_markdown},
    {"errors", errors},
    {"events", events},
    {"metrics", metrics},
};

int
main(int argc, char **argv)
{
    struct buf out;
    bool ok;

    for (size_t i = 0; argc == 2 && i < COUNT_OF(pages); i++) {
        if (strcmp(argv[1], pages[i].name) == 0) {
            buf_init(&out, 1 << 20);
            pages[i].print(&out);
            ok = !out.failed &&
                 fwrite(out.data, 1, out.len, stdout) == out.len &&
                 fflush(stdout) == 0;
            buf_fini(&out);
            return ok ? 0 : 1;
        }
    }
    fputs("usage: docs-print configuration|errors|events|metrics\n", stderr);
    return 2;
}
