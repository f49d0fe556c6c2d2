-- many:
SELECT version, name, checksum, compatible_from, token
FROM ml_connector.schema_version ORDER BY version
