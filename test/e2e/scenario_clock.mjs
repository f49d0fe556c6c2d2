// SPDX-License-Identifier: UNLICENSED
// The worker's wall clock is set an hour forth and back, several times in the
// middle of writing, while requests fail, their outcomes are unknown, and tokens
// run out. Nothing goes by it: leases, the limit, backoff, cursors, what is
// unknown, assertions, and what is stored are as with a clock that goes right.
import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { must, until } from './bench.mjs';

const hour = 3600;
const steps = [hour, -hour, 0, hour, 7 * 60, -47 * 60];
const customers = 60;
const limit = 8; // requests of a window of one second
const longest = 20; // seconds that anything may be due ahead, by its settings
const tenants = ['demo', 'signed'];

function addTenants(scene, sb) {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });
  const t = sb.ready.tenants[1];
  const flags = ['--hubspot-limit', String(limit)];
  return sb.call('POST', '/control/fusion/1/jwt_key?kid=k', key.publicKey)
    .then(() => scene.ok(['tenant', 'add', 'demo', ...scene.tenantFlags(sb), ...flags]))
    .then(() => scene.ok(['tenant', 'add', 'signed', '--fusion-url', sb.ready.fusion_url, '--fusion-auth', 'jwt-assertion',
      '--fusion-token-url', sb.ready.token_url, '--fusion-client-id', t.client_id, '--fusion-scope', t.scope,
      '--fusion-user', 'user-1', '--fusion-private-key-file', scene.file('key.pem', key.privateKey), '--fusion-key-id', 'k',
      '--hubspot-url', sb.ready.hubspot_url, '--hubspot-token-file', t.hubspot_token_file, '--since', '2020-01-01', ...flags]));
}

class Clock {
  constructor(scene) {
    this.path = scene.file('wall', Buffer.alloc(8), 0o644);
    this.at = 0;
  }

  set(seconds) {
    const b = Buffer.alloc(8);
    b.writeBigInt64LE(BigInt(seconds));
    const fd = fs.openSync(this.path, 'r+');
    fs.writeSync(fd, b, 0, 8, 0);
    fs.closeSync(fd);
    this.at = seconds;
  }

