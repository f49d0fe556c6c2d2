// SPDX-License-Identifier: UNLICENSED
// sync by hand: a worker with long intervals polls when told to; history older
// than the tenant's --since is read beside fresh polls, and a change made
// meanwhile does not wait for it.
import net from 'node:net';
import path from 'node:path';
import { must, until } from './bench.mjs';

const INVOICES = 2400;

function freePort() {
  return new Promise((done) => {
    const s = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => done(port));
    });
  });
}

async function badInput(scene) {
  await scene.refused(['sync'], 2, [/NAME/]);
  await scene.refused(['sync', 'demmo'], 2, ['demmo', 'did you mean demo']);
  await scene.refused(['sync', 'nothing-like-it'], 2, ['nothing-like-it', 'tenant list']);
  await scene.refused(['sync', 'demo', '--feed', 'invoice'], 2, ['--feed', 'did you mean invoices']);
  await scene.refused(['sync', 'demo', '--feed', 'everything'], 2, ['customers, invoices, payments']);
  await scene.refused(['sync', 'demo', '--since', 'yesterday'], 2, ['--since', 'yesterday', '2026-01-01']);
  await scene.refused(['sync', 'demo', '--since', '2026-02-30'], 2, ['--since']);
  await scene.refused(['sync', 'demo', '--since', '2999-01-01'], 2, ['still to come']);
  await scene.refused(['sync', 'demo', '--sinse', '2026-01-01'], 2, ['did you mean --since']);
  await scene.refused(['sync', 'demo', 'other'], 2, [/usage/]);
  const n = scene.rows('SELECT (SELECT count(*) FROM ml_connector.request) + (SELECT count(*) FROM ml_connector.pass WHERE done_at IS NULL) AS n')[0].n;
  must(n === 0, `refused commands left ${n} rows`);
}

async function states(scene, sb) {
  await scene.ok(['tenant', 'add', 'other', ...scene.tenantFlags(sb, 1)]);
  await scene.ok(['tenant', 'pause', 'other']);
  await scene.refused(['sync', 'other'], 1, ['paused', 'tenant resume other']);
  await scene.ok(['tenant', 'remove', 'other', '--yes']);
  await scene.refused(['sync', 'other'], 1, ['removed']);
}

const feedRow = (scene, feed) => scene.rows(`SELECT * FROM ml_dashboard.feeds WHERE tenant = 'demo' AND feed = '${feed}'`)[0];
const openRequests = (scene) => scene.rows('SELECT * FROM ml_connector.request WHERE answered_at IS NULL').length;

// What HubSpot has of an invoice's purchase order number.
async function order(sb, id) {
  const { results } = await sb.get(`/control/hubspot/objects/invoices?property=fusion_transaction_id&value=${id}`);
  const value = results[0]?.properties.hs_purchase_order_number;
  return value?.value ?? value;
}

// What the worker shows; undefined while it does not answer.
async function gauge(port) {
  try {
    const t = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return t.split('\n').find((l) => l.startsWith('ml_conservation_difference'))?.split(' ').at(-1);
  } catch {
    return undefined;
  }
}

async function stopped(p) {
  p.child.kill('SIGTERM');
  const { code, signal } = await p.ended;
  must(code === 0, `SIGTERM: exit ${code} ${signal ?? ''}\n${p.stderr.slice(-2000)}`);
}

