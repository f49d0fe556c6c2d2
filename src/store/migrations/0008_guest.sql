-- compatible_from: 1
-- Lookups of records by their key must not be tempted by other indexes: of a
-- tenant that statistics do not know yet, the planner takes any index that
-- begins with the tenant for as good, and reads all records of the tenant for
-- each. These two can now only be used by who asks for a customer, or for an
-- invoice.
DROP INDEX ml_connector.record_customer;
CREATE INDEX record_customer ON ml_connector.record (tenant_id, customer)
    WHERE customer IS NOT NULL;
DROP INDEX ml_connector.record_invoice;
CREATE INDEX record_invoice ON ml_connector.record (tenant_id, invoice)
    WHERE invoice IS NOT NULL;

-- What the minute's upkeep looks for among all polls.
CREATE INDEX poll_empty ON ml_connector.poll (started_at) WHERE read = 0;
