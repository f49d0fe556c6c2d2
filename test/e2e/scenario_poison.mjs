// SPDX-License-Identifier: UNLICENSED
// Records that HubSpot refuses, of each kind it can refuse: one among ninety-nine,
// and one of each kind among so many. Each is parked with its own reason, all
// others are written, and what it costs beside the same work without them is
// bounded. With culprits named by trace id, by the body, or not at all.
import fs from 'node:fs';
import { must } from './bench.mjs';
import { check, expect, index, keys } from './oracle.mjs';

const BATCH = 99;

// ---- how HubSpot tells ------------------------------------------------------------

// `one`: requests that one culprit of a batch may cost beside a clean run,
// `several`: each of many.
const modes = {
  traced: { switches: {}, one: 0, several: 0 },
  worded: { switches: { write_partial: 0 }, one: 1, several: 1 },
  nameless: { switches: { error_context: 0 }, one: 15, several: 14 },
  silent: { switches: { write_partial: 0, refusal_words: 0 }, one: 15, several: 14 },
};

// ---- what it refuses --------------------------------------------------------------

// Invoices by their Comments, which each entry of the mapping takes in its form
// or leaves out.
const MAPPING = JSON.stringify({
  invoices: {
    erp_flag: { path: 'Comments', format: 'boolean' },
    erp_date: { path: 'Comments', format: 'number' },
    erp_number: { path: 'Comments', format: 'day' },
    hs_balance_due: { path: 'Comments', format: 'currency' },
    erp_gone: { path: 'Comments', format: 'email' },
    erp_unique: { path: 'Comments', format: 'domain' },
  },
  line_items: { erp_line_option: { path: 'Description', format: 'currency' } },
});

const definitions = {
  invoices: [['erp_flag', 'enumeration', 'select', { options: [{ label: 'no', value: 'no' }] }],
    ['erp_date', 'date', 'date'], ['erp_number', 'number', 'number'],
    ['erp_unique', 'string', 'text', { hasUniqueValue: true }]],
  line_items: [['erp_line_option', 'enumeration', 'select', { options: [{ label: 'A', value: 'A' }] }]],
};

const comment = (value) => async (sb, account, n) => {
  const r = await sb.fusion(`invoice?account=${account}&lines=1&currency=USD&Comments=${encodeURIComponent(value(n))}`);
  return { kind: 'invoice', id: String(r.id) };
};

