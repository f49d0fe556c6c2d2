-- one: worker, age_ms
-- What all polls leave unaccounted for. One worker at a time looks, when that
-- was not done for age_ms; the others get what it found. `fresh`: polls that
-- nobody has told of yet.
WITH due AS MATERIALIZED (
    SELECT name FROM ml_connector.checked
    WHERE name = 'conservation' AND checked_at <=
        clock_timestamp() - make_interval(secs => $2::bigint / 1000.0)
    FOR UPDATE SKIP LOCKED
), found AS MATERIALIZED (
    SELECT * FROM ml_connector.imbalance
    WHERE (SELECT count(*) FROM due) > 0
), kept AS (
    UPDATE ml_connector.checked c SET checked_at = clock_timestamp(),
        worker = $1::text,
        result = (SELECT coalesce(sum(abs(difference)), 0) FROM found)
    FROM due WHERE c.name = due.name
    RETURNING c.result
), told AS (
    INSERT INTO ml_connector.noted (tenant_id, event, message)
    SELECT tenant_id, 'conservation.difference', feed || ' ' || poll
    FROM found f WHERE NOT EXISTS (
        SELECT FROM ml_connector.noted n
        WHERE n.tenant_id = f.tenant_id
          AND n.event = 'conservation.difference'
          AND n.message = f.feed || ' ' || f.poll)
    ORDER BY tenant_id, feed, poll LIMIT 100
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, message
)
SELECT jsonb_build_object(
    'difference', coalesce((SELECT result FROM kept),
        (SELECT result FROM ml_connector.checked
         WHERE name = 'conservation'), 0),
    'fresh', (SELECT coalesce(jsonb_agg(to_jsonb(f) - 'tenant_id'
            ORDER BY f.tenant, f.feed, f.poll), '[]')
        FROM found f JOIN told t ON t.tenant_id = f.tenant_id
            AND t.message = f.feed || ' ' || f.poll)) AS json
