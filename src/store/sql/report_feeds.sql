-- one: tenant, limit, within_ms
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT * FROM ml_dashboard.feeds
    WHERE ($1::text IS NULL OR tenant = $1::text)
      AND ($3::bigint IS NULL OR last_error_at > clock_timestamp() -
        make_interval(secs => $3::bigint / 1000.0))
    ORDER BY tenant, feed LIMIT $2::bigint) v
