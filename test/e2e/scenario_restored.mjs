// SPDX-License-Identifier: UNLICENSED
// Postgres set back to a dump of an hour ago, HubSpot ahead of it: whatever was
// written in the lost hour and whatever happened since, the next polls end
// equal, nothing twice, no status moved back. The dump is of a database at rest,
// of one whose worker is killed in the middle, and of one whose worker goes on
// through it all.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { must, until } from './bench.mjs';
import { expect, merged } from './oracle.mjs';

const variants = ['rest', 'killed', 'kept'];

// ---- the database ------------------------------------------------------------------

function dump(scene) {
  const r = spawnSync('pg_dump', ['-d', scene.url], { encoding: 'utf8', maxBuffer: 1 << 30 });
  must(r.status === 0, `pg_dump: ${r.stderr}`);
  return r.stdout;
}

function restore(scene, text) {
  scene.sql(`DROP DATABASE ${scene.database} WITH (FORCE)`, scene.house.url);
  scene.sql(`CREATE DATABASE ${scene.database}`, scene.house.url);
  const r = spawnSync('psql', ['-qX1', '-v', 'ON_ERROR_STOP=1', '-d', scene.url],
    { input: text, encoding: 'utf8', maxBuffer: 1 << 28 });
  must(r.status === 0, `the dump: ${r.stderr}`);
}

// ---- what happens in Fusion ----------------------------------------------------------

const id = (i) => i.CustomerTransactionId;
const own = (c) => c.persons?.filter((p) => p.Status === 'A').length === 1 && c.persons.every((p) => p.Status === 'A');
const set = (o) => Object.entries(o).map(([k, v]) => `${k}=${encodeURIComponent(v ?? '')}`).join('&');

// Takes each invoice and each customer once; only what is as it was in the dump.
class Picks {
  constructor(world, dumped) {
    const same = (kind, key) => {
      const was = new Map(dumped[kind].map((x) => [x[key], JSON.stringify(x)]));
      return world[kind].filter((x) => was.get(x[key]) === JSON.stringify(x));
    };
    this.world = { customers: same('customers', 'AccountNumber'), invoices: same('invoices', 'CustomerTransactionId'),
      receipts: same('receipts', 'StandardReceiptId') };
    this.used = new Set();
    // several accounts may be of one party and have its people: not those
    this.parties = new Map();
    world.customers.forEach((c) => this.parties.set(c.CustomerId, (this.parties.get(c.CustomerId) ?? 0) + 1));
  }

  invoice(what, test = () => true) {
    const i = this.world.invoices.find((x) => !this.used.has(id(x)) && x.BillToCustomerNumber && Number(x._paid) === 0 &&
      Number(x._credited) === 0 && test(x));
    must(i, `no invoice ${what}`);
    this.used.add(id(i));
    return i;
  }

  open(what) {
    return this.invoice(what, (i) => i.InvoiceStatus === 'Complete' && Number(i._balance) > 0);
  }

  customer(what, test = () => true) {
    const c = this.world.customers.find((x) => !this.used.has(x.AccountNumber) && own(x) &&
      this.parties.get(x.CustomerId) === 1 && test(x));
    must(c, `no customer ${what}`);
    this.used.add(c.AccountNumber);
    return c;
  }
}

const pay = (sb, i, amount) => sb.fusion(`receipt?amount=${amount ?? i._balance}&account=${i.BillToCustomerNumber}` +
  `&currency=${i.InvoiceCurrencyCode}&method=1&apply=${id(i)}`);

