// SPDX-License-Identifier: UNLICENSED
// Exact decimals: {n: BigInt, s: digits after the point}. Nothing here passes
// through a double, numbers arrive as the text the simulator printed.

export function dec(text) {
  const m = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(String(text));
  if (!m || (m[2] === '' && (m[3] ?? '') === '')) {
    return null;
  }
  let digits = m[2] + (m[3] ?? '');
  let s = (m[3] ?? '').length - Number(m[4] ?? 0);
  if (s < 0) {
    digits += '0'.repeat(-s);
    s = 0;
  }
  return { n: BigInt(m[1] + digits), s };
}

function align(a, b) {
  const s = Math.max(a.s, b.s);
  return [a.n * 10n ** BigInt(s - a.s), b.n * 10n ** BigInt(s - b.s), s];
}

export const add = (a, b) => {
  const [x, y, s] = align(a, b);
  return { n: x + y, s };
};
export const mul = (a, b) => ({ n: a.n * b.n, s: a.s + b.s });
export const neg = (a) => ({ n: -a.n, s: a.s });
export const cmp = (a, b) => {
  const [x, y] = align(a, b);
  return x < y ? -1 : x > y ? 1 : 0;
};
export const sign = (a) => (a.n < 0n ? -1 : a.n > 0n ? 1 : 0);
export const zero = { n: 0n, s: 0 };

// Half away from zero, to `digits` after the point.
export function round(a, digits) {
  if (a.s <= digits) {
    return a;
  }
  const unit = 10n ** BigInt(a.s - digits);
  const abs = a.n < 0n ? -a.n : a.n;
  const up = (abs + unit / 2n) / unit;
  return { n: a.n < 0n ? -up : up, s: digits };
}

export function text(a) {
  const minus = a.n < 0n;
  const all = (minus ? -a.n : a.n).toString().padStart(a.s + 1, '0');
  const whole = all.slice(0, all.length - a.s);
  const rest = all.slice(all.length - a.s);
  return (minus ? '-' : '') + whole + (a.s > 0 ? `.${rest}` : '');
}

// JSON whose numbers become their digits, so that no amount is rounded.
export function parseExact(json) {
  let at = 0;
  const space = /[\s]*/y;
  const scalar =
    /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

  const skip = () => {
    space.lastIndex = at;
    space.exec(json);
    at = space.lastIndex;
  };
  const want = (c) => {
    skip();
    if (json[at] !== c) {
      throw new Error(`JSON: ${c} expected at ${at}`);
    }
    at++;
  };
  const list = (close, item) => {
    skip();
    if (json[at] === close) {
      at++;
      return;
    }
    for (;;) {
      item();
      skip();
      if (json[at] !== ',') {
        break;
      }
      at++;
    }
    want(close);
  };
  const value = () => {
    skip();
    if (json[at] === '{') {
      const out = {};
      at++;
      list('}', () => {
        const name = value();
        want(':');
        out[name] = value();
      });
      return out;
    }
    if (json[at] === '[') {
      const out = [];
      at++;
      list(']', () => out.push(value()));
      return out;
    }
    scalar.lastIndex = at;
    const m = scalar.exec(json);
    if (!m) {
      throw new Error(`JSON: a value expected at ${at}`);
    }
    at = scalar.lastIndex;
    const c = m[0][0];
    if (c === '"') {
      return JSON.parse(m[0]);
    }
    return c === '-' || (c >= '0' && c <= '9') ? m[0] : JSON.parse(m[0]);
  };
  return value();
}
