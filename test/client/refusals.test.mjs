// SPDX-License-Identifier: UNLICENSED
// What the HubSpot simulator refuses, as a table: request, then status,
// category and code. No client library; the bodies are HubSpot's.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { definition, provision, start } from './sandbox.mjs';

const o = '/crm/objects/2026-03';
const a = '/crm/associations/2026-03';
const p = '/crm/properties/2026-03';

let sandbox;
const id = {}; // what before() made

async function make(type, properties) {
  const r = await sandbox.send('POST', `${o}/${type}`, { properties });
  assert.equal(r.status, 201, JSON.stringify(r.body));
  return r.body.id;
}

async function link(from, to, x, y, type) {
  const r = await sandbox.send('POST', `${a}/${from}/${to}/batch/create`,
    { inputs: [{ from: { id: x }, to: { id: y }, types: [
      { associationCategory: 'HUBSPOT_DEFINED', associationTypeId: type }] }] });
  assert.equal(r.status, 201, JSON.stringify(r.body));
}

before(async () => {
  sandbox = await start('--portals', '2');
  await provision(sandbox);
  await sandbox.switches({ rate_limit: 10000 });
  id.contact = await make('contacts', { email: 'held@example.com',
    fusion_account_number: 'A-1' });
  id.other = await make('contacts', { email: 'other@example.com' });
  id.invoice = await make('invoices', { hs_currency: 'USD',
    hs_invoice_billable: 'false', fusion_transaction_id: 'I-1' });
  id.billable = await make('invoices', { hs_currency: 'USD' });
  id.paid = await make('invoices', { hs_currency: 'USD',
    hs_invoice_billable: 'false' });
  id.line = await make('line_items', { name: 'l', price: '1', quantity: '1' });
  id.line2 = await make('line_items', { name: 'm', price: '1', quantity: '1' });
  for (const [n, l] of [['paid', 'line'], ['billable', 'line2']]) {
    await link('invoices', 'contacts', id[n], id.contact, 177);
    await link('invoices', 'line_items', id[n], id[l], 409);
    if (n === 'paid') {
      const r = await sandbox.send('PATCH', `${o}/invoices/${id[n]}`,
        { properties: { hs_invoice_status: 'paid' } });
      assert.equal(r.status, 200, JSON.stringify(r.body));
    }
  }
});
after(async () => {
  assert.equal(await sandbox.stop(), 0);
});

const inputs = (n, of) => ({ inputs: [...Array(n).keys()].map(of) });
const upsert = (key, value, properties, more = {}) => ({
  id: value, idProperty: key, properties, ...more });
const V = 'VALIDATION_ERROR';

