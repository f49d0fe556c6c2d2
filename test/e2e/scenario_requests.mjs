// SPDX-License-Identifier: UNLICENSED
// What an invoice costs in requests: in bulk beside the least there can be, and
// one at a time through a worker that runs.
import path from 'node:path';
import { must, until } from './bench.mjs';

const perInvoice = 0.08;
const overBound = 1.10;
const one = { known: 6, fresh: 9, status: 1, unchanged: 0 };

const up = (n, by) => Math.ceil(n / by);

// Full batches of 100 objects and of 2,000 associations of each pair, and one
// status batch for each 100 invoices that leave draft.
function least(expected) {
  const n = Object.fromEntries(Object.entries(expected).map(([type, m]) => [type, m.size]));
  const of = [...expected.invoices.values()];
  const moved = of.filter((i) => i.status !== null && i.status !== 'draft').length;
  const owned = of.filter((i) => expected.companies.has(i.account)).length;
  return up(n.companies, 100) + up(n.contacts, 100) + up(n.invoices, 100) + up(n.line_items, 100) +
    up(n.companies, 2000) + 2 * up(owned, 2000) + up(n.line_items, 2000) + up(moved, 100);
}

const work = /^(companies|contacts|invoices|line_items|commerce_payments|associations)\.(batch_|association)/;

function told(log) {
  const all = Object.entries(log.operations);
  const sum = (list) => list.reduce((n, [, o]) => n + o.requests, 0);
  return { work: sum(all.filter(([k]) => work.test(k))), setup: sum(all.filter(([k]) => !work.test(k))),
    by: Object.fromEntries(all.map(([k, o]) => [k, o.requests])) };
}

async function bulk(scene, invoices) {
  const own = scene.part('bulk');
  const sb = await own.sandbox('--customers', invoices * 0.4, '--invoices', invoices, '--receipts', 0);
  await sb.switches({ rate_window_ms: 1000 });
  await own.tenant(sb);
  await own.ok(['run', '--once']);
  const cost = told(await sb.log());
  const { expected } = await own.equal(sb);
  const bound = least(expected);
  const lines = expected.line_items.size / expected.invoices.size;
  scene.figure(`${expected.invoices.size} invoices, ${lines.toFixed(2)} lines each, ${expected.companies.size} new customers: ` +
    `${cost.work} requests, the least is ${bound} (${(cost.work / bound).toFixed(3)}); ` +
    `${(cost.work / expected.invoices.size).toFixed(4)} each; setting up the portal ${cost.setup} more, once`);
  must(cost.work <= overBound * bound, `${cost.work} requests, the least is ${bound}: ${JSON.stringify(cost.by)}`);
  must(cost.work <= perInvoice * expected.invoices.size, `${cost.work} requests for ${expected.invoices.size} invoices`);
  if (invoices >= 5000) {
    must(cost.work + cost.setup <= perInvoice * invoices, `${cost.work} and ${cost.setup} for setting up`);
  }
  await scene.over(own);
}

// One change after another, with nothing else to share a batch with.
async function trickle(scene) {
  const own = scene.part('trickle');
  const sb = await own.sandbox('--customers', 20, '--invoices', 40, '--receipts', 10);
  await sb.switches({ rate_window_ms: 1000 });
  await own.tenant(sb);
  await own.ok(['run', '--once']);
  const worker = own.spawn(path.join(own.house.build, 'ml-connector'), ['run'], own.env);
  const idle = () => own.sql("SELECT count(*) FROM ml_connector.job WHERE state <> 'parked'") === '0';
  const after = async (what, change) => {
    await change();
    await sb.clear();
    await own.polled();
    await until(`${what}: jobs`, 30, idle);
    return told(await sb.log());
  };
  await until('the lease', 30, () => own.sql(
    'SELECT count(*) FROM ml_connector.lease WHERE worker IS NOT NULL AND expires_at > now()') !== '0');

  const at = await own.equal(sb);
  // Whoever the invoice names, this contact stays as it is.
  const active = (c) => (c.persons ?? []).filter((p) => p.Status === 'A');
  const customer = at.world.customers.find((c) => active(c).length === 1 && active(c)[0].EmailAddress &&
    at.hub.contacts.find((r) => r.properties.fusion_account_number === c.AccountNumber).properties.email);
  must(customer, 'no customer with one contact');
  const draft = {};
  const costs = {
    unchanged: await after('nothing', () => {}),
    known: await after('an invoice of a known customer', () =>
      sb.fusion(`invoice?account=${customer.AccountNumber}&lines=3`)),
    fresh: await after('an invoice of a new customer', async () => {
      const c = await sb.fusion('customer');
      await sb.fusion(`invoice?account=${c.AccountNumber}&lines=3`);
    }),
    draft: await after('a draft', async () => {
      draft.id = (await sb.fusion(`invoice?account=${customer.AccountNumber}&lines=2&InvoiceStatus=Incomplete`)).id;
    }),
    status: await after('a status', () => sb.fusion(`invoice/${draft.id}?InvoiceStatus=Complete`)),
  };
  await own.equal(sb, at);
  worker.child.kill('SIGTERM');
  must((await worker.ended).code === 0, 'the worker did not end well');
  scene.figure(`one at a time: ${Object.entries(costs).map(([k, c]) => `${k} ${c.work + c.setup}`).join(', ')}`);
  for (const [k, most] of Object.entries(one)) {
    must(costs[k].work + costs[k].setup <= most, `${k}: ${JSON.stringify(costs[k].by)}, at most ${most}`);
  }
  await scene.over(own);
}

export async function run(scene) {
  Object.assign(scene.env, { ML_HUBSPOT_WINDOW: '1000ms' });
  await bulk(scene, process.env.E2E_LONG ? 5000 : 1000);
  await trickle(scene);
}
