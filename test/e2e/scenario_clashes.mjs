// SPDX-License-Identifier: UNLICENSED
// What people do in HubSpot: contacts with our addresses, records archived or
// merged between two runs and then changed or needed as parents, properties
// deleted, associations of other types. Everything is found again by its key or
// made anew and joined again; nothing parks. Each case has a world of its own.
import { must } from './bench.mjs';
import { check, expect, index, keys } from './oracle.mjs';

const account = (i) => i.BillToCustomerNumber;

// ---- a world and what may be done to it ------------------------------------------

async function begin(scene, name) {
  const own = scene.part(name);
  const sb = await own.sandbox('--customers', 8, '--invoices', 24, '--receipts', 16);
  await sb.switches({ rate_window_ms: 1000, search_lag_ms: 200, property_lag_min_ms: 50, property_lag_max_ms: 100 });
  await own.tenant(sb);
  return { own, sb };
}

// The state between two runs, and what is at hand in it: an open invoice with
// lines, its customer, a payment of that customer on an invoice.
async function settled({ own, sb }) {
  await own.ok(['run', '--once']);
  const at = await own.equal(sb);
  const got = index(at.hub);
  const paid = [...at.expected.commerce_payments].filter(([, p]) => p.invoice &&
    account(at.world.invoices.find((i) => i.CustomerTransactionId === p.invoice)) === p.account);
  const [payment, p] = paid.find(([, x]) => at.expected.invoices.get(x.invoice).status === 'open') ?? paid[0];
  const mine = at.world.invoices.filter((i) => account(i) === p.account);
  must(mine.length >= 2, 'no customer with a payment and two invoices');
  const invoice = mine.find((i) => i.CustomerTransactionId === p.invoice);
  const other = [...at.expected.companies.keys()].find((k) => k !== p.account && at.world.invoices.some((i) => account(i) === k));
  return { at, got, payment, invoice, customer: p.account, other,
    receipt: payment.split(':')[0], line: invoice.receivablesInvoiceLines[0].CustomerTransactionLineId };
}

const change = {
  customer: (sb, s) => sb.fusion(`customer/${s.customer}?CustomerName=Renamed%20Ltd`),
  invoice: (sb, s) => sb.fusion(`invoice/${s.invoice.CustomerTransactionId}?PurchaseOrder=PO-${s.customer}`),
  line: (sb, s) => sb.fusion(`invoice/${s.invoice.CustomerTransactionId}/line/0?Description=Another%20text`),
  payment: (sb, s) => sb.fusion(`receipt/${s.receipt}?ReceiptDate=2026-09-01`),
  status: (sb, s) => sb.fusion(`credit_memo?invoice=${s.invoice.CustomerTransactionId}`),
  newInvoice: (sb, s) => sb.fusion(`invoice?account=${s.customer}&lines=3`),
  newPayment: async (sb, s) => {
    const fresh = s.at.world.invoices.find((i) => s.at.expected.invoices.get(i.CustomerTransactionId)?.status === 'open' &&
      account(i) === s.customer) ?? s.invoice;
    await sb.fusion(`receipt?amount=10&account=${s.customer}&currency=${fresh.InvoiceCurrencyCode}&apply=${fresh.CustomerTransactionId}:10`);
  },
};

const idOf = (s, type, key) => s.got[type].get(key).id;

async function archive(sb, s, ...what) {
  const key = { companies: s.customer, contacts: s.customer, invoices: s.invoice.CustomerTransactionId,
    line_items: s.line, commerce_payments: s.payment };
  for (const type of what) {
    await sb.del(`/control/hubspot/objects/${type}/${idOf(s, type, key[type])}`);
  }
}

// Runs until there is nothing left to do, at most four times.
async function settle({ own }) {
  let r;
  for (let i = 0; i < 4; i++) {
    r = await own.ml(['run', '--once'], { seconds: 30 });
    if (r.code === 0) {
      break;
    }
  }
  const parked = own.rows('SELECT kind, fusion_id, error_code, reason FROM ml_dashboard.replay_queue');
  must(parked.length === 0, `parked: ${JSON.stringify(parked).slice(0, 400)}`);
  must(r.code === 0, `work is left: ${r.stdout.slice(-400)}`);
}

async function quiet({ own, sb }) {
  await sb.clear();
  await own.ok(['run', '--once']);
  const { writes } = await sb.log();
  must(Object.keys(writes).length === 0, `a quiet run wrote ${JSON.stringify(writes)}`);
  own.conserved();
}

// ---- the cases ---------------------------------------------------------------------

// Archived in HubSpot, then one thing or another happens in Fusion.
function gone(types, ...changes) {
  return async (w) => {
    const s = await settled(w);
    await archive(w.sb, s, ...types);
    for (const c of changes) {
      await change[c](w.sb, s);
    }
    await settle(w);
    await w.own.equal(w.sb, {});
    await quiet(w);
  };
}