// What goes to B in the lost hour and back to A before the first poll after it;
// and what that poll cannot know otherwise. Each is [there, back].
function nasty(sb, now, dumped) {
  const picks = new Picks(now, dumped);
  const { world } = picks;
  const f = (...a) => sb.fusion(...a);
  const out = [];
  const add = (there, back) => out.push([there, back]);
  const head = picks.invoice('for its head');
  add(() => f(`invoice/${id(head)}?PurchaseOrder=LOST`), () => f(`invoice/${id(head)}?${set({ PurchaseOrder: head.PurchaseOrder })}`));
  const line = picks.invoice('for its line', (i) => i.receivablesInvoiceLines?.length > 1);
  add(() => f(`invoice/${id(line)}/line/0?Description=LOST`),
    () => f(`invoice/${id(line)}/line/0?${set({ Description: line.receivablesInvoiceLines[0].Description })}`));
  const moved = picks.invoice('to move', (i) => i.InvoiceStatus === 'Complete');
  const other = picks.customer('to move it to', (c) => c.AccountNumber !== moved.BillToCustomerNumber);
  add(() => f(`invoice/${id(moved)}?account=${other.AccountNumber}`), () => f(`invoice/${id(moved)}?account=${moved.BillToCustomerNumber}`));
  for (let k = 0; k < 3; k++) { // a line that only HubSpot will know
    const i = picks.invoice('for a line', (x) => x.receivablesInvoiceLines?.length < 20);
    add(() => f(`invoice/${id(i)}/line?Description=ORPHAN&Quantity=1&UnitSellingPrice=7`),
      async () => {
        const lines = (await sb.world()).invoices.find((x) => id(x) === id(i))?.receivablesInvoiceLines;
        const at = lines?.findIndex((l) => l.Description === 'ORPHAN') ?? -1;
        must(at >= 0, `409 the line of ${id(i)} has gone by itself`);
        await f(`invoice/${id(i)}/line/${at}`, 'DELETE');
      });
  }
  const paid = picks.open('to pay and unapply');
  let receipt;
  add(async () => { receipt = (await pay(sb, paid)).id; }, () => f(`receipt/${receipt}/unapply?invoice=${id(paid)}`));
  const part = picks.open('to pay in part');
  add(() => pay(sb, part, '1'), () => pay(sb, part, '1'));
  const applied = world.receipts.find((r) => r.applications?.length === 1 && !r.ReversalCategory && Number(r.UnappliedAmount) === 0 &&
    Number(r.applications[0].ApplicationAmount) > 0);
  must(applied, 'no receipt to take back');
  const whose = applied.applications[0].ReferenceTransactionId;
  add(() => f(`receipt/${applied.StandardReceiptId}/unapply?invoice=${whose}`),
    () => f(`receipt/${applied.StandardReceiptId}/apply?apply=${whose}:${applied.applications[0].ApplicationAmount}`));
  const late = picks.open('to pay in the lost hour'); // open in the dump, paid in HubSpot
  add(() => pay(sb, late), () => f(`touch?kind=invoice&id=${id(late)}`));
  const reversed = picks.open('to pay and reverse'); // paid in HubSpot, open in Fusion
  add(async () => { reversed.receipt = (await pay(sb, reversed)).id; }, () => f(`receipt/${reversed.receipt}/reverse?category=NSF`));
  const draft = picks.invoice('that is a draft', (i) => i.InvoiceStatus === 'Incomplete');
  add(() => f(`invoice/${id(draft)}?InvoiceStatus=Complete`), () => f(`invoice/${id(draft)}?Comments=AFTER`));
  const credited = picks.open('to credit');
  add(() => f(`credit_memo?invoice=${id(credited)}`), () => f(`touch?kind=invoice&id=${id(credited)}`));
  return [...out, ...people(sb, picks)];
}

function people(sb, picks) {
  const f = (...a) => sb.fusion(...a);
  const out = [];
  const mail = (c, e) => f(`person/${c.persons[0].PartyId}?${set({ EmailAddress: e })}`);
  const mailed = (c) => c.persons[0].EmailAddress;
  const named = picks.customer('for its name');
  out.push([() => f(`person/${named.persons[0].PartyId}?LastName=LOST`),
    () => f(`person/${named.persons[0].PartyId}?${set({ LastName: named.persons[0].LastName })}`)]);
  const payer = picks.customer('that pays', (c) => mailed(c) && picks.world.receipts.some((r) => r.CustomerAccountNumber === c.AccountNumber));
  out.push([() => mail(payer, 'lost.payer@lost.example'), () => mail(payer, mailed(payer))]);
  for (const back of [false, true]) { // an address goes from one to another, and stays there or not
    const from = picks.customer('that gives its e-mail', mailed);
    const to = picks.customer('that gets it', mailed);
    out.push([async () => {
      await mail(from, `left${back}@lost.example`);
      await mail(to, mailed(from));
    }, async () => {
      await mail(to, back ? mailed(to) : mailed(from));
      await mail(from, back ? mailed(from) : `left${back}@lost.example`);
    }]);
  }
  return out;
}

