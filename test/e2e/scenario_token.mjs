// SPDX-License-Identifier: UNLICENSED
// How a tenant says who it is: client credentials, a signed assertion, user and
// password. Refused, it halts for all to see and is tried again; the others do
// not notice. An identity domain in trouble halts nobody.
import { generateKeyPairSync } from 'node:crypto';
import { must } from './bench.mjs';

const names = ['client', 'assertion', 'password', 'late'];

// The simulator as tenant i sees it: its pod, its portal.
function seenBy(sb, i) {
  return Object.assign(Object.create(sb), { index: i });
}

function keys() {
  return generateKeyPairSync('rsa', { modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' } });
}

class Town {
  constructor(scene, sb) {
    this.scene = scene;
    this.sb = sb;
    this.at = names.map(() => ({}));
  }

  add(i, ...flags) {
    const t = this.sb.ready.tenants[i];
    return this.scene.ok(['tenant', 'add', names[i], '--fusion-url', this.sb.ready.fusion_url,
      '--hubspot-url', this.sb.ready.hubspot_url, '--hubspot-token-file', t.hubspot_token_file,
      '--hubspot-tier', t.hubspot_tier, '--since', '2020-01-01', ...flags]);
  }

  oauth(i) {
    const t = this.sb.ready.tenants[i];
    return ['--fusion-token-url', this.sb.ready.token_url, '--fusion-client-id', t.client_id,
      '--fusion-scope', t.scope];
  }

  set(i, ...flags) {
    return this.scene.ok(['tenant', 'set', names[i], ...flags]);
  }

  async show(i) {
    return JSON.parse((await this.scene.ok(['tenant', 'show', names[i], '--json'])).stdout);
  }

  // What this tenant's HubSpot must hold by now.
  async equal(i) {
    this.at[i] = await this.scene.equal(seenBy(this.sb, i), this.at[i]);
  }

  change(i, seed) {
    return this.sb.fusion(`mutate?n=15&seed=${seed}`, 'POST', i);
  }

  // A run in which `bad` cannot get in: it halts, says why, and is tried again
  // by the next run; the others bring over what changed meanwhile.
  async halts(bad, others, seed, words, tries) {
    const { scene } = this;
    for (const i of others) {
      await this.change(i, seed + i);
    }
    const first = await scene.refused(['run', '--once'], 1, names[bad]);
    must(first.stderr.includes('tenant.halted'), `no word of a halt\n${first.stderr.slice(-1500)}`);
    for (const i of others) {
      await this.equal(i);
      must((await this.show(i)).state === 'active', `${names[i]} is not active`);
    }
    const shown = await this.show(bad);
    must(shown.state === 'halted', `${names[bad]} is ${shown.state}`);
    for (const w of words) {
      must(shown.reason.includes(w), `${w} is not in: ${shown.reason}`);
    }
    const status = await scene.ok(['status', '--json']);
    const line = JSON.stringify(JSON.parse(status.stdout));
    must(new RegExp(`"tenant":"${names[bad]}"[^}]*"state":"halted"`).test(line) ||
      new RegExp(`"state":"halted"[^}]*"tenant":"${names[bad]}"`).test(line), `status: ${line.slice(0, 1500)}`);
    must((await scene.ok(['status'])).stdout.includes('halted'), 'status does not say halted');
    const trail = this.states(bad);
    must(trail.at(-1).outcome === 'halted' && words.every((w) => trail.at(-1).message.includes(w)),
      `audit: ${JSON.stringify(trail.slice(-3))}`);

    await this.sb.clear();
    await scene.refused(['run', '--once'], 1, names[bad]);
    const asked = await this.tries(tries.operation, tries.status);
    must(asked >= 1 && asked <= tries.most, `tried again by ${asked} requests, not 1 to ${tries.most}`);
    const later = this.states(bad);
    must(later.at(-1).outcome === 'halted' && later.at(-2).outcome === 'active' &&
      later.at(-2).message === 'trying again' && later.length === trail.length + 2,
    `audit of the second try: ${JSON.stringify(later.slice(-3))}`);
  }

  states(i) {
    return this.scene.rows(`SELECT a.outcome, a.message FROM ml_dashboard.audit a
      WHERE a.tenant = '${names[i]}' AND a.event = 'tenant.state' ORDER BY a.id`);
  }

  async tries(operation, status) {
    const { fusion } = await this.sb.get('/control/log?server=fusion');
    return Object.entries(fusion?.operations ?? {}).filter(([name]) => operation.test(name))
      .reduce((n, [, o]) => n + (o.statuses?.[status] ?? 0), 0);
  }

  async mended(i) {
    await this.scene.ok(['run', '--once']);
    const shown = await this.show(i);
    must(shown.state === 'active', `${names[i]} is ${shown.state}: ${shown.reason}`);
    await this.equal(i);
  }
}

async function kinds(scene, town, key) {
  const { sb } = town;
  const t = sb.ready.tenants;
  const pem = scene.file('key.pem', key.privateKey);

  await scene.refused(['tenant', 'add', 'x', '--fusion-url', sb.ready.fusion_url, '--hubspot-token-file',
    t[1].hubspot_token_file, '--fusion-auth', 'jwt-assertion', '--fusion-user', 'user-1', '--fusion-key-id', 'k', ...town.oauth(1)], 2, 'private-key-file');
  await town.add(0, ...town.oauth(0), '--fusion-client-secret-file', t[0].client_secret_file);
  await town.add(1, ...town.oauth(1), '--fusion-auth', 'jwt-assertion', '--fusion-user', 'user-1',
    '--fusion-private-key-file', pem, '--fusion-key-id', 'connector');
  await town.add(2, '--fusion-auth', 'basic', '--fusion-user', 'user-2',
    '--fusion-password-file', t[2].password_file);
  await sb.clear();
  await scene.ok(['run', '--once']);
  for (const i of [0, 1, 2]) {
    await town.equal(i);
  }
  must(await town.tries(/^token$/, 200) === 2, 'one token for each of two tenants');
}

async function refusals(scene, town, key) {
  const { sb } = town;
  const t = sb.ready.tenants;
  const token = (status) => ({ operation: /^token$/, status, most: 1 });

  // A secret that is none: a tenant that never got in.
  await town.add(3, ...town.oauth(3), '--fusion-client-secret-file', scene.file('wrong', 'not-the-secret'));
  await town.halts(3, [0, 1, 2], 10, ['invalid_client', '--fusion-client-secret-file'], token(401));
  await town.set(3, '--fusion-client-secret-file', t[3].client_secret_file);
  await town.mended(3);

  // The domain trusts another key, then the right one; then a user it does not know.
  await sb.call('POST', '/control/fusion/1/jwt_key', keys().publicKey);
  await town.halts(1, [0, 2, 3], 20, ['invalid_client'], token(401));
  await sb.call('POST', '/control/fusion/1/jwt_key', key.publicKey);
  await town.mended(1);
  await town.set(1, '--fusion-user', 'user-9');
  await town.halts(1, [0, 2, 3], 30, ['invalid_grant', 'key'], token(400));
  await town.set(1, '--fusion-user', 'user-1');
  await town.mended(1);

  // The pod no longer takes the password.
  await sb.post('/control/fusion/2/switches', { basic_auth: 0 });
  await town.halts(2, [0, 1, 3], 40, ['--fusion-password-file'], { operation: /./, status: 401, most: 3 });
  await sb.post('/control/fusion/2/switches', { basic_auth: 1 });
  await town.mended(2);
}

async function troubles(scene, town) {
  const { sb } = town;
  const before = town.states(0).length;
  const ways = [['429', { token_status: 429 }], ['500', { token_status: 500 }], ['503', { token_status: 503 }],
    ['HTML', null]];

  for (const [k, [what, switches]] of ways.entries()) {
    if (switches) {
      await sb.post('/control/fusion/0/switches', switches);
    } else {
      await sb.fault({ server: 'fusion', path: '/oauth2', status: 200, body: 'html' });
    }
    await town.change(0, 60 + k);
    if (switches) {
      await town.change(2, 70 + k);
    }
    const r = await scene.ml(['run', '--once']);
    must(r.code === 1, `${what} at the token endpoint: exit ${r.code}`);
    must(!r.stderr.includes('tenant.halted'), `${what} at the token endpoint halts`);
    must((await town.show(0)).state === 'active', `${what} at the token endpoint: not active`);
    if (switches) {
      await town.equal(2);
    }
    await sb.post('/control/fusion/0/switches', { token_status: 0 });
    await sb.healed();
    await town.mended(0);
  }
  must(town.states(0).length === before, 'a state changed for an identity domain in trouble');
}

export async function run(scene) {
  const sb = await scene.sandbox('--portals', 4, '--customers', 8, '--invoices', 15, '--receipts', 8);
  Object.assign(scene.env, { ML_RETRY_BASE: '10ms', ML_RETRY_CAP: '100ms', ML_HUBSPOT_LINGER: '10ms', ML_HUBSPOT_LINGER_BUSY: '10ms' });
  const key = keys();
  const town = new Town(scene, sb);

  await sb.call('POST', '/control/fusion/1/jwt_key', key.publicKey);
  await scene.ok(['migrate']);
  await kinds(scene, town, key);
  await refusals(scene, town, key);
  await troubles(scene, town);

  // Tokens that die early and are all revoked: nobody halts.
  await sb.post('/control/fusion/0/switches', { token_life: 1 });
  await town.change(0, 80);
  await sb.post('/control/fusion/all/revoke_tokens');
  await town.mended(0);
  scene.conserved();
  const secrets = [...sb.secrets(), 'not-the-secret', ...key.privateKey.split('\n').filter((l) => l.length > 60)];
  const size = scene.secretsHidden(secrets);
  scene.figure(`4 tenants, 3 ways to log in; no secret in ${(size / 1024).toFixed(0)} KiB of dump`);
}