// code: of the replay queue; words: HubSpot's own, by which it can be told apart.
// inputs: in how many batches it is a culprit.
const invoiceKinds = {
  option: { make: comment(() => 'true'), code: /INVALID_OPTION|INVALID_BOOLEAN_OPTION/, words: /true was not one of the allowed options/ },
  date: { make: comment((n) => `12.${n}`), code: /INVALID_DATE/, words: /12\.\d+ was not a valid date/ },
  number: { make: comment((n) => `2026-01-${String(n + 1).padStart(2, '0')}`), code: /INVALID_LONG/, words: /2026-01-\d+ was not a valid number/ },
  sealed: { make: comment((n) => `XY${String.fromCharCode(65 + n)}`), code: /READ_ONLY_VALUE/, words: /hs_balance_due.*read only/ },
  gone: { make: comment((n) => `a${n}@nowhere${n}.example`), code: /PROPERTY_DOESNT_EXIST/, words: /"erp_gone" does not exist/ },
  clash: { make: comment((n) => `taken-${n}.example`), code: /VALIDATION_ERROR|CONFLICT/, words: /already has that value/ },
  currency: {
    make: async (sb, account) => ({ kind: 'invoice', id: String((await sb.fusion(`invoice?account=${account}&lines=1&currency=KWD`)).id) }),
    code: /INVALID_OPTION|CURRENCY_INACTIVE/, words: /KWD.*currenc/, inputs: 2,
  },
  line: {
    make: async (sb, account) => {
      const r = await sb.fusion(`invoice?account=${account}&lines=2&currency=USD`);
      await sb.fusion(`invoice/${r.id}/line/1?Description=XYZ`);
      return { kind: 'invoice', id: String(r.id) };
    },
    code: /INVALID_OPTION/, words: /XYZ was not one of the allowed options/,
  },
  // It is there already, which a creation and an upsert find out.
  foreign: { make: foreignLine, code: /VALIDATION_ERROR/, words: /already belongs to invoice/, found: 2 },
  // A move that the portal does not allow: the status stays, nothing is parked.
  // Updates know no trace ids, unless a switch says so.
  status: {
    make: async (sb, account) => {
      const r = await sb.fusion(`invoice?account=${account}&lines=1&currency=USD`);
      await sb.fusion(`credit_memo?invoice=${r.id}`);
      return { kind: 'invoice', id: String(r.id) };
    },
    held: /cannot change from draft to voided|problem with the request/, most: 15,
  },
};
const customerKinds = {
  email: {
    make: async (sb, _, n) => {
      const c = await sb.fusion('customer');
      const p = await sb.fusion(`person?OrganizationPartyId=${c.PartyId}`);
      await sb.fusion(`person/${p.id}?EmailAddress=${encodeURIComponent(`a${n}@example.invalid`)}&Status=A`);
      for (const other of (await sb.world()).customers.find((x) => x.AccountNumber === c.AccountNumber).persons) {
        if (String(other.PartyId) !== String(p.id)) {
          await sb.fusion(`person/${other.PartyId}?Status=I`);
        }
      }
      return { kind: 'customer', id: String(c.AccountNumber) };
    },
    code: /INVALID_EMAIL/, words: /a\d+@example\.invalid is invalid/,
  },
  required: {
    make: async (sb) => {
      const c = await sb.fusion('customer');
      await sb.fusion(`organization/${c.PartyId}?City=`);
      return { kind: 'customer', id: String(c.AccountNumber) };
    },
    code: /MISSING_REQUIRED_PROPERTY|PORTAL_RULE/, words: /required properties were not set/, only: '2026-09',
  },
};
const paymentKinds = {
  payment: {
    make: async (sb, account, n) => ({ kind: 'payment',
      id: `${(await sb.fusion(`receipt?amount=${10 + n}&account=${account}&currency=KWD`)).id}:unapplied` }),
    code: /INVALID_OPTION|CURRENCY_INACTIVE/, words: /KWD.*currenc/,
  },
};

// The line item that is to come belongs to an invoice that is not ours.
async function foreignLine(sb, account) {
  const r = await sb.fusion(`invoice?account=${account}&lines=1&currency=USD`);
  const line = (await sb.world()).invoices.find((i) => String(i.CustomerTransactionId) === String(r.id))
    .receivablesInvoiceLines[0].CustomerTransactionLineId;
  const other = await sb.post('/control/hubspot/objects/invoices', { properties: { hs_currency: 'USD', hs_title: 'foreign' } });
  await sb.post('/control/hubspot/objects/line_items', { properties: { name: 'x', fusion_line_id: String(line) },
    associations: [{ to: 'invoices', id: other.id, types: [410] }] });
  return { kind: 'invoice', id: String(r.id) };
}

// ---- a world ------------------------------------------------------------------------

async function define(sb) {
  const token = fs.readFileSync(sb.ready.tenants[0].hubspot_token_file, 'utf8').trim();
  const groups = { invoices: 'invoiceinformation', line_items: 'lineiteminformation' };
  for (const [object, list] of Object.entries(definitions)) {
    for (const [name, type, fieldType, more = {}] of list) {
      const r = await fetch(`${sb.ready.hubspot_url}/crm/properties/2026-03/${object}`, { method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name, label: name, type, fieldType, groupName: groups[object], ...more }) });
      must(r.ok, `property ${name}: ${r.status} ${await r.text()}`);
    }
  }
}

