// SPDX-License-Identifier: UNLICENSED
// What nobody has told about HubSpot, or what it does only at times: the
// switches for that, each as it comes and turned.
import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { definition, keys, provision, start } from './sandbox.mjs';

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
const range = (n, of) => Array.from({ length: n }, (_, i) => of(i));
const post = (path, inputs, more = {}) => sandbox.send('POST', path, { inputs, ...more });
const upserts = (n, more = () => ({})) => range(n, (i) => ({ id: `k${i}`,
  idProperty: keys.companies, properties: { name: `c${i}` }, ...more(i) }));

async function make(kind, properties, associations = []) {
  const r = await sandbox.send('POST', `${o}/${kind}`, { properties, associations });
  assert.equal(r.status, 201, JSON.stringify(r.body));
  return r.body.id;
}
const archive = (kind, id) => sandbox.control('DELETE', `/hubspot/objects/${kind}/${id}`);
const shown = (kind, id) => sandbox.control('GET', `/hubspot/objects/${kind}/${id}`);
const numbers = (list) => list.map(Number);
const sorted = (list) => [...list].sort((x, y) => x - y);

describe('order', () => {
  test('ids do not follow the order of the inputs', async () => {
    const r = await post(`${o}/companies/batch/upsert`, upserts(40));
    const byKey = new Map(r.body.results.map((x) => [x.properties[keys.companies], x.id]));
    const ids = numbers(range(40, (i) => byKey.get(`k${i}`)));
    assert.notDeepEqual(ids, sorted(ids));
    await sandbox.switches({ shuffle: 0 });
    const again = await post(`${o}/contacts/batch/create`,
      range(40, (i) => ({ properties: { email: `e${i}@example.com` } })));
    const plain = numbers(again.body.results.map((x) => x.id));
    assert.deepEqual(plain, sorted(plain));
  });

  test('the same calls to an empty portal give the same ids', async () => {
    const once = async () => {
      const r = await post(`${o}/companies/batch/upsert`, upserts(20));
      return r.body.results.map((x) => `${x.id} ${x.properties[keys.companies]}`).sort();
    };
    const first = await once();
    await sandbox.control('POST', '/hubspot/reset');
    await provision(sandbox);
    assert.deepEqual(await once(), first);
  });

  test('errors of a 207, results of reads and associations are mixed', async () => {
    const made = await post(`${o}/companies/batch/upsert`, upserts(30));
    const ids = made.body.results.map((x) => x.id);
    const wrong = await post(`${o}/companies/batch/create`, range(30, (i) => ({
      objectWriteTraceId: `t${i}`, properties: { nope: '1' } })));
    const traces = numbers(wrong.body.errors.map((e) => e.context.objectWriteTraceId[0].slice(1)));
    assert.equal(wrong.body.numErrors, 30);
    assert.notDeepEqual(traces, sorted(traces));
    const read = await post(`${o}/companies/batch/read`, range(30, (i) => ({ id: `k${i}` })),
      { idProperty: keys.companies, properties: [keys.companies] });
    const found = numbers(read.body.results.map((x) => x.properties[keys.companies].slice(1)));
    assert.notDeepEqual(found, sorted(found));
    const contact = await make('contacts', { email: 'x@example.com' });
    const linked = await post(`${a}/contacts/companies/batch/create`,
      ids.map((id) => ({ from: { id: contact }, to: { id }, types: [type(279)] })));
    assert.equal(linked.status, 201);
    const to = linked.body.results.map((x) => String(x.toObjectId));
    assert.notDeepEqual(to, ids);
    assert.deepEqual([...to].sort(), [...ids].sort());
    const links = await post(`${a}/contacts/companies/batch/read`, [{ id: contact }]);
    const order = links.body.results[0].to.map((x) => x.toObjectId);
    assert.equal(order.length, 30);
    assert.notDeepEqual(order, sorted(order));
    const many = await post(`${a}/companies/contacts/batch/read`, ids.map((id) => ({ id })));
    assert.notDeepEqual(many.body.results.map((x) => x.from.id), ids);
  });

  test('which of two that clash in one batch is refused is not the second one', async () => {
    const seen = new Set();
    for (let i = 0; i < 40 && seen.size < 2; i++) {
      const r = await post(`${o}/contacts/batch/create`, ['a', 'b'].map((t) => ({
        objectWriteTraceId: t, properties: { email: `same${i}@example.com` } })));
      assert.equal(r.body.results.length, 1);
      seen.add(r.body.results[0].objectWriteTraceId);
    }
    assert.equal(seen.size, 2);
  });
});

