-- none: tenant, feed, stream, scanned_us, overlap_us
-- A scan came to its end.
WITH cursor AS (
    UPDATE ml_connector.cursor SET scanned_us = $4::bigint
    WHERE tenant_id = $1::bigint AND feed = $2::text AND stream = $3::text
)
UPDATE ml_connector.feed SET overlap_us = $5::bigint
WHERE tenant_id = $1::bigint AND feed = $2::text
  AND overlap_us IS DISTINCT FROM $5::bigint
