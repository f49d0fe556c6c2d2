// SPDX-License-Identifier: UNLICENSED
// plan says beforehand what a run then does, and leaves no trace: not a row in
// the database, not a request to HubSpot, no transaction open while Fusion is
// asked. What becomes of one that is stopped or killed.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { must, until } from './bench.mjs';

const KINDS = ['customer', 'invoice', 'payment'];
const CRM = /^(companies|contacts|invoices|line_items|commerce_payments)\.|association/;

// All of it, the tables of plans too; only the numbers their jobs get go on.
function dump(scene) {
  const r = spawnSync('pg_dump', ['--data-only', '-d', scene.url], { encoding: 'utf8', maxBuffer: 1 << 30 });
  must(r.status === 0, `pg_dump: ${r.stderr}`);
  return r.stdout.replace(/^(\\(un)?restrict |.*plan_job_id_seq).*$/gm, '');
}

function untouched(scene, before, what) {
  const now = dump(scene).split('\n');
  const was = new Set(before.split('\n'));
  must(now.join('\n') === before, `${what} left traces in the database: ${now.filter((l) => !was.has(l)).slice(0, 5).join('\n')}`);
}

// A plan, and that nothing tells of it.
async function plan(scene, sb, code = 0) {
  await sb.clear();
  const before = dump(scene);
  const r = await scene.ml(['plan', 'demo', '--json', '--limit', '100000']);
  must(r.code === code, `plan: exit ${r.code}\n${r.stderr}`);
  untouched(scene, before, 'plan');
  const log = await sb.log();
  must(log.requests === 0, `plan sent ${log.requests} requests to HubSpot`);
  return { ...JSON.parse(r.stdout), seconds: r.seconds };
}

const TABLES = ['plan', ...['tenant', 'feed', 'cursor', 'pass', 'poll', 'account', 'record', 'contact_email', 'job',
  'minute', 'noted', 'audit_event'].map((t) => `plan_${t}`)];
const left = (scene) => scene.rows(TABLES.map((t) => `SELECT '${t}' AS t, count(*) AS n FROM ml_connector.${t}`)
  .join(' UNION ALL ')).filter((r) => r.n > 0);

const links = (scene) => new Set(scene.rows(`SELECT kind || ':' || fusion_id AS r FROM ml_connector.link
  WHERE object IN ('companies', 'invoices', 'commerce_payments') AND hubspot_id IS NOT NULL`).map((x) => x.r));
const mark = (scene) => scene.rows('SELECT coalesce(max(id), 0) AS id FROM ml_connector.audit_event')[0].id;

// What a run did, by record: created, changed, archived; requests for objects.
async function done(scene, sb, code = 0) {
  const had = links(scene);
  const from = mark(scene);
  await sb.clear();
  const r = await scene.ml(['run', '--once']);
  must(r.code === code, `run: exit ${r.code}\n${r.stderr.slice(-3000)}`);
  const has = links(scene);
  const wrote = new Set(scene.rows(`SELECT DISTINCT kind || ':' || fusion_id AS r FROM ml_connector.audit_event
    WHERE id > ${from} AND outcome IN ('written', 'created', 'updated', 'archived') AND kind IS NOT NULL`).map((x) => x.r));
  const of = (set, kind) => [...set].filter((k) => k.startsWith(`${kind}:`));
  const out = { requests: 0, operations: {} };
  for (const kind of KINDS) {
    const created = of(has, kind).filter((k) => !had.has(k));
    const gone = of(had, kind).filter((k) => !has.has(k));
    out[kind] = { create: new Set(created), archive: new Set(gone),
      change: new Set(of(wrote, kind).filter((k) => had.has(k) && has.has(k))) };
  }
  for (const [name, o] of Object.entries((await sb.log()).operations)) {
    if (CRM.test(name)) {
      out.requests += o.requests;
      out.operations[name] = o.requests;
    }
  }
  return out;
}

const FATES = ['create', 'change', 'archive'];

