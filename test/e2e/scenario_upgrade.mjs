// SPDX-License-Identifier: UNLICENSED
// A database that the first release left, killed in the middle of its work, and
// the portal as it had written it: refused until it is migrated, then taken up
// as if nothing had happened. And schemas that are newer than the program.
//
// first_release.dump is what pg_dump gave; first_release.json holds with which
// options the simulator ran, what was changed in Fusion meanwhile, and every
// object of the portal with its id. The key sealed nothing but the simulator's
// own secrets.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, until } from './bench.mjs';
import { merged } from './oracle.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

function restore(scene) {
  const r = spawnSync('psql', ['-qX1', '-v', 'ON_ERROR_STOP=1', '-d', scene.url, '-f', path.join(here, 'first_release.dump')],
    { encoding: 'utf8' });
  must(r.status === 0, `the dump: ${r.stderr}`);
}

// Ids are handed out one after another: in their order each gets its own again.
async function importObjects(sb, objects) {
  for (const o of objects) {
    const made = await sb.post(`/control/hubspot/objects/${o.type}`, { properties: o.properties, associations: o.associations });
    must(made.id === o.id, `${o.type} ${o.id} became ${made.id}`);
    if (o.archived) {
      await sb.del(`/control/hubspot/objects/${o.type}/${o.id}`);
    }
  }
}

// The world goes the way it went, then everything is stamped anew.
async function replayWorld(sb, calls) {
  let world = await sb.world();
  for (const call of calls) {
    await sb.fusion(call);
    world = merged(world, await sb.world());
  }
  for (const [kind, list] of [['customer', 'customers'], ['invoice', 'invoices'], ['receipt', 'receipts']]) {
    await sb.fusion(`bulk?kind=${kind}&n=${(await sb.world())[list].length}`);
  }
  return world;
}

const columns = (scene) => scene.sql(`SELECT string_agg(concat_ws(' ', table_schema, table_name, column_name, data_type,
  is_nullable, column_default), E'\n' ORDER BY table_schema, table_name, column_name) FROM information_schema.columns
  WHERE table_schema IN ('ml_connector', 'ml_dashboard') AND table_name !~ '^audit_event_[0-9]'`);
const versions = (scene) => scene.rows('SELECT version, name, compatible_from FROM ml_connector.schema_version ORDER BY version');
const open = (scene) => scene.rows(`SELECT state, count(*) AS n FROM ml_connector.job GROUP BY state ORDER BY state`);

// The role is the server's: two databases of it are migrated at the same moment.
async function roleTwice(scene) {
  const own = scene.part('role');
  const other = spawn('psql', ['-AtXq', '-d', scene.house.url], { stdio: ['pipe', 'pipe', 'ignore'] });
  let said = '';

  other.stdout.on('data', (d) => { said += d; });
  own.house.children.add(other);
  other.on('exit', () => own.house.children.delete(other));
  other.stdin.write("BEGIN; CREATE ROLE ml_dashboard NOLOGIN; SELECT 'made';\n");
  await until('the role is being made', 10, () => said.includes('made'));
  const migrating = own.ml(['migrate']);
  await until('migrate waits for the other', 20, () => own.sql(
    `SELECT count(*) FROM pg_stat_activity WHERE datname = '${own.database}' AND wait_event_type = 'Lock'`) === '1');
  other.stdin.end('COMMIT;\n');
  const r = await migrating;
  must(r.code === 0, `migrate: exit ${r.code}\n${r.stderr}`);
  const may = own.sql(`SELECT has_table_privilege('ml_dashboard', 'ml_dashboard.feeds', 'SELECT')`);
  must(may === 't', 'the role may not read the views');
}

async function migrated(scene) {
  for (const command of [['run', '--once'], ['status'], ['tenant', 'list']]) {
    await scene.refused(command, 3, [/schema is version 1, this program needs \d+/, 'ml-connector migrate']);
  }
  const both = await Promise.all([scene.ok(['migrate']), scene.ok(['migrate'])]);
  await scene.ok(['migrate']);
  const fresh = scene.part('fresh');
  await fresh.ok(['migrate']);
  must(JSON.stringify(versions(scene)) === JSON.stringify(versions(fresh)), `versions ${JSON.stringify(versions(scene))}`);
  must(columns(scene) === columns(fresh), 'an upgraded schema has other columns than a new one');
  scene.parts = scene.parts.filter((p) => p !== fresh);
  return both;
}

async function settle(scene) {
  for (let i = 0; i < 5; i++) {
    await scene.ml(['run', '--once'], { seconds: 120 });
    if (open(scene).every((r) => ['parked', 'waiting'].includes(r.state))) {
      return;
    }
  }
  must(false, `jobs are left: ${JSON.stringify(open(scene))}`);
}

async function future(scene) {
  const top = versions(scene).at(-1).version;
  const say = (from) => scene.sql(`INSERT INTO ml_connector.schema_version (version, name, checksum, compatible_from)
    VALUES (${top + 1}, 'future', 'none', ${from})
    ON CONFLICT (version) DO UPDATE SET compatible_from = excluded.compatible_from`);
  say(top + 1);
  for (const command of [['run', '--once'], ['migrate'], ['status']]) {
    await scene.refused(command, 3, [`schema is version ${top + 1}`, `version ${top + 1} or later`, `this one is for ${top}`]);
  }
  say(top);
  await scene.ok(['migrate']);
  await scene.ok(['status']);
  await settle(scene);
}

export async function run(scene) {
  const { head, objects } = JSON.parse(fs.readFileSync(path.join(here, 'first_release.json'), 'utf8'));
  fs.writeFileSync(scene.key, `${head.master}\n`);
  await roleTwice(scene);
  Object.assign(scene.env, { ML_RETRY_BASE: '20ms', ML_RETRY_CAP: '300ms', ML_HUBSPOT_CUTOFF: '2s', ML_HUBSPOT_LINGER_BUSY: '200ms' });
  restore(scene);
  const before = open(scene);
  must(['in_flight', 'parked', 'waiting'].every((s) => before.some((r) => r.state === s)), `the dump holds ${JSON.stringify(before)}`);
  must(scene.sql('SELECT count(*) FROM ml_connector.write WHERE closed_at IS NULL') !== '0', 'the dump holds no open write');
  await migrated(scene);

  const sb = await scene.sandbox(...head.sandbox);
  const i = scene.tenantFlags(sb).indexOf('--since');
  await scene.ok(['tenant', 'set', 'demo', ...scene.tenantFlags(sb).slice(0, i)]);
  await scene.ok(['provision', 'demo']);
  await importObjects(sb, objects);
  const from = { world: await replayWorld(sb, head.fusion), hub: await sb.hub() };
  await settle(scene);
  await scene.ok(['replay', 'run', 'demo', '--all']);
  await settle(scene);
  const options = { restamped: true }; // the simulator stamps by its own start
  const now = await scene.equal(sb, from, options);
  scene.conserved();
  const left = open(scene);
  must(left.every((r) => r.state === 'waiting'), `jobs are left: ${JSON.stringify(left)}`);
  const seen = scene.sql(`SELECT count(*) FROM ml_dashboard.audit WHERE event = 'recovered'`);
  must(seen !== '0', 'nothing was recovered');
  scene.figure(`${objects.length} objects of the first release, ${before.map((r) => `${r.n} ${r.state}`).join(', ')}; ${seen} jobs recovered`);

  await sb.clear();
  await settle(scene);
  const { writes } = await sb.log();
  must(Object.keys(writes).length === 0, `a quiet run wrote ${JSON.stringify(writes)}`);
  await future(scene);
  await scene.equal(sb, now, options);
}
