// SPDX-License-Identifier: UNLICENSED
// Days of changes on a pod that shows another peculiarity each day: whatever it
// sends, HubSpot ends up equal and nothing is written twice.
import { must } from './bench.mjs';

const days = [
  ['amounts as text, stamps of another zone', 'text_amounts=1&show_zone_min=330'],
  ['gzip, no items, no total', 'gzip=1&items_absent=1&total_wrong=1'],
  ['pages of 7, children of 5, an empty last page', 'limit_cap=7&child_limit=5&has_more_empty=1'],
  ['one request at once, 429 now and then', 'concurrency=1&throttle_every=9'],
  ['stamps of receipts queryable', 'receipts_stamp_q=1&memos_stamp_q=1&receipts_order=1'],
  ['no batch, no describe', 'batch=0&describe_status=406'],
  ['fields lose names, errors in HTML', 'fields_lose_names=1&error_body=3'],
  ['short tokens, payments stamp invoices', 'token_life=1&payments_bump_invoice=1'],
  ['the pod an hour ahead', 'clock_ms=3600000'],
];

export async function run(scene) {
  const seed = Number(process.env.SEED ?? 1);
  Object.assign(scene.env, { ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '300ms', ML_HUBSPOT_WINDOW: '1s', ML_HUBSPOT_LINGER_BUSY: '200ms' });
  const sb = await scene.sandbox('--customers', 60, '--invoices', 200, '--receipts', 80, '--seed', seed);
  await sb.switches({ rate_window_ms: 1000 });
  await sb.call('POST', '/control/fusion/0/switches?literals=4');
  await scene.tenant(sb);
  let at = {};
  let n = 0;
  for (const [what, switches] of [['a pod that takes only "date time"', 'literals=4'], ...days]) {
    await sb.call('POST', `/control/fusion/0/switches?reset=1&literals=4&${switches}`);
    if (at.world) {
      await sb.fusion(`mutate?n=60&seed=${seed * 1000 + n}`);
    }
    n++;
    let r;
    for (let i = 0; i < 4; i++) {
      r = await scene.ml(['run', '--once'], { seconds: 120 });
      if (r.code === 0) {
        break;
      }
    }
    must(r.code === 0, `${what}: exit ${r.code}\n${r.stdout.slice(-1500)}${r.stderr.slice(-1500)}`);
    try {
      at = await scene.equal(sb, at);
    } catch (e) {
      e.message = `${what}: ${e.message}`;
      throw e;
    }
    scene.conserved();
    await sb.clear();
    await scene.ok(['run', '--once']);
    const { writes } = await sb.log();
    must(Object.keys(writes).length === 0, `${what}: a quiet run wrote ${JSON.stringify(writes)}`);
  }
  scene.figure(`${n} days`);
}
