-- one: tenant
-- From here on the tables of plans hold what is known of the tenant.
SELECT ml_connector.plan_copy($1::bigint) IS NOT NULL AS begun
