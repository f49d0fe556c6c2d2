// SPDX-License-Identifier: UNLICENSED
// The main job: everything arrives, nothing is sent twice, changes alone cost.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from './bench.mjs';
import { changed } from './oracle.mjs';

const LIMIT = 190;

async function requests(sb) {
  const seen = (await sb.call('GET', '/control/log/requests?limit=1000000'))
    .split('\n').filter(Boolean).map((l) => JSON.parse(l));
  return seen.filter((r) => r.server === 'hubspot');
}

// The most requests that arrived in any 10 s.
function busiest(rows) {
  const at = rows.map((r) => r.mono_us).sort((a, b) => a - b);
  let most = 0;
  for (let i = 0, j = 0; i < at.length; i++) {
    while (at[i] - at[j] >= 10e6) {
      j++;
    }
    most = Math.max(most, i - j + 1);
  }
  return most;
}

async function budget(sb, scene, what, r, invoices) {
  const rows = await requests(sb);
  const log = await sb.log();
  const most = Math.max(busiest(rows), log.most);
  scene.figure(`${what}: ${rows.length} HubSpot requests, at most ${most} in 10 s, ` +
    `${r.seconds.toFixed(1)} s, worker ${r.cpu.toFixed(2)} s CPU` +
    (invoices ? `, ${(rows.length / invoices).toFixed(4)} requests and ${(1000 * r.cpu / invoices).toFixed(2)} ms CPU per invoice` : ''));
  must(!rows.some((x) => x.status === 429), `${what}: 429 answered`);
  must(most <= LIMIT, `${what}: ${most} requests in 10 s`);
  return { rows, log };
}

// Explicit changes beside the random ones, each on records of its own.
async function change(sb, world) {
  const open = world.invoices.filter((i) => i.BillToCustomerNumber &&
    i.InvoiceStatus === 'Complete' && Number(i._balance) > 0 && Number(i._paid) === 0 &&
    Number(i._credited) === 0);
  const drafts = world.invoices.filter((i) => i.InvoiceStatus === 'Incomplete');
  const id = (i) => i.CustomerTransactionId;
  const take = (test = () => true) => {
    const at = open.findIndex(test);
    must(at >= 0, 'the generated world holds no invoice of the wanted sort');
    return open.splice(at, 1)[0];
  };
  must(drafts.length > 0, 'the generated world holds no draft');
  await sb.fusion('customer?CustomerName=Brand%20New%20%22Quoted%22%20Ltd');
  await sb.fusion(`invoice/${id(drafts[0])}?InvoiceStatus=Complete`);
  const many = (i) => i.receivablesInvoiceLines.length > 1;
  await sb.fusion(`invoice/${id(take(many))}/line/0`, 'DELETE');
  await sb.fusion(`invoice/${id(take())}/line?Description=Added&Quantity=3&UnitSellingPrice=7.25`);
  const paid = take();
  await sb.fusion(`receipt?amount=${paid._balance}&account=${paid.BillToCustomerNumber}` +
    `&currency=${paid.InvoiceCurrencyCode}&method=1&apply=${id(paid)}`);
  const credited = take();
  await sb.fusion(`credit_memo?invoice=${id(credited)}`);
  const moved = take();
  const other = world.customers.find((c) => c.AccountNumber !== moved.BillToCustomerNumber);
  await sb.fusion(`invoice/${id(moved)}?account=${other.AccountNumber}`);
  const person = world.customers.flatMap((c) => c.persons ?? []).find((p) => p.Status === 'A');
  await sb.fusion(`person/${person.PartyId}?EmailAddress=brand.new@changed.example`);
  const reversed = world.receipts.find((r) => r.applications?.length > 0 && !r.ReversalCategory);
  await sb.fusion(`receipt/${reversed.StandardReceiptId}/reverse?category=NSF`);
  return { paid: id(paid), credited: id(credited), moved: id(moved) };
}

function trail(scene, kind, id) {
  const rows = scene.rows(`SELECT * FROM ml_dashboard.audit WHERE kind = '${kind}'
    AND fusion_id = '${id}' ORDER BY id`);
  const why = `audit of ${kind} ${id}: ${JSON.stringify(rows).slice(0, 2000)}`;
  must(rows.some((r) => r.event === 'seen'), `no seen in the ${why}`);
  must(rows.some((r) => ['created', 'updated'].includes(r.outcome) && r.hubspot_id), `no write in the ${why}`);
  must(rows.some((r) => r.before && r.after && Object.keys(r.after).length > 0), `no before and after in the ${why}`);
}