// Exact by record; requests: never fewer than planned, and at most a tenth and
// 12 more: customers, invoices and payments end in batches that are not full.
function same(scene, what, p, d) {
  const said = {};
  for (const kind of KINDS) {
    for (const fate of FATES) {
      const shown = new Set(p.shown.filter((s) => s.fate === fate && s.record.startsWith(`${kind}:`)).map((s) => s.record));
      const odd = [...shown].filter((x) => !d[kind][fate].has(x)).map((x) => `planned ${x}`)
        .concat([...d[kind][fate]].filter((x) => !shown.has(x)).map((x) => `did ${x}`));
      must(odd.length === 0, `${what}: ${odd.length} ${kind}s to ${fate} differ: ${odd.slice(0, 10).join(', ')}`);
      must(p.records[kind][fate] === shown.size, `${what}: ${p.records[kind][fate]} ${kind}s to ${fate} counted, ${shown.size} shown`);
      said[`${fate} ${kind}`] = shown.size;
    }
  }
  const most = Math.ceil(p.requests * 1.1) + 12;
  must(d.requests >= p.requests && d.requests <= most,
    `${what}: ${d.requests} requests, planned ${p.requests}\n${JSON.stringify(d.operations)}\n${JSON.stringify(p.operations)}`);
  scene.figure(`${what}: ${Object.entries(said).filter(([, n]) => n > 0).map(([k, n]) => `${n} to ${k}`).join(', ')}; ` +
    `${p.requests} requests planned, ${d.requests} sent; plan ${p.seconds.toFixed(1)} s`);
}

async function texts(scene) {
  const r = await scene.ok(['plan', 'demo', '--limit', '2']);
  for (const words of [/^records +create +change/m, /^Cost: \d+ requests, [\d.]+ minutes at 190 in 10 s, [\d.]+ % of the \d+ of a day\.$/m,
    /^ {2}(create|change) \w+:/m, /^ {2}and \d+ more/m]) {
    must(words.test(r.stdout), `plan says: ${r.stdout}`);
  }
  await scene.refused(['plan', 'demmo'], 2, ['demmo']);
  await scene.refused(['plan'], 2, [/NAME/]);
  await scene.refused(['plan', 'demo', '--limit', 'many'], 2, ['--limit', 'many']);
}

// What the portal would refuse is told when it is asked, and what hangs on it waits; once refused, HubSpot's own
// words are told without asking.
async function refused(scene, sb) {
  await sb.del('/control/hubspot/properties/companies/address2');
  await sb.fusion('bulk?kind=customer&n=30&new=1&age_s=2');
  const world = await sb.world();
  for (const c of world.customers.slice(-30)) {
    await sb.fusion(`bulk?kind=invoice&n=2&new=1&account=${c.AccountNumber}`);
  }
  await sb.clear();
  const r = await scene.ok(['plan', 'demo', '--json', '--limit', '100000', '--ask-portal']);
  const p = JSON.parse(r.stdout);
  const asked = (await sb.log()).requests;
  must(asked === 5, `--ask-portal asked ${asked} times`);
  const d = await done(scene, sb, 1);
  const state = (kind, s) => scene.rows(`SELECT fusion_id FROM ml_connector.job WHERE kind = '${kind}' AND state = '${s}'`).map((x) => `${kind}:${x.fusion_id}`);
  const parked = state('customer', 'parked');
  const said = p.rejected.map((x) => x.record);
  must(parked.length > 3 && parked.length < 30, `${parked.length} customers parked: the scene is of no use`);
  must(String([...said].sort()) === String([...parked].sort()), `rejected: ${JSON.stringify(p.rejected.filter((x) => !parked.includes(x.record)).slice(0, 4))}; parked: ${parked}`);
  must(p.rejected.every((x) => /^companies\.address2: ".+": the portal has no such property$/.test(x.why)), JSON.stringify(p.rejected[0]));
  const waits = state('invoice', 'waiting').concat(state('payment', 'waiting'));
  must(waits.length > 3 && p.records.invoice.wait + p.records.payment.wait === waits.length,
    `${p.records.invoice.wait} + ${p.records.payment.wait} planned to wait, ${waits.length} do`);
  must(p.waiting.every((w) => said.includes(w.for)), JSON.stringify(p.waiting.slice(0, 3)));
  must(p.records.invoice.create === d.invoice.create.size, `${p.records.invoice.create} invoices to create, ${d.invoice.create.size} created`);

  const again = await plan(scene, sb);
  must(again.requests === 0 && again.records.customer.rejected === parked.length, JSON.stringify(again.records));
  must(again.rejected.every((x) => parked.includes(x.record) && /address2/.test(x.why)), JSON.stringify(again.rejected[0]));
  scene.figure(`refused: ${parked.length} customers, ${waits.length} records wait for them: as planned`);
}

