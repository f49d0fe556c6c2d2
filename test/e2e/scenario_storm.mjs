// SPDX-License-Identifier: UNLICENSED
// A storm over every write: connections reset before and after the work was
// done, answers that say nothing, pages of a gateway, 524 when all was done. In
// the end HubSpot is exact, nothing is there twice, and a quiet run writes
// nothing. Several seeds of data, and HubSpot's own bad manners along with it.
import { must } from './bench.mjs';
import { index, keys } from './oracle.mjs';

const weather = [
  { every: 5, when: 'after', action: 'reset' },
  { every: 7, when: 'before', action: 'reset' },
  { every: 11, when: 'after', status: 200, body: 'empty' },
  { every: 23, when: 'before', status: 200, body: 'empty' },
  { every: 13, when: 'before', status: 502, body: 'html' },
  { every: 17, when: 'after', status: 502, body: 'html' },
  { every: 19, when: 'after', status: 524, body: 'html', delay_ms: 50 },
];

// The first two are for every day.
const parts = [
  { name: 'loses', seed: 2, switches: { lose_result_every: 9 } },
  { name: 'nameless', seed: 3, switches: { error_context: 0, lose_result_every: 31 } },
  { name: 'plain', seed: 1, switches: {} },
  { name: 'ordered', seed: 4, switches: { shuffle: 0, association_ids_numeric: 0 } },
  ...[5, 6, 7, 8].map((seed) => ({ name: `seed-${seed}`, seed, switches: { lose_result_every: seed * 3, error_context: seed % 2 } })),
];

async function storm(sb) {
  for (const rule of weather) {
    await sb.fault({ server: 'hubspot', writes: true, ...rule });
  }
}

async function taken(sb) {
  const { faults } = await sb.get('/control/faults');
  for (const f of faults.filter((x) => x.matched >= x.rule.every)) {
    must(f.taken > 0, `a fault was never taken: ${JSON.stringify(f)}`);
  }
  return faults.reduce((n, f) => n + f.taken, 0);
}

// To the end of all work, whatever the weather: a run leaves what has to wait
// longer than it does.
async function settle(scene, what) {
  let r;
  let runs = 0;
  do {
    r = await scene.ml(['run', '--once'], { seconds: 240 });
    must(r.code === 0 || r.code === 1, `${what}: exit ${r.code}`);
  } while (r.code !== 0 && ++runs < 8);
  must(r.code === 0, `${what}: work is left after ${runs} runs\n${r.stdout.slice(-1500)}`);
}

// One object for each unique key, none without.
function once(hub, expected, what) {
  const got = index(hub);
  for (const type of Object.keys(keys)) {
    const twice = got.foreign[type].filter((r) => r.twice !== undefined);
    must(twice.length === 0, `${what}: ${twice.length} ${type} twice, ${twice[0]?.twice} first`);
    must(got.foreign[type].length === 0, `${what}: ${got.foreign[type].length} ${type} without a key`);
    must(hub[type].length === expected[type].size, `${what}: ${hub[type].length} ${type}, wanted ${expected[type].size}`);
  }
}

async function part(scene, { name, seed, switches }) {
  const own = scene.part(name);
  const sb = await own.sandbox('--seed', seed, '--customers', 150, '--invoices', 400, '--receipts', 150);
  await sb.switches({ rate_window_ms: 1000, search_lag_ms: 200, ...switches });
  await own.tenant(sb);
  await storm(sb);
  await settle(own, `${name}: first`);
  let broken = await taken(sb);
  let at = await own.equal(sb);
  once(at.hub, at.expected, name);

  // What changes, and what is to go, in the same weather.
  await sb.fusion(`mutate?n=150&seed=${seed}`);
  await settle(own, `${name}: changes`);
  broken = await taken(sb);
  at = await own.equal(sb, at);
  own.conserved();
  const log = await sb.log();
  const parked = own.rows('SELECT * FROM ml_dashboard.replay_queue');
  must(parked.length === 0, `${name}: parked: ${JSON.stringify(parked).slice(0, 500)}`);

  await sb.healed();
  await sb.switches({ lose_result_every: 0 });
  await sb.clear();
  await own.ok(['run', '--once']);
  const { writes } = await sb.log();
  must(Object.keys(writes).length === 0, `${name}: a quiet run after the storm wrote: ${JSON.stringify(writes)}`);
  scene.figure(`${name}: ${broken} of ${log.requests} requests broken`);
  await scene.over(own);
}

export async function run(scene) {
  Object.assign(scene.env, { ML_HUBSPOT_CUTOFF: '1s', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '500ms',
    ML_HUBSPOT_WINDOW: '1000ms', ML_HUBSPOT_TIMEOUT: '5s', ML_RETRY_ATTEMPTS: '100', ML_HUBSPOT_LINGER_BUSY: '500ms' });
  for (const p of process.env.E2E_LONG ? parts : parts.slice(0, 2)) {
    await part(scene, p);
  }
}
