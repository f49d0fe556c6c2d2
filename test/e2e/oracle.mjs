// SPDX-License-Identifier: UNLICENSED
// What HubSpot must hold, computed from the true world of the Fusion simulator
// by the mapping's text alone. Independent of the worker's code on purpose.
//
// expect(world, hub)       the records that must be there
// check(expected, hub, before)  every difference, as lines; `before` is what
//     HubSpot held before the run: properties without a source stay as they
//     were, statuses never go back, records that left Fusion stay.
import { dec, add, mul, neg, cmp, sign, zero, round, text } from './decimal.mjs';

const has = (v) => v !== null && v !== undefined && String(v).trim() !== '';
const first = (...all) => all.find(has);
const amount = (v) => (has(v) ? dec(v) : null);
const day = (v) => (has(v) ? `${String(v).slice(0, 10)}T00:00:00Z` : undefined);

function stampOf(...rows) {
  return Math.max(
    ...rows.flat().filter(Boolean).map((r) => Date.parse(r.LastUpdateDate) || 0));
}

export function email(v) {
  for (const part of String(v ?? '').split(/[,;]/)) {
    const e = part.trim().toLowerCase();
    if (/^[^\s@<>"(),:;\\[\]]+@[^\s@.]+(\.[^\s@.]+)+$/.test(e)) {
      return e;
    }
  }
  return undefined;
}

function domain(url) {
  const m = has(url)
    ? /^(?:[a-z]+:\/\/)?(?:[^/@]*@)?([^/:?#]+)/i.exec(String(url).trim())
    : null;
  const host = m?.[1].toLowerCase().replace(/^www\./, '').replace(/\.$/, '');
  return host && host.includes('.') && !/^[\d.]+$/.test(host) ? host : undefined;
}

// The classifications the simulator makes, and what they mean in HubSpot.
const industries = {
  '1987 SIC/3679': 'ELECTRICAL_ELECTRONIC_MANUFACTURING',
  '1987 SIC/4731': 'LOGISTICS_AND_SUPPLY_CHAIN',
  '1987 SIC/2099': 'FOOD_PRODUCTION',
};

function industry(org) {
  const rows = (org?.CustomerClassification ?? [])
    .filter((c) => c.PrimaryFlag && c.IsIndustryFlag &&
      (!has(c.Status) || c.Status === 'A'))
    .sort((a, b) => `${a.ClassCategory} ${a.ClassCode}` <
      `${b.ClassCategory} ${b.ClassCode}` ? -1 : 1);
  return rows.map((c) => industries[`${c.ClassCategory}/${c.ClassCode}`])
    .find(Boolean);
}

const folded = (v) => String(v).trim().replace(/\s+/g, ' ').toLowerCase();

function pickPerson(persons, contact) {
  const active = persons.filter(
    (p) => !has(p.Status) || p.Status === 'A' || p.Status === 'Active');
  const named = active.filter((p) => has(contact) &&
    [p.PersonName, `${p.FirstName ?? ''} ${p.LastName ?? ''}`].some(
      (n) => has(n) && folded(n) === folded(contact)));
  const id = (p) => BigInt(p.PartyId);
  const lowest = (a, b) => (id(a) < id(b) ? -1 : 1);
  named.sort((a, b) => Date.parse(b.LastUpdateDate) -
    Date.parse(a.LastUpdateDate) || lowest(a, b));
  return named[0] ?? active.sort(lowest)[0];
}

function customer(c, newest) {
  const org = c.organizations?.[0];
  const point = (org?.ContactPoint ?? []).find(
    (p) => p.ContactPointType === 'PHONE' && p.PrimaryFlag &&
      (!has(p.Status) || p.Status === 'A'));
  const person = pickPerson(c.persons ?? [], newest?.BillToContact);
  const name = first(c.CustomerName, org?.OrganizationName,
    newest?.BillToCustomerName, c.AccountNumber);
  const both = {
    fusion_account_number: c.AccountNumber,
    fusion_party_id: first(c.CustomerId, newest?.BillToPartyId),
  };
  const rest = [org?.Address2, org?.Address3, org?.Address4].filter(has);
  return {
    company: {
      ...both, name,
      domain: domain(org?.URL),
      phone: first(org?.RawPhoneNumber, point?.FormattedPhoneNumber),
      address: first(org?.Address1),
      address2: rest.length > 0 ? rest.join(', ') : undefined,
      city: first(org?.City),
      state: first(org?.State, org?.Province),
      zip: first(org?.PostalCode),
      country: first(org?.Country),
      industry: industry(org),
    },
    contact: {
      ...both,
      email: email(person?.EmailAddress) ?? email(org?.EmailAddress) ??
        email(newest?.Email),
      firstname: first(person?.FirstName),
      lastname: first(person?.LastName,
        has(person?.FirstName) ? undefined : person?.PersonName,
        person ? undefined : name),
      phone: first(person?.RawWorkPhoneNumber, person?.RawMobilePhoneNumber),
      company: name,
    },
  };
}

function balanceOf(i) {
  const parts = i.receivablesInvoiceInstallments ?? [];
  const due = parts.map((p) => amount(p.InstallmentBalanceDue));
  if (parts.length > 0 && due.every(Boolean)) {
    return due.reduce(add, zero);
  }
  if (!has(i.ConversionRate) && has(i.InvoiceBalanceAmount)) {
    return amount(i.InvoiceBalanceAmount);
  }
  return amount(i.EnteredAmount);
}

function targetStatus(i, balance, credited) {
  const lines = i.receivablesInvoiceLines ?? [];
  if (!['Complete', 'Frozen', 'Incomplete'].includes(i.InvoiceStatus) ||
      lines.length === 0 || !balance) {
    return null; /* stays as it is; at first a draft */
  }
  if (i.InvoiceStatus === 'Incomplete') {
    return 'draft';
  }
  if (sign(balance) !== 0) {
    return 'open';
  }
  const paid = (i.receivablesInvoiceInstallments ?? []).some(
    (p) => has(p.AmountPaid) && sign(dec(p.AmountPaid)) !== 0);
  if (paid || sign(amount(i.EnteredAmount) ?? dec('1')) === 0) {
    return 'paid';
  }
  return sign(credited) !== 0 ? 'voided' : 'paid';
}

function line(l, i) {
  const out = {
    fusion_line_id: l.CustomerTransactionLineId,
    fusion_transaction_id: i.CustomerTransactionId,
    fusion_line_number: l.LineNumber ?? undefined,
    fusion_line_amount: l.LineAmount ?? undefined,
    hs_sku: first(l.ItemNumber),
    hs_line_item_currency_code: i.InvoiceCurrencyCode,
  };
  const names = [l.Description, l.MemoLine, l.ItemNumber];
  const at = names.findIndex(has);
  out.name = names[at];
  out.description = at < 0 ? undefined : names.slice(at + 1).find(has);
  const total = amount(l.LineAmount);
  const q = amount(l.Quantity);
  const p = amount(l.UnitSellingPrice);
  const fits = q && p && total && sign(q) > 0 && sign(p) >= 0 &&
    cmp(round(mul(q, p), Math.max(2, total.s)), total) === 0;
  if (total && sign(total) < 0) {
    out.quantity = '1';
    out.price = '0';
  } else if (fits) {
    out.quantity = l.Quantity;
    out.price = l.UnitSellingPrice;
  } else {
    out.quantity = '1';
    out.price = l.LineAmount ?? undefined;
  }
  return out;
}

function invoice(i) {
  const parts = i.receivablesInvoiceInstallments ?? [];
  const balance = balanceOf(i);
  const gone = parts.flatMap(
    (p) => [amount(p.InstallmentAmountCredited), amount(p.InstallmentAmountAdjusted)])
    .filter(Boolean).reduce(add, zero);
  const credited = sign(gone) < 0 ? neg(gone) : zero;
  return {
    properties: {
      fusion_transaction_id: i.CustomerTransactionId,
      fusion_transaction_number: first(i.TransactionNumber),
      fusion_account_number: first(i.BillToCustomerNumber),
      fusion_status: first(i.InvoiceStatus),
      fusion_last_update: first(i.LastUpdateDate),
      hs_number: first(i.TransactionNumber),
      hs_currency: i.InvoiceCurrencyCode,
      hs_invoice_date: day(i.TransactionDate),
      hs_due_date: day(first(i.DueDate, i.TransactionDate)),
      hs_purchase_order_number: first(i.PurchaseOrder),
      hs_amount_billed: i.EnteredAmount ?? undefined,
      fusion_balance_due: balance ? text(balance) : undefined,
      fusion_amount_credited: text(credited),
      hs_invoice_billable: 'false',
    },
    status: targetStatus(i, balance, credited),
    account: first(i.BillToCustomerNumber),
    lines: (i.receivablesInvoiceLines ?? []).map((l) => line(l, i)),
  };
}

const methods = [
  [/\b(checks?|cheques?|chk)\b/i, 'check'],
  [/\b(wires?|swift|bank transfer)\b/i, 'wire_transfer'],
  [/\b(ach|eft)\b/i, 'ach'],
  [/\b(cards?|visa|mastercard|amex)\b/i, 'card'],
  [/\bcash\b/i, 'cash'],
];

function receiptBase(r) {
  return {
    fusion_receipt_id: r.StandardReceiptId,
    fusion_receipt_number: first(r.ReceiptNumber),
    fusion_receipt_status: first(r.State, r.Status),
    hs_initiated_date: day(r.ReceiptDate),
    hs_payment_method_type: has(r.ReceiptMethod)
      ? methods.find(([word]) => word.test(r.ReceiptMethod))?.[1] ?? 'other'
      : undefined,
    hs_processor_type: 'none',
    hs_reference_number: first(r.ReceiptNumber),
  };
}

const bounced = (r) => /nsf|stop/i.test(r.ReversalCategory ?? '');

function payments(r) {
  const by = new Map();
  const out = [];
  for (const a of r.applications ?? []) {
    const n = amount(a.ApplicationAmount);
    if (!n || sign(n) === 0 || !has(a.ReferenceTransactionId)) {
      continue;
    }
    const list = by.get(a.ReferenceTransactionId) ?? [];
    list.push({ n, currency: a.EnteredCurrency });
    by.set(a.ReferenceTransactionId, list);
  }
  const account = first(r.CustomerAccountNumber);
  for (const [id, rows] of by) {
    const sum = (want) => rows.filter((x) => sign(x.n) === want)
      .map((x) => x.n).reduce(add, zero);
    const initial = sum(1);
    const refunds = neg(sum(-1));
    const net = add(initial, neg(refunds));
    let status = 'succeeded';
    if (bounced(r)) {
      status = 'failed';
    } else if (sign(refunds) > 0) {
      status = sign(net) > 0 ? 'partially_refunded' : 'refunded';
    }
    out.push({
      account, invoice: id,
      properties: {
        ...receiptBase(r),
        fusion_payment_key: `${r.StandardReceiptId}:${id}`,
        hs_initial_amount: text(initial),
        hs_refunds_amount: sign(refunds) > 0 ? text(refunds) : undefined,
        hs_latest_status: status,
        hs_currency_code: first(rows[0].currency, r.Currency),
      },
    });
  }
  const rest = has(r.UnappliedAmount) ? dec(r.UnappliedAmount)
    : by.size === 0 && !has(r.ReversalCategory) ? amount(r.Amount) : zero;
  if (rest && sign(rest) > 0) {
    out.push({
      account, invoice: null,
      properties: {
        ...receiptBase(r),
        fusion_payment_key: `${r.StandardReceiptId}:unapplied`,
        hs_initial_amount: text(rest),
        hs_latest_status: bounced(r) ? 'failed' : 'succeeded',
        hs_currency_code: r.Currency,
      },
    });
  }
  return out;
}

// What Fusion showed once and no longer has is never taken for deleted.
export function merged(before, now) {
  const ids = new Set(now.invoices.map((i) => i.CustomerTransactionId));
  const gone = (before?.invoices ?? []).filter(
    (i) => !ids.has(i.CustomerTransactionId));
  const old = new Map((before?.invoices ?? []).map((i) => [i.CustomerTransactionId, i]));
  const left = [...before?.left ?? []]; /* as they were when they moved away */
  for (const i of now.invoices) {
    const was = old.get(i.CustomerTransactionId);
    if (was && was.BillToCustomerNumber !== i.BillToCustomerNumber) {
      left.push(was);
    }
  }
  return { ...now, old, left, invoices: [...now.invoices, ...gone] };
}

// Who is billed may have changed on an invoice without a stamp of its own: then
// a reader may know the one or the other.
function unstamped(world, i) {
  const was = world.old?.get(i.CustomerTransactionId);
  const moved = was && was.LastUpdateDate === i.LastUpdateDate &&
    (was.BillToContact !== i.BillToContact || was.Email !== i.Email);
  return moved ? [i, { ...i, BillToContact: was.BillToContact, Email: was.Email }] : [i];
}

// Of several invoices with the newest stamp any may count: the one that HubSpot
// shows, if one of them explains it.
function choose(c, tied, got) {
  let best = null;
  for (const i of tied.length > 0 ? tied : [undefined]) {
    const two = customer(c, i);
    const wrong = [['company', 'companies'], ['contact', 'contacts']].map(
      ([side, type]) => Object.entries(two[side]).filter(
        ([p, v]) => String(v) !== String(got?.[type].get(c.AccountNumber)?.properties[p])))
      .flat().reduce((n, [p]) => n + (p === 'email' ? 0.5 : 1), 0); /* another may hold it */
    if (!best || wrong < best.wrong) {
      best = { two, wrong };
    }
  }
  best.two.emails = new Set((tied.length > 0 ? tied : [undefined]).map(
    (i) => customer(c, i).contact.email));
  return best.two;
}

export function expect(world, hub) {
  const got = hub ? index(hub) : null;
  const newest = new Map();
  const own = new Set(world.customers.map((c) => c.AccountNumber));
  for (const i of [...world.invoices, ...world.left ?? []]) {
    const at = stampOf(i, i.receivablesInvoiceLines,
      i.receivablesInvoiceInstallments);
    const was = newest.get(i.BillToCustomerNumber);
    if (has(i.BillToCustomerNumber) && (!was || at >= was.at)) {
      const tied = was?.at === at ? was.tied : [];
      newest.set(i.BillToCustomerNumber, { at, tied: [...tied, ...unstamped(world, i)] });
    }
  }
  // Whether an invoice that has moved to another customer still counts as the
  // newest of its old one is nowhere said: with it or without it will do.
  const there = new Set(world.invoices);
  for (const [k, n] of newest) {
    if (own.has(k) && n.tied.some((i) => !there.has(i))) {
      const rest = world.invoices.filter((i) => i.BillToCustomerNumber === k);
      n.tied.push(...rest.length > 0 ? rest : [undefined]);
    }
  }
  const out = { companies: new Map(), contacts: new Map(),
    invoices: new Map(), line_items: new Map(), commerce_payments: new Map() };
  for (const c of world.customers) {
    const two = choose(c, newest.get(c.AccountNumber)?.tied ?? [], got);
    out.companies.set(c.AccountNumber, { properties: two.company });
    out.contacts.set(c.AccountNumber, { properties: two.contact, emails: two.emails });
  }
  for (const i of world.invoices) {
    const one = invoice(i);
    if (!one.account) {
      continue; /* waits as no_customer */
    }
    out.invoices.set(i.CustomerTransactionId, one);
    for (const l of one.lines) {
      out.line_items.set(l.fusion_line_id,
        { properties: l, invoice: i.CustomerTransactionId });
    }
  }
  for (const r of world.receipts) {
    for (const p of payments(r)) {
      out.commerce_payments.set(p.properties.fusion_payment_key, p);
    }
  }
  return out;
}

export const keys = {
  companies: 'fusion_account_number',
  contacts: 'fusion_account_number',
  invoices: 'fusion_transaction_id',
  line_items: 'fusion_line_id',
  commerce_payments: 'fusion_payment_key',
};

const numeric = new Set(['quantity', 'price', 'fusion_line_amount',
  'hs_amount_billed', 'fusion_balance_due', 'fusion_amount_credited',
  'hs_initial_amount', 'hs_refunds_amount']);
const times = new Set(['hs_invoice_date', 'hs_due_date', 'hs_initiated_date',
  'fusion_last_update']);
const instant = (v) => (/^\d+$/.test(v) ? Number(v) : Date.parse(v));

export function same(name, want, got) {
  if (want === undefined || want === null || got === undefined || got === null) {
    return (want ?? null) === (got ?? null);
  }
  if (numeric.has(name)) {
    const a = dec(want);
    const b = dec(got);
    return a !== null && b !== null && cmp(a, b) === 0;
  }
  return times.has(name) ? instant(want) === instant(got)
    : String(want) === String(got);
}

// By our key; `foreign` are the records without one.
export function index(hub) {
  const out = { foreign: {} };
  for (const type of Object.keys(keys)) {
    out[type] = new Map();
    out.foreign[type] = [];
    for (const r of hub[type]) {
      const key = r.properties[keys[type]];
      if (!has(key)) {
        out.foreign[type].push(r);
      } else if (out[type].has(key)) {
        out.foreign[type].push({ ...r, twice: key });
      } else {
        out[type].set(key, r);
      }
    }
  }
  return out;
}

const untouched = (old, now) => Object.keys(now).every(
  (p) => p === 'hs_lastmodifieddate' || p === 'lastmodifieddate' || same(p, old[p], now[p]));

function movedStatus(was, target) {
  if (target === null) {
    return was ?? 'draft';
  }
  const rank = { draft: 0, open: 1, paid: 2, voided: 2 };
  if (was === undefined) {
    return target;
  }
  return rank[target] > rank[was] ? target : was;
}

// Type ids of each direction.
const kinds = [
  ['contacts', 'companies', [1, 279], [2, 280]],
  ['invoices', 'contacts', [177], [178]],
  ['invoices', 'companies', [179], [180]],
  ['invoices', 'line_items', [409], [410]],
  ['commerce_payments', 'contacts', [387], [388]],
  ['commerce_payments', 'companies', [389], [390]],
  ['invoices', 'commerce_payments', [541], [542]],
];

function wantedLinks(expected) {
  const out = new Map(); /* "type key" -> Set of "type key" */
  const link = (a, ka, b, kb) => {
    for (const [x, y] of [[`${a} ${ka}`, `${b} ${kb}`], [`${b} ${kb}`, `${a} ${ka}`]]) {
      if (!out.has(x)) {
        out.set(x, new Set());
      }
      out.get(x).add(y);
    }
  };
  for (const k of expected.companies.keys()) {
    link('contacts', k, 'companies', k);
  }
  for (const [k, i] of expected.invoices) {
    if (expected.companies.has(i.account)) {
      link('invoices', k, 'contacts', i.account);
      link('invoices', k, 'companies', i.account);
    }
    for (const l of i.lines) {
      link('invoices', k, 'line_items', l.fusion_line_id);
    }
  }
  for (const [k, p] of expected.commerce_payments) {
    if (expected.companies.has(p.account)) {
      link('commerce_payments', k, 'contacts', p.account);
      link('commerce_payments', k, 'companies', p.account);
    }
    if (expected.invoices.has(p.invoice)) {
      link('invoices', p.invoice, 'commerce_payments', k);
    }
  }
  return out;
}

function checkLinks(expected, got, hub, bad) {
  const wanted = wantedLinks(expected);
  const name = new Map();
  let n = 0;
  for (const type of Object.keys(keys)) {
    for (const [k, r] of got[type]) {
      name.set(`${type} ${r.id}`, `${type} ${k}`);
    }
  }
  for (const type of Object.keys(keys)) {
    for (const [k, r] of got[type]) {
      const want = new Set(wanted.get(`${type} ${k}`) ?? []);
      const from = `${type} ${k}`;
      for (const a of r.associations) {
        const to = name.get(`${a.to} ${a.id}`);
        if (!to || !want.delete(to)) {
          bad.push(`${from}: association too many to ${to ?? `${a.to} id ${a.id}`} (${a.types})`);
          continue;
        }
        const kind = kinds.find(([x, y]) => (x === type && y === a.to) ||
          (y === type && x === a.to));
        const types = kind[0] === type ? kind[2] : kind[3];
        const have = a.types.map(Number).sort((x, y) => x - y);
        n += have.length;
        if (String(have) !== String(types)) {
          bad.push(`${from} -> ${to}: association types ${have}, wanted ${types}`);
        }
      }
      for (const to of want) {
        bad.push(`${from}: association missing to ${to}`);
      }
    }
  }
  return n;
}

// Whether this is what was wanted at one of the moments between the last look and
// now (options.moments: expectations): an empty value leaves it, and a stamp alone
// is no change.
function momentary(options, type, k, p, got) {
  return (options.moments ?? []).some((m) => {
    const want = m[type].get(k)?.properties[p];
    return want !== undefined && same(p, want, got);
  });
}

// Each wanted address is held by exactly one contact, one that wants it, or one
// that had it before, or at a moment, and could not get its new one.
function checkEmails(expected, got, was, bad, options) {
  const wanters = new Map();
  const holders = new Map();
  for (const [k, c] of expected.contacts) {
    const e = c.properties.email;
    if (e) {
      wanters.set(e, [...(wanters.get(e) ?? []), k]);
    }
  }
  for (const [k, c] of got.contacts) {
    const e = c.properties.email?.toLowerCase();
    if (e) {
      holders.set(e, [...(holders.get(e) ?? []), k]);
    }
  }
  for (const [e, list] of wanters) {
    const have = holders.get(e) ?? [];
    if (have.length !== 1) {
      const other = got.foreign.contacts.some((r) => r.properties.email?.toLowerCase() === e);
      if (have.length > 1 || !other) {
        bad.push(`contacts: ${e} wanted by ${list}, held by ${have.length === 0 ? 'nobody' : have}`);
      }
    }
  }
  for (const [k, c] of got.contacts) {
    const e = c.properties.email?.toLowerCase();
    const want = expected.contacts.get(k)?.properties.email;
    const had = was?.contacts.get(k)?.properties.email?.toLowerCase();
    const mayKeep = !want || holders.get(want)?.some((h) => h !== k);
    if (e === want || e === had || (mayKeep && momentary(options, 'contacts', k, 'email', e))) {
      continue;
    }
    bad.push(`contacts ${k}: email is ${e}, wanted ${want}, was ${had}`);
  }
}

// A difference of a value that was there for a moment only: while not all invoices of
// a customer are read, another is the newest, and an empty value leaves what is there.
export const isLeft = (line) => / is ("[^"]*", wanted undefined|\S+, wanted undefined, was undefined)$/.test(line);

// options.restamped: the world bears other stamps than when it was read.
export function check(expected, hub, before, options = {}) {
  const bad = [];
  const got = index(hub);
  const was = before ? index(before) : null;
  for (const type of Object.keys(keys)) {
    for (const k of expected[type].keys()) {
      if (!got[type].has(k)) {
        bad.push(`${type} ${k}: missing in HubSpot`);
      }
    }
    for (const [k, r] of got[type]) {
      const e = expected[type].get(k);
      if (!e) {
        bad.push(`${type} ${k}: too many in HubSpot (id ${r.id})`);
        continue;
      }
      const old = was?.[type].get(k)?.properties ?? options.adopted?.get(r.id) ?? {};
      for (const [p, want] of Object.entries(e.properties)) {
        if (p === 'email' || (p === 'fusion_last_update' && (options.restamped ||
            (same(p, old[p], r.properties[p]) && untouched(old, r.properties))))) {
          continue; /* the stamp alone is no change */
        }
        const must = want === undefined ? old[p] : want;
        if ((want === undefined || p === 'fusion_last_update') && momentary(options, type, k, p, r.properties[p])) {
          continue;
        }
        if (!same(p, must, r.properties[p])) {
          bad.push(`${type} ${k}: ${p} is ${JSON.stringify(r.properties[p])}, wanted ${JSON.stringify(must)}`);
        }
      }
      if (type === 'invoices') {
        const must = movedStatus(old.hs_invoice_status, e.status);
        if (r.properties.hs_invoice_status !== must) {
          bad.push(`invoices ${k}: status ${r.properties.hs_invoice_status}, wanted ${must} (was ${old.hs_invoice_status}, target ${e.status})`);
        }
      }
      if (type === 'commerce_payments') {
        const contact = got.contacts.get(e.account)?.properties.email?.toLowerCase();
        const have = r.properties.hs_customer_email;
        const wants = expected.contacts.get(e.account)?.emails;
        const several = [...expected.contacts.values()].filter(
          (c) => c.properties.email && c.properties.email === contact).length > 1;
        if (contact !== have && !((several || wants?.size !== 1 || !wants.has(contact)) && (have ?? null) === (old.hs_customer_email ?? null))) {
          bad.push(`commerce_payments ${k}: hs_customer_email is ${have}, the contact has ${contact}, wants ${[...wants ?? []]}, was ${old.hs_customer_email}`);
        }
      }
      for (const p of Object.keys(r.properties)) {
        if (p.startsWith('fusion_') && !(p in e.properties)) {
          bad.push(`${type} ${k}: property ${p} too many`);
        }
      }
    }
    for (const r of got.foreign[type]) {
      if (r.twice !== undefined || !options.foreign?.has(r.id)) {
        bad.push(`${type} id ${r.id}: ${r.twice ? `second with key ${r.twice}` : 'without our key'} ${r.properties.email ?? ''}`);
      }
    }
  }
  checkEmails(expected, got, was, bad, options);
  const associations = checkLinks(expected, got, hub, bad);
  return { bad, associations };
}

// Which records must be written to come from one expectation to the next.
export function changed(before, after, held) {
  const out = {};
  for (const type of Object.keys(keys)) {
    const set = new Set();
    for (const [k, e] of after[type]) {
      const old = before[type].get(k);
      const text2 = (x) => JSON.stringify({ ...x?.properties,
        fusion_last_update: 0, status: x?.status, account: x?.account });
      if (!old || text2(old) !== text2(e)) {
        set.add(k);
      }
    }
    for (const k of before[type].keys()) {
      if (!after[type].has(k)) {
        set.add(k);
      }
    }
    out[type] = set;
  }
  const mail = new Set(held); /* whose e-mail changed hands */
  for (const [k, c] of after.contacts) {
    const old = before.contacts.get(k)?.properties.email;
    if (c.emails.size > 1 || old !== c.properties.email) {
      mail.add(k); /* with two invoices equally new it may have changed */
    }
  }
  for (const k of mail) {
    out.contacts.add(k);
  }
  for (const [k, p] of after.commerce_payments) {
    if (mail.has(p.account)) {
      out.commerce_payments.add(k);
    }
  }
  return out;
}