describe('a batch and its answer', () => {
  test('startedAt and completedAt span the work, may be away, and a clock may step', async () => {
    const span = async () => {
      const { body } = await post(`${o}/companies/batch/upsert`, upserts(1));
      return { ms: Date.parse(body.completedAt) - Date.parse(body.startedAt), body };
    };
    await sandbox.switches({ latency_us: 40000 });
    const { ms } = await span();
    assert.ok(ms >= 40, `${ms}`);
    await sandbox.switches({ clock_ms: -3600000 });
    assert.ok(Date.now() - Date.parse((await span()).body.startedAt) > 3500000);
    await sandbox.switches({ clock_ms: 0, clock_step_every: 2, clock_step_ms: -7200000 });
    assert.ok((await span()).ms >= 40);
    assert.ok((await span()).ms < -7000000, 'it steps in the middle of every second');
    const since = Date.now() - Date.parse((await span()).body.startedAt);
    assert.ok(since > 7000000, 'and stays there');
    await sandbox.switches({ batch_times: 0 });
    const { body } = await span();
    assert.deepEqual([body.startedAt, body.completedAt], [undefined, undefined]);
  });

  test('a partly refused batch may call itself 200', async () => {
    const inputs = [{ objectWriteTraceId: 'x', properties: { nope: '1' } },
      { objectWriteTraceId: 'y', properties: { name: 'fine' } }];
    assert.equal((await post(`${o}/companies/batch/create`, inputs)).status, 207);
    await sandbox.switches({ partial_status: 200 });
    const r = await post(`${o}/companies/batch/create`, inputs);
    assert.deepEqual([r.status, r.body.results.length, r.body.numErrors], [200, 1, 1]);
    assert.equal((await post(`${o}/companies/batch/read`, [{ id: '1' }])).status, 200);
    assert.equal((await post(`${a}/contacts/companies/batch/create`,
      [{ from: { id: '1' }, to: { id: '2' }, types: [type(279)] }])).status, 200);
  });

  test('errors may be lost, too', async () => {
    await sandbox.switches({ lose_error_every: 2 });
    const r = await post(`${o}/companies/batch/create`, range(4, (i) => ({
      objectWriteTraceId: `t${i}`, properties: { nope: '1' } })));
    assert.deepEqual([r.body.results.length, r.body.errors.length, r.body.numErrors], [0, 2, 2]);
  });
});

