// SPDX-License-Identifier: UNLICENSED
// A first synchronisation of a fresh tenant to its end: what it takes, alone
// and next to a bare loop that sends the same requests. 3 customers and 4
// receipts on 10 invoices.
import fs from 'node:fs';
import path from 'node:path';
import { forgetWritten, onlyWriting } from './database.mjs';
import { count, lifted, serverCpu } from './stage.mjs';

// What is judged.
const peakRatioMax = 1.3; // peak memory of 100,000 invoices to that of 10,000
const requestsPerInvoiceMax = 0.10;

const rows = [];
const rates = [];

// The same requests once more, to the same simulator with empty portals.
async function replay(stage, record, ready) {
  await stage.control(ready, 'POST', 'hubspot/reset');
  await stage.control(ready, 'POST', 'hubspot/switches', lifted);
  return JSON.parse(await stage.run(stage.bin('bench-replay'),
    [record, ready.fusion_url, ready.hubspot_url]));
}

// What a recording holds from a place in it on, as one of its own.
function tail(record, from) {
  const out = `${record}.tail`;
  fs.writeFileSync(out, 'ml-recording 1\n');
  fs.appendFileSync(out, fs.readFileSync(record).subarray(from));
  return out;
}

// All of it once more into empty portals, out of the database: what writing costs
// alone, and the bare loop with these requests.
async function writing(stage, { dir, db, ready, env, record }) {
  const figures = path.join(dir, 'figures');
  const from = fs.statSync(record).size;
  await stage.control(ready, 'POST', 'hubspot/reset');
  await stage.control(ready, 'POST', 'hubspot/switches', lifted);
  await stage.run(stage.bin('ml-connector'), ['provision', 'bench'], env);
  forgetWritten(db.url);
  await stage.control(ready, 'DELETE', 'log');
  await stage.run(stage.bin('bench-measure'), [figures, stage.bin('ml-connector'), 'run', '--once'],
    { ...env, ...onlyWriting });
  const worked = JSON.parse(fs.readFileSync(figures, 'utf8'));
  const log = await stage.control(ready, 'GET', 'log');
  const { counts: there } = (await stage.control(ready, 'GET', 'hubspot')).portals[0];
  return { worked, log, there, bare: await replay(stage, tail(record, from), ready) };
}

