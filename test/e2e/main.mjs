// SPDX-License-Identifier: UNLICENSED
// Runs the scenarios one after another: main.mjs BUILD_DIR [SCENARIO...]
import fs from 'node:fs';
import path from 'node:path';
import { House, Scene } from './bench.mjs';

const order = ['main', 'tls', 'existing', 'replay', 'commands', 'bad-input', 'faults', 'worker', 'sync', 'keys', 'days', 'mapping', 'reading', 'traps', 'token', 'storm', 'clashes', 'poison', 'requests', 'plan', 'ceiling', 'quota'];
const [build, ...wanted] = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : order;
const unknown = names.filter((n) => !order.includes(n));

if (!build || unknown.length > 0) {
  console.error(`usage: main.mjs BUILD_DIR [${order.join('|')}]...`);
  process.exit(2);
}
for (const program of ['ml-connector', 'ml-sandbox']) {
  if (!fs.existsSync(path.join(build, program))) {
    console.error(`${program} is not in ${build}; build it first`);
    process.exit(2);
  }
}

const house = new House(path.resolve(build));
let passed = 0;
let failed = 0;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => house.stop().then(() => process.exit(1)));
}
try {
  house.start();
  for (const name of names) {
    const scene = new Scene(house, name);
    const started = Date.now();
    const { run } = await import(`./scenario_${name.replace('-', '_')}.mjs`);
    try {
      await run(scene);
      passed++;
      console.log(`ok ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    } catch (e) {
      failed++;
      console.log(`FAILED ${name}: ${e.message}`);
      if (e.constructor.name !== 'Failure') {
        console.log(e.stack);
      }
      if (process.env.KEEP_LOGS) {
        await scene.keep(process.env.KEEP_LOGS);
      }
    }
    for (const line of scene.figures) {
      console.log(`    ${line}`);
    }
    for (const child of house.children) {
      child.kill('SIGTERM');
    }
  }
} finally {
  await house.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
