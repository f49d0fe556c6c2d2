-- Rights for a worker that is not the owner of the schema: run as the role
-- that runs `ml-connector migrate`, after each migration, with the worker's
-- role as variable:
--
--     psql -v worker=ml_worker -f deploy/grants.sql
--
-- The worker then reads and writes rows and creates nothing; partitions of the
-- audit are made by a function that runs with its owner's rights.
GRANT USAGE ON SCHEMA ml_connector, ml_dashboard TO :"worker";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ml_connector
    TO :"worker";
REVOKE INSERT, UPDATE, DELETE ON ml_connector.schema_version FROM :"worker";
REVOKE UPDATE, DELETE ON ml_connector.audit_event FROM :"worker";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA ml_connector TO :"worker";
GRANT SELECT ON ALL TABLES IN SCHEMA ml_dashboard TO :"worker";
GRANT EXECUTE ON FUNCTION ml_connector.audit_keep(integer, interval)
    TO :"worker";
