-- none: held, wanted, ttl_ms, patient
-- Before leases are taken or renewed: was the database set back? It was when it
-- is not the one a lease was written in (dropped and made anew, another server,
-- another timeline), or when it does not know what a process knows: the term, or
-- that this was renewed `age` ms ago. It may have been when a holder vanished
-- long ago: not to those who are patient, since it may be about to come back.
-- Then nobody holds the lease, terms go on where none was ever given out, and what
-- is known of the tenants is in doubt. A holder that is there all the same may
-- still read for as long as it believes in its lease.
--
-- Only what is to be changed is locked, and only if it is as it was judged.
WITH known AS MATERIALIZED (
    SELECT portal, term, age
    FROM jsonb_to_recordset($1::jsonb) AS x(portal text, term bigint, age bigint)
    UNION ALL
    SELECT portal, 0, 0 FROM jsonb_array_elements_text($2::jsonb) AS w(portal)
), judged AS MATERIALIZED (
    SELECT o.portal, k.term, o.term AS its_term, o.expires_at, h.here,
        o.home IS NULL AS homeless,
        coalesce(o.home <> h.here, false) OR o.term < k.term
            OR (o.term = k.term AND o.expires_at < clock_timestamp() -
                interval '1 minute' + make_interval(secs =>
                    ($3::bigint - k.age) / 1000.0)) AS back,
        NOT $4::boolean AND o.term <> k.term AND o.worker IS NOT NULL
            AND o.expires_at < clock_timestamp() - greatest(
                interval '3 minutes',
                make_interval(secs => $3::bigint / 100.0)) AS silent
    FROM known k JOIN ml_connector.lease o ON o.portal = k.portal,
        (SELECT ml_connector.home() AS here) h
), settled AS (
    UPDATE ml_connector.lease l SET home = j.here,
        term = CASE WHEN j.back OR j.silent
            THEN greatest(l.term, j.term) + 1000 ELSE l.term END,
        worker = CASE WHEN NOT j.back AND NOT j.silent THEN l.worker END,
        clean = l.clean AND NOT j.back AND NOT j.silent,
        expires_at = CASE WHEN j.back THEN clock_timestamp() +
                make_interval(secs => $3::bigint / 1000.0)
            ELSE l.expires_at END
    FROM judged j
    WHERE l.portal = j.portal AND (j.back OR j.silent OR j.homeless)
      AND l.term = j.its_term AND l.expires_at = j.expires_at
    RETURNING l.portal, j.back OR j.silent AS doubt
), doubted AS (
    UPDATE ml_connector.tenant t SET doubt_at = clock_timestamp()
    FROM settled s
    WHERE s.doubt AND t.state <> 'removed'
      AND coalesce(t.portal, 'tenant:' || t.id) = s.portal
    RETURNING t.id
)
INSERT INTO ml_connector.audit_event (tenant_id, event, message)
SELECT id, 'in_doubt', 'the database was set back, or nobody held the portal '
    'for long: what is read next is compared with HubSpot'
FROM doubted
