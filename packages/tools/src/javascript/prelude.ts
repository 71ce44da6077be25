/**
 * JavaScript that runs inside QuickJS before the policy's code: `console`, `print`, a seeded `Math.random`, a clock that
 * stands still. The policy's code may break any of it; that spoils its own output and nothing else. (It keeps the
 * built-ins it uses, so that code which reassigns `Error` or `Object` still gets its exception described.)
 * Evaluates to `(write, seed, nowMs) => ({ inspect, describe })`; `write` stays out of the code's reach.
 */
export const PRELUDE = String.raw`
(write, seed, nowMs) => {
  'use strict';
  const { Array, ArrayBuffer, Boolean, DataView, Date, Error, Map, Math, Number, Object, Promise, Reflect, RegExp, Set, String, isNaN } = globalThis;
  const MAX_ITEMS = 100;
  const MAX_DEPTH = 4;

  const quote = (text) => "'" + text.replace(/\\/g, '\\\\').replace(/'/g, "\\'").replace(/\n/g, '\\n') + "'";
  const list = (prefix, open, items, close, total) => {
    if (total > MAX_ITEMS) items.push('... ' + (total - MAX_ITEMS) + ' more');
    return prefix + (items.length ? open + ' ' + items.join(', ') + ' ' + close : open + close);
  };
  const className = (value) => {
    const prototype = Object.getPrototypeOf(value);
    if (prototype === null) return '[null prototype]';
    return (prototype.constructor && prototype.constructor.name) || 'Object';
  };
  const describe = (error) =>
    error instanceof Error ? error.name + (error.message ? ': ' + error.message : '') : 'Uncaught ' + inspect(error);

  const inspect = (value, parents = []) => {
    if (typeof value === 'string') return quote(value);
    if (typeof value === 'bigint') return value + 'n';
    if (Object.is(value, -0)) return '-0';
    if (typeof value === 'symbol') return value.toString();
    if (typeof value === 'function') return '[' + (/^class\b/.test(value + '') ? 'class' : 'Function') + (value.name ? ' ' + value.name : '') + ']';
    if (typeof value !== 'object' || value === null) return String(value);
    if (parents.includes(value)) return '[Circular]';
    if (value instanceof Error) return describe(value);
    if (value instanceof Date) return isNaN(value) ? 'Invalid Date' : value.toISOString();
    if (value instanceof RegExp) return String(value);
    if (value instanceof Promise) return 'Promise';
    const name = className(value);
    const isArray = Array.isArray(value);
    if (parents.length > MAX_DEPTH) return isArray ? '[Array]' : '[' + name + ']';
    const inner = (item) => inspect(item, [...parents, value]);
    const first = (items) => Array.from({ length: Math.min(items.length, MAX_ITEMS) }, (_, i) => items[i]);
    if (isArray) {
      const items = Array.from({ length: Math.min(value.length, MAX_ITEMS) }, (_, i) => (i in value ? inner(value[i]) : '<empty>'));
      return list(name === 'Array' ? '' : name + ' ', '[', items, ']', value.length);
    }
    if (ArrayBuffer.isView(value) && !(value instanceof DataView))
      return list(name + '(' + value.length + ') ', '[', first(value).map(inner), ']', value.length);
    if (value instanceof Map)
      return list('Map(' + value.size + ') ', '{', first([...value]).map(([k, v]) => inner(k) + ' => ' + inner(v)), '}', value.size);
    if (value instanceof Set) return list('Set(' + value.size + ') ', '{', first([...value]).map(inner), '}', value.size);
    if (value instanceof Number || value instanceof String || value instanceof Boolean) return '[' + name + ': ' + inner(value.valueOf()) + ']';
    const keys = Object.keys(value);
    const shown = first(keys).map((key) => {
      const { get, value: item } = Object.getOwnPropertyDescriptor(value, key) ?? {};
      return (/^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key)) + ': ' + (get ? '[Getter]' : inner(item));
    });
    return list(name === 'Object' ? '' : name + ' ', '{', shown, '}', keys.length);
  };

  const print = (...values) => write(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' ') + '\n');
  globalThis.print = print;
  globalThis.console = { log: print, info: print, debug: print, warn: print, error: print, table: print };

  // mulberry32
  let state = seed >>> 0;
  Math.random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  const RealDate = Date;
  const FixedDate = function Date(...parts) {
    if (!new.target) return new RealDate(nowMs).toString();
    return Reflect.construct(RealDate, parts.length ? parts : [nowMs], new.target);
  };
  FixedDate.prototype = RealDate.prototype;
  FixedDate.prototype.constructor = FixedDate;
  Object.assign(FixedDate, { now: () => nowMs, parse: RealDate.parse, UTC: RealDate.UTC });
  globalThis.Date = FixedDate;

  return { inspect, describe };
}
`;
