// SPDX-License-Identifier: UNLICENSED
// Everything that can be wrong from outside: each time a message that says what,
// where and what to do, the right exit status, no crash; and once it is put
// right, everything arrives.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { must, tail } from './bench.mjs';

async function settings(scene) {
  const url = scene.env.ML_DATABASE_URL;
  await scene.refused(['run', '--once'], 3, ['ML_DATABASE_URL'], { env: { ML_DATABASE_URL: undefined } });
  await scene.refused(['migrate', '--database-connections', 'many'], 2, [/database-connections/, 'many']);
  await scene.refused(['migrate'], 3, ['ML_LOG_LEVEL', 'loud', 'debug'], { env: { ML_LOG_LEVEL: 'loud' } });
  const r = await scene.ml(['migrate'], { env: { ML_RETRY_BASE: 'soon' } });
  must((r.code === 2 || r.code === 3) && /ML_RETRY_BASE/.test(r.stderr) && /soon/.test(r.stderr),
    `a wrong ML_RETRY_BASE: exit ${r.code}\n${tail(r)}`);
  const u = await scene.ml(['migrate'], { env: { ML_FUSION_OVERLAPP: '1h' } });
  must((u.code === 2 || u.code === 3) && /ML_FUSION_OVERLAPP/.test(u.stderr), `an unknown setting: exit ${u.code}\n${tail(u)}`);
  await scene.refused(['run', '--onse'], 2, ['onse', /help|once/]);
  await scene.refused(['frobnicate'], 2, ['frobnicate', /help/]);
  await scene.refused(['tenant', 'frobnicate'], 2, ['frobnicate']);
  await scene.refused([], 2, [/usage|help/]);
  await scene.refused(['tenant', 'show'], 2, [/NAME|name/]);

  await scene.refused(['run', '--once'], 3, [/migrate/]);
  await scene.refused(['migrate'], 3, [/no\/such\/dir|database/i],
    { env: { ML_DATABASE_URL: `host=/no/such/dir user=postgres dbname=postgres` }, seconds: 60 });
  await scene.refused(['tenant', 'list'], 3, [/database/i],
    { env: { ML_DATABASE_URL: url.replace(/dbname=\S+/, 'dbname=nowhere') }, seconds: 60 });
  await scene.refused(['tenant', 'list'], 3, [/DATABASE_URL|connection string|database-url/i],
    { env: { ML_DATABASE_URL: 'this is no connection string' } });
  await scene.ok(['migrate']);
  await scene.ok(['migrate']);
  await scene.refused(['run', '--listen', '0.0.0.0:0'], 3, [/admin.token/i], { seconds: 20 });
  await scene.refused(['run', '--listen', 'everywhere'], 3, [/everywhere/], { seconds: 20 });
  for (const args of [['run', '--help'], ['tenant', 'add', '--help'], ['--help'], ['version']]) {
    await scene.ok(args);
  }
}

async function keys(scene, sb) {
  const flags = scene.tenantFlags(sb);
  const add = ['tenant', 'add', 'demo', ...flags];
  const env = (text) => ({ env: { ML_MASTER_KEY_FILE: scene.file('bad-key', text) } });
  await scene.refused(add, 3, ['/no/such/key'], { env: { ML_MASTER_KEY_FILE: '/no/such/key' } });
  await scene.refused(add, 3, [/MASTER_KEY/], { env: { ML_MASTER_KEY_FILE: undefined } });
  await scene.refused(add, 3, [/32|short|length/i], env(`k1:${randomBytes(16).toString('base64')}\n`));
  await scene.refused(add, 3, [/base64/i], env('k1:!!!not base64!!!\n'));
  await scene.refused(add, 3, [/keyid|line|form/i], env('nothing of the sort\n'));
  await scene.refused(add, 3, [/empty|no key|MASTER_KEY/i], env(''));
}

