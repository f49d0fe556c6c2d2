-- one: tenant, feed, poll, worker, class, read_us, records, read, filtered, invalid, late_before_us, late_clock_us, reader, news
-- One page of records: what is newer replaces what is known, what changed
-- opens or replaces the one job of its record. Parents are looked up as they
-- were before; a parent that arrives meanwhile releases the job later.
-- A row that a scan should have met before late_before_us and nobody knows was
-- late by what late_clock_us is ahead of its stamp; 0: this is no scan.
-- news: what this opens is counted against the ceiling (intake_ceiling).
-- What is read for the first time since the database was set back is opened as
-- if it had changed, to be compared with HubSpot; the ceiling does not count it.
-- OFFSET 0 keeps a lookup a lookup by the whole key: without statistics of the
-- tenant a join would read all its rows for each row of the page.
WITH doubt AS MATERIALIZED (
    SELECT doubt_at AS at FROM ml_connector.tenant WHERE id = $1::bigint
), input AS MATERIALIZED (
    SELECT x.*, row_number() OVER () AS ord
    FROM jsonb_to_recordset($7::jsonb) AS x(
        kind text, id text, number text, customer text, invoice text,
        receipt text, amount numeric, currency text, email text, party text,
        account_name text, contact_name text, contact_email text,
        open boolean, draft boolean, balance numeric, stamp_us bigint,
        version_us bigint,
        hash text, desired jsonb, notes jsonb)
), newest AS MATERIALIZED (
    SELECT DISTINCT ON (kind, id) * FROM input
    ORDER BY kind, id, version_us DESC, ord DESC
), one AS MATERIALIZED (
    SELECT n.*, g.gone, g.gone AND NOT d.doubted AND NOT EXISTS (
            SELECT FROM ml_connector.link l
            WHERE l.tenant_id = $1::bigint AND l.kind = n.kind
              AND l.fusion_id = n.id AND l.hubspot_id IS NOT NULL
            OFFSET 0)
        AND NOT EXISTS (
            SELECT FROM ml_connector.job j
            WHERE j.tenant_id = $1::bigint AND j.kind = n.kind
              AND j.fusion_id = n.id
              AND j.state IN ('in_flight', 'unknown') OFFSET 0) AS skip
    FROM newest n, LATERAL (SELECT
        coalesce((n.desired ->> 'gone')::boolean, false) AS gone) g,
    LATERAL (SELECT CASE WHEN (SELECT at FROM doubt) IS NULL THEN false
        ELSE coalesce((SELECT r.last_read FROM ml_connector.record r
            WHERE r.tenant_id = $1::bigint AND r.kind = n.kind
              AND r.fusion_id = n.id OFFSET 0), now() - interval '1 day') <
            (SELECT at FROM doubt) END AS doubted) d
), late AS MATERIALIZED (
    SELECT max($12::bigint - n.version_us) AS us FROM one n
    WHERE n.version_us < $11::bigint AND NOT n.gone
      AND NOT EXISTS (
        SELECT FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = n.kind
          AND r.fusion_id = n.id AND r.version_us >= n.version_us OFFSET 0)
), found AS MATERIALIZED (
    -- parents that others were written without, since Fusion did not show them
    SELECT n.kind, n.id FROM one n
    WHERE n.kind IN ('customer', 'invoice') AND EXISTS (
        SELECT FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = n.kind
          AND r.fusion_id = n.id AND r.state = 'missing' OFFSET 0)
), orphans AS MATERIALIZED (
    SELECT d.kind, d.fusion_id
    FROM found v, LATERAL (SELECT r.kind, r.fusion_id
        FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'payment'
          AND r.invoice = v.id AND v.kind = 'invoice'
          AND r.state = 'current' AND r.desired IS NOT NULL
        UNION ALL
        SELECT r.kind, r.fusion_id FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind <> 'customer'
          AND r.customer = v.id AND v.kind = 'customer'
          AND r.state = 'current' AND r.desired IS NOT NULL) d
), adopted AS (
    INSERT INTO ml_connector.job AS j (tenant_id, kind, fusion_id, state,
        class)
    SELECT DISTINCT $1::bigint, kind, fusion_id, 'queued', $5::text
    FROM orphans ORDER BY kind, fusion_id
    ON CONFLICT (tenant_id, kind, fusion_id) DO UPDATE SET
        revision = j.revision + 1
    WHERE j.state = 'in_flight'
    RETURNING j.id, j.kind, j.fusion_id
), awaiting AS (
    UPDATE ml_connector.record r SET state = 'pending'
    FROM adopted a
    WHERE r.tenant_id = $1::bigint AND r.kind = a.kind
      AND r.fusion_id = a.fusion_id AND r.state = 'current'
), told AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
        fusion_id, job)
    SELECT $1::bigint, $4::text, 'parent_found', kind, fusion_id, id
    FROM adopted
), known AS MATERIALIZED (
    INSERT INTO ml_connector.record AS r (tenant_id, kind, fusion_id, state,
        open, draft, balance, stamp_us, reader, changed, version_us, read_us,
        number, customer, invoice, receipt, amount, currency, email, hash, desired,
        last_change)
    SELECT $1::bigint, kind, id,
        CASE WHEN skip THEN 'gone' ELSE 'pending' END,
        coalesce(open, false), coalesce(draft, false), balance, stamp_us,
        nullif($13::bigint, 0), true, coalesce(version_us, 0), $6::bigint, number, customer, invoice,
        receipt, amount, currency,
        CASE WHEN length(email) <= 320 THEN email END,
        decode(hash, 'hex'), desired, now()
    FROM one ORDER BY kind, id
    ON CONFLICT (tenant_id, kind, fusion_id) DO UPDATE SET
        changed = r.hash IS DISTINCT FROM excluded.hash
            OR coalesce(r.last_read < (SELECT at FROM doubt), false),
        state = CASE WHEN r.hash IS DISTINCT FROM excluded.hash
                OR r.last_read < (SELECT at FROM doubt)
            THEN excluded.state
            -- it is there again; payments are gone by their content
            WHEN r.state = 'gone' AND r.kind = 'invoice' THEN 'current'
            ELSE r.state END,
        open = excluded.open, draft = excluded.draft,
        stamp_us = excluded.stamp_us,
        stale_us = CASE WHEN r.stale_us > excluded.read_us
            THEN r.stale_us END,
        balance = excluded.balance, version_us = excluded.version_us,
        reader = excluded.reader,
        read_us = CASE WHEN r.reader = excluded.reader
            THEN greatest(r.read_us, excluded.read_us)
            ELSE excluded.read_us END,
        number = excluded.number,
        customer = excluded.customer, invoice = excluded.invoice,
        receipt = excluded.receipt, amount = excluded.amount,
        currency = excluded.currency, email = excluded.email,
        hash = excluded.hash,
        desired = CASE WHEN r.hash IS DISTINCT FROM excluded.hash
                OR r.last_read < (SELECT at FROM doubt)
            THEN excluded.desired ELSE r.desired END,
        last_read = now(),
        last_change = CASE WHEN r.hash IS DISTINCT FROM excluded.hash
            THEN now() ELSE r.last_change END
    -- Of two readings by one process the later is newer, whatever the stamps: a
    -- child row with the greatest may be gone. The pod's Date has whole seconds:
    -- of two processes the later one may believe that it read up to a second
    -- earlier.
    WHERE r.version_us < excluded.version_us
       OR (r.reader = excluded.reader AND r.read_us <= excluded.read_us)
       OR (r.version_us = excluded.version_us
        AND r.read_us <= excluded.read_us + 1500000)
       OR r.read_us + 1500000 < excluded.read_us
    RETURNING r.kind, r.fusion_id, r.changed, r.invoice
), opened AS MATERIALIZED (
    SELECT o.*,
        CASE WHEN o.kind = 'customer' OR o.gone THEN NULL
            WHEN o.customer IS NULL
                THEN CASE o.kind WHEN 'invoice' THEN 'no_customer' END
            WHEN NOT EXISTS (
                SELECT FROM ml_connector.record c
                WHERE c.tenant_id = $1::bigint AND c.kind = 'customer'
                  AND c.fusion_id = o.customer
                  AND c.state IN ('missing', 'gone') OFFSET 0)
             AND (SELECT count(DISTINCT l.object) FROM ml_connector.link l
                WHERE l.tenant_id = $1::bigint AND l.kind = 'customer'
                  AND l.fusion_id = o.customer
                  AND l.object IN ('companies', 'contacts')
                  AND l.hubspot_id IS NOT NULL) < 2
                THEN 'customer:' || o.customer
            END AS waits_customer,
        CASE WHEN o.kind = 'payment' AND o.invoice IS NOT NULL
              AND NOT o.gone
              AND NOT EXISTS (
                SELECT FROM ml_connector.record i
                WHERE i.tenant_id = $1::bigint AND i.kind = 'invoice'
                  AND i.fusion_id = o.invoice
                  AND i.state IN ('missing', 'gone') OFFSET 0)
              AND NOT EXISTS (
                SELECT FROM ml_connector.link l
                WHERE l.tenant_id = $1::bigint AND l.kind = 'invoice'
                  AND l.fusion_id = o.invoice AND l.object = 'invoices'
                  AND l.hubspot_id IS NOT NULL OFFSET 0)
            THEN 'invoice:' || o.invoice END AS waits_invoice
    FROM known k JOIN one o ON o.kind = k.kind AND o.id = k.fusion_id
    WHERE k.changed AND NOT o.skip
), replaced AS MATERIALIZED (
    SELECT j.id, j.state, j.feed, j.poll, o.skip
    FROM known k JOIN one o ON o.kind = k.kind AND o.id = k.fusion_id
    JOIN ml_connector.job j ON j.tenant_id = $1::bigint AND j.kind = k.kind
        AND j.fusion_id = k.fusion_id
    WHERE k.changed
    FOR UPDATE OF j
), dropped AS (
    DELETE FROM ml_connector.job j USING replaced d
    WHERE j.id = d.id AND d.skip
    RETURNING j.id
), jobs AS MATERIALIZED (
    INSERT INTO ml_connector.job AS j (tenant_id, kind, fusion_id, state,
        class, waiting_for, feed, poll)
    SELECT $1::bigint, kind, id,
        CASE WHEN coalesce(waits_customer, waits_invoice) IS NULL
            THEN 'queued' ELSE 'waiting' END,
        $5::text, coalesce(waits_customer, waits_invoice), $2::text, $3::text
    FROM opened
    -- Looks at what is replaced before it is.
    WHERE (SELECT count(*) FROM replaced) >= 0
    ORDER BY ord
    ON CONFLICT (tenant_id, kind, fusion_id) DO UPDATE SET
        revision = j.revision + 1, attempts = 0,
        state = CASE WHEN j.state IN ('in_flight', 'unknown') THEN j.state
            ELSE excluded.state END,
        waiting_for = CASE WHEN j.state IN ('in_flight', 'unknown')
            THEN NULL ELSE excluded.waiting_for END,
        due_at = CASE j.state WHEN 'unknown' THEN j.due_at END,
        class = CASE WHEN j.state = 'parked' OR array_position(
                '{fresh,retry,replay,backfill,reconcile}', excluded.class) <
                array_position('{fresh,retry,replay,backfill,reconcile}',
                j.class) THEN excluded.class ELSE j.class END,
        error_code = NULL, error = NULL, correlation = NULL,
        opened_at = CASE j.state WHEN 'parked' THEN now()
            ELSE j.opened_at END,
        since = CASE WHEN j.state IN ('in_flight', 'unknown') THEN j.since
            ELSE now() END,
        seen_at = now(), feed = excluded.feed, poll = excluded.poll
    RETURNING j.id, j.kind, j.fusion_id, j.revision, j.state, j.waiting_for
), hint AS MATERIALIZED (
    -- of equally new invoices the one with the greater id, so that the order
    -- of reading decides nothing
    SELECT DISTINCT ON (customer) customer, account_name, contact_name,
        party, contact_email, coalesce(version_us, 0) AS version_us,
        id AS fusion_id
    FROM one WHERE kind = 'invoice' AND customer IS NOT NULL
    ORDER BY customer, version_us DESC, length(id) DESC, id DESC
), hint_before AS MATERIALIZED (
    SELECT a.* FROM hint h JOIN ml_connector.account a
        ON a.tenant_id = $1::bigint AND a.number = h.customer
), hint_after AS (
    INSERT INTO ml_connector.account AS a (tenant_id, number, bill_to_name,
        bill_to_contact, bill_to_party, bill_to_email, hint_version_us,
        hint_id)
    SELECT $1::bigint, customer, account_name, contact_name, party,
        contact_email, version_us, fusion_id
    FROM hint ORDER BY customer
    ON CONFLICT (tenant_id, number) DO UPDATE SET
        bill_to_name = excluded.bill_to_name,
        bill_to_contact = excluded.bill_to_contact,
        bill_to_party = excluded.bill_to_party,
        bill_to_email = excluded.bill_to_email,
        hint_version_us = excluded.hint_version_us,
        hint_id = excluded.hint_id, revision = a.revision + 1,
        stale = a.stale OR (a.bill_to_contact, a.bill_to_email)
                IS DISTINCT FROM
                (excluded.bill_to_contact, excluded.bill_to_email)
            OR (a.name IS NULL AND a.bill_to_name IS DISTINCT FROM
                excluded.bill_to_name)
            OR (a.party IS NULL AND a.bill_to_party IS DISTINCT FROM
                excluded.bill_to_party)
    WHERE a.hint_version_us IS NULL OR (a.hint_id = excluded.hint_id
        AND (a.bill_to_name, a.bill_to_contact, a.bill_to_party,
            a.bill_to_email) IS DISTINCT FROM
            (excluded.bill_to_name, excluded.bill_to_contact,
            excluded.bill_to_party, excluded.bill_to_email))
       OR ((a.hint_version_us, length(a.hint_id), a.hint_id) <=
            (excluded.hint_version_us, length(excluded.hint_id),
            excluded.hint_id)
        AND (a.bill_to_name, a.bill_to_contact, a.bill_to_party,
            a.bill_to_email, a.hint_version_us, a.hint_id) IS DISTINCT FROM
            (excluded.bill_to_name, excluded.bill_to_contact,
            excluded.bill_to_party, excluded.bill_to_email,
            excluded.hint_version_us, excluded.hint_id))
    RETURNING a.number, a.name, a.party, a.bill_to_name, a.bill_to_contact,
        a.bill_to_party, a.bill_to_email
), stale AS (
    SELECT n.number FROM hint_after n
    LEFT JOIN hint_before b ON b.number = n.number
    WHERE ((n.bill_to_contact, n.bill_to_email) IS DISTINCT FROM
            (b.bill_to_contact, b.bill_to_email)
        OR (n.name IS NULL
            AND n.bill_to_name IS DISTINCT FROM b.bill_to_name)
        OR (n.party IS NULL
            AND n.bill_to_party IS DISTINCT FROM b.bill_to_party))
      AND EXISTS (
        SELECT FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'customer'
          AND r.fusion_id = n.number
          AND r.state NOT IN ('missing', 'gone') OFFSET 0)
), touched AS MATERIALIZED (
    UPDATE ml_connector.record r SET stale_us = $6::bigint
    FROM (SELECT DISTINCT k.invoice FROM known k
          WHERE k.changed AND k.kind = 'payment'
            AND k.invoice IS NOT NULL) u
    WHERE r.tenant_id = $1::bigint AND r.kind = 'invoice'
      AND r.fusion_id = u.invoice AND r.state NOT IN ('missing', 'gone')
    RETURNING r.fusion_id
), counts AS MATERIALIZED (
    SELECT (SELECT count(*) FROM input) AS n,
        (SELECT count(*) FROM known) AS taken,
        (SELECT count(*) FROM jobs) AS opened,
        (SELECT count(*) FROM replaced
         WHERE poll = $3::text AND feed = $2::text) AS again,
        (SELECT count(*) FROM one n, LATERAL (
            SELECT r.hash, r.last_read FROM ml_connector.record r
            WHERE r.tenant_id = $1::bigint AND r.kind = n.kind
              AND r.fusion_id = n.id
              AND (SELECT at FROM doubt) IS NOT NULL OFFSET 0) k
         WHERE k.last_read < (SELECT at FROM doubt)
           AND k.hash = decode(n.hash, 'hex')) AS same
), other AS (
    UPDATE ml_connector.poll p SET superseded = p.superseded + d.n
    FROM (SELECT poll, feed, count(*) AS n FROM replaced
          WHERE poll <> $3::text OR feed <> $2::text
          GROUP BY poll, feed) d
    WHERE p.tenant_id = $1::bigint AND p.poll = d.poll AND p.feed = d.feed
), tally AS (
    INSERT INTO ml_connector.poll AS p (tenant_id, poll, feed, worker, read,
        filtered, invalid, unchanged, superseded, opened)
    SELECT $1::bigint, $3::text, $2::text, $4::text, $8::bigint,
        $9::bigint, $10::bigint, c.taken - c.opened,
        c.n - c.taken + c.again,
        CASE WHEN $14::boolean
            THEN greatest(0, c.opened - c.again - c.same) ELSE 0 END
    FROM counts c
    ON CONFLICT (tenant_id, poll, feed) DO UPDATE SET
        read = p.read + excluded.read,
        filtered = p.filtered + excluded.filtered,
        invalid = p.invalid + excluded.invalid,
        unchanged = p.unchanged + excluded.unchanged,
        superseded = p.superseded + excluded.superseded,
        opened = p.opened + excluded.opened
), seen AS (
    INSERT INTO ml_connector.feed AS f (tenant_id, feed, records_seen,
        late_us, late_at)
    SELECT $1::bigint, $2::text, $8::bigint, coalesce(l.us, 0),
        CASE WHEN l.us > 0 THEN now() END
    FROM late l
    ON CONFLICT (tenant_id, feed) DO UPDATE SET
        records_seen = f.records_seen + excluded.records_seen,
        late_us = CASE WHEN excluded.late_us = 0 THEN f.late_us
            WHEN f.late_at > now() - interval '7 days'
            THEN greatest(f.late_us, excluded.late_us)
            ELSE excluded.late_us END,
        late_at = CASE WHEN excluded.late_us > 0
            AND (f.late_us <= excluded.late_us
                OR f.late_at <= now() - interval '7 days')
            THEN now() ELSE f.late_at END
), once AS MATERIALIZED (
    INSERT INTO ml_connector.noted (tenant_id, event, message)
    SELECT DISTINCT $1::bigint, n.event, n.message
    FROM opened o, jsonb_to_recordset(CASE jsonb_typeof(o.notes)
        WHEN 'array' THEN o.notes ELSE '[]' END)
        AS n(event text, message text)
    WHERE n.event = 'industry_unmapped' AND n.message IS NOT NULL
    ORDER BY 2, 3
    ON CONFLICT DO NOTHING
    RETURNING event, message
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
        fusion_id, job, outcome, message)
    SELECT $1::bigint, $4::text, 'seen', j.kind, j.fusion_id, j.id,
        CASE WHEN j.revision = 1 THEN 'opened' ELSE 'replaced' END,
        'waits for ' || j.waiting_for
    FROM jobs j
    UNION ALL
    SELECT $1::bigint, $4::text, n.event, o.kind, o.id, j.id, NULL,
        n.message
    FROM opened o JOIN jobs j ON j.kind = o.kind AND j.fusion_id = o.id,
        jsonb_to_recordset(CASE jsonb_typeof(o.notes) WHEN 'array'
            THEN o.notes ELSE '[]' END) AS n(event text, message text)
    WHERE n.event IS NOT NULL AND n.event <> 'industry_unmapped'
    UNION ALL
    SELECT DISTINCT ON (n.message) $1::bigint, $4::text, n.event, o.kind,
        o.id, j.id, NULL, n.message
    FROM once n JOIN opened o ON o.notes @> jsonb_build_array(
            jsonb_build_object('event', n.event, 'message', n.message))
        JOIN jobs j ON j.kind = o.kind AND j.fusion_id = o.id
)
SELECT c.taken - c.opened AS unchanged, c.n - c.taken AS superseded,
    c.opened AS opened,
    (SELECT coalesce(jsonb_agg(u.customer ORDER BY u.customer), '[]')
     FROM (SELECT DISTINCT customer FROM input
           WHERE customer IS NOT NULL AND kind <> 'customer') u
     WHERE NOT EXISTS (
        SELECT FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'customer'
          AND r.fusion_id = u.customer OFFSET 0)) AS unknown_customers,
    (SELECT coalesce(jsonb_agg(number ORDER BY number), '[]')
     FROM stale) AS stale_customers,
    (SELECT coalesce(jsonb_agg(u.invoice ORDER BY u.invoice), '[]')
     FROM (SELECT DISTINCT invoice FROM input
           WHERE invoice IS NOT NULL AND kind = 'payment') u
     WHERE NOT EXISTS (
        SELECT FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'invoice'
          AND r.fusion_id = u.invoice OFFSET 0)) AS unknown_invoices,
    (SELECT coalesce(jsonb_agg(fusion_id ORDER BY fusion_id), '[]')
     FROM touched) AS touched_invoices
FROM counts c
