// SPDX-License-Identifier: UNLICENSED
// A portal that lacks a currency: its invoices park with the reason, everything
// else arrives; the currency is activated, `replay run` puts them back to work,
// and nothing is missing. Then the same beside a worker that goes on running:
// what was mended (a scope, a required property) works without its restart.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { must, tail, until } from './bench.mjs';

const me = `${os.userInfo().username}@${os.hostname()}`;
const json = async (scene, args) => JSON.parse((await scene.ok([...args, '--json'])).stdout);
const states = (scene) => scene.sql(`SELECT string_agg(id || state || revision || coalesce(error_code, ''), ' ' ORDER BY id) FROM ml_connector.job`);

async function badInput(scene, some) {
  await scene.refused(['replay', 'run', 'demo'], 2, ['--job ID', '--error CODE', '--all']);
  await scene.refused(['replay', 'run', 'demo', '--all', '--error', 'X'], 2, ['say which']);
  await scene.refused(['replay', 'run', 'demo', '--job', 'x1'], 2, ['--job', 'x1']);
  await scene.refused(['replay', 'run', 'demmo', '--all'], 2, ['demmo', 'tenant list']);
  await scene.refused(['replay', 'list', 'demo', '--limit', '0'], 2, ['--limit']);
  for (const dry of [[], ['--dry-run']]) {
    await scene.refused(['replay', 'run', 'demo', '--job', '987654321', ...dry], 1, ['987654321', 'no such job']);
    await scene.refused(['replay', 'run', 'demo', '--error', 'NO_SUCH', ...dry], 1, ['NO_SUCH', `${some.error_code} (`]);
  }
}

// What a dry run tells is what happens: it is compared with what HubSpot has
// afterwards. It writes nothing, here or there.
async function dryRun(scene, sb, parked, moved) {
  const before = states(scene);
  await sb.clear();
  const { jobs, misses } = await json(scene, ['replay', 'run', 'demo', '--all', '--dry-run']);
  must(jobs.length === parked.length && misses.length === 0, `${jobs.length} looked at of ${parked.length}`);
  for (const j of jobs) {
    must(j.error_code && j.reason && j.newer === false && j.waits_for === null && j.would === 'create' && j.creates.length > 0,
      `dry run: ${JSON.stringify(j)}`);
  }
  const order = jobs.find((j) => j.fusion_id === moved).changes.find((x) => x.property === 'hs_purchase_order_number');
  must(order.before === null && order.after === 'NEWEST', `the newest version is not what would be written: ${JSON.stringify(order)}`);
  const text = (await scene.ok(['replay', 'run', 'demo', '--job', String(jobs[0].job), '--dry-run'])).stdout;
  for (const word of [`job ${jobs[0].job}`, jobs[0].error_code, 'would be created', '+ invoices', 'hs_currency: - -> ', '1 job:']) {
    must(text.includes(word), `dry run: ${word} is not in ${text}`);
  }
  must((await sb.log()).requests === 0, 'a dry run asked HubSpot');
  must(states(scene) === before, 'a dry run changed a job');
  return jobs;
}

function held(sb, hub, jobs) {
  const find = (type, key) => hub[type].find((o) => Object.values(o.properties).some((p) => (p?.value ?? p) === key));
  let n = 0;
  for (const { object, key, property, after } of jobs.flatMap((j) => j.changes)) {
    const p = find(object, key)?.properties[property];
    must(String(p?.value ?? p) === after || Number(p?.value ?? p) === Number(after) || Date.parse(p?.value ?? p) === Date.parse(after),
      `the dry run told ${object} ${key} ${property} ${after}, HubSpot has ${JSON.stringify(p)}`);
    n++;
  }
  return n;
}

