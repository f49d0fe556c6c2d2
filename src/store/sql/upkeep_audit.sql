-- one: retention_ms
SELECT ml_connector.audit_keep(3, make_interval(secs =>
    $1::bigint / 1000.0)) AS partitions