async function tenants(scene, sb) {
  const flags = scene.tenantFlags(sb);
  const without = (name) => {
    const at = flags.indexOf(name);
    return [...flags.slice(0, at), ...flags.slice(at + 2)];
  };
  const but = (name, value) => [...without(name), name, value];
  for (const name of ['Demo', 'de_mo', 'x'.repeat(64), '', 'dé']) {
    await scene.refused(['tenant', 'add', name, ...flags], 2, [/a-z0-9-|name/i]);
  }
  for (const name of ['--fusion-url', '--hubspot-token-file', '--fusion-token-url', '--fusion-client-id',
    '--fusion-client-secret-file', '--fusion-scope']) {
    await scene.refused(['tenant', 'add', 'demo', ...without(name)], 2, [name.slice(2)]);
  }
  await scene.refused(['tenant', 'add', 'demo', ...but('--fusion-url', 'http://pod.example.com')], 2, [/https/, /fusion-url|pod\.example/]);
  await scene.refused(['tenant', 'add', 'demo', ...but('--hubspot-url', 'http://api.example.com')], 2, [/https/]);
  await scene.refused(['tenant', 'add', 'demo', ...but('--fusion-url', 'ftp://127.0.0.1')], 2, [/http/]);
  await scene.refused(['tenant', 'add', 'demo', ...but('--hubspot-token-file', '/no/such/token')], 3, ['/no/such/token']);
  await scene.refused(['tenant', 'add', 'demo', ...but('--hubspot-token-file', scene.file('empty', ''))], 2, [/empty/]);
  await scene.refused(['tenant', 'add', 'demo', ...but('--hubspot-tier', 'gold')], 2, ['gold', /professional/]);
  await scene.refused(['tenant', 'add', 'demo', ...flags, '--interval', '5s'], 2, [/interval/, /1m|60/]);
  await scene.refused(['tenant', 'add', 'demo', ...but('--since', 'yesterday')], 2, [/since/]);
  await scene.refused(['tenant', 'add', 'demo', ...flags, '--fusion-auth', 'magic'], 2, ['magic']);
  await scene.refused(['tenant', 'add', 'demo', ...flags, '--mapping-file', scene.file('map.json', '{"companies": {"nam')], 2, [/map|JSON|line/i]);
  await scene.ok(['tenant', 'add', 'demo', ...flags]);
  await scene.refused(['tenant', 'add', 'demo', ...flags], 2, [/exists/, /tenant set/]);
  await scene.refused(['tenant', 'show', 'other'], 2, ['other', /tenant list/]);
  await scene.refused(['tenant', 'remove', 'demo'], 2, [/--yes/]);
  await scene.refused(['tenant', 'set', 'demo'], 2, [/nothing/]);
  await scene.refused(['run', '--once'], 3, [/key/i],
    { env: { ML_MASTER_KEY_FILE: scene.file('other-key', `k1:${randomBytes(32).toString('base64')}\n`) } });
  const next = scene.rows('SELECT max(version) AS v FROM ml_connector.schema_version')[0].v + 1;
  scene.sql(`INSERT INTO ml_connector.schema_version SELECT (jsonb_populate_record(v, jsonb_build_object(
    'version', ${next}, 'compatible_from', ${next}))).* FROM ml_connector.schema_version v ORDER BY version DESC LIMIT 1`);
  for (const args of [['run', '--once'], ['tenant', 'list'], ['migrate']]) {
    await scene.refused(args, 3, [/version .* or later|newer/i]);
  }
  scene.sql(`DELETE FROM ml_connector.schema_version WHERE version = ${next}`);
}

