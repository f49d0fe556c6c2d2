-- one: tenant, feed, poll, worker, ceiling, factor
-- After what a page of news opened: a poll of the feed that opens far more than
-- polls of the last days did holds the tenant, in the transaction of the page
-- that crosses the line, unless a person lets it through. From a part of that
-- on, nothing of the tenant is claimed before the poll has ended. A feed's
-- first poll is no news.
WITH mine AS MATERIALIZED (
    SELECT coalesce(sum(p.opened), 0) AS opened FROM ml_connector.poll p
    WHERE p.tenant_id = $1::bigint AND p.poll = $3::text
), usual AS MATERIALIZED (
    -- looked at only when it matters
    SELECT coalesce(max(s.opened), 0) AS opened FROM (
        SELECT sum(p.opened) AS opened FROM ml_connector.poll p
        WHERE p.tenant_id = $1::bigint AND NOT p.over
          AND p.poll <> $3::text
          AND p.started_at > now() - interval '7 days'
          AND (SELECT opened FROM mine) > $5::bigint
        GROUP BY p.poll) s
), known AS MATERIALIZED (
    SELECT coalesce(f.let_until > now(), false) AS let
    FROM ml_connector.feed f
    WHERE f.tenant_id = $1::bigint AND f.feed = $2::text
      AND f.last_success IS NOT NULL
), line AS MATERIALIZED (
    SELECT p.opened, u.opened AS usual, k.let,
        p.opened > greatest($5::bigint, $6::bigint * u.opened) AS over,
        p.opened >= least(250, greatest($5::bigint / 4, 1)) AS many
    FROM mine p, usual u, known k
), marked AS (
    UPDATE ml_connector.poll p SET over = true
    FROM line l
    -- nor is what was let through usual
    WHERE (l.over OR (l.let AND l.opened > $5::bigint)) AND p.tenant_id = $1::bigint AND p.poll = $3::text
      AND NOT p.over
), found AS MATERIALIZED (
    SELECT j.kind, count(*) FILTER (WHERE k.there) AS change,
        count(*) FILTER (WHERE NOT k.there) AS new,
        coalesce(sum(o.n) FILTER (WHERE NOT k.there), 0) AS objects
    FROM ml_connector.job j
    JOIN ml_connector.record r ON r.tenant_id = $1::bigint
        AND r.kind = j.kind AND r.fusion_id = j.fusion_id,
    LATERAL (SELECT EXISTS (SELECT FROM ml_connector.link l
        WHERE l.tenant_id = $1::bigint AND l.kind = j.kind
          AND l.fusion_id = j.fusion_id AND l.hubspot_id IS NOT NULL
        OFFSET 0) AS there) k,
    LATERAL (SELECT jsonb_array_length(r.desired -> 'objects') AS n) o
    WHERE j.tenant_id = $1::bigint AND j.poll = $3::text
      AND (SELECT over AND NOT let FROM line)
    GROUP BY j.kind
), text AS MATERIALIZED (
    SELECT format('a poll of %s would write %s records, where polls of the '
        'last 7 days wrote at most %s and the ceiling is %s: see `plan`; '
        '`tenant resume` lets it through', $2::text, l.opened, l.usual,
        $5::bigint) AS reason
    FROM line l
), held AS (
    UPDATE ml_connector.tenant t SET state = 'held', reason = x.reason,
        state_at = now(), gathering = NULL, gathering_at = NULL
    FROM line l, text x
    WHERE t.id = $1::bigint AND t.state = 'active' AND l.over AND NOT l.let
    RETURNING t.id
), gathered AS (
    UPDATE ml_connector.tenant t SET gathering = $3::text,
        gathering_at = now()
    FROM line l
    WHERE t.id = $1::bigint AND l.many AND NOT l.over AND NOT l.let
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, outcome,
        message, before, after)
    SELECT h.id, $4::text, 'tenant.state', 'held', x.reason,
        '{"state":"active"}', '{"state":"held"}'
    FROM held h, text x
)
SELECT CASE WHEN EXISTS (SELECT FROM held) THEN (
    SELECT jsonb_build_object('feed', $2::text, 'poll', $3::text,
        'opened', l.opened, 'usual', l.usual, 'ceiling', $5::bigint,
        'records', (SELECT coalesce(jsonb_object_agg(f.kind,
            jsonb_build_object('create', f.new, 'change', f.change,
                'objects', f.objects)), '{}') FROM found f))
    FROM line l) END AS held
