// SPDX-License-Identifier: UNLICENSED
// What the scenarios stand on: one private Postgres with a database for each,
// a simulator, and the real binary. Every child is ended by its own id.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseExact } from './decimal.mjs';
import { expect, check, isLeft, merged } from './oracle.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const postgres = path.join(here, '..', 'support', 'postgres');

const DUMPED = 1000; // records of the true world in one answer

// Operations of HubSpot that change nothing we bring over.
export const reads = /\.(batch_read|read|list|search)|account|properties|details|access_token|currencies|usage|groups|labels/;

export class Failure extends Error {}

export function must(condition, message) {
  if (!condition) {
    throw new Failure(message);
  }
}

export async function until(what, seconds, test) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await test();
    if (value) {
      return value;
    }
    must(Date.now() < end, `${what}: not within ${seconds} s`);
    await new Promise((done) => { setTimeout(done, 100); });
  }
}

export function freePort() {
  return new Promise((done) => {
    const s = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => done(port));
    });
  });
}

// Of a shell of ours that runs something, that too.
function killBelow(pid) {
  try {
    const below = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    below.forEach((child) => process.kill(Number(child), 'SIGKILL'));
  } catch {
    // it has ended
  }
}

// {settings, env}: of its Postgres.
export class House {
  constructor(build, { settings = [], env = {} } = {}) {
    this.build = build;
    this.settings = settings;
    this.pgEnv = { ...process.env, ...env };
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'ml-e2e-'));
    fs.chmodSync(this.dir, 0o755);
    this.pg = path.join(this.dir, 'pg');
    this.standby = path.join(this.dir, 'standby');
    this.children = new Set();
    this.others = new Set(); // houses that end with this one
  }

  start() {
    this.url = this.postgres('start', this.pg, ...this.settings);
  }

  postgres(verb, dir = this.pg, ...more) {
    const r = spawnSync(postgres, [verb, dir, ...more], { encoding: 'utf8', env: this.pgEnv });
    must(r.status === 0, `postgres ${verb}: ${r.stderr}`);
    return r.stdout.trim();
  }

  async stop() {
    for (const child of this.children) {
      killBelow(child.pid);
      child.kill('SIGKILL');
    }
    this.others.forEach((other) => other.stopPostgres());
    this.stopPostgres();
  }

  stopPostgres() {
    for (const dir of [this.standby, this.pg]) {
      spawnSync(postgres, ['stop', dir]);
    }
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  log() {
    return fs.readFileSync(path.join(this.pg, 'log'), 'utf8');
  }
}

// One scenario: its database, its simulator, its settings.
export class Scene {
  constructor(house, name) {
    this.house = house;
    this.name = name;
    this.dir = path.join(house.dir, name);
    this.outputs = [];
    this.figures = [];
    this.parts = [];
    fs.mkdirSync(this.dir);
    this.database = `e2e_${name.replace(/-/g, '_')}`;
    this.url = house.url.replace('dbname=postgres', `dbname=${this.database}`);
    this.sql(`CREATE DATABASE ${this.database}`, house.url);
    this.master = `k1:${randomBytes(32).toString('base64')}`;
    this.key = this.file('key', `${this.master}\n`);
    this.env = {
      ML_DATABASE_URL: this.url,
      ML_MASTER_KEY_FILE: this.key,
      ML_LISTEN: 'off',
      ML_FUSION_BEHIND: '0s',
      ML_FUSION_OPEN_AGE: '0s',
      ML_LOG_FORMAT: 'text',
      ML_LOG_LEVEL: process.env.LOG ?? 'info',
    };
  }

  // A part with a database and settings of its own; its figures are this one's.
  part(name) {
    const part = new Scene(this.house, `${this.name}-${name}`);
    Object.assign(part.env, this.env, { ML_DATABASE_URL: part.url, ML_MASTER_KEY_FILE: part.key });
    part.figures = this.figures;
    this.parts.push(part);
    return part;
  }

  // It went well: there is nothing to keep of it.
  async over(part) {
    this.parts = this.parts.filter((p) => p !== part);
    await part.last.stop();
  }

  file(name, text, mode = 0o600) {
    const p = path.join(this.dir, name);
    fs.writeFileSync(p, text, { mode });
    fs.chmodSync(p, mode);
    return p;
  }

