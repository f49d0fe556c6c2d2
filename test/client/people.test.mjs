// SPDX-License-Identifier: UNLICENSED
// What people do in a portal, and ways in which HubSpot keeps to itself what it
// refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { provision, start } from './sandbox.mjs';

const o = '/crm/objects/2026-03';
let sandbox;

before(async () => {
  sandbox = await start();
  await provision(sandbox);
});
after(async () => {
  assert.equal(await sandbox.stop(), 0);
});

const make = async (type, properties) => {
  const r = await sandbox.send('POST', `${o}/${type}`, { properties });
  assert.equal(r.status, 201, JSON.stringify(r.body));
  return r.body.id;
};
const byEmail = (email) => sandbox.send('POST', `${o}/contacts/batch/read`, { idProperty: 'email',
  properties: ['email', 'hs_additional_emails'], inputs: [{ id: email }] });

test('a further address is its contact\'s as the first one is', async () => {
  const id = await make('contacts', { email: 'first@example.com', hs_additional_emails: 'b@example.com;C@example.com' });
  for (const email of ['b@example.com', 'c@example.com']) {
    const taken = await sandbox.send('POST', `${o}/contacts`, { properties: { email } });
    assert.equal(taken.status, 409);
    assert.match(taken.body.message, new RegExp(`Existing ID: ${id}`));
    assert.equal((await byEmail(email)).body.results[0].id, id);
  }
  await sandbox.send('PATCH', `${o}/contacts/${id}`, { properties: { hs_additional_emails: 'c@example.com' } });
  await make('contacts', { email: 'b@example.com' });
  await sandbox.send('DELETE', `${o}/contacts/${id}`);
  await make('contacts', { email: 'c@example.com' });
});

test('a merged record answers to its old id, its address is a further one', async () => {
  const into = await make('contacts', { email: 'into@example.com' });
  const gone = await make('contacts', { email: 'gone@example.com', fusion_account_number: 'M-1' });
  await sandbox.send('POST', `${o}/contacts/merge`, { primaryObjectId: into, objectIdToMerge: gone });
  const r = await sandbox.send('POST', `${o}/contacts/batch/read`,
    { properties: ['email', 'hs_additional_emails', 'hs_merged_object_ids', 'fusion_account_number'], inputs: [{ id: gone }] });
  const [one] = r.body.results;
  assert.equal(one.id, into);
  assert.equal(one.properties.email, 'into@example.com');
  assert.equal(one.properties.hs_additional_emails, 'gone@example.com');
  assert.equal(one.properties.hs_merged_object_ids, gone);
  assert.equal(one.properties.fusion_account_number, 'M-1');
  assert.equal((await byEmail('gone@example.com')).body.results[0].id, into);
});

const two = (currency) => ({ inputs: ['EUR', currency].map((c, i) => ({ id: `W-${i}`, idProperty: 'fusion_transaction_id',
  objectWriteTraceId: `t${i}`, properties: { hs_currency: c } })) });

test('without write_partial trace ids are of no use', async () => {
  await sandbox.switches({ write_partial: 0 });
  const r = await sandbox.send('POST', `${o}/invoices/batch/upsert`, two('ZZZ'));
  assert.equal(r.status, 400);
  assert.deepEqual(r.body.errors[0].context.propertyName, ['hs_currency']);
  await sandbox.switches({ refusal_words: 0 });
  const silent = await sandbox.send('POST', `${o}/invoices/batch/upsert`, two('ZZZ'));
  assert.equal(silent.status, 400);
  assert.equal(silent.body.errors, undefined);
  assert.ok(!JSON.stringify(silent.body).includes('ZZZ'));
  await sandbox.switches({ write_partial: 1, refusal_words: 1 });
  assert.equal((await sandbox.send('POST', `${o}/invoices/batch/upsert`, two('ZZZ'))).status, 207);
});

test('an address that nobody can have', async () => {
  const r = await sandbox.send('POST', `${o}/contacts`, { properties: { email: 'x@example.invalid' } });
  assert.equal(r.body.errors[0].code, 'INVALID_EMAIL');
});

test('faults for what writes only', async () => {
  await sandbox.control('POST', '/faults', { server: 'hubspot', writes: true, status: 503 });
  const read = await byEmail('into@example.com');
  assert.equal(read.status, 200);
  assert.equal((await sandbox.send('GET', `${o}/contacts`)).status, 200);
  assert.equal((await sandbox.send('POST', `${o}/invoices/batch/upsert`, two('USD'))).status, 503);
  assert.equal((await sandbox.send('POST', `${o}/contacts`, { properties: { email: 'w@example.com' } })).status, 503);
  await sandbox.control('DELETE', '/faults');
});