// A run with the trouble there, then one without: nothing is lost or doubled.
async function trouble(scene, sb, from, what, { begin, end, words, audit, fails = true, seed }) {
  if (from.world) {
    await sb.fusion(`mutate?n=12&seed=${seed}`);
  }
  await begin();
  const r = await scene.ml(['run', '--once'], { seconds: 120 });
  const said = r.stdout + r.stderr;
  must(fails ? r.code === 1 : r.code === 0 || r.code === 1, `${what}: exit ${r.code}\n${tail(r)}`);
  for (const w of words ?? []) {
    must(w.test(said), `${what}: ${w} is not in what was said\n${tail(r)}`);
  }
  if (audit) {
    const told = scene.rows(`SELECT * FROM ml_dashboard.audit WHERE fusion_id = '987654321'`);
    must(told.some((x) => audit.test(x.message)), `${what}: the audit tells only ${JSON.stringify(told)}`);
    scene.sql(`DELETE FROM ml_connector.audit_event WHERE fusion_id = '987654321'`);
  }
  if (fails) {
    must(r.stdout.trim() !== '' && r.stdout.includes('demo'), `${what}: no line about what is left\n${tail(r)}`);
  }
  scene.conserved();
  await (end ?? (() => sb.healed()))();
  const [t] = scene.rows(`SELECT state FROM ml_dashboard.tenants WHERE tenant = 'demo'`);
  if (t.state === 'halted') {
    await scene.ok(['tenant', 'resume', 'demo']);
  }
  let again;
  for (let i = 0; i < 4; i++) {
    again = await scene.ml(['run', '--once'], { seconds: 120 });
    if (again.code === 0) {
      break;
    }
  }
  must(again.code === 0, `${what}: after it was put right, exit ${again.code}\n${tail(again)}`);
  let now;
  try {
    now = await scene.equal(sb, from);
  } catch (e) {
    e.message = `${what}: ${e.message}`;
    throw e;
  }
  scene.conserved();
  return now;
}

const FUSION = { server: 'fusion', path: '/fscmRestApi' };
const INVOICES = { server: 'fusion', path: '/fscmRestApi/resources/11.13.18.05/receivablesInvoices' };

function fusionTroubles(scene, sb) {
  const fault = (rule) => () => sb.fault(rule);
  const page = (items) => ({ items, count: items.length, hasMore: false, limit: 500, offset: 0, links: [] });
  const invoice = { CustomerTransactionId: 987654321, TransactionNumber: 'BAD-1', LastUpdateDate: '2026-11-01T00:00:00.000+00:00' };
  const wrong = (extra) => ({ ...INVOICES, status: 200, json: page([{ ...invoice, ...extra }]) });
  return [
    ['Fusion: not JSON', { begin: fault({ ...FUSION, status: 200, text: '<html><body>Sign in</body></html>' }), words: [/JSON|HTML|json/i] }],
    ['Fusion: empty', { begin: fault({ ...FUSION, status: 200, body: 'empty' }), words: [/receivablesInvoices.*answered nothing/] }],
    ['Fusion: truncated', { begin: fault({ ...FUSION, when: 'after', action: 'truncate' }), words: [/truncat|cut|short|closed|ended|NETWORK|transfer/i] }],
    ['Fusion: an array', { begin: fault({ ...FUSION, status: 200, json: [1, 2, 3] }), words: [/items|object|JSON/i] }],
    ['Fusion: items is text', { begin: fault({ ...FUSION, status: 200, json: { items: 'many', count: 1, hasMore: false } }), words: [/items/i] }],
    ['Fusion: 500 with HTML', { begin: fault({ ...FUSION, status: 500, body: 'html' }), words: [/500/] }],
    ['Fusion: maintenance', { begin: fault({ ...FUSION, status: 503, body: 'html' }), words: [/maintenance|503/i] }],
    ['Fusion: wrong types', { begin: fault(wrong({ EnteredAmount: { no: 'number' }, InvoiceCurrencyCode: ['USD'] })),
      audit: /InvoiceCurrencyCode|EnteredAmount/, fails: false }],
    ['Fusion: stamp of no form', { begin: fault(wrong({ LastUpdateDate: 'last Tuesday' })), audit: /LastUpdateDate/, fails: false }],
    ['Fusion: too large', { begin: fault({ server: 'fusion', path: '/oauth2', status: 200, text: `{"access_token":"${'y'.repeat(300 << 10)}"}` }),
      words: [/large|bytes|limit/i] }],
  ];
}

// Object types without permission are tried again hourly.
function hourLater(scene) {
  scene.sql(`UPDATE ml_connector.job SET due_at = now() WHERE state = 'retry'`);
}

