-- one: portal, worker, ttl_ms, window_ms, known_term
-- Takes a free or expired lease, or renews the one we know to be ours: the
-- same name alone is not enough, it may be a process that died. One of ours that
-- ran out and that nobody took goes on under its term.
WITH old AS MATERIALIZED (
    SELECT *, worker = $2::text AND term = $5::bigint AS ours
    FROM ml_connector.lease WHERE portal = $1::text FOR UPDATE
), taken AS (
    INSERT INTO ml_connector.lease AS l (portal, worker, term, expires_at,
        taken_at, moved_xid)
    SELECT $1::text, $2::text,
        coalesce((SELECT term FROM old), 0) + 1,
        clock_timestamp() + make_interval(secs => $3::bigint / 1000.0),
        clock_timestamp(), pg_current_xact_id()
    ON CONFLICT (portal) DO UPDATE SET
        worker = excluded.worker,
        term = CASE WHEN (SELECT ours FROM old)
            THEN l.term ELSE l.term + 1 END,
        expires_at = clock_timestamp() +
            make_interval(secs => $3::bigint / 1000.0),
        taken_at = CASE WHEN (SELECT ours FROM old)
            THEN l.taken_at ELSE clock_timestamp() END,
        moved_xid = CASE WHEN (SELECT ours FROM old)
            THEN l.moved_xid ELSE excluded.moved_xid END,
        clean = false, tokens_out = 0, back_at = NULL
    WHERE (SELECT ours FROM old)
       OR l.worker IS NULL OR l.expires_at <= clock_timestamp()
    RETURNING l.term, l.expires_at
), answer AS (
    SELECT t.term IS NOT NULL AS held,
        coalesce(t.term, o.term, 0) AS term,
        coalesce(t.expires_at, o.expires_at) AS expires_at,
        CASE WHEN t.term IS NULL THEN coalesce(o.worker, '') END AS holder,
        CASE WHEN t.term > o.term THEN
            CASE WHEN o.clean THEN o.tokens_out ELSE -1 END ELSE 0 END
            AS tokens_out,
        CASE WHEN t.term > o.term THEN CASE WHEN o.clean THEN o.back_at
            ELSE o.expires_at + make_interval(secs =>
                $4::bigint / 1000.0 + 1) END END AS hold_until
    FROM (VALUES (1)) v(x)
    LEFT JOIN taken t ON true LEFT JOIN old o ON true
)
SELECT held, term, coalesce(greatest(0, extract(epoch FROM
        expires_at - clock_timestamp()) * 1000), 0)::bigint AS ttl_ms,
    tokens_out,
    coalesce(greatest(0, ceil(extract(epoch FROM
        hold_until - clock_timestamp()) * 1000)), 0)::bigint AS hold_ms,
    holder
FROM answer
