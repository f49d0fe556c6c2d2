// SPDX-License-Identifier: UNLICENSED
// Switches of what HubSpot's objects allow, each as it comes and turned:
// invoices and their status, totals, payments, line items, the account.
import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { keys, provision, start } from './sandbox.mjs';

const o = '/crm/objects/2026-03';
const a = '/crm/associations/2026-03';
const sandbox = await start();
after(() => sandbox.stop());
beforeEach(async () => {
  await sandbox.control('POST', '/hubspot/reset');
  await sandbox.switches({ rate_enforced: 0 });
  await provision(sandbox);
});

const type = (id) => ({ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: id });
const post = (path, inputs, more = {}) => sandbox.send('POST', path, { inputs, ...more });
const create = (kind, properties, version = o) => sandbox.send('POST', `${version}/${kind}`, { properties });
const patch = (kind, id, properties) => sandbox.send('PATCH', `${o}/${kind}/${id}`, { properties });
const join = (from, to, x, y, id) => post(`${a}/${from}/${to}/batch/create`,
  [{ from: { id: x }, to: { id: y }, types: [type(id)] }]);

async function make(kind, properties) {
  const r = await create(kind, properties);
  assert.equal(r.status, 201, JSON.stringify(r.body));
  return r.body.id;
}
async function value(kind, id, name) {
  const r = await sandbox.send('GET', `${o}/${kind}/${id}?properties=${name}`);
  return r.body.properties[name];
}

// An invoice with a contact and line items, open unless told otherwise.
async function invoice({ billable = 'false', status = 'open', prices = ['10'] } = {}) {
  const id = await make('invoices', { hs_currency: 'USD', hs_invoice_billable: billable });
  const contact = await make('contacts', { lastname: 'c' });
  assert.equal((await join('invoices', 'contacts', id, contact, 177)).status, 201);
  for (const price of prices) {
    const line = await make('line_items', { name: 'l', price, quantity: '1' });
    assert.equal((await join('invoices', 'line_items', id, line, 409)).status, 201);
  }
  if (status !== 'draft') {
    assert.equal((await patch('invoices', id, { hs_invoice_status: status })).status, 200);
  }
  return id;
}

describe('the status of an invoice', () => {
  for (const [name, billable, to, as, turned] of [
    ['paid_billable', 'true', 'paid', 400, 200],
    ['voided_billable', 'true', 'voided', 400, 200],
    ['paid_nonbillable', 'false', 'paid', 200, 400],
    ['voided_nonbillable', 'false', 'voided', 200, 400],
  ]) {
    test(name, async () => {
      const move = async () => (await patch('invoices', await invoice({ billable }),
        { hs_invoice_status: to })).status;
      assert.equal(await move(), as);
      await sandbox.switches({ [name]: as === 400 ? 1 : 0 });
      assert.equal(await move(), turned);
    });
  }

  test('status_back', async () => {
    const id = await invoice();
    const back = async () => (await patch('invoices', id, { hs_invoice_status: 'draft' })).status;
    assert.equal(await back(), 400);
    await sandbox.switches({ status_back: 1 });
    assert.equal(await back(), 200);
  });

  test('delete_open', async () => {
    const gone = async () => (await sandbox.send('DELETE', `${o}/invoices/${await invoice()}`)).status;
    assert.equal(await gone(), 204);
    await sandbox.switches({ delete_open: 0 });
    assert.equal(await gone(), 400);
  });
});

describe('an invoice\'s values', () => {
  test('past_due_billable', async () => {
    const past = (billable) => create('invoices', { hs_currency: 'USD', hs_invoice_billable: billable,
      hs_due_date: '2020-01-01T00:00:00Z' });
    assert.equal((await past('true')).status, 400);
    assert.equal((await past('false')).status, 201);
    await sandbox.switches({ past_due_billable: 0 });
    assert.equal((await past('true')).status, 201);
  });

  test('billable_flip', async () => {
    const id = await invoice({ status: 'draft' });
    const flip = async (to) => (await patch('invoices', id, { hs_invoice_billable: to })).status;
    assert.equal(await flip('true'), 200);
    await sandbox.switches({ billable_flip: 0 });
    assert.equal(await flip('false'), 400);
    assert.equal(await flip('true'), 200);
  });

  test('total_first_line', async () => {
    const total = async () => value('invoices', await invoice({ billable: 'true', prices: ['10', '5'],
      status: 'draft' }), 'hs_amount_billed');
    assert.equal(Number(await total()), 15);
    await sandbox.switches({ total_first_line: 1 });
    assert.equal(Number(await total()), 10);
  });

  test('currency_checked', async () => {
    const odd = async () => (await create('invoices', { hs_currency: 'XTS' })).status;
    assert.equal(await odd(), 400);
    await sandbox.switches({ currency_checked: 0 });
    assert.equal(await odd(), 201);
  });

  test('calculated_ignored', async () => {
    const id = await invoice();
    const write = () => patch('invoices', id, { hs_balance_due: '3', hs_comments: 'x' });
    assert.equal((await write()).body.errors[0].code, 'READ_ONLY_VALUE');
    await sandbox.switches({ calculated_ignored: 1 });
    assert.equal((await write()).status, 200);
    assert.deepEqual([await value('invoices', id, 'hs_comments'),
      Number(await value('invoices', id, 'hs_balance_due'))], ['x', 10]);
  });
});

