-- many: process, worker, version, ttl_ms, window_ms, held, wanted, most, mode, patient
-- A worker says that it lives, renews what it holds and takes of what it wants
-- what is free, up to its share. Mode: `shares` with the others, takes `all`,
-- or `leaves` and takes nothing. Who is `patient` leaves a lease that ran out long
-- ago to its holder for a while: it may have been cut off.
--
-- Renewing waits for nobody: what works under a lease locks its key only, and a
-- row locked by a taker is left for the next time. A lease that ran out and that
-- nobody took goes on under its term: nothing happened under another.
WITH told AS MATERIALIZED (
    SELECT clock_timestamp() AS now, clock_timestamp() +
        make_interval(secs => $4::bigint / 1000.0) AS until
), alive AS (
    INSERT INTO ml_connector.worker AS w (process, worker, version,
        expires_at)
    SELECT $1::text, $2::text, $3::text, until FROM told
    WHERE $9::text = 'shares'
    ON CONFLICT (process) DO UPDATE SET seen_at = clock_timestamp(),
        expires_at = excluded.expires_at
), departed AS (
    DELETE FROM ml_connector.worker
    WHERE (process = $1::text AND $9::text = 'leaves')
       OR expires_at < now() - interval '1 day'
), known AS MATERIALIZED (
    SELECT process, started_at, expires_at FROM ml_connector.worker, told
    WHERE process <> $1::text AND expires_at > told.now
), place AS MATERIALIZED (
    -- the eldest take what does not divide
    SELECT count(k.process) + 1 AS workers, count(k.process) FILTER (WHERE
        (k.started_at, k.process) < (m.started_at, $1::text)) + 1 AS place
    FROM (SELECT coalesce((SELECT started_at FROM ml_connector.worker
        WHERE process = $1::text), now()) AS started_at) m
    LEFT JOIN known k ON true
), number AS MATERIALIZED (
    SELECT count(DISTINCT coalesce(portal, 'tenant:' || id)) AS portals
    FROM ml_connector.tenant WHERE state IN ('active', 'halted')
), share AS MATERIALIZED (
    SELECT n.portals, p.workers, CASE $9::text
        WHEN 'shares' THEN n.portals / p.workers +
            CASE WHEN p.place <= n.portals % p.workers THEN 1 ELSE 0 END
        WHEN 'all' THEN $8::bigint + jsonb_array_length($6::jsonb)
        ELSE 0 END AS share
    FROM number n, place p
), held AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($6::jsonb) AS x(portal text, term bigint)
), kept AS MATERIALIZED (
    SELECT l.portal FROM held h
    JOIN ml_connector.lease l ON l.portal = h.portal AND l.term = h.term
    WHERE l.worker = $2::text
    ORDER BY l.portal FOR NO KEY UPDATE OF l SKIP LOCKED
), renewed AS (
    UPDATE ml_connector.lease l SET expires_at = told.until
    FROM kept k, told WHERE l.portal = k.portal
    RETURNING l.portal, l.term, l.expires_at
), wanted AS MATERIALIZED (
    SELECT w.portal, l.worker, l.expires_at,
        l.worker IS NOT NULL AND l.expires_at > told.now AS busy,
        $10::boolean AND l.worker IS NOT NULL AND l.expires_at < told.now -
            greatest(interval '3 minutes',
                make_interval(secs => $4::bigint / 100.0)) AS silent
    FROM told, jsonb_array_elements_text($7::jsonb) AS w(portal)
    LEFT JOIN ml_connector.lease l ON l.portal = w.portal
), free AS MATERIALIZED (
    SELECT portal, expires_at FROM wanted
    WHERE NOT coalesce(busy, false) AND NOT coalesce(silent, false)
    ORDER BY expires_at NULLS FIRST, portal
    LIMIT greatest(0, least($8::bigint, (SELECT share FROM share) -
        (SELECT count(*) FROM held)))
), old AS MATERIALIZED (
    SELECT l.* FROM free f JOIN ml_connector.lease l ON l.portal = f.portal
    WHERE l.worker IS NULL OR l.expires_at <= clock_timestamp()
    ORDER BY l.portal FOR UPDATE OF l SKIP LOCKED
), moved AS (
    UPDATE ml_connector.lease l SET worker = $2::text, term = o.term + 1,
        expires_at = told.until, taken_at = told.now, clean = false,
        tokens_out = 0, back_at = NULL, moved_xid = pg_current_xact_id()
    FROM old o, told WHERE l.portal = o.portal
    RETURNING l.portal, l.term, l.expires_at
), made AS (
    INSERT INTO ml_connector.lease (portal, worker, term, expires_at,
        taken_at, moved_xid)
    SELECT f.portal, $2::text, 1, told.until, told.now, pg_current_xact_id()
    FROM free f, told WHERE f.expires_at IS NULL
    ON CONFLICT (portal) DO NOTHING
    RETURNING portal, term, expires_at
), answer AS (
    SELECT 'renewed' AS event, portal, term, expires_at, NULL AS holder,
        0::bigint AS tokens_out, NULL::timestamptz AS hold_until
    FROM renewed
    UNION ALL
    SELECT 'lost', h.portal, h.term, NULL, l.worker, 0, NULL
    FROM held h LEFT JOIN ml_connector.lease l ON l.portal = h.portal
    WHERE (l.term, l.worker) IS DISTINCT FROM (h.term, $2::text)
    UNION ALL
    SELECT 'taken', m.portal, m.term, m.expires_at, NULL,
        CASE WHEN o.clean THEN o.tokens_out ELSE -1 END,
        CASE WHEN o.clean THEN o.back_at ELSE o.expires_at +
            make_interval(secs => $5::bigint / 1000.0 + 1) END
    FROM moved m JOIN old o ON o.portal = m.portal
    UNION ALL
    SELECT 'taken', portal, term, expires_at, NULL, 0, NULL FROM made
    UNION ALL
    SELECT 'busy', portal, 0, expires_at, worker, 0, NULL FROM wanted
    WHERE busy AND $9::text = 'all'
)
SELECT s.share, s.workers, s.portals,
    coalesce(ceil(extract(epoch FROM least(
        (SELECT min(expires_at) FROM wanted WHERE busy),
        (SELECT min(expires_at) FROM known)) - clock_timestamp()) * 1000),
        $4::bigint)::bigint AS next_ms,
    a.event, a.portal, a.term, a.holder, a.tokens_out,
    coalesce(greatest(0, extract(epoch FROM
        a.expires_at - clock_timestamp()) * 1000), 0)::bigint AS ttl_ms,
    coalesce(greatest(0, ceil(extract(epoch FROM
        a.hold_until - clock_timestamp()) * 1000)), 0)::bigint AS hold_ms
FROM share s LEFT JOIN answer a ON true
