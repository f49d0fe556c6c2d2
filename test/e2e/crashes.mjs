// SPDX-License-Identifier: UNLICENSED
// What scenario_kills and scenario_end stand on: the worker with crash points,
// what must hold the moment it is dead, and the time a successor would wait.
import fs from 'node:fs';
import path from 'node:path';
import { must, tail, until } from './bench.mjs';
import { index, keys } from './oracle.mjs';

// Waits and windows made short; a portal that is not slow.
export const short = {
  ML_HUBSPOT_CUTOFF: '1s', ML_HUBSPOT_WINDOW: '1000ms', ML_HUBSPOT_PACE: '0', ML_HUBSPOT_TIMEOUT: '5s',
  ML_HUBSPOT_LINGER_BUSY: '50ms', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '500ms', ML_RETRY_ATTEMPTS: '100',
  ML_LEASE_TTL: '1s', ML_FUSION_DAILY: '0s',
};
export const quick = { rate_window_ms: 1000, search_lag_ms: 200, property_lag_min_ms: 5, property_lag_max_ms: 10 };

// A worker with crash points; `at` are those it dies at, kill_ms when it is killed
// from outside. Gives its exit status, whether it was killed, and at which point.
export async function crashing(scene, at, { args = ['run', '--once'], env = {}, seconds = 120, kill_ms = 0 } = {}) {
  const p = scene.spawn(path.join(scene.house.build, 'ml-connector-crash'), args,
    { ...scene.env, ...env, CRASH_AT: [...at].join(' ') });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    p.child.kill('SIGKILL');
  }, seconds * 1000);
  const end = kill_ms > 0 ? setTimeout(() => p.child.kill('SIGKILL'), kill_ms) : undefined;
  const { code, signal } = await p.ended;
  clearTimeout(timer);
  clearTimeout(end);
  scene.note(`$ ml-connector-crash ${args.join(' ')}\n${p.stdout}${p.stderr}= ${code} ${signal ?? ''}\n`);
  must(!late, `no end within ${seconds} s\n${tail(p)}`);
  const point = /crash point (\S+)\n$/.exec(p.stderr)?.[1];
  must(signal === null || (signal === 'SIGKILL' && (point || kill_ms > 0)), `the worker ended with ${signal}\n${tail(p)}`);
  return { code, point, killed: signal !== null };
}

// A worker that has stopped itself at one of these points; null: it has ended.
export async function asleep(scene, at, env = {}) {
  const p = scene.spawn(path.join(scene.house.build, 'ml-connector-crash'), ['run', '--once'],
    { ...scene.env, ...env, CRASH_AT: [...at].join(' '), CRASH_STOP: '1' });
  const isStopped = () => p.child.exitCode === null &&
    / T /.test(fs.readFileSync(`/proc/${p.child.pid}/stat`, 'utf8').replace(/^.*\)/, ''));

  await until('a worker stops', 60, () => p.child.exitCode !== null || isStopped());
  scene.note(`$ ml-connector-crash, stopped\n${p.stdout}${p.stderr}`);
  return p.child.exitCode === null ? p : null;
}

const LEASES_END = `UPDATE ml_connector.lease SET expires_at = least(expires_at, clock_timestamp()) - interval '1 min'
  WHERE worker IS NOT NULL`;
const CURSOR = `SELECT stamp_us::text FROM ml_connector.cursor WHERE stream = 'receivablesInvoices'`;

// The dead worker's leases run out, and the window of what it sent is over.
export function timePasses(scene) {
  scene.sql(LEASES_END);
}

// How far the invoices' cursor stands, in microseconds; null before the first poll.
export function cursorOf(scene) {
  const us = scene.sql(CURSOR);
  return us === '' ? null : BigInt(us);
}

// The moment a worker is dead. All polls tie out, and the cursor is not ahead:
// what it has passed since `from` is known as it is there or newer (older rows are
// read again: that is what the overlap is for). Then time passes. Gives the cursor.
export function booksBalance(scene, world, from) {
  const now = JSON.parse(scene.sql(`${LEASES_END}; SELECT json_build_object('cursor', (${CURSOR}),
    'known', (SELECT json_agg(json_build_array(fusion_id, version_us::text)) FROM ml_connector.record WHERE kind = 'invoice'),
    'bad', (SELECT json_agg(c) FROM ml_dashboard.conservation c WHERE difference <> 0))`));
  must(now.bad === null, `conservation: ${JSON.stringify(now.bad)}`);
  if (now.cursor === null) {
    return null;
  }
  const to = BigInt(now.cursor);
  const known = new Map((now.known ?? []).map(([k, v]) => [k, BigInt(v)]));
  for (const i of from === null ? [] : world.invoices) {
    const us = BigInt(i._stamp_us) / 1000n * 1000n;
    must(us <= from || us > to || known.get(i.CustomerTransactionId) >= us,
      `the cursor has gone from ${from} to ${to}, and invoice ${i.CustomerTransactionId} of ${us} is known as of ` +
      `${known.get(i.CustomerTransactionId)}`);
  }
  return to;
}

// No object twice by our key, none without one.
export function nothingTwice(hub, foreign = 0) {
  const got = index(hub);
  let without = 0;
  for (const type of Object.keys(keys)) {
    const twice = got.foreign[type].filter((r) => r.twice !== undefined);
    must(twice.length === 0, `${twice.length} ${type} twice, ${twice[0]?.twice} first`);
    without += got.foreign[type].length;
  }
  must(without === foreign, `${without} objects without a key of ours, ${foreign} were there before`);
}

// Work is done to its end by runs that nobody disturbs.
export async function settle(scene, what) {
  let r;
  for (let i = 0; i < 6; i++) {
    r = await scene.ml(['run', '--once'], { seconds: 120 });
    must(r.code === 0 || r.code === 1, `${what}: exit ${r.code}\n${tail(r)}`);
    if (r.code === 0) {
      break;
    }
  }
  must(r.code === 0, `${what}: work is left after six runs\n${tail(r)}`);
  scene.conserved();
  const left = scene.rows(`SELECT 'write' AS what, id FROM ml_connector.write WHERE closed_at IS NULL
    UNION ALL SELECT 'job ' || state, kind || ':' || fusion_id FROM ml_connector.job
    UNION ALL SELECT 'lease', portal FROM ml_connector.lease WHERE worker IS NOT NULL AND expires_at > now()`);
  must(left.length === 0, `${what}: left behind: ${JSON.stringify(left.slice(0, 5))}`);
}
