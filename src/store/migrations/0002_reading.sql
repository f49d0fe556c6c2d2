-- compatible_from: 1
-- What reading Fusion in the background needs: passes over history and over
-- what is known, how late rows appear, and requests of commands to a worker.

ALTER TABLE ml_connector.record
    ADD COLUMN balance numeric,
    ADD COLUMN reader bigint,
    ADD COLUMN stamp_us bigint,
    ADD COLUMN stale_us bigint,
    ADD COLUMN draft boolean NOT NULL DEFAULT false;
DROP INDEX ml_connector.record_open;
CREATE INDEX record_open_invoice ON ml_connector.record
    (tenant_id, last_read) WHERE kind = 'invoice' AND open;
CREATE INDEX record_open_receipt ON ml_connector.record
    (tenant_id, last_read) WHERE kind = 'payment' AND open;
CREATE INDEX record_draft ON ml_connector.record (tenant_id, fusion_id)
    WHERE kind = 'invoice' AND draft;

-- What hangs on a record, for when it turns up after all.
DROP INDEX ml_connector.record_payments;
CREATE INDEX record_customer ON ml_connector.record (tenant_id, customer)
    WHERE kind <> 'customer';
CREATE INDEX record_invoice ON ml_connector.record (tenant_id, invoice)
    WHERE kind = 'payment';

-- What has to be read or composed again, and was not yet: an invoice touched by
-- a payment, read before stale_us; a customer of whom invoices say other things
-- than it was composed with (revision counts those).
CREATE INDEX record_stale ON ml_connector.record (tenant_id)
    WHERE kind = 'invoice' AND stale_us IS NOT NULL;
ALTER TABLE ml_connector.account
    ADD COLUMN revision bigint NOT NULL DEFAULT 0,
    ADD COLUMN stale boolean NOT NULL DEFAULT false;
CREATE INDEX account_stale ON ml_connector.account (tenant_id) WHERE stale;

-- Up to where, by the pod's clock, a stream had been read when its last scan
-- came to its end: a row that appears below it was late.
ALTER TABLE ml_connector.cursor
    ADD COLUMN scanned_us bigint NOT NULL DEFAULT 0;
ALTER TABLE ml_connector.feed
    ADD COLUMN late_us bigint NOT NULL DEFAULT 0,
    ADD COLUMN late_at timestamptz,
    ADD COLUMN overlap_us bigint;

-- A walk beside the fresh polls: "backfill:<stream>" over stamps from from_us
-- to to_us, "overlap:<stream>", "balances", "drafts", "receipts", "known" over
-- ids. It stands at (at_us, at_id); begun anew it gets another revision, and
-- who still works on the old one moves nothing.
CREATE TABLE ml_connector.pass (
    tenant_id bigint NOT NULL REFERENCES ml_connector.tenant (id),
    feed text NOT NULL,
    pass text NOT NULL,
    revision bigint NOT NULL DEFAULT 1,
    from_us bigint NOT NULL DEFAULT 0,
    to_us bigint NOT NULL DEFAULT 0,
    at_us bigint NOT NULL DEFAULT 0,
    at_id text NOT NULL DEFAULT '',
    begun_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    PRIMARY KEY (tenant_id, feed, pass)
) WITH (fillfactor = 70);

-- What a command asks of the worker that holds the tenant's portal.
CREATE TABLE ml_connector.request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES ml_connector.tenant (id),
    command text NOT NULL,
    arguments jsonb NOT NULL DEFAULT '{}',
    asked_by text,
    asked_at timestamptz NOT NULL DEFAULT now(),
    worker text,
    term bigint,
    taken_at timestamptz,
    answer jsonb,
    answered_at timestamptz
);
CREATE INDEX request_open ON ml_connector.request (tenant_id, id)
    WHERE answered_at IS NULL;
CREATE INDEX request_asked ON ml_connector.request (asked_at);

-- What is audited once for each value, not for each record.
CREATE TABLE ml_connector.noted (
    tenant_id bigint NOT NULL,
    event text NOT NULL,
    message text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, event, message)
);

-- Polls whose own terms leave rows to open and parked jobs: few, of all that
-- are kept. Without statistics of its own the planner takes them for many.
CREATE INDEX poll_unsettled ON ml_connector.poll (tenant_id, poll, feed)
    WHERE read - unchanged - filtered - invalid - superseded - written <> 0;
CREATE STATISTICS ml_connector.poll_unsettled ON
    (read - unchanged - filtered - invalid - superseded - written)
    FROM ml_connector.poll;

