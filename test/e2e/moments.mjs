// SPDX-License-Identifier: UNLICENSED
// What scenario_reading stands on: a case drawn from a seed, and whether what
// arrived is what is there although it was changing while it was read.
import { must } from './bench.mjs';
import { expect, check, isLeft } from './oracle.mjs';

// ---- drawing ----------------------------------------------------------------

// A small generator of its own, so that a seed means the same everywhere.
export class Dice {
  constructor(seed) {
    this.state = (Number(seed) * 2654435761 + 97) >>> 0;
    for (let i = 0; i < 8; i++) {
      this.next();
    }
  }

  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  from(low, high) {
    return low + this.next() % (high - low + 1);
  }

  of(...list) {
    return list[this.next() % list.length];
  }

  percent(n) {
    return this.next() % 100 < n;
  }
}

const KNOWN_LITERALS = 1 | 2 | 4; /* one of these a reader must know; unquoted ones end in Z */

function literals(d) {
  const mask = d.percent(50) ? d.of(1, 2, 4, 2 | 32) : d.from(1, 127);
  return (mask & KNOWN_LITERALS) === 0 ? mask | d.of(1, 2, 4) : mask;
}

const receipts = [
  ['A', { receipts_stamp_q: 1, receipts_order: 1 }],
  ['B', { receipts_stamp_q: 0, receipts_order: 1 }],
  ['C by disorder', { receipts_stamp_q: 0, receipts_order: 0 }],
  ['C by refusal', { receipts_stamp_q: 0, receipts_order: 2 }],
];

// How the pod is; stays so for the whole case.
function drawPod(d) {
  const [strategy, how] = d.of(...receipts);
  const pod = {
    ...how,
    limit_cap: d.of(500, 500, 499, 299, 200, d.from(3, 40)),
    child_limit: d.of(25, 25, 7, 3),
    v1_child_limit: d.of(0, 0, 25),
    literals: literals(d),
    zone_shift_min: d.of(0, 0, 0, 330, -480, 60),
    all_shift_min: d.of(0, 0, 0, 0, 330, -480, 60),
    show_zone_min: d.of(0, 0, 330, -480, 60),
    hashed_keys: d.of(0, 1),
    batch: d.of(0, 1),
    batch_limit: d.of(200, 200, 5),
    text_amounts: d.of(0, 0, 1),
    gzip: d.of(0, 1),
    items_absent: d.of(0, 1),
    total_wrong: d.of(0, 1),
    window_days: d.of(90, 90, 0, 5),
    payments_bump_invoice: d.of(0, 1),
    lines_bump_invoice: 1,
    describe_children: d.of(1, 1, 0),
    has_more_empty: d.of(0, 0, 1),
  };
  return { strategy, pod };
}

// What goes wrong and what moves while the case is young.
function drawMoments(d) {
  const every = d.from(1, 10);
  return {
    mutate_every: every,
    /* fewer changes than reads, or the reader never comes to an end */
    mutate_count: Math.min(d.of(1, 1, 2, 3, 5), Math.ceil(every / 3)),
    mutate_seed: d.from(1, 1e9),
    mutate_groups: d.of(15, 15, 15, 2, 6, 14),
    late_seconds: d.of(0, 5, 600, d.from(1, 3000), 3000),
    timeout_limit: d.of(0, 0, 0, 12, 25, 100),
    throttle_every: d.of(0, 0, 0, 7, 23),
    unavailable_next: d.of(0, 0, 0, 1, 3),
    unauthorized_every: d.of(0, 0, 0, 9),
    concurrency: d.of(0, 0, 2),
  };
}

const faults = [
  { action: 'reset' }, { action: 'truncate' }, { status: 500 }, { status: 502, body: 'html' },
  { status: 504, body: 'html' }, { status: 401, body: 'empty' }, { status: 200, body: 'empty' },
];

// Many records with one stamp, or with stamps a microsecond apart.
function drawBulk(d, page) {
  const kind = d.of('invoice', 'invoice', 'invoice', 'receipt', 'customer', 'person');
  const fresh = d.percent(60) ? 1 : 0;
  const most = fresh ? 45 : 200;
  return {
    kind, new: fresh, n: Math.min(most, d.of(page - 1, page, page + 1, 2 * page, 2 * page + 3, d.from(2, 40))),
    lines: d.of(1, 1, 3), step_us: d.of(0, 0, 0, 1),
    /* what was there is never stamped back */
    age_s: fresh ? d.of(0, 2, 60, d.from(2, 3000)) : 0,
    whole: d.of(0, 1), /* of a second: what a pod shows is what it compares */
  };
}

