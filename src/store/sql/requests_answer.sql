-- none: worker, answers
-- Only what this worker took: another one may have it by now. A candidate's
-- settings and sealed secrets do not stay.
UPDATE ml_connector.request r SET answer = x.answer,
    arguments = r.arguments - 'candidate', answered_at = clock_timestamp()
FROM jsonb_to_recordset($2::jsonb) AS x(id bigint, answer jsonb)
WHERE r.id = x.id AND r.worker = $1::text AND r.answered_at IS NULL
