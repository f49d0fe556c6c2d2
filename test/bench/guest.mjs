// SPDX-License-Identifier: UNLICENSED
// How the connector behaves in a database that holds much: every plan that the
// server made for it is looked at. PostgreSQL's auto_explain writes them all down,
// with what they read, while a worker reads and writes for a tenant with so many
// known records and for a small one beside it, and a person looks around.
import fs from 'node:fs';
import path from 'node:path';
import { psql, statementOf } from './database.mjs';
import { count, lifted } from './stage.mjs';

const big = 'bench';

// What grows with records or with time; partitions count as their table.
const growing = new Set(['record', 'link', 'job', 'account', 'contact_email', 'write', 'poll', 'minute', 'noted', 'audit_event', 'request']);

// One plan may read so much: rows of a growing table one after the other (a
// small one is read so, and may be), rows that an index led to in vain, pages of
// 8 KiB. A claim takes 500 jobs with all that belongs to them, a page has 500 rows.
const bounds = { inOrder: 12000, inVain: 2000, pages: 60000 };

// Those that may read more, and why.
const exceptions = {
  conservation_check: 'every ten minutes, by one worker: all open jobs, by poll',
  report_conservation: 'asked by a person: all open jobs, by poll',
  report_jobs: 'all open jobs, counted; seldom when that takes long',
  report_tenants: 'asked by a person: all open jobs, counted by tenant',
  report_audit: 'asked by a person: the newest of a tenant, found going back through those of all',
};

// Each must have been seen.
const hot = ['tenants', 'claim', 'claim_due', 'write_open', 'outcome', 'budget_save', 'feed_load', 'poll_save', 'intake',
  'intake_cursor', 'intake_emails', 'open_invoices', 'missing', 'wanted', 'accounts', 'job_release', 'upkeep_prune',
  'requests_take', 'replay_list', 'report_audit', 'report_feeds', 'report_tenants', 'report_jobs', 'report_parked'];

// ---- a database that holds much -------------------------------------------------

// Customers, invoices and payments as 2 : 6 : 2, with all that hangs on them, and
// some thousand open jobs in each state. None of it is in the pod.
function fill(url, n) {
  const c = n / 5;
  const i = (n * 3) / 5;
  psql(url, `SET synchronous_commit = off;
    INSERT INTO ml_connector.record (tenant_id, kind, fusion_id, state, open, number, customer, invoice, receipt, amount, currency,
        email, hash, desired, version_us, stamp_us, read_us, last_change, last_write, last_read)
    SELECT 1, 'customer', 'c' || g, 'current', false, 'c' || g, NULL, NULL, NULL, NULL, NULL, 'p' || g || '@example.com',
        sha256(g::text::bytea), '{"objects":[]}'::jsonb, g, g, g, now(), now(), now() FROM generate_series(1, ${c}) g
    UNION ALL SELECT 1, 'invoice', 'i' || g, 'current', g % 200 = 0, 'i' || g, 'c' || g % ${c} + 1, NULL, NULL, 10, 'USD', NULL,
        sha256(g::text::bytea), '{"objects":[]}'::jsonb, g, g, g, now(), now(), now() FROM generate_series(1, ${i}) g
    UNION ALL SELECT 1, 'payment', 'p' || g || ':i' || g, 'current', g % 500 = 0, 'p' || g, 'c' || g % ${c} + 1, 'i' || g, 'p' || g, 5,
        'USD', NULL, sha256(g::text::bytea), '{"objects":[]}'::jsonb, g, g, g, now(), now(), now() FROM generate_series(1, ${c}) g;
    INSERT INTO ml_connector.link (tenant_id, kind, fusion_id, object, key, hubspot_id, hash, assoc, properties)
    SELECT 1, r.kind, r.fusion_id, o.object, r.fusion_id || o.suffix, o.object || r.fusion_id, r.hash, '{"1:2"}'::text[], '{"name":"x"}'::jsonb
    FROM ml_connector.record r JOIN (VALUES ('customer', 'companies', ''), ('customer', 'contacts', ''), ('invoice', 'invoices', ''),
        ('invoice', 'line_items', '/1'), ('payment', 'commerce_payments', '')) o (kind, object, suffix) ON o.kind = r.kind
    WHERE r.tenant_id = 1;
    INSERT INTO ml_connector.account (tenant_id, number, account_id, party, name)
    SELECT 1, 'c' || g, 'a' || g, 'y' || g, 'x' FROM generate_series(1, ${c}) g;
    INSERT INTO ml_connector.contact_email (tenant_id, email, account)
    SELECT 1, 'p' || g || '@example.com', 'c' || g FROM generate_series(1, ${c}) g;
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind, fusion_id, outcome)
    SELECT 1, 'w', 'invoices.upsert', 'invoice', 'i' || g % ${i} + 1, 'updated' FROM generate_series(1, ${n}) g;
    INSERT INTO ml_connector.poll (tenant_id, poll, feed, worker, started_at, finished_at, outcome, read, unchanged)
    SELECT 1, 'old' || g, 'invoices', 'w', now() - g * interval '1 minute', now() - g * interval '1 minute', 'ok', g % 3, g % 3
    FROM generate_series(1, ${n / 50}) g;
    INSERT INTO ml_connector.minute (tenant_id, minute, records_written)
    SELECT 1, date_trunc('minute', now()) - g * interval '1 minute', 1 FROM generate_series(1, ${n / 20}) g;
    INSERT INTO ml_connector.write (id, tenant_id, portal, worker, term, operation, inputs, jobs, closed_at)
    SELECT 'old' || g, 1, 'x', 'w', 1, 'invoices.upsert', 100, '{}', now() FROM generate_series(1, ${n / 50}) g;
    INSERT INTO ml_connector.noted (tenant_id, event, message) SELECT 1, 'old', g::text FROM generate_series(1, ${n / 50}) g;
    INSERT INTO ml_connector.job (tenant_id, kind, fusion_id, state, class, since, waiting_for, due_at)
    SELECT 1, 'invoice', 'i' || g, s.state, 'backfill', now() - e * interval '1 second', CASE s.state WHEN 'waiting' THEN 'customer:not-there-' || g % 1000 END,
        CASE s.state WHEN 'retry' THEN now() + interval '1 hour' END
    FROM (VALUES ('queued', 0), ('waiting', 1), ('parked', 2), ('retry', 3)) s (state, k), generate_series(1, ${n / 100}) e,
        LATERAL (SELECT e * 4 + s.k AS g) x;
    ANALYZE`);
}