-- Polls that do not tie out: both those with rows nobody accounts for and
-- those with jobs they have no rows for. Jobs are counted in one go.
CREATE VIEW ml_connector.imbalance AS
WITH job AS MATERIALIZED (
    SELECT tenant_id, poll, feed,
        count(*) FILTER (WHERE state <> 'parked') AS open,
        count(*) FILTER (WHERE state = 'parked') AS parked
    FROM ml_connector.job WHERE poll IS NOT NULL
    GROUP BY tenant_id, poll, feed
), suspect AS (
    SELECT p.*, coalesce(j.open, 0) AS open, coalesce(j.parked, 0) AS parked
    FROM ml_connector.poll p
    LEFT JOIN job j ON j.tenant_id = p.tenant_id AND j.poll = p.poll
        AND j.feed = p.feed
    WHERE p.read - p.unchanged - p.filtered - p.invalid - p.superseded -
        p.written <> 0
    UNION ALL
    SELECT p.*, j.open, j.parked
    FROM job j, LATERAL (
        SELECT * FROM ml_connector.poll p
        WHERE p.tenant_id = j.tenant_id AND p.poll = j.poll
          AND p.feed = j.feed
          AND p.read - p.unchanged - p.filtered - p.invalid - p.superseded -
            p.written = 0
        OFFSET 0) p
)
SELECT t.name AS tenant, s.tenant_id, s.feed, s.poll, s.started_at, s.read,
    s.unchanged, s.filtered, s.invalid, s.superseded, s.open, s.written,
    s.parked, s.read - s.unchanged - s.filtered - s.invalid - s.superseded -
        s.written - s.open - s.parked AS difference
FROM suspect s JOIN ml_connector.tenant t ON t.id = s.tenant_id
WHERE t.state <> 'removed'
  AND s.read - s.unchanged - s.filtered - s.invalid - s.superseded -
    s.written <> s.open + s.parked;

-- What one worker looks after for all: when it was done last, what came of it.
CREATE TABLE ml_connector.checked (
    name text PRIMARY KEY,
    checked_at timestamptz NOT NULL DEFAULT '-infinity',
    worker text,
    result numeric NOT NULL DEFAULT 0
);
INSERT INTO ml_connector.checked (name) VALUES ('conservation');

-- The interval is the tenant's setting, which holds before the next poll.
CREATE OR REPLACE VIEW ml_dashboard.feeds AS
SELECT t.name AS tenant, f.feed, f.state,
    coalesce(substring(i.text FROM '^[0-9]{1,15}')::bigint *
        CASE substring(i.text FROM '[a-z]+$') WHEN 'ms' THEN 1
            WHEN 's' THEN 1000 WHEN 'm' THEN 60000 WHEN 'h' THEN 3600000
            WHEN 'd' THEN 86400000 END, f.interval_ms) / 1000
        AS interval_seconds,
    (SELECT to_timestamp(max(c.stamp_us) / 1000000.0)
     FROM ml_connector.cursor c
     WHERE c.tenant_id = f.tenant_id AND c.feed = f.feed
       AND c.stamp_us > 0) AS cursor,
    f.last_poll, f.last_success, f.last_outcome, f.last_error,
    f.last_error_at,
    round(extract(epoch FROM now() - f.last_success), 3) AS lag_seconds,
    f.records_seen,
    CASE f.feed WHEN 'payments' THEN t.learned ->> 'fusion_receipts'
        ELSE 'A' END AS strategy,
    round(f.late_us / 1000000.0, 3) AS late_seconds,
    round(f.overlap_us / 1000000.0, 3) AS overlap_seconds,
    CASE f.feed WHEN 'invoices' THEN
        (SELECT round(extract(epoch FROM now() - min(r.last_read)), 3)
         FROM ml_connector.record r
         WHERE r.tenant_id = f.tenant_id AND r.kind = 'invoice' AND r.open)
        END AS open_round_seconds,
    b.backfill_from, b.backfill_at, b.backfill_to,
    (SELECT min(p.done_at) FROM ml_connector.pass p
     WHERE p.tenant_id = f.tenant_id AND p.feed = f.feed
       AND p.pass NOT LIKE 'backfill:%' AND p.pass <> 'known')
        AS last_sweep
FROM ml_connector.feed f
JOIN ml_connector.tenant t ON t.id = f.tenant_id
CROSS JOIN LATERAL (SELECT coalesce(t.settings ->> ('interval_' || f.feed),
    t.settings ->> 'interval', '15m') AS text) i
LEFT JOIN (
    SELECT tenant_id, feed, to_timestamp(min(from_us) / 1000000.0)
            AS backfill_from,
        to_timestamp(min(greatest(at_us, from_us)) / 1000000.0)
            AS backfill_at,
        to_timestamp(max(to_us) / 1000000.0) AS backfill_to
    FROM ml_connector.pass
    WHERE pass LIKE 'backfill:%' AND done_at IS NULL
    GROUP BY tenant_id, feed) b
    ON b.tenant_id = f.tenant_id AND b.feed = f.feed
WHERE t.state <> 'removed';
