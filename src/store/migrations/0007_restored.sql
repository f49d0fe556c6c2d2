-- compatible_from: 1
-- A database that was set back knows less than HubSpot. `home` says in which
-- server, database and timeline a lease was written; doubt_at until
-- when what is known of a tenant may be older than what HubSpot has.

CREATE FUNCTION ml_connector.home() RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
SELECT concat_ws(':', s.system_identifier, d.oid,
    -- the checkpoint knows the timeline of a promotion only when it has ended
    CASE WHEN pg_is_in_recovery() THEN lpad(to_hex(c.timeline_id), 8, '0')
        ELSE lower(left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)) END)
FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d
WHERE d.datname = current_database()
$fn$;
-- Of the leases there are nobody knows.
ALTER TABLE ml_connector.lease ADD COLUMN home text;
ALTER TABLE ml_connector.lease ALTER COLUMN home
    SET DEFAULT ml_connector.home();
ALTER TABLE ml_connector.tenant ADD COLUMN doubt_at timestamptz;
ALTER TABLE ml_connector.plan_tenant ADD COLUMN doubt_at timestamptz;

-- One that lay still for months has no partition for what is told now.
SELECT ml_connector.audit_keep(3, interval '100 years');
