// SPDX-License-Identifier: UNLICENSED
// A worker is stopped between its look at the lease and the send, for longer than
// its lease lasts. Another one takes the portal over and writes what has changed
// since. When the first goes on, nothing of it reaches HubSpot any more, its
// outcome is refused, and HubSpot stays exact.
import path from 'node:path';
import { must, until } from './bench.mjs';
import { asleep, nothingTwice, quick, settle, short, timePasses } from './crashes.mjs';

const id = (i) => i.CustomerTransactionId;
const TTL_MS = 2000;

// Of each kind of request: what makes the first worker send one, and what then
// changes about the same records. Both get a free hand in the true world.
const cases = {
  'invoices.create': {
    first: async (sb, w) => {
      const made = await sb.fusion(`invoice?account=${w.customers[0].AccountNumber}&lines=3`);
      return made.CustomerTransactionId ?? made.id;
    },
    then: async (sb, w, made) => {
      await sb.fusion(`invoice/${made}?PurchaseOrder=SECOND`);
      await sb.fusion(`invoice/${made}/line/0?Description=Second&Quantity=7`);
    },
  },
  'companies.upsert': {
    first: (sb, w) => sb.fusion(`customer/${w.customers[1].AccountNumber}?CustomerName=First%20Name`),
    then: (sb, w) => sb.fusion(`customer/${w.customers[1].AccountNumber}?CustomerName=Second%20Name`),
  },
  'invoices.update': {
    first: (sb, w, own) => sb.fusion(`invoice/${id(own.draft)}?InvoiceStatus=Complete`),
    then: (sb, w, own) => sb.fusion(`receipt?amount=${own.draft._balance}&account=${own.draft.BillToCustomerNumber}` +
      `&currency=${own.draft.InvoiceCurrencyCode}&method=1&apply=${id(own.draft)}`),
  },
  'invoices.associate': {
    first: (sb, w, own) => sb.fusion(`invoice/${id(own.open)}?account=${own.others[0]}`),
    then: (sb, w, own) => sb.fusion(`invoice/${id(own.open)}?account=${own.others[1]}`),
  },
  'line_items.archive': {
    first: (sb, w, own) => sb.fusion(`invoice/${id(own.open)}/line/0`, 'DELETE'),
    then: (sb, w, own) => sb.fusion(`invoice/${id(own.open)}/line?Description=Another&Quantity=2&UnitSellingPrice=3.5`),
  },
};

// What the changes are made on.
function choose(world) {
  const draft = world.invoices.find((i) => i.InvoiceStatus === 'Incomplete' && i.BillToCustomerNumber && Number(i._balance) > 0);
  const open = world.invoices.find((i) => i.InvoiceStatus === 'Complete' && i.BillToCustomerNumber && Number(i._paid) === 0 &&
    Number(i._credited) === 0 && Number(i._balance) > 0 && i.receivablesInvoiceLines.length > 1);
  must(draft && open, 'the generated world holds no draft or no open invoice');
  const others = world.customers.map((c) => c.AccountNumber).filter((a) => a !== open.BillToCustomerNumber).slice(2, 4);
  return { draft, open, others };
}

const idle = (own) => own.rows(`SELECT 1 FROM ml_connector.job`).length === 0;

async function takeOver(own) {
  const b = own.spawn(path.join(own.house.build, 'ml-connector'), ['run'], { ...own.env, ML_WORKER_ID: 'second' });
  await until('the second worker has the portal', 30, () => /portal\.held/.test(b.stderr));
  await own.polled();
  await until('the second worker is done', 60, () => {
    must(b.child.exitCode === null, `the second worker ended: ${b.stderr.slice(-2000)}`);
    return idle(own);
  });
  return b;
}