  sql(text, url = this.url) {
    const r = spawnSync('psql', ['-AtXq', '-v', 'ON_ERROR_STOP=1', '-d', url, '-c', text],
      { encoding: 'utf8', maxBuffer: 1 << 28 });
    must(r.status === 0, `psql: ${r.stderr}`);
    return r.stdout.trim();
  }

  rows(query) {
    return JSON.parse(this.sql(`SELECT coalesce(json_agg(q), '[]') FROM (${query}) q`));
  }

  spawn(program, args, env) {
    const clean = Object.fromEntries(
      Object.entries(process.env).filter(([k]) => !k.startsWith('ML_')));
    const child = spawn(program, args,
      { env: { ...clean, ...env }, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
    const out = { child, stdout: '', stderr: '', extra: '' };
    this.house.children.add(child);
    child.stdout.setEncoding('utf8').on('data', (d) => { out.stdout += d; });
    child.stderr.setEncoding('utf8').on('data', (d) => { out.stderr += d; });
    child.stdio[3].setEncoding('utf8').on('data', (d) => { out.extra += d; });
    out.ended = new Promise((done) => {
      child.on('error', (e) => done({ code: null, signal: e.message }));
      child.on('close', (code, signal) => {
        this.house.children.delete(child);
        this.outputs.push(out);
        done({ code, signal });
      });
    });
    return out;
  }

  // The worker's command, to its end. {env, seconds} may be given.
  async ml(args, { env = {}, seconds = 300 } = {}) {
    const all = { ...this.env, ...env };
    for (const k of Object.keys(all)) {
      if (all[k] === undefined) {
        delete all[k];
      }
    }
    const script = '"$@"; s=$?; times >&3; exit $s';
    const p = this.spawn('sh', ['-c', script, 'sh',
      path.join(this.house.build, 'ml-connector'), ...args], all);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      spawnSync('sh', ['-c', `kill -ABRT $(cat /proc/${p.child.pid}/task/${p.child.pid}/children)`]);
    }, seconds * 1000);
    const started = Date.now();
    const { code, signal } = await p.ended;
    clearTimeout(timer);
    const cpu = /\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s/.exec(p.extra);
    const r = {
      code, stdout: p.stdout, stderr: p.stderr,
      seconds: (Date.now() - started) / 1000,
      cpu: cpu ? cpu[1] * 60 + +cpu[2] + cpu[3] * 60 + +cpu[4] : NaN,
    };
    this.note(`$ ml-connector ${args.join(' ')}\n${r.stdout}${r.stderr}= ${code} ${signal ?? ''}\n`);
    must(!late, `ml-connector ${args.join(' ')}: no end within ${seconds} s\n${tail(r)}`);
    must(code !== null && code < 128, `ml-connector ${args.join(' ')}: crashed, ${code ?? signal}\n${tail(r)}`);
    return r;
  }

  // Into the log that is kept when it fails.
  note(text) {
    fs.appendFileSync(path.join(this.dir, 'log'), text);
  }

  async ok(args, options) {
    const r = await this.ml(args, options);
    must(r.code === 0, `ml-connector ${args.join(' ')}: exit ${r.code}\n${tail(r)}`);
    return r;
  }

  // A refusal: the exit status and what the message must name.
  async refused(args, code, words, options) {
    const r = await this.ml(args, options);
    const said = r.stdout + r.stderr;
    must(r.code === code, `ml-connector ${args.join(' ')}: exit ${r.code}, wanted ${code}\n${tail(r)}`);
    for (const w of [].concat(words)) {
      must(w instanceof RegExp ? w.test(said) : said.includes(w),
        `ml-connector ${args.join(' ')}: ${w} is not in the message\n${tail(r)}`);
    }
    return r;
  }

  async sandbox(...args) {
    const p = this.spawn(path.join(this.house.build, 'ml-sandbox'), args.map(String), { TMPDIR: this.dir });
    await until('ml-sandbox', 20, () => p.stdout.includes('\n') || p.child.exitCode !== null);
    must(p.child.exitCode === null, `ml-sandbox: ${p.stderr}`);
    this.last = new Sandbox(p, JSON.parse(p.stdout.split('\n')[0]));
    return this.last;
  }

