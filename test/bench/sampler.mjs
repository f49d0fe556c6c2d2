// SPDX-License-Identifier: UNLICENSED
// Watches a worker while it reads: what it and its database took, where its
// feeds stand, and what the database's statements cost so far.
import { cpuOf, memoryOf, serverCpu } from './stage.mjs';

const end = '---answered---';

// One session with the database for all questions.
export class Asker {
  constructor(stage, url) {
    this.p = stage.start('psql', ['-XqAt', url], {}, 'pipe');
    this.stage = stage;
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
      await new Promise((done) => { this.p.child.stdout.once('data', done); this.p.child.once('close', done); });
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

  async snapshot(tenth) {
    if (this.statements) {
      const rows = await this.ask.json(
        'SELECT queryid::text AS id, calls, total_exec_time AS ms FROM pg_stat_statements');
      this.snapshots[tenth] = new Map(rows.map((r) => [r.id, r]));
    }
  }

  // Until all feeds were polled or the worker is gone; answers which.
  async reading() {
    const begun = Date.now();
    let over = false;
    await this.snapshot(0);
    while (!over && this.take()) {
      const [now] = await this.ask.json(standing);
      const tenth = Math.min(10, Math.floor(now.invoices * 10 / this.invoices));
      over = now.over;
      if (tenth > this.told) {
        const last = this.samples[this.samples.length - 1];
        this.told = tenth;
        await this.snapshot(tenth);
        if (this.tell) {
          this.tell(tenth, (Date.now() - begun) / 1000, last);
        }
      }
      if (!over) {
        await new Promise((done) => { setTimeout(done, this.every_ms); });
      }
    }
    return over;
  }

  // Mean ms of each statement in the tenths taken: Map id -> [{tenth, calls, ms}].
  means() {
    const out = new Map();
    let before = this.snapshots[0];
    for (let tenth = 1; before && tenth <= 10; tenth++) {
      const now = this.snapshots[tenth];
      if (!now) {
        continue;
      }
      for (const [id, r] of now) {
        const b = before.get(id) ?? { calls: 0, ms: 0 };
        if (r.calls > b.calls) {
          out.set(id, [...(out.get(id) ?? []), { tenth, calls: r.calls - b.calls, ms: (r.ms - b.ms) / (r.calls - b.calls) }]);
        }
      }
      before = now;
    }
    return out;
  }
}
