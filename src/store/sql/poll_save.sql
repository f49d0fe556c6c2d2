-- none: tenant, feed, poll, worker, state, outcome, message, interval_ms, requests, by_id
-- Begin and end of a poll; requests count from its beginning. One by_id read
-- only what others wait for: the feed is as old as it was.
WITH before AS MATERIALIZED (
    SELECT requests FROM ml_connector.poll
    WHERE tenant_id = $1::bigint AND poll = $3::text AND feed = $2::text
), saved AS (
    INSERT INTO ml_connector.poll AS p (tenant_id, poll, feed, worker,
        outcome, message, requests, finished_at)
    VALUES ($1::bigint, $3::text, $2::text, $4::text, $6::text, $7::text,
        $9::bigint, CASE WHEN $6::text <> '' THEN clock_timestamp() END)
    ON CONFLICT (tenant_id, poll, feed) DO UPDATE SET
        worker = excluded.worker, outcome = excluded.outcome,
        message = excluded.message, requests = excluded.requests,
        finished_at = excluded.finished_at
    RETURNING started_at
), others AS (
    -- what it read for other feeds: parents, open invoices
    UPDATE ml_connector.poll SET outcome = $6::text,
        finished_at = clock_timestamp()
    WHERE tenant_id = $1::bigint AND poll = $3::text AND feed <> $2::text
      AND $6::text <> ''
), gathered AS (
    -- what waited for its end may go; what died at it holds nothing up
    UPDATE ml_connector.tenant t SET gathering = NULL, gathering_at = NULL
    WHERE t.id = $1::bigint AND t.gathering IS NOT NULL
      AND (t.gathering = $3::text OR EXISTS (
        SELECT FROM ml_connector.poll p
        WHERE p.tenant_id = $1::bigint AND p.poll = t.gathering
          AND p.feed = $2::text AND $6::text = ''))
), minute AS (
    INSERT INTO ml_connector.minute AS m (tenant_id, minute,
        fusion_requests, errors)
    SELECT $1::bigint, date_trunc('minute', clock_timestamp()), d.n,
        CASE WHEN $6::text NOT IN ('', 'ok') THEN 1 ELSE 0 END
    FROM (SELECT greatest(0, $9::bigint -
        coalesce((SELECT requests FROM before), 0)) AS n) d
    WHERE d.n > 0 OR $6::text NOT IN ('', 'ok')
    ON CONFLICT (tenant_id, minute) DO UPDATE SET
        fusion_requests = m.fusion_requests + excluded.fusion_requests,
        errors = m.errors + excluded.errors
)
INSERT INTO ml_connector.feed AS f (tenant_id, feed, state, interval_ms,
    last_poll, last_success, last_outcome, last_error, last_error_at)
SELECT $1::bigint, $2::text, $5::text, $8::bigint,
    CASE WHEN NOT $10::bool THEN s.started_at END,
    CASE WHEN NOT $10::bool AND $6::text = 'ok' THEN s.started_at END,
    CASE WHEN NOT $10::bool OR $6::text <> 'ok' THEN nullif($6::text, '') END,
    CASE WHEN $6::text NOT IN ('', 'ok')
        THEN concat_ws(': ', $6::text, $7::text) END,
    CASE WHEN $6::text NOT IN ('', 'ok') THEN clock_timestamp() END
FROM saved s
ON CONFLICT (tenant_id, feed) DO UPDATE SET
    state = excluded.state,
    state_at = CASE WHEN f.state = excluded.state THEN f.state_at
        ELSE now() END,
    interval_ms = excluded.interval_ms,
    last_poll = coalesce(excluded.last_poll, f.last_poll),
    last_success = coalesce(excluded.last_success, f.last_success),
    last_outcome = coalesce(excluded.last_outcome, f.last_outcome),
    last_error = coalesce(excluded.last_error, f.last_error),
    last_error_at = coalesce(excluded.last_error_at, f.last_error_at),
    -- let through until a poll is as ever
    let_until = CASE WHEN excluded.last_outcome = 'ok' AND NOT EXISTS (
            SELECT FROM ml_connector.poll p
            WHERE p.tenant_id = $1::bigint AND p.poll = $3::text
              AND p.over) THEN NULL ELSE f.let_until END
