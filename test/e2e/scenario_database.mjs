// SPDX-License-Identifier: UNLICENSED
// The database goes away in the middle of a saturated run, in every way it can:
// stopped, killed, read-only, failed over, behind a pooler that dies, out of
// connections, locked, full; or it refuses what came of a request. Meanwhile
// HubSpot gets nothing that could not be recorded, /readyz says why; afterwards
// all is exact, once, and quiet.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { House, Scene, must, until } from './bench.mjs';
import { Outage, finish, startWorker } from './outage.mjs';

const long = Boolean(process.env.E2E_LONG);
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// Windows and waits are short.
const settings = { ML_HUBSPOT_CUTOFF: '1s', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '500ms', ML_RETRY_ATTEMPTS: '50',
  ML_HUBSPOT_WINDOW: '1000ms', ML_HUBSPOT_TIMEOUT: '5s', ML_HUBSPOT_LINGER_BUSY: '300ms', ML_DATABASE_TIMEOUT: '6s' };
const switches = { rate_window_ms: 1000, search_lag_ms: 200, property_lag_min_ms: 0, property_lag_max_ms: 20 };

async function world(scene, invoices, portals = 1) {
  Object.assign(scene.env, settings);
  const sb = await scene.sandbox('--customers', Math.ceil(invoices / 5), '--invoices', invoices, '--receipts', Math.ceil(invoices / 5), '--portals', portals);
  await sb.switches(switches);
  return sb;
}

// In a house of its own Postgres.
async function housed(scene, name, options, test) {
  const house = new House(scene.house.build, options);
  house.children = scene.house.children;
  scene.house.others.add(house);
  try {
    house.start();
    const own = new Scene(house, `${scene.name}-${name}`);
    own.figures = scene.figures;
    scene.parts.push(own);
    await test(own);
    await scene.over(own);
  } finally {
    house.stopPostgres();
    scene.house.others.delete(house);
  }
}

// ---- one server, many ills ----------------------------------------------------

async function stopped(scene, sb, worker, seconds) {
  const out = new Outage(scene, sb, worker, `stopped for ${seconds} s`);
  await out.busy();
  scene.house.postgres('halt');
  await out.away(/no database to work with/);
  await pause(seconds * 1000);
  await out.silent();
  scene.house.start();
  await out.back();
}

async function killed(scene, sb, worker, times) {
  const out = new Outage(scene, sb, worker, `killed ${times} times`);
  for (let i = 0; i < times; i++) {
    await out.busy();
    scene.house.postgres('restart');
    await pause(300 + 200 * i);
  }
  await out.back();
  must(worker.p.stderr.includes('db.away'), 'no db.away in the log');
}

