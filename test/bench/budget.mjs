// SPDX-License-Identifier: UNLICENSED
// HubSpot's request budget in real time: the worker against the simulator's
// exact limiter, with a network whose delays let later requests overtake
// earlier ones, judged by the simulator's request log alone.
//
//     customers known, backlog at hand --> a worker that dies --> one that
//     begins cold and is never idle --> the log of so many windows
//
// What counts is how many requests there are, so they are made cheap: several
// tenants of the one portal, few jobs in memory and no lingering make many small
// batches.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { count, lifted } from './stage.mjs';

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// What is judged.
const usedMin = 0.97; // of the requests permitted while there is work
const burstRequests = 190;
const burstSeconds = 5;

// One worker, one portal, its tenants.
class Site {
  constructor(stage, c) {
    this.stage = stage;
    this.window_ms = c.window_ms;
    this.limit = c.limit;
    this.dir = path.join(stage.top, c.name.replaceAll(' ', '-'));
    this.customers = c.customers ?? 1000;
    this.pods = c.tenants ?? 1;
    this.jobs = c.jobs;
    this.idle = c.idle ?? 0; // so many of the tenants, the first, have no work
  }

  async open() {
    const { stage, dir } = this;
    fs.mkdirSync(dir);
    this.db = await stage.cluster(dir);
    this.sandbox = await stage.sandbox(dir, ['--customers', this.customers,
      '--invoices', 10, '--receipts', 1, '--portals', this.pods]);
    this.ready = this.sandbox.ready;
    this.scope = this.ready.tenants[0].portal_id;
    const key = path.join(dir, 'key');
    fs.writeFileSync(key, `k1:${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
    this.env = {
      ML_DATABASE_URL: this.db.url, ML_MASTER_KEY_FILE: key, ML_LISTEN: 'off',
      ML_LOG_FORMAT: 'text', ML_HUBSPOT_WINDOW: `${this.window_ms}ms`,
      ML_HUBSPOT_LINGER: '0s', ML_HUBSPOT_LINGER_BUSY: '0s',
      ML_JOBS_IN_MEMORY: String(this.jobs), ML_CHANGE_CEILING: '0',
    };
    await this.ml('migrate');
    await stage.control(this.ready, 'POST', 'hubspot/switches', lifted);
    for (let i = 0; i < this.pods; i++) {
      await this.add(i);
    }
    await this.ml('run', '--once', '--hubspot-pace', '0', '--jobs-in-memory', '2500');
  }

  ml(...args) {
    return this.stage.run(this.stage.bin('ml-connector'), args, this.env);
  }

  // Each has a pod of its own; the portal is the first one's.
  async add(i) {
    const pod = this.ready.tenants[i];
    const { hubspot_token_file: token } = this.ready.tenants[0];
    await this.ml('tenant', 'add', `t${i}`, '--fusion-url', this.ready.fusion_url,
      '--fusion-token-url', this.ready.token_url, '--fusion-client-id', pod.client_id,
      '--fusion-client-secret-file', pod.client_secret_file, '--fusion-scope', pod.scope,
      '--hubspot-url', this.ready.hubspot_url, '--hubspot-token-file', token,
      '--hubspot-limit', '10000', '--hubspot-daily-limit', '10000000',
      ...(i > 0 ? ['--key-prefix', `p${i}-`] : []));
  }

  // One command for each of them, all at once.
  each(from, ...args) {
    return Promise.all(Array.from({ length: this.pods - from }, (_, i) => this.ml(
      ...args.map((a) => String(a).replace('NAME', `t${i + from}`)))));
  }

  // From here on the limit holds.
  async limited(switches) {
    await this.each(0, 'tenant', 'set', 'NAME', '--hubspot-limit', this.limit);
    await this.stage.control(this.ready, 'POST', 'hubspot/switches', {
      rate_enforced: 1, rate_limit: this.limit, rate_window_ms: this.window_ms, ...switches,
    });
  }

  // New invoices of known customers, old enough to be read at once.
  async backlog(invoices) {
    this.share = Math.ceil(invoices / (this.pods - this.idle));
    for (let i = this.idle; i < this.pods; i++) {
      await this.stage.control(this.ready, 'POST', `fusion/${i}/bulk?kind=invoice` +
        `&n=${this.share}&new=1&lines=3&age_s=900&step_us=20000`);
    }
  }

  // A worker that hardly writes reads all of it; it still runs.
  async gather() {
    await this.each(0, 'tenant', 'set', 'NAME', '--hubspot-limit', 1);
    await this.worker();
    await this.each(this.idle, 'sync', 'NAME', '--feed', 'invoices');
    for (let i = 0; this.openJobs() < this.share - 100; i++) {
      if (i === 480) {
        throw new Error(`only ${this.openJobs()} jobs of ${this.share} after 4 minutes`);
      }
      await pause(500);
    }
  }

  async worker() {
    const p = this.stage.start(this.stage.bin('ml-connector'), ['run'], this.env);
    for (let i = 0; !p.stderr.includes('portal.held'); i++) {
      if (p.child.exitCode !== null || i === 600) {
        throw new Error(`no worker holds the portal: ${p.stderr.slice(-1000)}`);
      }
      await pause(100);
    }
    this.running = p;
  }

  async rows() {
    const text = await this.stage.controlText(this.ready, 'GET',
      `log/requests?server=hubspot&scope=${this.scope}&limit=10000000`);
    return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  async clearLog() {
    await this.stage.control(this.ready, 'DELETE', 'log');
  }

  // The first request's arrival on the simulator's monotonic clock.
  async firstArrival(seconds) {
    for (let i = 0; i < seconds * 10; i++) {
      const rows = await this.rows();
      if (rows.length > 0) {
        return rows[0].mono_us;
      }
      await pause(100);
    }
    throw new Error(`no request within ${seconds} s: ${this.running.stderr.slice(-1000)}`);
  }

  sql(query) {
    const r = spawnSync('psql', ['-AtXq', '-v', 'ON_ERROR_STOP=1', '-d', this.db.url,
      '-c', query], { encoding: 'utf8' });
    if (r.status !== 0) {
      throw new Error(`psql: ${r.stderr}`);
    }
    return r.stdout.trim();
  }

  openJobs() {
    return Number(this.sql('SELECT min(open_jobs) FROM ml_dashboard.tenants ' +
      `WHERE substr(tenant, 2)::int >= ${this.idle}`));
  }

  async close() {
    for (const p of [this.running, this.sandbox?.p]) {
      if (p) {
        await this.stage.stop(p);
      }
    }
    if (this.db) {
      this.stage.stopCluster(this.db.data);
    }
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

// The log of a case, for whoever wants to look closer.
function keep(c, rows) {
  if (process.env.KEEP_LOGS) {
    const file = `budget-${c.name.replaceAll(' ', '-')}.ndjson`;
    fs.writeFileSync(path.join(process.env.KEEP_LOGS, file),
      rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
  }
}

const refused = (rows) => rows.filter((r) => r.status === 429).length;

// The most arrivals in any window and, of fixed ones, in a bucket.
function busiest(rows, window_us) {
  let rolling = 0;
  const fixed = new Map();
  for (let i = 0, tail = 0; i < rows.length; i++) {
    while (rows[tail].mono_us <= rows[i].mono_us - window_us) {
      tail++;
    }
    rolling = Math.max(rolling, i - tail + 1);
    const k = Math.floor(rows[i].mono_us / window_us);
    fixed.set(k, (fixed.get(k) ?? 0) + 1);
  }
  return { rolling, fixed: Math.max(...fixed.values()) };
}

// How long a token is away on average, from one arrival to the next with it.
function cycle(rows, limit) {
  const last = rows.length - 1;
  let sum = 0;
  for (let i = limit; i <= last; i++) {
    sum += rows[i].mono_us - rows[i - limit].mono_us;
  }
  return sum / Math.max(1, last - limit + 1) / 1e6;
}

// A worker that was killed may have sent anything: the next one begins cold,
// with all its work at hand.
async function coldStart(site) {
  await site.gather();
  site.running.child.kill('SIGKILL');
  await site.running.ended;
  await site.each(0, 'tenant', 'set', 'NAME', '--hubspot-limit', site.limit);
  await site.clearLog();
  await site.worker();
}

const network = (window_ms) => ({
  net_there_max_ms: Math.round(300 * window_ms / 10000),
  net_back_max_ms: Math.ceil(10 * window_ms / 10000),
});

// Never idle for `windows` windows; `judge` says what must be true.
async function saturated(stage, c, judge) {
  const site = new Site(stage, c);
  const { window_ms, limit } = c;
  try {
    await site.open();
    await site.limited({ ...network(window_ms), ...c.switches });
    await site.backlog(c.invoices);
    await coldStart(site);
    const from = await site.firstArrival(120);
    const span_us = c.windows * window_ms * 1000;
    const gone_ms = (Date.now() * 1000 - (await site.rows())[0].at_us) / 1000;
    await pause(Math.max(0, span_us / 1000 - gone_ms) + 500);
    const left = site.openJobs();
    const all = await site.rows();
    keep(c, all);
    const rows = all.filter((r) => r.mono_us < from + span_us);
    const inputs = rows.reduce((n, r) => n + r.inputs, 0);
    const most = busiest(rows, window_ms * 1000);
    const used = rows.length / (limit * c.windows);
    console.log(`    ${c.name}: ${count(rows.length)} requests of ${count(limit * c.windows)} in ` +
      `${(span_us / 1e6).toFixed(0)} s, ${(used * 100).toFixed(2)} %; most in a window ` +
      `${most.rolling}, in a bucket ${most.fixed}; ${(inputs / rows.length).toFixed(1)} inputs each; ` +
      `a token every ${cycle(rows, limit).toFixed(3)} s; ${refused(rows)} refused; ` +
      `${count(left)} jobs left`);
    stage.check(`${c.name}: there is work to the end`, left > 0, `${count(left)} jobs open`);
    await judge({ site, rows, used, from });
  } finally {
    await site.close();
  }
}

async function windows(stage, c) {
  await saturated(stage, c, ({ rows, used }) => {
    stage.check(`${c.name}: no 429`, refused(rows) === 0, `${refused(rows)} of ${count(rows.length)}`);
    stage.check(`${c.name}: the budget is used`, used >= (c.usedMin ?? usedMin) && used <= 1.001,
      `${(used * 100).toFixed(2)} %, at least ${(c.usedMin ?? usedMin) * 100} %`);
  });
}

// Other apps on the same token, `perWindow` requests at random moments.
async function foreign(stage, c) {
  await saturated(stage, c, async ({ site, rows, from }) => {
    const settled_us = from + c.settled * c.window_ms * 1000;
    const late = rows.filter((r) => r.mono_us >= settled_us);
    const { foreign: apps } = (await stage.control(site.ready, 'GET', 'log')).hubspot;
    const { requests, refused: theirs } = apps[site.scope];
    const seconds = (c.windows - c.settled) * c.window_ms / 1000;
    console.log(`    ${c.name}: ours ${(late.length / seconds).toFixed(1)} per s after the first ` +
      `${c.settled} windows, ${refused(rows)} refused before; theirs ${count(requests)}, ${theirs} refused`);
    stage.check(`${c.name}: no 429 of ours once it is known`, refused(late) === 0,
      `${refused(late)} of ${count(late.length)}`);
  });
}

// Two tenants with the same portal, by its id, are one to the limit.
async function together(stage, c) {
  await saturated(stage, c, ({ site, rows, used }) => {
    const done = site.sql(`SELECT string_agg((${site.share} - open_jobs - parked_jobs)::text, ` +
      "' ' ORDER BY tenant) FROM ml_dashboard.tenants");
    const each = done.split(' ').map(Number);
    console.log(`    ${c.name}: invoices written ${done}`);
    stage.check(`${c.name}: no 429`, refused(rows) === 0, `${refused(rows)} of ${count(rows.length)}`);
    stage.check(`${c.name}: one budget`, used >= (c.usedMin ?? usedMin) && used <= 1.001,
      `${(used * 100).toFixed(2)} %`);
    stage.check(`${c.name}: both go on`, Math.min(...each) > Math.max(...each) / 2, done);
  });
}

// After a rest a burst goes out at the pace, and nothing of it is refused. The
// work is that of paused tenants; one that has none holds the portal meanwhile.
async function burst(stage, c) {
  const site = new Site(stage, c);
  try {
    await site.open();
    await site.limited({ ...network(c.window_ms), ...c.switches });
    await site.backlog(c.invoices);
    await site.gather();
    await stage.stop(site.running);
    await site.each(site.idle, 'tenant', 'pause', 'NAME');
    await site.each(0, 'tenant', 'set', 'NAME', '--hubspot-limit', site.limit);
    await site.clearLog();
    await site.worker();
    await pause(c.rest_ms);
    const before = await site.rows();
    await site.each(site.idle, 'tenant', 'resume', 'NAME');
    const from = await site.firstArrival(60);
    await pause(c.windows * c.window_ms);
    const left = site.openJobs();
    const rows = await site.rows();
    keep(c, rows);
    const took = ((rows[burstRequests - 1]?.mono_us ?? NaN) - from) / 1e6;
    console.log(`    ${c.name}: request ${burstRequests} after ${took.toFixed(2)} s, ` +
      `${count(rows.length)} in ${c.windows} windows, ${refused(rows)} refused; ` +
      `${count(left)} jobs left`);
    stage.check(`${c.name}: at rest until then`, before.length === 0, `${before.length} requests`);
    stage.check(`${c.name}: the ${burstRequests}th request is there soon`, took <= burstSeconds,
      `${took.toFixed(2)} s, at most ${burstSeconds}`);
    stage.check(`${c.name}: no 429 then nor later`, refused(rows) === 0, `${refused(rows)}`);
    stage.check(`${c.name}: there is work to the end`, left > 0, `${count(left)} jobs open`);
  } finally {
    await site.close();
  }
}

const long = { window_ms: 10000, windows: 18, jobs: 80, tenants: 8, customers: 60 };
const cases = {
  long: [
    [windows, { ...long, name: '190 rolling', limit: 190, invoices: 24000 }],
    [windows, { ...long, name: '190 fixed', limit: 190, invoices: 24000,
      switches: { rate_fixed: 1 } }],
    [windows, { ...long, name: '100 rolling', limit: 100, invoices: 14000 }],
    [windows, { ...long, name: '100 fixed', limit: 100, invoices: 14000,
      switches: { rate_fixed: 1 } }],
    [burst, { ...long, name: 'burst after 30 s', limit: 190, windows: 4, invoices: 24000,
      idle: 1, jobs: 800, rest_ms: 30000 }],
    [foreign, { ...long, name: 'foreign 4 per s', limit: 190, invoices: 24000, settled: 6,
      switches: { foreign_per_10s: 40 } }],
    [together, { ...long, name: 'two tenants', limit: 190, windows: 9, invoices: 36000,
      tenants: 2, jobs: 600, usedMin: 0.9 }],
  ],
  // A window of 2 s, all else in proportion: what the scheduler of a busy
  // machine takes weighs five times as much.
  short: [
    [windows, { ...long, name: 'short window', window_ms: 2000, windows: 8, limit: 38,
      invoices: 6400, usedMin: 0.9 }],
  ],
};

// The parts budget and short, as far as wanted.
export async function budget(stage, wanted) {
  const only = process.env.BENCH_BUDGET; // part of a name
  const list = [...(wanted.includes('short') ? cases.short : []),
    ...(wanted.includes('budget') ? cases.long : [])];
  for (const [run, c] of list) {
    if (!only || c.name.includes(only)) {
      await run(stage, c);
    }
  }
}
