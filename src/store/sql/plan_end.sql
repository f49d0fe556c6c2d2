-- one: tenant, token, most
-- The plan is over; a part of what it leaves is removed.
SELECT ml_connector.plan_clear($1::bigint, $2::text, $3::integer) AS more
