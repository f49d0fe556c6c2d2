-- one: tenant, token
-- First in each transaction of a plan. MLP01: it is over.
SELECT ml_connector.plan_touch($1::bigint, $2::text) IS NOT NULL AS touched
