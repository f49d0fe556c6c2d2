// SPDX-License-Identifier: UNLICENSED
// Master keys come and go; secrets are never said and never stored in clear.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { freePort, must, until } from './bench.mjs';

// Two workers, two portals; the secrets are sealed anew with a key that one of them
// does not know, and a third comes that never knew any: both leave all to the other.
async function unknown(scene) {
  const own = scene.part('workers');
  const sb = await own.sandbox('--portals', 2, '--customers', 5, '--invoices', 10, '--receipts', 5);
  await own.ok(['migrate']);
  await own.ok(['tenant', 'add', 'demo', ...own.tenantFlags(sb, 0)]);
  await own.ok(['tenant', 'add', 'other', ...own.tenantFlags(sb, 1)]);
  const second = `k2:${randomBytes(32).toString('base64')}`;
  const start = async (name, lines) => {
    const port = await freePort();
    const env = { ...own.env, ML_WORKER_ID: name, ML_MASTER_KEY_FILE: own.file(name, `${lines.join('\n')}\n`),
      ML_LISTEN: `127.0.0.1:${port}`, ML_LEASE_TTL: '3s' };
    const p = own.spawn(path.join(own.house.build, 'ml-connector'), ['run'], env);
    const ready = async () => {
      const r = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
      return r && { status: r.status, text: await r.text() };
    };
    return { p, ready };
  };
  const holders = () => own.sql(`SELECT string_agg(worker, ' ' ORDER BY worker) FROM ml_dashboard.leases WHERE held AND portal NOT LIKE 'tenant:%'`);
  const without = async (w) => {
    const r = await until('it says so', 10, async () => {
      const now = await w.ready();
      return now?.status === 503 && now;
    });
    must(/the master keys open no tenant/.test(r.text), r.text);
    must(/worker\.keyless[^\n]*k2/.test(w.p.stderr), w.p.stderr.slice(-2000));
  };

  const old = await start('old', [own.master]);
  await until('the old worker holds both', 20, () => holders() === 'old old');
  const both = await start('both', [own.master, second]);
  await until('each has one', 20, () => holders() === 'both old');
  await until('all is written', 60, () => own.done(['demo', 'other']));
  own.file('key', `${second}\n${own.master}\n`);
  await own.ok(['keys', 'rotate']);
  await until('who knows the key has both', 30, () => holders() === 'both both');
  await without(old);
  const never = await start('never', [`k9:${randomBytes(32).toString('base64')}`]);
  await without(never);
  must(own.sql('SELECT count(*) FROM ml_dashboard.workers') === '1', 'who opens nothing counts as a worker');
  must(!/portal\.held/.test(never.p.stderr), 'it held a portal');
  must((await both.ready()).status === 200, 'the other is not ready');
  await own.polled(['demo', 'other']);
  must(holders() === 'both both', `held by ${holders()}`);

  // Sealed with the key it knows it is as good as any.
  own.file('key', `${own.master}\n${second}\n`);
  await own.ok(['keys', 'rotate']);
  await until('the old worker has its part again', 30, () => holders() === 'both old');
  must((await old.ready()).status === 200, 'it is not ready with a key that opens');
  for (const { p } of [old, both, never]) {
    p.child.kill('SIGTERM');
    must((await p.ended).code === 0, p.stderr.slice(-2000));
  }
  await scene.over(own);
}

export async function run(scene) {
  await unknown(scene);
  const sb = await scene.sandbox('--customers', 15, '--invoices', 30, '--receipts', 15);
  scene.env.ML_LOG_LEVEL = 'debug';
  await scene.tenant(sb);
  await scene.ok(['run', '--once']);
  await scene.equal(sb);
  const sealed = () => scene.sql(`SELECT sealed FROM ml_connector.secret ORDER BY field`);
  const before = sealed();
  must(before.includes('k1'), `sealed under another id: ${before.slice(0, 40)}`);

  const second = `k2:${randomBytes(32).toString('base64')}`;
  fs.writeFileSync(scene.key, `${second}\n${scene.master}\n`);
  await scene.ok(['run', '--once']);
  must(sealed() === before, 'secrets changed without rotation');
  const rotated = JSON.parse((await scene.ok(['keys', 'rotate', '--json'])).stdout);
  must(rotated.rotated === 2 && rotated.failed === 0, JSON.stringify(rotated));
  const after = sealed();
  must(after.split('\n').every((s) => s.includes('k2')) && after !== before, 'not sealed anew');
  const again = JSON.parse((await scene.ok(['keys', 'rotate', '--json'])).stdout);
  must(again.rotated === 0, 'a second rotation rotated again');

  // A key that only has the right id is no key.
  fs.writeFileSync(scene.key, `k2:${randomBytes(32).toString('base64')}\n`);
  const wrong = await scene.ml(['keys', 'rotate']);
  must(wrong.code !== 0 && /2 failed/.test(wrong.stdout), `a wrong key with the right id: exit ${wrong.code}, ${wrong.stdout}`);
  must(sealed() === after, 'a wrong key sealed something');

  fs.writeFileSync(scene.key, `${second}\n`);
  await sb.fusion('mutate?n=20&seed=5');
  await scene.ok(['run', '--once']);
  await scene.ok(['ping', 'demo']);
  const shown = await scene.ok(['tenant', 'show', 'demo', '--json']);
  const listed = await scene.ok(['tenant', 'list', '--json']);
  JSON.parse(shown.stdout);
  JSON.parse(listed.stdout);

  // The old key alone opens nothing any more.
  fs.writeFileSync(scene.key, `${scene.master}\n`);
  await scene.refused(['run', '--once'], 3, [/k2|key/i]);
  fs.writeFileSync(scene.key, `${second}\n`);

  // A sealed secret moved to another tenant or field does not open.
  scene.sql(`UPDATE ml_connector.secret s SET sealed = o.sealed FROM ml_connector.secret o
    WHERE s.field = 'hubspot_token' AND o.field = 'fusion_client_secret'`);
  const r = await scene.ml(['run', '--once']);
  must(r.code === 3 || r.code === 1, `a swapped secret: exit ${r.code}`);

  await scene.ok(['audit', 'demo', '--json']);
  await scene.ok(['status', '--json']);
  const size = scene.secretsHidden([...sb.secrets(), scene.master.split(':')[1], second.split(':')[1]]);
  scene.figure(`no secret in ${(size / 1024).toFixed(0)} KiB of dump and ${scene.outputs.length} outputs`);
}