export function draw(seed) {
  const d = new Dice(seed);
  const page = d.of(7, 8, 10, d.from(7, 60), d.from(7, 60), 500);
  const { strategy, pod } = drawPod(d);
  const c = {
    seed, strategy,
    world: { customers: d.from(5, 40), invoices: d.from(20, 120), receipts: d.from(5, 60) },
    env: {
      ML_FUSION_PAGE: String(page),
      ML_FUSION_VERSION: String(d.of(1, 4, 6, 9)),
      ML_FUSION_DAILY: d.of('24h', '24h', '0s', '1s'),
      ML_FUSION_OPEN_AGE: '0s',
      ML_FUSION_BEHIND: d.of('0s', '0s', '1s', '3s'),
      ML_FUSION_PARALLEL: String(d.of(1, 2, 4, 4, 8)),
    },
    clock_ms: d.of(0, 0, 0, 7000, -5000, 3600000),
    pod, moments: drawMoments(d), rounds: [],
  };
  const cap = Math.min(page, pod.limit_cap);
  for (let i = d.from(2, 3); i > 0; i--) {
    const bulks = [];
    for (let k = d.of(0, 1, 1, 2); k > 0; k--) {
      bulks.push(drawBulk(d, cap));
    }
    c.rounds.push({
      bulks,
      changes: d.of(0, 10, 30), changes_seed: d.from(1, 1e9), changes_late: d.of(0, 0, 600, 3000),
      ahead_s: d.of(0, 0, 60, 7200, 100000), /* how much later this is */
      fault: d.percent(40) ? { server: 'fusion', skip: d.from(0, 25), next: d.of(1, 1, 2), ...d.of(...faults) } : null,
    });
  }
  if (cap <= 30 && d.percent(50)) {
    interrupt(c, cap, d);
  }
  return c;
}

// What came in hours is read in several pages, the scan is broken off in the
// middle, and the pod is reached again hours later.
function interrupt(c, cap, d) {
  const bulk = { kind: 'invoice', new: 1, n: 3 * cap + 2, lines: 1, age_s: 36000, step_us: d.of(1, 0), whole: d.of(0, 1) };
  const calm = { changes: 0, changes_seed: 1, changes_late: 0 };
  c.rounds.push({ bulks: [bulk], ...calm, ahead_s: 40000,
    fault: { server: 'fusion', path: '/fscmRestApi/resources/11.13.18.05/receivablesInvoices', skip: d.from(1, 3), next: 40, status: 503 } });
  c.rounds.push({ bulks: [{ ...bulk, n: 3 }], ...calm, ahead_s: 7200, fault: null });
}

// ---- the truth --------------------------------------------------------------

const id = (i) => i.CustomerTransactionId;
const ALWAYS_NEWEST = '2999-01-01T00:00:00Z';

// What is there now, and what was once seen of invoices that have since left
// their customer or the pod: any of it may be what a reader knows of that
// customer, whose contact point and e-mail come from the newest invoice it met.
function present(worlds) {
  const now = worlds.at(-1);
  const at = new Map(now.invoices.map((i) => [id(i), i.BillToCustomerNumber]));
  const left = new Map();
  const old = new Map();
  for (const w of worlds.slice(0, -1)) {
    for (const i of w.invoices) {
      if (at.get(id(i)) === i.BillToCustomerNumber) {
        old.set(id(i), i);
      } else {
        left.set(`${i.BillToCustomerNumber} ${i.BillToContact} ${i.Email}`,
          { ...i, LastUpdateDate: ALWAYS_NEWEST });
      }
    }
  }
  return { ...now, old, left: [...left.values()] };
}

// Drafts that were deleted while they were read may have arrived or not, and
// are never taken away: they, their lines and their associations are left out.
function withoutDeleted(hub, world) {
  const there = new Set(world.invoices.map(id));
  const gone = (r) => r.properties.fusion_transaction_id !== undefined &&
    r.properties.fusion_transaction_id !== null &&
    !there.has(r.properties.fusion_transaction_id);
  const out = { ...hub, invoices: [], line_items: [] };
  const dropped = { invoices: new Set(), line_items: new Set() };
  for (const type of ['invoices', 'line_items']) {
    for (const r of hub[type]) {
      if (gone(r)) {
        dropped[type].add(r.id);
      } else {
        out[type].push(r);
      }
    }
  }
  for (const type of Object.keys(out)) {
    out[type] = out[type].map((r) => ({ ...r,
      associations: r.associations.filter((a) => !dropped[a.to]?.has(a.id)) }));
  }
  return { hub: out, dropped: dropped.invoices };
}

