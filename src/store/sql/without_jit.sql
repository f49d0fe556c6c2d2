-- one:
-- For the rest of the transaction: of a statement that reads much and runs
-- seldom, compiling takes longer than running.
SELECT set_config('jit', 'off', true) AS jit