// A portal that lacks a currency and demands a city, and a mapping that nobody
// checked against it.
async function world(scene, name, version) {
  const own = scene.part(name);
  const sb = await own.sandbox('--customers', 30, '--invoices', 60, '--receipts', 20);
  await sb.switches({ rate_enforced: 0, voided_nonbillable: 0, search_lag_ms: 100, property_lag_min_ms: 0, property_lag_max_ms: 0 });
  const { currencies } = await sb.get('/control/hubspot/portal');
  await sb.post('/control/hubspot/portal', { currencies: currencies.filter((c) => c !== 'KWD') });
  await define(sb);
  for (let n = 0; n < 10; n++) {
    await sb.post('/control/hubspot/objects/invoices',
      { properties: { hs_currency: 'USD', hs_title: 'foreign', erp_unique: `taken-${n}.example` } });
  }
  await own.ok(['migrate']);
  await sb.fault({ server: 'hubspot', path: '/crm/', status: 503 });
  const said = await own.ok(['tenant', 'add', 'demo', ...own.tenantFlags(sb), '--hubspot-api-version', version,
    '--mapping-file', own.file('mapping.json', MAPPING)]);
  must(/not checked against the portal/.test(said.stderr), `the mapping was checked: ${said.stderr}`);
  await sb.healed();
  await own.ok(['run', '--once']);
  await sb.post('/control/hubspot/portal', { required: { companies: ['city'] } });
  const account = (await sb.world()).invoices.find((i) => i.BillToCustomerNumber).BillToCustomerNumber;
  return { own, sb, version, account, poisoned: [] };
}

// HubSpot holds all that is not poisoned, and of what is poisoned nothing counts.
async function rest(w) {
  const truth = await w.sb.world();
  const hub = await w.sb.hub();
  const expected = expect(truth, hub);
  const got = index(hub);
  const bad = new Set(w.poisoned.map((p) => `${p.kind}:${p.id}`));
  const drop = { companies: 'customer', contacts: 'customer', invoices: 'invoice', commerce_payments: 'payment' };
  const lost = new Set();
  for (const [type, kind] of Object.entries(drop)) {
    for (const k of [...expected[type].keys()].filter((x) => bad.has(`${kind}:${x}`))) {
      expected[type].delete(k);
    }
  }
  for (const [k, l] of [...expected.line_items]) {
    if (bad.has(`invoice:${l.invoice}`)) {
      expected.line_items.delete(k);
      bad.add(`line:${k}`);
    }
  }
  for (const type of Object.keys(keys)) {
    const kind = drop[type] ?? 'line';
    for (const [k, r] of got[type]) {
      if (bad.has(`${kind}:${k}`)) {
        lost.add(`${type} ${r.id}`);
      }
    }
    for (const r of hub[type].filter((x) => x.properties.hs_title === 'foreign' ||
      x.associations.some((a) => hub.invoices.some((i) => i.id === a.id && i.properties.hs_title === 'foreign')))) {
      lost.add(`${type} ${r.id}`);
    }
  }
  const left = Object.fromEntries(Object.entries(hub).map(([type, list]) => [type,
    list.filter((r) => !lost.has(`${type} ${r.id}`))
      .map((r) => ({ ...r, associations: r.associations.filter((a) => !lost.has(`${a.to} ${a.id}`)) }))]));
  const { bad: lines } = check(expected, left);
  return lines;
}

function parkedRight(w, what, made) {
  const rows = w.own.rows('SELECT kind, fusion_id, error_code, reason FROM ml_dashboard.replay_queue');
  for (const { kind, id, of } of made) {
    if (of.held) {
      const told = w.own.rows(`SELECT message FROM ml_dashboard.audit WHERE event = 'status_held' AND fusion_id = '${id}'`);
      must(told.length === 1 && of.held.test(told[0].message), `${what}: invoice ${id} is not told of: ${JSON.stringify(told)}`);
      continue;
    }
    const row = rows.find((r) => r.kind === kind && r.fusion_id === id);
    must(row, `${what}: ${kind} ${id} is not parked`);
    must(w.silent || of.code.test(row.error_code), `${what}: ${kind} ${id} has the code ${row.error_code}: ${row.reason}`);
    must(w.silent || of.words.test(row.reason), `${what}: ${kind} ${id} has the reason ${row.reason}`);
  }
  const others = rows.filter((r) => !w.poisoned.some((p) => p.kind === r.kind && p.id === r.fusion_id));
  must(others.length === 0, `${what}: others parked: ${JSON.stringify(others).slice(0, 500)}`);
}

// Some of the world's customers have no city; none of these may.
async function cities(w, bulk) {
  for (const c of bulk === 'customer' ? (await w.sb.world()).customers : []) {
    if (!c.organizations?.[0]?.City) {
      await w.sb.fusion(`organization/${c.CustomerId}?City=Here`);
    }
  }
}