// A worker at work neither hinders a plan nor is hindered by one.
async function besideWorker(scene, sb) {
  const w = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], { ...scene.env, ML_WORKER_ID: 'other' });
  await until('the worker holds the portal', 20, () => /portal\.held/.test(w.stderr));
  const invoice = (await sb.world()).invoices.find((i) => i.BillToCustomerNumber && i.InvoiceStatus === 'Complete' && Number(i._balance) > 0);
  const id = invoice.CustomerTransactionId;
  await sb.call('POST', '/control/fusion/0/switches?latency_ms=100');
  const beside = scene.ok(['plan', 'demo', '--json']);
  await sb.fusion(`invoice/${id}?PurchaseOrder=MEANWHILE`);
  await scene.ok(['sync', 'demo', '--feed', 'invoices']);
  await until('the change arrives', 60, async () => JSON.stringify((await sb.get(`/control/hubspot/objects/invoices?property=fusion_transaction_id&value=${id}`))).includes('MEANWHILE'));
  await beside;
  // The portal is asked by who holds it.
  const p = JSON.parse((await scene.ok(['plan', 'demo', '--json', '--ask-portal'])).stdout);
  must(p.incomplete === null && p.records.customer.rejected > 0, `by the worker: ${JSON.stringify(p).slice(0, 500)}`);

  // The worker ends in the middle of one, in order: who asked for it takes the lease and does it.
  await slow(sb, 700);
  const asked = scene.ok(['plan', 'demo', '--json', '--ask-portal']);
  await until('the worker makes copies', 20, () => scene.rows('SELECT worker, copied_at FROM ml_connector.plan')
    .some((r) => r.worker === 'other' && r.copied_at));
  w.child.kill('SIGTERM');
  must((await w.ended).code === 0 && !/loop\.leftover/.test(w.stderr), w.stderr.slice(-2000));
  await slow(sb, 0);
  const own = JSON.parse((await asked).stdout);
  must(own.incomplete === null && own.records.customer.rejected === p.records.customer.rejected, `by the command: ${JSON.stringify(own).slice(0, 500)}`);
  must(left(scene).length === 0, JSON.stringify(left(scene)));
  scene.conserved();
}

const slow = (sb, ms) => sb.call('POST', `/control/fusion/0/switches?latency_ms=${ms}`);

// A plan that has made its copies and reads a slow pod.
async function slowPlan(scene, sb, env = {}) {
  await slow(sb, 700);
  const p = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['plan', 'demo', '--json'],
    { ...scene.env, ML_WORKER_ID: 'first', ...env });
  await until('copies are made', 20, () => scene.rows('SELECT copied_at FROM ml_connector.plan').some((r) => r.copied_at));
  return p;
}

