// SPDX-License-Identifier: UNLICENSED
// Commands while a worker holds the portal: it does what they want, and they
// print what they would have printed without it. Their own way out is closed
// (a proxy that nobody listens at), so every request that counts is the
// worker's, under its one budget.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { must, until, tail } from './bench.mjs';

const NO_WAY_OUT = { ML_PROXY: 'http://127.0.0.1:9' };
const LIMIT = 100;

const MAPPING = '{"invoices": {"erp_number": "TransactionNumber"}}';
const WRONG = '{"invoices": {"erp_numbr": "TransactionNumber"}}';

function worker(scene, id, env = {}) {
  return scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], { ...scene.env, ML_WORKER_ID: id, ...env });
}

async function stopped(p) {
  p.child.kill('SIGTERM');
  const { code, signal } = await p.ended;
  must(code === 0, `SIGTERM: exit ${code} ${signal ?? ''}\n${p.stderr.slice(-2000)}`);
}

// What differs from one moment to the next is left out.
const still = (text) => text.replace(/clock is -?\d+ s/g, 'clock is N s').replace(/right at [0-9TZ:.-]+/g, 'right at T');

const requests = (scene, where = '') => scene.rows(`SELECT * FROM ml_connector.request ${where} ORDER BY id`);

async function both(scene, args, options) {
  // at once: without a worker one of them waits for the other's lease
  const [text, json] = await Promise.all([scene.ml(args, options), scene.ml([...args, '--json'], options)]);
  JSON.parse(json.stdout);
  return { code: [text.code, json.code], text: still(text.stdout), json: still(json.stdout), stderr: text.stderr + json.stderr };
}

function same(what, here, there) {
  for (const k of ['code', 'text', 'json', 'stderr']) {
    must(String(here[k]) === String(there[k]), `${what}: ${k} differs when a worker does it\n${here[k]}\n--- and there\n${there[k]}`);
  }
}

// As a person does it; HubSpot shows it after a while.
async function property(sb) {
  const token = fs.readFileSync(sb.ready.tenants[0].hubspot_token_file, 'utf8').trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const where = `${sb.ready.hubspot_url}/crm/properties/2026-03/invoices`;
  const r = await fetch(where, { method: 'POST', headers, body: JSON.stringify({ name: 'erp_number', label: 'Number',
    type: 'string', fieldType: 'text', groupName: 'invoiceinformation' }) });
  must(r.ok, `property: ${r.status} ${await r.text()}`);
  await until('the property', 20, async () => (await (await fetch(where, { headers })).json()).results.some((x) => x.name === 'erp_number'));
}

// What commands send is in the day's count, like everything else.
async function counted(scene, sb) {
  const { requests: got } = await sb.log();
  const [{ sent }] = scene.rows('SELECT sum(sent) AS sent FROM ml_connector.budget');
  must(got > 0 && sent === got, `HubSpot got ${got} requests, ${sent} are counted`);
}

async function mapping(scene) {
  const stored = async () => JSON.parse((await scene.ok(['tenant', 'show', 'demo', '--json'])).stdout).settings.mapping_file;
  const good = scene.file('mapping.json', MAPPING);
  // also of a tenant that is not stored yet, of the same portal
  const wrong = ['--mapping-file', scene.file('wrong.json', WRONG)];
  const words = ['erp_numbr', 'did you mean "erp_number"', 'nothing was stored'];
  await Promise.all([
    scene.refused(['tenant', 'set', 'demo', ...wrong], 2, words, { env: NO_WAY_OUT }),
    scene.refused(['tenant', 'add', 'new', ...scene.tenantFlags(scene.last), ...wrong], 2, words)]);
  must(await stored() === undefined, 'a refused file was stored');
  must(scene.rows(`SELECT * FROM ml_connector.tenant WHERE name = 'new'`).length === 0, 'a refused tenant was stored');
  const said = await scene.ok(['tenant', 'set', 'demo', '--mapping-file', good], { env: NO_WAY_OUT });
  must(said.stderr === '', `a good mapping: ${said.stderr}`);
  must(await stored() === MAPPING, 'the mapping was not stored');
}

// Killed with a request open, and whoever asked too: the next worker answers.
async function killed(scene, sb, p) {
  await sb.fault({ operation: 'account.details', delay_ms: 60000 });
  const asking = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['ping', 'demo'], { ...scene.env, ...NO_WAY_OUT });
  const [open] = await until('the request is taken', 10, () => {
    const r = requests(scene, `WHERE answered_at IS NULL AND worker = 'one'`);
    return r.length > 0 && r;
  });
  asking.child.kill('SIGKILL');
  p.child.kill('SIGKILL');
  await Promise.all([asking.ended, p.ended]);
  await sb.healed();
  const next = worker(scene, 'two');
  const [done] = await until('the next worker answers', 40, () => {
    const r = requests(scene, `WHERE id = ${open.id} AND answered_at IS NOT NULL`);
    return r.length > 0 && r;
  });
  must(done.worker === 'two' && done.answer.lines.some((l) => l.check === 'scopes' && l.state === 'ok'),
    `answered by ${done.worker}: ${JSON.stringify(done.answer)}`);
  return next;
}

// A worker that goes while a command waits for it: the command does it itself.
async function left(scene, sb, p) {
  await sb.fault({ operation: 'account.details', delay_ms: 3000 });
  const asked = scene.ml(['ping', 'demo', '--json']);
  await until('the request is taken', 10, () => requests(scene, `WHERE answered_at IS NULL AND worker IS NOT NULL`).length > 0);
  await stopped(p);
  await sb.healed();
  const r = await asked;
  must(r.code === 0 && JSON.parse(r.stdout).some((l) => l.check === 'scopes' && l.state === 'ok'), `ping after the worker went: ${tail(r)}`);
  must(requests(scene, 'WHERE answered_at IS NULL').length === 0, 'a request was left open');
}

