import type { Choices } from './choices.js';

/**
 * Puts all of a realm within reach of the grammar: `reach(n)` is one of the functions that can be got at from its globals,
 * through properties and prototypes; `keys(n)` one of their names.
 */
const PRELUDE = `
var x = 0, y = 0, f = (...a) => a.length;
const known = new Set([globalThis]), functions = [], names = [];
for (const owner of known) for (const key of Reflect.ownKeys(owner)) {
  names.push(key);
  const { value, get } = Reflect.getOwnPropertyDescriptor(owner, key);
  for (const one of [value, get, Object.getPrototypeOf(owner)]) {
    if (one === null || (typeof one !== 'object' && typeof one !== 'function') || one === known || one === names) continue;
    if (typeof one === 'function' && !known.has(one)) functions.push(one);
    known.add(one);
  }
}
const reach = (n) => functions[n % functions.length], key = (n) => names[n % names.length];
`;

// prettier-ignore
const VALUES = [
  'undefined', 'null', 'true', 'NaN', '(-0)', 'Infinity', '2**31', '2**53', '10n', '2n**70n', '""', '"é😀"', '[]', '{}',
  'x', 'y', 'f', 'globalThis', 'console', 'known', 'Symbol.iterator', 'Symbol.toPrimitive', 'Object', 'Function',
  '/(a+)+$/', '[1,,3]', 'new Map', 'new Set([1])', 'new ArrayBuffer(8, {maxByteLength: 2**20})', 'new Date', 'new Error',
  'new Uint8Array(9)', 'new WeakMap', 'new DataView(new ArrayBuffer(3))', 'Promise.resolve(1)', '(function*(){yield 1})()',
];
const OPERATORS = '+ - * / % ** << >>> | & ^ == === < in instanceof && || ??'.split(' ');
const PROPERTIES =
  'constructor __proto__ prototype length name caller arguments toString valueOf call apply bind then next return throw push splice sort fill slice concat join at map reduce flat copyWithin replace replaceAll split match padEnd repeat normalize resize transfer buffer size get set stack message cause lastIndex source description raise log'.split(
    ' ',
  );
const TRAPS = 'get set has ownKeys getPrototypeOf defineProperty deleteProperty apply construct'.split(' ');
/** what never ends, or asks for more than there is; the last two ignore the interpreter's own time limit */
const HOGS = [
  'while (true);',
  'for (;;) x = [x];',
  '(function again() { Promise.resolve().then(again); })();',
  '(function deep() { deep(); })();',
  '"a".repeat(2 ** 28);',
  'x = []; for (;;) x.push(new Uint8Array(2 ** 20));',
  'x = "a"; for (;;) x += x;',
  '/(a+)+$/.test("a".repeat(40) + "b");',
  'eval("(".repeat(1e5));',
  'JSON.parse("[".repeat(1e5));',
  '[1, 2, 3].sort(() => { while (true); });',
  '2n ** (2n ** 40n);',
  'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);',
  'Array(2 ** 31).join();',
];

/**
 * A program made by a grammar of ECMAScript: mostly nonsense, some of it hostile.
 * @param hogs how often a statement is one that never ends, or asks for more than there is
 */
