-- none: tenant, feed, pass, revision, at_us, at_id, done
-- Only the one that was read: begun anew meanwhile, it stays where it is.
UPDATE ml_connector.pass SET at_us = $5::bigint,
    at_id = coalesce($6::text, ''),
    done_at = CASE WHEN $7::boolean THEN clock_timestamp() END
WHERE tenant_id = $1::bigint AND feed = $2::text AND pass = $3::text
  AND revision = $4::bigint AND done_at IS NULL