// Beside a worker that would not look for a minute.
async function beside(scene, sb) {
  const token = fs.readFileSync(sb.ready.tenants[0].hubspot_token_file, 'utf8').trim();
  const p = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], { ...scene.env, ML_WORKER_ID: 'long' });
  await until('the worker holds the portal', 20, () => /portal\.held/.test(p.stderr));
  const account = (await sb.world()).invoices.find((i) => i.BillToCustomerNumber).BillToCustomerNumber;
  const job = (id, state) => scene.rows(`SELECT * FROM ml_connector.job WHERE fusion_id = '${id}' AND state = '${state}'`)[0];
  const gone = (id) => until('it is done', 15, () => scene.rows(`SELECT 1 FROM ml_connector.job WHERE fusion_id = '${id}'`).length === 0);
  const fresh = async () => {
    const made = await sb.fusion(`invoice?account=${account}&lines=2`);
    await scene.ok(['sync', 'demo', '--feed', 'invoices']);
    return String(made.id ?? made.CustomerTransactionId);
  };

  await sb.post('/control/hubspot/portal', JSON.stringify({ required: { invoices: ['hs_comments'] } }));
  await sb.switches({ missing_required_2026_09: 2 });
  const rule = await fresh();
  const parked = await until('it parks', 20, () => job(rule, 'parked'));
  await sb.post('/control/hubspot/portal', JSON.stringify({ required: { invoices: [] } }));
  const began = Date.now();
  const said = await scene.ok(['replay', 'run', 'demo', '--job', String(parked.id)]);
  must(/1 job goes back to work/.test(said.stdout) && /Worker long takes them up now/.test(said.stdout), tail(said));
  await gone(rule);
  scene.figure(`replayed beside a worker and written after ${((Date.now() - began) / 1000).toFixed(1)} s`);

  await sb.post('/control/hubspot/tokens', JSON.stringify({ token, without: ['crm.objects.invoices.write'] }));
  const scope = await fresh();
  const off = await until('it is put off', 20, () => job(scope, 'retry'));
  must(Date.parse(off.due_at) - Date.now() > 50 * 60e3, `due at ${off.due_at}`);
  await sb.post('/control/hubspot/tokens', JSON.stringify({ token, all_scopes: true }));
  const back = await json(scene, ['replay', 'run', 'demo', '--error', off.error_code]);
  must(back.replayed === 1 && back.taken_up === true && back.worker === 'long', JSON.stringify(back));
  await gone(scope);
  p.child.kill('SIGTERM');
  must((await p.ended).code === 0, 'the worker did not end well');
  await scene.equal(sb);
}

