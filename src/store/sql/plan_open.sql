-- none:
-- All of a plan is one transaction that is never committed.
BEGIN ISOLATION LEVEL REPEATABLE READ
