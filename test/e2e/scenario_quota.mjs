// SPDX-License-Identifier: UNLICENSED
// The requests of a day: history stops before they are used up, everything when
// HubSpot says that they are; the next process knows, and midnight begins anew.
import { must } from './bench.mjs';

const DAY = 200;

const budget = (scene) => scene.rows('SELECT * FROM ml_dashboard.budgets')[0];
const open = (scene) => scene.rows(`SELECT state, class, count(*) AS n FROM ml_connector.job
  GROUP BY 1, 2 ORDER BY 1, 2`);
const asked = async (sb) => (await sb.call('GET', '/control/log/requests?limit=1000000'))
  .split('\n').filter(Boolean).map((l) => JSON.parse(l)).filter((r) => r.server === 'hubspot');

export async function run(scene) {
  const sb = await scene.sandbox('--customers', 60, '--invoices', 400, '--receipts', 60);
  await scene.tenant(sb);
  await scene.ok(['tenant', 'set', 'demo', '--hubspot-daily-limit', DAY]);

  // The account has 12 requests left today. Provisioning alone takes more.
  await sb.switches({ daily_limit: DAY });
  await sb.post('/control/hubspot/portal', { day_count: DAY - 12 });
  const first = await scene.ml(['run', '--once']);
  must(first.code === 1, `run --once ended with ${first.code}`);
  must(/portal\.quota_used_up/.test(first.stderr), 'the log does not tell that the day is used up');
  const rows = await asked(sb);
  must(rows.filter((r) => r.status === 429).length <= 2, `${rows.filter((r) => r.status === 429).length} refusals`);
  const stopped = budget(scene);
  must(stopped.level === 'stopped' && stopped.stopped_until && stopped.throttled >= 1, `budget: ${JSON.stringify(stopped)}`);
  must(stopped.stopped_until.slice(0, 16) === stopped.day_ends.slice(0, 16), `stopped until ${stopped.stopped_until}, the day ends ${stopped.day_ends}`);

  // Another process asks HubSpot nothing.
  await sb.clear();
  const second = await scene.ml(['run', '--once']);
  must(second.code === 1, `the second run --once ended with ${second.code}`);
  must((await asked(sb)).length === 0, `${(await asked(sb)).length} requests while the day is used up`);
  must(open(scene).length > 0 && open(scene).every((r) => r.state !== 'in_flight' && r.state !== 'parked'), `jobs: ${JSON.stringify(open(scene))}`);

  // Midnight. Then most of the new day is used by somebody else.
  await sb.switches({ daily_limit: 625000 });
  await sb.post('/control/hubspot/portal', { day_count: 0 });
  scene.sql(`UPDATE ml_connector.budget SET used = ${DAY * 0.8}, stopped_until = NULL`);
  const third = await scene.ml(['run', '--once']);
  must(third.code === 1, `the third run --once ended with ${third.code}`);
  const kept = open(scene);
  must(kept.length > 0 && kept.every((r) => r.class === 'backfill'), `left: ${JSON.stringify(kept)}`);
  must(budget(scene).level === 'no_backfill', `level ${budget(scene).level}`);
  must(/no_backfill/.test((await scene.ok(['status', 'demo'])).stdout), 'status does not say that history stands still');

  scene.sql('UPDATE ml_connector.budget SET used = 0');
  await scene.ok(['run', '--once']);
  await scene.equal(sb);
  const last = budget(scene);
  must(last.level === 'open' && Number(last.used) > 0, `budget: ${JSON.stringify(last)}`);
  scene.figure(`${last.sent} requests after midnight of ${last.daily_limit}; before it ${rows.length}, and none while it was used up`);
}
