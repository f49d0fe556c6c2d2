// SPDX-License-Identifier: UNLICENSED
// Contacts that HubSpot had before us: adopted by their e-mail, never doubled,
// and the ones nobody asks for left alone.
import { must } from './bench.mjs';
import { expect } from './oracle.mjs';

export async function run(scene) {
  const sb = await scene.sandbox('--customers', 20, '--invoices', 40, '--receipts', 20);
  const expected = expect(await sb.world());
  const wanted = [...expected.contacts].filter(([k, c]) => c.properties.email &&
    ![...expected.contacts].some(([other, d]) => other !== k && d.properties.email === c.properties.email));
  must(wanted.length >= 4, 'too few contacts with an e-mail of their own');
  const [plain, upper, second, key] = wanted;
  const make = (type, properties) => sb.post(`/control/hubspot/objects/${type}`, { properties });
  const a = await make('contacts', { email: plain[1].properties.email, lastname: 'Before', jobtitle: 'Kept' });
  const b = await make('contacts', { email: upper[1].properties.email.toUpperCase(), firstname: 'Upper' });
  const stranger = await make('contacts', { email: 'nobody@elsewhere.example', lastname: 'Stranger' });

  await scene.tenant(sb);
  await scene.ok(['provision', 'demo']);
  // The third one's address sits on a contact that bears the fourth one's key.
  const crossed = await make('contacts', { email: second[1].properties.email, fusion_account_number: key[0] });
  await scene.ok(['run', '--once']);
  const options = { foreign: new Set([stranger.id]),
    adopted: new Map([[a.id, a.properties], [b.id, b.properties],
      [crossed.id, crossed.properties]]) };
  const one = await scene.equal(sb, {}, options);
  const holder = (k) => one.hub.contacts.find((r) => r.properties.fusion_account_number === k);
  must(holder(plain[0]).id === a.id, `${plain[0]} is contact ${holder(plain[0]).id}, not the ${a.id} that was there`);
  must(holder(plain[0]).properties.jobtitle === 'Kept', 'a property of the adopted contact was lost');
  must(holder(upper[0]).id === b.id, `${upper[0]} is not the contact with the e-mail in upper case`);
  must(holder(key[0]).id === crossed.id, `${key[0]} is not the contact that bears its key`);
  const still = one.hub.contacts.find((r) => r.id === stranger.id);
  must(still.properties.lastname === 'Stranger' && !still.properties.fusion_account_number, 'a stranger was changed');
  must(one.hub.contacts.length === expected.contacts.size + 1, `${one.hub.contacts.length} contacts`);
  const told = scene.rows(`SELECT * FROM ml_dashboard.audit WHERE hubspot_id = '${a.id}'`);
  must(told.length > 0, 'the audit does not tell of the adopted contact');

  await sb.clear();
  await scene.ok(['run', '--once']);
  must(Object.keys((await sb.log()).writes).length === 0, 'the second run wrote');

  // A person moves to an address that another of our contacts holds: exactly one
  // keeps it, and the other is told of in the audit.
  const world = await sb.world();
  const mover = world.customers.find((c) => c.AccountNumber !== key[0] && c.persons?.some((p) => p.Status === 'A') &&
    c.AccountNumber !== second[0]);
  for (const p of mover.persons.filter((x) => x.Status === 'A')) {
    await sb.fusion(`person/${p.PartyId}?EmailAddress=${encodeURIComponent(second[1].properties.email)}`);
  }
  const two = await scene.ok(['run', '--once']);
  must(two.code === 0, 'exit');
  await scene.equal(sb, one, options);
  const taken = scene.rows(`SELECT * FROM ml_dashboard.audit WHERE event = 'email_taken' OR error_code = 'email_taken' OR outcome = 'email_taken'`);
  must(taken.length > 0, 'no email_taken in the audit');
  scene.conserved();
}