describe('payments', () => {
  const payment = () => ({ hs_initial_amount: '10', hs_initiated_date: '2026-01-01T00:00:00Z',
    hs_latest_status: 'succeeded' });

  test('payments_enabled', async () => {
    assert.equal((await create('commerce_payments', payment())).status, 201);
    await sandbox.switches({ payments_enabled: 0 });
    assert.equal((await create('commerce_payments', payment())).status, 403);
    assert.equal((await sandbox.send('GET', `${o}/commerce_payments`)).status, 200);
  });

  test('payment_pays', async () => {
    for (const [mode, billable, not] of [[0, 'open', 'open'], [1, 'paid', 'open'], [2, 'paid', 'paid']]) {
      await sandbox.switches({ payment_pays: mode });
      for (const [kind, want] of [['true', billable], ['false', not]]) {
        const id = await invoice({ billable: kind });
        const paid = await make('commerce_payments', payment());
        assert.equal((await join('commerce_payments', 'invoices', paid, id, 542)).status, 201);
        assert.equal(await value('invoices', id, 'hs_invoice_status'), want, `${mode} ${kind}`);
      }
    }
  });
});

describe('line items and companies', () => {
  test('negative_quantity', async () => {
    const make = async () => (await create('line_items', { name: 'l', price: '1', quantity: '-1' })).status;
    assert.equal(await make(), 201);
    await sandbox.switches({ negative_quantity: 0 });
    assert.equal(await make(), 400);
  });

  test('line_single_parent', async () => {
    const line = await make('line_items', { name: 'l', price: '1' });
    const to = async () => (await join('invoices', 'line_items',
      await make('invoices', { hs_currency: 'USD' }), line, 409)).status;
    assert.deepEqual([await to(), await to()], [201, 207]);
    await sandbox.switches({ line_single_parent: 0 });
    assert.equal(await to(), 201);
  });

  test('primary_by_itself', async () => {
    const types = async () => {
      const contact = await make('contacts', { lastname: 'c' });
      await join('contacts', 'companies', contact, await make('companies', { name: 'c' }), 279);
      const { associations } = await sandbox.control('GET', `/hubspot/objects/contacts/${contact}`);
      return associations[0].types.sort();
    };
    assert.deepEqual(await types(), [279]);
    await sandbox.switches({ primary_by_itself: 1 });
    assert.deepEqual(await types(), [1, 279]);
  });

  test('association_read_none', async () => {
    const contact = await make('contacts', { lastname: 'c' });
    const read = () => post(`${a}/contacts/companies/batch/read`, [{ id: contact }]);
    assert.deepEqual((await read()).body.results[0].to, []);
    await sandbox.switches({ association_read_none: 1 });
    const r = await read();
    assert.deepEqual([r.status, r.body.errors[0].subCategory],
      [207, 'crm.associations.NO_ASSOCIATIONS_FOUND']);
  });
});

describe('statuses and the account', () => {
  test('batch_create_status', async () => {
    const make = async () => (await post(`${o}/companies/batch/create`, [{ properties: { name: 'c' } }])).status;
    assert.equal(await make(), 201);
    await sandbox.switches({ batch_create_status: 200 });
    assert.equal(await make(), 200);
  });

  test('association_create_status', async () => {
    const contact = await make('contacts', { lastname: 'c' });
    const company = await make('companies', { name: 'c' });
    const status = async (version) => (await post(`/crm/associations/${version}/contacts/companies/batch/create`,
      [{ from: { id: contact }, to: { id: company }, types: [type(279)] }])).status;
    assert.deepEqual([await status('2026-03'), await status('2026-09')], [201, 200]);
    await sandbox.switches({ association_create_status: 200 });
    assert.equal(await status('2026-03'), 200);
  });

  test('missing_required_2026_09', async () => {
    await sandbox.control('POST', '/hubspot/portal', { required: { companies: ['city'] } });
    const both = async () => [(await create('companies', { name: 'c' })).status,
      (await create('companies', { name: 'c' }, '/crm/objects/2026-09')).status];
    assert.deepEqual(await both(), [201, 400]);
    await sandbox.switches({ missing_required_2026_09: 2 });
    assert.deepEqual(await both(), [400, 400]);
    await sandbox.switches({ missing_required_2026_09: 0 });
    assert.deepEqual(await both(), [201, 201]);
  });

  test('sandbox_account', async () => {
    const kind = async () => (await sandbox.send('GET', '/account-info/v3/details')).body.accountType;
    assert.equal(await kind(), 'STANDARD');
    await sandbox.switches({ sandbox_account: 1 });
    assert.equal(await kind(), 'DEVELOPER_TEST');
  });

  test('latency_us, latency_input_us, latency_jitter_us', async () => {
    const span = async (n) => {
      const sent = Date.now();
      const { body } = await post(`${o}/companies/batch/upsert`, Array.from({ length: n }, (_, i) => (
        { id: `k${i}`, idProperty: keys.companies, properties: { name: 'c' } })));
      const ms = Date.parse(body.completedAt) - Date.parse(body.startedAt);
      assert.ok(Date.now() - sent >= ms - 1, 'nobody waits less than what the answer tells');
      return ms;
    };
    await sandbox.switches({ latency_input_us: 10000 });
    assert.ok(await span(5) >= 50);
    await sandbox.switches({ latency_us: 20000 });
    assert.ok(await span(1) >= 30);
    await sandbox.switches({ latency_input_us: 0, latency_us: 0, latency_jitter_us: 80000 });
    const all = [];
    for (let i = 0; i < 12; i++) all.push(await span(1));
    assert.ok(Math.max(...all) > Math.min(...all) + 10, all.join(' '));
  });
});
