// SPDX-License-Identifier: UNLICENSED
// What a benchmark stands on: a private PostgreSQL, a simulator and a tenant
// for each size, the kernel's count of what processes took, and an end that
// leaves nothing running. Every child is ended by its own id.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fs.realpathSync(fileURLToPath(import.meta.url)));
const postgres = path.join(here, '..', 'support', 'postgres');
const ticksPerSecond = 100; // USER_HZ of Linux, in /proc/PID/stat

// No limit is enforced, none is announced, and new properties are known at once.
export const lifted = {
  rate_enforced: 0,
  rate_limit: 1000000,
  daily_limit: 1000000000,
  property_lag_min_ms: 0,
  property_lag_max_ms: 0,
};

export const count = (n) => n.toLocaleString('en-US');

// ---- what the kernel counts ---------------------------------------------------

function stat(pid) {
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
}

function processes() {
  return fs.readdirSync('/proc').filter((p) => /^[0-9]+$/.test(p));
}

// CPU seconds of a process; NaN when it is gone.
export function cpuOf(pid) {
  try {
    const f = stat(pid);
    return (f[11] + f[12]) / ticksPerSecond;
  } catch {
    return NaN;
  }
}

// CPU seconds of a server: of all its processes, also of those that ended.
export function serverCpu(pid) {
  let sum = 0;
  for (const other of processes()) {
    try {
      const f = stat(other);
      sum += Number(other) === pid ? f[11] + f[12] + f[13] + f[14] : 0;
      sum += f[1] === pid ? f[11] + f[12] : 0;
    } catch {
      // it ended meanwhile
    }
  }
  return sum / ticksPerSecond;
}

// The process it started; null: none.
export function childOf(pid) {
  for (const other of processes()) {
    try {
      if (stat(other)[1] === pid) {
        return Number(other);
      }
    } catch {
      // it ended meanwhile
    }
  }
  return null;
}

// Resident memory now and at most, KiB; null when it is gone.
export function memoryOf(pid) {
  try {
    const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = (name) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'))[1]);
    return { rss: kib('VmRSS'), peak: kib('VmHWM') };
  } catch {
    return null;
  }
}

// ---- the stage -----------------------------------------------------------------

export class Stage {
  constructor(build) {
    this.build = path.resolve(build);
    this.top = fs.mkdtempSync(path.join(os.tmpdir(), 'ml-bench-'));
    fs.chmodSync(this.top, 0o755);
    this.children = new Set();
    this.clusters = new Set();
    this.passed = 0;
    this.failed = 0;
  }

  bin(name) {
    return path.join(this.build, name);
  }

  check(name, ok, detail) {
    this.passed += ok ? 1 : 0;
    this.failed += ok ? 0 : 1;
    console.log(`${ok ? 'ok' : 'FAILED'} ${name}${detail ? `: ${detail}` : ''}`);
  }

  start(program, args, env = {}, stdin = 'ignore') {
    const clean = Object.fromEntries(
      Object.entries(process.env).filter(([k]) => !k.startsWith('ML_')));
    const child = spawn(program, args.map(String),
      { env: { ...clean, ...env }, stdio: [stdin, 'pipe', 'pipe'] });
    const p = { child, stdout: '', stderr: '' };
    this.children.add(child);
    child.stdout.setEncoding('utf8').on('data', (d) => { p.stdout += d; });
    // of a long run's log only the end is kept
    child.stderr.setEncoding('utf8').on('data', (d) => {
      p.stderr = (p.stderr + d).slice(-100000);
    });
    p.ended = new Promise((done) => {
      child.on('error', (e) => done(e.message));
      child.on('close', (code, signal) => {
        this.children.delete(child);
        done(code ?? signal);
      });
    });
    return p;
  }

  async run(program, args, env) {
    const p = this.start(program, args, env);
    const code = await p.ended;
    if (code !== 0) {
      throw new Error(`${path.basename(program)} ${args.join(' ')}: exit ${code}\n` +
        `${p.stdout.slice(-1000)}${p.stderr.slice(-2000)}`);
    }
    return p.stdout;
  }

  async stop(p) {
    p.child.kill('SIGTERM');
    const timer = setTimeout(() => p.child.kill('SIGKILL'), 20000);
    await p.ended;
    clearTimeout(timer);
  }

  // ---- the database --------------------------------------------------------

  async cluster(dir, settings = '') {
    const data = path.join(dir, 'pg');
    this.clusters.add(data);
    const url = (await this.run(postgres, ['start', data], { PG_SETTINGS: settings })).trim();
    return { data, url, pid: this.postmaster(data) };
  }

  postmaster(data) {
    return Number(fs.readFileSync(path.join(data, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
  }

  async restartCluster(c) {
    await this.run(postgres, ['halt', c.data]);
    await this.run(postgres, ['start', c.data]);
    c.pid = this.postmaster(c.data);
  }

  stopCluster(data) {
    spawnSync(postgres, ['stop', data]);
    this.clusters.delete(data);
  }

  // ---- the simulator ---------------------------------------------------------

  async sandbox(dir, args) {
    const p = this.start(this.bin('ml-sandbox'), args, { TMPDIR: dir });
    while (!p.stdout.includes('\n')) {
      if (p.child.exitCode !== null) {
        throw new Error(`ml-sandbox: ${p.stderr}`);
      }
      await new Promise((done) => { setTimeout(done, 50); });
    }
    return { p, ready: JSON.parse(p.stdout.split('\n')[0]) };
  }

  async controlText(ready, method, where, body) {
    const answer = await fetch(`${ready.control_url}/control/${where}`,
      { method, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`control ${where}: ${answer.status} ${text}`);
    }
    return text;
  }

  async control(ready, method, where, body) {
    const text = await this.controlText(ready, method, where, body);
    return text === '' ? null : JSON.parse(text);
  }

  // ---- the connector -------------------------------------------------------------

  // An empty database becomes one with a tenant, without a limit unless the flags
  // say one; answers its environment.
  async tenant(dir, url, ready, ...flags) {
    const limit = flags.includes('--hubspot-limit') ? [] : ['--hubspot-limit', '10000', '--hubspot-pace', '0'];
    const key = path.join(dir, 'key');
    const tenant = ready.tenants[0];
    fs.writeFileSync(key, `k1:${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
    const env = {
      ML_DATABASE_URL: url, ML_MASTER_KEY_FILE: key, ML_LISTEN: 'off',
      ML_LOG_FORMAT: 'text',
    };
    await this.run(this.bin('ml-connector'), ['migrate'], env);
    await this.run(this.bin('ml-connector'), ['tenant', 'add', 'bench',
      '--fusion-url', ready.fusion_url, '--fusion-token-url', ready.token_url,
      '--fusion-client-id', tenant.client_id,
      '--fusion-client-secret-file', tenant.client_secret_file,
      '--fusion-scope', tenant.scope, '--hubspot-url', ready.hubspot_url,
      '--hubspot-token-file', tenant.hubspot_token_file,
      ...limit, ...flags], env);
    return env;
  }

  async clean() {
    const left = [...this.children];
    const gone = Promise.all(left.map((child) => new Promise((done) => {
      child.on('close', done);
    })));
    left.forEach((child) => child.kill('SIGTERM'));
    const timer = setTimeout(() => left.forEach((child) => child.kill('SIGKILL')), 20000);
    await gone;
    clearTimeout(timer);
    for (const data of [...this.clusters]) {
      this.stopCluster(data);
    }
    fs.rmSync(this.top, { recursive: true, force: true });
  }
}