describe('dead ids', () => {
  test('an update of an archived record: not found, lost in the bin, or restored', async () => {
    const id = await make('companies', { name: 'old' });
    const patch = () => sandbox.send('PATCH', `${o}/companies/${id}`, { properties: { name: 'new' } });
    const batch = () => post(`${o}/companies/batch/update`, [{ id, properties: { name: 'new' } }]);
    await archive('companies', id);
    assert.equal((await patch()).status, 404);
    const missing = await batch();
    assert.deepEqual([missing.status, missing.body.errors[0].category, missing.body.errors[0].context.ids],
      [207, 'OBJECT_NOT_FOUND', [id]]);
    await sandbox.switches({ archived_update: 1 });
    assert.equal((await patch()).status, 200);
    assert.equal((await batch()).status, 200);
    assert.equal((await shown('companies', id)).archived, true);
    await sandbox.switches({ archived_update: 2 });
    assert.equal((await patch()).status, 200);
    assert.equal((await shown('companies', id)).archived, false);
  });

  test('the id of a record merged away is the other one\'s, or nobody\'s', async () => {
    const into = await make('companies', { name: 'stays' });
    const gone = await make('companies', { name: 'goes' });
    const contact = await make('contacts', { email: 'c@example.com' });
    const link = () => post(`${a}/contacts/companies/batch/create`,
      [{ from: { id: contact }, to: { id: gone }, types: [type(279)] }]);
    await sandbox.control('POST', '/hubspot/merge/companies', { into, gone });
    assert.equal((await sandbox.send('GET', `${o}/companies/${gone}`)).body.id, into);
    assert.equal((await post(`${o}/companies/batch/read`, [{ id: gone }])).body.results[0].id, into);
    assert.equal(String((await link()).body.results[0].toObjectId), into);
    await sandbox.switches({ merged_id: 1 });
    assert.equal((await sandbox.send('GET', `${o}/companies/${gone}`)).status, 404);
    assert.deepEqual((await post(`${o}/companies/batch/read`, [{ id: gone }])).body.errors[0].context.ids,
      [gone]);
    const dead = await link();
    assert.deepEqual([dead.status, dead.body.errors[0].subCategory, dead.body.errors[0].context.id],
      [207, 'crm.associations.INVALID_IDENTIFIER', [gone]]);
  });

  test('an association with an archived record fails alone; without context when so set', async () => {
    const ids = [await make('companies', { name: '1' }), await make('companies', { name: '2' })];
    const contact = await make('contacts', { email: 'c@example.com' });
    await archive('companies', ids[0]);
    const link = () => post(`${a}/contacts/companies/batch/create`,
      ids.map((id) => ({ from: { id: contact }, to: { id }, types: [type(279)] })));
    const r = await link();
    assert.equal(r.status, 207);
    assert.equal(String(r.body.results[0].toObjectId), ids[1]);
    assert.deepEqual(r.body.errors[0].context.id, [ids[0]]);
    await sandbox.switches({ error_context: 0 });
    assert.equal((await link()).body.errors[0].context, undefined);
  });

  test('a 404 of one record may say little', async () => {
    const get = () => sandbox.send('GET', `${o}/companies/1`);
    assert.equal((await get()).body.category, 'OBJECT_NOT_FOUND');
    await sandbox.switches({ missing_body: 1 });
    assert.deepEqual([(await get()).status, (await get()).body.category], [404, undefined]);
    await sandbox.switches({ missing_body: 2 });
    assert.deepEqual([(await get()).status, (await get()).body], [404, '']);
  });
});

describe('associations within a create', () => {
  const inputs = (targets, trace = true) => targets.map(([id, t], i) => ({
    ...(trace ? { objectWriteTraceId: `t${i}` } : {}),
    properties: { email: `n${i}@example.com` },
    associations: [{ to: { id }, types: [type(t)] }],
  }));
  const create = (list) => post(`${o}/contacts/batch/create`, list);
  const count = async () => (await sandbox.control('GET', '/hubspot/objects/contacts')).count;

  test('unknown and archived targets: 207 by trace id, else the whole batch', async () => {
    const fine = await make('companies', { name: 'fine' });
    const dead = await make('companies', { name: 'dead' });
    await archive('companies', dead);
    const list = [[fine, 279], [dead, 279], ['77', 279]];
    const whole = await create(inputs(list, false));
    assert.deepEqual([whole.status, whole.body.subCategory],
      [400, 'crm.associations.INVALID_IDENTIFIER']);
    assert.equal(await count(), 0);
    const r = await create(inputs(list));
    assert.equal(r.status, 207);
    assert.deepEqual(r.body.results.map((x) => x.objectWriteTraceId), ['t0']);
    assert.deepEqual(r.body.errors.map((e) => [e.context.objectWriteTraceId[0], e.context.id[0],
      e.subCategory]).sort(), [['t1', dead, 'crm.associations.INVALID_IDENTIFIER'],
      ['t2', '77', 'crm.associations.INVALID_IDENTIFIER']]);
    assert.equal(await count(), 1);
    const made = await shown('contacts', r.body.results[0].id);
    assert.deepEqual(made.associations, [{ to: 'companies', id: fine, types: [279] }]);
  });

  test('a wrong type id: its input alone, or the whole batch', async () => {
    const company = await make('companies', { name: 'c' });
    const list = [[company, 279], [company, 4711], [company, 409]];
    const r = await create(inputs(list));
    assert.deepEqual([r.status, r.body.results.length, r.body.errors.length], [207, 1, 2]);
    assert.match(r.body.errors[0].message, /Association type \d+ is not valid/);
    await sandbox.switches({ association_type_whole: 1 });
    assert.equal((await create(inputs(list))).status, 400);
    assert.equal((await create(inputs(list, false))).status, 400);
    assert.equal(await count(), 1);
  });

  test('a line item goes to one invoice only', async () => {
    const line = await make('line_items', { name: 'l', price: '1' });
    const invoice = (t) => ({ objectWriteTraceId: t, properties: { hs_currency: 'USD' },
      associations: [{ to: { id: line }, types: [type(409)] }] });
    const two = await post(`${o}/invoices/batch/create`, [invoice('a'), invoice('b')]);
    assert.deepEqual([two.status, two.body.results.length, two.body.errors[0].context.id],
      [207, 1, [line]]);
    const third = await post(`${o}/invoices/batch/create`, [invoice('c')]);
    assert.deepEqual([third.status, third.body.results.length], [207, 0]);
  });
});

