// SPDX-License-Identifier: UNLICENSED
// The worker beside a program that does the same with HubSpot's official client
// (test/client pins it): the same records into the same simulator, both at the
// limit of a portal. Once with the options the client ships for its limiter, once
// with others that come near the limit: at the limit itself it is refused now and
// then, waits ten seconds and sends again. The program is given the records in a file; the worker reads
// them from Fusion and keeps them in PostgreSQL, so it is also measured while it
// only writes.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { forgetWritten, onlyWriting, psql } from './database.mjs';
import { count } from './stage.mjs';

const here = path.dirname(fs.realpathSync(fileURLToPath(import.meta.url)));
const client = path.join(here, '..', 'client');
const limit = 190; // requests in 10 s
const cpuRatioMax = 0.1;

// Of each association type: where it leads from, and what is sent.
const pairs = {
  279: ['contacts', 'companies', [279, 1]], 177: ['invoices', 'contacts', [177]], 179: ['invoices', 'companies', [179]],
  409: ['invoices', 'line_items', [409]], 387: ['commerce_payments', 'contacts', [387]],
  389: ['commerce_payments', 'companies', [389]], 541: ['invoices', 'commerce_payments', [541]],
};

// What the worker wrote, as the program takes it.
function records(url) {
  const links = psql(url, `SELECT json_build_object('object', object, 'key', key, 'id', hubspot_id,
    'properties', properties, 'assoc', to_jsonb(assoc)) FROM ml_connector.link`)
    .trim().split('\n').map((l) => JSON.parse(l));
  const byId = new Map(links.map((l) => [l.id, l]));
  const out = [];
  for (const { object, key, properties, assoc } of links) {
    const { hs_invoice_status: status, ...rest } = properties;
    out.push({ object, key, status, properties: object === 'invoices' ? { ...rest, hs_invoice_billable: 'false' } : rest });
    for (const entry of assoc) {
      const [type, id] = entry.split(':');
      const [from, to, types] = pairs[type];
      const other = byId.get(id);
      const [a, b] = object === from ? [key, other.key] : [other.key, key];
      out.push({ from, fromKey: a, to, toKey: b, types });
    }
  }
  return out;
}

const cpu = (r) => (r.user_us + r.system_us) / 1e6;

// Requests that carry records, and those that ask and set up.
function requests(log) {
  const all = Object.entries(log.hubspot.operations);
  const work = /^(companies|contacts|invoices|line_items|commerce_payments|associations)\.batch_/;
  const sum = (list) => list.reduce((n, [, o]) => n + o.requests, 0);
  return { work: sum(all.filter(([k]) => work.test(k))), setup: sum(all.filter(([k]) => !work.test(k))),
    throttled: Number(log.hubspot.statuses['429'] ?? 0) };
}

async function measured(stage, ready, name, dir, command, env) {
  const figures = path.join(dir, 'figures');
  await stage.control(ready, 'DELETE', 'log');
  const profiled = process.env.BENCH_PERF ? ['/usr/bin/env', 'perf', 'record', '-F', '997',
    '-o', path.join(process.env.BENCH_PERF, `${name.replace(/\W+/g, '-')}.perf`), '--'] : [];
  await stage.run(stage.bin('bench-measure'), [figures, ...profiled, ...command], env);
  const log = await stage.control(ready, 'GET', 'log');
  const portal = (await stage.control(ready, 'GET', 'hubspot')).portals[0];
  const links = await stage.control(ready, 'GET', 'hubspot/associations');
  return { name, ...JSON.parse(fs.readFileSync(figures, 'utf8')), ...requests(log),
    counts: portal.counts, links: links.types };
}

async function emptied(stage, ready, env) {
  await stage.control(ready, 'POST', 'hubspot/reset');
  await stage.control(ready, 'POST', 'hubspot/switches', { rate_limit: limit, property_lag_min_ms: 0, property_lag_max_ms: 0 });
  await stage.run(stage.bin('ml-connector'), ['provision', 'bench'], env);
  // The window of what came before is over.
  await new Promise((done) => { setTimeout(done, 10500); });
}

async function all(stage, invoices, dir) {
  const db = await stage.cluster(dir);
  const { p, ready } = await stage.sandbox(dir, ['--customers', invoices * 0.4, '--invoices', invoices, '--receipts', invoices * 0.4]);
  const worker = [stage.bin('ml-connector'), 'run', '--once'];
  try {
    const env = await stage.tenant(dir, db.url, ready, '--hubspot-limit', limit);
    const out = [];
    await emptied(stage, ready, env);
    out.push(await measured(stage, ready, 'ours', dir, worker, env));
    const file = path.join(dir, 'records');
    fs.writeFileSync(file, records(db.url).map((r) => `${JSON.stringify(r)}\n`).join(''));
    const program = (limiter) => [process.execPath, path.join(here, 'client_program.mjs'), file, ready.hubspot_url,
      ready.tenants[0].hubspot_token_file, JSON.stringify(limiter)];
    await emptied(stage, ready, env);
    out.push(await measured(stage, ready, 'client', dir, program({ minTime: 10000 / (0.95 * limit), maxConcurrent: 10 })));
    await emptied(stage, ready, env);
    out.push(await measured(stage, ready, 'client as it ships', dir, program({})));
    await emptied(stage, ready, env);
    forgetWritten(db.url);
    out.push(await measured(stage, ready, 'ours, only writing', dir, worker, { ...env, ...onlyWriting }));
    return out;
  } finally {
    await stage.stop(p);
    stage.stopCluster(db.data);
  }
}

function table(rows, invoices) {
  const heads = ['', 'requests', 'set-up requests', '429', 'seconds', 'CPU s', 'CPU ms each', 'peak MiB'];
  const cells = rows.map((r) => [r.name, count(r.work), count(r.setup), String(r.throttled), (r.wall_us / 1e6).toFixed(1),
    cpu(r).toFixed(2), (cpu(r) * 1000 / invoices).toFixed(3), (r.peak_kib / 1024).toFixed(1)]);
  for (let i = 0; i < heads.length; i++) {
    console.log(`    ${heads[i].padEnd(18)}${cells.map((c) => c[i].padStart(20)).join('')}`);
  }
}

// The part node.
export async function node(stage, invoices) {
  if (!fs.existsSync(path.join(client, 'node_modules', '@hubspot'))) {
    await stage.run('npm', ['ci', '--loglevel=error', '--prefix', client]);
  }
  const dir = path.join(stage.top, 'node');
  fs.mkdirSync(dir);
  const rows = await all(stage, invoices, dir);
  const [ours, ...others] = rows;
  const [theirs] = others;
  const writing = rows.find((r) => r.name === 'ours, only writing');
  table(rows, invoices);
  for (const r of others) {
    stage.check(`${r.name}: the same stands in HubSpot`,
      JSON.stringify([r.counts, r.links]) === JSON.stringify([ours.counts, ours.links]),
      `${JSON.stringify(r.counts)}, wanted ${JSON.stringify(ours.counts)}`);
  }
  stage.check('ours takes not one request more', ours.work <= theirs.work && writing.work <= theirs.work,
    `${ours.work}, theirs ${theirs.work}`);
  stage.check('ours is never refused for speed', ours.throttled === 0 && writing.throttled === 0,
    `${ours.throttled}, theirs ${theirs.throttled}`);
  stage.check('ours takes a tenth of the CPU for an invoice', cpu(ours) <= cpuRatioMax * cpu(theirs),
    `${(cpu(ours) / cpu(theirs)).toFixed(3)} of theirs, at most ${cpuRatioMax}; only writing ${(cpu(writing) / cpu(theirs)).toFixed(3)}`);
}