function explain(url) {
  const settings = { log_min_duration: 0, log_analyze: 'on', log_timing: 'off', log_buffers: 'on', log_format: 'json', log_nested_statements: 'on' };
  psql(url, `ALTER DATABASE postgres SET session_preload_libraries = 'auto_explain';
    ${Object.entries(settings).map(([k, v]) => `ALTER DATABASE postgres SET auto_explain.${k} = '${v}';`).join('\n')}`);
}

// ---- what was done ------------------------------------------------------------------

function nodes(plan) {
  return [plan, ...(plan.Plans ?? []).flatMap(nodes)];
}

const table = (node) => node['Relation Name']?.replace(/^audit_event_\d{4}_\d{2}$/, 'audit_event');

// Of one plan, the worst of each.
function weigh(plan) {
  const w = { inOrder: 0, inVain: 0, pages: (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0), where: '' };
  for (const node of nodes(plan).filter((x) => growing.has(table(x)) && /Scan$/.test(x['Node Type']))) {
    const loops = node['Actual Loops'] ?? 0;
    const vain = ((node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) * loops;
    const read = (node['Actual Rows'] ?? 0) * loops + vain;
    const what = node['Node Type'] === 'Seq Scan' ? ['inOrder', read] : ['inVain', vain];
    if (what[1] > w[what[0]]) {
      w[what[0]] = what[1];
      w.where = `${node['Node Type']} of ${table(node)}${node['Index Name'] ? ` by ${node['Index Name']}` : ''}`;
    }
  }
  return w;
}

// The plans that the server wrote down, by statement.
function plansOf(log) {
  const seen = new Map();
  for (const part of log.split(/^\S.*LOG: {2}duration: /m).slice(1)) {
    const [, ms, json] = /^([\d.]+) ms {2}plan:\n((?:\t.*\n)+)/.exec(part) ?? [];
    if (!json) {
      continue;
    }
    const { 'Query Text': query, Plan: plan } = JSON.parse(json.replace(/^\t/gm, ''));
    const name = statementOf(query);
    if (name) {
      const s = seen.get(name) ?? { name, calls: 0, ms: 0, inOrder: 0, inVain: 0, pages: 0, where: '' };
      const w = weigh(plan);
      s.calls++;
      s.ms = Math.max(s.ms, Number(ms));
      if (w.inOrder + w.inVain > s.inOrder + s.inVain) {
        s.where = w.where;
        s.plan = plan;
      }
      for (const k of ['inOrder', 'inVain', 'pages']) {
        s[k] = Math.max(s[k], w[k]);
      }
      seen.set(name, s);
    }
  }
  return seen;
}

function judge(stage, seen, show) {
  const all = [...seen.values()].sort((a, b) => b.pages - a.pages);
  const bad = all.filter((s) => !exceptions[s.name] && Object.entries(bounds).some(([k, most]) => s[k] > most));
  const missed = hot.filter((name) => !seen.has(name));
  if (show || bad.length > 0) {
    console.log('    statement              calls  worst ms  in order   in vain     pages');
    for (const s of all) {
      console.log(`    ${s.name.padEnd(20)} ${String(s.calls).padStart(7)} ${s.ms.toFixed(1).padStart(9)} ` +
        `${count(s.inOrder).padStart(9)} ${count(s.inVain).padStart(9)} ${count(s.pages).padStart(9)}  ` +
        `${exceptions[s.name] ? `(${exceptions[s.name]})` : s.where}`);
    }
  }
  for (const s of process.env.BENCH_GUEST_PLANS ? all.filter((x) => x.plan) : []) {
    fs.writeFileSync(path.join(process.env.BENCH_GUEST_PLANS, `${s.name}.json`), JSON.stringify(s.plan, null, 1));
  }
  stage.check('every hot statement was seen', missed.length === 0, missed.join(' '));
  stage.check('every statement finds its rows by an index', bad.length === 0,
    bad.map((s) => `${s.name}: ${s.where}`).join('; ') || `${all.length} statements, ${count(all.reduce((n, s) => n + s.calls, 0))} plans`);
}

// ---- the part ---------------------------------------------------------------------------

async function settled(url, seconds) {
  const end = Date.now() + seconds * 1000;
  const left = () => psql(url, `SELECT (SELECT count(*) FROM ml_connector.job WHERE state IN ('queued', 'in_flight', 'unknown')) +
    (SELECT count(*) FROM ml_connector.feed WHERE last_success IS NULL OR state <> 'idle') +
    (SELECT 6 - count(*) FROM ml_connector.feed)`).trim();
  while (left() !== '0') {
    if (Date.now() > end) {
      throw new Error(`not all is written after ${seconds} s`);
    }
    await new Promise((done) => { setTimeout(done, 500); });
  }
}

async function lookAround(stage, env) {
  const ml = (...args) => stage.run(stage.bin('ml-connector'), args, env);
  await ml('status');
  await ml('status', big, '--json');
  await ml('audit', big, '--record', 'invoice:i4711');
  await ml('audit', big);
  await ml('replay', 'list', big);
}

async function plans(stage, n, show) {
  const dir = path.join(stage.top, `guest-${n}`);
  fs.mkdirSync(dir);
  const db = await stage.cluster(dir, '-c maintenance_work_mem=128MB -c max_wal_size=4GB -c shared_buffers=256MB');
  const { p, ready } = await stage.sandbox(dir, ['--customers', 100, '--invoices', 400, '--receipts', 100, '--portals', 2]);
  try {
    await stage.control(ready, 'POST', 'hubspot/switches', lifted);
    const env = await stage.tenant(dir, db.url, ready, '--since', '2020-01-01');
    const t = ready.tenants[1];
    await stage.run(stage.bin('ml-connector'), ['tenant', 'add', 'small', '--fusion-url', ready.fusion_url,
      '--fusion-token-url', ready.token_url, '--fusion-client-id', t.client_id, '--fusion-client-secret-file', t.client_secret_file,
      '--fusion-scope', t.scope, '--hubspot-url', ready.hubspot_url, '--hubspot-token-file', t.hubspot_token_file,
      '--hubspot-limit', '10000', '--since', '2020-01-01'], env);
    fill(db.url, n);
    explain(db.url);
    const worker = stage.start(stage.bin('ml-connector'), ['run'], env);
    await settled(db.url, 120);
    for (const i of [0, 1]) {
      await stage.controlText(ready, 'POST', `fusion/${i}/mutate?n=200&seed=7`);
      await stage.run(stage.bin('ml-connector'), ['sync', i === 0 ? big : 'small'], env);
    }
    await lookAround(stage, env);
    await settled(db.url, 120);
    await stage.stop(worker);
    judge(stage, plansOf(fs.readFileSync(path.join(db.data, 'log'), 'utf8')), show);
  } finally {
    await stage.stop(p);
    stage.stopCluster(db.data);
  }
}

// ---- tables that stay small ----------------------------------------------------------------

const small = ['job', 'write', 'lease', 'feed', 'cursor', 'poll', 'minute', 'pass', 'budget'];

function sizesOf(url) {
  return JSON.parse(psql(url, `SELECT json_agg(q) FROM (SELECT s.relname AS name, s.n_live_tup AS live, s.n_dead_tup AS dead,
      s.n_tup_ins AS inserted, s.n_tup_upd AS updated, pg_relation_size(s.relid) / 1024 AS kib,
      pg_indexes_size(s.relid) / 1024 AS index_kib, s.autovacuum_count AS vacuums
    FROM pg_stat_user_tables s WHERE s.schemaname = 'ml_connector' AND s.relname = ANY ('{${small}}') ORDER BY s.relname) q`));
}

// Records go through in rounds, in a server that vacuums as servers do: what the
// first rounds took in space must do for all that follow.
async function rounds(stage, each, n, show) {
  const dir = path.join(stage.top, 'guest-rounds');
  fs.mkdirSync(dir);
  const db = await stage.cluster(dir, '-c autovacuum=on -c autovacuum_naptime=1s');
  const { p, ready } = await stage.sandbox(dir, ['--customers', 200, '--invoices', 200, '--receipts', 10]);
  try {
    await stage.control(ready, 'POST', 'hubspot/switches', lifted);
    const env = { ...await stage.tenant(dir, db.url, ready, '--since', '2020-01-01'), ML_FUSION_BEHIND: '0s', ML_FUSION_OVERLAP: '0s', ML_CHANGE_CEILING: '0' };
    const worker = stage.start(stage.bin('ml-connector'), ['run'], env);
    const written = () => Number(psql(db.url, "SELECT count(*) FROM ml_connector.record WHERE state = 'current' AND kind = 'payment'"));
    const end = Date.now() + 60000 + n * 90000;
    const kib = [];
    for (let k = 0; k < n; k++) {
      const goal = written() + each;
      await stage.controlText(ready, 'POST', `fusion/0/bulk?kind=receipt&new=1&n=${each}&age_s=2`);
      await stage.run(stage.bin('ml-connector'), ['sync', big], env);
      while (written() < goal) {
        if (Date.now() > end || worker.child.exitCode !== null) {
          throw new Error(`round ${k + 1}: ${written()} of ${goal} are written\n${worker.stderr.slice(-1000)}`);
        }
        await new Promise((done) => { setTimeout(done, 300); });
      }
      kib.push(Number(psql(db.url, "SELECT pg_total_relation_size('ml_connector.job') / 1024")));
    }
    await new Promise((done) => { setTimeout(done, 3000); }); // the last vacuum, and the server's counts
    const all = sizesOf(db.url);
    await stage.stop(worker);
    const early = Math.max(kib[0], kib[1]);
    if (show) {
      console.log('    table        inserted    updated      live      dead       KiB  indexes KiB  vacuums');
      for (const s of all) {
        console.log(`    ${s.name.padEnd(10)} ${[s.inserted, s.updated, s.live, s.dead, s.kib, s.index_kib, s.vacuums]
          .map((x, i) => count(x).padStart([10, 10, 9, 9, 9, 12, 8][i])).join(' ')}`);
      }
    }
    stage.check('the job table does not grow with what goes through it', kib.at(-1) <= 2 * early + 1024,
      `${count(n * each)} records in ${n} rounds, KiB after each: ${kib.join(' ')}`);
    const lease = all.find((s) => s.name === 'lease');
    stage.check('rows that are updated all the time stay where they are', all.filter((s) => ['lease', 'feed', 'cursor', 'budget', 'pass'].includes(s.name))
      .every((s) => s.kib <= 64), `lease: ${count(lease.updated)} updates, ${lease.kib} KiB`);
  } finally {
    await stage.stop(p);
    stage.stopCluster(db.data);
  }
}

// The parts guest and short, as far as wanted.
export async function guest(stage, wanted) {
  if (wanted.includes('short')) {
    await plans(stage, 50000, false);
    await rounds(stage, 4000, 5, false);
  }
  if (wanted.includes('guest')) {
    await plans(stage, Number(process.env.BENCH_GUEST_RECORDS ?? 1000000), true);
    await rounds(stage, 20000, Number(process.env.BENCH_GUEST_ROUNDS ?? 50), true);
  }
}
