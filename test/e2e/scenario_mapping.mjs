// SPDX-License-Identifier: UNLICENSED
// A tenant's own mapping: flexfields of invoices, lines and receipts, constants
// and a replaced source arrive; what either system lacks is refused before it
// is stored; a changed file rewrites what it changes and nothing else.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, tail, until } from './bench.mjs';
import { changed, check, expect, same } from './oracle.mjs';

const docs = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'docs');
const plain = (v) => (v === null || v === undefined || v === '' ? undefined : String(v));
const segment = (row, child, name) => plain(row?.[child]?.[0]?.[name]);

const FILE = `{
  "invoices": {
    "erp_region": "receivablesInvoiceDFF.region",
    "erp_contract_value": {"path": "receivablesInvoiceDFF.contractAmount", "format": "number"},
    "erp_renewal": {"path": "receivablesInvoiceDFF.renewalDate", "format": "day"},
    "erp_system": {"value": "Fusion"},
    "hs_purchase_order_number": "TransactionSource"
  },
  "line_items": {
    "erp_cost_center": "receivablesInvoiceLineDFF.costCenter",
    "erp_order": "invoice.receivablesInvoiceTransactionDFF.sourceOrder"
  },
  "commerce_payments": {
    "erp_bank_reference": "standardReceiptDFF.bankReference"
  },
  "companies": {
    "erp_employees": {"path": "EmployeesTotal", "format": "number"},
    "erp_tax_number": "account.TaxRegistrationNumber"
  }
}
`;

// What a person creates in HubSpot beforehand, through its own API.
const PROPERTIES = {
  invoices: [['erp_region'], ['erp_contract_value', 'number'], ['erp_renewal', 'date'],
    ['erp_system', 'enumeration', ['Fusion', 'Other']], ['erp_payment_terms'], ['erp_sales_region']],
  line_items: [['erp_cost_center'], ['erp_order'], ['erp_unit'], ['erp_invoice_source']],
  commerce_payments: [['erp_bank_reference']],
  companies: [['erp_employees', 'number'], ['erp_tax_number']],
};

async function createProperties(sb) {
  const token = fs.readFileSync(sb.ready.tenants[0].hubspot_token_file, 'utf8').trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const where = (object) => `${sb.ready.hubspot_url}/crm/properties/2026-03/${object}`;
  const fieldTypes = { string: 'text', number: 'number', date: 'date', enumeration: 'select' };
  for (const [object, list] of Object.entries(PROPERTIES)) {
    for (const [name, type = 'string', options] of list) {
      const r = await fetch(where(object), { method: 'POST', headers,
        body: JSON.stringify({ name, label: name, type, fieldType: fieldTypes[type],
          groupName: { invoices: 'invoiceinformation', line_items: 'lineiteminformation',
            commerce_payments: 'paymentinformation', companies: 'companyinformation' }[object],
          options: options?.map((value, displayOrder) => ({ label: value, value, displayOrder, hidden: false })) }) });
      must(r.ok, `property ${object}.${name}: ${r.status} ${await r.text()}`);
    }
  }
  // HubSpot shows a new property only after a while.
  for (const [object, list] of Object.entries(PROPERTIES)) {
    await until(`the properties of ${object}`, 20, async () => {
      const have = (await (await fetch(where(object), { headers })).json()).results.map((p) => p.name);
      return list.every(([name]) => have.includes(name));
    });
  }
}

