-- none: tenant, poll
-- The poll has come to what is no news: what it opened before may go.
UPDATE ml_connector.tenant SET gathering = NULL, gathering_at = NULL
WHERE id = $1::bigint AND gathering = $2::text