function hubspotTroubles(scene, sb, token) {
  const fault = (rule) => async () => {
    for (const operation of ['invoices.batch_upsert', 'invoices.batch_create', 'contacts.batch_upsert', 'contacts.batch_create',
      'line_items.batch_upsert', 'line_items.batch_create', 'associations.batch_create']) {
      await sb.fault({ server: 'hubspot', operation, when: 'after', status: 200, next: 2, ...rule });
    }
  };
  const switched = (values) => ({ begin: () => sb.switches(values), end: () => sb.del('/control/hubspot/switches').then(() => sb.switches({ search_lag_ms: 200, rate_window_ms: 1000 })) });
  return [
    ['HubSpot: empty answer', { begin: fault({ body: 'empty' }), fails: false }],
    ['HubSpot: HTML with 200', { begin: fault({ body: 'html' }), fails: false }],
    ['HubSpot: no results', { begin: fault({ json: { status: 'COMPLETE' } }), fails: false }],
    ['HubSpot: results without id', { begin: fault({ json: { status: 'COMPLETE', results: [{}, { id: null, properties: 'x' }] } }), fails: false }],
    ['HubSpot: results is text', { begin: fault({ json: { status: 'COMPLETE', results: 'all' } }), fails: false }],
    ['HubSpot: input not in the answer', { ...switched({ lose_result_every: 3 }), fails: false }],
    ['HubSpot: other order', { ...switched({ shuffle: 1 }), fails: false }],
    ['HubSpot: token refused', { begin: () => sb.post('/control/hubspot/tokens', { token, state: 'revoked' }),
      end: () => sb.post('/control/hubspot/tokens', { token, state: 'active' }), words: [/401|token|credential/i, /halted/] }],
    ['HubSpot: scope missing', { begin: () => sb.post('/control/hubspot/tokens', { token, without: ['crm.objects.invoices.write'] }),
      end: () => sb.post('/control/hubspot/tokens', { token, all_scopes: true }).then(() => hourLater(scene)),
      words: [/crm\.objects\.invoices\.write/] }],
  ];
}

// Every refusal is tried, whatever became of the one before.
function collecting(scene) {
  const problems = [];
  const strict = scene.refused.bind(scene);
  scene.refused = (...args) => strict(...args).catch((e) => problems.push(e.message));
  return problems;
}

export async function run(scene) {
  const problems = collecting(scene);
  Object.assign(scene.env, { ML_HUBSPOT_CUTOFF: '1s', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '300ms', ML_HUBSPOT_WINDOW: '1s',
    ML_HUBSPOT_TIMEOUT: '5s', ML_FUSION_TIMEOUT: '10s', ML_HUBSPOT_LINGER_BUSY: '200ms', ML_RETRY_ATTEMPTS: '30' });
  await settings(scene);
  const sb = await scene.sandbox('--customers', 20, '--invoices', 40, '--receipts', 20);
  await sb.switches({ search_lag_ms: 200, rate_window_ms: 1000 });
  await keys(scene, sb);
  await tenants(scene, sb);

  const t = sb.ready.tenants[0];
  const right = t.client_secret_file;
  const wrong = scene.file('wrong-secret', 'not the secret\n');
  let seed = 100;
  let at = await trouble(scene, sb, {}, 'Fusion: client secret refused', { seed,
    begin: () => scene.ok(['tenant', 'set', 'demo', '--fusion-client-secret-file', wrong]),
    end: () => scene.ok(['tenant', 'set', 'demo', '--fusion-client-secret-file', right]),
    words: [/401|invalid_client|credential|refused/i, /halted/] });
  const token = fs.readFileSync(t.hubspot_token_file, 'utf8').trim();
  const all = [...fusionTroubles(scene, sb), ...hubspotTroubles(scene, sb, token)];
  for (const [what, how] of all) {
    if (process.env.ONLY && !what.includes(process.env.ONLY)) {
      continue;
    }
    seed++;
    try {
      at = await trouble(scene, sb, at, what, { ...how, seed });
    } catch (e) {
      problems.push(e.message);
      await sb.healed();
      await scene.ml(['tenant', 'resume', 'demo']);
      await scene.ml(['run', '--once'], { seconds: 120 });
      at = { world: await sb.world(), hub: await sb.hub() };
    }
  }
  scene.figure(`${all.length + 1} troubles of the peers, ${scene.outputs.length} runs`);
  must(problems.length === 0, `${problems.length} problems:\n- ${problems.join('\n- ')}`);
  const core = fs.readdirSync(scene.dir).filter((f) => path.basename(f).startsWith('core'));
  must(core.length === 0, `cores: ${core}`);
}
