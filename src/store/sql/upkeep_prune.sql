-- none:
-- A little at a time: settled writes after a day, requests of commands after a
-- day, answered or not, polls that read nothing after a day, others after
-- eight unless a job of theirs is open, minutes after ninety, leases that nobody
-- can want after a day. Of polls that tie out no job is open. By ctid, of rows
-- that are locked: nothing else is read.
WITH writes AS (
    DELETE FROM ml_connector.write WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ml_connector.write
        WHERE closed_at < now() - interval '1 day'
        ORDER BY closed_at LIMIT 5000 FOR UPDATE SKIP LOCKED))
), requests AS (
    DELETE FROM ml_connector.request WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ml_connector.request
        WHERE asked_at < now() - interval '1 day'
        ORDER BY asked_at LIMIT 5000 FOR UPDATE SKIP LOCKED))
), empty_polls AS (
    DELETE FROM ml_connector.poll WHERE ctid = ANY (ARRAY(
        SELECT p.ctid FROM ml_connector.poll p
        WHERE p.started_at < now() - interval '1 day'
          AND p.started_at >= now() - interval '8 days' AND p.read = 0
        ORDER BY p.started_at LIMIT 5000 FOR UPDATE SKIP LOCKED))
), old_polls AS (
    DELETE FROM ml_connector.poll WHERE ctid = ANY (ARRAY(
        SELECT p.ctid FROM ml_connector.poll p
        WHERE p.started_at < now() - interval '8 days'
          AND p.read - p.unchanged - p.filtered - p.invalid -
            p.superseded - p.written = 0
        ORDER BY p.started_at LIMIT 5000 FOR UPDATE SKIP LOCKED))
), odd_polls AS (
    DELETE FROM ml_connector.poll WHERE ctid = ANY (ARRAY(
        SELECT p.ctid FROM ml_connector.poll p
        WHERE p.started_at < now() - interval '8 days'
          AND p.read - p.unchanged - p.filtered - p.invalid -
            p.superseded - p.written <> 0
          AND NOT EXISTS (SELECT FROM ml_connector.job j
            WHERE j.tenant_id = p.tenant_id AND j.poll = p.poll
              AND j.feed = p.feed)
        ORDER BY p.started_at LIMIT 5000 FOR UPDATE SKIP LOCKED))
), leases AS (
    -- of tenants that have learned which portal they have, or were removed
    DELETE FROM ml_connector.lease l
    WHERE l.expires_at < now() - interval '1 day' AND NOT EXISTS (
        SELECT FROM ml_connector.tenant t
        WHERE coalesce(t.portal, 'tenant:' || t.id) = l.portal
          AND t.state <> 'removed')
)
DELETE FROM ml_connector.minute WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ml_connector.minute
    WHERE minute < now() - interval '90 days'
    ORDER BY minute LIMIT 5000 FOR UPDATE SKIP LOCKED))