// What the oracle demands, with what the file above adds to it and replaces.
function demand(world, hub, bank = 'bankReference', system = 'Fusion') {
  const e = expect(world, hub);
  for (const i of world.invoices) {
    const own = e.invoices.get(i.CustomerTransactionId);
    if (!own) {
      continue;
    }
    Object.assign(own.properties, {
      erp_region: segment(i, 'receivablesInvoiceDFF', 'region'),
      erp_contract_value: segment(i, 'receivablesInvoiceDFF', 'contractAmount'),
      erp_renewal: segment(i, 'receivablesInvoiceDFF', 'renewalDate'),
      erp_system: system, hs_purchase_order_number: plain(i.TransactionSource) });
    for (const l of i.receivablesInvoiceLines) {
      Object.assign(e.line_items.get(l.CustomerTransactionLineId).properties, {
        erp_cost_center: segment(l, 'receivablesInvoiceLineDFF', 'costCenter'),
        erp_order: segment(i, 'receivablesInvoiceTransactionDFF', 'sourceOrder') });
    }
  }
  const receipts = new Map(world.receipts.map((r) => [String(r.StandardReceiptId), r]));
  for (const [key, p] of e.commerce_payments) {
    p.properties.erp_bank_reference = segment(receipts.get(key.split(':')[0]), 'standardReceiptDFF', bank);
  }
  for (const c of world.customers) {
    const own = e.companies.get(c.AccountNumber).properties;
    own.erp_employees = plain(c.organizations?.[0]?.EmployeesTotal);
    own.erp_tax_number = plain(c.TaxRegistrationNumber);
  }
  return e;
}

function equal(expected, hub, before) {
  const { bad } = check(expected, hub, before);
  must(bad.length === 0, `${bad.length} differences:\n  ${bad.slice(0, 25).join('\n  ')}`);
}

function count(expected, type, name) {
  return [...expected[type].values()].filter((e) => e.properties[name] !== undefined).length;
}

// Each wrong in one way: what the message must say.
const WRONG = [
  ['{\n "invoices": {\n  "erp_region": "receivablesInvoiceDFF.regoin"}}', ['line 3', 'invoices.erp_region', '"regoin"', 'did you mean "region"?']],
  ['{\n "invoices": {"erp_region": "receivablesInvoicesDFF.region"}}', ['line 2', 'did you mean "receivablesInvoiceDFF"?']],
  ['{"line_items": {\n\n "erp_cost_center": "receivablesInvoiceLineDFF.costCentre"}}', ['line 3', 'did you mean "costCenter"?']],
  ['{"line_items": {"erp_order": "invoice.PurchaseOrdr"}}', ['line 1', 'did you mean "PurchaseOrder"?']],
  ['{"commerce_payments": {\n"erp_bank_reference": "standardReceiptDFF.bankReferenz"}}', ['line 2', 'did you mean "bankReference"?']],
  ['{"companies": {"erp_tax_number": "account.TaxRegistrationNumbr"}}', ['did you mean "TaxRegistrationNumber"?']],
  ['{\n"invoices": {\n"erp_regon": "receivablesInvoiceDFF.region"}}', ['line 3', 'did you mean "erp_region"?', 'create it in HubSpot']],
  ['{"invoices": {"hs_createdate": {"path": "CreationDate", "format": "datetime"}}}', ['invoices.hs_createdate', /read-only|calculated/]],
  ['{"invoices": {"erp_contract_value": "receivablesInvoiceDFF.contractAmount"}}', ['of type number', '"format": "number"']],
  ['{"invoices": {"erp_renewal": {"path": "receivablesInvoiceDFF.renewalDate", "format": "date"}}}', ['of type date', '"format": "day"']],
  ['{"invoices": {\n"erp_system": {"value": "Fusoin"}}}', ['line 2', 'no option', 'did you mean "Fusion"?']],
  ['{"invoices": {"erp_contract_value": {"value": "much"}}}', ['"much" is no value', 'number']],
  ['{"invoices": {\n"fusion_transaction_id": "TransactionNumber"}}', ['line 2', 'set by the connector']],
  ['{"invoices": {\n"erp_region": {"pth": "TransactionNumber"}}}', ['line 2', 'did you mean "path"?']],
  ['{\n"invoice": {}}', ['line 2', 'did you mean "invoices"?']],
  ['{"invoices": {', [/line|JSON/]],
];

