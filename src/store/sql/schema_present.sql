-- one:
SELECT to_regclass('ml_connector.schema_version') IS NOT NULL AS present,
    EXISTS (SELECT FROM pg_catalog.pg_roles
        WHERE rolname = 'ml_dashboard') AS role
