// SPDX-License-Identifier: UNLICENSED
// Master keys come and go; secrets are never said and never stored in clear.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { must } from './bench.mjs';

export async function run(scene) {
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