async function stopped(own, sb, point, { first, then }) {
  const world = await sb.world();
  const picked = choose(world);
  const made = await first(sb, world, picked);
  const a = await asleep(own, [point], { ML_WORKER_ID: 'first' });
  must(a, `never passed: ${point}`);
  const since = Date.now();
  await then(sb, world, typeof made === 'string' || typeof made === 'number' ? made : picked);
  timePasses(own);
  const b = await takeOver(own);
  await until('the lease of the first is over', 10, () => Date.now() - since > TTL_MS);
  const at = await own.equal(sb);
  await sb.clear();

  a.child.kill('SIGCONT');
  const gaveUp = await a.ended;
  b.child.kill('SIGTERM');
  const second = await b.ended;
  own.note(`${a.stderr}= ${gaveUp.code}\n${b.stderr}= ${second.code}\n`);
  must((gaveUp.code === 0 || gaveUp.code === 1) && /portal\.lost|LEASE_LOST/.test(a.stderr), `the first worker ended with ${gaveUp.code}\n${a.stdout}${a.stderr.slice(-2000)}`);
  must(second.code === 0, `the second worker ended with ${second.code}\n${b.stderr.slice(-2000)}`);
  const { writes } = await sb.log();
  must(Object.keys(writes).length === 0, `${point}: sent although the lease was lost: ${JSON.stringify(writes)}`);
  const late = own.rows(`SELECT event, kind, fusion_id FROM ml_dashboard.audit WHERE worker = 'first' AND event LIKE '%.%'
    AND time > (SELECT min(time) FROM ml_dashboard.audit WHERE worker = 'second') AND outcome IN ('created', 'updated', 'archived')`);
  must(late.length === 0, `${point}: an outcome was taken from who had lost its lease: ${JSON.stringify(late)}`);
  const now = await own.equal(sb, at);
  nothingTwice(now.hub);
  await settle(own, point);
  await own.equal(sb, now);
}

// As good as dead, with its request on its way: that arrives when the next worker
// has read back and what is wanted has changed.
async function overtaken(scene) {
  const own = scene.part('overtaken');
  const sb = await own.sandbox('--customers', 20, '--invoices', 30, '--receipts', 10);
  own.env.ML_HUBSPOT_CUTOFF = '6s';
  await sb.switches(quick);
  await own.tenant(sb);
  await own.ok(['run', '--once']);
  const world = await sb.world();
  const [one, two] = world.customers.map((c) => c.AccountNumber);
  const was = world.customers[1].CustomerName;

  await sb.fusion(`customer/${one}?CustomerName=First%20Name`);
  await sb.fusion(`customer/${two}?CustomerName=First%20Name`);
  await sb.clear();
  await sb.switches({ net_there_min_ms: 4000, net_there_max_ms: 4000 });
  const a = await asleep(own, ['send.sent:companies.upsert']);
  must(a, 'the worker sent no company');
  await sb.switches({ net_there_min_ms: 0, net_there_max_ms: 0 });
  await sb.fusion(`customer/${one}?CustomerName=Second%20Name`);
  await sb.fusion(`customer/${two}?CustomerName=${encodeURIComponent(was)}`); /* as HubSpot still has it */
  timePasses(own);
  await settle(own, 'overtaken');
  const seen = (await sb.call('GET', '/control/log/requests?limit=10000')).split('\n').filter(Boolean).map((l) => JSON.parse(l))
    .map((r) => r.operation).filter((o) => /companies\.batch_(read|upsert)/.test(o));
  must(seen[0] === 'companies.batch_read' && seen.filter((o) => /upsert/.test(o)).length >= 2, `not overtaken: ${seen.join(' ')}`);
  await own.equal(sb);
  a.child.kill('SIGKILL');
  await a.ended;
  scene.figure('a request that arrives when another worker has read back and the record has changed: HubSpot exact');
  await scene.over(own);
}

export async function run(scene) {
  const places = ['send.before', 'send.handed', 'send.starts'];
  Object.assign(scene.env, short, { ML_DATABASE_CONNECTIONS: '1', ML_LEASE_TTL: `${TTL_MS}ms`, ML_HUBSPOT_TIMEOUT: '30s' });
  await overtaken(scene);
  await Promise.all(Object.entries(cases).map(async ([operation, how], i) => {
    const some = process.env.E2E_LONG ? places : [places[i % places.length]];
    for (const place of some) {
      const own = scene.part(`${operation.replace('.', '-')}-${place.slice(5)}`);
      const sb = await own.sandbox('--seed', i + 1, '--customers', 20, '--invoices', 150, '--receipts', 10);
      await sb.switches(quick);
      await own.tenant(sb);
      await own.ok(['run', '--once']);
      await stopped(own, sb, `${place}:${operation}`, how);
      scene.figure(`stopped at ${place} of ${operation}: nothing sent afterwards, HubSpot exact`);
      await scene.over(own);
    }
  }));
}
