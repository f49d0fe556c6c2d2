// SPDX-License-Identifier: UNLICENSED
// The worker is killed before and after each commit and each send, again and
// again, while Fusion changes: the moment it is dead no cursor is ahead, all
// polls tie out and nothing is in HubSpot twice; in the end HubSpot is exact.
// A worker that dies at a point is followed by one that dies at the next, until
// each was passed once. Every few kills one is let run to its end. Others die, or
// stop for good, at a moment drawn from SEED: KILLS of them, 15 unless given, 200
// when it is long.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from './bench.mjs';
import { Dice } from './moments.mjs';
import { expect, merged } from './oracle.mjs';
import { asleep, booksBalance, crashing, cursorOf, nothingTwice, quick, settle, short } from './crashes.mjs';

// Every transaction that changes something, by its first statement.
const commits = ['budget_save', 'claim', 'intake', 'intake_accounts', 'job_release', 'lease_release', 'lease_beat',
  'outcome', 'poll_save', 'upkeep_audit', 'write_open'];
const learns = ['tenant_learn']; // of what is asked once

// Every request to HubSpot and to Fusion: those of a tenant's first minute, and
// those of every day.
const objects = ['companies', 'contacts', 'invoices', 'line_items', 'commerce_payments'];
const of = (verbs) => objects.flatMap((o) => verbs.map((v) => `${o}.${v}`));
const first = ['account.details', 'describe', ...of(['properties', 'create_group', 'create_properties']),
  'contacts.labels', 'invoices.labels', 'line_items.labels', 'commerce_payments.labels'];
const daily = [...of(['create', 'upsert', 'read']), 'invoices.update', 'invoices.associate', 'invoices.dissociate', 'line_items.archive',
  'commerce_payments.archive', 'token', 'batch', 'hubOrganizations', 'hubPersons', 'receivablesInvoices', 'receivablesInvoiceLines',
  'receivablesCustomerAccountActivities', 'standardReceipts'];
// What is not needed in every run of the test; killed at all the same. Applications
// are asked for in a batch unless the receipts of one customer alone have changed.
const rare = [...of(['associate', 'dissociate', 'archive', 'update', 'joined']).filter((r) => !daily.includes(r)),
  'standardReceiptApplications'];
const rareCommits = ['audit', 'claim_lost', 'conservation_check', 'gone', 'lease_take', 'missing', 'pass_begin', 'pass_move',
  'requests_answer', 'requests_take', 'tenant_state', 'unanswered'];

const CHANGES = 40; // in Fusion, each time all is exact
const ROUND = 10; // kills until one runs to its end
const WAY_MS = 400; // at most, of a request to HubSpot; of those at random moments
const FRESH = 5; // tenants
const IDLE = 15; // runs to the end without passing what is left
const sql = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'store', 'sql');

// ---- changes in Fusion ----------------------------------------------------------

// Little things about one customer that only ever go forward, so that it does not
// matter which of them a dying worker had written. The newest invoice says the
// e-mail: it has one.
async function nudge(sb, world, n) {
  const id = (i) => i.CustomerTransactionId;
  const account = world.customers[n % world.customers.length].AccountNumber;
  const own = world.invoices.find((i) => i.BillToCustomerNumber === account && i.InvoiceStatus === 'Complete' && Number(i._balance) > 1);

  await sb.fusion(`customer/${account}?CustomerName=Renamed%20${n}`);
  if (own) {
    await sb.fusion(`invoice/${id(own)}?PurchaseOrder=PO-${n}`);
    await sb.fusion(`receipt?amount=1&account=${account}&currency=${own.InvoiceCurrencyCode}&method=1&apply=${id(own)}:1`);
  }
  await sb.fusion(`invoice?account=${account}&lines=2&Email=ap-${account}@nudged.example`);
}

// ---- one part: all points of one place ------------------------------------------

