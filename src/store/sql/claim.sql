-- many: tenant, portal, term, limit, parts
-- Due jobs of a tenant become in_flight, each class its part and the most
-- urgent what the others leave, with all that their dispatcher needs.
WITH held AS MATERIALIZED (
    SELECT 1 FROM ml_connector.lease l
    WHERE l.portal = $2::text AND l.term = $3::bigint AND l.worker IS NOT NULL
      AND l.expires_at > clock_timestamp()
      AND NOT EXISTS (
        -- over its ceiling, or a poll may be about to be; not one of a holder
        -- before, which died
        SELECT FROM ml_connector.tenant t
        WHERE t.id = $1::bigint AND (t.state = 'held'
            OR t.gathering_at >
                greatest(now() - interval '3 minutes', l.taken_at)))
    FOR KEY SHARE OF l
), class AS MATERIALIZED (
    -- parts: what is kept of the room for each class; -1: it stands still
    SELECT (n - 1) * 10 AS low, part, ceil(part / 5.0) AS each
    FROM unnest($5::bigint[]) WITH ORDINALITY AS c(part, n)
    WHERE part >= 0 AND EXISTS (SELECT FROM held)
), waiting AS MATERIALIZED (
    SELECT q.id, c.low, c.part, c.each, k.kind,
        row_number() OVER (PARTITION BY c.low, k.kind ORDER BY q.id) AS place
    FROM class c, (VALUES (0), (1), (2)) AS k(kind), LATERAL (
        SELECT j.id FROM ml_connector.job j
        WHERE j.tenant_id = $1::bigint AND j.state = 'queued'
          AND j.rank = c.low + k.kind
        ORDER BY j.tenant_id, j.rank, j.id LIMIT $4::bigint) q
    UNION ALL
    -- what is tried again, whatever class it was
    SELECT q.id, c.low, c.part, c.each, 3,
        row_number() OVER (ORDER BY q.due_at)
    FROM class c, LATERAL (
        SELECT j.id, j.due_at FROM ml_connector.job j
        WHERE j.tenant_id = $1::bigint AND j.state IN ('retry', 'unknown')
          AND j.due_at <= now()
        ORDER BY j.tenant_id, j.due_at LIMIT $4::bigint) q
    WHERE c.low = 10
), placed AS MATERIALIZED (
    -- customers before invoices before payments; but a fifth of its class's
    -- part is for the oldest of each
    SELECT id, low, part, row_number() OVER (PARTITION BY low
        ORDER BY place > each, kind, place) AS place
    FROM waiting
), chosen AS MATERIALIZED (
    -- each class its part, then what is left to the most urgent
    SELECT id FROM placed ORDER BY place > part, low, place LIMIT $4::bigint
), taken AS MATERIALIZED (
    SELECT j.id FROM chosen c JOIN ml_connector.job j ON j.id = c.id
    WHERE j.tenant_id = $1::bigint
      AND (j.state = 'queued' OR (j.state IN ('retry', 'unknown')
        AND j.due_at <= clock_timestamp()))
    FOR UPDATE OF j SKIP LOCKED
), claimed AS MATERIALIZED (
    UPDATE ml_connector.job j SET state = 'in_flight',
        verify = j.verify OR j.state = 'unknown', due_at = NULL,
        since = now()
    FROM taken c
    WHERE j.id = c.id AND j.tenant_id = $1::bigint
    RETURNING j.*
)
SELECT j.id, j.revision, j.kind, j.fusion_id, r.number, j.class, j.verify,
    j.attempts, (extract(epoch FROM clock_timestamp() - j.seen_at) *
        1000000)::bigint AS seen_ago_us,
    coalesce(CASE WHEN j.verify THEN greatest(0, extract(epoch FROM
        clock_timestamp() - j.sent_at) * 1000000)::bigint END, -1)
        AS sent_ago_us,
    coalesce(r.desired, '{"objects":[]}') AS desired,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('object', l.object,
        'key', l.key, 'id', l.hubspot_id, 'hash', encode(l.hash, 'hex'),
        'assoc', to_jsonb(l.assoc), 'properties',
        coalesce(l.properties, '{}')) ORDER BY l.object, l.key), '[]')
     FROM ml_connector.link l
     WHERE l.tenant_id = j.tenant_id AND l.kind = j.kind
       AND l.fusion_id = j.fusion_id AND l.hubspot_id IS NOT NULL) AS links,
    jsonb_strip_nulls(jsonb_build_object(
        'customer', CASE WHEN j.kind <> 'customer'
                AND r.customer IS NOT NULL THEN
            jsonb_build_object('id', r.customer,
            'state', coalesce((SELECT c.state FROM ml_connector.record c
                WHERE c.tenant_id = j.tenant_id AND c.kind = 'customer'
                  AND c.fusion_id = r.customer), 'none'),
            'company', (SELECT l.hubspot_id FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                  AND l.fusion_id = r.customer AND l.object = 'companies'
                  AND l.hubspot_id IS NOT NULL LIMIT 1),
            'contact', (SELECT l.hubspot_id FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                  AND l.fusion_id = r.customer AND l.object = 'contacts'
                  AND l.hubspot_id IS NOT NULL LIMIT 1),
            'email', (SELECT l.properties ->> 'email'
                FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                  AND l.fusion_id = r.customer AND l.object = 'contacts'
                LIMIT 1)) END,
        'invoice', CASE WHEN j.kind = 'payment' AND r.invoice IS NOT NULL
            THEN jsonb_build_object('id', r.invoice,
            'state', coalesce((SELECT c.state FROM ml_connector.record c
                WHERE c.tenant_id = j.tenant_id AND c.kind = 'invoice'
                  AND c.fusion_id = r.invoice), 'none'),
            'hubspot', (SELECT l.hubspot_id FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'invoice'
                  AND l.fusion_id = r.invoice AND l.object = 'invoices'
                  AND l.hubspot_id IS NOT NULL LIMIT 1)) END)) AS parents,
    coalesce((SELECT e.account FROM ml_connector.contact_email e
        WHERE j.kind = 'customer' AND e.tenant_id = j.tenant_id
          AND e.email = r.email AND e.account <> j.fusion_id), '')
        AS email_holder,
    r.amount, r.currency
FROM claimed j
LEFT JOIN ml_connector.record r ON r.tenant_id = j.tenant_id
    AND r.kind = j.kind AND r.fusion_id = j.fusion_id
ORDER BY j.rank, j.id