test('a record has no more associations of a type than its limit', async () => {
  await sandbox.switches({ association_limit: 2 });
  const contact = await make('contacts', { email: 'c@example.com' });
  const made = await post(`${o}/companies/batch/upsert`, upserts(3));
  const link = () => post(`${a}/contacts/companies/batch/create`, made.body.results.map(({ id }) => (
    { from: { id: contact }, to: { id }, types: [type(279)] })));
  const r = await link();
  assert.deepEqual([r.status, r.body.results.length, r.body.errors.length], [207, 2, 1]);
  assert.equal((await link()).body.results.length, 2, 'those that are there are no more');
});

test('1,001 associations to read are too many', async () => {
  const read = (n) => post(`${a}/contacts/companies/batch/read`, range(n, (i) => ({ id: `${i + 1}` })));
  assert.equal((await read(1000)).status, 207);
  assert.equal((await read(1001)).status, 400);
});

describe('a record that two write at once', () => {
  const write = () => post(`${o}/companies/batch/upsert`, upserts(2));

  test('is locked: 423, and again until the lock ends', async () => {
    await sandbox.switches({ latency_us: 200000, lock_ms: 600000 });
    const two = await Promise.all([write(), write()]);
    assert.deepEqual(two.map((r) => r.status).sort(), [200, 423]);
    await sandbox.switches({ latency_us: 0 });
    const third = await write();
    assert.deepEqual([third.status, third.body.category], [423, 'LOCKED']);
    const [{ id }] = two.find((r) => r.status === 200).body.results;
    assert.equal((await sandbox.send('PATCH', `${o}/companies/${id}`,
      { properties: { name: 'x' } })).status, 423);
    assert.equal((await post(`${o}/companies/batch/upsert`, [{ id: 'free',
      idProperty: keys.companies, properties: { name: 'x' } }])).status, 200);
  });

  test('is written by one after the other, or when the lock is off', async () => {
    await sandbox.switches({ latency_us: 20000 });
    assert.deepEqual([(await write()).status, (await write()).status], [200, 200]);
    await sandbox.switches({ lock_ms: 0 });
    const two = await Promise.all([write(), write()]);
    assert.deepEqual(two.map((r) => r.status), [200, 200]);
    await sandbox.switches({ latency_us: 0, lock_ms: 600000, lock_within_ms: 600000 });
    assert.deepEqual([(await write()).status, (await write()).status], [200, 423]);
  });
});