async function readOnly(scene, sb, worker) {
  const out = new Outage(scene, sb, worker, 'read-only');
  await out.busy();
  scene.sql('ALTER SYSTEM SET default_transaction_read_only = on');
  scene.sql('SELECT pg_reload_conf()');
  scene.sql(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '${worker.name}'`);
  await out.away(/read-only/);
  must((await scene.ml(['status'])).code === 0, 'status needs a database that takes writes');
  await pause(2000);
  await out.silent();
  scene.sql('ALTER SYSTEM RESET default_transaction_read_only');
  scene.sql('SELECT pg_reload_conf()');
  await out.back();
}

async function locked(scene, sb, worker) {
  const out = new Outage(scene, sb, worker, 'locked');
  await out.busy();
  const holder = spawn('psql', ['-AtXq', '-d', scene.url, '-c',
    'BEGIN; LOCK TABLE ml_connector.write, ml_connector.job IN ACCESS EXCLUSIVE MODE; SELECT 1; SELECT pg_sleep(7)'],
  { stdio: 'ignore' });
  const ended = new Promise((done) => { holder.on('close', done); });
  await until('the lock', 10, () => Number(scene.sql(`SELECT count(*) FROM pg_locks WHERE granted AND
    mode = 'AccessExclusiveLock' AND relation = 'ml_connector.write'::regclass`)) > 0);
  await out.away(/locked|too long|in time/);
  await out.silent();
  await ended;
  await out.back();
  must(await worker.metric('ml_database_errors_total{where="statement",code="55P03"}') > 0, 'no lock time-out was counted');
}

async function ills(scene) {
  await housed(scene, 'ills', {}, async (own) => {
    own.env.ML_LEASE_TTL = '5s'; // it lapses while the server is stopped
    const sb = await world(own, long ? 4000 : 2400); // more than the outages leave time for
    await own.tenant(sb);
    const worker = await startWorker(own, sb);
    await stopped(own, sb, worker, long ? 60 : 6);
    await killed(own, sb, worker, long ? 10 : 3);
    await readOnly(own, sb, worker);
    await locked(own, sb, worker);
    await finish(own, sb, worker);
  });
}

// ---- a pooler between ---------------------------------------------------------

class Pooler {
  constructor(scene) {
    this.scene = scene;
    this.dir = path.join(scene.house.dir, 'pooler');
    fs.mkdirSync(this.dir);
    fs.writeFileSync(path.join(this.dir, 'ini'), `[databases]
${scene.database} = host=${scene.house.pg} user=postgres dbname=${scene.database}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = ${this.dir}
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_login_retry = 1
query_wait_timeout = 4
`);
    if (process.getuid() === 0) {
      this.ids = ['-u', '-g'].map((f) => Number(spawnSync('id', [f, 'postgres'], { encoding: 'utf8' }).stdout));
      fs.chownSync(this.dir, ...this.ids);
    }
    this.url = `host=${this.dir} port=6432 user=postgres dbname=${scene.database}`;
  }

  async start() {
    const [uid, gid] = this.ids ?? [];
    this.child = spawn('pgbouncer', [path.join(this.dir, 'ini')],
      { uid, gid, stdio: 'ignore', env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
    this.scene.house.children.add(this.child);
    this.ended = new Promise((done) => { this.child.on('close', done); });
    await until('pgbouncer', 10, () => spawnSync('psql', ['-AtXq', '-d', this.url, '-c', 'SELECT 1']).status === 0);
  }

  async kill(signal = 'SIGKILL') {
    this.child.kill(signal);
    await this.ended;
    this.scene.house.children.delete(this.child);
  }
}

async function pooled(scene) {
  await housed(scene, 'pooled', {}, async (own) => {
    const sb = await world(own, long ? 2000 : 500);
    const pooler = new Pooler(own);
    await pooler.start();
    await own.tenant(sb);
    own.env.ML_DATABASE_URL = pooler.url;
    const worker = await startWorker(own, sb);
    must(worker.p.stderr.includes('db.pooler'), 'the pooler took options in the start-up packet');

    const dead = new Outage(own, sb, worker, 'pooler killed');
    await dead.busy();
    await pooler.kill();
    await dead.away(/no database to work with/);
    await pause(2000);
    await dead.silent();
    await pooler.start();
    await dead.back();

    const below = new Outage(own, sb, worker, 'server behind the pooler killed');
    await below.busy();
    own.house.postgres('crash');
    await below.away(/no database to work with|in time/);
    await pause(2000);
    await below.silent();
    own.house.start();
    await below.back();

    const only = new Outage(own, sb, worker, 'read-only behind the pooler');
    await only.busy();
    own.sql('ALTER SYSTEM SET default_transaction_read_only = on');
    own.sql('SELECT pg_reload_conf()');
    await only.away(/read-only/);
    await only.silent();
    own.sql('ALTER SYSTEM RESET default_transaction_read_only');
    own.sql('SELECT pg_reload_conf()');
    await only.back();
    await finish(own, sb, worker);
    await pooler.kill('SIGINT');
  });
}

// ---- a standby takes over -----------------------------------------------------

async function failedOver(scene) {
  await housed(scene, 'failover', { settings: ['wal_level=replica', 'max_wal_senders=4'] }, async (own) => {
    const { pg, standby } = own.house;
    const sb = await world(own, long ? 2000 : 500);
    await own.tenant(sb);
    own.house.postgres('standby', standby, pg);
    own.sql(`ALTER SYSTEM SET synchronous_standby_names = '*'`); // what is told to be committed is there as well
    own.sql('SELECT pg_reload_conf()');
    own.env.ML_DATABASE_URL = own.url.replace(pg, `${standby},${pg}`);
    const worker = await startWorker(own, sb);
    const out = new Outage(own, sb, worker, 'failed over to a standby');
    await out.busy();
    own.house.postgres('crash');
    await out.away(/read-only/); // the standby, which is asked first
    await pause(2000);
    await out.silent();
    own.house.postgres('promote', standby);
    await out.back();
    own.url = own.url.replace(pg, standby);
    await finish(own, sb, worker);
  });
}

// ---- no connection left -------------------------------------------------------

async function full(scene) {
  await housed(scene, 'connections', { settings: ['max_connections=12'] }, async (own) => {
    const sb = await world(own, long ? 2000 : 500);
    own.sql(`CREATE ROLE worker LOGIN; ALTER DATABASE ${own.database} OWNER TO worker`);
    own.env.ML_DATABASE_URL = own.url.replace('user=postgres', 'user=worker');
    await own.tenant(sb);
    const worker = await startWorker(own, sb);

    const most = new Outage(own, sb, worker, 'one connection of four');
    await most.busy();
    const cut = () => own.sql(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'worker'`);
    own.sql('ALTER ROLE worker CONNECTION LIMIT 1');
    cut();
    await most.back();
    await most.busy();
    must(Number(own.sql(`SELECT count(*) FROM pg_stat_activity WHERE usename = 'worker'`)) === 1, 'not one connection');

    const none = new Outage(own, sb, worker, 'no connection left');
    own.sql('ALTER ROLE worker CONNECTION LIMIT 0');
    cut();
    await until('its sessions are gone', 10, () => Number(own.sql(`SELECT count(*) FROM pg_stat_activity WHERE usename = 'worker'`)) === 0);
    own.sql('CREATE ROLE hog LOGIN');
    let hogs = [];
    const hog = () => {
      const h = spawn('psql', ['-AtXq', '-d', own.url.replace('user=postgres', 'user=hog'), '-c', 'SELECT pg_sleep(600)'], { stdio: 'ignore' });
      own.house.children.add(h);
      h.on('exit', () => own.house.children.delete(h));
      return h;
    };
    // Whoever looks takes a slot for a moment, so that one of them may find none.
    await until('all slots are taken', 30, () => {
      hogs = hogs.filter((h) => h.exitCode === null);
      hogs.push(...Array.from({ length: 9 - hogs.length }, hog));
      return Number(own.sql(`SELECT count(*) FROM pg_stat_activity WHERE usename = 'hog'`)) === 9;
    });
    own.sql('ALTER ROLE worker CONNECTION LIMIT -1');
    await none.away(/too many connections/);
    await pause(2000);
    await none.silent();
    own.sql(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'hog'`);
    await none.back();
    await finish(own, sb, worker);
  });
}

// ---- the disk is full ---------------------------------------------------------

async function fullDisk(scene) {
  const library = path.join(scene.house.dir, 'full-disk.so');
  const flag = path.join(scene.house.dir, 'full');
  fs.cpSync(path.join(scene.house.build, 'full-disk.so'), library);
  await housed(scene, 'disk', { env: { PG_PRELOAD: library, FULL_DISK: flag } }, async (own) => {
    const sb = await world(own, long ? 2000 : 500);
    await own.tenant(sb);
    const worker = await startWorker(own, sb);
    const out = new Outage(own, sb, worker, 'disk full');
    await out.busy();
    fs.writeFileSync(flag, '', { mode: 0o644 });
    await out.away(/disk is full/, 30);
    await pause(3000);
    // Postgres may find room in what it has: then a request is recorded, and may leave.
    await out.silent(`SELECT count(*) FROM ml_connector.write WHERE opened_at > to_timestamp(${out.since / 1000})`);
    must(own.house.log().includes('No space left on device'), 'the disk was never full');
    fs.rmSync(flag);
    await out.back();
    await finish(own, sb, worker);
  });
}

// ---- an outcome that is refused for what it says ------------------------------

async function refused(scene) {
  await housed(scene, 'refused', {}, async (own) => {
    const sb = await world(own, 300);
    own.env.ML_RETRY_ATTEMPTS = '3';
    await own.tenant(sb);
    const { invoices: [{ CustomerTransactionId: id }] } = await sb.get('/control/fusion/0/dump/invoices?limit=1');
    own.sql(`CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.kind = 'invoice' AND NEW.fusion_id = '${id}' THEN RAISE EXCEPTION 'not this one'; END IF;
      RETURN NEW; END $$`);
    own.sql('CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ml_connector.link FOR EACH ROW EXECUTE FUNCTION public.refuse()');
    const worker = await startWorker(own, sb);
    await until('it parks and all others are written', 90, () => {
      const [n] = own.rows(`SELECT count(*) FILTER (WHERE state = 'parked') AS parked,
        count(*) FILTER (WHERE state NOT IN ('parked', 'waiting')) AS open,
        (SELECT count(*) FROM ml_connector.record WHERE kind = 'invoice' AND state = 'current') AS written FROM ml_connector.job`);
      return Number(n.parked) === 1 && Number(n.open) === 0 && Number(n.written) === 299;
    });
    const [parked] = own.rows('SELECT * FROM ml_dashboard.replay_queue');
    must(parked.fusion_id === String(id) && parked.error_code === 'P0001', `parked: ${JSON.stringify(parked)}`);
    must(await worker.metric('ml_outcomes_refused_total') >= 3, 'refusals were not counted');
    must(worker.p.stderr.includes('error dispatch.refused'), 'no dispatch.refused in the log');
    must(await worker.isReady(), 'one refused outcome is no reason not to be ready');
    own.conserved();
    own.sql('DROP TRIGGER refuse ON ml_connector.link');
    await own.ok(['replay', 'run', 'demo', '--all']);
    await finish(own, sb, worker);
  });
}

// ---- memory -------------------------------------------------------------------

async function memory(scene) {
  const portals = 4;
  const seconds = long ? 600 : 8;
  await housed(scene, 'memory', {}, async (own) => {
    const sb = await world(own, long ? 2000 : 200, portals);
    const names = ['demo', 'demo1', 'demo2', 'demo3'];
    await own.tenant(sb);
    for (const [i, name] of names.slice(1).entries()) {
      await own.ok(['tenant', 'add', name, ...own.tenantFlags(sb, i + 1)]);
    }
    const worker = await startWorker(own, sb, names);
    const out = new Outage(own, sb, worker, `away for ${seconds} s, ${portals} tenants`);
    await out.busy(2 * portals);
    own.house.postgres('crash');
    await out.away(/no database to work with/);
    await pause(2000);
    const first = worker.rss();
    let most = first;
    for (let i = 0; i < seconds; i++) {
      await pause(1000);
      most = Math.max(most, worker.rss());
    }
    await out.silent();
    own.house.start();
    await out.back();
    scene.figure(`memory: ${first} kB when it went away, at most ${most} kB in ${seconds} s`);
    must(most - first < 4096, `memory grew from ${first} to ${most} kB while the database was away`);
    await finish(own, sb, worker, portals);
  });
}

// Mostly they wait: a few side by side.
export async function run(scene) {
  const lanes = [[ills], [pooled, failedOver], [full, fullDisk], [refused, memory]];
  const wanted = process.env.DATABASE_PARTS?.split(' ');
  const lane = async (parts) => {
    for (const part of parts.filter((p) => wanted === undefined || wanted.includes(p.name))) {
      const started = Date.now();
      await part(scene);
      scene.figure(`${part.name}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
    }
  };
  const ends = await Promise.allSettled(lanes.map(lane));
  const failed = ends.find((e) => e.status === 'rejected');
  if (failed) {
    throw failed.reason;
  }
}
