// SPDX-License-Identifier: UNLICENSED
// What scenario_database stands on: a worker that is watched, an outage and
// what must hold in it, and the end of it all.
import fs from 'node:fs';
import path from 'node:path';
import { freePort, must, reads, until } from './bench.mjs';
import { index, keys } from './oracle.mjs';

const IN_FLIGHT_MS = 700; // what had been recorded may still leave and arrive

class Worker {
  constructor(scene, port) {
    this.name = `worker-${port}`;
    this.url = `http://127.0.0.1:${port}`;
    this.p = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'],
      { ...scene.env, ML_LISTEN: `127.0.0.1:${port}`, ML_WORKER_ID: this.name });
  }

  async page(name) {
    must(this.p.child.exitCode === null, `the worker ended: ${this.p.stderr.slice(-3000)}`);
    try {
      const r = await fetch(this.url + name);
      return { status: r.status, text: await r.text() };
    } catch {
      return { status: 0, text: '' };
    }
  }

  async metric(name) {
    const line = (await this.page('/metrics')).text.split('\n').find((l) => l.startsWith(`${name} `));
    return line ? Number(line.split(' ').at(-1)) : 0;
  }

  rss() {
    return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${this.p.child.pid}/status`, 'utf8'))[1]);
  }

  async isReady() {
    return (await this.page('/readyz')).status === 200;
  }
}

// The portals are ready and allow so little that the run stays saturated.
export async function startWorker(scene, sb, tenants = ['demo']) {
  await Promise.all(tenants.map((tenant) => scene.ok(['provision', tenant])));
  await sb.clear();
  await sb.switches({ rate_limit: 5, latency_us: 300000 });
  const worker = new Worker(scene, await freePort());
  await until('ready', 30, () => worker.isReady());
  return worker;
}

// Requests that change something, since the log was cleared.
async function writesOf(sb) {
  const lines = (await sb.call('GET', '/control/log/requests?limit=1000000')).split('\n').filter(Boolean);
  return lines.map((l) => JSON.parse(l)).filter((r) => r.server === 'hubspot' && !reads.test(r.operation));
}

export class Outage {
  constructor(scene, sb, worker, name) {
    Object.assign(this, { scene, sb, worker, name });
  }

  // The run is under way: so many writes more came.
  async busy(n = 2) {
    const from = (await writesOf(this.sb)).length;
    await until(`${this.name}: ${n} writes`, 60, async () => (await writesOf(this.sb)).length >= from + n);
  }

  // It cannot record any more; it must say so, and why.
  async away(why, seconds = 20) {
    const began = Date.now();
    let page;
    await until(`${this.name}: not ready`, seconds, async () => {
      page = await this.worker.page('/readyz');
      return page.status === 503 && why.test(page.text);
    });
    must((await this.worker.page('/healthz')).status === 200, `${this.name}: healthz is not 200`);
    this.since = Date.now();
    this.reason = page.text.trim();
    this.told = this.since - began;
  }

  // It is still so; nothing that could not be recorded was sent. `recorded`: a
  // query of how many requests could, meanwhile.
  async silent(recorded) {
    const page = await this.worker.page('/readyz');
    must(page.status === 503, `${this.name}: ready again while it is away`);
    must((await this.worker.page('/healthz')).status === 200, `${this.name}: healthz is not 200`);
    this.held = await this.worker.metric('ml_outcomes_unstored');
    const late = (await writesOf(this.sb)).filter((r) => r.at_us / 1000 > this.since + IN_FLIGHT_MS);
    const fine = recorded === undefined ? 0 : Number(this.scene.sql(recorded));
    must(late.length <= fine, `${this.name}: ${late.length} writes while nothing could be recorded: ${JSON.stringify(late[0])}`);
  }

  async back() {
    const began = Date.now();
    await until(`${this.name}: ready again`, 30, () => this.worker.isReady());
    const said = this.since === undefined ? '' : `told after ${this.told} ms (${this.reason}), ${this.held} outcomes held, `;
    this.scene.figure(`${this.name}: ${said}ready ${Date.now() - began} ms after it was back`);
  }
}

// One object for each unique key, none without.
export function everyRecordOnce(hub, expected) {
  const got = index(hub);
  for (const type of Object.keys(keys)) {
    must(got.foreign[type].length === 0, `${got.foreign[type].length} ${type} twice or without a key`);
    must(hub[type].length === expected[type].size, `${hub[type].length} ${type}, wanted ${expected[type].size}`);
  }
}

// All work ends; HubSpot is exact, once; the books balance; nothing is left to
// say.
export async function finish(scene, sb, worker, tenants = 1) {
  await sb.switches({ rate_limit: 190, latency_us: 0 });
  await until('all is written', 120, () => {
    const [t] = scene.rows(`SELECT (SELECT coalesce(sum(open_jobs), 0) FROM ml_dashboard.tenants) AS jobs,
      (SELECT count(*) FROM ml_dashboard.feeds WHERE last_success IS NOT NULL) AS feeds`);
    return Number(t.jobs) === 0 && Number(t.feeds) === 3 * tenants;
  });
  worker.p.child.kill('SIGTERM');
  const { code, signal } = await worker.p.ended;
  must(code === 0, `SIGTERM: exit ${code} ${signal ?? ''}\n${worker.p.stderr.slice(-2000)}`);
  await scene.ok(['run', '--once']); // what changed after the last poll
  scene.conserved();
  const parked = scene.rows('SELECT * FROM ml_dashboard.replay_queue');
  must(parked.length === 0, `parked: ${JSON.stringify(parked).slice(0, 500)}`);
  if (tenants === 1) {
    const { hub, expected } = await scene.equal(sb, {}, { interrupted: true });
    everyRecordOnce(hub, expected);
  }
  await sb.clear();
  await scene.ok(['run', '--once']);
  const { writes } = await sb.log();
  must(Object.keys(writes).length === 0, `a quiet run wrote: ${JSON.stringify(writes)}`);
}
