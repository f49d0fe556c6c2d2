// SPDX-License-Identifier: UNLICENSED
// History of years read in: 2 customers and 3 receipts on 10 invoices, all
// feeds read before anything is written. Memory must not grow with the backlog,
// and what an invoice costs must not grow along it: requests and CPU at each
// tenth, from the simulator's log and the kernel's count.
//
// The largest size is stopped by SIGTERM when all is read. Then, as at the end
// of the others, what the database holds must account for every row.
import fs from 'node:fs';
import path from 'node:path';
import { asIsAt, hot, sizes, statementNames } from './database.mjs';
import { Asker, Sampler } from './sampler.mjs';
import { childOf, count, lifted } from './stage.mjs';
import { lastToFirst, lastToOthers, tenths, walk } from './tenths.mjs';

// What is judged.
const peakRatioMax = 1.15; // peak memory of the largest size to that a tenth of it
const requestsRatioMax = 1.1; // last tenth to the first, but for its last page
const cpuRatioMax = 1.3; // last tenth to the mean of the others
const cpuJudgedFrom = 100000; // below, a tenth lasts less than a second
const linesJudgedFrom = 1000000; // below, chance decides where the long invoices are

const statementsShown = 4;
// Written up to here; the larger ones are stopped when all is read.
const writtenUpTo = { 0: 0, 1: Infinity }[process.env.BENCH_HISTORY_WRITE] ?? 100000;

const feeds = {
  invoices: { main: 'receivablesInvoices.get', apart: 'receivablesInvoiceLines.get' },
  customers: { main: 'receivablesCustomerAccountActivities.get' },
  payments: { main: 'standardReceipts.get' },
};

async function requestsOf(stage, ready) {
  const out = [];
  for (let after = 0; ;) {
    const text = await stage.controlText(ready, 'GET',
      `log/requests?server=fusion&after=${after}&limit=50000`);
    const rows = text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
    if (rows.length === 0) {
      return out;
    }
    out.push(...rows.map((r) => ({ at_us: r.at_us, operation: r.operation, inputs: r.inputs })));
    after = rows[rows.length - 1].n;
  }
}

// The first poll of each feed: when, and by its own count.
async function pollsOf(ask) {
  const rows = await ask.json(`SELECT feed, requests, read, outcome,
      (extract(epoch FROM started_at) * 1000000)::bigint AS from_us,
      (extract(epoch FROM finished_at) * 1000000)::bigint AS to_us
    FROM ml_connector.poll WHERE requests > 0 ORDER BY started_at`);
  return Object.fromEntries(rows.reverse().map((r) => [r.feed, r]));
}

async function withStatements(stage, db) {
  const ask = new Asker(stage, db.url);
  const [there] = await ask.json(
    "SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements'");
  if (there) {
    await ask.text("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'");
  }
  await ask.close();
  if (there) {
    await stage.restartCluster(db);
    const again = new Asker(stage, db.url);
    await again.text('CREATE EXTENSION pg_stat_statements');
    await again.close();
  }
  return Boolean(there);
}

// ---- one size ------------------------------------------------------------------

