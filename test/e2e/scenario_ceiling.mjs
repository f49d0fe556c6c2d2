// SPDX-License-Identifier: UNLICENSED
// A poll that would change far more than usual holds the tenant before any of
// it is written; the plan tells what it is; resume lets it through, once.
import path from 'node:path';
import { must, until } from './bench.mjs';

const state = (scene) => scene.rows(`SELECT state, reason FROM ml_dashboard.tenants WHERE tenant = 'demo'`)[0];
const jobs = (scene) => Number(scene.rows('SELECT count(*) AS n FROM ml_connector.job')[0].n);
const writes = async (sb) => Object.values((await sb.log()).writes).reduce((a, o) => a + o.inputs, 0);

// What the reason must say: which poll, how much, what is usual, what to do.
function explained(text) {
  for (const words of [/poll of invoices/, /\d+ new and \d+ changed invoices/, /at most \d+ records/, /the ceiling is 100/,
    /at least [1-9]\d* requests, [\d.]+ minutes/, /ml-connector plan demo/, /ml-connector tenant resume demo/]) {
    must(words.test(text ?? ''), `the reason lacks ${words}: ${text}`);
  }
}

async function quiet(scene, sb, what) {
  await sb.clear();
  const r = await scene.ml(['run', '--once']);
  must(r.code === 1 && /tenant demo is held: /.test(r.stderr + r.stdout), `${what}: exit ${r.code}\n${r.stdout}${r.stderr.slice(-2000)}`);
  must(await writes(sb) === 0, `${what}: ${await writes(sb)} inputs written`);
}

export async function run(scene) {
  Object.assign(scene.env, { ML_CHANGE_CEILING: '100', ML_CHANGE_FACTOR: '3', ML_FUSION_PAGE: '50', ML_HUBSPOT_WINDOW: '1s',
    ML_HUBSPOT_LINGER_BUSY: '200ms', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '300ms' });
  const sb = await scene.sandbox('--customers', 60, '--invoices', 400, '--receipts', 50);
  await sb.switches({ rate_window_ms: 1000 });
  await scene.tenant(sb);

  // A first sync is far more than that, and no news; so is history.
  await scene.ok(['run', '--once']);
  let last = await scene.equal(sb);
  must(state(scene).state === 'active', 'a first sync was held');

  // Some changes are usual.
  await sb.fusion('bulk?kind=invoice&n=60&new=1');
  await scene.ok(['run', '--once']);
  last = await scene.equal(sb, last);

  // Below three times that: written, though over the ceiling.
  await sb.fusion('bulk?kind=invoice&n=120&new=1');
  await scene.ok(['run', '--once']);
  must(state(scene).state === 'active', 'twice the usual was held');
  last = await scene.equal(sb, last);

  // Far more: held, nothing written, not even the first page.
  await sb.fusion('bulk?kind=invoice&n=700&new=1');
  await quiet(scene, sb, 'a mass change');
  const held = state(scene);
  must(held.state === 'held', `state ${held.state}`);
  explained(held.reason);
  explained((await scene.ok(['status', 'demo'])).stdout);
  explained((await scene.ok(['tenant', 'show', 'demo'])).stdout);
  const trail = scene.rows(`SELECT * FROM ml_dashboard.audit WHERE event = 'tenant.state' AND outcome = 'held'`);
  must(trail.length >= 1 && trail.some((x) => /poll of invoices/.test(x.message)), `audit: ${JSON.stringify(trail)}`);
  const kept = jobs(scene);
  must(kept > 360 && kept < 700, `${kept} jobs are kept`);
  scene.conserved();
  scene.figure(`held after ${kept} jobs: ${held.reason}`);

  // It stays so, whoever runs; the plan tells all of it.
  await quiet(scene, sb, 'while held');
  must(jobs(scene) === kept, 'a held tenant was polled');
  const p = JSON.parse((await scene.ok(['plan', 'demo', '--json'])).stdout);
  must(p.records.invoice.create === 700, `plan: ${JSON.stringify(p.records)}`);

  // Let through, the rest of the same mass change does not hold it again.
  await scene.ok(['tenant', 'resume', 'demo']);
  await scene.ok(['run', '--once']);
  must(state(scene).state === 'active' && jobs(scene) === 0, `after resume: ${JSON.stringify(state(scene))}, ${jobs(scene)} jobs`);
  last = await scene.equal(sb, last);
  scene.conserved();

  // An ordinary poll later, another one is held again: by a worker at work.
  await scene.ok(['run', '--once']);
  const worker = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], { ...scene.env, ML_WORKER_ID: 'one' });
  await until('the worker holds the portal', 20, () => /portal\.held/.test(worker.stderr));
  await sb.clear();
  await sb.fusion('bulk?kind=invoice&n=800&new=1');
  await scene.ok(['sync', 'demo', '--feed', 'invoices']);
  await until('held', 30, () => /tenant\.held/.test(worker.stderr));
  must(state(scene).state === 'held', 'the worker did not hold it');
  must(await writes(sb) === 0, `the worker wrote ${await writes(sb)} inputs of it`);
  await until('explained', 10, () => /requests/.test(state(scene).reason));
  explained(state(scene).reason);
  await scene.ok(['plan', 'demo']);
  await scene.ok(['tenant', 'resume', 'demo']);
  await until('it goes on', 60, async () => (await sb.hub()).invoices.length >= (await sb.world()).invoices.length);
  await until('all of it', 60, () => jobs(scene) === 0);
  worker.child.kill('SIGTERM');
  must((await worker.ended).code === 0, worker.stderr.slice(-2000));
  last = await scene.equal(sb, last);
  scene.conserved();
  await sb.stop();
}
