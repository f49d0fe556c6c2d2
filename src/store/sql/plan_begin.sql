-- one: tenant, idle_ms
-- From here on tables of this transaction stand for those of the tenant, and
-- it can write to no others.
SELECT set_config('idle_in_transaction_session_timeout', $2::bigint::text,
        true) IS NOT NULL AND
    ml_connector.plan_begin($1::bigint) IS NOT NULL AS begun