  tenantFlags(sb, i = 0) {
    const t = sb.ready.tenants[i];
    return ['--fusion-url', sb.ready.fusion_url, '--fusion-token-url', sb.ready.token_url,
      '--fusion-client-id', t.client_id, '--fusion-client-secret-file', t.client_secret_file,
      '--fusion-scope', t.scope, '--hubspot-url', sb.ready.hubspot_url,
      '--hubspot-token-file', t.hubspot_token_file, '--hubspot-tier', t.hubspot_tier,
      '--since', '2020-01-01'];
  }

  async tenant(sb, name = 'demo') {
    await this.ok(['migrate']);
    await this.ok(['tenant', 'add', name, ...this.tenantFlags(sb)]);
  }

  // All feeds of these tenants were read to the end in a poll that began since then.
  read(names, since) {
    return this.sql(`SELECT count(*) FROM ml_dashboard.feeds WHERE tenant IN ('${names.join("','")}')
      AND last_success >= '${since}' AND state = 'idle'`) === String(3 * names.length);
  }

  // Read at least once, and written. In this order: jobs are stored before a poll ends.
  done(names = ['demo']) {
    return this.read(names, '-infinity') &&
      this.sql(`SELECT sum(open_jobs) FROM ml_dashboard.tenants WHERE tenant IN ('${names.join("','")}')`) === '0';
  }

  // The worker polls these tenants now, to the end: sync only tells that it begins.
  async polled(names = ['demo']) {
    const since = this.sql('SELECT clock_timestamp()');
    await Promise.all(names.map((name) => this.ok(['sync', name])));
    await until(`the polls of ${names}`, 90, () => this.read(names, since));
  }

  // HubSpot against the oracle. `from` holds what was before; gives what is now.
  // options.interrupted: a first poll that was broken off may have left values.
  async equal(sb, from = {}, options = {}) {
    const world = merged(from.world, await sb.world());
    const hub = await sb.hub();
    const expected = expect(world, hub);
    const { bad: all, associations } = check(expected, hub, from.hub, options);
    const bad = options.interrupted ? all.filter((line) => !isLeft(line)) : all;
    const counts = await sb.get(`/control/hubspot/associations?${sb.portal()}`);
    const both = Object.values(counts.types).reduce((a, b) => a + Number(b), 0);
    if (both !== associations && bad.length === 0) {
      bad.push(`${both} associations stored, ${associations} accounted for`);
    }
    must(bad.length === 0, `${bad.length} differences:\n  ${bad.slice(0, options.show ?? (process.env.SHOW ?? 25)).join('\n  ')}`);
    return { world, hub, expected };
  }

  conserved() {
    const rows = this.rows('SELECT * FROM ml_dashboard.conservation WHERE difference <> 0');
    must(rows.length === 0, `conservation: ${JSON.stringify(rows.slice(0, 5))}`);
  }

  // The secrets of a simulator and the master key in nothing that was said or stored.
  secretsHidden(secrets) {
    const dump = spawnSync('pg_dump', ['-d', this.url], { encoding: 'utf8', maxBuffer: 1 << 30 });
    must(dump.status === 0, `pg_dump: ${dump.stderr}`);
    const places = [['the database', dump.stdout],
      ...this.outputs.filter((o) => !o.stdout.startsWith('{"fusion_url"'))
        .flatMap((o) => [['stdout', o.stdout], ['stderr', o.stderr]])];
    for (const [place, t] of places) {
      for (const s of secrets) {
        must(!t.includes(s), `a secret (${s.slice(0, 4)}...) stands in ${place}`);
      }
    }
    return dump.stdout.length;
  }

  // For a look at a failure: what was said, the trail, both worlds.
  async keep(dir) {
    for (const part of this.parts) {
      await part.keep(dir);
    }
    if (!fs.existsSync(path.join(this.dir, 'log'))) {
      return;
    }
    const save = (what, t) => fs.writeFileSync(path.join(dir, `${this.name}.${what}`), t);
    fs.cpSync(path.join(this.dir, 'log'), path.join(dir, `${this.name}.log`));
    try {
      const dump = spawnSync('pg_dump', ['-d', this.url], { encoding: 'utf8', maxBuffer: 1 << 30 });
      save('sql', dump.stdout);
      save('audit', this.sql(`SELECT id, time, event, kind, fusion_id, outcome, http_status,
        error_code, message, before, after FROM ml_dashboard.audit ORDER BY id`));
      save('world', JSON.stringify(await this.last.world(), null, 1));
      save('hub', JSON.stringify(await this.last.hub(), null, 1));
    } catch (e) {
      console.log(`    not kept: ${e.message}`);
    }
  }