async function refusals(scene, sb, flags) {
  for (const [text, words] of WRONG) {
    await scene.refused(['tenant', 'add', 'demo', ...flags, '--mapping-file', scene.file('wrong.json', text)], 2,
      ['--mapping-file', ...words]);
  }
  // All that is wrong is said at once.
  const all = await scene.refused(['tenant', 'add', 'demo', ...flags, '--mapping-file',
    scene.file('wrong.json', '{"invoices": {\n"erp_region": "Nowhere1",\n"erp_regon": "TransactionNumber",\n"erp_system": {"value": "X"}}}')], 2, []);
  for (const line of [2, 3, 4]) {
    must(all.stderr.includes(`line ${line}:`), `line ${line} is not in\n${tail(all)}`);
  }
  const left = JSON.parse((await scene.ok(['tenant', 'list', '--json'])).stdout);
  must(left.length === 0, `a refused tenant was stored: ${JSON.stringify(left)}`);
  must(scene.sql(`SELECT count(*) FROM ml_connector.tenant`) === '0', 'a row of a refused tenant is left');
  must(scene.sql(`SELECT count(*) FROM ml_connector.lease WHERE worker IS NOT NULL`) === '0', 'a lease is left');
  const writes = (await sb.log()).writes;
  must(Object.keys(writes).filter((k) => !k.includes('create_propert') && !k.includes('properties')).length === 0,
    `checking wrote to HubSpot: ${JSON.stringify(writes)}`);
}

async function unreachable(scene, sb, flags, file) {
  const but = (name, value) => flags.map((f, i) => (flags[i - 1] === name ? value : f));
  // Nothing is asked for without a mapping, and with one nothing is required.
  await sb.clear();
  await scene.ok(['tenant', 'add', 'quiet', ...flags]);
  must((await sb.log()).requests === 0, 'tenant add without a mapping asked HubSpot');
  await scene.ok(['tenant', 'remove', 'quiet', '--yes']);
  const away = await scene.ok(['tenant', 'add', 'away', ...but('--hubspot-url', 'http://127.0.0.1:1'),
    '--mapping-file', file], { seconds: 120 });
  must(/not checked against the portal/.test(away.stderr) && away.stderr.includes('ping away'), `no note: ${tail(away)}`);
  must(!/not checked against the pod/.test(away.stderr), `the pod answered: ${tail(away)}`);
  await scene.refused(['tenant', 'set', 'away', '--mapping-file',
    scene.file('wrong.json', WRONG[0][0])], 2, WRONG[0][1], { seconds: 120 });
  await scene.ok(['tenant', 'remove', 'away', '--yes']);
  const nopod = await scene.ok(['tenant', 'add', 'nopod', ...but('--fusion-url', 'http://127.0.0.1:1'),
    '--mapping-file', file], { seconds: 120 });
  must(/not checked against the pod/.test(nopod.stderr) && !/not checked against the portal/.test(nopod.stderr),
    `wrong note: ${tail(nopod)}`);
  await scene.ok(['tenant', 'remove', 'nopod', '--yes']);
}

async function pings(scene, file) {
  const lines = async () => JSON.parse((await scene.ml(['ping', 'demo', '--json'])).stdout)
    .filter((l) => l.check === 'mapping');
  let got = await lines();
  must(got.length === 1 && got[0].state === 'ok', `ping: ${JSON.stringify(got)}`);
  scene.sql(`UPDATE ml_connector.tenant SET settings = jsonb_set(settings, '{mapping_file}',
    '"{\\"invoices\\": {\\n\\"erp_region\\": \\"receivablesInvoiceDFF.regoin\\"}}"') WHERE name = 'demo'`);
  got = await lines();
  must(got.length === 1 && got[0].state === 'failed' && got[0].message.includes('line 2') &&
    got[0].message.includes('did you mean "region"?'), `ping: ${JSON.stringify(got)}`);
  await scene.refused(['ping', 'demo'], 1, ['mapping', 'did you mean "region"?']);
  await scene.ok(['tenant', 'set', 'demo', '--mapping-file', file]);
}