describe('e-mail addresses of contacts', () => {
  const email = (address) => sandbox.send('POST', `${o}/contacts`, { properties: { email: address } });
  const byEmail = (address) => post(`${o}/contacts/batch/read`, [{ id: address }], { idProperty: 'email' });

  test('further ones are unique as well, and lead to their contact', async () => {
    const id = await make('contacts', { email: 'one@example.com',
      hs_additional_emails: 'two@example.com;Three@example.com' });
    const r = await email('THREE@example.com');
    assert.deepEqual([r.status, r.body.category, r.body.message],
      [409, 'CONFLICT', `Contact already exists. Existing ID: ${id}`]);
    assert.equal((await byEmail('two@example.com')).body.results[0].id, id);
    await sandbox.switches({ additional_emails: 1 });
    assert.equal((await email('two@example.com')).status, 409);
    assert.equal((await byEmail('two@example.com')).body.errors.length, 1);
    await sandbox.switches({ additional_emails: 0 });
    assert.equal((await email('two@example.com')).status, 201);
  });

  test('one given up or archived is free; a merge hands it on', async () => {
    const id = await make('contacts', { email: 'one@example.com', hs_additional_emails: 'two@example.com' });
    await sandbox.send('PATCH', `${o}/contacts/${id}`, { properties: { hs_additional_emails: '' } });
    const other = await make('contacts', { email: 'two@example.com' });
    const taken = await sandbox.send('PATCH', `${o}/contacts/${id}`,
      { properties: { hs_additional_emails: 'two@example.com' } });
    assert.equal(taken.status, 400);
    assert.match(taken.body.message, new RegExp(`${other} already has that value`));
    await sandbox.control('POST', '/hubspot/merge/contacts', { into: id, gone: other });
    assert.equal((await byEmail('two@example.com')).body.results[0].id, id);
    assert.equal((await email('two@example.com')).status, 409);
    await archive('contacts', id);
    assert.equal((await email('two@example.com')).status, 201);
  });

  test('a conflict may keep the other one\'s id to itself', async () => {
    await make('contacts', { email: 'one@example.com' });
    await sandbox.switches({ conflict_id: 0 });
    const r = await post(`${o}/contacts/batch/create`, [{ properties: { email: 'one@example.com' } }]);
    assert.deepEqual([r.status, r.body.message, r.body.context],
      [409, 'Contact already exists', undefined]);
  });
});

test('a key that another record holds: its id stands second', async () => {
  const holder = await make('companies', { name: 'a', [keys.companies]: 'K' });
  const r = await post(`${o}/companies/batch/create`,
    [{ properties: { name: 'b', [keys.companies]: 'K' } }]);
  assert.deepEqual([r.status, r.body.category], [400, 'VALIDATION_ERROR']);
  assert.match(r.body.message, new RegExp(
    `propertyName=${keys.companies}, value=K} on \\d+\\. ${holder} already has that value\\.$`));
});

test('a property deleted in the portal: unknown, whole or by input; back when made again', async () => {
  const base = '/crm/properties/2026-03/companies';
  await sandbox.send('POST', base, definition('extra'));
  await make('companies', { name: 'a', extra: '1' });
  await sandbox.control('DELETE', '/hubspot/properties/companies/extra');
  const bad = (trace) => [{ ...trace, properties: { name: 'b', extra: '2' } }];
  const whole = await post(`${o}/companies/batch/create`, bad({}));
  assert.deepEqual([whole.status, whole.body.errors[0].code, whole.body.errors[0].context.propertyName],
    [400, 'PROPERTY_DOESNT_EXIST', ['extra']]);
  const one = await post(`${o}/companies/batch/create`, bad({ objectWriteTraceId: 't' }));
  assert.deepEqual([one.status, one.body.errors[0].errors[0].code], [207, 'PROPERTY_DOESNT_EXIST']);
  assert.equal((await sandbox.send('POST', base, definition('extra'))).status, 201);
  assert.equal((await post(`${o}/companies/batch/create`, bad({}))).status, 201);
});

test('a revoked token: as an unknown one, expired, plain text, nothing', async () => {
  const token = 'pat-revoked';
  await sandbox.control('POST', '/hubspot/tokens', { token, state: 'revoked' });
  const get = () => sandbox.send('GET', `${o}/companies`, undefined, { authorization: `Bearer ${token}` });
  const seen = [];
  for (const revoked_body of [0, 1, 2, 3]) {
    await sandbox.switches({ revoked_body });
    const r = await get();
    assert.equal(r.status, 401);
    seen.push(r.body.category ?? r.body);
  }
  assert.deepEqual(seen, ['INVALID_AUTHENTICATION', 'EXPIRED_AUTHENTICATION', 'Unauthorized', '']);
});

