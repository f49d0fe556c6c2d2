-- none: tenant, accounts
-- Customers were composed with what invoices said then: they are owed nothing
-- more, unless an invoice has said something else meanwhile.
UPDATE ml_connector.account a SET stale = false
FROM jsonb_to_recordset($2::jsonb) AS x(number text, composed bigint)
WHERE a.tenant_id = $1::bigint AND a.number = x.number AND a.stale
  AND a.revision = x.composed
