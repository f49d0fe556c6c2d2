-- compatible_from: 1
-- Everything the connector keeps. Hot and small: job. History by month:
-- audit_event. All tables carry tenant_id; ids of Fusion and HubSpot are text.

CREATE TABLE ml_connector.tenant (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    state text NOT NULL DEFAULT 'active'
        CHECK (state IN ('active', 'paused', 'held', 'halted', 'removed')),
    reason text,
    state_at timestamptz NOT NULL DEFAULT now(),
    portal text,
    settings jsonb NOT NULL DEFAULT '{}',
    learned jsonb NOT NULL DEFAULT '{}',
    revision bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX tenant_name ON ml_connector.tenant (name)
    WHERE state <> 'removed';
CREATE INDEX tenant_portal ON ml_connector.tenant (portal);

CREATE TABLE ml_connector.secret (
    tenant_id bigint NOT NULL REFERENCES ml_connector.tenant (id),
    field text NOT NULL,
    sealed text NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, field)
);

-- One row per portal, by the database's clock. moved_xid is the transaction
-- that last changed the holder, so that the statements after it know.
CREATE TABLE ml_connector.lease (
    portal text PRIMARY KEY,
    worker text,
    term bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    taken_at timestamptz NOT NULL,
    clean boolean NOT NULL DEFAULT false,
    tokens_out bigint NOT NULL DEFAULT 0,
    back_at timestamptz,
    moved_xid xid8
) WITH (fillfactor = 70);

CREATE TABLE ml_connector.feed (
    tenant_id bigint NOT NULL REFERENCES ml_connector.tenant (id),
    feed text NOT NULL,
    state text NOT NULL DEFAULT 'idle'
        CHECK (state IN ('idle', 'polling', 'backoff', 'maintenance')),
    state_at timestamptz NOT NULL DEFAULT now(),
    interval_ms bigint,
    last_poll timestamptz,
    last_success timestamptz,
    last_outcome text,
    last_error text,
    last_error_at timestamptz,
    records_seen bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, feed)
) WITH (fillfactor = 70);

CREATE TABLE ml_connector.cursor (
    tenant_id bigint NOT NULL REFERENCES ml_connector.tenant (id),
    feed text NOT NULL,
    stream text NOT NULL,
    stamp_us bigint NOT NULL,
    id text NOT NULL DEFAULT '',
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, feed, stream)
) WITH (fillfactor = 70);

-- The terms of a poll that no longer change place; open and parked are
-- counted from job.
CREATE TABLE ml_connector.poll (
    tenant_id bigint NOT NULL,
    poll text NOT NULL,
    feed text NOT NULL,
    worker text,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    outcome text NOT NULL DEFAULT '',
    message text,
    requests bigint NOT NULL DEFAULT 0,
    read bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    filtered bigint NOT NULL DEFAULT 0,
    invalid bigint NOT NULL DEFAULT 0,
    superseded bigint NOT NULL DEFAULT 0,
    written bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, poll, feed)
) WITH (fillfactor = 70);
CREATE INDEX poll_started ON ml_connector.poll (started_at);

-- An account of Fusion, and what its newest invoice says of it.
CREATE TABLE ml_connector.account (
    tenant_id bigint NOT NULL,
    number text NOT NULL,
    account_id text,
    party text,
    name text,
    href text,
    stamp_us bigint,
    bill_to_name text,
    bill_to_contact text,
    bill_to_party text,
    bill_to_email text,
    hint_version_us bigint,
    hint_id text,
    PRIMARY KEY (tenant_id, number)
) WITH (fillfactor = 85);
CREATE INDEX account_party ON ml_connector.account (tenant_id, party);

