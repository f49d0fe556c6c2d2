// SPDX-License-Identifier: UNLICENSED
// Starts ml-sandbox (ML_SANDBOX names the program), ends it, and talks to its
// control API. Nothing here knows HubSpot's client.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export async function start(...args) {
  const program = process.env.ML_SANDBOX;
  if (!program) throw new Error('ML_SANDBOX must name the ml-sandbox program');
  const child = spawn(program,
    ['--customers', '2', '--invoices', '2', '--receipts', '1', ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => child.on('exit', done));
  const line = await new Promise((done, fail) => {
    createInterface({ input: child.stdout }).once('line', done);
    child.once('exit', (code) => fail(new Error(`ml-sandbox: exit ${code}`)));
  });
  const ready = JSON.parse(line);
  const token = readFileSync(ready.tenants[0].hubspot_token_file, 'utf8');
  return new Sandbox(ready, token, child, ended);
}

class Sandbox {
  constructor(ready, token, child, ended) {
    Object.assign(this, { ready, token, child, ended });
    this.url = ready.hubspot_url;
  }

  async stop() {
    this.child.kill('SIGTERM');
    return this.ended;
  }

  async control(method, path, body) {
    const r = await fetch(this.ready.control_url + '/control' + path,
      { method, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await r.text();
    if (!r.ok) throw new Error(`${method} ${path}: ${r.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  switches(values) {
    return this.control('POST', '/hubspot/switches', values);
  }

  // A plain request: {status, body, headers}; body is text when not JSON.
  async send(method, path, body, headers = {}) {
    const raw = typeof body === 'string' ? body
      : body === undefined ? undefined : JSON.stringify(body);
    const r = await fetch(this.url + path, {
      method,
      body: raw,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(raw === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    });
    const text = await r.text();
    let parsed = text;
    try { parsed = JSON.parse(text); } catch { /* stays text */ }
    return { status: r.status, body: parsed, headers: r.headers };
  }
}

// The properties ml-connector keeps its keys in.
export const keys = {
  contacts: 'fusion_account_number',
  companies: 'fusion_account_number',
  invoices: 'fusion_transaction_id',
  line_items: 'fusion_line_id',
  commerce_payments: 'fusion_payment_key',
};

export function definition(name, more = {}) {
  return {
    name, label: name, type: 'string', fieldType: 'text',
    groupName: 'oracle_fusion', ...more,
  };
}

export async function provision(sandbox) {
  await sandbox.switches({ property_lag_min_ms: 0, property_lag_max_ms: 0 });
  for (const [type, key] of Object.entries(keys)) {
    const base = `/crm/properties/2026-03/${type}`;
    await sandbox.send('POST', `${base}/groups`,
      { name: 'oracle_fusion', label: 'Oracle Fusion' });
    const r = await sandbox.send('POST', base,
      definition(key, { hasUniqueValue: true }));
    if (r.status !== 201) throw new Error(JSON.stringify(r.body));
  }
}
