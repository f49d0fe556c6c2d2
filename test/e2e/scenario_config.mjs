// SPDX-License-Identifier: UNLICENSED
// Configuration without restart: settings, credentials, pause, resume, remove
// and new tenants, in the middle of writing. A running worker takes each up
// within 10 s; what is in flight ends, nothing is lost or doubled, and another
// tenant, at work all the time, does not notice.
import path from 'node:path';
import { must, until } from './bench.mjs';

const takenUp = 10; // seconds
const slow = 2; // requests of a tenant's second, until it is told another limit
const pause = 3500; // ms without a request that the other tenant may have, at most

class Stage {
  constructor(scene, sb, worker) {
    Object.assign(this, { scene, sb, worker, times: {} });
  }

  portal(i) {
    return this.sb.ready.tenants[i].portal_id;
  }

  said(pattern, from = 0) {
    return pattern.test(this.worker.stderr.slice(from));
  }

  // A command, and how long until the worker has taken it up.
  async change(what, args, seen) {
    const from = this.worker.stderr.length;
    const began = Date.now();
    await this.scene.ok(args);
    await until(`${what} taken up`, takenUp, () => seen(from));
    this.times[what] = (Date.now() - began) / 1000;
  }

  changed(what, args, name, state = 'active') {
    const line = new RegExp(`tenant\\.changed [^\\n]*tenant=${name} state=${state}`);
    return this.change(what, args, (from) => this.said(line, from));
  }

  requests(i) {
    return this.lines().then((all) => all.filter((r) => r.scope === this.portal(i)));
  }

  async lines() {
    const out = [];
    for (let after = 0; ;) {
      const text = await this.sb.call('GET', `/control/log/requests?after=${after}&limit=20000`);
      const rows = text.split('\n').filter(Boolean).map((l) => JSON.parse(l));
      if (rows.length === 0) {
        return out.filter((r) => r.server === 'hubspot');
      }
      out.push(...rows);
      after = rows.at(-1).n;
    }
  }

  async count(i) {
    return (await this.requests(i)).length;
  }

  writing(name, i) {
    return until(`${name} writes`, 30, async () => (await this.requests(i)).filter((r) => r.inputs > 1).length >= 4);
  }

  // Of what was in flight all has ended and been stored, and nothing more is sent.
  async quiet(name, i) {
    const [{ id }] = this.scene.rows(`SELECT max(id) AS id FROM ml_connector.tenant WHERE name = '${name}'`);
    await until(`${name}: what was in flight ended`, 10, () => this.scene.sql(`SELECT
      (SELECT count(*) FROM ml_connector.write WHERE tenant_id = ${id} AND closed_at IS NULL) +
      (SELECT count(*) FROM ml_connector.job WHERE tenant_id = ${id} AND state = 'in_flight')`) === '0');
    const before = await this.count(i);
    await new Promise((done) => { setTimeout(done, 2000); });
    must(await this.count(i) === before, `${name}: requests after the change was taken up`);
  }

  state(name, state) {
    return until(`${name} is ${state}`, 15, () =>
      this.scene.sql(`SELECT state FROM ml_dashboard.tenants WHERE tenant = '${name}'`) === state);
  }

  idle(name) {
    return until(`${name}: all written`, 90, () => this.scene.done([name]));
  }
}

// The new token works before the old one is gone: nobody is refused.
async function hubspotToken(s, old) {
  const token = 'pat-rotated-1';
  await s.sb.post(`/control/hubspot/tokens?portal=${s.portal(0)}`, { token, all_scopes: true, state: 'active' });
  await s.changed('HubSpot token', ['tenant', 'set', 'demo', '--hubspot-token-file',
    s.scene.file('token-2', token)], 'demo');
  await until('the old token is out of use', 5, () => s.scene.sql(`SELECT count(*) FROM ml_connector.write
    WHERE closed_at IS NULL AND tenant_id = 1 AND opened_at < now() - interval '1 second'`) === '0');
  await s.sb.post(`/control/hubspot/tokens?portal=${s.portal(0)}`, { token: old, state: 'revoked' });
  const before = await s.count(0);
  await until('demo goes on with the new token', 10, async () => await s.count(0) > before + 3);
  must((await s.requests(0)).every((r) => r.status !== 401), 'the revoked token was used');
}

