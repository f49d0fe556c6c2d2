// SPDX-License-Identifier: UNLICENSED
// A portal that lacks a currency: its invoices park with the reason, everything
// else arrives; the currency is activated, `replay run` puts them back to work,
// and nothing is missing.
import fs from 'node:fs';
import { must } from './bench.mjs';

export async function run(scene) {
  const sb = await scene.sandbox('--customers', 30, '--invoices', 120, '--receipts', 40);
  const portal = await sb.get('/control/hubspot/portal');
  const { currencies } = portal;

  await scene.tenant(sb);
  await sb.post('/control/hubspot/portal', JSON.stringify({ currencies: ['USD'] }));
  const first = await scene.ml(['run', '--once']);
  must(first.code === 1, `exit ${first.code} with invoices that must park`);
  const parked = scene.rows(`SELECT * FROM ml_dashboard.replay_queue`);
  must(parked.length > 0, 'nothing is parked');
  must(parked.every((r) => /currenc/i.test(r.reason)), `a reason that says nothing: ${parked[0].reason}`);
  must(first.stdout.includes(parked[0].fusion_id), 'the run does not name what is parked');

  await sb.post('/control/hubspot/portal', JSON.stringify({ currencies }));
  const list = JSON.parse((await scene.ok(['replay', 'list', 'demo', '--json'])).stdout);
  must(list.length === parked.length, `${list.length} in the list, ${parked.length} in the view`);
  const one = JSON.parse((await scene.ok(['replay', 'run', 'demo', '--job', String(list[0].job), '--json'])).stdout);
  must(one.replayed === 1, `${one.replayed} replayed, not one`);
  const rest = JSON.parse((await scene.ok(['replay', 'run', 'demo', '--error', list[0].error_code, '--json'])).stdout);
  must(rest.replayed > 0 && rest.replayed < parked.length, `${rest.replayed} replayed by their code`);
  await scene.ok(['replay', 'run', 'demo', '--all']);
  await scene.ok(['run', '--once']);
  await scene.equal(sb);
  must(scene.rows(`SELECT * FROM ml_dashboard.audit WHERE event = 'job.replayed'`).length === parked.length,
    'the audit does not tell of each replay');
  scene.conserved();

  // What else ping would have told: every scope that is missing, by name.
  await scene.ok(['ping', 'demo']);
  await sb.post('/control/hubspot/tokens', JSON.stringify({ token: fs.readFileSync(sb.ready.tenants[0].hubspot_token_file, 'utf8').trim(), without: ['crm.schemas.invoices.write'] }));
  await scene.refused(['ping', 'demo'], 1, ['scopes', 'crm.schemas.invoices.write']);
}
