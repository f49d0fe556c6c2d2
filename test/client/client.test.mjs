// SPDX-License-Identifier: UNLICENSED
// The official client does with ml-sandbox what it does with HubSpot: creates,
// upserts, associates and reads back all five objects, and meets its errors.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '@hubspot/api-client';
import { keys, provision, start } from './sandbox.mjs';

let sandbox;
let client;

before(async () => {
  sandbox = await start();
  await provision(sandbox);
  client = new Client({ accessToken: sandbox.token, basePath: sandbox.url,
    limiterOptions: { minTime: 0, maxConcurrent: 6 } });
});
after(async () => {
  assert.equal(await sandbox.stop(), 0);
});

const apis = {
  contacts: () => client.crm.contacts,
  companies: () => client.crm.companies,
  line_items: () => client.crm.lineItems,
  invoices: () => client.crm.commerce.invoices,
  commerce_payments: () => ({
    basicApi: wrap(client.crm.objects.basicApi, 'commerce_payments'),
    batchApi: wrap(client.crm.objects.batchApi, 'commerce_payments'),
    searchApi: wrap(client.crm.objects.searchApi, 'commerce_payments'),
  }),
};

// The generic API takes the type first.
function wrap(api, type) {
  return new Proxy(api, {
    get: (target, name) => (...args) => target[name](type, ...args),
  });
}

const samples = {
  contacts: (n) => ({ email: `User${n}@Example.com`, lastname: `L\u00e9${n}` }),
  companies: (n) => ({ name: `Company "${n}"`, domain: `c${n}.example` }),
  invoices: (n) => ({ hs_currency: 'USD', hs_invoice_billable: 'false',
    hs_number: `INV-${n}`, hs_due_date: '2024-03-01', hs_amount_billed: '30.50' }),
  line_items: (n) => ({ name: `Line ${n}`, quantity: '2', price: '15.25' }),
  commerce_payments: (n) => ({ hs_initial_amount: '30.50',
    hs_initiated_date: '1709251200000', hs_latest_status: 'succeeded',
    hs_reference_number: `R-${n}` }),
};

async function fails(code, promise) {
  try {
    await promise;
  } catch (e) {
    assert.equal(e.code, code, `${e.code}: ${JSON.stringify(e.body)}`);
    return e;
  }
  return assert.fail(`expected ${code}`);
}

const ids = {};

for (const [type, key] of Object.entries(keys)) {
  test(`${type}: create, read, update`, async () => {
    const api = apis[type]();
    const made = await api.basicApi.create(
      { properties: { ...samples[type](0), [key]: 'K-0' }, associations: [] });
    assert.match(made.id, /^[0-9]+$/);
    const read = await api.basicApi.getById(made.id, [key]);
    assert.equal(read.properties[key], 'K-0');
    assert.equal(read.archived, false);
    const list = await api.basicApi.getPage(1, undefined, [key]);
    assert.equal(list.results.length, 1);
    const name = Object.keys(samples[type](0)).at(-1);
    const value = samples[type](7)[name];
    await api.basicApi.update(made.id, { properties: { [name]: value } });
    const again = await api.basicApi.getById(made.id, [name]);
    assert.equal(again.properties[name], value);
  });

  test(`${type}: batch upsert of 100, batch read by key`, async () => {
    const api = apis[type]();
    const inputs = [...Array(100).keys()].map((i) => ({
      id: `K-${i + 1}`, idProperty: key, objectWriteTraceId: `t-${i + 1}`,
      properties: { ...samples[type](i + 1), [key]: `K-${i + 1}` },
    }));
    const first = await api.batchApi.upsert({ inputs });
    assert.equal(first.status, 'COMPLETE');
    assert.equal(first.results.length, 100);
    assert.ok(first.results.every((r) => r._new === true));
    assert.ok(first.results.some((r, i) => r.properties[key] !== `K-${i + 1}`),
      'results come in another order');
    const second = await api.batchApi.upsert({ inputs });
    assert.ok(second.results.every((r) => r._new === false));
    const read = await api.batchApi.read({ idProperty: key, properties: [key],
      propertiesWithHistory: [], inputs: inputs.map(({ id }) => ({ id })) });
    assert.equal(read.results.length, 100);
    ids[type] = new Map(read.results.map((r) => [r.properties[key], r.id]));
    assert.equal(ids[type].size, 100);
  });

  test(`${type}: search finds after the lag`, async () => {
    const api = apis[type]();
    const query = { filterGroups: [{ filters: [
      { propertyName: key, operator: 'EQ', value: 'K-5' }] }],
    properties: [key], limit: 10, sorts: [], after: undefined };
    assert.equal((await api.searchApi.doSearch(query)).total, 0);
    await sandbox.switches({ search_lag_ms: 0, search_per_second: 100 });
    await api.batchApi.upsert({ inputs: [{ id: 'K-now', idProperty: key,
      properties: { ...samples[type](901), [key]: 'K-now' } }] });
    query.filterGroups[0].filters[0].value = 'K-now';
    const found = await api.searchApi.doSearch(query);
    assert.equal(found.total, 1);
    await sandbox.switches({ search_lag_ms: 7000 });
    await api.basicApi.archive(found.results[0].id);
    await fails(404, api.basicApi.getById(found.results[0].id));
  });
}

