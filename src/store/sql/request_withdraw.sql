-- one: id
-- Nobody waits for it any more: who has taken it answers in vain. How it
-- stood; null when it is gone.
WITH was AS MATERIALIZED (
    SELECT id, worker, answer, answered_at FROM ml_connector.request
    WHERE id = $1::bigint FOR UPDATE
), withdrawn AS (
    UPDATE ml_connector.request r SET answered_at = clock_timestamp(),
        arguments = r.arguments - 'candidate'
    FROM was w WHERE r.id = w.id AND w.answered_at IS NULL
)
SELECT (SELECT jsonb_build_object('id', id, 'worker', worker,
        'answer', answer, 'answered', answered_at IS NOT NULL)
    FROM was) AS json