async function worked(stage, n, spec, { dir, db, ready, statements }) {
  const figures = path.join(dir, 'figures');
  const env = await stage.tenant(dir, db.url, ready, '--since', '2020-01-01');
  const ask = new Asker(stage, db.url);
  const p = stage.start(stage.bin('bench-measure'),
    [figures, stage.bin('ml-connector'), 'run', '--once'],
    { ...env, ...(spec.page ? { ML_FUSION_PAGE: String(spec.page) } : {}) });
  let pid = null;
  while (pid === null && p.child.exitCode === null) {
    await new Promise((done) => { setTimeout(done, 2); });
    pid = childOf(p.child.pid);
  }
  const sampler = new Sampler(pid, db.pid, ask, {
    invoices: n, statements, every_ms: spec.every_ms, tell: spec.tell });
  const result = { n, spec, sampler, ready };
  const over = pid !== null && await sampler.reading();
  if (sampler.samples.length === 0) {
    throw new Error(`ml-connector: exit ${await p.ended}\n${p.stderr.slice(-2000)}`);
  }
  const [a, b] = [sampler.samples[0], sampler.samples[sampler.samples.length - 1]];
  result.readCpu = { worker: b.worker, database: b.database - a.database };
  result.readPeak = sampler.samples.reduce((most, s) => Math.max(most, s.peak), 0);
  if (over && spec.stop) {
    process.kill(pid, 'SIGTERM');
  }
  result.exit = await p.ended;
  result.stderr = p.stderr;
  result.worked = JSON.parse(fs.readFileSync(figures, 'utf8'));
  result.polls = await pollsOf(ask);
  result.requests = await requestsOf(stage, ready);
  result.pod = await stage.control(ready, 'GET', 'fusion/0/counts');
  result.there = (await stage.control(ready, 'GET', 'hubspot')).portals[0].counts;
  result.is = await asIsAt(ask);
  if (statements) {
    result.names = await statementNames(ask);
    result.hot = await hot(ask);
    result.sizes = await sizes(ask);
  }
  await ask.close();
  return result;
}