const pairs = [
  ['contacts', 'companies', 279], ['invoices', 'contacts', 177],
  ['invoices', 'companies', 179], ['invoices', 'line_items', 409],
  ['invoices', 'commerce_payments', 541], ['commerce_payments', 'contacts', 387],
  ['commerce_payments', 'companies', 389],
];

for (const [from, to, typeId] of pairs) {
  test(`${from} to ${to}: typed and default associations`, async () => {
    const api = client.crm.associations.v4;
    const pair = (n) => ({ _from: { id: ids[from].get(`K-${n}`) },
      to: { id: ids[to].get(`K-${n}`) } });
    const made = await api.batchApi.create(from, to, { inputs: [1, 2, 3].map(
      (n) => ({ ...pair(n), types: [
        { associationCategory: 'HUBSPOT_DEFINED', associationTypeId: typeId }] })) });
    assert.equal(made.results.length, 3);
    const unlabelled = await api.batchApi.createDefault(from, to,
      { inputs: [3, 4].map(pair) });
    assert.equal(unlabelled.results.length, 4, 'both directions');
    const read = await api.batchApi.getPage(from, to,
      { inputs: [1, 2, 3, 4].map((n) => ({ id: pair(n)._from.id })) });
    assert.equal(read.results.length, 4);
    for (const r of read.results) {
      assert.equal(r.to.length, 1);
      assert.deepEqual(r.to[0].associationTypes.map((t) => t.typeId), [typeId]);
    }
    const back = await api.basicApi.getPage(to, pair(1).to.id, from);
    assert.equal(String(back.results[0].toObjectId), pair(1)._from.id);
    await api.batchApi.archive(from, to, { inputs: [
      { _from: pair(4)._from, to: [pair(4).to] }] });
    const gone = await api.basicApi.getPage(from, pair(4)._from.id, to);
    assert.equal(gone.results.length, 0);
  });
}

test('an invoice leaves draft with its parts and is read back whole', async () => {
  const id = ids.invoices.get('K-1');
  const invoices = client.crm.commerce.invoices;
  await invoices.batchApi.update({ inputs: [{ id,
    properties: { hs_invoice_status: 'open' } }] });
  const read = await invoices.basicApi.getById(id, ['hs_invoice_status',
    'hs_balance_due', 'hs_amount_billed', 'hs_due_date'], undefined,
  ['contacts', 'companies', 'line_items', 'commerce_payments']);
  assert.equal(read.properties.hs_invoice_status, 'open');
  assert.equal(Number(read.properties.hs_balance_due), 0);
  assert.equal(read.properties.hs_due_date, '2024-03-01T00:00:00.000Z');
  assert.equal(read.associations.contacts.results.length, 1);
  assert.equal(read.associations['line items'].results.length, 1);
});

test('a contact with a taken e-mail is a 409 that names the other', async () => {
  const e = await fails(409, client.crm.contacts.basicApi.create(
    { properties: { email: 'USER1@example.com' }, associations: [] }));
  assert.equal(e.body.category, 'CONFLICT');
  assert.equal(e.body.message,
    `Contact already exists. Existing ID: ${ids.contacts.get('K-1')}`);
});