// Archived, and nothing that changes needs it: it stays away, the change arrives.
function unneeded(type) {
  return async (w) => {
    const s = await settled(w);
    const id = s.invoice.CustomerTransactionId;
    await archive(w.sb, s, type);
    await change.invoice(w.sb, s);
    await settle(w);
    const { hub } = await differences(w, {});
    must(index(hub).invoices.get(id).properties.hs_purchase_order_number === `PO-${s.customer}`, 'the change did not arrive');
    await quiet(w);
  };
}

// Somebody merged ours into another record of HubSpot.
function mergedIntoForeign(type, ...changes) {
  return async (w) => {
    const s = await settled(w);
    const strange = await w.sb.post(`/control/hubspot/objects/${type}`,
      { properties: type === 'companies' ? { name: 'By hand' } : { email: 'by.hand@elsewhere.example', lastname: 'Hand' } });
    await w.sb.post(`/control/hubspot/merge/${type}`, { into: strange.id, gone: idOf(s, type, s.customer) });
    for (const c of changes) {
      await change[c](w.sb, s);
    }
    await settle(w);
    const { hub, bad: all } = await differences(w, { adopted: new Map([[strange.id, strange.properties]]) });
    // What the other one had stays until Fusion changes it.
    const bad = all.filter((b) => changes.includes('customer') || / association | missing in HubSpot/.test(b));
    must(bad.length === 0, `${bad.length} differences:\n  ${bad.slice(0, 12).join('\n  ')}`);
    must(hub[type].some((r) => r.id === strange.id && r.properties.fusion_account_number === s.customer),
      'the merged record is not ours any more');
    await quiet(w);
  };
}

// Two of ours are one now: what the one had may stay with the other, but what
// belongs to the one that went is joined with a new one of its own.
function mergedIntoOurs(type, ...changes) {
  return async (w) => {
    const s = await settled(w);
    await w.sb.post(`/control/hubspot/merge/${type}`, { into: idOf(s, type, s.other), gone: idOf(s, type, s.customer) });
    for (const c of changes) {
      await change[c](w.sb, s);
    }
    await settle(w);
    const { bad } = await differences(w, {}, s.at.hub);
    const left = bad.filter((b) =>
      !/held by nobody|email is undefined/.test(b)); // the other one has the address now
    must(left.length === 0, `${left.length} differences:\n  ${left.slice(0, 12).join('\n  ')}`);
    await quiet(w);
  };
}

async function differences({ sb }, options, before) {
  const hub = await sb.hub();
  const expected = expect(await sb.world(), hub);
  const { bad } = check(expected, hub, before, options);
  for (const type of Object.keys(keys)) {
    const twice = index(hub).foreign[type].filter((r) => r.twice);
    must(twice.length === 0, `${type} ${twice[0]?.twice} is there twice`);
  }
  return { hub, expected, bad };
}

// Its e-mail is a further address of a contact that HubSpot had.
async function furtherEmail(w) {
  const { sb, own } = w;
  const expected = expect(await sb.world());
  const unique = [...expected.contacts].filter(([k, c]) => c.properties.email &&
    ![...expected.contacts].some(([o, d]) => o !== k && d.properties.email === c.properties.email));
  must(unique.length >= 2, 'too few contacts with an e-mail of their own');
  const make = (properties) => sb.post('/control/hubspot/objects/contacts', { properties });
  const first = await make({ email: unique[0][1].properties.email, jobtitle: 'First' });
  const further = await make({ email: 'private@elsewhere.example', jobtitle: 'Further',
    hs_additional_emails: `old@elsewhere.example;${unique[1][1].properties.email}` });
  await own.ok(['run', '--once']);
  const options = { adopted: new Map([[first.id, first.properties], [further.id, further.properties]]) };
  const { hub } = await own.equal(sb, {}, options);
  for (const [want, [key]] of [[first, unique[0]], [further, unique[1]]]) {
    const have = hub.contacts.find((r) => r.properties.fusion_account_number === key);
    must(have.id === want.id, `account ${key} is contact ${have.id}, not the ${want.id} that was there`);
    must(have.properties.jobtitle === want.properties.jobtitle, 'a property of the adopted contact was lost');
  }
  must(hub.contacts.length === expected.contacts.size, `${hub.contacts.length} contacts, wanted ${expected.contacts.size}`);
  await quiet(w);
}

// Two accounts with one address: one contact has it, the other goes without.
async function sharedEmail(w) {
  const { sb, own } = w;
  const world = await sb.world();
  const two = world.customers.filter((c) => c.persons?.some((p) => p.Status === 'A')).slice(0, 2);
  must(two.length === 2, 'too few customers with persons');
  for (const c of two) {
    for (const p of c.persons) {
      await sb.fusion(`person/${p.PartyId}?EmailAddress=shared%40example.com`);
    }
  }
  await own.ok(['run', '--once']);
  const { hub } = await own.equal(sb);
  const holders = hub.contacts.filter((r) => r.properties.email === 'shared@example.com');
  must(holders.length === 1, `${holders.length} contacts hold the shared address`);
  const told = own.rows(`SELECT fusion_id FROM ml_dashboard.audit WHERE event = 'email_taken'`);
  must(told.some((t) => two.some((c) => c.AccountNumber === t.fusion_id)), 'no email_taken in the audit');
  await quiet(w);
}

