// SPDX-License-Identifier: UNLICENSED
// Pods that lose rows for those who read on as usual: each case was met once.
import { must, tail, until } from './bench.mjs';

const us = (text) => Date.parse(text) * 1000;

async function pod(scene, switches, ...sizes) {
  const sb = await scene.sandbox('--customers', sizes[0], '--invoices', sizes[1], '--receipts', sizes[2]);
  if (switches !== '') {
    await sb.post(`/control/fusion/0/switches?${switches}`);
  }
  return sb;
}

async function tenant(scene, sb, name, ...flags) {
  await scene.ok(['tenant', 'add', name, ...scene.tenantFlags(sb), '--key-prefix', `${name}-`, ...flags]);
}

async function again(scene, sb) {
  scene.sql("UPDATE ml_connector.tenant SET state = 'removed'");
  await sb.stop();
}

// Literals are read in a zone with summer time, and only history shows it.
async function summer(scene) {
  const sb = await pod(scene, 'literals=4&zone_shift_min=120&zone_dst=1&limit_cap=50', 5, 0, 0);
  const bulk = (n, at) => sb.post(`/control/fusion/0/bulk?kind=invoice&new=1&n=${n}&step_us=10000000&at_us=${us(at)}`);
  await bulk(1, '2026-01-15T00:00:00Z');
  await bulk(200, '2026-07-01T10:00:00Z');
  await bulk(1, '2026-11-20T00:00:00Z');
  await tenant(scene, sb, 'summer');
  const r = await scene.refused(['run', '--once'], 1, ['summer time', 'UTC'], { seconds: 60 });
  must(scene.rows("SELECT state FROM ml_dashboard.tenants WHERE tenant = 'summer'")[0].state === 'halted',
    `a zone with summer time goes on: ${tail(r)}`);
  await again(scene, sb);
}

// Newest first by offset, and rows go away above.
async function deleted(scene) {
  const sb = await pod(scene, 'limit_cap=20&latency_ms=20', 20, 50, 600);
  const dump = async () => (await sb.get('/control/fusion/0/dump/receipts?limit=1000')).receipts;
  await tenant(scene, sb, 'deleted');
  const newest = (await dump()).sort((a, b) => Number(b._stamp_us) - Number(a._stamp_us)).slice(0, 30);
  const running = scene.ml(['run', '--once'], { seconds: 120 });
  await until('a third of the receipts', 60, () => Number(scene.sql(
    "SELECT count(DISTINCT receipt) FROM ml_connector.record WHERE kind = 'payment'")) >= 200);
  for (const r of newest) {
    await sb.call('DELETE', `/control/fusion/0/receipt/${r.StandardReceiptId}`);
  }
  await running;
  const known = new Set(scene.rows("SELECT DISTINCT receipt FROM ml_connector.record WHERE kind = 'payment'").map((x) => x.receipt));
  const lost = (await dump()).filter((r) => !known.has(String(r.StandardReceiptId)));
  must(lost.length === 0, `${lost.length} receipts were passed over`);
  scene.conserved();
  await again(scene, sb);
}

// Ids are walked from the highest there was, and nothing older than wanted comes.
async function beginning(scene) {
  const sb = await pod(scene, 'receipts_order=0', 20, 40, 60);
  const stamps = (await sb.get('/control/fusion/0/dump/receipts?limit=1000')).receipts
    .map((r) => [Number(r._stamp_us), String(r.StandardReceiptId)]).sort((a, b) => a[0] - b[0]);
  const since = stamps[40][0];
  await tenant(scene, sb, 'beginning', '--since', new Date(since / 1000).toISOString());
  await scene.ml(['run', '--once'], { seconds: 60 });
  await scene.ml(['run', '--once'], { seconds: 60, env: { ML_FUSION_DAILY: '1s' } });
  const known = new Set(scene.rows(`SELECT DISTINCT receipt FROM ml_connector.record r JOIN ml_connector.tenant t
    ON t.id = r.tenant_id WHERE kind = 'payment' AND t.name = 'beginning'`).map((x) => x.receipt));
  const old = stamps.filter(([at, id]) => at < since - 1000 && known.has(id));
  must(old.length === 0 && known.size > 0, `${old.length} receipts before the tenant's beginning, of ${known.size}`);
  await again(scene, sb);
}

// What was hidden, or filtered, turns up: whoever was written without it is joined.
async function hidden(scene) {
  const sb = await pod(scene, '', 40, 200, 100);
  const all = ['Vision Services', 'Vision Germany', 'Vision Operations'].flatMap((u) => ['--business-unit', u]);
  await tenant(scene, sb, 'hidden', '--business-unit', 'Vision Germany');
  await scene.ml(['run', '--once'], { seconds: 60 });
  await scene.ok(['tenant', 'set', 'hidden', '--business-unit', '']);
  const shown = JSON.parse((await scene.ok(['tenant', 'show', 'hidden', '--json'])).stdout).settings;
  must(!('business_unit' in shown), `business units stay: ${JSON.stringify(shown.business_unit)}`);
  await scene.ok(['tenant', 'set', 'hidden', ...all]);
  await scene.ml(['run', '--once'], { seconds: 60 });
  await scene.ml(['run', '--once'], { seconds: 60 });
  const pairs = scene.rows(`SELECT count(*) AS n, count(*) FILTER (WHERE NOT ('541:' || i.hubspot_id) = ANY (p.assoc)) AS apart
    FROM ml_connector.record r JOIN ml_connector.tenant t ON t.id = r.tenant_id AND t.name = 'hidden'
    JOIN ml_connector.link p ON p.tenant_id = r.tenant_id AND p.kind = 'payment' AND p.fusion_id = r.fusion_id
    JOIN ml_connector.link i ON i.tenant_id = r.tenant_id AND i.kind = 'invoice' AND i.fusion_id = r.invoice
      AND i.object = 'invoices' WHERE r.kind = 'payment' AND r.state = 'current'`)[0];
  must(pairs.n > 20 && pairs.apart === 0, `payments and their invoices: ${JSON.stringify(pairs)}`);
  // Those that do not come any more must not keep the others from their turn.
  await sb.post('/control/fusion/0/switches?hidden_business_unit=Vision%20Operations');
  const before = scene.sql('SELECT now()');
  await scene.ml(['run', '--once'], { seconds: 60 });
  const stuck = scene.sql(`SELECT count(*) FROM ml_connector.record r JOIN ml_connector.tenant t ON t.id = r.tenant_id
    AND t.name = 'hidden' WHERE kind = 'invoice' AND open AND last_read < '${before}'`);
  must(stuck === '0', `${stuck} open invoices keep their turn for ever`);
  await again(scene, sb);
}

export async function run(scene) {
  await scene.ok(['migrate']);
  await summer(scene);
  await deleted(scene);
  await beginning(scene);
  await hidden(scene);
}