const operationsOf = { companies: 'companies', contacts: 'contacts', invoices: 'invoices',
  line_items: 'line_items', commerce_payments: 'commerce_payments' };

function bounded(writes, diff) {
  for (const [type, name] of Object.entries(operationsOf)) {
    for (const verb of ['batch_upsert', 'batch_create', 'batch_archive']) {
      const got = writes[`${name}.${verb}`]?.inputs ?? 0;
      must(got <= diff[type].size,
        `third run: ${name}.${verb} carried ${got} inputs, ${diff[type].size} records changed`);
    }
  }
  const moves = writes['invoices.batch_update']?.inputs ?? 0;
  must(moves <= diff.invoices.size, `third run: ${moves} status moves, ${diff.invoices.size} invoices changed`);
}

// HubSpot's official client as a second pair of eyes on what the worker wrote.
function readByOfficialClient(scene, sb) {
  const client = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'client', 'run');
  const r = spawnSync(client, [path.join(scene.house.build, 'ml-sandbox'),
    '--test-name-pattern=worker.s records are readable', 'client.test.mjs'],
  { encoding: 'utf8', env: { ...process.env, ML_HUBSPOT_URL: sb.ready.hubspot_url,
    ML_HUBSPOT_TOKEN_FILE: sb.ready.tenants[0].hubspot_token_file } });
  must(r.status === 0 && /pass 1\n/.test(r.stdout),
    `the official client does not read what the worker wrote:\n${r.stdout.slice(-3000)}${r.stderr}`);
  scene.figure('the official client reads what the worker wrote');
}

export async function run(scene) {
  const sb = await scene.sandbox('--customers', 300, '--invoices', 1000, '--receipts', 400);
  await scene.tenant(sb);
  const first = await scene.ok(['run', '--once']);
  const one = await scene.equal(sb);
  const n = one.world.invoices.length;
  must(one.world.customers.length >= 300 && n >= 1000 && one.world.receipts.length >= 400, 'the world is too small');
  const b = await budget(sb, scene, 'first run', first, n);
  scene.figure(Object.entries(b.log.operations).map(([k, o]) => `${k} ${o.requests}`).join(', '));
  must(b.rows.length <= 0.10 * n, `${b.rows.length} requests for ${n} invoices: ` +
    b.rows.map((r) => `${r.operation}:${r.inputs}@${Math.round((r.mono_us - b.rows[0].mono_us) / 1000)}`).join(' '));
  for (const [type, m] of Object.entries(one.expected)) {
    scene.figure(`${type}: ${m.size} as the mapping demands`);
  }
  scene.conserved();

  await sb.clear();
  const second = await scene.ok(['run', '--once']);
  const quiet = await budget(sb, scene, 'second run', second);
  must(Object.keys(quiet.log.writes).length === 0, `second run wrote: ${JSON.stringify(quiet.log.writes)}`);
  await scene.equal(sb, one);
  const done = await change(sb, one.world);
  const random = await sb.fusion('mutate?n=300&seed=7');
  must(random.changes.length === 300, `${random.changes.length} random changes`);
  await sb.clear();
  const third = await scene.ok(['run', '--once']);
  const three = await scene.equal(sb, one);
  const c = await budget(sb, scene, 'third run', third);
  const addresses = (h) => new Map(h.contacts.map((r) => [r.properties.fusion_account_number, r.properties.email]));
  const old = addresses(one.hub);
  const moved = new Set([...addresses(three.hub)].filter(([k, e]) => old.get(k) !== e).map(([k]) => k));
  const diff = changed(one.expected, three.expected, moved);
  scene.figure(`third run: changed ${Object.entries(diff).map(([k, s]) => `${s.size} ${k}`).join(', ')}; ` +
    `sent ${Object.entries(c.log.writes).map(([k, o]) => `${o.inputs} ${k}`).join(', ')}`);
  bounded(c.log.writes, diff);
  scene.conserved();
  trail(scene, 'invoice', done.paid);
  trail(scene, 'invoice', done.credited);
  trail(scene, 'invoice', done.moved);
  await sb.clear();
  await scene.ok(['run', '--once']);
  const last = await sb.log();
  must(Object.keys(last.writes).length === 0, `fourth run wrote: ${JSON.stringify(last.writes)}`);
  scene.secretsHidden([...sb.secrets(), scene.master.split(':')[1]]);
  readByOfficialClient(scene, sb);
  await sb.stop();
}
