-- compatible_from: 1
-- What `plan` works on, and the ceiling of what one poll may change.

-- Of a poll: what it opened as news (walks over history are not), whether that
-- was over the ceiling. Of a feed: until when a person lets it through.
ALTER TABLE ml_connector.poll
    ADD COLUMN opened bigint NOT NULL DEFAULT 0,
    ADD COLUMN over boolean NOT NULL DEFAULT false;
ALTER TABLE ml_connector.feed
    ADD COLUMN let_until timestamptz;
-- The poll that is about to open more than usual: nothing of the tenant is
-- claimed before it has ended or is held.
ALTER TABLE ml_connector.tenant
    ADD COLUMN gathering text,
    ADD COLUMN gathering_at timestamptz;
CREATE INDEX poll_tenant_started ON ml_connector.poll (tenant_id, started_at);

-- A copy of what feeds go by and write, of one tenant, in tables of this
-- transaction: they are gone with it, nobody else sees them, and from here on
-- the transaction can write to nothing else. What is wanted of a record is
-- copied only where a job is open; the rest stands in the table itself.
CREATE FUNCTION ml_connector.plan_begin(tenant bigint) RETURNS void
LANGUAGE plpgsql
SET client_min_messages = 'warning'
AS $fn$
DECLARE
    name text;
    columns text;
    source text;
    picked text;
BEGIN
    FOREACH name IN ARRAY '{tenant,feed,cursor,pass,poll,account,record,'
        'contact_email,job,minute,noted,audit_event}'::text[] LOOP
        EXECUTE format('CREATE TABLE pg_temp.%I (LIKE ml_connector.%I '
            'INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING GENERATED '
            'INCLUDING IDENTITY %s) ON COMMIT DROP', name, name,
            CASE WHEN name <> 'audit_event' THEN 'INCLUDING DEFAULTS'
                ELSE '' END);
        CONTINUE WHEN name IN ('poll', 'minute', 'noted', 'audit_event');
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
            string_agg(CASE WHEN name = 'record' AND a.attname = 'desired'
                THEN 'CASE WHEN desired IS NULL THEN NULL WHEN EXISTS ('
                    'SELECT FROM ml_connector.job j WHERE j.tenant_id = '
                    's.tenant_id AND j.kind = s.kind AND j.fusion_id = '
                    's.fusion_id OFFSET 0) THEN desired ELSE ''{}'' END'
                ELSE quote_ident(a.attname) END, ', ' ORDER BY a.attnum)
        INTO columns, picked
        FROM pg_attribute a
        WHERE a.attrelid = ('ml_connector.' || name)::regclass
          AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
        EXECUTE format('INSERT INTO pg_temp.%I (%s) OVERRIDING SYSTEM VALUE '
            'SELECT %s FROM ml_connector.%I s WHERE %I = $1', name, columns,
            picked, name,
            CASE name WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END)
        USING tenant;
    END LOOP;
    -- What is opened comes after what is open; nobody numbers the audit.
    PERFORM setval(pg_get_serial_sequence('pg_temp.job', 'id'),
        1 + (SELECT coalesce(max(id), 0) FROM pg_temp.job));
    ALTER TABLE pg_temp.audit_event DROP CONSTRAINT audit_event_pkey,
        ALTER COLUMN id DROP NOT NULL, ALTER COLUMN at DROP NOT NULL;
    ANALYZE pg_temp.record, pg_temp.job, pg_temp.account;
    PERFORM set_config('transaction_read_only', 'on', true);
END
$fn$;