// The token is gone before the new one is told: the tenant halts, and goes on.
async function hubspotTokenLate(s) {
  const token = 'pat-rotated-2';
  await s.sb.post(`/control/hubspot/tokens?portal=${s.portal(0)}`, { token: 'pat-rotated-1', state: 'revoked' });
  await s.sb.fusion('bulk?kind=receipt&n=300&new=1');
  await s.scene.ok(['sync', 'demo']);
  await s.state('demo', 'halted');
  await s.sb.post(`/control/hubspot/tokens?portal=${s.portal(0)}`, { token, all_scopes: true, state: 'active' });
  const before = await s.count(0);
  await s.change('HubSpot token, after a 401', ['tenant', 'set', 'demo', '--hubspot-token-file',
    s.scene.file('token-3', token)], async () => await s.count(0) > before + 1);
  await s.state('demo', 'active');
}

async function fusionSecret(s) {
  const secret = 'secret-rotated-0123456789';
  await s.sb.call('POST', '/control/fusion/0/client_secret', secret);
  await s.sb.post('/control/fusion/0/revoke_tokens');
  await s.scene.ok(['sync', 'demo', '--feed', 'invoices']);
  await s.state('demo', 'halted');
  const polled = () => s.scene.sql("SELECT last_poll FROM ml_dashboard.feeds WHERE tenant = 'demo' AND feed = 'invoices'");
  const before = polled();
  await s.change('Fusion secret, after a 401', ['tenant', 'set', 'demo', '--fusion-client-secret-file',
    s.scene.file('secret-2', secret)], () => polled() > before);
  await s.state('demo', 'active');
  return [secret];
}

async function pauseAndResume(s) {
  await s.changed('pause', ['tenant', 'pause', 'demo'], 'demo', 'paused');
  await s.quiet('demo', 0);
  const before = await s.count(0);
  await s.change('resume', ['tenant', 'resume', 'demo'], async () => await s.count(0) > before);
}

async function limit(s) {
  await s.sb.post('/control/log', { window_ms: 1000 });
  const most = async () => Number((await s.sb.get('/control/log')).hubspot.scopes[s.portal(0)].most_in_window);
  const before = await most();
  must(before <= slow, `demo sent ${before} requests in a second, ${slow} were allowed`);
  await s.change('limit', ['tenant', 'set', 'demo', '--hubspot-limit', '40'], async () => await most() > slow + 2);
  await s.idle('demo');
  must(await most() <= 40, `demo sent ${await most()} requests in a second, 40 were allowed`);
}

// A tenant comes, and is removed while it writes.
async function comesAndGoes(s) {
  await s.change('new tenant', ['tenant', 'add', 'third', ...s.scene.tenantFlags(s.sb, 2), '--hubspot-limit', '10'],
    async () => await s.count(2) > 0);
  await s.writing('third', 2);
  await s.changed('remove', ['tenant', 'remove', 'third', '--yes'], 'third', 'removed');
  await s.quiet('third', 2);
  const lease = s.scene.sql(`SELECT worker IS NULL FROM ml_connector.lease WHERE portal = '${s.portal(2)}'`);
  must(lease === 't', 'the lease of the removed tenant is kept');
}

// What the other tenant had all the time: one lease, one client, steady work.
async function notNoticed(s, lease) {
  const all = (await s.requests(1)).map((r) => r.at_us / 1000);
  const gaps = all.slice(1).map((at, i) => at - all[i]);
  const longest = Math.max(...gaps);
  const now = leaseOf(s);
  const polls = s.scene.rows(`SELECT p.outcome FROM ml_connector.poll p JOIN ml_connector.tenant t ON t.id = p.tenant_id
    WHERE t.name = 'other'`);
  must(!s.said(/tenant\.(changed|halted|again)[^\n]*tenant=other/), 'the other tenant was set up anew');
  must(!s.said(/portal\.(lost|unleased)/), 'a lease was lost');
  must(now.term === lease.term && now.taken_at === lease.taken_at, `the other tenant's lease moved: ${JSON.stringify([lease, now])}`);
  must(longest <= pause, `the other tenant waited ${longest.toFixed(0)} ms for its next request`);
  must(polls.every((p) => p.outcome === '' || p.outcome === 'ok'), `polls of the other tenant: ${JSON.stringify(polls)}`);
  const { token_requests: tokens } = await s.sb.get('/control/fusion/1/counts');
  must(Number(tokens) === 1, `the other tenant asked for ${tokens} tokens`);
  s.scene.figure(`the other tenant: ${all.length} requests, at most ${longest.toFixed(0)} ms between two, ` +
    `one lease (term ${now.term}), one token`);
}

