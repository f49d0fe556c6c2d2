-- one: portal, term
-- First of what changes something under a lease: all of it is undone when the
-- term is not the portal's any more.
SELECT ml_connector.lease_check($1::text, $2::bigint) AS fine