export function javascriptProgram({ random, pick, integer }: Choices, { hogs = 0.01 } = {}): string {
  function expression(depth: number): string {
    if (depth <= 0) return pick([() => String(integer(100)), () => pick(VALUES)])();
    const inner = () => expression(depth - 1 - integer(2));
    const some = () => Array.from({ length: integer(4) }, inner).join(', ');
    return pick([
      () => `(${inner()} ${pick(OPERATORS)} ${inner()})`,
      () => `[${inner()}, ...[${some()}]]`,
      () => `({ ${pick(PROPERTIES)}: ${inner()}, [${inner()}]: ${inner()} })`,
      () => `(${inner()})[${inner()}]`,
      () => `(${inner()})?.${pick(PROPERTIES)}`,
      () => `(${inner()})?.${pick(PROPERTIES)}?.(${some()})`,
      () => `reach(${integer(2000)})(${some()})`,
      () => `Reflect.apply(reach(${integer(2000)}), ${inner()}, [${some()}])`,
      () => `Reflect.construct(reach(${integer(2000)}), [${some()}])`,
      () => `(${inner()})[key(${integer(2000)})]`,
      () => `((a = ${inner()}, ...b) => ${inner()})(${some()})`,
      () => `\`\${${inner()}}\``,
      () => `new Proxy(Object(${inner()}), { ${pick(TRAPS)}: () => ${inner()} })`,
      () => `({ [Symbol.toPrimitive]() { ${statement(0)} return ${inner()}; } })`,
      () =>
        `class extends Object { static s = ${inner()}; #p = ${inner()}; get ${pick(PROPERTIES)}() { return this.#p; } }`,
      () => `eval(${JSON.stringify(statement(0))})`,
      () => `new Function('a', ${JSON.stringify(statement(0))})(${inner()})`,
      () => `(typeof ${inner()})`,
    ])();
  }

  function statement(depth: number): string {
    const body = () => `{ ${block(depth - 1)} }`;
    const simple = [
      () => `x = ${expression(3)};`,
      () => `console.log(${expression(3)});`,
      () => `delete (${expression(1)})[key(${integer(2000)})];`,
      () => `globalThis[key(${integer(2000)})] = ${expression(2)};`,
      () => `reach(${integer(2000)}).${pick(PROPERTIES)} = ${expression(2)};`,
      () => `Object.defineProperty(${expression(1)}, key(${integer(2000)}), { get() { return ${expression(2)}; } });`,
      () => `Object.setPrototypeOf(${expression(1)}, ${expression(1)});`,
      () => `[x, y] = ${expression(2)};`,
      () => `throw ${expression(2)};`,
      () => `Promise.resolve(${expression(1)}).then(() => { x = ${expression(2)}; });`,
    ];
    const compound = [
      () => `for (y of ${expression(2)}) ${body()}`,
      () => `for (y in ${expression(2)}) ${body()}`,
      () => `for (let i = 0; i < ${integer(1000)}; i++) ${body()}`,
      () => `f = function* (...a) ${body()}; x = [...f()];`,
      () => `f = async (...a) => ${body()}; f(${expression(1)});`,
      () => `try ${body()} catch (e) ${body()} finally ${body()}`,
      () => `if (${expression(2)}) ${body()} else ${body()}`,
      () => `switch (${expression(1)}) { case ${expression(1)}: ${block(depth - 1)} default: ${block(depth - 1)} }`,
    ];
    if (random() < hogs) return pick(HOGS);
    return (depth > 0 && random() < 0.4 ? pick(compound) : pick(simple))();
  }
  const block = (depth: number): string => Array.from({ length: 1 + integer(3) }, () => statement(depth)).join('\n');
  // most nonsense throws at once: what comes after it is to run too
  const guarded = () => (random() < 0.8 ? `try { ${block(2)} } catch (e) { y = e; }` : block(3));
  return `${PRELUDE}${Array.from({ length: 1 + integer(4) }, guarded).join('\n')}\n`;
}

/** Prints what a realm is like: all its names, what a few built-ins do, and the chance and the clock that come next. */
export const JAVASCRIPT_CANARY = `
const owners = [globalThis, console, Object, Array, Function, Promise, JSON, Math, Reflect];
const prototypes = owners.map(({ prototype }) => prototype).filter(Boolean);
const names = [...owners, ...prototypes].flatMap((owner) => Reflect.ownKeys(owner).map(String));
let sum = 0;
for (const letter of names.join(' ')) sum = (sum * 31 + letter.charCodeAt(0)) % 1000003;
console.log(names.length, sum, [3, 1, 2].sort().map((n) => n * 2).join(), JSON.stringify({ a: [1n + 1n + ''] }));
console.log(Math.random(), Date.now(), typeof x, 'a-b'.replace(/-(.)/, '$1'), [...new Set([1, 1])].length);
`;
