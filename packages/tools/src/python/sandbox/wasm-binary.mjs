// @ts-check
import { meterLoops } from './wasm-code.mjs';
import { createReader, name, unsigned, vector } from './wasm-encoding.mjs';

const IMPORT = 2;
const MEMORY = 5;
const GLOBAL = 6;
const EXPORT = 7;
const CODE = 10;
const DATA = 11;
const DATA_COUNT = 12;
const PAGE_BYTES = 65_536;

/** The import that takes no argument, gives no result and has no use here: metered loops call it. */
export const TICK_IMPORT = 'emscripten_runtime_keepalive_push';
/** Exported name of the counter of loop turns left until the next tick. */
export const FUEL = 'fuel';

/**
 * The WebAssembly file, changed in four ways:
 * - its memory's maximum is lowered, so that the engine itself refuses to grow beyond it
 * - every loop counts its turns and calls `TICK_IMPORT` when the counter `FUEL` has run out, so that no program can run
 *   on after its deadline, whatever it does: `sum(range(10**12))` never comes near the interpreter's own checks
 * - all mutable globals are exported (`global0`, …), so that they can be saved and restored
 * - with `only`: other exports are dropped, and so is the initial data, which a memory snapshot replaces
 *
 * @param {Uint8Array} wasm
 * @param {{ memoryLimitBytes: number, only?: readonly string[] }} options
 */
export function rewriteWasm(wasm, { memoryLimitBytes, only }) {
  const all = [...sections(wasm)];
  const bodyOf = (/** @type {number} */ id) => {
    const found = all.find((section) => section.id === id);
    if (!found) throw new Error(`got a WebAssembly file without section ${id}`);
    return wasm.subarray(found.body, found.end);
  };
  const { functionIndex: tick, importedGlobals } = readImports(bodyOf(IMPORT));
  const globals = readGlobals(bodyOf(GLOBAL));
  const fuel = importedGlobals + globals.count;
  const mutable = globals.mutable.map((index) => importedGlobals + index);

  /** @type {Record<number, (() => Uint8Array | number[]) | undefined>} */
  const changed = {
    [MEMORY]: () => limitedMemory(bodyOf(MEMORY), memoryLimitBytes),
    // one mutable i32 more, zero at the start
    [GLOBAL]: () =>
      Buffer.concat([Buffer.from(unsigned(globals.count + 1)), globals.entries, Buffer.from([0x7f, 1, 0x41, 0, 0x0b])]),
    [EXPORT]: () => {
      const kept = readExports(bodyOf(EXPORT)).filter((entry) => !only || only.includes(entry.name));
      const added = [
        { name: FUEL, index: fuel },
        ...mutable.map((index, order) => ({ name: `global${order}`, index })),
      ];
      return vector([
        ...kept.map((entry) => entry.bytes),
        ...added.map((entry) => [...name(entry.name), 3, ...unsigned(entry.index)]),
      ]);
    },
    [CODE]: () => meterLoops(bodyOf(CODE), { fuel, tick }),
    ...(only && { [DATA]: () => unsigned(0), [DATA_COUNT]: () => unsigned(0) }),
  };
  const parts = [wasm.subarray(0, 8)];
  for (const { id, start, end } of all) {
    const change = changed[id];
    if (!change) parts.push(wasm.subarray(start, end));
    else {
      const body = change();
      parts.push(Uint8Array.from([id, ...unsigned(body.length)]), Uint8Array.from(body));
    }
  }
  return Buffer.concat(parts);
}

/** @param {Uint8Array} wasm */
function* sections(wasm) {
  for (let start = 8; start < wasm.length;) {
    const reader = createReader(wasm, start + 1);
    const length = reader.unsigned();
    const end = reader.position + length;
    yield { id: /** @type {number} */ (wasm[start]), start, body: reader.position, end };
    start = end;
  }
}

/** @param {Uint8Array} body @param {number} memoryLimitBytes */
function limitedMemory(body, memoryLimitBytes) {
  const maximum = Math.floor(memoryLimitBytes / PAGE_BYTES);
  const reader = createReader(body);
  const [count, flags, minimum] = [reader.unsigned(), reader.unsigned(), reader.unsigned()];
  if (count !== 1 || flags !== 1)
    throw new Error(`got ${count} memories with flags ${flags}, wanted one with a maximum`);
  if (maximum < minimum) {
    const smallest = (minimum * PAGE_BYTES) / 2 ** 20;
    throw new RangeError(
      `memoryLimitBytes: got ${memoryLimitBytes}, wanted at least ${smallest} MB, which Python needs to start`,
    );
  }
  return [...unsigned(1), ...unsigned(1), ...unsigned(minimum), ...unsigned(maximum)];
}

/** Where `TICK_IMPORT` stands among the functions, and how many globals are imported. @param {Uint8Array} body */
function readImports(body) {
  const reader = createReader(body);
  let [functions, importedGlobals, functionIndex] = [0, 0, -1];
  for (let left = reader.unsigned(); left > 0; left -= 1) {
    reader.name();
    const field = reader.name();
    const kind = reader.byte();
    if (kind === 0) {
      reader.unsigned();
      if (field === TICK_IMPORT) functionIndex = functions;
      functions += 1;
    } else if (kind === 3) {
      reader.skip(2);
      importedGlobals += 1;
    } else throw new Error(`got an import of kind ${kind} (${field}), wanted functions and globals only`);
  }
  if (functionIndex < 0) throw new Error(`got a WebAssembly file that does not import ${TICK_IMPORT}`);
  return { functionIndex, importedGlobals };
}

/** @param {Uint8Array} body */
function readGlobals(body) {
  const reader = createReader(body);
  const count = reader.unsigned();
  const entries = body.subarray(reader.position);
  const mutable = [];
  for (let index = 0; index < count; index += 1) {
    reader.byte();
    if (reader.byte() === 1) mutable.push(index);
    reader.constantExpression();
  }
  return { count, entries, mutable };
}

/** @param {Uint8Array} body */
function readExports(body) {
  const reader = createReader(body);
  return Array.from({ length: reader.unsigned() }, () => {
    const start = reader.position;
    const exportName = reader.name();
    reader.byte();
    reader.unsigned();
    return { name: exportName, bytes: body.subarray(start, reader.position) };
  });
}
