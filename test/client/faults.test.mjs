// SPDX-License-Identifier: UNLICENSED
// The sandbox itself: options, certificates, scripted faults, the request log.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { after, before, test } from 'node:test';
import { keys, provision, start } from './sandbox.mjs';

const o = '/crm/objects/2026-03';
let sandbox;

before(async () => {
  sandbox = await start();
  await provision(sandbox);
});
after(async () => {
  const file = sandbox.ready.tenants[0].hubspot_token_file;
  assert.ok(existsSync(file));
  assert.equal(await sandbox.stop(), 0);
  assert.ok(!existsSync(file), 'secrets are removed at the end');
});

const fault = (rule) => sandbox.control('POST', '/faults',
  { server: 'hubspot', ...rule });

async function statuses(n, path = `${o}/companies`) {
  const all = [];
  for (let i = 0; i < n; i++) all.push((await sandbox.send('GET', path)).status);
  return all;
}

test('wrong options: a message and exit 2', () => {
  for (const args of [['--nope'], ['--portals', '0'], ['--seed', 'x'],
    ['--fusion', 'here'], ['--hubspot', '127.0.0.1:99999'],
    ['--tls-cert', 'odd'], ['word']]) {
    const r = spawnSync(process.env.ML_SANDBOX, args, { encoding: 'utf8' });
    assert.equal(r.status, 2, args.join(' '));
    assert.notEqual(r.stderr, '');
    assert.equal(r.stdout, '');
  }
  const help = spawnSync(process.env.ML_SANDBOX, ['--help'], { encoding: 'utf8' });
  assert.equal(help.status, 0);
  assert.match(help.stdout, /--tls-cert/);
});

test('an address that cannot be had: a message and exit 1', () => {
  const taken = new URL(sandbox.url).host;
  const r = spawnSync(process.env.ML_SANDBOX, ['--hubspot', taken],
    { encoding: 'utf8' });
  assert.equal(r.status, 1);
  assert.match(r.stderr, /cannot listen/);
});

test('every n-th, the next n, and skip', async () => {
  await fault({ operation: 'companies.list', every: 3, status: 502 });
  assert.deepEqual(await statuses(6), [200, 200, 502, 200, 200, 502]);
  await sandbox.control('DELETE', '/faults');
  await fault({ path: `${o}/companies`, skip: 1, next: 2, status: 503,
    retry_after: 7 });
  assert.deepEqual(await statuses(4), [200, 503, 503, 200]);
  const { faults } = await sandbox.control('GET', '/faults');
  assert.equal(faults[0].taken, 2);
  assert.equal(faults[0].left, 0);
  await sandbox.control('DELETE', `/faults/${faults[0].id}`);
  assert.deepEqual((await sandbox.control('GET', '/faults')).faults, []);
});

test('a probability with a seed repeats itself', async () => {
  const draw = async () => {
    await fault({ probability: 0.5, seed: 42, status: 500, method: 'GET' });
    const all = await statuses(12);
    await sandbox.control('DELETE', '/faults');
    return all;
  };
  const first = await draw();
  assert.ok(first.includes(500) && first.includes(200));
  assert.deepEqual(await draw(), first);
});

test('bodies: JSON, HTML, empty, and any given', async () => {
  await fault({ next: 1, status: 423, category: 'LOCKED', message: 'locked' });
  const json = await sandbox.send('GET', `${o}/companies`);
  assert.deepEqual([json.status, json.body.category, json.body.message],
    [423, 'LOCKED', 'locked']);
  await fault({ next: 1, status: 524, body: 'html' });
  const html = await sandbox.send('GET', `${o}/companies`);
  assert.match(html.headers.get('content-type'), /text\/html/);
  assert.match(html.body, /Cloudflare/);
  await fault({ next: 1, status: 502, body: 'empty' });
  assert.equal((await sandbox.send('GET', `${o}/companies`)).body, '');
  await fault({ next: 1, status: 200, json: { results: 'odd' } });
  assert.deepEqual((await sandbox.send('GET', `${o}/companies`)).body,
    { results: 'odd' });
  await fault({ next: 1, status: 429, policy: 'TEN_SECONDLY_ROLLING' });
  assert.equal((await sandbox.send('GET', `${o}/companies`)).body.policyName,
    'TEN_SECONDLY_ROLLING');
  await sandbox.control('DELETE', '/faults');
});

test('before: nothing is done; after: done, the answer lost', async () => {
  const body = (k) => ({ inputs: [{ id: k, idProperty: keys.companies,
    properties: { name: k } }] });
  const held = async (k) => (await sandbox.control('GET',
    `/hubspot/objects/companies?property=${keys.companies}&value=${k}`)).count;
  for (const [when, action, count] of [['before', 'status', 0],
    ['after', 'status', 1], ['before', 'reset', 0], ['after', 'reset', 1]]) {
    await fault({ next: 1, when, action, status: 504,
      operation: 'companies.batch_upsert' });
    const key = `${when}-${action}`;
    const r = await sandbox.send('POST', `${o}/companies/batch/upsert`, body(key))
      .catch(() => null);
    assert.equal(r === null ? 'reset' : 'status', action);
    assert.equal(await held(key), count, key);
    await sandbox.control('DELETE', '/faults');
  }
});

