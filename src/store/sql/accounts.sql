-- one: tenant, by, keys
SELECT coalesce(jsonb_agg(jsonb_build_object('number', a.number,
    'account_id', a.account_id, 'party', a.party, 'name', a.name,
    'href', a.href, 'bill_to_name', a.bill_to_name,
    'bill_to_contact', a.bill_to_contact, 'bill_to_party', a.bill_to_party,
    'bill_to_email', a.bill_to_email, 'revision', a.revision) ORDER BY a.number), '[]') AS json
FROM (
    SELECT a.* FROM (SELECT DISTINCT k FROM
        jsonb_array_elements_text($3::jsonb) k) x
    JOIN ml_connector.account a ON a.tenant_id = $1::bigint
        AND a.number = x.k
    WHERE $2::text = 'number'
    UNION ALL
    SELECT a.* FROM (SELECT DISTINCT k FROM
        jsonb_array_elements_text($3::jsonb) k) x
    JOIN ml_connector.account a ON a.tenant_id = $1::bigint
        AND a.party = x.k
    WHERE $2::text = 'party') a
