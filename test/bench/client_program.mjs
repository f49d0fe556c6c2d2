// SPDX-License-Identifier: UNLICENSED
// What one writes with HubSpot's official client to bring records over, with
// care: full batches, as much at once as its limiter lets through, connections
// kept alive, every result accounted for. It reads nothing back.
//
//     client_program.mjs RECORDS URL TOKEN_FILE LIMITER
//
// RECORDS: lines of JSON, {"object","key","properties","status"} and
// {"from","fromKey","to","toKey","types"}. LIMITER: the options of its limiter as
// JSON; {} takes those it ships with. Prints one line of JSON.
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fs.realpathSync(fileURLToPath(import.meta.url)));
const load = createRequire(path.join(here, '..', 'client', 'package.json'));
const { Client, DEFAULT_LIMITER_OPTIONS } = load('@hubspot/api-client');
const [file, basePath, tokenFile, limiter] = process.argv.slice(2);
const client = new Client({
  accessToken: fs.readFileSync(tokenFile, 'utf8').trim(), basePath, numberOfApiCallRetries: 3,
  httpAgent: new http.Agent({ keepAlive: true }),
  limiterOptions: { ...DEFAULT_LIMITER_OPTIONS, ...JSON.parse(limiter) },
});

const keys = {
  companies: 'fusion_account_number', contacts: 'fusion_account_number', invoices: 'fusion_transaction_id',
  line_items: 'fusion_line_id', commerce_payments: 'fusion_payment_key',
};
const objects = Object.fromEntries(Object.keys(keys).map((type) => [type, []]));
const associations = new Map();
const ids = Object.fromEntries(Object.keys(keys).map((type) => [type, new Map()]));
const sum = { requests: 0, written: 0, failed: 0 };

for await (const line of createInterface({ input: fs.createReadStream(file) })) {
  const one = JSON.parse(line);
  if (one.object) {
    objects[one.object].push(one);
  } else {
    const pair = `${one.from} ${one.to}`;
    if (!associations.has(pair)) {
      associations.set(pair, []);
    }
    associations.get(pair).push(one);
  }
}

function* slices(list, size) {
  for (let i = 0; i < list.length; i += size) {
    yield list.slice(i, i + size);
  }
}

async function call(send, n) {
  sum.requests++;
  const answer = await send();
  sum.written += answer.results.length;
  sum.failed += n - answer.results.length;
  return answer;
}

const upsert = (type) => [...slices(objects[type], 100)].map(async (batch) => {
  const { results } = await call(() => client.crm.objects.batchApi.upsert(type, {
    inputs: batch.map((o, i) => ({ id: o.key, idProperty: keys[type], objectWriteTraceId: String(i), properties: o.properties })),
  }), batch.length);
  for (const r of results) {
    ids[type].set(r.properties[keys[type]], r.id);
  }
});

const associate = (from, to) => [...slices(associations.get(`${from} ${to}`) ?? [], 2000)].map((batch) => call(
  () => client.crm.associations.v4.batchApi.create(from, to, {
    inputs: batch.map((a) => ({
      _from: { id: ids[from].get(a.fromKey) }, to: { id: ids[to].get(a.toKey) },
      types: a.types.map((t) => ({ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: t })),
    })),
  }), batch.length));

const move = () => [...slices(objects.invoices.filter((o) => o.status && o.status !== 'draft'), 100)].map((batch) => call(
  () => client.crm.objects.batchApi.update('invoices', {
    inputs: batch.map((o) => ({ id: ids.invoices.get(o.key), properties: { hs_invoice_status: o.status } })),
  }), batch.length));

await Promise.all(Object.keys(keys).flatMap(upsert));
await Promise.all([...associations.keys()].flatMap((pair) => associate(...pair.split(' '))));
await Promise.all(move());
console.log(JSON.stringify(sum));
process.exitCode = sum.failed > 0 ? 1 : 0;
