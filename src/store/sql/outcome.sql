-- one: tenant, portal, worker, term, write, http_status, result, duration_ms, links, jobs, audit, gone
-- What came of one request: nothing at all when the term is not ours or this
-- request was settled before.
WITH held AS MATERIALIZED (
    SELECT 1 FROM ml_connector.lease
    WHERE portal = $2::text AND term = $4::bigint AND worker IS NOT NULL
    FOR KEY SHARE
), closed AS (
    UPDATE ml_connector.write SET closed_at = clock_timestamp(),
        result = $7::text, http_status = nullif($6::integer, 0),
        duration_ms = $8::bigint
    WHERE id = $5::text AND tenant_id = $1::bigint AND closed_at IS NULL
      AND EXISTS (SELECT FROM held)
    RETURNING opened_at
), go AS MATERIALIZED (
    SELECT (SELECT opened_at FROM closed) AS sent_at FROM held
    WHERE $5::text IS NULL OR EXISTS (SELECT FROM closed)
), piece AS MATERIALIZED (
    SELECT e ->> 'kind' AS kind, e ->> 'fusion_id' AS fusion_id,
        e ->> 'object' AS object, e ->> 'key' AS key, e, ord
    FROM go, jsonb_array_elements(coalesce($9::jsonb, '[]'))
        WITH ORDINALITY AS t(e, ord)
), whole AS MATERIALIZED (
    SELECT kind, fusion_id, object, key,
        (array_agg(e ->> 'id' ORDER BY ord DESC)
            FILTER (WHERE e ? 'id'))[1] AS id,
        bool_or(e ? 'id') AS has_id,
        (array_agg(e ->> 'hash' ORDER BY ord DESC)
            FILTER (WHERE e ->> 'hash' IS NOT NULL))[1] AS hash,
        (array_agg(e -> 'properties' ORDER BY ord DESC)
            FILTER (WHERE jsonb_typeof(e -> 'properties') = 'object'))[1]
            AS properties,
        (array_agg(e -> 'assoc' ORDER BY ord DESC)
            FILTER (WHERE jsonb_typeof(e -> 'assoc') = 'array'))[1] AS assoc
    FROM piece GROUP BY kind, fusion_id, object, key
), gone AS MATERIALIZED (
    -- objects of other records that HubSpot has no more
    SELECT DISTINCT x.kind, x.fusion_id, x.object, x.id
    FROM go, jsonb_to_recordset(coalesce($12::jsonb, '[]'))
        AS x(kind text, fusion_id text, object text, id text)
    WHERE x.id IS NOT NULL
), forgotten AS MATERIALIZED (
    -- lines go with their invoice
    SELECT l.kind, l.fusion_id, l.object, l.key
    FROM gone x, LATERAL (SELECT k.* FROM ml_connector.link k
        WHERE k.tenant_id = $1::bigint AND k.kind = x.kind
          AND k.fusion_id = x.fusion_id OFFSET 0) l
    WHERE (l.object = x.object AND l.hubspot_id = x.id)
       OR (x.object = 'invoices' AND l.object = 'line_items'
        AND EXISTS (SELECT FROM ml_connector.link i
            WHERE i.tenant_id = $1::bigint AND i.kind = x.kind
              AND i.fusion_id = x.fusion_id AND i.object = 'invoices'
              AND i.hubspot_id = x.id OFFSET 0))
), forget AS (
    UPDATE ml_connector.link l SET hubspot_id = NULL, hash = NULL,
        assoc = '{}', properties = NULL, written_at = now()
    FROM forgotten f
    WHERE l.tenant_id = $1::bigint AND l.kind = f.kind
      AND l.fusion_id = f.fusion_id AND l.object = f.object
      AND l.key = f.key
), unlinked AS (
    DELETE FROM ml_connector.link l USING whole x
    WHERE l.tenant_id = $1::bigint AND l.kind = x.kind
      AND l.fusion_id = x.fusion_id AND l.object = x.object
      AND l.key = x.key AND x.has_id AND x.id IS NULL
), linked AS (
    INSERT INTO ml_connector.link AS l (tenant_id, kind, fusion_id, object,
        key, hubspot_id, hash, assoc, properties)
    SELECT $1::bigint, kind, fusion_id, object, key, id,
        decode(hash, 'hex'), CASE WHEN assoc IS NULL THEN '{}'
            ELSE ARRAY(SELECT jsonb_array_elements_text(assoc)) END,
        properties
    FROM whole WHERE NOT (has_id AND id IS NULL)
    ORDER BY kind, fusion_id, object, key
    ON CONFLICT (tenant_id, kind, fusion_id, object, key) DO UPDATE SET
        hubspot_id = coalesce(excluded.hubspot_id, l.hubspot_id),
        hash = coalesce(excluded.hash, l.hash),
        assoc = CASE WHEN (l.kind, l.fusion_id, l.object, l.key) IN (
                SELECT kind, fusion_id, object, key FROM whole
                WHERE assoc IS NOT NULL)
            THEN excluded.assoc ELSE l.assoc END,
        properties = coalesce(excluded.properties, l.properties),
        written_at = now()
), moved_id AS MATERIALIZED (
    -- objects that are another record of HubSpot's now
    SELECT DISTINCT x.kind, x.fusion_id FROM whole x, LATERAL (
        SELECT k.hubspot_id FROM ml_connector.link k
        WHERE k.tenant_id = $1::bigint AND k.kind = x.kind
          AND k.fusion_id = x.fusion_id AND k.object = x.object
          AND k.key = x.key OFFSET 0) l
    WHERE x.object IN ('companies', 'contacts', 'invoices')
      AND x.id <> l.hubspot_id
), emailed AS MATERIALIZED (
    -- contacts whose e-mail is now another: what payments say of it follows.
    -- OFFSET 0 keeps a lookup a lookup by the whole key.
    SELECT x.fusion_id FROM whole x, LATERAL (
        SELECT k.properties FROM ml_connector.link k
        WHERE k.tenant_id = $1::bigint AND k.kind = x.kind
          AND k.fusion_id = x.fusion_id AND k.object = x.object
          AND k.key = x.key OFFSET 0) l
    WHERE x.kind = 'customer' AND x.object = 'contacts'
      AND x.properties IS NOT NULL
      AND (x.properties ->> 'email') IS DISTINCT FROM
        (l.properties ->> 'email')
), payments AS (
    INSERT INTO ml_connector.job AS j (tenant_id, kind, fusion_id, state,
        class)
    SELECT $1::bigint, 'payment', f.fusion_id, 'queued', 'fresh'
    FROM emailed m, LATERAL (SELECT r.fusion_id FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'payment'
          AND r.customer = m.fusion_id
          AND r.state IN ('current', 'pending') AND r.desired IS NOT NULL
          -- one that waits takes what there is when its time comes, and may be
          -- released by this very statement
          AND NOT EXISTS (SELECT FROM ml_connector.job w
            WHERE w.tenant_id = $1::bigint AND w.kind = 'payment'
              AND w.fusion_id = r.fusion_id AND w.state <> 'in_flight'
            OFFSET 0)
        OFFSET 0) f
    ORDER BY f.fusion_id
    ON CONFLICT (tenant_id, kind, fusion_id) DO UPDATE SET
        revision = j.revision + 1
    WHERE j.state = 'in_flight'
    RETURNING j.id, j.fusion_id, j.revision
), pending AS (
    UPDATE ml_connector.record r SET state = 'pending'
    FROM payments p
    WHERE r.tenant_id = $1::bigint AND r.kind = 'payment'
      AND r.fusion_id = p.fusion_id AND r.state = 'current'
), follow AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
        fusion_id, job, outcome)
    SELECT $1::bigint, $3::text, 'email_moved', 'payment', fusion_id, id,
        CASE WHEN revision = 1 THEN 'opened' ELSE 'replaced' END
    FROM payments
), let_go AS MATERIALIZED (
    -- addresses that a contact has given up for another
    SELECT DISTINCT l.email FROM whole x, LATERAL (
        SELECT k.properties ->> 'email' AS email FROM ml_connector.link k
        WHERE k.tenant_id = $1::bigint AND k.kind = x.kind
          AND k.fusion_id = x.fusion_id AND k.object = x.object
          AND k.key = x.key OFFSET 0) l
    WHERE x.kind = 'customer' AND x.object = 'contacts'
      AND x.properties ->> 'email' <> l.email
), heirs AS (
    -- whose they are by now, and who went without perhaps
    INSERT INTO ml_connector.job AS j (tenant_id, kind, fusion_id, state,
        class)
    SELECT $1::bigint, 'customer', r.fusion_id, 'queued', 'fresh'
    FROM let_go g, LATERAL (
        SELECT e.account FROM ml_connector.contact_email e
        WHERE e.tenant_id = $1::bigint AND e.email = g.email OFFSET 0) e,
        LATERAL (
        SELECT c.fusion_id FROM ml_connector.record c
        WHERE c.tenant_id = $1::bigint AND c.kind = 'customer'
          AND c.fusion_id = e.account AND c.state = 'current'
          AND c.desired IS NOT NULL OFFSET 0) r
    WHERE NOT EXISTS (SELECT FROM whole x
        WHERE x.kind = 'customer' AND x.fusion_id = r.fusion_id)
      AND ('customer', r.fusion_id) NOT IN (SELECT kind, fusion_id
        FROM forgotten)
      AND NOT EXISTS (SELECT FROM ml_connector.link k
        WHERE k.tenant_id = $1::bigint AND k.kind = 'customer'
          AND k.fusion_id = r.fusion_id AND k.object = 'contacts'
          AND k.properties ->> 'email' = g.email OFFSET 0)
    ORDER BY r.fusion_id
    ON CONFLICT (tenant_id, kind, fusion_id) DO NOTHING
    RETURNING j.id, j.fusion_id
), inherit AS (
    UPDATE ml_connector.record r SET state = 'pending'
    FROM heirs h
    WHERE r.tenant_id = $1::bigint AND r.kind = 'customer'
      AND r.fusion_id = h.fusion_id
), inherit_trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
        fusion_id, job, outcome)
    SELECT $1::bigint, $3::text, 'email_moved', 'customer', fusion_id, id,
        'opened'
    FROM heirs
), reopened AS (
    INSERT INTO ml_connector.job AS j (tenant_id, kind, fusion_id, state,
        class)
    SELECT $1::bigint, r.kind, r.fusion_id, 'queued', 'fresh'
    FROM (SELECT DISTINCT kind, fusion_id FROM forgotten) f
    JOIN ml_connector.record r ON r.tenant_id = $1::bigint
        AND r.kind = f.kind AND r.fusion_id = f.fusion_id
    WHERE r.desired IS NOT NULL AND r.state NOT IN ('gone', 'missing')
    ORDER BY r.kind, r.fusion_id
    ON CONFLICT (tenant_id, kind, fusion_id) DO UPDATE SET
        revision = j.revision + 1
    WHERE j.state = 'in_flight'
    RETURNING j.id, j.kind, j.fusion_id, j.revision, j.state
), hanging AS MATERIALIZED (
    -- what hung on an object that is gone or moved is associated anew
    SELECT DISTINCT d.kind, d.fusion_id, d.customer, d.state, f.name
    FROM (SELECT kind, fusion_id, kind || ':' || fusion_id AS name
          FROM forgotten WHERE object <> 'line_items'
          UNION SELECT kind, fusion_id, NULL FROM moved_id) f,
        LATERAL (SELECT r.kind, r.fusion_id, r.customer, r.state
        FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'payment'
          AND r.invoice = f.fusion_id AND f.kind = 'invoice'
          AND r.desired IS NOT NULL
        UNION ALL
        SELECT r.kind, r.fusion_id, r.customer, r.state
        FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind <> 'customer'
          AND r.customer = f.fusion_id AND f.kind = 'customer'
          AND r.desired IS NOT NULL) d
), follows AS (
    INSERT INTO ml_connector.job AS j (tenant_id, kind, fusion_id, state,
        class, waiting_for)
    SELECT $1::bigint, kind, fusion_id,
        CASE WHEN max(name) IS NULL THEN 'queued' ELSE 'waiting' END,
        'fresh', max(name)
    FROM hanging
    -- what has an open job takes what there is when its time comes; one in
    -- flight has taken the old id perhaps, and goes again
    WHERE state IN ('current', 'pending') AND NOT EXISTS (
        SELECT FROM ml_connector.job w
        WHERE w.tenant_id = $1::bigint AND w.kind = hanging.kind
          AND w.fusion_id = hanging.fusion_id
          AND (w.state <> 'in_flight' OR w.id IN (
            SELECT (e ->> 'id')::bigint
            FROM jsonb_array_elements(coalesce($10::jsonb, '[]')) e)))
      AND (kind, fusion_id) NOT IN (SELECT kind, fusion_id FROM forgotten)
      -- those are opened for their e-mail
      AND NOT (kind = 'payment' AND customer IS NOT NULL
        AND customer IN (SELECT fusion_id FROM emailed))
    GROUP BY kind, fusion_id ORDER BY kind, fusion_id
    ON CONFLICT (tenant_id, kind, fusion_id) DO UPDATE SET
        revision = j.revision + 1
    WHERE j.state = 'in_flight'
    RETURNING j.id, j.kind, j.fusion_id, j.revision, j.state
), opened AS MATERIALIZED (
    SELECT * FROM reopened UNION ALL SELECT * FROM follows
), reopen AS (
    UPDATE ml_connector.record r SET state = 'pending'
    FROM opened o
    WHERE r.tenant_id = $1::bigint AND r.kind = o.kind
      AND r.fusion_id = o.fusion_id AND r.state = 'current'
), reopen_trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
        fusion_id, job, outcome)
    SELECT $1::bigint, $3::text, 'object_gone', kind, fusion_id, id,
        CASE WHEN revision = 1 THEN 'opened' ELSE 'replaced' END
    FROM opened
), told AS MATERIALIZED (
    SELECT x.* FROM go, jsonb_to_recordset(coalesce($10::jsonb, '[]'))
        AS x(id bigint, revision bigint, state text, attempts integer,
        due_ms bigint, waiting_for text, error_code text, error text,
        correlation text, klass text, gone boolean)
), there AS MATERIALIZED (
    SELECT j.id, j.kind, j.fusion_id, j.feed, j.poll, j.state AS was,
        x.state AS told_state, x.gone, x.waiting_for AS told_waiting,
        x.attempts, x.due_ms, x.error_code, x.error, x.correlation, x.klass,
        coalesce(j.revision > x.revision, false) AS grown
    FROM told x JOIN ml_connector.job j ON j.id = x.id
        AND j.tenant_id = $1::bigint
    FOR UPDATE OF j
), parent AS MATERIALIZED (
    SELECT kind, fusion_id, kind || ':' || fusion_id AS name FROM there
    WHERE told_state = 'done'
), named AS MATERIALIZED (
    SELECT DISTINCT told_waiting AS name,
        split_part(told_waiting, ':', 1) AS kind,
        substr(told_waiting, strpos(told_waiting, ':') + 1) AS fusion_id
    FROM there
    WHERE told_state = 'waiting' AND strpos(told_waiting, ':') > 0
), ready AS MATERIALIZED (
    -- A parent that was written, or turned out not to exist, after its child
    -- was claimed released nobody: the child was in flight.
    SELECT n.name FROM named n
    WHERE n.name NOT IN (SELECT kind || ':' || fusion_id FROM gone)
      AND (EXISTS (SELECT FROM ml_connector.record r
            WHERE r.tenant_id = $1::bigint AND r.kind = n.kind
              AND r.fusion_id = n.fusion_id
              AND r.state IN ('gone', 'missing') OFFSET 0)
       OR (SELECT count(DISTINCT l.object) FROM ml_connector.link l
            WHERE l.tenant_id = $1::bigint AND l.kind = n.kind
              AND l.fusion_id = n.fusion_id AND l.hubspot_id IS NOT NULL
              AND l.object IN ('companies', 'contacts', 'invoices'))
            >= CASE n.kind WHEN 'customer' THEN 2 ELSE 1 END)
), next AS MATERIALIZED (
    SELECT t.*, CASE
        WHEN told_state = 'in_flight' THEN 'in_flight'
        WHEN grown AND told_state <> 'unknown' THEN 'queued'
        WHEN told_state = 'waiting'
            AND (told_waiting IN (SELECT name FROM parent)
                OR told_waiting IN (SELECT name FROM ready)) THEN 'queued'
        ELSE told_state END AS state
    FROM there t
), finished AS (
    DELETE FROM ml_connector.job j USING next n
    WHERE j.id = n.id AND n.state = 'done'
    RETURNING j.id, j.feed, j.poll
), moved AS (
    UPDATE ml_connector.job j SET state = n.state,
        attempts = CASE WHEN n.grown THEN j.attempts
            ELSE coalesce(n.attempts, j.attempts) END,
        due_at = CASE WHEN n.state IN ('retry', 'unknown') THEN
            clock_timestamp() + make_interval(secs =>
                coalesce(n.due_ms, 0) / 1000.0) END,
        sent_at = CASE n.state WHEN 'unknown' THEN
            coalesce((SELECT sent_at FROM go), j.sent_at, now())
            ELSE j.sent_at END,
        verify = CASE n.state WHEN 'in_flight' THEN j.verify
            ELSE n.state = 'unknown' END,
        waiting_for = CASE n.state WHEN 'waiting' THEN
            coalesce(n.told_waiting, 'portal') END,
        error_code = CASE WHEN n.grown THEN NULL ELSE n.error_code END,
        error = CASE WHEN n.grown THEN NULL ELSE n.error END,
        correlation = CASE WHEN n.grown THEN NULL ELSE n.correlation END,
        class = coalesce(n.klass, j.class),
        since = CASE WHEN j.state = n.state THEN j.since ELSE now() END
    FROM next n
    WHERE j.id = n.id AND n.state <> 'done'
), recorded AS (
    UPDATE ml_connector.record r SET
        state = CASE n.state
            WHEN 'done' THEN CASE WHEN n.gone THEN 'gone' ELSE 'current' END
            WHEN 'parked' THEN 'parked' ELSE 'pending' END,
        last_write = CASE n.told_state WHEN 'done' THEN now()
            ELSE r.last_write END,
        last_error = CASE WHEN n.told_state = 'done' THEN NULL
            WHEN n.error_code IS NOT NULL OR n.error IS NOT NULL
            THEN concat_ws(': ', n.error_code, n.error)
            ELSE r.last_error END
    FROM next n
    WHERE r.tenant_id = $1::bigint AND r.kind = n.kind
      AND r.fusion_id = n.fusion_id
      AND (n.told_state = 'done' OR n.state = 'parked'
        OR n.error_code IS NOT NULL OR n.error IS NOT NULL
        OR r.state = 'parked')
), released AS (
    UPDATE ml_connector.job w SET state = 'queued', waiting_for = NULL,
        since = now()
    -- OFFSET 0: an index finds the jobs of each, however many wait.
    FROM parent p, LATERAL (SELECT j.id FROM ml_connector.job j
        WHERE j.tenant_id = $1::bigint AND j.state = 'waiting'
          AND j.waiting_for = p.name OFFSET 0) f
    WHERE w.id = f.id AND w.state = 'waiting' AND w.waiting_for = p.name
      AND w.id NOT IN (SELECT id FROM told)
    RETURNING w.id
), tally AS (
    UPDATE ml_connector.poll p SET written = p.written + d.n
    FROM (SELECT poll, feed, count(*) AS n FROM finished
          WHERE poll IS NOT NULL GROUP BY poll, feed) d
    WHERE p.tenant_id = $1::bigint AND p.poll = d.poll AND p.feed = d.feed
), minute AS (
    INSERT INTO ml_connector.minute AS m (tenant_id, minute,
        hubspot_requests, records_written, throttled, errors)
    SELECT $1::bigint, date_trunc('minute', clock_timestamp()),
        CASE WHEN $5::text IS NULL THEN 0 ELSE 1 END,
        (SELECT count(*) FROM finished),
        CASE WHEN $5::text IS NOT NULL AND $6::integer = 429
            THEN 1 ELSE 0 END,
        CASE WHEN $5::text IS NOT NULL AND $6::integer <> 429
            AND $6::integer NOT BETWEEN 200 AND 299 THEN 1 ELSE 0 END
    FROM go
    WHERE $5::text IS NOT NULL OR EXISTS (SELECT FROM finished)
    ON CONFLICT (tenant_id, minute) DO UPDATE SET
        hubspot_requests = m.hubspot_requests + excluded.hubspot_requests,
        records_written = m.records_written + excluded.records_written,
        throttled = m.throttled + excluded.throttled,
        errors = m.errors + excluded.errors
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
        fusion_id, hubspot_id, job, attempt, outcome, http_status,
        error_code, message, correlation, before, after, duration_ms)
    SELECT $1::bigint, $3::text, x.event, x.kind, x.fusion_id, x.hubspot_id,
        x.job, x.attempt, x.outcome, nullif(x.http_status, 0), x.error_code,
        x.message, nullif(x.correlation, ''), x.before, x.after,
        x.duration_ms
    FROM go, jsonb_to_recordset(coalesce($11::jsonb, '[]')) AS x(event text,
        kind text, fusion_id text, hubspot_id text, job bigint,
        attempt integer, outcome text, http_status integer, error_code text,
        message text, correlation text, before jsonb, after jsonb,
        duration_ms bigint)
    WHERE x.event IS NOT NULL
)
SELECT EXISTS (SELECT FROM held) AS held,
    EXISTS (SELECT FROM go) AS stored,
    $5::text IS NULL OR EXISTS (SELECT FROM ml_connector.write
        WHERE id = $5::text AND tenant_id = $1::bigint) AS known,
    (SELECT count(*) FROM released) + (SELECT count(*) FROM payments) +
    (SELECT count(*) FROM opened WHERE state = 'queued') +
    (SELECT count(*) FROM next
     WHERE told_state = 'waiting' AND state = 'queued') AS released