test('truncated and slow bodies, delays', async () => {
  await fault({ next: 1, action: 'truncate' });
  await assert.rejects(sandbox.send('GET', `${o}/companies`));
  await fault({ next: 1, action: 'slow' });
  const slow = await sandbox.send('GET', `${o}/companies`);
  assert.equal(slow.status, 200);
  assert.ok(slow.body.results.length > 0);
  await fault({ next: 1, delay_ms: 120 });
  const from = performance.now();
  assert.equal((await sandbox.send('GET', `${o}/companies`)).status, 200);
  assert.ok(performance.now() - from >= 115);
  await sandbox.control('DELETE', '/faults');
});

test('an unknown rule is refused', async () => {
  await assert.rejects(fault({ stauts: 500 }), /400/);
  await assert.rejects(fault({ action: 'explode' }), /400/);
});

test('the log counts requests, inputs, refusals and the busiest window',
  async () => {
    await sandbox.control('DELETE', '/log');
    await sandbox.send('POST', `${o}/companies/batch/upsert`, { inputs:
      [1, 2, 3].map((i) => ({ id: `L${i}`, idProperty: keys.companies,
        properties: { name: `L${i}` } })) });
    await statuses(4);
    await sandbox.send('GET', `${o}/companies/1`);
    const { hubspot, total } = await sandbox.control('GET', '/log');
    assert.equal(total, 6);
    assert.equal(hubspot.requests, 6);
    assert.deepEqual(hubspot.operations['companies.batch_upsert'], {
      requests: 1, inputs: 3, inputs_per_request: { 3: 1 },
      statuses: { 200: 1 } });
    assert.equal(hubspot.operations['companies.list'].requests, 4);
    assert.deepEqual(hubspot.refusals, { 404: 1 });
    const portal = sandbox.ready.tenants[0].portal_id;
    assert.equal(hubspot.scopes[portal].most_in_window, 6);
    const tight = await sandbox.control('GET', '/log?window_ms=1');
    assert.ok(tight.hubspot.scopes[portal].most_in_window <= 6);
    const r = await fetch(`${sandbox.ready.control_url}/control/log/requests`);
    const rows = (await r.text()).trim().split('\n').map((l) => JSON.parse(l));
    assert.equal(rows.length, 6);
    assert.ok(rows.every((x, i) => i === 0 || x.mono_us >= rows[i - 1].mono_us));
    assert.equal(rows[0].inputs, 3);
  });

function get(url, options) {
  return new Promise((done, fail) => {
    https.get(url, options, (r) => {
      r.resume();
      r.on('end', () => done(r.statusCode));
    }).on('error', fail);
  });
}

for (const [kind, code] of [['good', null], ['expired', 'CERT_HAS_EXPIRED'],
  ['wrong-host', 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['other-ca', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']]) {
  test(`TLS with a certificate that is ${kind}`, async () => {
    const s = await start('--tls', '--tls-cert', kind);
    const ca = readFileSync(s.ready.ca_file);
    const headers = { authorization: `Bearer ${s.token}` };
    const call = get(`${s.url}/account-info/v3/details`, { ca, headers });
    if (code === null) {
      assert.equal(await call, 200);
      const port = new URL(s.url).port;
      assert.equal(await get(`https://localhost:${port}/account-info/v3/details`,
        { ca, headers }), 200);
    } else {
      await assert.rejects(call, { code });
    }
    assert.equal(await s.stop(), 0);
    assert.ok(!existsSync(s.ready.ca_file));
  });
}

test('a stop answers what still waits', async () => {
  const s = await start();
  await s.control('POST', '/faults', { server: 'hubspot', delay_ms: 60000 });
  const waiting = s.send('GET', '/account-info/v3/details').catch(() => null);
  for (let seen = 0; seen === 0;) {
    seen = (await s.control('GET', '/log')).total;
  }
  assert.equal(await s.stop(), 0);
  await waiting;
});

test('connections closed politely and dropped without a word', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ask = () => new Promise((done, fail) => {
    const q = http.get(`${sandbox.url}${o}/companies?limit=1`, { agent, headers:
      { authorization: `Bearer ${sandbox.token}` } }, (r) => {
      r.resume();
      r.on('end', () => done({ close: r.headers.connection === 'close',
        socket: q.socket, reused: q.reusedSocket }));
    });
    q.on('error', fail);
  });
  await fault({ next: 1, action: 'close' });
  assert.equal((await ask()).close, true);
  const kept = await ask();
  assert.equal(kept.reused, false);
  await fault({ next: 1, action: 'drop' });
  const dropped = await ask();
  assert.equal(dropped.reused, true);
  assert.equal(dropped.close, false);
  await new Promise((done) => dropped.socket.once('close', done));
  assert.equal((await ask()).reused, false);
  agent.destroy();
  await sandbox.control('DELETE', '/faults');
});