// As many records as fill a batch, some of them poisoned; answers the requests.
async function round(w, what, bulk, kinds) {
  const made = [];
  await w.sb.fusion(`bulk?kind=${bulk}&n=${BATCH - kinds.length}&new=1&account=${w.account}&currency=USD&lines=1&amount=5`);
  await cities(w, bulk);
  for (const of of kinds) {
    made.push({ ...await of.make(w.sb, w.account, w.poisoned.length % 10), of });
    w.poisoned.push(made.at(-1));
  }
  await w.sb.clear();
  const r = await w.own.ml(['run', '--once'], { seconds: 120 });
  must(r.code === (w.poisoned.length > 0 ? 1 : 0), `${what}: exit ${r.code}\n${(r.stdout + r.stderr).slice(-800)}`);
  const log = await w.sb.log();
  parkedRight(w, what, made);
  const bad = await rest(w);
  must(bad.length === 0, `${what}: ${bad.length} differences:\n  ${bad.slice(0, 8).join('\n  ')}`);
  return { requests: log.requests, operations: log.operations };
}

const groups = [['invoice', invoiceKinds], ['customer', customerKinds], ['receipt', paymentKinds]];

// One version of the API and one way of telling.
async function matrix(scene, version, mode, some, failed) {
  const { switches, one, several } = modes[mode];
  const w = await world(scene, `${mode}-${version}`, version);
  const cost = {};
  let at = '';
  w.silent = mode === 'silent';
  await w.sb.switches(switches);
  const clean = {};
  try {
    for (const [bulk] of groups) {
      at = `${bulk}, clean`;
      clean[bulk] = (await round(w, `${mode} ${version} ${at}`, bulk, [])).requests;
    }
  } catch (e) {
    failed.push(e.message);
    return;
  }
  const tried = async (name, bulk, kinds, most) => {
    try {
      const { requests, operations } = await round(w, `${mode} ${version} ${name}`, bulk, kinds);
      cost[name] = requests - clean[bulk];
      must(cost[name] <= most, `${mode} ${version} ${name}: ${cost[name]} requests more than without, at most ${most}: ` +
        JSON.stringify(Object.fromEntries(Object.entries(operations).map(([k, o]) => [k, o.requests]))));
    } catch (e) {
      if (e.constructor.name !== 'Failure') {
        throw e;
      }
      failed.push(e.message);
    }
  };
  for (const [bulk, kinds] of groups) {
    for (const [name, kind] of Object.entries(kinds)) {
      if ((kind.only && kind.only !== version) || (some && !some.includes(name))) {
        continue;
      }
      await tried(name, bulk, [kind], kind.most ?? one * (kind.inputs ?? 1) + (kind.found ?? 0));
    }
  }
  const many = Object.values(invoiceKinds).filter((k) => !k.held);
  const inputs = many.reduce((n, k) => n + (k.inputs ?? 1), 0);
  await tried('all invoices', 'invoice', many, several * inputs + invoiceKinds.foreign.found);
  if (failed.length === 0) {
    w.own.conserved();
    await scene.over(w.own);
  }
  scene.figure(`${mode}, ${version}: requests more than without: ${Object.entries(cost).map(([k, n]) => `${k} ${n}`).join(', ')}`);
}

export async function run(scene) {
  Object.assign(scene.env, { ML_HUBSPOT_CUTOFF: '1s', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '200ms',
    ML_HUBSPOT_WINDOW: '1000ms', ML_HUBSPOT_PACE: '0', ML_HUBSPOT_TIMEOUT: '5s',
    ML_FUSION_OVERLAP: '10s', ML_FUSION_OPEN_AGE: '7d' });
  const quick = [['2026-09', 'traced'], ['2026-03', 'silent', ['clash', 'foreign', 'email']],
    ['v3', 'worded', ['currency', 'email']], ['2026-03', 'nameless', ['option']]];
  const all = ['2026-03', '2026-09', 'v3'].flatMap((v) => Object.keys(modes).map((m) => [v, m]));
  const failed = [];
  for (const [version, mode, some] of process.env.E2E_LONG ? all : quick) {
    if (!process.env.CASE || new RegExp(process.env.CASE).test(`${mode}-${version}`)) {
      await matrix(scene, version, mode, some, failed);
    }
  }
  must(failed.length === 0, `${failed.length} times:\n${failed.join('\n')}`);
}
