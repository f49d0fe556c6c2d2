// SPDX-License-Identifier: UNLICENSED
// A HubSpot that breaks connections, answers rubbish and throttles: in the end
// everything is there, once.
import { must } from './bench.mjs';

const objects = ['contacts', 'companies', 'invoices', 'line_items', 'commerce_payments'];
const writes = [...objects.flatMap((o) => [`${o}.batch_create`, `${o}.batch_upsert`]),
  'associations.batch_create', 'invoices.batch_update'];

async function settle(scene, sb, from, what) {
  // Jobs that wait longer than a run does are left to the next one.
  let r;
  for (let i = 0; i < 6; i++) {
    r = await scene.ml(['run', '--once'], { seconds: 240 });
    must(r.code === 0 || r.code === 1, `${what}: exit ${r.code}`);
    if (r.code === 0) {
      break;
    }
  }
  must(r.code === 0, `${what}: work is left after six runs\n${r.stdout.slice(-1500)}`);
  const now = await scene.equal(sb, from);
  scene.conserved();
  return now;
}

export async function run(scene) {
  const window = 1000;
  Object.assign(scene.env, { ML_HUBSPOT_CUTOFF: '1s', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '500ms',
    ML_HUBSPOT_WINDOW: `${window}ms`, ML_HUBSPOT_TIMEOUT: '5s', ML_RETRY_ATTEMPTS: '20', ML_HUBSPOT_LINGER_BUSY: '500ms' });
  const sb = await scene.sandbox('--customers', 120, '--invoices', 300, '--receipts', 120);
  await sb.switches({ rate_window_ms: window, search_lag_ms: 200 });
  await scene.tenant(sb);

  for (const operation of writes) {
    await sb.fault({ server: 'hubspot', operation, every: 5, when: 'after', action: 'reset' });
    await sb.fault({ server: 'hubspot', operation, every: 7, when: 'before', action: 'reset' });
  }
  await sb.fault({ server: 'hubspot', operation: 'line_items.batch_create', skip: 1, next: 2, status: 502, body: 'html' });
  await sb.fault({ server: 'hubspot', operation: 'invoices.batch_create', next: 1, status: 502, body: 'html' });
  let at = await settle(scene, sb, {}, 'resets');
  const faults = await sb.get('/control/faults');
  const taken = [].concat(faults.faults ?? faults.rules ?? faults).reduce((n, f) => n + (f.taken ?? 0), 0);
  must(taken >= 8, `only ${taken} faults were taken: ${JSON.stringify(faults).slice(0, 500)}`);
  scene.figure(`${taken} requests broken, ${(await sb.log()).requests} HubSpot requests in all`);
  await sb.healed();
  await sb.clear();
  await scene.ok(['run', '--once']);
  must(Object.keys((await sb.log()).writes).length === 0, 'a quiet run after the faults wrote');

  // Every single write of a run: done, and its answer lost.
  await sb.fusion('mutate?n=150&seed=3');
  await sb.fault({ server: 'hubspot', operation: 'contacts.*', next: 3, when: 'after', action: 'reset' });
  await sb.fault({ server: 'hubspot', operation: 'commerce_payments.*', next: 3, when: 'after', status: 504, body: 'html' });
  await sb.fault({ server: 'hubspot', operation: 'invoices.batch_update', next: 2, when: 'after', action: 'reset' });
  await sb.fault({ server: 'hubspot', operation: 'line_items.*', next: 2, when: 'after', action: 'truncate' });
  at = await settle(scene, sb, at, 'lost answers');
  await sb.healed();

  // A limit far below ours: 429 in bursts, and locked records.
  await sb.fusion('mutate?n=150&seed=4');
  await sb.switches({ rate_limit: 6, retry_after: 1 });
  await sb.fault({ server: 'hubspot', operation: 'invoices.batch_upsert', next: 2, status: 423, category: 'LOCKED' });
  await sb.fault({ server: 'hubspot', every: 4, next: 6, status: 429, policy: 'TEN_SECONDLY_ROLLING' });
  await sb.clear();
  at = await settle(scene, sb, at, '429 and 423');
  const log = await sb.log();
  scene.figure(`limit 6 in ${window} ms: ${log.requests} requests, refused ${JSON.stringify(log.refused)}`);
  await sb.switches({ rate_limit: 190, retry_after: 0 });
  await sb.healed();
  const parked = scene.rows('SELECT * FROM ml_dashboard.replay_queue');
  must(parked.length === 0, `parked: ${JSON.stringify(parked).slice(0, 500)}`);
}
