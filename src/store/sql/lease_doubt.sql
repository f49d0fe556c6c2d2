-- none: portal, ttl_ms, known_term, renewed_ms
-- Before a lease is taken or renewed: was the database set back? It was when it
-- is not the one the lease was written in (dropped and made anew, another
-- server, another timeline), or when it does not know what a process knows: the
-- term, or that this was renewed renewed_ms ago. It may have been when a holder
-- vanished long ago, unless that is us. Then nobody holds the lease, terms go on
-- where none was ever given out, and what is known of the tenants is in doubt.
WITH old AS MATERIALIZED (
    SELECT * FROM ml_connector.lease WHERE portal = $1::text FOR UPDATE
), judged AS MATERIALIZED (
    SELECT o.portal, o.home, h.here, coalesce(o.home <> h.here, false)
            OR o.term < $3::bigint
            OR (o.term = $3::bigint AND o.expires_at < clock_timestamp() -
                interval '1 minute' + make_interval(secs =>
                    ($2::bigint - $4::bigint) / 1000.0)) AS back,
        o.term <> $3::bigint AND o.worker IS NOT NULL
            AND o.expires_at < clock_timestamp() - greatest(
                interval '3 minutes',
                make_interval(secs => $2::bigint / 100.0)) AS silent
    FROM old o, (SELECT ml_connector.home() AS here) h
), settled AS (
    UPDATE ml_connector.lease l SET home = j.here,
        term = CASE WHEN j.back OR j.silent
            THEN greatest(l.term, $3::bigint) + 1000 ELSE l.term END,
        worker = CASE WHEN NOT j.back THEN l.worker END,
        clean = l.clean AND NOT j.back,
        expires_at = CASE WHEN j.back THEN clock_timestamp()
            ELSE l.expires_at END
    FROM judged j
    WHERE l.portal = j.portal AND (j.back OR j.silent OR j.home IS NULL)
    RETURNING j.back OR j.silent AS doubt
), doubted AS (
    UPDATE ml_connector.tenant t SET doubt_at = clock_timestamp()
    FROM settled s
    WHERE s.doubt AND t.state <> 'removed'
      AND coalesce(t.portal, 'tenant:' || t.id) = $1::text
    RETURNING t.id
)
INSERT INTO ml_connector.audit_event (tenant_id, event, message)
SELECT id, 'in_doubt', 'the database was set back, or nobody held the portal '
    'for long: what is read next is compared with HubSpot'
FROM doubted