// Which class the jobs of the records had that were opened since.
function watchJobs(scene) {
  scene.sql(`CREATE TABLE opened (kind text, class text);
    CREATE FUNCTION note_job() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO opened VALUES (NEW.kind, NEW.class); RETURN NEW; END';
    CREATE TRIGGER note AFTER INSERT OR UPDATE OF class ON ml_connector.job
      FOR EACH ROW EXECUTE FUNCTION note_job()`);
}

async function changes(scene, sb, one) {
  const text = FILE.replace('bankReference', 'collector').replace('{"value": "Fusion"}', '{"value": "Other"}');
  const said = await scene.ok(['tenant', 'set', 'demo', '--mapping-file', scene.file('changed.json', text)]);
  must(!said.stderr.includes('not checked'), `not checked: ${tail(said)}`);
  watchJobs(scene);
  await sb.clear();
  await scene.ok(['run', '--once']);
  const world = await sb.world();
  const hub = await sb.hub();
  const two = demand(world, hub, 'collector', 'Other');
  equal(two, hub, one.hub);
  const diff = changed(one.expected, two, new Set());
  // What has lost its value stays as it is in HubSpot: nothing to write.
  for (const type of Object.keys(diff)) {
    for (const k of diff[type]) {
      const was = one.expected[type].get(k).properties;
      if (!Object.entries(two[type].get(k).properties).some(([p, v]) => v !== undefined && v !== was[p])) {
        diff[type].delete(k);
      }
    }
  }
  const { writes } = await sb.log();
  scene.figure(`changed mapping: ${Object.entries(diff).map(([k, s]) => `${s.size} ${k}`).join(', ')} differ; ` +
    `sent ${Object.entries(writes).map(([k, o]) => `${o.inputs} ${k}`).join(', ')}`);
  must(diff.invoices.size > 0 && diff.commerce_payments.size > 0 && diff.line_items.size === 0 &&
    diff.companies.size === 0, 'the change is not what this scenario is about');
  for (const type of ['invoices', 'commerce_payments']) {
    must(writes[`${type}.batch_upsert`]?.inputs === diff[type].size,
      `${type}: ${writes[`${type}.batch_upsert`]?.inputs} written, ${diff[type].size} differ`);
  }
  must(Object.keys(writes).length === 2, `more was written: ${JSON.stringify(writes)}`);
  const classes = scene.rows('SELECT kind, class, count(*) AS n FROM opened GROUP BY 1, 2 ORDER BY 1, 2');
  must(classes.every((r) => r.class === 'backfill' && ['invoice', 'payment'].includes(r.kind)),
    `jobs of a changed mapping: ${JSON.stringify(classes)}`);
  await sb.clear();
  await scene.ok(['run', '--once']);
  must(Object.keys((await sb.log()).writes).length === 0, 'the run after it wrote');
  scene.conserved();
}

// While a worker holds the portal it is the one that asks.
async function beside(scene, file) {
  const worker = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], scene.env);
  await until('the lease', 30, () => scene.sql(
    'SELECT count(*) FROM ml_connector.lease WHERE worker IS NOT NULL AND expires_at > now()') !== '0');
  const said = await scene.ok(['tenant', 'set', 'demo', '--mapping-file', file]);
  must(said.stderr === '', `a good mapping beside a worker: ${said.stderr}`);
  await scene.refused(['tenant', 'set', 'demo', '--mapping-file', scene.file('wrong.json', WRONG[0][0])], 2, WRONG[0][1]);
  const kept = JSON.parse((await scene.ok(['tenant', 'show', 'demo', '--json'])).stdout).settings.mapping_file;
  must(kept === fs.readFileSync(file, 'utf8'), `a refused file was stored: ${kept}`);
  const lines = JSON.parse((await scene.ok(['ping', 'demo', '--json'])).stdout).filter((l) => l.check === 'mapping');
  must(lines.length === 1 && lines[0].state === 'ok', `ping beside a worker: ${JSON.stringify(lines)}`);
  worker.child.kill('SIGTERM');
  const { code } = await worker.ended;
  must(code === 0, `the worker ended with ${code}`);
}

