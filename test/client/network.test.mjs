// SPDX-License-Identifier: UNLICENSED
// The network before HubSpot, other apps on the same token, and the ways of
// counting: what a budget of requests has to live with.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { start } from './sandbox.mjs';

const o = '/crm/objects/2026-03';
const sandbox = await start();
after(() => sandbox.stop());
// A token nobody has used: its windows are empty.
let tokens = 0;
async function fresh() {
  sandbox.token = `pat-fresh-${++tokens}`;
  await sandbox.control('POST', '/hubspot/tokens', { token: sandbox.token });
}

beforeEach(async () => {
  await fresh();
  await sandbox.control('DELETE', '/faults');
  await sandbox.control('POST', '/hubspot/reset');
  await sandbox.control('DELETE', '/log');
});

// The number of inputs tells requests apart in the log.
const read = (n) => sandbox.send('POST', `${o}/companies/batch/read`,
  { inputs: Array.from({ length: n }, (_, i) => ({ id: String(i + 1) })) });

async function rows(more = '') {
  const r = await fetch(`${sandbox.ready.control_url}/control/log/requests?server=hubspot${more}`);
  return (await r.text()).split('\n').filter(Boolean).map(JSON.parse);
}

const header = (r, name) => Number(r.headers.get(`X-HubSpot-RateLimit-${name}`));

test('a request counts when it arrives, after its way there', async () => {
  await sandbox.switches({ net_there_min_ms: 60, net_there_max_ms: 60,
    net_back_min_ms: 40, net_back_max_ms: 40 });
  const sent = Date.now();
  await read(1);
  const got = Date.now();
  const [row] = await rows();
  assert.ok(row.at_us >= (sent + 59) * 1000, `${row.at_us} ${sent}`);
  assert.ok(row.at_us <= (got - 39) * 1000, `${row.at_us} ${got}`);
});

test('later requests overtake earlier ones', async () => {
  await sandbox.switches({ net_there_max_ms: 150 });
  const n = 24;
  await Promise.all(Array.from({ length: n }, (_, i) => read(i + 1)));
  const order = (await rows()).map((r) => r.inputs);
  assert.equal(order.length, n);
  assert.notDeepEqual(order, [...order].sort((a, b) => a - b));
  const mono = (await rows()).map((r) => r.mono_us);
  assert.deepEqual(mono, [...mono].sort((a, b) => a - b));
});

test('a fault, too, is met at the end of the way', async () => {
  await sandbox.switches({ net_there_min_ms: 50, net_there_max_ms: 50,
    net_back_min_ms: 50, net_back_max_ms: 50 });
  await sandbox.control('POST', '/faults', { server: 'hubspot', next: 1,
    status: 503 });
  const sent = Date.now();
  assert.equal((await read(1)).status, 503);
  assert.ok(Date.now() - sent >= 99);
  assert.ok((await rows())[0].at_us >= (sent + 49) * 1000);
});

test('other apps take from the same window, day and Remaining', async () => {
  await sandbox.switches({ foreign_per_10s: 3000, rate_limit: 60 });
  const day = (await sandbox.control('GET', '/hubspot')).portals[0].day_count;
  let last;
  let ours = 0;
  do {
    last = await read(1);
    ours++;
    assert.ok(ours < 60, 'others fill the window before we do');
  } while (last.status !== 429);
  await sandbox.switches({ foreign_per_10s: 0 });
  const log = await sandbox.control('GET', '/log');
  const scope = sandbox.ready.tenants[0].portal_id;
  const foreign = log.hubspot.foreign[scope];
  const all = await rows('&foreign=1');
  const before = all.findIndex((r) => r.status === 429);
  assert.equal(before, 60, 'exactly the limit is let through');
  assert.equal(log.total, ours);
  assert.equal(log.hubspot.requests, ours);
  assert.equal(log.hubspot.scopes[scope].requests, ours);
  assert.equal((await rows()).length, ours);
  assert.equal(foreign.requests, all.filter((r) => r.operation === 'foreign').length);
  assert.equal(foreign.refused,
    all.filter((r) => r.operation === 'foreign' && r.status === 429).length);
  assert.equal(foreign.most_in_window_with_ours, all.length);
  const { portals: [portal] } = await sandbox.control('GET', '/hubspot');
  assert.equal(portal.day_count - day, all.length);
  assert.equal(portal.foreign_refused, foreign.refused);
});

test('Remaining is what is left after this request and all before it', async () => {
  await sandbox.switches({ rate_limit: 1000, foreign_per_10s: 2000 });
  const left = [];
  for (let i = 0; i < 30; i++) left.push(1000 - header(await read(1), 'Remaining'));
  await sandbox.switches({ foreign_per_10s: 0 });
  const all = await rows('&foreign=1');
  const held = all.flatMap((r, i) => (r.operation === 'foreign' ? [] : [i + 1]));
  assert.deepEqual(left, held);
});

test('headers of the limit can be away, wholly or the daily pair', async () => {
  await sandbox.switches({ rate_headers: 0 });
  assert.equal((await read(1)).headers.get('X-HubSpot-RateLimit-Max'), null);
  await sandbox.switches({ rate_headers: 2 });
  const r = await read(1);
  assert.equal(header(r, 'Max'), 190);
  assert.equal(r.headers.get('X-HubSpot-RateLimit-Daily'), null);
});

test('fixed and weighted windows count by buckets', async () => {
  for (const kind of [1, 2]) {
    await fresh();
    await sandbox.switches({ rate_fixed: kind, rate_window_ms: 3600000,
      rate_limit: 3 });
    const all = [];
    for (let i = 0; i < 5; i++) all.push((await read(1)).status);
    assert.deepEqual(all, [207, 207, 207, 429, 429], `kind ${kind}`);
  }
});

test('associations may have a limit of their own', async () => {
  await sandbox.switches({ association_rate_limit: 2, rate_limit: 1000,
    rate_window_ms: 3600000 });
  const labels = () => sandbox.send('GET',
    '/crm/associations/2026-03/contacts/companies/labels');
  const all = [await labels(), await labels(), await labels()];
  assert.deepEqual(all.map((r) => r.status), [200, 200, 429]);
  assert.equal(all[2].body.policyName, 'TEN_SECONDLY_ROLLING');
  assert.equal((await read(1)).status, 207);
});

test('a 429 with Retry-After, and as a Cloudflare page', async () => {
  await sandbox.switches({ rate_limit: 0, retry_after: 3 });
  const json = await read(1);
  assert.equal(json.headers.get('Retry-After'), '3');
  assert.equal(json.body.policyName, 'TEN_SECONDLY_ROLLING');
  await sandbox.switches({ rate_html: 1, retry_after: 0 });
  const html = await read(1);
  assert.equal(html.status, 429);
  assert.equal(html.headers.get('Retry-After'), null);
  assert.match(html.headers.get('content-type'), /text\/html/);
});

test('work beyond the cut-off is done and answers 524', async () => {
  await sandbox.switches({ latency_us: 60000, cutoff_ms: 50 });
  const r = await sandbox.send('POST', `${o}/companies`,
    { properties: { name: 'Late' } });
  assert.equal(r.status, 524);
  assert.match(r.body, /Cloudflare/);
  assert.equal((await sandbox.control('GET', '/hubspot/objects/companies')).count, 1);
  assert.equal((await rows())[0].status, 524);
});