export async function run(scene) {
  Object.assign(scene.env, { ML_HUBSPOT_LINGER_BUSY: '200ms' });
  const sb = await scene.sandbox('--customers', 30, '--invoices', 120, '--receipts', 40);
  const portal = await sb.get('/control/hubspot/portal');
  const { currencies } = portal;

  await scene.ok(['migrate']);
  await scene.ok(['tenant', 'add', 'demo', ...scene.tenantFlags(sb), '--interval', '24h']);
  await sb.post('/control/hubspot/portal', JSON.stringify({ currencies: ['USD'] }));
  const first = await scene.ml(['run', '--once']);
  must(first.code === 1, `exit ${first.code} with invoices that must park`);
  const parked = scene.rows(`SELECT * FROM ml_dashboard.replay_queue`);
  must(parked.length > 0, 'nothing is parked');
  must(parked.every((r) => /currenc/i.test(r.reason)), `a reason that says nothing: ${parked[0].reason}`);
  must(first.stdout.includes(parked[0].fusion_id), 'the run does not name what is parked');
  const shown = await scene.ok(['status', 'demo']);
  must(shown.stdout.includes(`${parked[0].error_code}`) && shown.stdout.includes('replay list demo'), `status: ${shown.stdout}`);
  const { parked: counts } = await json(scene, ['status', 'demo']);
  must(counts.length === 1 && counts[0].jobs === parked.length, `status --json: ${JSON.stringify(counts)}`);
  await badInput(scene, parked[0]);

  // A newer version of one of them: it goes to work by itself, and parks again.
  const moved = parked.find((r) => r.kind === 'invoice').fusion_id;
  await sb.fusion(`invoice/${moved}?PurchaseOrder=NEWEST`);
  await scene.refused(['run', '--once'], 1, [moved]);

  await sb.post('/control/hubspot/portal', JSON.stringify({ currencies }));
  const list = await json(scene, ['replay', 'list', 'demo']);
  must(list.length === parked.length, `${list.length} in the list, ${parked.length} in the view`);
  must((await json(scene, ['replay', 'list', 'demo', '--limit', '2'])).length === 2, '--limit');
  const some = await scene.ok(['replay', 'list', 'demo', '--limit', '2']);
  must(some.stderr.includes(`2 of ${parked.length} are shown`), `list: ${some.stderr}`);
  const jobs = await dryRun(scene, sb, parked, moved);
  const one = await json(scene, ['replay', 'run', 'demo', '--job', String(list[0].job)]);
  must(one.replayed === 1 && one.taken_up === false, `not one: ${JSON.stringify(one)}`);
  await scene.refused(['replay', 'run', 'demo', '--job', String(list[0].job)], 1, [`${list[0].job}`, 'queued']);
  // Who looks or provisions takes up no job, though it has the lease.
  const queued = states(scene);
  await sb.clear();
  await scene.ok(['ping', 'demo']);
  await scene.ok(['provision', 'demo']);
  const asked = Object.keys((await sb.log()).operations);
  must(!asked.some((o) => /batch_(create|upsert|update)|associate/.test(o)) && states(scene) === queued,
    `ping or provision wrote what was queued: ${asked}`);
  const two = await scene.ml(['replay', 'run', 'demo', '--job', String(list[0].job), '--job', String(list[1].job)]);
  must(two.code === 1 && /1 job goes back/.test(two.stdout) && two.stderr.includes(`job ${list[0].job}:`) && !two.stderr.includes(`${list[1].job}`),
    `one of two: ${tail(two)}`);
  const rest = await json(scene, ['replay', 'run', 'demo', '--error', list[0].error_code]);
  must(rest.replayed === parked.length - 2, `${rest.replayed} replayed by their code`);
  must(/Nothing is parked/.test((await scene.ok(['replay', 'run', 'demo', '--all'])).stdout), 'nothing is left to replay');
  await scene.ok(['run', '--once']);
  await scene.equal(sb);
  scene.figure(`dry run: ${held(sb, await sb.hub(), jobs)} changes told, each is in HubSpot`);
  const audit = scene.rows(`SELECT * FROM ml_dashboard.audit WHERE event = 'job.replayed'`);
  must(audit.length === parked.length && audit.every((e) => e.worker === me && e.error_code && e.job),
    `the audit does not tell of each replay: ${JSON.stringify(audit[0])}`);
  // and what came of it
  const came = scene.rows(`SELECT r.job FROM ml_dashboard.audit r WHERE r.event = 'job.replayed' AND EXISTS (
    SELECT FROM ml_dashboard.audit w WHERE w.job = r.job AND w.id > r.id AND w.event NOT LIKE 'job.%' AND w.outcome IN ('created', 'updated', 'written', 'associated'))`);
  must(came.length === parked.length, `${came.length} of ${parked.length} have an outcome in the audit`);
  scene.conserved();
  await beside(scene, sb);
  scene.conserved();

  // What else ping would have told: every scope that is missing, by name.
  await scene.ok(['ping', 'demo']);
  await sb.post('/control/hubspot/tokens', JSON.stringify({ token: fs.readFileSync(sb.ready.tenants[0].hubspot_token_file, 'utf8').trim(), without: ['crm.schemas.invoices.write'] }));
  await scene.refused(['ping', 'demo'], 1, ['scopes', 'crm.schemas.invoices.write']);
}
