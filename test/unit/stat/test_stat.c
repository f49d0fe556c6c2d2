/* SPDX-License-Identifier: UNLICENSED */
/* Metrics: values, labels, ceilings, the Prometheus text. */
#include "unit.h"

#include "ml/stat.h"

static const char *
render(struct buf *b)
{
    buf_init(b, 1000000);
    stat_render(b);
    NOT(b->failed);
    return buf_text(b);
}

static void
done(struct buf *b)
{
    buf_fini(b);
    stat_reset();
}

TEST(counters_add_up_by_labels)
{
    struct buf b;

    stat_add(STAT_polls, "invoices", "ok", 2);
    stat_add(STAT_polls, "invoices", "ok", 3);
    stat_add(STAT_polls, "invoices", "failed", 1);
    EQ_UINT(stat_value(STAT_polls, "invoices", "ok"), 5);
    EQ_UINT(stat_value(STAT_polls, "receipts", "ok"), 0);
    HAS(render(&b), "# TYPE ml_polls_total counter\n"
                    "ml_polls_total{feed=\"invoices\",outcome=\"ok\"} 5\n"
                    "ml_polls_total{feed=\"invoices\",outcome=\"failed\"} 1\n");
    done(&b);
}

TEST(gauges_keep_the_last_value)
{
    struct buf b;

    stat_set(STAT_tenants, "active", NULL, 3);
    stat_set(STAT_tenants, "active", NULL, 2.5);
    HAS(render(&b), "# TYPE ml_tenants gauge\n"
                    "ml_tenants{state=\"active\"} 2.5\n");
    done(&b);
}

TEST(histograms_count_into_buckets)
{
    struct buf b;

    stat_observe(STAT_database, "job_take", 0.02);
    stat_observe(STAT_database, "job_take", 0.3);
    stat_observe(STAT_database, "job_take", 1000000);
    stat_observe(STAT_database, "job_take", -1);
    (void)render(&b);
    HAS(buf_text(&b), "# TYPE ml_database_seconds histogram\n");
    HAS(buf_text(&b),
        "ml_database_seconds_bucket{statement=\"job_take\",le=\"0.005\"} 1\n");
    HAS(buf_text(&b),
        "ml_database_seconds_bucket{statement=\"job_take\",le=\"0.025\"} 2\n");
    HAS(buf_text(&b),
        "ml_database_seconds_bucket{statement=\"job_take\",le=\"0.5\"} 3\n");
    HAS(buf_text(&b),
        "ml_database_seconds_bucket{statement=\"job_take\",le=\"86400\"} 3\n");
    HAS(buf_text(&b),
        "ml_database_seconds_bucket{statement=\"job_take\",le=\"+Inf\"} 4\n"
        "ml_database_seconds_sum{statement=\"job_take\"} 1000000.32\n"
        "ml_database_seconds_count{statement=\"job_take\"} 4\n");
    done(&b);
}

TEST(a_histogram_without_labels_has_none)
{
    struct buf b;

    stat_observe(STAT_loop_lag, NULL, 0.001);
    HAS(render(&b), "ml_loop_lag_seconds_bucket{le=\"0.005\"} 1\n");
    HAS(buf_text(&b), "ml_loop_lag_seconds_sum 0.001\n"
                      "ml_loop_lag_seconds_count 1\n");
    done(&b);
}

TEST(metrics_without_labels_are_there_from_the_start)
{
    struct buf b;

    HAS(render(&b), "ml_sync_latency_seconds_count 0\n");
    HAS(buf_text(&b), "# HELP ml_polls_total ");
    LACKS(buf_text(&b), "ml_polls_total{");
    done(&b);
}

TEST(labels_are_escaped_and_cut)
{
    struct buf b;
    char value[1000];

    memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    stat_add(STAT_hubspot_throttled, "a\"b\\c\nd\xff", NULL, 1);
    stat_add(STAT_hubspot_throttled, value, NULL, 1);
    stat_add(STAT_hubspot_throttled, NULL, NULL, 1);
    HAS(render(&b), "{policy=\"a\\\"b\\\\c_d_\"} 1\n");
    HAS(buf_text(&b), "{policy=\"\"} 1\n");
    value[120] = '\0';
    HAS(buf_text(&b), value);
    value[120] = 'x';
    value[121] = '\0';
    LACKS(buf_text(&b), value);
    done(&b);
}

TEST(too_many_label_values_are_counted_together)
{
    struct buf b;
    size_t lines = 0;

    for (int i = 0; i < 1000; i++) {
        char value[20];

        (void)snprintf(value, sizeof(value), "r%d", i);
        stat_add(STAT_fusion_requests, value, "200", 1);
    }
    EQ_UINT(stat_value(STAT_fusion_requests, "r0", "200"), 1);
    EQ_UINT(stat_value(STAT_fusion_requests, "r999", "200"), 0);
    EQ_UINT(stat_value(STAT_fusion_requests, "other", "other"), 800);
    for (const char *p = render(&b);
         (p = strstr(p, "ml_fusion_requests_total{")) != NULL; p++) {
        lines++;
    }
    EQ_UINT(lines, 201);
    done(&b);
}

TEST(the_process_itself_is_measured)
{
    struct buf b;

    HAS(render(&b), "\nml_process_resident_memory_bytes ");
    HAS(buf_text(&b), "\nml_process_cpu_seconds_total ");
    HAS(buf_text(&b), "\nml_process_open_fds ");
    LACKS(buf_text(&b), "ml_process_resident_memory_bytes 0\n");
    LACKS(buf_text(&b), "ml_process_open_fds 0\n");
    done(&b);
}

TEST(a_reset_forgets_everything)
{
    stat_add(STAT_polls, "invoices", "ok", 2);
    stat_reset();
    EQ_UINT(stat_value(STAT_polls, "invoices", "ok"), 0);
    stat_reset();
}

DEATH(adding_to_a_gauge_aborts)
{
    stat_add(STAT_tenants, "active", NULL, 1);
}

DEATH(setting_a_counter_aborts)
{
    stat_set(STAT_polls, "a", "b", 1);
}

DEATH(observing_a_counter_aborts)
{
    stat_observe(STAT_polls, "a", 1);
}

SUITE(stat, RUN(counters_add_up_by_labels), RUN(gauges_keep_the_last_value),
      RUN(histograms_count_into_buckets),
      RUN(a_histogram_without_labels_has_none),
      RUN(metrics_without_labels_are_there_from_the_start),
      RUN(labels_are_escaped_and_cut),
      RUN(too_many_label_values_are_counted_together),
      RUN(the_process_itself_is_measured), RUN(a_reset_forgets_everything),
      DIES(adding_to_a_gauge_aborts), DIES(setting_a_counter_aborts),
      DIES(observing_a_counter_aborts))

MAIN(stat)
