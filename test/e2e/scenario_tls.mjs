// SPDX-License-Identifier: UNLICENSED
// Everything over TLS; and certificates that must be refused.
import fs from 'node:fs';
import { must } from './bench.mjs';

const small = ['--customers', 15, '--invoices', 30, '--receipts', 15];

async function nothingWritten(sb, what) {
  const hub = await sb.hub();
  for (const [type, rows] of Object.entries(hub)) {
    must(rows.length === 0, `${what}: ${rows.length} ${type} were written`);
  }
}

export async function run(scene) {
  const sb = await scene.sandbox(...small, '--tls');
  must(sb.ready.fusion_url.startsWith('https://') && sb.ready.hubspot_url.startsWith('https://'), 'the simulator is not on TLS');
  const ca = fs.readFileSync(sb.ready.ca_file);
  await scene.tenant(sb);

  // Without our CA the same peers are strangers.
  await scene.refused(['run', '--once'], 1, /certificate|CA|issuer/i);
  await nothingWritten(sb, 'without ML_CA_FILE');
  await scene.refused(['ping', 'demo'], 1, /certificate|CA|issuer/i);
  await scene.refused(['run', '--once'], 3, ['/no/such/ca.pem'], { env: { ML_CA_FILE: '/no/such/ca.pem' } });
  await scene.refused(['run', '--once'], 3, [/ca\.pem|CA/], { env: { ML_CA_FILE: scene.file('ca.pem', 'no certificate\n') } });

  scene.env.ML_CA_FILE = scene.file('good-ca.pem', ca);
  const r = await scene.ok(['run', '--once']);
  await scene.equal(sb);
  scene.conserved();
  await scene.ok(['ping', 'demo']);
  scene.figure(`over TLS: ${(await sb.log()).requests} HubSpot requests, ${r.seconds.toFixed(1)} s, worker ${r.cpu.toFixed(2)} s CPU`);
  await sb.stop();

  for (const [kind, words] of [['other-ca', /certificate|issuer|CA/i], ['wrong-host', /host ?name|subject|match|certificate/i],
    ['expired', /expired|certificate/i]]) {
    const bad = await scene.sandbox(...small, '--tls-cert', kind);
    const name = `bad-${kind}`;
    scene.env.ML_CA_FILE = bad.ready.ca_file;
    await scene.ok(['tenant', 'pause', 'demo']);
    await scene.ok(['tenant', 'add', name, ...scene.tenantFlags(bad)]);
    await scene.refused(['run', '--once'], 1, [words, name]);
    await scene.refused(['ping', name], 1, [words]);
    await nothingWritten(bad, kind);
    const log = await bad.log();
    must(log.requests === 0, `${kind}: ${log.requests} requests went through`);
    await scene.ok(['tenant', 'remove', name, '--yes']);
    await bad.stop();
  }
}