test('a 403 names its scopes in the errors or at the top', async () => {
  const token = 'pat-less';
  await sandbox.control('POST', '/hubspot/tokens', { token, without: ['crm.objects.contacts.read'] });
  const get = () => sandbox.send('GET', `${o}/contacts`, undefined, { authorization: `Bearer ${token}` });
  assert.deepEqual((await get()).body.errors[0].context.requiredGranularScopes, ['crm.objects.contacts.read']);
  await sandbox.switches({ scopes_context: 1 });
  const { body } = await get();
  assert.deepEqual([body.context.requiredGranularScopes, body.errors], [['crm.objects.contacts.read'], undefined]);
});

test('an upsert by e-mail may be refused', async () => {
  const upsert = () => post(`${o}/contacts/batch/upsert`,
    [{ id: 'one@example.com', idProperty: 'email', properties: { lastname: 'One' } }]);
  assert.equal((await upsert()).status, 200);
  await sandbox.switches({ email_upsert: 0 });
  assert.equal((await upsert()).status, 400);
});

test('an association type may have another id in a portal', async () => {
  const contact = await make('contacts', { email: 'c@example.com' });
  const company = await make('companies', { name: 'c' });
  const ids = async () => (await sandbox.send('GET', `${a}/contacts/companies/labels`)).body.results
    .map((t) => t.typeId);
  const link = (id) => post(`${a}/contacts/companies/batch/create`,
    [{ from: { id: contact }, to: { id: company }, types: [type(id)] }]);
  assert.deepEqual(sorted(await ids()), [1, 279, 931]);
  await sandbox.switches({ type_missing: 279 });
  assert.deepEqual(sorted(await ids()), [1, 931, 9279]);
  assert.equal((await link(279)).status, 400);
  assert.equal((await link(1)).status, 201);
  const created = await post(`${o}/contacts/batch/create`, [{ properties: { email: 'd@example.com' },
    associations: [{ to: { id: company }, types: [type(279)] }] }]);
  assert.equal(created.status, 400);
});

test('a primary company may be an unlabelled one by that alone', async () => {
  const primary = async (n) => {
    const company = await make('companies', { name: 'c' });
    const id = await make('contacts', { email: `c${n}@example.com` },
      [{ to: { id: company }, types: [type(1)] }]);
    return sorted((await shown('contacts', id)).associations[0].types);
  };
  assert.deepEqual(await primary(1), [1]);
  await sandbox.switches({ primary_implies: 1 });
  assert.deepEqual(await primary(2), [1, 279]);
});

test('an invoice that left draft may be closed to changes but of its status', async () => {
  await sandbox.switches({ open_needs_parts: 0 });
  const id = await make('invoices', { hs_currency: 'USD', hs_invoice_billable: 'false' });
  const patch = (properties) => sandbox.send('PATCH', `${o}/invoices/${id}`, { properties });
  assert.equal((await patch({ hs_invoice_status: 'open' })).status, 200);
  assert.equal((await patch({ hs_comments: 'a' })).status, 200);
  await sandbox.switches({ edit_open: 0 });
  const r = await patch({ hs_comments: 'b' });
  assert.deepEqual([r.status, r.body.errors[0].code], [400, 'INVOICE_NOT_EDITABLE']);
  assert.equal((await patch({ hs_comments: 'b', hs_invoice_status: 'paid' })).status, 400);
  assert.equal((await patch({ hs_invoice_status: 'paid' })).status, 200);
});

test('a property may be required by another one\'s value, of creates and updates', async () => {
  await sandbox.control('POST', '/hubspot/portal',
    { required_if: { companies: [{ when: 'country', is: 'US', need: 'state' }] } });
  const create = (version, properties) => sandbox.send('POST',
    `/crm/objects/${version}/companies`, { properties: { name: 'c', ...properties } });
  assert.equal((await create('2026-03', { country: 'US' })).status, 201);
  const refused = await create('2026-09', { country: 'US' });
  assert.deepEqual([refused.status, refused.body.errors[0].code, refused.body.errors[0].context.properties],
    [400, 'MISSING_CONDITIONAL_REQUIRED_PROPERTY', ['state']]);
  assert.equal((await create('2026-09', { country: 'US', state: 'TX' })).status, 201);
  const other = await create('2026-09', { country: 'DE' });
  assert.equal(other.status, 201);
  assert.equal((await sandbox.send('PATCH', `/crm/objects/2026-09/companies/${other.body.id}`,
    { properties: { country: 'US' } })).status, 400);
});
