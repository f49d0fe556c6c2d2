-- one: retention_ms
-- ahead: the partition of next month is there.
SELECT ml_connector.audit_keep(3, make_interval(secs =>
        $1::bigint / 1000.0)) AS partitions,
    to_regclass('ml_connector.audit_event_' || to_char(date_trunc('month',
        now() AT TIME ZONE 'UTC') + interval '1 month', 'YYYY_MM'))
        IS NOT NULL AS ahead