class Part {
  constructor(root, place) {
    this.root = root;
    this.scene = root.part(place);
    this.place = place;
    this.first = new Set([...learns.map((c) => `commit.${place}:${c}`), ...first.map((s) => `send.${place}:${s}`)]);
    this.daily = new Set([...commits.map((c) => `commit.${place}:${c}`), ...daily.map((s) => `send.${place}:${s}`)]);
    this.rare = new Set([...rareCommits.map((c) => `commit.${place}:${c}`), ...rare.map((s) => `send.${place}:${s}`)]);
    this.points = this.first.size + this.daily.size;
    this.kills = 0;
    this.runs = 0;
  }

  async begin(seed) {
    const { scene } = this;
    this.seed = seed;
    this.list = path.join(scene.dir, 'points');
    Object.assign(scene.env, short, { CRASH_LIST: this.list, ML_FUSION_PAGE: '25' });
    this.sb = await scene.sandbox('--seed', seed, '--customers', 12, '--invoices', 30, '--receipts', 15);
    await this.sb.switches(quick);
    await this.sb.post('/control/fusion/0/switches?child_limit=3');
    await scene.tenant(this.sb);
    this.at = {};
    this.moments = [];
    this.frozen = []; // workers that have stopped
    this.cursor = null;
    await this.look();
  }

  // Dead: what must hold at any moment.
  async dead() {
    this.cursor = booksBalance(this.scene, this.world, this.cursor);
    nothingTwice(await this.sb.hub());
  }

  // One runs to its end: all is exact, and Fusion moves on.
  async round() {
    await settle(this.scene, `${this.place}, after ${this.kills} kills`);
    await this.thaw();
    this.at = await this.scene.equal(this.sb, this.at, { moments: this.moments });
    this.moments = [];
    nothingTwice(this.at.hub);
    this.runs++;
    await this.sb.change(CHANGES, this.seed * 100 + this.runs);
    await this.look();
    this.cursor = cursorOf(this.scene);
  }

  // What Fusion has now, and what HubSpot may get of it.
  async look() {
    this.world = await this.sb.world();
    this.moments.push(expect(merged(this.at.world, this.world)));
  }

  // A worker that dies at one of `left`; false: it came to its end.
  async kill(left) {
    const { point } = await crashing(this.scene, [...left, ...this.rare]);
    if (!point) {
      return false;
    }
    left.delete(point);
    this.rare.delete(point);
    await this.killed();
    return true;
  }

  async killed() {
    this.kills++;
    await this.dead();
    if (this.kills % 3 === 0) {
      await nudge(this.sb, this.world, this.kills);
      await this.look();
    }
  }

  // What was written and not answered is read back: what is left to be read has to be
  // written first.
  async unanswered() {
    const objects = [...this.daily].map((p) => /:(\w+)\.read$/.exec(p)?.[1]).filter(Boolean);
    const { killed } = objects.length > 0 &&
      await crashing(this.scene, objects.flatMap((o) => [`send.sent:${o}.create`, `send.sent:${o}.upsert`]));
    if (killed) {
      await this.killed();
    }
  }

  // What is asked for in a tenant's first minute may be done by a run that died of
  // something else: then another tenant begins.
  async firsts() {
    for (let n = 1; this.first.size > 0; n++) {
      while (this.first.size > 0 && await this.kill(this.first));
      if (this.first.size > 0) {
        must(n < FRESH, `never passed: ${[...this.first].join(' ')}`);
        await this.root.over(this.scene);
        this.scene = this.root.part(`${this.place}-${n}`);
        await this.begin(this.seed);
      }
    }
  }

  async run() {
    let idle = 0;
    await this.firsts();
    await this.round();
    while (this.daily.size > 0) {
      const dead = await this.kill(this.daily);
      idle = dead ? 0 : idle + 1;
      must(idle < IDLE, `never passed: ${[...this.daily].join(' ')}`);
      if (!dead || this.kills % ROUND === 0) {
        await this.round();
      }
      if (!dead) {
        await this.unanswered();
      }
    }
    await this.round();
    await this.round();
  }

