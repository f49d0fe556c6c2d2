// SPDX-License-Identifier: UNLICENSED
// A property: whatever the pod is like, and whatever changes in it while it is
// read, in the end what arrived is what is there, nothing more, and every row
// of every poll is accounted for. Each case is drawn from a seed, which is
// printed first. In the environment:
//   SEED=n            just this case
//   READING_CASES=n   so many, from READING_FIRST (204) on
//   READING_WITH=json what to lay over the draw, to narrow a failure down:
//                     {"moments":{"mutate_every":0},"pod":{"batch":1}}
import { Scene, must } from './bench.mjs';
import { draw, arrived, stored, nothingLeftBehind } from './moments.mjs';

const CASES = 10;
const QUIET_WITHIN = 8; /* runs, once nothing changes any more */
const OVERLAP_US = 3600e6;
const TROUBLES = ['mutate_every', 'timeout_limit', 'throttle_every', 'unavailable_next',
  'unauthorized_every', 'concurrency', 'late_seconds'];

const settings = {
  ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '300ms', ML_HUBSPOT_WINDOW: '1s',
  ML_HUBSPOT_LINGER: '10ms', ML_HUBSPOT_LINGER_BUSY: '50ms',
};

const query = (o) => Object.entries(o).map(([k, v]) => `${k}=${v}`).join('&');
const podIs = (sb, switches) => sb.call('POST', `/control/fusion/0/switches?${query(switches)}`);
const seen = (scene) => scene.rows(`SELECT count(*) AS n FROM ml_dashboard.audit WHERE event = 'seen'`)[0].n;

class Case {
  constructor(scene, drawn) {
    this.drawn = drawn;
    this.scene = new Scene(scene.house, `reading-${drawn.seed}`);
    const { database, house } = this.scene;
    this.scene.sql(`DROP DATABASE ${database}`, house.url);
    this.scene.sql(`CREATE DATABASE ${database} TEMPLATE ${scene.database}`, house.url);
    Object.assign(this.scene.env, settings, drawn.env);
    this.worlds = [];
    this.runs = 0;
    this.failed = 0;
  }

  async begin() {
    const { world, pod, clock_ms, seed } = this.drawn;
    const sb = await this.scene.sandbox('--customers', world.customers, '--invoices', world.invoices,
      '--receipts', world.receipts, '--seed', seed);
    await sb.switches({ rate_enforced: 0, rate_window_ms: 1000, property_lag_min_ms: 0, property_lag_max_ms: 1, search_lag_ms: 0 });
    await podIs(sb, { ...pod, clock_ms });
    this.clock_ms = clock_ms;
    this.sb = sb;
    await this.scene.ok(['tenant', 'add', 'demo', ...this.scene.tenantFlags(sb)]);
  }

  async look() {
    this.worlds.push(await this.sb.world());
    return this.worlds.at(-1);
  }

  async once() {
    const r = await this.scene.ml(['run', '--once'], { seconds: 120 });
    this.runs++;
    if (r.code !== 0) {
      this.failed++;
      console.log(`  run ${this.runs}: ${r.stdout.split('\n')[0].slice(0, 160)}`);
    }
    must(r.code <= 1, `run --once: exit ${r.code}\n${r.stdout.slice(-800)}${r.stderr.slice(-800)}`);
    this.scene.conserved();
    nothingLeftBehind(this.scene, await this.look(), OVERLAP_US);
    return r;
  }

  // Statements of other people, between the polls.
  async change(round) {
    this.clock_ms += round.ahead_s * 1000;
    await podIs(this.sb, { clock_ms: this.clock_ms });
    for (const { whole, age_s, ...b } of round.bulks) {
      const s = (Date.now() + this.clock_ms) / 1000 - age_s;
      const at = whole ? { at_us: (b.new ? Math.floor(s) : Math.ceil(s)) * 1e6 } : { age_s };
      await this.sb.post(`/control/fusion/0/bulk?${query({ ...b, ...at })}`);
    }
    if (round.changes > 0) {
      await this.sb.post(`/control/fusion/0/mutate?n=${round.changes}&seed=${round.changes_seed}&late_s=${round.changes_late}`);
    }
    await this.look();
  }

