// SPDX-License-Identifier: UNLICENSED
// Watches a worker while it reads: what it and its database took, where its
// feeds stand, and what the database's statements cost so far.
import { cpuOf, memoryOf, serverCpu } from './stage.mjs';
import { at } from './tenths.mjs';

const end = '---answered---';

// One session with the database for all questions.
export class Asker {
  constructor(stage, url) {
    this.p = stage.start('psql', ['-XqAt', url], {}, 'pipe');
    this.over = new Promise((done) => { this.p.child.once('close', done); });
  }

  // The rows as text.
  async text(sql) {
    this.p.stdout = '';
    this.p.stderr = '';
    this.p.child.stdin.write(`${sql};\n\\echo ${end}\n`);
    while (!this.p.stdout.includes(end)) {
      if (this.p.child.exitCode !== null) {
        throw new Error(`psql: ${this.p.stderr}`);
      }
      const more = new Promise((done) => { this.p.child.stdout.once('data', done); });
      await Promise.race([more, this.over]);
    }
    if (this.p.stderr !== '') {
      throw new Error(`${sql.slice(0, 200)}: ${this.p.stderr}`);
    }
    return this.p.stdout.slice(0, this.p.stdout.indexOf(end)).trim();
  }

  async json(sql) {
    return JSON.parse(await this.text(`SELECT json_agg(x) FROM (${sql}) x`)) ?? [];
  }

  async close() {
    this.p.child.stdin.end();
    await this.p.ended;
  }
}

// Where the feeds stand: rows seen, and whether the last of them was polled.
const standing = `SELECT
  coalesce((SELECT records_seen FROM ml_connector.feed WHERE feed = 'invoices'), 0) AS invoices,
  EXISTS (SELECT FROM ml_connector.poll WHERE feed = 'payments' AND outcome <> '') AS over`;

export class Sampler {
  constructor(pid, database, ask, options) {
    Object.assign(this, { pid, database, ask, ...options });
    this.samples = [];
    this.snapshots = [];
    this.told = 0;
  }

  take() {
    const memory = memoryOf(this.pid);
    const worker = cpuOf(this.pid);
    if (memory === null || Number.isNaN(worker)) {
      return false;
    }
    this.samples.push({ us: Date.now() * 1000, worker, ...memory, database: serverCpu(this.database) });
    return true;
  }

  // What the statements took so far: Map id -> {calls, ms}.
  async snapshot() {
    if (this.statements) {
      const us = Date.now() * 1000;
      const rows = await this.ask.json(
        'SELECT queryid::text AS id, calls, total_exec_time AS ms FROM pg_stat_statements WHERE calls > 0');
      this.snapshots.push({ us, by: new Map(rows.map((r) => [r.id, r])) });
    }
  }

  progress(read, seconds) {
    const tenth = Math.min(10, Math.floor(read * 10 / this.invoices));
    if (tenth > this.told && this.tell) {
      this.told = tenth;
      this.tell(tenth, seconds, this.samples[this.samples.length - 1]);
    }
  }

  // Until all feeds were polled or the worker is gone; answers which.
  async reading() {
    const begun = Date.now();
    let over = false;
    while (!over && this.take()) {
      const [now] = await this.ask.json(standing);
      await this.snapshot();
      over = now.over;
      this.progress(now.invoices, (Date.now() - begun) / 1000);
      if (!over) {
        await new Promise((done) => { setTimeout(done, this.every_ms); });
      }
    }
    return over;
  }

  // Of one statement, calls and ms so far at given times.
  statement(id, times) {
    const us = this.snapshots.map((s) => s.us);
    const series = (name) => this.snapshots.map((s) => s.by.get(id)?.[name] ?? 0);
    const [calls, ms] = [series('calls'), series('ms')];
    return times.map((t) => ({ calls: at(us, calls, t), ms: at(us, ms, t) }));
  }
}