// name, method, path, body, status, category, code of the first error
const table = [
  ['unknown path', 'GET', '/crm/v9/objects/contacts', , 404],
  ['unknown object type', 'GET', `${o}/butterflies`, , 400],
  ['payments is no type', 'GET', `${o}/payments`, , 400],
  ['wrong method', 'PUT', `${o}/contacts`, {}, 405],
  ['not JSON', 'POST', `${o}/contacts`, '{"properties"', 400, V],
  ['unknown record', 'GET', `${o}/contacts/1`, , 404, 'OBJECT_NOT_FOUND'],
  ['record of another type', 'GET', () => `${o}/companies/${id.contact}`, , 404, 'OBJECT_NOT_FOUND'],
  ['list page too large', 'GET', `${o}/contacts?limit=101`, , 400, V],
  ['unknown property', 'POST', `${o}/contacts`, { properties: { nope: '1', email: 'n@example.com' } }, 400, V, 'PROPERTY_DOESNT_EXIST'],
  ['read-only property', 'POST', `${o}/contacts`, { properties: { hs_object_id: '1', email: 'n@example.com' } }, 400, V, 'READ_ONLY_VALUE'],
  ['calculated property', 'PATCH', () => `${o}/invoices/${id.invoice}`, { properties: { hs_balance_due: '1' } }, 400, V, 'READ_ONLY_VALUE'],
  ['line amount is calculated', 'POST', `${o}/line_items`, { properties: { name: 'x', amount: '3' } }, 400, V, 'READ_ONLY_VALUE'],
  ['invalid e-mail', 'POST', `${o}/contacts`, { properties: { email: 'not an address' } }, 400, V, 'INVALID_EMAIL'],
  ['option in wrong case', 'POST', `${o}/companies`, { properties: { name: 'x', industry: 'banking' } }, 400, V, 'INVALID_OPTION'],
  ['wrong boolean', 'POST', `${o}/invoices`, { properties: { hs_currency: 'USD', hs_invoice_billable: 'no' } }, 400, V, 'INVALID_BOOLEAN_OPTION'],
  ['wrong number', 'POST', `${o}/invoices`, { properties: { hs_currency: 'USD', hs_amount_billed: '1,000.00' } }, 400, V, 'INVALID_LONG'],
  ['wrong date', 'POST', `${o}/invoices`, { properties: { hs_currency: 'USD', hs_due_date: '31/12/2026' } }, 400, V, 'INVALID_DATE'],
  ['date not at midnight', 'POST', `${o}/line_items`, { properties: { name: 'x', hs_recurring_billing_start_date: '1700000000000' } }, 400, V, 'INVALID_DATE'],
  ['currency the account lacks', 'POST', `${o}/invoices`, { properties: { hs_currency: 'ZZZ' } }, 400, V, 'INVALID_OPTION'],
  ['text too long', 'POST', `${o}/companies`, { properties: { name: 'x'.repeat(65537) } }, 400, V, 'PROPERTY_VALUE_TOO_LONG'],
  ['invoice without currency', 'POST', `${o}/invoices`, { properties: { hs_number: '1' } }, 400, V, 'MISSING_REQUIRED_PROPERTY'],
  ['company without name or domain', 'POST', `${o}/companies`, { properties: { city: 'x' } }, 400, V, 'MISSING_REQUIRED_PROPERTY'],
  ['contact without any name', 'POST', `${o}/contacts`, { properties: { city: 'x' } }, 400, V, 'MISSING_REQUIRED_PROPERTY'],
  ['payment without date', 'POST', `${o}/commerce_payments`, { properties: { hs_initial_amount: '1' } }, 400, V, 'MISSING_REQUIRED_PROPERTY'],
  ['negative price', 'POST', `${o}/line_items`, { properties: { name: 'x', price: '-1' } }, 400, V, 'NEGATIVE_PRICE'],
  ['taken e-mail on create', 'POST', `${o}/contacts`, { properties: { email: 'HELD@example.com' } }, 409, 'CONFLICT'],
  ['taken e-mail on update', 'PATCH', () => `${o}/contacts/${id.other}`, { properties: { email: 'held@example.com' } }, 400, V],
  ['taken unique value', 'PATCH', () => `${o}/contacts/${id.other}`, { properties: { fusion_account_number: 'A-1' } }, 400, V],
  ['draft to open without parts', 'PATCH', () => `${o}/invoices/${id.invoice}`, { properties: { hs_invoice_status: 'open' } }, 400, V, 'MISSING_REQUIRED_ASSOCIATION'],
  ['created open without parts', 'POST', `${o}/invoices`, { properties: { hs_currency: 'USD', hs_invoice_billable: 'false', hs_invoice_status: 'open' } }, 400, V, 'MISSING_REQUIRED_ASSOCIATION'],
  ['billable to paid', 'PATCH', () => `${o}/invoices/${id.billable}`, { properties: { hs_invoice_status: 'paid' } }, 400, V, 'INVALID_STATUS_TRANSITION'],
  ['paid back to open', 'PATCH', () => `${o}/invoices/${id.paid}`, { properties: { hs_invoice_status: 'open' } }, 400, V, 'INVALID_STATUS_TRANSITION'],
  ['past due date when billable', 'POST', `${o}/invoices`, { properties: { hs_currency: 'USD', hs_due_date: '2020-01-01' } }, 400, V, 'INVALID_DATE'],
  ['unknown status', 'PATCH', () => `${o}/invoices/${id.invoice}`, { properties: { hs_invoice_status: 'sent' } }, 400, V, 'INVALID_OPTION'],
  ['archive of a paid invoice', 'DELETE', () => `${o}/invoices/${id.paid}`, , 400, V],
  ['101 inputs', 'POST', `${o}/companies/batch/create`, inputs(101, (i) => ({ properties: { name: `c${i}` } })), 400, V],
  ['101 reads', 'POST', `${o}/companies/batch/read`, inputs(101, (i) => ({ id: `${i}` })), 400, V],
  ['no inputs', 'POST', `${o}/companies/batch/create`, { inputs: [] }, 400, V],
  ['one id twice', 'POST', `${o}/contacts/batch/upsert`, inputs(2, () => upsert('fusion_account_number', 'A-9', {})), 400, V],
  ['one id twice in a read', 'POST', `${o}/contacts/batch/read`, { inputs: [{ id: '1' }, { id: '1' }] }, 400, V],
  ['upsert without idProperty', 'POST', `${o}/contacts/batch/upsert`, { inputs: [{ id: '1', properties: {} }] }, 400, V],
  ['upsert by a property not unique', 'POST', `${o}/contacts/batch/upsert`, { inputs: [upsert('city', 'x', {})] }, 400, V],
  ['upsert with associations', 'POST', `${o}/invoices/batch/upsert`, { inputs: [upsert('fusion_transaction_id', 'I-2', { hs_currency: 'USD' }, { associations: [] })] }, 400, V],
  ['upsert that creates without required', 'POST', `${o}/invoices/batch/upsert`, { inputs: [upsert('fusion_transaction_id', 'I-2', {})] }, 400, V, 'MISSING_REQUIRED_PROPERTY'],
  ['mixed idProperty', 'POST', `${o}/contacts/batch/upsert`, { inputs: [upsert('email', 'q@example.com', {}), upsert('fusion_account_number', 'A-8', {})] }, 400, V],
  ['one bad input without trace ids', 'POST', `${o}/companies/batch/create`, { inputs: [{ properties: { name: 'fine' } }, { properties: { nope: '1' } }] }, 400, V, 'PROPERTY_DOESNT_EXIST'],
  ['taken e-mail in a batch without trace ids', 'POST', `${o}/contacts/batch/create`, { inputs: [{ properties: { email: 'fine@example.com' } }, { properties: { email: 'held@example.com' } }] }, 409, 'CONFLICT'],
  ['read by a property not unique', 'POST', `${o}/contacts/batch/read`, { idProperty: 'city', inputs: [{ id: 'x' }] }, 400, V],
  ['2001 associations', 'POST', `${a}/invoices/contacts/batch/create`, inputs(2001, () => ({})), 400, V],
  ['association type of another pair', 'POST', `${a}/invoices/contacts/batch/create`, { inputs: [{ from: { id: '1' }, to: { id: '2' }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 181 }] }] }, 400, V],
  ['no association between types', 'POST', `${a}/companies/line_items/batch/associate/default`, { inputs: [{ from: { id: '1' }, to: { id: '2' } }] }, 400, V],
  ['list of associations in 2026-09', 'GET', () => `/crm/objects/2026-09/invoices/${id.paid}/associations/contacts`, , 404],
  ['property that exists', 'POST', `${p}/contacts`, definition('fusion_account_number'), 409, 'OBJECT_ALREADY_EXISTS'],
  ['standard property', 'POST', `${p}/contacts`, definition('email'), 409, 'OBJECT_ALREADY_EXISTS'],
  ['property without a group', 'POST', `${p}/contacts`, definition('x', { groupName: 'nowhere' }), 400, V],
  ['property with a bad name', 'POST', `${p}/contacts`, definition('Bad-Name'), 400, V],
  ['property with type and field that differ', 'POST', `${p}/contacts`, definition('x', { type: 'number', fieldType: 'text' }), 400, V],
  ['unknown property definition', 'GET', `${p}/contacts/nope`, , 404, 'OBJECT_NOT_FOUND'],
  ['group that exists', 'POST', `${p}/contacts/groups`, { name: 'oracle_fusion', label: 'x' }, 409, 'OBJECT_ALREADY_EXISTS'],
  ['search with too many groups', 'POST', `${o}/contacts/search`, { filterGroups: [...Array(6)].map(() => ({ filters: [{ propertyName: 'email', operator: 'HAS_PROPERTY' }] })) }, 400, V],
  ['search beyond 10,000', 'POST', `${o}/contacts/search`, { after: '9990', limit: 100 }, 400, V],
];