// One size: a database and a simulator of its own.
async function measure(stage, invoices, withReplay) {
  const dir = path.join(stage.top, String(invoices));
  const record = withReplay ? path.join(dir, 'recording') : null;
  const figures = path.join(dir, 'figures');
  fs.mkdirSync(dir);
  const db = await stage.cluster(dir);
  const { p, ready } = await stage.sandbox(dir, ['--customers', invoices * 0.3,
    '--invoices', invoices, '--receipts', invoices * 0.4,
    ...(record ? ['--record', record] : [])]);
  try {
    await stage.control(ready, 'POST', 'hubspot/switches', lifted);
    const before = serverCpu(db.pid);
    const env = await stage.tenant(dir, db.url, ready);
    await stage.run(stage.bin('bench-measure'),
      [figures, stage.bin('ml-connector'), 'run', '--once'], env);
    const result = { invoices, worked: JSON.parse(fs.readFileSync(figures, 'utf8')) };
    result.database = serverCpu(db.pid) - before;
    result.log = await stage.control(ready, 'GET', 'log');
    result.there = (await stage.control(ready, 'GET', 'hubspot')).portals[0].counts;
    if (withReplay) {
      // A copy: the simulator goes on recording.
      fs.copyFileSync(record, `${record}.copy`);
      result.bare = await replay(stage, `${record}.copy`, ready);
      result.writing = await writing(stage, { dir, db, ready, env, record });
    }
    return result;
  } finally {
    await stage.stop(p);
    stage.stopCluster(db.data);
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

const cpu = (r) => (r.user_us + r.system_us) / 1e6;

function show(r) {
  const w = r.worked;
  const seconds = w.wall_us / 1e6;
  rows.push([count(r.invoices), (r.invoices / seconds).toFixed(0), seconds.toFixed(1),
    (cpu(w) * 1000 / r.invoices).toFixed(2), (r.database * 1000 / r.invoices).toFixed(2),
    (r.log.hubspot.requests / r.invoices).toFixed(4),
    (r.log.fusion.requests / r.invoices).toFixed(4),
    (w.peak_kib / 1024).toFixed(1),
    r.bare ? (cpu(r.bare) * 1000 / r.invoices).toFixed(3) : '-',
    r.bare ? (r.bare.wall_us / 1e6).toFixed(1) : '-',
    r.bare ? (cpu(w) / cpu(r.bare)).toFixed(1) : '-',
    r.bare ? (w.wall_us / r.bare.wall_us).toFixed(1) : '-']);
}

// Inputs that went out, for each second of a core.
function rate(name, { log, worked, bare }) {
  const inputs = log.hubspot.inputs;
  rates.push([name, count(inputs), ...[worked, bare].map((r) => count(Math.round(inputs / cpu(r)))),
    (cpu(worked) / cpu(bare)).toFixed(1)]);
}

function judge(stage, r) {
  const name = `${count(r.invoices)} invoices`;
  const perInvoice = r.log.hubspot.requests / r.invoices;
  const refused = Object.entries(r.log.hubspot.statuses)
    .filter(([status]) => !['200', '201', '204'].includes(status))
    .reduce((n, [, times]) => n + times, 0);

  stage.check(`${name} arrive`, r.there.invoices === r.invoices && refused === 0,
    `${r.there.invoices} in HubSpot, ${refused} requests refused`);
  stage.check(`${name} need few requests`, perInvoice <= requestsPerInvoiceMax,
    `${perInvoice.toFixed(4)} of HubSpot each, at most ${requestsPerInvoiceMax}`);
  if (r.bare) {
    const { fusion, hubspot, differ } = r.bare;

    stage.check(`${name}: the bare loop gets the same answers`,
      differ === 0 && fusion === r.log.fusion.requests && hubspot === r.log.hubspot.requests,
      `${fusion + hubspot} requests, ${differ} with another status`);
    stage.check(`${name}: and once more when they are only written`,
      r.writing.bare.differ === 0 && r.writing.there.invoices === r.invoices,
      `${r.writing.there.invoices} in HubSpot, ${r.writing.bare.differ} with another status`);
  }
}

// The parts short, speed and memory, as far as wanted.
export async function first(stage, wanted) {
  const done = new Map();
  const beside = wanted.includes('speed') || wanted.includes('short');
  const sizes = beside ? [1000] : [];
  if (wanted.includes('speed') || wanted.includes('memory')) {
    sizes.push(10000);
  }
  if (wanted.includes('memory')) {
    sizes.push(100000);
  }
  for (const n of sizes) {
    const r = await measure(stage, n, beside && n <= 10000);
    done.set(n, r.worked.peak_kib);
    show(r);
    if (r.bare) {
      rate(`${count(n)} invoices`, r);
      rate('  only written', r.writing);
    }
    judge(stage, r);
  }
  if (done.has(100000)) {
    const ratio = done.get(100000) / done.get(10000);
    stage.check('peak memory does not grow with the backlog', ratio <= peakRatioMax,
      `100,000 invoices take ${ratio.toFixed(2)} times that of 10,000, at most ${peakRatioMax}`);
  }
}

function columns(heads, list) {
  for (let i = 0; i < heads.length && list.length > 0; i++) {
    console.log(`    ${heads[i].padEnd(26)}${list.map((r) => r[i].padStart(17)).join('')}`);
  }
}

export function table() {
  columns(['invoices', 'per s', 's', 'CPU ms each', 'database ms each',
    'HubSpot req. each', 'Fusion req. each', 'peak MiB', 'bare CPU ms each', 'bare s',
    'CPU ratio', 'time ratio'], rows);
  columns(['', 'inputs', 'inputs per s and core', 'bare loop, the same', 'ratio'], rates);
}
