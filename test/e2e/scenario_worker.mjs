// SPDX-License-Identifier: UNLICENSED
// The worker that stays: changes of tenants are taken up while it runs, its
// pages answer, and SIGTERM ends it with 0.
import path from 'node:path';
import { freePort, must, until } from './bench.mjs';

export async function run(scene) {
  const sb = await scene.sandbox('--customers', 30, '--invoices', 60, '--receipts', 30, '--portals', 2);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const text = async (p) => {
    const r = await fetch(url + p);
    return { status: r.status, text: await r.text() };
  };
  await scene.tenant(sb);
  const p = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'],
    { ...scene.env, ML_LISTEN: `127.0.0.1:${port}` });
  await until('readyz', 20, async () => {
    must(p.child.exitCode === null, `the worker ended: ${p.stderr}`);
    try {
      return (await text('/readyz')).status === 200;
    } catch {
      return false;
    }
  });
  must((await text('/healthz')).status === 200, 'healthz');
  must((await text('/no/such/page')).status === 404, 'an unknown page is not 404');
  await until('the first sync', 60, () => scene.done());
  await scene.equal(sb);
  const metrics = (await text('/metrics')).text;
  for (const name of ['ml_tenants', 'ml_polls_total', 'ml_records_total', 'ml_jobs', 'ml_hubspot_requests_total', 'ml_hubspot_inputs_total',
    'ml_fusion_requests_total', 'ml_token_refreshes_total', 'ml_sync_latency_seconds', 'ml_poll_lateness_seconds', 'ml_loop_lag_seconds',
    'ml_database_seconds', 'ml_process_']) {
    must(metrics.includes(`\n${name}`) || metrics.startsWith(name), `/metrics has no ${name}`);
  }

  const stated = (name, state) => async () => {
    const m = (await text('/metrics')).text;
    const line = m.split('\n').find((l) => l.startsWith('ml_tenants{') && l.includes(`"${state}"`));
    return line && Number(line.split(' ').at(-1)) === name;
  };
  await scene.ok(['tenant', 'pause', 'demo']);
  await until('pause taken up', 10, stated(0, 'active'));
  await scene.ok(['tenant', 'resume', 'demo']);
  await until('resume taken up', 10, stated(1, 'active'));

  // A second tenant, of the second portal, appears while the worker runs.
  const second = scene.tenantFlags(sb, 1);
  await scene.ok(['tenant', 'add', 'second', ...second]);
  await until('the second tenant taken up', 10, stated(2, 'active'));
  await until('the second tenant synced', 60, () => scene.done(['second']));
  const other = await sb.get(`/control/hubspot/objects/invoices?limit=1&portal=${sb.ready.tenants[1].portal_id}`);
  must(Number(other.live ?? other.count) > 0, 'the second portal is empty');

  await scene.ok(['tenant', 'set', 'demo', '--interval', '1m']);
  await until('set taken up', 10, () => /tenant\.changed[^\n]*demo/.test(p.stderr.slice(p.stderr.indexOf('tenant=second'))));
  await scene.ok(['tenant', 'remove', 'second', '--yes']);
  await until('remove taken up', 10, stated(1, 'active'));

  // Two workers do not fight over one portal.
  const r = await scene.ml(['run', '--once']);
  must(r.code === 1 && /leased to another worker.*demo/s.test(r.stdout + r.stderr), `the second worker: exit ${r.code}\n${r.stdout}${r.stderr}`);

  // Without its database it is not ready, and comes back by itself.
  scene.house.postgres('halt');
  await until('not ready', 30, async () => (await text('/readyz')).status === 503);
  must((await text('/healthz')).status === 200, 'healthz without a database');
  scene.house.start();
  await until('ready again', 60, async () => (await text('/readyz')).status === 200);

  const started = Date.now();
  p.child.kill('SIGTERM');
  const { code, signal } = await p.ended;
  must(code === 0, `SIGTERM: exit ${code} ${signal ?? ''}\n${p.stderr.slice(-2000)}`);
  scene.figure(`ended ${Date.now() - started} ms after SIGTERM`);
  const leases = scene.rows(`SELECT * FROM ml_dashboard.tenants WHERE tenant = 'second'`);
  must(leases.length === 0, 'a removed tenant is still shown');
  await scene.ok(['run', '--once']);
  await scene.equal(sb);
}