describe('refusals', () => {
  for (const [name, method, path, body, status, category, code] of table) {
    test(name, async () => {
      const url = typeof path === 'function' ? path() : path;
      const before = await sandbox.control('GET', '/hubspot');
      const r = await sandbox.send(method, url, body);
      const why = JSON.stringify(r.body);
      assert.equal(r.status, status, why);
      assert.equal(r.body.category, category, why);
      if (code) assert.equal(r.body.errors?.[0]?.code, code, why);
      assert.equal(r.body.status, 'error');
      assert.match(r.body.correlationId, /^[0-9a-f-]{36}$/);
      assert.equal(r.headers.get('x-hubspot-correlation-id'),
        r.body.correlationId);
      const now = await sandbox.control('GET', '/hubspot');
      assert.deepEqual(now.portals[0].counts, before.portals[0].counts,
        'a refusal writes nothing');
    });
  }
});

test('bodies say what HubSpot says', async () => {
  const unknown = await sandbox.send('POST', `${o}/contacts`,
    { properties: { nope: '1', email: 'n@example.com' } });
  assert.ok(unknown.body.message.startsWith('Property values were not valid: [{'));
  const list = JSON.parse(unknown.body.message.slice(
    'Property values were not valid: '.length));
  assert.equal(list[0].error, 'PROPERTY_DOESNT_EXIST');
  assert.equal(list[0].name, 'nope');
  assert.deepEqual(unknown.body.errors[0].context.propertyName, ['nope']);

  const taken = await sandbox.send('PATCH', `${o}/contacts/${id.other}`,
    { properties: { email: 'held@example.com' } });
  assert.match(taken.body.message, new RegExp('Cannot set PropertyValueCoordinates'
    + `\\{.*propertyName=email, value=held@example.com\\} on ${id.other}\\. `
    + `${id.contact} already has that value\\.`));

  const twice = await sandbox.send('POST', `${o}/contacts/batch/read`,
    { inputs: [{ id: '7' }, { id: '7' }] });
  assert.equal(twice.body.message,
    'Duplicate IDs found in batch input: [7]. IDs must be unique');

  const status = await sandbox.send('PATCH', `${o}/invoices/${id.invoice}`,
    { properties: { hs_invoice_status: 'open' } });
  assert.match(status.body.message, /INVOICE_TO_LINE_ITEM/);

  const token = await sandbox.send('GET', `${o}/contacts`, undefined,
    { authorization: 'Bearer nobody' });
  assert.equal(token.status, 401);
  assert.equal(token.body.category, 'INVALID_AUTHENTICATION');
  assert.equal(token.headers.get('x-hubspot-auth-failure'), '401 Unauthorized');
});