-- changed is set by the upsert of intake and means: by the last one.
CREATE TABLE ml_connector.record (
    tenant_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('customer', 'invoice', 'payment')),
    fusion_id text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (
        state IN ('current', 'pending', 'parked', 'gone', 'missing')),
    open boolean NOT NULL DEFAULT false,
    changed boolean NOT NULL DEFAULT false,
    version_us bigint NOT NULL DEFAULT 0,
    read_us bigint NOT NULL DEFAULT 0,
    number text,
    customer text,
    invoice text,
    receipt text,
    amount numeric,
    currency text,
    email text,
    hash bytea,
    desired jsonb,
    seen_at timestamptz NOT NULL DEFAULT now(),
    last_read timestamptz NOT NULL DEFAULT now(),
    last_change timestamptz,
    last_write timestamptz,
    last_error text,
    PRIMARY KEY (tenant_id, kind, fusion_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX record_open ON ml_connector.record (tenant_id)
    WHERE kind = 'invoice' AND open;
CREATE INDEX record_payments ON ml_connector.record (tenant_id, customer)
    WHERE kind = 'payment';
CREATE INDEX record_email ON ml_connector.record (tenant_id, email)
    WHERE kind = 'customer' AND email IS NOT NULL;

CREATE TABLE ml_connector.link (
    tenant_id bigint NOT NULL,
    kind text NOT NULL,
    fusion_id text NOT NULL,
    object text NOT NULL,
    key text NOT NULL,
    hubspot_id text,
    hash bytea,
    assoc text[] NOT NULL DEFAULT '{}',
    properties jsonb,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, kind, fusion_id, object, key)
) WITH (fillfactor = 85);

-- Which account holds an e-mail: HubSpot allows one contact for each.
CREATE TABLE ml_connector.contact_email (
    tenant_id bigint NOT NULL,
    email text NOT NULL,
    account text NOT NULL,
    PRIMARY KEY (tenant_id, email)
);
CREATE INDEX contact_email_account
    ON ml_connector.contact_email (tenant_id, account);

CREATE TABLE ml_connector.job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL,
    kind text NOT NULL,
    fusion_id text NOT NULL,
    state text NOT NULL CHECK (state IN (
        'queued', 'in_flight', 'waiting', 'retry', 'unknown', 'parked')),
    class text NOT NULL CHECK (class IN (
        'fresh', 'retry', 'replay', 'backfill', 'reconcile')),
    rank smallint GENERATED ALWAYS AS (
        CASE class WHEN 'fresh' THEN 0 WHEN 'retry' THEN 10
            WHEN 'replay' THEN 20 WHEN 'backfill' THEN 30 ELSE 40 END +
        CASE kind WHEN 'customer' THEN 0 WHEN 'invoice' THEN 1
            ELSE 2 END) STORED,
    verify boolean NOT NULL DEFAULT false,
    revision bigint NOT NULL DEFAULT 1,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    sent_at timestamptz,
    waiting_for text,
    error_code text,
    error text,
    correlation text,
    opened_at timestamptz NOT NULL DEFAULT now(),
    since timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    feed text,
    poll text,
    CHECK (state <> 'waiting' OR waiting_for IS NOT NULL),
    CHECK (state <> 'retry' OR due_at IS NOT NULL)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 1,
    autovacuum_analyze_scale_factor = 0.05);
CREATE UNIQUE INDEX job_record
    ON ml_connector.job (tenant_id, kind, fusion_id);
CREATE INDEX job_queued ON ml_connector.job (tenant_id, rank, id)
    WHERE state = 'queued';
CREATE INDEX job_due ON ml_connector.job (tenant_id, due_at)
    WHERE state IN ('retry', 'unknown');
CREATE INDEX job_waiting ON ml_connector.job (tenant_id, waiting_for)
    WHERE state = 'waiting';
CREATE INDEX job_in_flight ON ml_connector.job (tenant_id)
    WHERE state = 'in_flight';
CREATE INDEX job_parked ON ml_connector.job (tenant_id, since)
    WHERE state = 'parked';

CREATE TABLE ml_connector.write (
    id text PRIMARY KEY,
    tenant_id bigint NOT NULL,
    portal text NOT NULL,
    worker text NOT NULL,
    term bigint NOT NULL,
    operation text NOT NULL,
    inputs bigint NOT NULL,
    jobs bigint[] NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    result text,
    http_status integer,
    duration_ms bigint
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX write_open ON ml_connector.write (tenant_id)
    WHERE closed_at IS NULL;
CREATE INDEX write_closed ON ml_connector.write (closed_at);

CREATE TABLE ml_connector.minute (
    tenant_id bigint NOT NULL,
    minute timestamptz NOT NULL,
    fusion_requests bigint NOT NULL DEFAULT 0,
    hubspot_requests bigint NOT NULL DEFAULT 0,
    records_written bigint NOT NULL DEFAULT 0,
    throttled bigint NOT NULL DEFAULT 0,
    errors bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, minute)
) WITH (fillfactor = 70);
CREATE INDEX minute_minute ON ml_connector.minute (minute);