// Part of the values by themselves: the oracle must not be wrong the same way.
async function byHand(scene, sb, world) {
  const i = world.invoices.find((x) => x.BillToCustomerNumber && x.receivablesInvoiceLines.length > 0);
  const r = world.receipts.find((x) => x.applications?.length > 0);
  await sb.fusion(`invoice/${i.CustomerTransactionId}?dff.region=Atlantis&PurchaseOrder=seen`);
  await sb.fusion(`invoice/${i.CustomerTransactionId}/line/0?dff.costCenter=CC-9`);
  await sb.fusion(`receipt/${r.StandardReceiptId}?dff.bankReference=BR1&Comments=seen`);
  return { invoice: String(i.CustomerTransactionId), receipt: String(r.StandardReceiptId) };
}

// Lines beyond those that come with their invoice are read by themselves, and
// their flexfields with them.
async function manyLines(scene, sb, world, before) {
  const i = world.invoices.find((x) => x.BillToCustomerNumber && x.InvoiceStatus === 'Complete');
  for (let n = 0; n < 40; n++) {
    await sb.fusion(`invoice/${i.CustomerTransactionId}/line?Description=Line%20${n}&Quantity=1&UnitSellingPrice=2`);
  }
  await scene.ok(['run', '--once']);
  const now = await sb.world();
  const hub = await sb.hub();
  const long = now.invoices.find((x) => x.CustomerTransactionId === i.CustomerTransactionId);
  must(long.receivablesInvoiceLines.length > 40, `${long.receivablesInvoiceLines.length} lines`);
  equal(demand(now, hub, 'collector', 'Other'), hub, before);
}

export async function run(scene) {
  const sb = await scene.sandbox('--customers', 12, '--invoices', 40, '--receipts', 20);
  const flags = scene.tenantFlags(sb);
  const file = scene.file('mapping.json', FILE);
  await scene.ok(['migrate']);
  await createProperties(sb);
  await sb.clear();
  await refusals(scene, sb, flags);
  await unreachable(scene, sb, flags, file);

  const hand = await byHand(scene, sb, await sb.world());
  const said = await scene.ok(['tenant', 'add', 'demo', ...flags, '--mapping-file', file]);
  must(said.stderr === '', `a good mapping: ${said.stderr}`);
  await pings(scene, file);
  await scene.ok(['run', '--once']);
  const world = await sb.world();
  const hub = await sb.hub();
  const one = { world, hub, expected: demand(world, hub) };
  equal(one.expected, hub);
  for (const [type, names] of [['invoices', ['erp_region', 'erp_contract_value', 'erp_renewal', 'erp_system',
    'hs_purchase_order_number']], ['line_items', ['erp_cost_center', 'erp_order']],
  ['commerce_payments', ['erp_bank_reference']]]) {
    const counts = names.map((n) => [n, count(one.expected, type, n)]);
    must(counts.every(([, n]) => n > 0), `nothing to compare: ${type} ${JSON.stringify(counts)}`);
    scene.figure(`${type}: ${counts.map(([k, n]) => `${k} ${n}`).join(', ')}`);
  }
  const find = (type, test) => hub[type].find((r) => test(r.properties))?.properties;
  const invoice = find('invoices', (p) => p.fusion_transaction_id === hand.invoice);
  must(same('x', 'Atlantis', invoice.erp_region) && invoice.erp_system === 'Fusion', `invoice: ${JSON.stringify(invoice)}`);
  must(find('line_items', (p) => p.fusion_transaction_id === hand.invoice && p.erp_cost_center === 'CC-9'), 'no line with CC-9');
  must(find('commerce_payments', (p) => p.fusion_receipt_id === hand.receipt && p.erp_bank_reference === 'BR1'), 'no payment with BR1');
  scene.conserved();
  await scene.ok(['tenant', 'set', 'demo', '--mapping-file', path.join(docs, 'mapping-sample.json')]);
  await scene.ok(['tenant', 'set', 'demo', '--mapping-file', file]);
  await beside(scene, file);
  await changes(scene, sb, one);
  await manyLines(scene, sb, world, await sb.hub());
  await sb.stop();
}
