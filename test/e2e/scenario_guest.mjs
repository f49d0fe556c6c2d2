// SPDX-License-Identifier: UNLICENSED
// A good guest in the database: hundreds of tenants, two connections, and slow
// peers. The connections stay at the setting, none of them holds a transaction
// while a peer is waited for, and everything is written all the same.
import path from 'node:path';
import { must, until } from './bench.mjs';

const connections = 2;
const together = 6; // tenants added at once
const slow = { fusion_ms: 2000, hubspot_ms: 700 };
// ms, less than a peer takes: of a transaction, of one in which nothing is asked
const longest = { transaction: 1800, idle: 350 };

// Looks at the server all the time, from one connection of its own.
class Watch {
  constructor(scene, worker) {
    this.scene = scene;
    scene.sql(`CREATE SCHEMA watch; CREATE TABLE watch.seen (connections int, busy int, transaction_ms float8, idle_ms float8);
      CREATE TABLE watch.stop ()`);
    this.p = scene.spawn('psql', ['-AtXq', '-v', 'ON_ERROR_STOP=1', '-d', scene.url, '-c', `DO $$
      BEGIN
        WHILE to_regclass('watch.stop') IS NOT NULL LOOP
          INSERT INTO watch.seen SELECT count(*), count(*) FILTER (WHERE state <> 'idle'),
              max(extract(epoch FROM clock_timestamp() - xact_start) * 1000),
              max(extract(epoch FROM clock_timestamp() - state_change) * 1000) FILTER (WHERE state LIKE 'idle in transaction%')
            FROM pg_stat_activity WHERE application_name LIKE '%${worker}%' AND datname = current_database();
          COMMIT;
          PERFORM pg_sleep(0.01);
        END LOOP;
      END $$`], process.env);
  }

  async end() {
    this.scene.sql('DROP TABLE watch.stop');
    must((await this.p.ended).code === 0, `the watch: ${this.p.stderr}`);
    const [r] = this.scene.rows(`SELECT count(*) AS samples, max(connections) AS connections, max(busy) AS busy,
      max(transaction_ms) AS transaction_ms, coalesce(max(idle_ms), 0) AS idle_ms FROM watch.seen`);
    this.scene.sql('DROP SCHEMA watch CASCADE');
    return r;
  }
}

async function addTenants(scene, sb, n) {
  const names = Array.from({ length: n }, (_, i) => i);
  const lane = async () => {
    while (names.length > 0) {
      const i = names.shift();
      await scene.ok(['tenant', 'add', `tenant-${i}`, ...scene.tenantFlags(sb, i)]);
    }
  };
  await Promise.all(Array.from({ length: together }, lane));
}

export async function run(scene) {
  const tenants = process.env.E2E_LONG ? 300 : 120;
  Object.assign(scene.env, { ML_DATABASE_CONNECTIONS: String(connections), ML_HUBSPOT_WINDOW: '1000ms', ML_WORKER_ID: 'guest' });
  const sb = await scene.sandbox('--customers', 6, '--invoices', 6, '--receipts', 3, '--portals', tenants);
  await sb.switches({ rate_window_ms: 1000, latency_us: slow.hubspot_ms * 1000, property_lag_min_ms: 0, property_lag_max_ms: 0 });
  await sb.post('/control/fusion/all/switches', { latency_ms: slow.fusion_ms });
  await scene.ok(['migrate']);
  await addTenants(scene, sb, tenants);
  const watch = new Watch(scene, 'guest');
  const worker = scene.spawn(path.join(scene.house.build, 'ml-connector'), ['run'], scene.env);
  const began = Date.now();
  await until('all tenants are read and written', 150, () => {
    must(worker.child.exitCode === null, `the worker ended: ${worker.stderr.slice(-2000)}`);
    const [r] = scene.rows(`SELECT (SELECT count(*) FROM ml_connector.feed WHERE last_success IS NOT NULL) AS feeds,
      (SELECT count(*) FROM ml_connector.job) AS jobs`);
    return Number(r.feeds) === 3 * tenants && Number(r.jobs) === 0;
  });
  const seconds = (Date.now() - began) / 1000;
  const seen = await watch.end();
  must(Number(seen.samples) > 100, `${seen.samples} samples`);
  must(Number(seen.connections) === connections, `${seen.connections} connections, ${connections} were allowed`);
  must(Number(seen.busy) > 0, 'no connection was ever seen at work');
  must(seen.transaction_ms < longest.transaction, `a transaction lasted ${seen.transaction_ms} ms`);
  must(seen.idle_ms < longest.idle, `a transaction waited for ${seen.idle_ms} ms`);
  scene.conserved();
  for (let i = 0; i < tenants; i += 7) {
    sb.index = i;
    await scene.equal(sb);
  }
  worker.child.kill('SIGTERM');
  must((await worker.ended).code === 0, 'the worker did not end well');
  scene.figure(`${tenants} tenants in ${seconds.toFixed(0)} s: ${seen.connections} connections in ${seen.samples} samples; ` +
    `longest transaction ${seen.transaction_ms.toFixed(0)} ms, idle inside one ${seen.idle_ms.toFixed(1)} ms, ` +
    `answers took ${slow.fusion_ms} and ${slow.hubspot_ms} ms`);
}