  // As good as dead, with its connections open: what it has sent still arrives.
  // Some go on when others have done all there was to do.
  freeze(p, signal) {
    if (p) {
      this.frozen.push({ p, signal });
    }
    return p !== null;
  }

  async thaw() {
    for (const { p, signal } of this.frozen.splice(0)) {
      p.child.kill(signal);
      const { code } = await p.ended;
      this.scene.note(`${p.stderr}= ${code}, ${signal}\n`);
      must(signal === 'SIGKILL' || code === 0 || code === 1, `a worker that went on ended with ${code}\n${p.stderr.slice(-2000)}`);
    }
  }

  // Killed from outside, or killed or stopped at any point when it has passed so
  // many.
  async random(kills, dice) {
    const every = [...commits, ...rareCommits].map((c) => `commit.${dice.of('before', 'sent', 'after')}:${c}`)
      .concat([...daily, ...rare].map((s) => `send.${dice.of('before', 'handed', 'starts', 'sent', 'after')}:${s}`));
    const skip = () => ({ CRASH_SKIP: String(dice.from(0, 60)) });
    const ways = [
      async () => (await crashing(this.scene, [], { kill_ms: dice.from(20, 1500) })).killed,
      async () => (await crashing(this.scene, every, { env: skip() })).killed,
      async () => this.freeze(await asleep(this.scene, every, skip()), dice.of('SIGKILL', 'SIGCONT')),
    ];
    await this.round();
    await this.sb.switches({ net_there_max_ms: WAY_MS });
    while (this.kills < kills) {
      const dead = await dice.of(...ways)();
      if (dead) {
        await this.killed();
      }
      if (!dead || this.kills % ROUND === 0) {
        await this.round();
      }
    }
    await this.round();
    await this.round();
  }

  // No point was passed that is not killed at, but those of transactions that
  // only read.
  complete() {
    const known = new Set([...commits, ...learns, ...first, ...daily, ...rare, ...rareCommits]);
    const passed = new Set(fs.readFileSync(this.list, 'utf8').split('\n').filter(Boolean));
    for (const point of passed) {
      const [where, what] = point.split(':');
      if (where.startsWith('send.')) {
        must(known.has(what), `a request that no list of the test names: ${what}`);
      } else if (!known.has(what) && what !== 'script') {
        const text = fs.readFileSync(path.join(sql, `${what}.sql`), 'utf8');
        must(!/\b(INSERT|UPDATE|DELETE)\b/.test(text), `a transaction that no list of the test names: ${what}`);
      }
    }
  }
}

async function done(part, scene, what) {
  const { requests, refused } = await part.sb.log();
  const parked = part.scene.rows('SELECT * FROM ml_dashboard.replay_queue');
  part.complete();
  must(parked.length === 0, `parked: ${JSON.stringify(parked).slice(0, 500)}`);
  scene.figure(`${part.place}: ${part.kills} kills at ${what}, ${part.runs} times exact between them, ` +
    `${requests} requests to HubSpot, ${refused[429] ?? 0} refused for speed, 0 twice, difference 0`);
  await scene.over(part.scene);
}

export async function run(scene) {
  const seed = Number(process.env.SEED ?? (process.env.E2E_LONG ? Date.now() % 1e6 : 1));
  const kills = Number(process.env.KILLS ?? (process.env.E2E_LONG ? 200 : 15));
  const parts = ['before', 'sent', 'after'].map((place) => new Part(scene, place));
  const random = new Part(scene, 'random');

  scene.figure(`SEED=${seed}`);
  await Promise.all([...parts.map(async (part, i) => {
    await part.begin(i + 1);
    await part.run();
    await done(part, scene, `${part.points} points`);
  }), (async () => {
    random.scene.env.ML_DATABASE_CONNECTIONS = '1'; /* a stopped one keeps its own */
    await random.begin(seed);
    await random.random(kills, new Dice(seed));
    await done(random, scene, 'any moment');
  })()]);
}