async function measure(stage, n, spec) {
  const dir = path.join(stage.top, `history-${n}`);
  fs.mkdirSync(dir);
  const db = await stage.cluster(dir);
  const statements = spec.statements && await withStatements(stage, db);
  const { p, ready } = await stage.sandbox(dir,
    ['--customers', n * 0.2, '--invoices', n, '--receipts', n * 0.3]);
  try {
    await stage.control(ready, 'POST', 'hubspot/switches', lifted);
    return await worked(stage, n, spec, { dir, db, ready, statements });
  } finally {
    await stage.stop(p);
    stage.stopCluster(db.data);
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

// ---- shown -------------------------------------------------------------------------

const fixed = (x, digits) => (Number.isFinite(x) ? x.toFixed(digits) : '-');

function showTenths(r, feed, ts, records) {
  const row = (head, of, digits) => {
    console.log(`    ${head.padEnd(28)}${ts.map((t) => fixed(of(t), digits).padStart(9)).join('')}`);
  };
  console.log(`    ${feed} of ${count(r.n)} invoices, ${count(records)} rows, by tenths, each for 1,000 rows`);
  row('Fusion requests', (t) => t.requests, 2);
  if (feeds[feed].apart) {
    row('  of them lines beyond 25', (t) => t.apart, 2);
  }
  if (r.sampler.samples.length > 10) {
    row('worker CPU ms', (t) => t.worker, 0);
    row('database CPU ms', (t) => t.database, 0);
    row('seconds (of the tenth)', (t) => t.seconds, 1);
    row('RSS MiB at its end', (t) => t.rss, 1);
    row('peak MiB so far', (t) => t.peak, 1);
  }
}

// The dearest statements: ms of one call, by tenths.
function showStatements(r, feed, ts) {
  const borders = [ts[0].from_us, ...ts.map((t) => t.to_us)];
  const list = [...r.names].map(([id, name]) => {
    const sums = r.sampler.statement(id, borders);
    const spent = sums[10].ms - sums[0].ms;
    const calls = sums[10].calls - sums[0].calls;
    const each = ts.map((_, k) => (sums[k + 1].ms - sums[k].ms) /
      Math.max(1, sums[k + 1].calls - sums[k].calls));
    return { name, spent, calls, each };
  }).filter((x) => x.spent > 0).sort((x, y) => y.spent - x.spent);
  for (const { name, calls, spent, each } of list.slice(0, statementsShown)) {
    console.log(`    ${`${name}, ms a call`.padEnd(28)}${each.map((x) => fixed(x, 1).padStart(9)).join('')}` +
      `   ${count(Math.round(calls))} calls, ${fixed(spent / 1000, 1)} s`);
  }
}

function showDatabase(r) {
  console.log(`    at the end, by EXPLAIN ANALYZE: ${r.hot.map((h) => `${h.name} ${h.ms.toFixed(1)} ms`).join(', ')}`);
  console.log(`    tables, MiB with indexes: ${r.sizes.map((s) => `${s.name} ${s.mib}`).join(', ')}`);
}

function showWhole(r) {
  const w = r.worked;
  const cpu = (w.user_us + w.system_us) / 1e6;
  const [from, to] = [r.polls.invoices.from_us, r.polls.payments.to_us];
  const whole = r.spec.stop ? 'read, then stopped' : 'read and written';
  console.log(`    ${count(r.n)} invoices ${whole}: ${fixed(w.wall_us / 1e6, 1)} s ` +
    `(reading ${fixed((to - from) / 1e6, 1)} s), worker CPU ${fixed(cpu, 1)} s, peak ` +
    `${fixed(w.peak_kib / 1024, 1)} MiB (reading ${fixed(r.readPeak / 1024, 1)} MiB), ` +
    `${count(r.is.jobs)} jobs open at the end`);
  console.log(`    reading it took, for 1,000 invoices: ${fixed(r.requests.length * 1000 / r.n, 1)} Fusion requests, ` +
    `worker CPU ${fixed(r.readCpu.worker * 1e6 / r.n, 0)} ms, database CPU ${fixed(r.readCpu.database * 1e6 / r.n, 0)} ms`);
}

// ---- judged ------------------------------------------------------------------------

function judgeKept(stage, r) {
  const { is, pod, spec } = r;
  const name = `${count(r.n)} invoices of years`;

  if (spec.stop) {
    // A run that is told to end before all is done says so by 1.
    stage.check(`${name}: SIGTERM ends the worker in order`,
      r.exit === 1 && is.in_flight === 0 && is.leases === 0 &&
        /worker\.stop[^\n]*reason=signal/.test(r.stderr) && !r.stderr.includes('worker.deadline'),
      `exit ${r.exit}, ${is.in_flight} jobs in flight, ${is.leases} leases held`);
  } else {
    stage.check(`${name} arrive`, r.exit === 0 && r.there.invoices === r.n && is.jobs === 0,
      `exit ${r.exit}, ${r.there.invoices} in HubSpot, ${is.jobs} jobs left`);
  }
  stage.check(`${name}: every row is accounted for`,
    is.polls >= 3 && is.difference === 0 && is.failed === 0 && is.orphans === 0,
    `${is.polls} polls, difference ${is.difference}, ${is.orphans} records pending without a job`);
  stage.check(`${name}: all that the pod has is known, and history is read to its end`,
    is.invoices === pod.invoices && is.customers === pod.customers && pod.invoices === r.n &&
      is.passes === 3 && is.passes_open === 0,
    `${count(is.invoices)} invoices, ${count(is.customers)} customers, ` +
      `${is.passes - is.passes_open} of ${is.passes} passes ended`);
}

function judgeCost(stage, r, ts) {
  const name = `${count(r.n)} invoices of years`;
  // The very last page need not be full: one request is not of this cost.
  const tail = 1 / (r.n / 10 / 1000);
  const costs = ts.map((t, k) => ({ ...t, requests: t.requests - (k === 9 ? tail : 0) }));
  const asked = lastToFirst(costs, (t) => t.requests - t.apart);
  const all = lastToFirst(costs, (t) => t.requests);
  const cpu = lastToOthers(ts, (t) => t.worker);
  const database = lastToOthers(ts, (t) => t.database);

  stage.check(`${name}: requests per invoice do not grow`,
    asked <= requestsRatioMax && (r.n < linesJudgedFrom || all <= requestsRatioMax),
    `last tenth to first ${fixed(asked, 3)}, at most ${requestsRatioMax}; ` +
      `with lines beyond 25 ${fixed(all, 3)}`);
  if (r.n >= cpuJudgedFrom) {
    stage.check(`${name}: CPU per invoice does not grow`, cpu <= cpuRatioMax,
      `last tenth to the mean of the others ${fixed(cpu, 3)}, at most ${cpuRatioMax}; ` +
        `the database's ${fixed(database, 3)}`);
  }
}

function judgeMemory(stage, done) {
  const sorted = [...done.values()].sort((a, b) => a.n - b.n);
  const last = sorted.pop();
  for (const r of sorted) {
    const ratio = last.readPeak / r.readPeak;
    const detail = `${count(last.n)} invoices take ${fixed(ratio, 3)} times that of ${count(r.n)} ` +
      `(${fixed(last.readPeak / 1024, 1)} and ${fixed(r.readPeak / 1024, 1)} MiB)`;
    if (r.n * 10 === last.n && r.n >= 100000) {
      stage.check('peak memory of reading is flat', ratio <= peakRatioMax, `${detail}, at most ${peakRatioMax}`);
    } else {
      console.log(`    peak memory of reading: ${detail}`);
    }
  }
}

// What an invoice costs, of one size to the one before; shown.
function compareCost(done) {
  const sorted = [...done.values()].sort((a, b) => a.n - b.n);
  for (let i = 1; i < sorted.length; i++) {
    const [a, b] = [sorted[i - 1], sorted[i]];
    const ratio = (of) => fixed((of(b) / b.n) / (of(a) / a.n), 2);
    console.log(`    reading an invoice of ${count(b.n)} costs, to one of ${count(a.n)}: ` +
      `${ratio((r) => r.asked)} of the requests, ${ratio((r) => r.readCpu.worker)} of the worker's CPU, ` +
      `${ratio((r) => r.readCpu.database)} of the database's`);
  }
}

function judge(stage, r) {
  judgeKept(stage, r);
  for (const [feed, ops] of Object.entries(feeds)) {
    const poll = r.polls[feed];
    const w = poll ? walk(r.requests, { ...poll, ...ops }) : null;
    stage.check(`${count(r.n)} invoices of years: pages of ${feed} were read`, w !== null, '');
    if (w === null) {
      continue;
    }
    const records = feed === 'payments' ? r.pod.receipts : poll.read;
    const ts = tenths(w, r.sampler.samples, records);
    if (r.spec.show) {
      showTenths(r, feed, ts, records);
      if (r.names) {
        showStatements(r, feed, ts);
      }
    }
    if (feed === 'invoices') {
      judgeCost(stage, r, ts);
    }
  }
  if (r.spec.show) {
    showWhole(r);
  }
  if (r.names) {
    showDatabase(r);
  }
}

const progress = (n) => (tenth, seconds, s) => {
  console.log(`    ${count(n)}: ${tenth * 10} % of the invoices after ${fixed(seconds, 1)} s, ` +
    `worker ${fixed(s.worker, 1)} s CPU, ${fixed(s.peak / 1024, 1)} MiB`);
};

// The parts history and short, as far as wanted.
export async function history(stage, wanted) {
  if (wanted.includes('short')) {
    judge(stage, await measure(stage, 2000, { page: 50, stop: true, every_ms: 200 }));
  }
  if (!wanted.includes('history')) {
    return;
  }
  const asked = process.env.BENCH_HISTORY_SIZES?.split(' ').map(Number);
  const done = new Map();
  for (const n of asked ?? [10000, 100000, 1000000]) {
    const r = await measure(stage, n, {
      show: true, statements: true, stop: n > writtenUpTo,
      every_ms: n < 100000 ? 100 : 500, tell: n >= 100000 ? progress(n) : null });
    judge(stage, r);
    // Of a long list only its length is needed on.
    r.asked = r.requests.length;
    r.requests = null;
    done.set(n, r);
  }
  compareCost(done);
  judgeMemory(stage, done);
}