// pause and resume in each state: what they say, and status beside them.
async function states(scene) {
  const status = async () => (await scene.ok(['status', 'demo'])).stdout;
  const said = async (args) => (await scene.ok(args)).stdout;
  must(/demo is halted since .*: .*\n.*ping demo.*tenant set demo/.test(await status()), `status of a halted tenant: ${await status()}`);
  must(/paused; it was halted: ./.test(await said(['tenant', 'pause', 'demo'])), 'pause of a halted tenant');
  must(/is paused already/.test(await said(['tenant', 'pause', 'demo'])), 'pause of a paused tenant');
  must(/demo is paused since .*\n.*tenant resume demo/.test(await status()), `status of a paused tenant: ${await status()}`);
  const json = JSON.parse(await said(['tenant', 'resume', 'demo', '--json']));
  must(json.done === 'resumed' && json.was === 'paused', `resume: ${JSON.stringify(json)}`);
  must(/is active already/.test(await said(['tenant', 'resume', 'demo'])), 'resume of an active tenant');
  for (const c of [['tenant', 'pause'], ['tenant', 'resume'], ['ping'], ['replay', 'list'], ['status']]) {
    await scene.refused([...c, 'demmo'], 2, ['demmo', 'did you mean demo?']);
  }
  await scene.ok(['tenant', 'remove', 'demo', '--yes']);
  for (const c of [['tenant', 'pause'], ['tenant', 'resume'], ['ping'], ['provision'], ['replay', 'list'], ['replay', 'run'], ['status'], ['sync']]) {
    await scene.refused([...c, 'demo', ...(c[1] === 'run' ? ['--all'] : [])], 1, ['was removed', 'audit demo']);
  }
  must((await said(['audit', 'demo'])).includes('tenant.state'), 'the audit of a removed tenant is not shown');
  const actors = scene.rows(`SELECT DISTINCT worker FROM ml_dashboard.audit WHERE event IN ('tenant.added', 'tenant.set')
    OR (event = 'tenant.state' AND outcome <> 'halted' AND message IS NULL)`).map((r) => r.worker);
  must(String(actors) === `${os.userInfo().username}@${os.hostname()}`, `who did it: ${actors}`);
}

export async function run(scene) {
  Object.assign(scene.env, { ML_HUBSPOT_LINGER_BUSY: '200ms', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '300ms', ML_LEASE_TTL: '3s' });
  const sb = await scene.sandbox('--customers', 12, '--invoices', 40, '--receipts', 10);
  await scene.ok(['migrate']);
  await scene.ok(['tenant', 'add', 'demo', ...scene.tenantFlags(sb), '--hubspot-limit', LIMIT, '--interval', '24h']);
  const dry = await both(scene, ['provision', 'demo', '--dry-run']);
  must(/missing/.test(dry.text), `provision --dry-run: ${dry.text}`);
  await scene.ok(['run', '--once']);
  const ping = await both(scene, ['ping', 'demo']);
  await counted(scene, sb);
  await property(sb);
  must(ping.code[0] === 0 && /scopes/.test(ping.text), `ping: ${ping.text}`);
  const provision = await both(scene, ['provision', 'demo', '--dry-run']);

  let p = worker(scene, 'one');
  await until('the worker holds the portal', 20, () => /portal\.held/.test(p.stderr));
  await sb.clear();
  const began = Date.now();
  const there = await both(scene, ['ping', 'demo'], { env: NO_WAY_OUT });
  scene.figure(`ping by the worker: ${((Date.now() - began) / 1000).toFixed(1)} s`);
  same('ping', ping, there);
  same('provision --dry-run', provision, await both(scene, ['provision', 'demo', '--dry-run'], { env: NO_WAY_OUT }));
  const taken = scene.rows(`SELECT max(extract(epoch FROM taken_at - asked_at)) AS s FROM ml_connector.request`)[0].s;
  must(taken < 5, `a request was taken after ${taken} s`);
  scene.figure(`taken up after at most ${Number(taken).toFixed(1)} s`);
  await mapping(scene);
  const log = await sb.log();
  must(log.most > 0 && log.most <= LIMIT, `${log.most} requests in a window, allowed are ${LIMIT}`);
  must(Object.keys(log.refused).length === 0, `refused: ${JSON.stringify(log.refused)}`);
  must(requests(scene, 'WHERE answered_at IS NULL').length === 0, 'requests were left open');

  p = await killed(scene, sb, p);
  await left(scene, sb, p);

  // Without its token: halted, and ping says so, also beside the worker.
  await scene.ok(['tenant', 'set', 'demo', '--hubspot-token-file', scene.file('bad-token', 'pat-na1-nobody')]);
  p = worker(scene, 'three');
  await sb.fusion(`invoice/${(await sb.world()).invoices[0].CustomerTransactionId}?PurchaseOrder=seen`);
  await until('the third worker holds the portal', 20, () => /portal\.held/.test(p.stderr));
  await scene.ok(['sync', 'demo']);
  await until('halted', 30, () => scene.rows(`SELECT state FROM ml_dashboard.tenants`)[0].state === 'halted');
  await Promise.all([
    scene.refused(['ping', 'demo'], 1, ['account', 'failed', '--hubspot-token-file'], { env: NO_WAY_OUT }),
    scene.refused(['provision', 'demo'], 1, [/401|token|authentication/i], { env: NO_WAY_OUT })]);
  await stopped(p);
  await states(scene);
  await sb.stop();
}