test('trace ids: 207, the good ones written, the bad ones named', async () => {
  const r = await sandbox.send('POST', `${o}/invoices/batch/upsert`, inputs(4,
    (i) => upsert('fusion_transaction_id', `T-${i}`,
      { hs_currency: i === 2 ? 'ZZZ' : 'EUR' }, { objectWriteTraceId: `t${i}` })));
  assert.equal(r.status, 207);
  assert.equal(r.body.numErrors, 1);
  assert.deepEqual(r.body.errors[0].context.objectWriteTraceId, ['t2']);
  assert.deepEqual(r.body.results.map((x) => x.objectWriteTraceId).sort(),
    ['t0', 't1', 't3']);
  assert.ok(r.body.results.every((x) => x.new));
  assert.ok(Date.parse(r.body.startedAt) <= Date.parse(r.body.completedAt));
});

test('batch update of unknown ids is a 207 with those ids', async () => {
  const r = await sandbox.send('POST', `${o}/contacts/batch/update`, { inputs: [
    { id: id.other, properties: { city: 'Bonn' } },
    { id: '999', properties: { city: 'Bonn' } }] });
  assert.equal(r.status, 207);
  assert.equal(r.body.results.length, 1);
  assert.equal(r.body.errors[0].category, 'OBJECT_NOT_FOUND');
  assert.deepEqual(r.body.errors[0].context.ids, ['999']);
});