  env(scene) {
    return { LD_PRELOAD: path.join(scene.house.build, 'wall-clock.so'), WALL_CLOCK: this.path,
      ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0` };
  }
}

// What must hold at every moment, whatever the worker's clock says.
function look(scene, leases) {
  const now = scene.rows(`SELECT portal, term, extract(epoch FROM taken_at)::float8 AS taken,
    extract(epoch FROM expires_at - now())::float8 AS left_s FROM ml_connector.lease WHERE worker IS NOT NULL`);
  for (const l of now) {
    const was = leases.get(l.portal);
    must(!was || (was.term === l.term && was.taken === l.taken), `the lease of ${l.portal} moved: ${JSON.stringify([was, l])}`);
    must(l.left_s > 0 && l.left_s <= 15, `the lease of ${l.portal} lasts ${l.left_s} s`);
    leases.set(l.portal, l);
  }
  const [due] = scene.rows('SELECT coalesce(max(extract(epoch FROM due_at - now())), 0)::float8 AS s FROM ml_connector.job');
  must(due.s <= longest, `a job is due in ${due.s} s`);
  return now.length;
}

// Everything stored has the database's time, cursors and passes the pod's.
function stamps(scene, from, to) {
  const times = { audit_event: 'at', write: 'opened_at', poll: 'started_at', record: 'last_read', cursor: 'moved_at',
    feed: 'state_at', minute: 'minute', lease: 'taken_at', job: 'since', pass: 'begun_at' };
  for (const [table, column] of Object.entries(times)) {
    const [r] = scene.rows(`SELECT extract(epoch FROM min(${column}))::float8 AS low, extract(epoch FROM max(${column}))::float8 AS high
      FROM ml_connector.${table}`);
    must(r.low === null || (r.low >= from - 61 && r.high <= to + 1), `${table}.${column} is from ${r.low} to ${r.high}, the run was from ${from} to ${to}`);
  }
  const [c] = scene.rows('SELECT max(stamp_us / 1e6)::float8 AS stamp, max(scanned_us / 1e6)::float8 AS scanned FROM ml_connector.cursor');
  must(c.stamp <= to && (c.scanned === null || c.scanned <= to), `a cursor is ahead: ${JSON.stringify(c)}`);
  const [p] = scene.rows('SELECT max(to_us / 1e6)::float8 AS upto FROM ml_connector.pass');
  must(p.upto === null || p.upto <= to + 86400 * 1.1, `a pass goes to ${p.upto}`);
  const [r] = scene.rows("SELECT max(read_us / 1e6)::float8 AS read FROM ml_connector.record");
  must(r.read <= to + 2, `a record was read at ${r.read}`);
}

async function weather(sb) {
  for (const rule of [{ every: 9, when: 'after', action: 'reset' }, { every: 7, status: 502, body: 'html' }]) {
    await sb.fault({ server: 'hubspot', writes: true, ...rule });
  }
  await sb.fault({ server: 'fusion', path: '/fscmRestApi', every: 11, status: 503 });
}

// Invoices once, each customer's at different times: which is its newest, and so
// what its contact is, must neither be left open nor change twice.
async function newWork(sb, first) {
  for (const i of [0, 1]) {
    for (let k = 0; first && k < 5; k++) {
      await sb.call('POST', `/control/fusion/${i}/bulk?new=1&kind=invoice&lines=2&n=${customers}&age_s=${20 - k}`);
    }
    if (!first) {
      await sb.fusion('bulk?new=1&kind=receipt&n=150', 'POST', i);
    }
  }
}

function openJobs(scene) {
  return Number(scene.sql("SELECT count(*) FROM ml_connector.job WHERE state <> 'parked'"));
}

export async function run(scene) {
  const clock = new Clock(scene);
  Object.assign(scene.env, { ML_HUBSPOT_WINDOW: '1000ms', ML_HUBSPOT_CUTOFF: '2s', ML_RETRY_CAP: '2s', ML_RETRY_ATTEMPTS: '50',
    ML_HUBSPOT_LINGER_BUSY: '500ms' });
  const sb = await scene.sandbox('--customers', customers, '--invoices', 120, '--receipts', 60, '--portals', 2);
  await sb.switches({ rate_window_ms: 1000, rate_limit: limit });
  await sb.post('/control/log', { window_ms: 1000 });
  await sb.post('/control/fusion/all/switches', { expires_in: 3 });
  await scene.ok(['migrate']);
  await addTenants(scene, sb);
  const from = Date.now() / 1000;
  const worker = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], { ...scene.env, ...clock.env(scene) });
  const leases = new Map();
  await until('both portals are held', 20, () => scene.sql(`SELECT count(*) FROM ml_connector.lease
    WHERE worker IS NOT NULL AND portal NOT LIKE 'tenant:%'`) === '2');
  await until('the first sync', 60, () => scene.done(tenants));
  const before = [await equal(scene, sb, 0), await equal(scene, sb, 1)];

  await weather(sb);
  for (const [k, at] of (process.env.E2E_LONG ? [...steps, ...steps, ...steps] : steps).entries()) {
    await newWork(sb, k === 0);
    await Promise.all(tenants.map((name) => scene.ok(['sync', name])));
    await until('there is work', 20, () => openJobs(scene) > 50);
    clock.set(at);
    for (let i = 0; i < 6; i++) {
      must(look(scene, leases) === 2, 'a portal is not held');
      await new Promise((done) => { setTimeout(done, 250); });
    }
  }
  await sb.healed();
  await scene.polled(tenants);
  await until('everything is written', 60, () => openJobs(scene) === 0);
  const to = Date.now() / 1000;
  look(scene, leases);
  stamps(scene, from, to);
  const log = await sb.log();
  must(!log.refused['429'], `${log.refused['429']} requests got a 429`);
  must(log.most <= limit, `${log.most} requests in a window of ${limit}`);
  must(scene.rows("SELECT * FROM ml_dashboard.tenants WHERE state <> 'active'").length === 0, 'a tenant is not active');
  must(!/tenant\.halted|portal\.(lost|unleased)/.test(worker.stderr), `halted, or lost: ${worker.stderr.slice(-2000)}`);
  told(worker.stderr, from);
  for (const i of [0, 1]) {
    await equal(scene, sb, i, before[i]);
  }
  scene.conserved();
  worker.child.kill('SIGTERM');
  must((await worker.ended).code === 0, 'the worker did not end well');
  const [u] = scene.rows("SELECT count(*) AS n FROM ml_dashboard.audit WHERE outcome = 'unknown'");
  must(Number(u.n) > 0, 'nothing was ever of unknown outcome');
  scene.figure(`${steps.length} steps of the clock, at most ${log.most} of ${limit} requests in a window, ${u.n} unknown outcomes settled, ` +
    `${leases.size} leases never moved`);
}

async function equal(scene, sb, i, from = {}) {
  sb.index = i;
  try {
    return await scene.equal(sb, from);
  } finally {
    sb.index = 0;
  }
}

// Its log alone went by the clock: so the clock was set.
function told(text, from) {
  const at = text.split('\n').map((l) => Date.parse(l.slice(0, 24)) / 1000 - from).filter((s) => !Number.isNaN(s));
  must(Math.max(...at) > hour - 60, 'the log never was an hour ahead');
  must(Math.min(...at) < -hour / 2, 'the log never was behind');
}
