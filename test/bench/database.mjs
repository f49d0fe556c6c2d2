// SPDX-License-Identifier: UNLICENSED
// What the connector's database holds after a run, and what its statements take
// with so much in it.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fs.realpathSync(fileURLToPath(import.meta.url)));
const folder = path.join(here, '..', '..', 'src', 'store', 'sql');
// As they were when this began: a run is long.
const texts = new Map(fs.readdirSync(folder).map((file) => [
  path.basename(file, '.sql'), fs.readFileSync(path.join(folder, file), 'utf8')]));

export function psql(url, sql) {
  const r = spawnSync('psql', ['-AtXq', '-v', 'ON_ERROR_STOP=1', '-d', url, '-c', sql],
    { encoding: 'utf8', maxBuffer: 1 << 30 });
  if (r.status !== 0) {
    throw new Error(`psql: ${r.stderr}`);
  }
  return r.stdout;
}

// All that is known is to be written once more, into an empty portal; a run with
// these settings reads next to nothing.
export const onlyWriting = { ML_FUSION_OVERLAP: '0s', ML_FUSION_OPEN_AGE: '7d' };

export function forgetWritten(url) {
  psql(url, `TRUNCATE ml_connector.link;
    UPDATE ml_connector.record SET state = 'pending' WHERE state = 'current';
    INSERT INTO ml_connector.job (tenant_id, kind, fusion_id, state, class)
      SELECT tenant_id, kind, fusion_id, 'queued', 'fresh' FROM ml_connector.record WHERE desired IS NOT NULL`);
}

// Counts that must agree with each other and with the pod's.
export async function asIsAt(ask) {
  const [row] = await ask.json(`SELECT
    (SELECT count(*) FROM ml_connector.record WHERE kind = 'invoice') AS invoices,
    (SELECT count(*) FROM ml_connector.record WHERE kind = 'customer') AS customers,
    (SELECT count(*) FROM ml_connector.record WHERE kind = 'payment') AS payments,
    (SELECT count(*) FROM ml_connector.job) AS jobs,
    (SELECT count(*) FROM ml_connector.job WHERE state = 'in_flight') AS in_flight,
    (SELECT count(*) FROM ml_connector.record r WHERE state = 'pending' AND NOT EXISTS (
      SELECT FROM ml_connector.job j WHERE (j.tenant_id, j.kind, j.fusion_id) =
        (r.tenant_id, r.kind, r.fusion_id))) AS orphans,
    (SELECT count(*) FROM ml_connector.pass WHERE pass LIKE 'backfill:%') AS passes,
    (SELECT count(*) FROM ml_connector.pass WHERE done_at IS NULL) AS passes_open,
    (SELECT count(*) FROM ml_connector.poll) AS polls,
    (SELECT count(*) FROM ml_connector.poll WHERE outcome <> 'ok') AS failed,
    (SELECT coalesce(sum(abs(difference)), 0) FROM ml_dashboard.conservation) AS difference,
    (SELECT count(*) FROM ml_connector.lease WHERE worker IS NOT NULL) AS leases`);
  return row;
}

// A statement's skeleton: no comments, constants or white space that differ
// between the file and what the server keeps of it.
function skeleton(text) {
  return text.replace(/--[^\n]*/g, ' ').replace(/'(?:[^']|'')*'/g, '?')
    .replace(/\$\d+/g, '?').replace(/\b\d+(?:\.\d+)?\b/g, '?')
    .replace(/\s+/g, ' ').trim().slice(0, 400);
}

function alike(a, b) {
  let n = 0;
  while (n < a.length && a[n] === b[n]) {
    n++;
  }
  return n;
}

// Which statement of the connector is meant by an id: Map id -> name. The one
// that begins most alike, since a build may be older than the files.
export async function statementNames(ask) {
  const known = [...texts].map(([name, text]) => [name, skeleton(text)]);
  const rows = await ask.json('SELECT queryid::text AS id, query FROM pg_stat_statements');
  const best = (query) => known.map(([name, text]) => ({ name, n: alike(text, query), whole: text.length }))
    .reduce((a, b) => (b.n > a.n ? b : a));
  return new Map(rows.map((r) => [r.id, best(skeleton(r.query))])
    .filter(([, b]) => b.n >= Math.min(b.whole, 100)).map(([id, b]) => [id, b.name]));
}

// The connector's statement that this is; undefined: it is none.
export function statementOf(query) {
  const asked = skeleton(query);
  return [...texts].find(([, text]) => skeleton(text) === asked)?.[0];
}

// What hot statements take now, in ms: the second of two runs, taken back.
export async function hot(ask) {
  const [lease] = await ask.json('SELECT portal, term FROM ml_connector.lease LIMIT 1');
  const list = [
    ['feed_load', "1, 'invoices'"],
    ['open_invoices', '1, 0, 2000'],
    ['job_counts', '1'],
    ['claim', `1, '${lease.portal}', ${lease.term}, 500`],
  ];
  const out = [];
  for (const [name, args] of list) {
    await ask.text(`BEGIN; UPDATE ml_connector.lease SET worker = 'bench',
      expires_at = now() + interval '1 hour'; PREPARE s AS ${texts.get(name)}`);
    for (let i = 0; i < 2; i++) {
      await ask.text('SAVEPOINT s');
      const plan = JSON.parse(await ask.text(`EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE s (${args})`));
      await ask.text('ROLLBACK TO s');
      if (i === 1) {
        out.push({ name, ms: plan[0]['Execution Time'] });
      }
    }
    await ask.text('ROLLBACK; DEALLOCATE s');
  }
  return out;
}

// The largest tables, partitions under their own names, MiB with indexes.
export async function sizes(ask) {
  return ask.json(`SELECT c.relname AS name,
      round(pg_total_relation_size(c.oid) / 1048576.0, 1) AS mib
    FROM pg_class c WHERE c.relnamespace = 'ml_connector'::regnamespace AND c.relkind = 'r'
      AND pg_total_relation_size(c.oid) > 1048576
    ORDER BY pg_total_relation_size(c.oid) DESC LIMIT 8`);
}