test('batch read by key: found ones, and one error for the rest', async () => {
  const r = await sandbox.send('POST', `${o}/contacts/batch/read`,
    { idProperty: 'fusion_account_number', properties: ['email'],
      inputs: [{ id: 'A-1' }, { id: 'none' }] });
  assert.equal(r.status, 207);
  assert.equal(r.body.results[0].properties.email, 'held@example.com');
  assert.deepEqual(r.body.errors[0].context.ids, ['none']);
});

test('an association with a wrong id fails alone', async () => {
  const type = [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 177 }];
  const r = await sandbox.send('POST', `${a}/0-53/0-1/batch/create`, { inputs: [
    { from: { id: id.invoice }, to: { id: id.other }, types: type },
    { from: { id: id.invoice }, to: { id: '12' }, types: type }] });
  assert.equal(r.status, 207);
  assert.equal(r.body.results.length, 1);
  assert.equal(typeof r.body.results[0].fromObjectId, 'number');
  assert.equal(r.body.errors[0].subCategory,
    'crm.associations.INVALID_IDENTIFIER');
  assert.deepEqual(r.body.errors[0].context.id, ['12']);
  const again = await sandbox.send('POST', `${a}/invoices/contacts/batch/create`,
    { inputs: [{ from: { id: id.invoice }, to: { id: id.other }, types: type }] });
  assert.equal(again.status, 201, 'existing ones succeed');
});

test('archived records: recycle bin, and the key is free again', async () => {
  const one = { inputs: [upsert('fusion_line_id', 'L-1', { name: 'x' })] };
  const first = await sandbox.send('POST', `${o}/line_items/batch/upsert`, one);
  const was = first.body.results[0].id;
  assert.equal((await sandbox.send('POST', `${o}/line_items/batch/archive`,
    { inputs: [{ id: was }] })).status, 204);
  assert.equal((await sandbox.send('GET', `${o}/line_items/${was}`)).status, 404);
  const bin = await sandbox.send('GET', `${o}/line_items/${was}?archived=true`);
  assert.equal(bin.body.archived, true);
  const second = await sandbox.send('POST', `${o}/line_items/batch/upsert`, one);
  assert.equal(second.body.results[0].new, true);
  assert.notEqual(second.body.results[0].id, was);
  await sandbox.switches({ archived_unique: 2 });
  await sandbox.send('DELETE', `${o}/line_items/${second.body.results[0].id}`);
  const third = await sandbox.send('POST', `${o}/line_items/batch/upsert`, one);
  assert.equal(third.body.results[0].id, second.body.results[0].id);
  await sandbox.switches({ archived_unique: 0 });
});

test('an archived draft takes its line items along', async () => {
  const invoice = await make('invoices', { hs_currency: 'USD' });
  const line = await make('line_items', { name: 'x', price: '1' });
  await link('invoices', 'line_items', invoice, line, 409);
  assert.equal((await sandbox.send('DELETE', `${o}/invoices/${invoice}`)).status,
    204);
  assert.equal((await sandbox.send('GET', `${o}/line_items/${line}`)).status, 404);
});

test('scopes: 403 names the missing one', async () => {
  await sandbox.control('POST', '/hubspot/tokens', { token: 'narrow',
    scopes: ['crm.objects.contacts.write'] });
  const as = { authorization: 'Bearer narrow' };
  const read = await sandbox.send('GET', `${o}/contacts`, undefined, as);
  assert.equal(read.status, 403);
  assert.equal(read.body.category, 'MISSING_SCOPES');
  assert.deepEqual(read.body.errors[0].context.requiredGranularScopes,
    ['crm.objects.contacts.read']);
  const write = await sandbox.send('POST', `${o}/contacts`,
    { properties: { lastname: 'x' } }, as);
  assert.equal(write.status, 201);
  const define = await sandbox.send('POST', `${p}/line_items`,
    definition('y'), as);
  assert.deepEqual(define.body.errors[0].context.requiredGranularScopes,
    ['e-commerce']);
  await sandbox.control('POST', '/hubspot/tokens', { token: 'narrow',
    state: 'expired' });
  const late = await sandbox.send('GET', `${o}/contacts`, undefined, as);
  assert.equal(late.status, 401);
  assert.equal(late.body.category, 'EXPIRED_AUTHENTICATION');
});