// Drafts of the lost hour, gone before anybody looks again; of customers with
// people of their own, so that nothing of the invoice goes into those.
async function newcomers(sb, world) {
  const c = world.customers.find((x) => own(x) && x.persons[0].EmailAddress && x.organizations?.length > 0) ?? world.customers.find(own);
  const draft = await sb.fusion(`invoice?account=${c.AccountNumber}&lines=2&InvoiceStatus=Incomplete`);
  await sb.fusion('customer');
  return { draft: draft.id };
}

// ---- the worker --------------------------------------------------------------------

// What is neither parked nor waits, perhaps for something parked.
const busy = (scene) => scene.sql(`SELECT count(*) FROM ml_connector.job WHERE state NOT IN ('parked', 'waiting')`);

// One that stays, or a run to its end, again as long as something is to come.
async function settle(scene, sb, worker) {
  if (worker) {
    await scene.polled();
    await until('nothing is open', 90, () => busy(scene) === '0');
    return;
  }
  for (let i = 0; i < 6; i++) {
    const r = await scene.ml(['run', '--once'], { seconds: 120 });
    if (busy(scene) === '0' && !/leased to another/.test(r.stdout + r.stderr)) {
      return;
    }
    await new Promise((done) => { setTimeout(done, 500); });
  }
  must(false, `jobs are left: ${JSON.stringify(scene.rows('SELECT state, waiting_for, error, count(*) FROM ml_connector.job GROUP BY 1, 2, 3'))}`);
}

const start = (scene) => scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], { ...scene.env });

async function stop(p) {
  p.child.kill('SIGTERM');
  const { code } = await p.ended;
  must(code === 0, `the worker: exit ${code}\n${p.stderr.slice(-2000)}`);
}

// ---- one of them -----------------------------------------------------------------------

// In the dump: a record that the portal refuses, and work in flight.
async function interrupted(scene, sb, variant, seed) {
  const { currencies } = await sb.get('/control/hubspot/portal');
  await sb.post('/control/hubspot/portal', { currencies: currencies.filter((c) => c !== 'KWD') });
  const customer = (await sb.world()).customers.find(own);
  await sb.fusion(`invoice?account=${customer.AccountNumber}&lines=1&currency=KWD`);
  await settle(scene, sb);
  must(scene.sql(`SELECT count(*) FROM ml_connector.job WHERE state = 'parked'`) !== '0', 'nothing is parked');
  if (variant === 'rest') {
    return { text: dump(scene), currencies, world: await sb.world() };
  }
  await sb.change(80, seed + 500);
  await sb.switches({ latency_us: 400000 });
  const worker = start(scene);
  await scene.ok(['sync', 'demo']);
  await until('work in flight', 30, () => scene.sql(`SELECT count(*) FROM ml_connector.write WHERE closed_at IS NULL`) !== '0');
  const text = dump(scene);
  if (variant === 'killed') {
    worker.child.kill('SIGKILL');
    await worker.ended;
  }
  await sb.switches({ latency_us: 0 });
  return { text, currencies, world: await sb.world(), worker: variant === 'kept' ? worker : undefined };
}

async function lostHour(scene, sb, seed, { worker, currencies }, first) {
  await sb.post('/control/hubspot/portal', { currencies });
  await settle(scene, sb, worker);
  await scene.ok(['replay', 'run', 'demo', '--all']);
  await settle(scene, sb, worker);
  let at = await scene.equal(sb, first);
  const pairs = nasty(sb, at.world, first.world);
  for (const [there] of pairs) {
    await there();
  }
  const { draft } = await newcomers(sb, at.world);
  await settle(scene, sb, worker);
  at = await scene.equal(sb, at);
  for (let n = 0; n < 2; n++) {
    await sb.change(60, seed * 10 + n);
    await settle(scene, sb, worker);
    at = await scene.equal(sb, at);
  }
  scene.conserved();
  return { at, backs: [...pairs.map(([, back]) => back), () => sb.fusion(`invoice/${draft}`, 'DELETE')] };
}