  figure(line) {
    this.figures.push(line);
  }
}

export function tail(r) {
  return (r.stdout.slice(-1500) + r.stderr.slice(-3000)).trim();
}

export class Sandbox {
  constructor(process_, ready) {
    this.p = process_;
    this.ready = ready;
    this.url = ready.control_url;
    this.index = 0;
  }

  secrets() {
    return this.ready.tenants.flatMap((t) => [t.client_secret_file, t.hubspot_token_file, t.password_file]
      .filter(Boolean).map((f) => fs.readFileSync(f, 'utf8').trim()));
  }

  async call(method, where, body) {
    const r = await fetch(this.url + where, { method,
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body) });
    const t = await r.text();
    must(r.ok, `${method} ${where}: ${r.status} ${t}`);
    return t;
  }

  async get(where) {
    return JSON.parse(await this.call('GET', where));
  }

  async post(where, body = '') {
    const t = await this.call('POST', where, body);
    return t === '' ? null : JSON.parse(t);
  }

  async del(where) {
    await this.call('DELETE', where);
  }

  // Changes in Fusion, one by one: two invoices of a customer with one stamp would
  // leave open which of them is the newest.
  async change(n, seed) {
    for (let i = 0; i < n; i++) {
      await this.fusion(`mutate?n=1&seed=${seed * 1000 + i}`);
      await new Promise((done) => { setTimeout(done, 2); });
    }
  }

  // The pod's clock is known by the second: a change of this very second is read
  // by the next poll. So changes are stamped a little back.
  fusion(change, method = 'POST', i = this.index) {
    return this.call(method, `/control/fusion/${i}/${change}${change.includes('?') ? '&' : '?'}age_s=2`)
      .then((t) => (t === '' ? null : JSON.parse(t)));
  }

  // The same, looked at from one tenant: its pod and its portal.
  of(index) {
    return Object.assign(Object.create(this), { index });
  }

  portal() {
    return `portal=${this.ready.tenants[this.index].portal_id}`;
  }

  async world(i = this.index) {
    const out = {};
    for (const kind of ['customers', 'invoices', 'receipts', 'credit_memos']) {
      out[kind] = [];
      let total;
      do {
        const page = parseExact(await this.call('GET',
          `/control/fusion/${i}/dump/${kind}?offset=${out[kind].length}&limit=${DUMPED}`));
        out[kind].push(...page[kind]);
        total = page[kind].length < DUMPED ? 0 : Number(page.total);
      } while (out[kind].length < total);
    }
    return out;
  }

  async hub() {
    const out = {};
    for (const type of ['companies', 'contacts', 'invoices', 'line_items', 'commerce_payments']) {
      out[type] = [];
      let after = null;
      do {
        const page = await this.get(`/control/hubspot/objects/${type}?limit=20000&${this.portal()}${after ? `&after=${after}` : ''}`);
        out[type].push(...page.results);
        after = page.after;
      } while (after);
    }
    return out;
  }

  // The log of HubSpot since the last clear, with writes counted by operation.
  async log() {
    const all = await this.get('/control/log');
    const operations = all.hubspot?.operations ?? {};
    const writes = {};
    for (const [name, o] of Object.entries(operations)) {
      if (!reads.test(name)) {
        writes[name] = { requests: o.requests, inputs: o.inputs };
      }
    }
    return { all, operations, writes, requests: all.hubspot?.requests ?? 0,
      refused: all.hubspot?.refusals ?? {},
      most: Math.max(0, ...Object.values(all.hubspot?.scopes ?? {}).map((s) => s.most_in_window)) };
  }

  clear() {
    return this.del('/control/log');
  }

  fault(rule) {
    return this.post('/control/faults', rule);
  }

  healed() {
    return this.del('/control/faults');
  }

  switches(values) {
    return this.post('/control/hubspot/switches', values);
  }

  async stop() {
    this.p.child.kill('SIGTERM');
    await this.p.ended;
  }
}