CREATE SEQUENCE ml_connector.audit_event_id AS bigint CACHE 1;
CREATE TABLE ml_connector.audit_event (
    id bigint NOT NULL DEFAULT nextval('ml_connector.audit_event_id'),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tenant_id bigint NOT NULL,
    worker text,
    event text NOT NULL,
    kind text,
    fusion_id text,
    hubspot_id text,
    job bigint,
    attempt integer,
    outcome text,
    http_status integer,
    error_code text,
    message text,
    correlation text,
    before jsonb,
    after jsonb,
    duration_ms bigint,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX audit_event_tenant ON ml_connector.audit_event (tenant_id, id);
CREATE INDEX audit_event_record
    ON ml_connector.audit_event (tenant_id, kind, fusion_id, id);

-- Makes the partitions of this month and `ahead` more, drops those that ended
-- before `keep`. One caller at a time; a busy table is left for later.
CREATE FUNCTION ml_connector.audit_keep(ahead integer, keep interval)
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $fn$
DECLARE
    this timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    month timestamp;
    part text;
    done integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7813305180244901) THEN
        RETURN 0;
    END IF;
    FOR i IN 0 .. ahead LOOP
        month := this + make_interval(months => i);
        part := 'audit_event_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('ml_connector.' || part) IS NOT NULL;
        EXECUTE format('CREATE TABLE ml_connector.%I (LIKE '
            'ml_connector.audit_event INCLUDING DEFAULTS)', part);
        EXECUTE format('ALTER TABLE ml_connector.audit_event ATTACH '
            'PARTITION ml_connector.%I FOR VALUES FROM (%L) TO (%L)', part,
            to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
            to_char(month + interval '1 month', 'YYYY-MM-DD') ||
            ' 00:00:00+00');
        done := done + 1;
    END LOOP;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c
            ON c.oid = i.inhrelid
        WHERE i.inhparent = 'ml_connector.audit_event'::regclass
          AND c.relname ~ '^audit_event_[0-9]{4}_[0-9]{2}$'
          AND to_timestamp(substr(c.relname, 13) || '_01 +00',
                  'YYYY_MM_DD TZH') + interval '1 month' < now() - keep
    LOOP
        EXECUTE format('DROP TABLE ml_connector.%I', part);
        done := done + 1;
    END LOOP;
    RETURN done;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END
$fn$;
REVOKE ALL ON FUNCTION ml_connector.audit_keep(integer, interval) FROM PUBLIC;
SELECT ml_connector.audit_keep(3, interval '100 years');

CREATE SCHEMA IF NOT EXISTS ml_dashboard;

CREATE VIEW ml_dashboard.feeds AS
SELECT t.name AS tenant, f.feed, f.state,
    f.interval_ms / 1000 AS interval_seconds,
    (SELECT to_timestamp(max(c.stamp_us) / 1000000.0)
     FROM ml_connector.cursor c
     WHERE c.tenant_id = f.tenant_id AND c.feed = f.feed
       AND c.stamp_us > 0) AS cursor,
    f.last_poll, f.last_success, f.last_outcome, f.last_error,
    f.last_error_at,
    round(extract(epoch FROM now() - f.last_success), 3) AS lag_seconds,
    f.records_seen
FROM ml_connector.feed f
JOIN ml_connector.tenant t ON t.id = f.tenant_id
WHERE t.state <> 'removed';

CREATE VIEW ml_dashboard.tenants AS
SELECT t.name AS tenant, t.state, t.reason, t.portal,
    coalesce(t.settings ->> 'hubspot_tier', 'starter') AS tier,
    coalesce((t.settings ->> 'hubspot_limit')::bigint,
        CASE WHEN t.settings ->> 'hubspot_tier' IN
            ('professional', 'enterprise') THEN 190 ELSE 100 END)
        AS limit_per_10_seconds,
    (t.settings ->> 'hubspot_daily_limit')::bigint AS daily_limit,
    f.last_success,
    coalesce(j.open_jobs, 0) AS open_jobs,
    coalesce(j.parked_jobs, 0) AS parked_jobs,
    CASE WHEN t.state IN ('held', 'halted') THEN 'halted'
        WHEN t.state IN ('paused', 'removed') THEN 'off'
        WHEN f.failing_since IS NOT NULL THEN 'delayed'
        WHEN j.parked_since IS NOT NULL THEN 'attention'
        ELSE 'ok' END AS health,
    CASE WHEN t.state <> 'active' THEN t.state_at
        WHEN f.failing_since IS NOT NULL THEN f.failing_since
        WHEN j.parked_since IS NOT NULL THEN j.parked_since
        ELSE t.state_at END AS health_since