export async function run(scene) {
  Object.assign(scene.env, { ML_HUBSPOT_WINDOW: '1s', ML_HUBSPOT_LINGER_BUSY: '200ms', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '300ms',
    ML_FUSION_PAGE: '25' });
  const sb = await scene.sandbox('--customers', 30, '--invoices', INVOICES, '--receipts', 20, '--portals', 2);
  await sb.switches({ rate_window_ms: 1000 });
  const since = new Date(Date.now() - 2 * 86400e3).toISOString();
  await scene.ok(['migrate']);
  await scene.ok(['tenant', 'add', 'demo', ...scene.tenantFlags(sb), '--since', since, '--interval', '24h']);
  await badInput(scene);
  await states(scene, sb);

  // Without a worker: kept, and done by the next one.
  const r = await scene.ok(['sync', 'demo']);
  must(/No worker holds/.test(r.stdout), `without a worker: ${r.stdout}`);
  const asked = JSON.parse((await scene.ok(['sync', 'demo', '--feed', 'customers', '--json'])).stdout);
  must(asked.answered === false && asked.worker === null && asked.holder === null && asked.feed === 'customers',
    `--json without a worker: ${JSON.stringify(asked)}`);
  must(openRequests(scene) === 2, 'the requests are not kept');
  await scene.ok(['run', '--once']);
  must(openRequests(scene) === 0, 'run --once left requests open');
  const [done] = scene.rows('SELECT answer FROM ml_connector.request ORDER BY id LIMIT 1');
  must(String(done.answer.polled) === 'customers,invoices,payments', `run --once answered ${JSON.stringify(done.answer)}`);
  scene.conserved();
  const few = (await sb.hub()).invoices.length;
  must(few > 0 && few < INVOICES / 2, `${few} invoices are newer than --since: the scene is of no use`);

  // A worker that would not poll for a day.
  const port = await freePort();
  const p = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], { ...scene.env, ML_LISTEN: `127.0.0.1:${port}`, ML_WORKER_ID: 'long' });
  await until('the worker holds the portal', 20, () => /portal\.held/.test(p.stderr));
  const polls = feedRow(scene, 'invoices').last_poll;
  const world = await sb.world();
  const fresh = world.invoices.filter((i) => Number(i._stamp_us) > (Date.now() - 86400e3) * 1000).map((i) => i.CustomerTransactionId);
  await sb.fusion(`invoice/${fresh[0]}?PurchaseOrder=BY-HAND-1`);
  must(feedRow(scene, 'invoices').last_poll === polls, 'the worker polled by itself: the scene is of no use');
  let began = Date.now();
  const s = await scene.ok(['sync', 'demo', '--feed', 'invoices']);
  must(/Worker long polls invoices of demo now/.test(s.stdout), `sync: ${s.stdout}`);
  must(s.seconds < 9, `sync took ${s.seconds} s`);
  await until('the change arrives', 20, async () => (await order(sb, fresh[0])) === 'BY-HAND-1');
  scene.figure(`a change arrives ${((Date.now() - began) / 1000).toFixed(1)} s after sync`);
  must(feedRow(scene, 'customers').last_poll === scene.rows(`SELECT min(last_poll) AS p FROM ml_dashboard.feeds WHERE feed = 'customers'`)[0].p,
    'another feed was polled');

  // The interval as it is set now is shown before the next poll.
  await scene.ok(['tenant', 'set', 'demo', '--interval-payments', '12h']);
  must(feedRow(scene, 'payments').interval_seconds === 43200, `interval_seconds: ${feedRow(scene, 'payments').interval_seconds}`);
  await until('set taken up', 15, () => /tenant\.changed[^\n]*demo/.test(p.stderr));

  // History, slowly, and a change in the middle of it.
  await sb.call('POST', '/control/fusion/0/switches?latency_ms=60');
  began = Date.now();
  const h = await scene.ok(['sync', 'demo', '--since', '2020-01-01']);
  must(/2020-01-01/.test(h.stdout) && /Worker long polls/.test(h.stdout), `sync --since: ${h.stdout}`);
  const middle = await until('the history is being read', 60, async () => {
    const f = feedRow(scene, 'invoices');
    return f.backfill_at && Date.parse(f.backfill_at) > Date.parse('2026-01-01') && f;
  });
  must(Date.parse(middle.backfill_from) === Date.parse('2020-01-01'), `backfill_from ${middle.backfill_from}`);
  const shown = await scene.ok(['status', 'demo']);
  must(/Reading:/.test(shown.stdout) && /2020-01-01 \.\. \d{4}-\d\d-\d\d of /.test(shown.stdout), `status: ${shown.stdout}`);
  await sb.fusion(`invoice/${fresh[1]}?PurchaseOrder=BY-HAND-2`);
  const changed = Date.now();
  await scene.ok(['sync', 'demo', '--feed', 'invoices']);
  await until('the change arrives in the middle', 60, async () => (await order(sb, fresh[1])) === 'BY-HAND-2');
  const arrived = Date.now();
  const left = feedRow(scene, 'invoices');
  const so_far = (await sb.get('/control/hubspot/objects/invoices?limit=20000')).results.length;
  must(left.backfill_at, `the history was over before the change arrived (${so_far} invoices there)`);
  must(so_far < INVOICES, 'all invoices were there before the change');
  await until('the history is read', 180, () => feedRow(scene, 'invoices').backfill_at === null);
  must(/Requests to HubSpot, today:/.test(shown.stdout), `status: ${shown.stdout}`);
  const [day] = JSON.parse((await scene.ok(['status', 'demo', '--json'])).stdout).budgets;
  must(day.tenant === 'demo' && day.level === 'open' && day.daily_limit > 0 && day.used > 0 && day.time_zone === 'UTC' && day.foreign_use === 0,
    `status --json, budgets: ${JSON.stringify(day)}`);
  must(JSON.parse((await scene.ok(['status', 'demo', '--json'])).stdout).feeds.every((f) => 'backfill_at' in f && 'overlap_seconds' in f && 'strategy' in f),
    'status --json lacks columns');
  await until('all of it is written', 180, () => {
    const [t] = scene.rows(`SELECT * FROM ml_dashboard.tenants WHERE tenant = 'demo'`);
    return Number(t.open_jobs) === 0 && scene.rows('SELECT * FROM ml_dashboard.feeds WHERE backfill_at IS NOT NULL').length === 0;
  });
  scene.figure(`${INVOICES - few} invoices of history in ${((Date.now() - began) / 1000).toFixed(1)} s; a change in the middle arrived after ` +
    `${((arrived - changed) / 1000).toFixed(1)} s, with ${so_far} invoices there`);
  await scene.equal(sb);
  scene.conserved();

  // A poll that does not tie out: gauge, log line, exit status.
  must(await gauge(port) === '0', `the gauge is ${await gauge(port)}`);
  await stopped(p);
  scene.sql(`UPDATE ml_connector.poll SET read = read + 2 WHERE (tenant_id, poll, feed) IN (
    SELECT tenant_id, poll, feed FROM ml_connector.poll WHERE feed = 'invoices' AND read > 0 ORDER BY started_at LIMIT 1);
    UPDATE ml_connector.checked SET checked_at = '-infinity'`);
  const q = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], { ...scene.env, ML_LISTEN: `127.0.0.1:${port}` });
  await until('the gauge shows it', 20, async () => await gauge(port) === '2');
  const lines = q.stderr.split('\n').filter((l) => l.includes('conservation.difference'));
  must(lines.length === 1 && /error.*tenant=demo.*feed=invoices.*poll=.*difference 2: read \d+, unchanged/.test(lines[0]), `the log says ${JSON.stringify(lines)}`);
  await stopped(q);
  await scene.refused(['run', '--once'], 1, [/feed invoices poll \S+ does not tie out: difference 2: read/]);
  scene.sql(`UPDATE ml_connector.poll SET read = unchanged + filtered + invalid + superseded + written WHERE feed = 'invoices'`);
  await scene.ok(['run', '--once']);
  await scene.equal(sb);
}