function openJobs(s, name) {
  return Number(s.scene.sql(`SELECT open_jobs FROM ml_dashboard.tenants WHERE tenant = '${name}'`));
}

function leaseOf(s) {
  const [l] = s.scene.rows(`SELECT term, taken_at FROM ml_connector.lease WHERE portal = '${s.portal(1)}' AND worker IS NOT NULL`);
  must(l, 'the other tenant has no lease');
  return l;
}

async function equal(scene, sb, i, from = {}) {
  sb.index = i;
  try {
    return await scene.equal(sb, from);
  } finally {
    sb.index = 0;
  }
}

// Nothing was ever of unknown outcome, nor tried twice.
function nothingUnknown(scene) {
  const odd = scene.rows(`SELECT tenant, event, outcome, count(*) FROM ml_dashboard.audit
    WHERE outcome = 'unknown' OR event = 'recovered' OR event LIKE '%.read' GROUP BY 1, 2, 3`);
  must(odd.length === 0, `unknown outcomes: ${JSON.stringify(odd)}`);
}

export async function run(scene) {
  Object.assign(scene.env, { ML_HUBSPOT_WINDOW: '1000ms', ML_HUBSPOT_PACE: '100', ML_HUBSPOT_LINGER_BUSY: '1s' });
  const sb = await scene.sandbox('--customers', 100, '--invoices', 50, '--receipts', 50, '--portals', 3);
  const token = sb.secrets()[1];
  await sb.switches({ rate_window_ms: 1000 });
  await scene.ok(['migrate']);
  for (const [i, name] of ['demo', 'other'].entries()) {
    await scene.ok(['tenant', 'add', name, ...scene.tenantFlags(sb, i)]);
  }
  await scene.ok(['run', '--once']);
  const before = [await equal(scene, sb, 0), await equal(scene, sb, 1)];

  for (let i = 0; i < 3; i++) {
    await sb.fusion(`bulk?kind=invoice&new=1&${i === 1 ? 'n=3500&lines=3' : 'n=1500&lines=3'}`, 'POST', i);
    await sb.post(`/control/hubspot/switches?portal=${sb.ready.tenants[i].portal_id}`,
      i < 2 ? { latency_us: 600000, latency_jitter_us: 200000 } : { latency_us: 50000 });
  }
  for (const name of ['demo', 'other']) {
    await scene.ok(['tenant', 'set', name, '--hubspot-limit', String(slow)]);
  }
  await sb.clear();
  await sb.post('/control/fusion/1/reset_counts');
  const worker = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], scene.env);
  const s = new Stage(scene, sb, worker);
  for (const name of ['demo', 'other']) {
    await scene.ok(['sync', name]);
  }
  await Promise.all([s.writing('demo', 0), s.writing('other', 1)]);
  const lease = leaseOf(s);
  const from = Date.now();
  await hubspotToken(s, token);
  await pauseAndResume(s);
  nothingUnknown(scene);
  await limit(s);
  const secrets = await fusionSecret(s);
  await hubspotTokenLate(s);
  await comesAndGoes(s);
  const seconds = (Date.now() - from) / 1000;
  must(openJobs(s, 'other') > 0, `the other tenant had nothing left to do after ${seconds.toFixed(0)} s`);
  await notNoticed(s, lease);

  await sb.switches({ latency_us: 0, latency_jitter_us: 0 });
  await s.changed('limit of the other', ['tenant', 'set', 'other', '--hubspot-limit', '40'], 'other');
  await s.idle('other');
  nothingUnknown(scene);
  await equal(scene, sb, 0, before[0]);
  await equal(scene, sb, 1, before[1]);
  scene.conserved();
  worker.child.kill('SIGTERM');
  must((await worker.ended).code === 0, 'the worker did not end well');
  scene.secretsHidden([...sb.secrets(), ...secrets, 'pat-rotated']);
  scene.figure(`all of it took ${seconds.toFixed(0)} s, the other tenant was at work all the time`);
  scene.figure(`taken up after ${Object.entries(s.times).map(([k, t]) => `${k} ${t.toFixed(1)} s`).join(', ')}`);
}
