-- one:
-- Whether tenants are as they were, without all that `tenants` gives of them:
-- `mark` is another when one came, went or was changed. `asked`: commands wait.
SELECT jsonb_build_object('mark', md5(coalesce(string_agg(concat_ws(':',
        t.id, t.revision, t.state, t.portal), ',' ORDER BY t.id), '')),
    'asked', EXISTS (SELECT FROM ml_connector.request r
        WHERE r.answered_at IS NULL)) AS json
FROM ml_connector.tenant t
WHERE t.state <> 'removed'
