// SPDX-License-Identifier: UNLICENSED
//
// What the worker costs: run BUILD_DIR [PART...]
//
//     short     1,000 invoices, as `speed` does it, the requests that 2,000
//               invoices of years take, and the budget of a short window: what
//               every test/run takes
//     speed     1,000 and 10,000 invoices with HubSpot's limit lifted, each next
//               to a bare libcurl loop that sends the same requests, recorded
//               by the simulator, to the same simulator once more
//     node      5,000 invoices beside a program on HubSpot's official client, both
//               at 190 requests in 10 s; BENCH_PERF=FOLDER records profiles
//     memory    100,000 invoices; the peak must be that of 10,000
//     history   10,000, 100,000 and 1,000,000 invoices of years read in: memory
//               must be flat, and an invoice's cost the same at each tenth. Of
//               the million only what is read: with BENCH_HISTORY_WRITE=1 in the
//               environment it is written too, with 0 nothing is.
//               BENCH_HISTORY_SIZES="10000 100000" takes other sizes.
//     guest     what the connector's statements read in a database with 1,000,000
//               known records, by the plans the server wrote down; 50,000 in short.
//               Then 1,000,000 records go through in 50 rounds (20,000 in short):
//               tables and dead rows must not grow with them.
//               BENCH_GUEST_RECORDS=200000 and BENCH_GUEST_ROUNDS=5 take other
//               sizes, BENCH_GUEST_PLANS=FOLDER keeps the worst plan of each.
//     budget    HubSpot's limit in real time, 25 minutes: saturated for 3 minutes
//               at 100 and 190, rolling and fixed windows, up to 300 ms on the
//               way; a burst after a rest; other apps on the token; two tenants
//               of one portal. BENCH_BUDGET=burst takes the cases with that in
//               their name.
//
// Without a part all but short. The figures of speed, memory and history are of a
// first synchronisation of a fresh tenant, customers and payments included, by
// `ml-connector run --once` with its default settings. CPU and peak memory are the
// kernel's count for the worker's process; the database's CPU is that of its
// server processes. Ratios are judged, times are shown.
import fs from 'node:fs';
import path from 'node:path';
import { budget } from './budget.mjs';
import { first, table } from './first.mjs';
import { guest } from './guest.mjs';
import { history } from './history.mjs';
import { node } from './node.mjs';
import { Stage } from './stage.mjs';

const parts = ['short', 'speed', 'node', 'memory', 'history', 'guest', 'budget'];
const [build, ...asked] = process.argv.slice(2);
if (!build || asked.some((p) => !parts.includes(p))) {
  console.error(`usage: run BUILD_DIR [${parts.join('|')}]...`);
  process.exit(2);
}
const wanted = asked.length > 0 ? asked : parts.slice(1);
for (const name of ['ml-connector', 'ml-sandbox', 'bench-replay', 'bench-measure']) {
  if (!fs.existsSync(path.join(build, name))) {
    console.error(`${name} is not in ${build}; build it first`);
    process.exit(2);
  }
}

const stage = new Stage(build);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => stage.clean().then(() => process.exit(1)));
}
try {
  try {
    await first(stage, wanted);
  } finally {
    table();
  }
  if (wanted.includes('node')) {
    await node(stage, 5000);
  }
  await history(stage, wanted);
  await guest(stage, wanted);
  await budget(stage, wanted);
} catch (e) {
  stage.check('the benchmark runs', false, e.message);
} finally {
  await stage.clean();
}
console.log(`${stage.passed} passed, ${stage.failed} failed`);
process.exit(stage.failed > 0 ? 1 : 0);