test('admin-required properties bind 2026-09 only', async () => {
  await sandbox.control('POST', '/hubspot/portal',
    { required: { companies: ['city'] } });
  const body = { properties: { name: 'x' } };
  const old = await sandbox.send('POST', `${o}/companies`, body);
  assert.equal(old.status, 201);
  const strict = await sandbox.send('POST', '/crm/objects/2026-09/companies', body);
  assert.equal(strict.status, 400);
  assert.equal(strict.body.errors[0].code, 'MISSING_REQUIRED_PROPERTY');
  await sandbox.control('POST', '/hubspot/portal', { required: { companies: [] } });
});

test('a new property is unknown for a while', async () => {
  await sandbox.switches({ property_lag_min_ms: 60000, property_lag_max_ms: 60000 });
  const made = await sandbox.send('POST', `${p}/companies`,
    definition('fusion_party_id'));
  assert.equal(made.status, 201);
  assert.equal((await sandbox.send('GET', `${p}/companies/fusion_party_id`)).status,
    404);
  const early = await sandbox.send('POST', `${o}/companies`,
    { properties: { name: 'x', fusion_party_id: '1' } });
  assert.equal(early.body.errors[0].code, 'PROPERTY_DOESNT_EXIST');
  await sandbox.switches({ property_lag_min_ms: 0, property_lag_max_ms: 0 });
});

test('uniqueness cannot be changed later', async () => {
  const name = 'fusion_never_unique';
  await sandbox.send('POST', `${p}/companies`, definition(name));
  const r = await sandbox.send('PATCH', `${p}/companies/${name}`,
    { hasUniqueValue: true, label: 'new' });
  assert.equal(r.status, 200);
  assert.equal(r.body.hasUniqueValue, false);
  assert.equal(r.body.label, 'new');
});

test('limits: window, day, search, each with its policy', async () => {
  const policy = async (path, body) => {
    const r = await sandbox.send(body ? 'POST' : 'GET', path, body);
    return [r.status, r.body.policyName, r.body.errorType];
  };
  await sandbox.switches({ rate_limit: 1, rate_window_ms: 60000 });
  assert.deepEqual(await policy(`${o}/contacts`),
    [429, 'TEN_SECONDLY_ROLLING', 'RATE_LIMIT']);
  await sandbox.switches({ rate_limit: 10000, rate_window_ms: 10000,
    daily_limit: 1 });
  assert.deepEqual(await policy(`${o}/contacts`), [429, 'DAILY', 'RATE_LIMIT']);
  await sandbox.switches({ daily_limit: 1000000, search_per_second: 0 });
  assert.deepEqual(await policy(`${o}/contacts/search`, {}),
    [429, 'SECONDLY', 'RATE_LIMIT']);
  await sandbox.switches({ search_per_second: 5 });
  const r = await sandbox.send('GET', `${o}/contacts`);
  assert.equal(r.headers.get('x-hubspot-ratelimit-max'), '10000');
  assert.equal(r.headers.get('retry-after'), null);
});

test('portals do not see each other', async () => {
  const second = sandbox.ready.tenants[1];
  const { readFileSync } = await import('node:fs');
  const as = { authorization: `Bearer ${
    readFileSync(second.hubspot_token_file, 'utf8')}` };
  const mine = await sandbox.send('GET', `${o}/contacts`, undefined, as);
  assert.equal(mine.body.results.length, 0);
  const theirs = await sandbox.send('GET', `${o}/contacts/${id.contact}`,
    undefined, as);
  assert.equal(theirs.status, 404);
});

test('a switch that does not exist is refused by its name', async () => {
  await assert.rejects(sandbox.switches({ no_such: 1 }),
    /400 .*no_such/);
  await assert.rejects(sandbox.control('POST', '/hubspot/switches?no_such=1'),
    /400 .*no_such/);
});

test('the guide lists every switch with its default', async () => {
  const { readFileSync } = await import('node:fs');
  const guide = readFileSync(new URL('../../docs/sandbox.md', import.meta.url),
    'utf8');
  const switches = await sandbox.control('GET', '/hubspot/switches');
  for (const [name, s] of Object.entries(switches)) {
    assert.ok(guide.includes(`| \`${name}\` | ${s.default} | ${s.text} |`), name);
  }
});