// What random changes made impossible is left out, if it is not too much.
async function goBack(backs) {
  let done = 0;
  for (const back of backs) {
    try {
      await back();
      done++;
    } catch (e) {
      must(/409/.test(e.message), e.message);
    }
  }
  must(done >= backs.length * 0.7, `only ${done} of ${backs.length} went back`);
  return done;
}

// Lines that HubSpot has and neither Fusion nor the database.
async function orphaned(scene, sb) {
  const lines = new Set((await sb.world()).invoices.flatMap((i) => i.receivablesInvoiceLines ?? []).map((l) => l.CustomerTransactionLineId));
  const known = new Set(scene.rows(`SELECT key FROM ml_connector.link WHERE object = 'line_items'`).map((r) => r.key));
  const orphans = (await sb.hub()).line_items.map((r) => r.properties.fusion_line_id).filter((k) => !lines.has(k) && !known.has(k));
  must(orphans.length > 0, 'no line is an orphan');
}

async function one(scene, variant, seed) {
  const sb = await scene.sandbox('--customers', 100, '--invoices', 200, '--receipts', 80, '--seed', seed);
  Object.assign(scene.env, { ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '300ms', ML_HUBSPOT_WINDOW: '1s', ML_HUBSPOT_CUTOFF: '2s',
    ML_HUBSPOT_LINGER_BUSY: '100ms', ML_LEASE_TTL: '2s' });
  await sb.switches({ rate_window_ms: 1000 });
  await scene.tenant(sb);
  await settle(scene, sb);
  const whole = await scene.equal(sb);
  await sb.change(60, seed);
  await settle(scene, sb);
  const first = await scene.equal(sb, whole);
  const before = await interrupted(scene, sb, variant, seed);
  const { worker } = before;
  const { at, backs } = await lostHour(scene, sb, seed, before, first);
  restore(scene, before.text);
  const done = await goBack(backs);
  await sb.change(30, seed * 10 + 5);
  await orphaned(scene, sb);
  await sb.clear();
  const statusBacks = async () => (await sb.get('/control/hubspot')).portals[0].status_backs;
  const moved = await statusBacks();
  if (worker) {
    await until('the worker is back', 60, () => scene.sql(`SELECT count(*) FROM ml_connector.lease WHERE worker IS NOT NULL
      AND expires_at > now() AND home IS NOT NULL`) !== '0');
  }
  await settle(scene, sb, worker);
  if (scene.sql(`SELECT count(*) FROM ml_connector.job WHERE state = 'parked'`) !== '0') {
    await scene.ok(['replay', 'run', 'demo', '--all']);
    await settle(scene, sb, worker);
  }
  const log = await sb.log();
  // What the dump knew was written again before Fusion was asked.
  const now = await scene.equal(sb, at, { moments: [first.expected, expect(merged(first.world, before.world))] });
  scene.conserved();
  must(scene.sql(`SELECT count(*) FROM ml_connector.job WHERE waiting_for IS DISTINCT FROM 'no_customer'`) === '0', 'jobs are left');
  must(await statusBacks() === moved, 'a status was to move back');
  must(scene.sql(`SELECT count(*) FROM ml_connector.tenant WHERE doubt_at IS NULL`) === '0', 'nobody noticed that the database was set back');
  const sum = (o) => Object.values(o).reduce((a, x) => a + x.requests, 0);
  scene.figure(`${variant}, seed ${seed}: ${done} of ${backs.length} went back; ${sum(log.operations)} requests after it was set back, ${sum(log.writes)} of them writes`);
  if (worker) {
    await stop(worker);
  }
  await settle(scene, sb);
  await sb.clear();
  await scene.ok(['run', '--once']);
  const { writes, operations } = await sb.log();
  must(Object.keys(writes).length === 0, `a quiet run wrote ${JSON.stringify(writes)}`);
  must(!Object.keys(operations).some((o) => /batch_read/.test(o)), `a quiet run read ${JSON.stringify(operations)}`);
  await scene.equal(sb, now);
}

export async function run(scene) {
  const seeds = process.env.SEED ? [Number(process.env.SEED)] : [1];
  const some = process.env.VARIANT ? [process.env.VARIANT] : variants;
  for (const variant of some) {
    for (const seed of seeds) {
      const part = scene.part(`${variant}-${seed}`);
      await one(part, variant, seed);
      await scene.over(part);
    }
  }
}