const rank = { draft: 0, open: 1, paid: 2, voided: 2 };

// Differences that come from what was true for a moment only, and from rules of
// writing: states never go back, an empty value leaves what was there, and a
// stamp alone is no change.
// An address that another took meanwhile leaves a contact with the one it had.
function isOfAMoment(line, hub) {
  const email = /^contacts \S+: email is \S+, wanted (\S+@\S+), was/.exec(line);
  if (email) {
    return hub.contacts.some((c) => c.properties.email?.toLowerCase() === email[1]);
  }
  const status = /status (\w+), wanted (\w+) /.exec(line);
  if (status) {
    return rank[status[1]] >= rank[status[2]] && status[1] !== 'draft';
  }
  const stamp = /fusion_last_update is "([^"]+)", wanted "([^"]+)"/.exec(line);
  if (stamp) {
    return Date.parse(stamp[1]) < Date.parse(stamp[2]);
  }
  return isLeft(line);
}

// HubSpot holds what the pod holds. Gives how many records that are.
export async function arrived(sb, worlds, before) {
  const world = present(worlds);
  const { hub, dropped } = withoutDeleted(await sb.hub(), world);
  const expected = expect(world, hub);
  const { bad } = check(expected, hub, before && withoutDeleted(before, world).hub);
  const left = bad.filter((line) => !isOfAMoment(line, hub));
  must(left.length === 0, `${left.length} differences:\n  ${left.slice(0, process.env.SHOW ?? 25).join('\n  ')}`);
  return { hub, expected, dropped };
}

// ---- the database -----------------------------------------------------------

const same = (a, b) => a.size === b.size && [...a].every((x) => b.has(x));
const missing = (want, have) => [...want].filter((x) => !have.has(x)).slice(0, 10);

// Every record of the pod is stored, with its newest version, and no other.
export function stored(scene, world, expected, dropped) {
  const rows = scene.rows(`SELECT kind, fusion_id AS id, state, version_us::text AS v, desired ->> 'gone' AS gone
    FROM ml_connector.record`);
  const by = { customer: new Map(), invoice: new Map(), payment: new Map() };
  for (const r of rows) {
    if (r.gone !== 'true') {
      by[r.kind].set(r.id, r);
    }
  }
  const there = new Map(world.invoices.map((i) => [id(i), i]));
  for (const [k, r] of by.invoice) {
    const i = there.get(k);
    if (!i) {
      by.invoice.delete(k); /* a draft that was deleted */
      continue;
    }
    must(BigInt(r.v) >= BigInt(i._stamp_us) / 1000n * 1000n, `invoice ${k} is stored as of ${r.v}, the pod has ${i._stamp_us}`);
  }
  for (const [kind, want] of [['customer', expected.companies], ['invoice', there], ['payment', expected.commerce_payments]]) {
    const have = new Set(by[kind].keys());
    const keys = new Set(want.keys());
    must(same(have, keys), `records of ${kind}: ${have.size} stored, ${keys.size} there; not stored ` +
      `${JSON.stringify(missing(keys, have))}, not there ${JSON.stringify(missing(have, keys))}`);
    const odd = [...by[kind].values()].filter((r) => r.state !== 'current');
    must(odd.length === 0, `records of ${kind} that are not current: ${JSON.stringify(odd.slice(0, 5))}`);
  }
  for (const k of dropped) {
    must(!there.has(k), `invoice ${k} was left out though it is there`);
  }
}

const WALKS = `SELECT count(*) AS n FROM ml_connector.pass WHERE pass LIKE 'backfill:%' AND done_at IS NULL`;

// No cursor has left an invoice behind: what is older than it by more than the
// overlap is never read again, so it must be stored as it is.
export function nothingLeftBehind(scene, world, overlap_us) {
  const [cursor] = scene.rows(`SELECT stamp_us::text AS us FROM ml_connector.cursor WHERE stream = 'receivablesInvoices'`);
  if (!cursor || scene.rows(WALKS)[0].n > 0) {
    return;
  }
  const known = new Map(scene.rows(`SELECT fusion_id AS id, version_us::text AS v FROM ml_connector.record
    WHERE kind = 'invoice'`).map((r) => [r.id, BigInt(r.v)]));
  const limit = BigInt(cursor.us) - BigInt(overlap_us);
  for (const i of world.invoices) {
    const us = BigInt(i._stamp_us) / 1000n * 1000n;
    must(us >= limit || known.get(id(i)) >= us,
      `invoice ${id(i)} of ${i.LastUpdateDate} is stored as of ${known.get(id(i))}, and the cursor stands at ${cursor.us}`);
  }
}
