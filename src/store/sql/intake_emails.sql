-- one: tenant, worker, records
-- After the customers of a page are stored: who holds which e-mail. First
-- come, first served; what a customer gives up goes to the next that wants
-- it, which is then written again (its payments follow when its contact is
-- written: outcome). OFFSET 0 keeps a lookup a lookup by the whole key, as in
-- intake.
WITH page AS MATERIALIZED (
    SELECT DISTINCT x.id AS account, r.email
    FROM jsonb_to_recordset($3::jsonb) AS x(kind text, id text),
        LATERAL (SELECT c.email FROM ml_connector.record c
            WHERE c.tenant_id = $1::bigint AND c.kind = 'customer'
              AND c.fusion_id = x.id OFFSET 0) r
    WHERE x.kind = 'customer'
), given_up AS MATERIALIZED (
    SELECT e.email, e.account,
        (SELECT h.fusion_id FROM ml_connector.record h
         WHERE h.tenant_id = $1::bigint AND h.kind = 'customer'
           AND h.email = e.email AND h.fusion_id <> e.account
         ORDER BY h.seen_at, h.fusion_id LIMIT 1) AS heir
    FROM page p JOIN ml_connector.contact_email e
        ON e.tenant_id = $1::bigint AND e.account = p.account
    WHERE e.email IS DISTINCT FROM p.email
), inherited AS (
    UPDATE ml_connector.contact_email e SET account = g.heir
    FROM given_up g
    WHERE e.tenant_id = $1::bigint AND e.email = g.email
      AND g.heir IS NOT NULL
    RETURNING e.account
), freed AS (
    DELETE FROM ml_connector.contact_email e USING given_up g
    WHERE e.tenant_id = $1::bigint AND e.email = g.email AND g.heir IS NULL
), taken AS (
    INSERT INTO ml_connector.contact_email (tenant_id, email, account)
    SELECT DISTINCT ON (email) $1::bigint, email, account
    FROM page WHERE email IS NOT NULL ORDER BY email, account
    ON CONFLICT (tenant_id, email) DO NOTHING
), affected AS MATERIALIZED (
    SELECT f.kind, f.fusion_id
    FROM inherited i, LATERAL (SELECT r.kind, r.fusion_id
        FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'customer'
          AND r.fusion_id = i.account
          AND r.state IN ('current', 'pending') AND r.desired IS NOT NULL
        OFFSET 0) f
), jobs AS (
    INSERT INTO ml_connector.job AS j (tenant_id, kind, fusion_id, state,
        class)
    SELECT $1::bigint, kind, fusion_id, 'queued', 'fresh' FROM affected
    ORDER BY kind, fusion_id
    ON CONFLICT (tenant_id, kind, fusion_id) DO UPDATE SET
        revision = j.revision + 1
    WHERE j.state = 'in_flight'
    RETURNING j.id, j.kind, j.fusion_id, j.revision
), marked AS (
    UPDATE ml_connector.record r SET state = 'pending'
    FROM jobs j
    WHERE r.tenant_id = $1::bigint AND r.kind = j.kind
      AND r.fusion_id = j.fusion_id AND r.state = 'current'
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
        fusion_id, job, outcome)
    SELECT $1::bigint, $2::text, 'email_moved', kind, fusion_id, id,
        CASE WHEN revision = 1 THEN 'opened' ELSE 'replaced' END
    FROM jobs
)
SELECT count(*) AS opened FROM jobs