// However slow Fusion is: no transaction is open while it is asked.
async function shortTransactions(scene, sb) {
  const p = await slowPlan(scene, sb);
  const began = Date.now();
  let ended = false;
  let oldest = 0;
  let samples = 0;
  p.ended.then(() => { ended = true; });
  while (!ended) {
    const [r] = scene.rows(`SELECT count(*) FILTER (WHERE application_name = 'first') AS n,
      coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) AS age FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    samples += r.n > 0 ? 1 : 0;
    oldest = Math.max(oldest, Number(r.age));
    await new Promise((done) => { setTimeout(done, 100); });
  }
  const seconds = (Date.now() - began) / 1000;
  must((await p.ended).code === 0, p.stderr);
  must(seconds > 8 && samples > 30, `${seconds} s, seen ${samples} times: the scene is of no use`);
  must(oldest < 2, `a transaction was open for ${oldest.toFixed(1)} s`);
  must(left(scene).length === 0, JSON.stringify(left(scene)));
  scene.figure(`a plan of ${seconds.toFixed(0)} s: its oldest transaction ${(1000 * oldest).toFixed(0)} ms in ${samples} looks`);
}

async function ends(scene, sb) {
  const before = dump(scene);

  // One at a time. It is killed: 5 minutes later another may, and finds what a first one would.
  let p = await slowPlan(scene, sb);
  await scene.refused(['plan', 'demo'], 1, [/another plan of this tenant/, /begun by first \d+ s ago/]);
  p.child.kill('SIGKILL');
  await p.ended;
  await slow(sb, 0);
  must(left(scene).length > 4, JSON.stringify(left(scene)));
  await scene.refused(['plan', 'demo'], 1, [/another plan of this tenant/, /5 minutes/]);
  const age = () => scene.sql("UPDATE ml_connector.plan SET seen_at = now() - interval '301 seconds'");
  age();
  let again = JSON.parse((await scene.ok(['plan', 'demo', '--json'])).stdout);
  must(again.incomplete === null && again.requests === 0, JSON.stringify(again.records));
  untouched(scene, before, 'a plan after one that was killed');

  // One that was taken over ends, and harms nobody.
  p = await slowPlan(scene, sb);
  age();
  await slow(sb, 0);
  again = JSON.parse((await scene.ok(['plan', 'demo', '--json'])).stdout);
  must(again.incomplete === null && again.requests === 0, JSON.stringify(again.records));
  must((await p.ended).code === 1 && /this plan is over/.test(p.stderr), p.stderr);
  untouched(scene, before, 'a plan that was taken over');

  // Stopped by hand, or by its time: nothing is left, and the next may at once.
  for (const signal of ['SIGINT', 'SIGTERM']) {
    p = await slowPlan(scene, sb);
    p.child.kill(signal);
    must((await p.ended).code === 1 && /stopped by signal/.test(p.stderr), p.stderr);
    untouched(scene, before, signal);
  }
  await scene.refused(['plan', 'demo'], 1, [/not ready within 3 s/, /ML_PLAN_TIMEOUT/], { env: { ML_PLAN_TIMEOUT: '3s' } });
  untouched(scene, before, 'a plan out of time');

  // What nobody plans again, a worker's upkeep removes.
  p = await slowPlan(scene, sb);
  p.child.kill('SIGKILL');
  await p.ended;
  await slow(sb, 0);
  age();
  await scene.ok(['run', '--once']);
  must(left(scene).length === 0, `upkeep left ${JSON.stringify(left(scene))}`);
}

export async function run(scene) {
  const sb = await scene.sandbox('--customers', 120, '--invoices', 500, '--receipts', 200);
  await scene.tenant(sb);

  // All of it is new.
  let p = await plan(scene, sb);
  must(p.records.invoice.create > 400 && p.records.customer.create > 100, JSON.stringify(p.records));
  await texts(scene);
  same(scene, 'a first sync', p, await done(scene, sb));

  // Nothing changed: nothing to do.
  p = await plan(scene, sb);
  must(p.requests === 0 && p.shown.length === 0, `nothing changed, but: ${JSON.stringify(p.records)}`);
  await done(scene, sb);
  await shortTransactions(scene, sb);
  await ends(scene, sb);

  // Changes of every sort.
  const world = await sb.world();
  const open = world.invoices.filter((i) => i.BillToCustomerNumber && i.InvoiceStatus === 'Complete' && Number(i._balance) > 0);
  const one = open[0].CustomerTransactionId;
  await sb.fusion(`invoice/${one}?PurchaseOrder=PLANNED-1`);
  const person = world.customers.flatMap((c) => c.persons ?? []).find((x) => x.Status === 'A');
  await sb.fusion(`person/${person.PartyId}?EmailAddress=planned@changed.example`);
  await sb.fusion('customer?CustomerName=Planned%20Ltd');
  await sb.fusion('bulk?kind=invoice&n=60&new=1&age_s=2');
  await sb.fusion('mutate?n=150&seed=11');
  p = await plan(scene, sb);
  const shown = p.shown.find((s) => s.record === `invoice:${one}`);
  const order = shown?.changes.find((c) => c.property === 'hs_purchase_order_number');
  must(order?.after === 'PLANNED-1' && order.before !== 'PLANNED-1', `before and after of a change: ${JSON.stringify(shown)}`);
  same(scene, 'changes', p, await done(scene, sb));

  // Jobs that are open already are part of it, beside what a poll would find.
  await sb.fusion('bulk?kind=invoice&n=25&new=1&age_s=2');
  await sb.fault({ server: 'hubspot', writes: true, status: 503 });
  const w = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], { ...scene.env, ML_RETRY_BASE: '30s' });
  await until('the worker holds the portal', 20, () => /portal\.held/.test(w.stderr));
  await scene.ok(['sync', 'demo', '--feed', 'invoices']);
  await until('jobs', 20, () => scene.rows('SELECT count(*) AS n FROM ml_connector.job')[0].n >= 25);
  w.child.kill('SIGTERM');
  await w.ended;
  await sb.healed();
  await sb.fusion('bulk?kind=invoice&n=15&new=1&age_s=2');
  p = await plan(scene, sb);
  must(p.records.invoice.create === 40 && p.records.invoice.found === 15, `open jobs: ${JSON.stringify(p.records)}`);
  scene.sql("UPDATE ml_connector.job SET due_at = now() WHERE state IN ('retry', 'unknown')");
  same(scene, 'open jobs', p, await done(scene, sb));

  // What the pod does not give is said to be missing; all else is told, and nothing is left behind.
  await sb.fault({ server: 'fusion', operation: 'standardReceipts.*', status: 500 });
  p = await plan(scene, sb, 1);
  must(/500/.test(p.incomplete) && p.feeds.payments === p.incomplete && p.feeds.invoices === 'ok', `incomplete: ${p.incomplete} ${JSON.stringify(p.feeds)}`);
  await sb.healed();

  await refused(scene, sb);
  await besideWorker(scene, sb);
  await sb.stop();
}