const ours = { companies: 'fusion_party_id', contacts: 'fusion_party_id', invoices: 'fusion_balance_due',
  line_items: 'fusion_line_amount', commerce_payments: 'fusion_receipt_status' };

// Properties of ours that somebody deleted in the portal.
function property(which) {
  return async (w) => {
    const s = await settled(w);
    for (const [type, name] of Object.entries(which)) {
      await w.sb.del(`/control/hubspot/properties/${type}/${name}`);
    }
    for (const c of ['customer', 'line', 'payment', 'newInvoice']) {
      await change[c](w.sb, s);
    }
    await settle(w);
    await w.own.equal(w.sb, {});
    for (const [type, name] of Object.entries(which)) {
      const list = (await w.sb.get(`/control/hubspot/properties/${type}`)).results;
      must(list.some((p) => p.name === name), `${type}.${name} was not made again`);
    }
    await quiet(w);
  };
}

// The portal says that another type joins invoices and companies.
async function otherTypes(w) {
  const { sb, own } = w;
  await sb.fault({ server: 'hubspot', path: '/crm/associations/2026-03/invoices/companies/labels', status: 200,
    json: { results: [{ category: 'HUBSPOT_DEFINED', typeId: 999, label: null }] } });
  const r = await own.ml(['run', '--once']);
  const said = r.stdout + r.stderr;
  must(r.code === 1, `exit ${r.code} with other association types`);
  must(/invoices.*companies/.test(said) && said.includes('179'), `the message does not name the pair and type\n${said.slice(-1500)}`);
  const { writes } = await sb.log();
  const objects = Object.keys(writes).filter((k) => !/^propert|\.propert/.test(k) && /upsert|update|archive|associations|batch_create/.test(k) && !k.startsWith('properties'));
  must(objects.length === 0, `it wrote all the same: ${objects}`);
  await sb.healed();
  await own.ok(['provision', 'demo']);
}

const cases = {
  'further-email': furtherEmail,
  'shared-email': sharedEmail,
  'company-changed': gone(['companies'], 'customer'),
  'company-parent': gone(['companies'], 'newInvoice'),
  'contact-changed': gone(['contacts'], 'customer'),
  'contact-parent': gone(['contacts'], 'newInvoice'),
  'both-parent': gone(['companies', 'contacts'], 'newInvoice', 'newPayment'),
  'company-unneeded': unneeded('companies'),
  'invoice-changed': gone(['invoices'], 'invoice'),
  'invoice-line': gone(['invoices'], 'line'),
  'invoice-status': gone(['invoices'], 'status'),
  'invoice-parent': gone(['invoices'], 'newPayment'),
  'line-changed': gone(['line_items'], 'line'),
  'line-unneeded': unneeded('line_items'),
  'payment-changed': gone(['commerce_payments'], 'payment'),
  'everything': gone(['companies', 'contacts', 'invoices', 'commerce_payments'], 'customer', 'invoice', 'payment', 'newInvoice'),
  'company-merged': mergedIntoForeign('companies', 'customer', 'newInvoice'),
  'company-merged-parent': mergedIntoForeign('companies', 'newInvoice'),
  'contact-merged': mergedIntoForeign('contacts', 'customer', 'newInvoice'),
  'contact-merged-parent': mergedIntoForeign('contacts', 'newInvoice', 'newPayment'),
  'companies-one': mergedIntoOurs('companies', 'customer', 'newInvoice'),
  'contacts-one': mergedIntoOurs('contacts', 'customer', 'newInvoice'),
  property: property(ours),
  'property-key': property({ invoices: 'fusion_transaction_id', line_items: 'fusion_line_id' }),
  types: otherTypes,
};

export async function run(scene) {
  Object.assign(scene.env, { ML_HUBSPOT_CUTOFF: '1s', ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '500ms',
    ML_HUBSPOT_WINDOW: '1000ms', ML_HUBSPOT_TIMEOUT: '5s', ML_HUBSPOT_LINGER: '50ms', ML_HUBSPOT_LINGER_BUSY: '200ms' });
  const failed = [];
  for (const [name, test] of Object.entries(cases)) {
    if (process.env.CASE && !new RegExp(process.env.CASE).test(name)) {
      continue;
    }
    const w = await begin(scene, name);
    try {
      await test(w);
      await scene.over(w.own);
    } catch (e) {
      failed.push(`${name}: ${e.message}`);
      if (e.constructor.name !== 'Failure') {
        failed.push(e.stack);
      }
    }
  }
  must(failed.length === 0, `${failed.length} cases:\n${failed.join('\n')}`);
}
