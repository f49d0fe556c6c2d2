// SPDX-License-Identifier: UNLICENSED
// Runs the scenarios: main.mjs BUILD_DIR [SCENARIO...]
// One runs here; of several twice as many side by side as there are cores
// (E2E_JOBS), since they often wait; each in a process and with a Postgres of its own.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { House, Scene } from './bench.mjs';

// They run side by side: what takes long begins early.
const order = [
  'kills', 'database', 'reading', 'restored', 'plan', 'clashes', 'poison', 'config', 'storm', 'sync',
  'commands', 'guest', 'bad-input', 'workers', 'clock', 'stop', 'faults', 'end', 'requests', 'ceiling',
  'mapping', 'days', 'main', 'replay', 'worker', 'token', 'traps', 'quota', 'upgrade', 'existing',
  'keys', 'tls',
];
const [build, ...wanted] = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : order;
const unknown = names.filter((n) => !order.includes(n));

if (!build || unknown.length > 0) {
  console.error(`usage: main.mjs BUILD_DIR [${order.join('|')}]...`);
  process.exit(2);
}
for (const program of ['ml-connector', 'ml-connector-crash', 'ml-sandbox']) {
  if (!fs.existsSync(path.join(build, program))) {
    console.error(`${program} is not in ${build}; build it first`);
    process.exit(2);
  }
}

async function runHere(name) {
  const house = new House(path.resolve(build));
  const started = Date.now();
  let ok = true;

  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => house.stop().then(() => process.exit(1)));
  }
  try {
    house.start();
    const scene = new Scene(house, name);
    const { run } = await import(`./scenario_${name.replace('-', '_')}.mjs`);
    try {
      await run(scene);
      console.log(`ok ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    } catch (e) {
      ok = false;
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
  } finally {
    await house.stop();
  }
  return ok;
}

// What each says comes out in one piece, when it has ended.
async function runAside(name, running) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), build, name], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';

  running.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => (said += text));
  }
  const status = await new Promise((resolve) => child.on('close', resolve));
  running.delete(child);
  const lines = said.trimEnd().split('\n').filter((line) => !/^\d+ passed, \d+ failed$/.test(line));
  if (status !== 0 && !lines.some((line) => line.startsWith('FAILED'))) {
    lines.unshift(`FAILED ${name}: ended with ${status}`);
  }
  console.log(lines.join('\n'));
  return status === 0;
}

async function runAll(jobs) {
  const running = new Set();
  const waiting = [...names];
  const counts = { passed: 0, failed: 0 };
  const lane = async () => {
    while (waiting.length > 0) {
      counts[(await runAside(waiting.shift(), running)) ? 'passed' : 'failed']++;
    }
  };

  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      waiting.length = 0;
      running.forEach((child) => child.kill('SIGTERM'));
    });
  }
  await Promise.all(Array.from({ length: jobs }, lane));
  return counts;
}

async function runOne(name) {
  const ok = await runHere(name);
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
}

const jobs = Number(process.env.E2E_JOBS ?? 2 * os.availableParallelism());
const { passed, failed } = names.length > 1 ? await runAll(jobs) : await runOne(names[0]);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