  async moving() {
    const { moments, rounds } = this.drawn;
    await podIs(this.sb, moments);
    for (const round of rounds) {
      await this.change(round);
      if (round.fault) {
        await this.sb.fault(round.fault);
      }
      await this.once();
      await this.sb.healed();
    }
  }

  async quiet() {
    await podIs(this.sb, Object.fromEntries(TROUBLES.map((k) => [k, 0])));
    await podIs(this.sb, { clock_ms: this.clock_ms + 5000 });
    if (this.drawn.strategy.startsWith('C')) {
      this.scene.env.ML_FUSION_DAILY = '1s'; /* old receipts are looked at once a day */
    }
    this.before = await this.sb.hub();
    for (let i = 0; i < QUIET_WITHIN; i++) {
      const n = seen(this.scene);
      const r = await this.once();
      if (r.code === 0 && seen(this.scene) === n) {
        return;
      }
      this.last = r;
    }
    must(false, `no quiet run of ${QUIET_WITHIN}: exit ${this.last.code}\n${this.last.stdout.slice(-1500)}${this.last.stderr.slice(-1500)}`);
  }

  async end() {
    const { expected, dropped } = await arrived(this.sb, this.worlds, this.before);
    stored(this.scene, this.worlds.at(-1), expected, dropped);
    const jobs = this.scene.rows('SELECT kind, fusion_id, state, error_code FROM ml_connector.job');
    must(jobs.length === 0, `jobs left: ${JSON.stringify(jobs.slice(0, 5))}`);
    const walks = this.scene.rows('SELECT feed, pass FROM ml_connector.pass WHERE done_at IS NULL');
    must(walks.length === 0, `not walked to the end: ${JSON.stringify(walks)}`);
    const { mutations } = await this.sb.get('/control/fusion/0/counts');
    return { records: Object.values(expected).reduce((n, m) => n + m.size, 0), mutations };
  }

  async run() {
    await this.begin();
    await this.moving();
    await this.quiet();
    return this.end();
  }

  async clear() {
    await this.sb?.stop();
    this.scene.sql(`DROP DATABASE ${this.scene.database}`, this.scene.house.url);
  }
}

function drawnWith(seed) {
  const c = draw(seed);
  for (const [part, values] of Object.entries(JSON.parse(process.env.READING_WITH ?? '{}'))) {
    c[part] = Array.isArray(values) || typeof values !== 'object' ? values : { ...c[part], ...values };
  }
  return c;
}

function seeds() {
  if (process.env.SEED) {
    return [Number(process.env.SEED)];
  }
  const first = Number(process.env.READING_FIRST ?? 204);
  return Array.from({ length: Number(process.env.READING_CASES ?? CASES) }, (_, i) => first + i);
}

export async function run(scene) {
  const total = { records: 0, mutations: 0, runs: 0, failed: 0 };
  const failures = [];
  await scene.ok(['migrate']);
  for (const seed of seeds()) {
    const drawn = drawnWith(seed);
    console.log(`reading SEED=${seed} ${JSON.stringify(drawn)}`);
    const c = new Case(scene, drawn);
    const began = Date.now();
    try {
      const done = await c.run();
      total.records += done.records;
      total.mutations += done.mutations;
      total.runs += c.runs;
      total.failed += c.failed;
      console.log(`  ${done.records} records, ${done.mutations} changes while reading, ${c.runs} runs, ` +
        `${c.failed} of them with trouble, ${((Date.now() - began) / 1000).toFixed(1)} s`);
      await c.clear();
    } catch (e) {
      if (e.constructor.name !== 'Failure') {
        throw e;
      }
      console.log(`  FAILED SEED=${seed}: ${e.message}`);
      failures.push(`SEED=${seed}: ${e.message}`);
      /* what is kept for a look is that of the first failure */
      if (failures.length === 1) {
        Object.assign(scene, { last: c.sb, url: c.scene.url, dir: c.scene.dir });
      } else {
        await c.clear();
      }
    }
  }
  must(failures.length === 0, `${failures.length} cases: ${failures[0]}`);
  scene.figure(`${total.records} records, ${total.mutations} changes while reading, ${total.runs} runs, ${total.failed} of them with trouble`);
}
