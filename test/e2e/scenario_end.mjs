// SPDX-License-Identifier: UNLICENSED
// The orderly end: SIGTERM and SIGINT under full load let writes in flight end,
// store what came of them and give the leases back. A second signal, or the end
// of the time for it, leaves the rest to the next worker, which finishes exactly.
import path from 'node:path';
import { must, until } from './bench.mjs';
import { nothingTwice, quick, settle, short, timePasses } from './crashes.mjs';

const WORLD = ['--customers', 120, '--invoices', 500, '--receipts', 150];

// A worker at work on a slow HubSpot, with several requests under way.
async function busy(own, sb, args, env, delay_ms) {
  for (const o of ['companies', 'contacts', 'invoices', 'line_items', 'commerce_payments']) {
    await sb.fault({ server: 'hubspot', operation: `${o}.*`, action: 'delay', delay_ms });
  }
  const p = own.spawn(path.join(own.house.build, 'ml-connector'), args, { ...own.env, ...env });
  await until('requests under way', 30, () => {
    must(p.child.exitCode === null, `the worker ended: ${p.stderr.slice(-2000)}`);
    return Number(own.sql('SELECT count(*) FROM ml_connector.write WHERE closed_at IS NULL')) >= 2;
  });
  return p;
}

async function ended(own, p, seconds) {
  const started = Date.now();
  const { code, signal } = await Promise.race([p.ended, new Promise((done) => {
    setTimeout(() => done({ code: null, signal: `no end within ${seconds} s` }), seconds * 1000);
  })]);
  own.note(`${p.stdout}${p.stderr}= ${code} ${signal ?? ''}\n`);
  must(code !== null, `${own.name}: ${signal}\n${p.stderr.slice(-2000)}`);
  return { code, ms: Date.now() - started };
}

const left = (own) => ({
  leases: Number(own.sql(`SELECT count(*) FROM ml_connector.lease WHERE worker IS NOT NULL`)),
  writes: Number(own.sql('SELECT count(*) FROM ml_connector.write WHERE closed_at IS NULL')),
  unknown: Number(own.sql(`SELECT count(*) FROM ml_connector.job WHERE state = 'unknown'`)),
  in_flight: Number(own.sql(`SELECT count(*) FROM ml_connector.job WHERE state = 'in_flight'`)),
  jobs: Number(own.sql('SELECT count(*) FROM ml_connector.job')),
});

// What HubSpot holds is what the store knows of.
async function allIsKnown(own, sb) {
  const hub = await sb.hub();
  const known = new Set(own.rows('SELECT DISTINCT hubspot_id AS id FROM ml_connector.link WHERE hubspot_id IS NOT NULL').map((r) => r.id));
  const objects = Object.values(hub).flat();
  const lost = objects.filter((r) => !known.has(r.id));
  must(lost.length === 0, `${own.name}: ${lost.length} of ${objects.length} objects in HubSpot that no link knows of`);
}

async function rest(own, sb) {
  await sb.healed();
  timePasses(own);
  await settle(own, own.name);
  const { hub } = await own.equal(sb);
  nothingTwice(hub);
}

async function part(scene, name, { args = ['run'], signals = ['SIGTERM'], env = {}, delay_ms = 500, code, most_ms, clean, away = false, says }) {
  const own = scene.part(name);
  const sb = await own.sandbox(...WORLD);
  await sb.switches(quick);
  await own.tenant(sb);
  const p = await busy(own, sb, args, { ML_SHUTDOWN_TIMEOUT: '20s', ...env }, delay_ms);

  if (away) {
    scene.house.postgres('halt');
  }
  p.child.kill(signals[0]);
  for (const signal of signals.slice(1)) {
    await until('the first signal heard', 5, () => /worker\.stop/.test(p.stderr));
    p.child.kill(signal);
  }
  const end = await ended(own, p, 30);
  if (away) {
    scene.house.start();
  }
  const what = left(own);
  must(end.code === code, `${name}: exit ${end.code}, wanted ${code}\n${p.stderr.slice(-2000)}`);
  must(end.ms <= most_ms, `${name}: ended after ${end.ms} ms, at most ${most_ms}`);
  must(!says || says.test(p.stdout + p.stderr), `${name}: ${says} is not said\n${p.stdout}${p.stderr.slice(-2000)}`);
  must(what.jobs > 0, `${name}: there was nothing left to do`);
  if (clean) {
    must(what.leases === 0 && what.writes === 0 && what.in_flight === 0 && what.unknown === 0, `${name}: left ${JSON.stringify(what)}`);
    await allIsKnown(own, sb);
  }
  scene.figure(`${name}: exit ${end.code} after ${end.ms} ms, ${what.writes} writes open, ${what.jobs} jobs left`);
  await rest(own, sb);
  await scene.over(own);
}

export async function run(scene) {
  Object.assign(scene.env, short, { ML_LEASE_TTL: '15s', ML_HUBSPOT_TIMEOUT: '30s' });
  const orderly = { code: 0, most_ms: 8000, clean: true };
  const hangs = { delay_ms: 25000, code: 1, clean: false, says: /worker\.deadline/ };
  await Promise.all([
    part(scene, 'sigterm', orderly),
    part(scene, 'sigint', { ...orderly, signals: ['SIGINT'] }),
    part(scene, 'once', { ...orderly, args: ['run', '--once'], code: 1, says: /ended by a signal/ }),
    part(scene, 'second-signal', { ...hangs, signals: ['SIGTERM', 'SIGTERM'], most_ms: 1500 }),
    part(scene, 'deadline', { ...hangs, env: { ML_SHUTDOWN_TIMEOUT: '1s' }, most_ms: 2500 }),
  ]);
  await part(scene, 'database-away', { ...hangs, env: { ML_SHUTDOWN_TIMEOUT: '2s' }, away: true, delay_ms: 500, most_ms: 5000 });
}