test('with trace ids the good input is written and the bad one named', async () => {
  const made = await client.crm.contacts.batchApi.create({ inputs: [
    { objectWriteTraceId: 'bad', properties: { email: 'user1@example.com' }, associations: [] },
    { objectWriteTraceId: 'good', properties: { email: 'new@example.com' }, associations: [] },
  ] });
  assert.equal(made.results.length, 1);
  assert.equal(made.results[0].objectWriteTraceId, 'good');
  assert.equal(made.numErrors, 1);
  assert.deepEqual(made.errors[0].context.objectWriteTraceId, ['bad']);
  assert.equal(made.errors[0].category, 'CONFLICT');
});

test('a property that exists is a 409', async () => {
  const e = await fails(409, client.crm.properties.coreApi.create('invoices', {
    name: keys.invoices, label: 'x', type: 'string', fieldType: 'text',
    groupName: 'oracle_fusion' }));
  assert.equal(e.body.category, 'OBJECT_ALREADY_EXISTS');
});

test('over the limit is a 429 with its policy, and the window ends it', async () => {
  await sandbox.switches({ rate_limit: 5, rate_window_ms: 400,
    rate_count_refused: 0 });
  const calls = await Promise.allSettled([...Array(12).keys()].map(
    () => client.crm.companies.basicApi.getPage(1)));
  const refused = calls.filter((c) => c.status === 'rejected');
  assert.ok(refused.length >= 1 && refused.length <= 12);
  for (const { reason } of refused) {
    assert.equal(reason.code, 429);
    assert.equal(reason.body.policyName, 'TEN_SECONDLY_ROLLING');
    assert.equal(reason.headers['x-hubspot-ratelimit-interval-milliseconds'],
      '400');
    assert.equal(reason.headers['retry-after'], undefined);
  }
  const patient = new Client({ accessToken: sandbox.token,
    basePath: sandbox.url, limiterOptions: { minTime: 100, maxConcurrent: 1 } });
  for (let i = 0; i < 6; i++) {
    await patient.crm.companies.basicApi.getPage(1).catch((e) => {
      assert.equal(e.code, 429);
    });
  }
  await patient.crm.companies.basicApi.getPage(1);
  await sandbox.switches({ rate_limit: 190, rate_window_ms: 10000 });
});

test('the worker\'s records are readable', {
  skip: process.env.ML_HUBSPOT_URL ? false : 'ML_HUBSPOT_URL is not set',
}, async () => {
  const { readFileSync } = await import('node:fs');
  const worker = new Client({
    accessToken: readFileSync(process.env.ML_HUBSPOT_TOKEN_FILE, 'utf8').trim(),
    basePath: process.env.ML_HUBSPOT_URL });
  const all = await worker.crm.commerce.invoices.basicApi.getPage(100, undefined,
    ['fusion_transaction_id', 'hs_invoice_billable', 'hs_invoice_status',
      'hs_amount_billed'], undefined, ['contacts', 'companies', 'line_items']);
  assert.ok(all.results.length > 0, 'no invoice was written');
  for (const invoice of all.results) {
    assert.ok(invoice.properties.fusion_transaction_id);
    assert.equal(invoice.properties.hs_invoice_billable, 'false');
    if (invoice.properties.hs_invoice_status !== 'draft') {
      assert.ok(invoice.associations['line items'].results.length > 0);
      assert.equal(invoice.associations.contacts.results.length, 1);
      assert.equal(invoice.associations.companies.results.length, 1);
    }
  }
  const payments = await worker.crm.objects.basicApi.getPage('commerce_payments',
    100, undefined, ['fusion_payment_key', 'hs_latest_status']);
  for (const payment of payments.results) {
    assert.ok(payment.properties.fusion_payment_key);
  }
  const one = all.results[0].properties.fusion_transaction_id;
  const again = await worker.crm.commerce.invoices.batchApi.read({
    idProperty: 'fusion_transaction_id', properties: [],
    propertiesWithHistory: [], inputs: [{ id: one }] });
  assert.equal(again.results[0].id, all.results[0].id);
});
