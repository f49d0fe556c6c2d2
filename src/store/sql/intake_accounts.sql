-- none: tenant, accounts
-- What the account list says; older stamps do not overwrite newer ones.
INSERT INTO ml_connector.account AS a (tenant_id, number, account_id, party,
    name, href, stamp_us)
SELECT DISTINCT ON (number) $1::bigint, number, account_id, party, name,
    href, coalesce(stamp_us, 0)
FROM jsonb_to_recordset($2::jsonb) AS x(number text, account_id text,
    party text, name text, href text, stamp_us bigint)
WHERE number IS NOT NULL
ORDER BY number, stamp_us DESC NULLS LAST
ON CONFLICT (tenant_id, number) DO UPDATE SET
    account_id = coalesce(excluded.account_id, a.account_id),
    party = coalesce(excluded.party, a.party),
    name = coalesce(excluded.name, a.name),
    href = coalesce(excluded.href, a.href), stamp_us = excluded.stamp_us
WHERE coalesce(a.stamp_us, 0) <= excluded.stamp_us
  AND (a.account_id, a.party, a.name, a.href, a.stamp_us) IS DISTINCT FROM
      (excluded.account_id, excluded.party, excluded.name, excluded.href,
      excluded.stamp_us)
