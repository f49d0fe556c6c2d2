-- maybe: portal, worker, term, out, back_ms
UPDATE ml_connector.lease SET worker = NULL, expires_at = clock_timestamp(),
    clean = true, tokens_out = $4::bigint,
    back_at = clock_timestamp() + make_interval(secs => $5::bigint / 1000.0),
    moved_xid = pg_current_xact_id()
WHERE portal = $1::text AND worker = $2::text AND term = $3::bigint
RETURNING term
