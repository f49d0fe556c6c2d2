// SPDX-License-Identifier: UNLICENSED
// What each tenth of a poll cost, from the simulator's log of requests and from
// samples. Pure.
//
// Where a poll stands is said by the rows of its pages: a page's rows, and all
// that was asked because of them, lie between its request and the next page's.
// Values at the borders of tenths are interpolated there, so that a page that
// lies on one counts for both sides.

// The value of ys at x, where xs ascend.
export function at(xs, ys, x) {
  if (x <= xs[0]) {
    return ys[0];
  }
  for (let i = 1; i < xs.length; i++) {
    if (x <= xs[i]) {
      const share = xs[i] === xs[i - 1] ? 1 : (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
      return ys[i - 1] + share * (ys[i] - ys[i - 1]);
    }
  }
  return ys[ys.length - 1];
}

// One poll's walk: `requests` in order of time, of which those from from_us to
// to_us are the poll's; `main` is the operation whose pages are walked, `apart`
// the one that is counted by itself. Before the first page with rows to speak
// of the poll learns about the pod.
export function walk(requests, { from_us, to_us, main, apart }) {
  const own = requests.filter((r) => r.at_us >= from_us && r.at_us <= to_us);
  const first = own.findIndex((r) => r.operation === main && r.inputs > 1);
  const knots = { rows: [], us: [], requests: [], apart: [] };
  const sum = { rows: 0, requests: 0, apart: 0 };
  const knot = (us) => {
    knots.rows.push(sum.rows);
    knots.us.push(us);
    knots.requests.push(sum.requests);
    knots.apart.push(sum.apart);
  };
  if (first < 0) {
    return null;
  }
  for (const r of own.slice(first)) {
    if (r.operation === main) {
      knot(r.at_us);
      sum.rows += r.inputs;
    }
    sum.requests += 1;
    sum.apart += r.operation === apart ? 1 : 0;
  }
  knot(to_us);
  return { ...knots, before: first, total: sum.rows };
}

// Samples are {us, worker, database, rss, peak}: CPU seconds, KiB.
export function tenths(w, samples, records) {
  const us = samples.map((s) => s.us);
  const border = (k) => {
    const rows = w.total * k / 10;
    const when = at(w.rows, w.us, rows);
    const sampled = (name) => at(us, samples.map((s) => s[name]), when);
    return {
      us: when,
      requests: at(w.rows, w.requests, rows),
      apart: at(w.rows, w.apart, rows),
      ...Object.fromEntries(['worker', 'database', 'rss', 'peak'].map(
        (name) => [name, samples.length > 0 ? sampled(name) : NaN])),
    };
  };
  const thousands = records / 10 / 1000;
  return Array.from({ length: 10 }, (_, k) => {
    const [a, b] = [border(k), border(k + 1)];
    return {
      from_us: a.us,
      to_us: b.us,
      seconds: (b.us - a.us) / 1e6,
      requests: (b.requests - a.requests) / thousands,
      apart: (b.apart - a.apart) / thousands,
      worker: (b.worker - a.worker) * 1000 / thousands,
      database: (b.database - a.database) * 1000 / thousands,
      rss: b.rss / 1024,
      peak: b.peak / 1024,
    };
  });
}

export const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

// The last tenth to the first, and to the mean of the others.
export const lastToFirst = (ts, of) => of(ts[9]) / of(ts[0]);
export const lastToOthers = (ts, of) => of(ts[9]) / mean(ts.slice(0, 9).map(of));