FROM ml_connector.tenant t
LEFT JOIN (
    SELECT tenant_id, max(last_success) AS last_success,
        min(state_at) FILTER (WHERE state IN ('backoff', 'maintenance'))
            AS failing_since
    FROM ml_connector.feed GROUP BY tenant_id) f ON f.tenant_id = t.id
LEFT JOIN (
    SELECT tenant_id, count(*) FILTER (WHERE state <> 'parked') AS open_jobs,
        count(*) FILTER (WHERE state = 'parked') AS parked_jobs,
        min(since) FILTER (WHERE state = 'parked') AS parked_since
    FROM ml_connector.job GROUP BY tenant_id) j ON j.tenant_id = t.id
WHERE t.state <> 'removed';

CREATE VIEW ml_dashboard.records AS
SELECT t.name AS tenant, r.kind, r.fusion_id, r.number,
    (SELECT l.hubspot_id FROM ml_connector.link l
     WHERE l.tenant_id = r.tenant_id AND l.kind = r.kind
       AND l.fusion_id = r.fusion_id
       AND l.object = CASE r.kind WHEN 'customer' THEN 'companies'
           WHEN 'invoice' THEN 'invoices' ELSE 'commerce_payments' END
     LIMIT 1) AS hubspot_id,
    r.state, r.amount, r.currency, r.customer, r.invoice, r.last_read,
    r.last_change, r.last_write, r.last_error
FROM ml_connector.record r
JOIN ml_connector.tenant t ON t.id = r.tenant_id
WHERE t.state <> 'removed';

CREATE VIEW ml_dashboard.audit AS
SELECT e.id, e.at AS time, t.name AS tenant, e.worker, e.event, e.kind,
    e.fusion_id, e.hubspot_id, e.job, e.attempt, e.outcome, e.http_status,
    e.error_code, e.message, e.correlation AS hubspot_correlation_id,
    e.before, e.after, e.duration_ms
FROM ml_connector.audit_event e
JOIN ml_connector.tenant t ON t.id = e.tenant_id;

CREATE VIEW ml_dashboard.replay_queue AS
SELECT t.name AS tenant, j.id AS job, j.kind, j.fusion_id, r.number,
    j.error AS reason, j.error_code,
    j.correlation AS hubspot_correlation_id, j.since, j.attempts,
    (SELECT count(*) FROM ml_connector.job w
     WHERE w.tenant_id = j.tenant_id AND w.state = 'waiting'
       AND w.waiting_for = j.kind || ':' || j.fusion_id) AS blocks
FROM ml_connector.job j
JOIN ml_connector.tenant t ON t.id = j.tenant_id
LEFT JOIN ml_connector.record r ON r.tenant_id = j.tenant_id
    AND r.kind = j.kind AND r.fusion_id = j.fusion_id
WHERE j.state = 'parked' AND t.state <> 'removed';

CREATE VIEW ml_dashboard.conservation AS
SELECT t.name AS tenant, p.feed, p.poll, p.started_at, p.finished_at,
    p.outcome, p.read, p.unchanged, p.filtered, p.invalid, p.superseded,
    coalesce(j.open, 0) AS open, p.written,
    coalesce(j.parked, 0) AS parked,
    p.read - p.unchanged - p.filtered - p.invalid - p.superseded -
        p.written - coalesce(j.open, 0) - coalesce(j.parked, 0)
        AS difference
FROM ml_connector.poll p
JOIN ml_connector.tenant t ON t.id = p.tenant_id
LEFT JOIN (
    SELECT tenant_id, poll, feed,
        count(*) FILTER (WHERE state <> 'parked') AS open,
        count(*) FILTER (WHERE state = 'parked') AS parked
    FROM ml_connector.job WHERE poll IS NOT NULL
    GROUP BY tenant_id, poll, feed) j
    ON j.tenant_id = p.tenant_id AND j.poll = p.poll AND j.feed = p.feed
WHERE t.state <> 'removed';

CREATE VIEW ml_dashboard.requests_per_minute AS
SELECT t.name AS tenant, m.minute, m.fusion_requests, m.hubspot_requests,
    m.records_written, m.throttled, m.errors
FROM ml_connector.minute m
JOIN ml_connector.tenant t ON t.id = m.tenant_id;
