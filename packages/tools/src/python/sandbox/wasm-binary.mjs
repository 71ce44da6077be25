// @ts-check
import { callFunction, callSlot, meterLoops } from './wasm-code.mjs';
import { createReader, name, unsigned, vector } from './wasm-encoding.mjs';

const [CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const [CODE, DATA, DATA_COUNT, TAG] = [10, 11, 12, 13];
/** in which sections stand in a file */
const ORDER = [TYPE, IMPORT, FUNCTION, TABLE, MEMORY, TAG, GLOBAL, EXPORT, START, ELEMENT, DATA_COUNT, CODE, DATA];
const PAGE_BYTES = 65_536;

/** The import that takes no argument, gives no result and has no use here: metered loops call it. */
export const TICK_IMPORT = 'emscripten_runtime_keepalive_push';
/** Exported name of the counter of loop turns left until the next tick. */
export const FUEL = 'fuel';
/** Exported name of `TICK_IMPORT` as a WebAssembly function, which can stand in the table for libraries to call. */
export const TICK = 'tick';

/**
 * The WebAssembly file, changed in four ways:
 * - its memory's maximum is lowered, so that the engine itself refuses to grow beyond it
 * - every loop counts its turns and calls `TICK_IMPORT` when the counter `FUEL` has run out, so that no program can run
 *   on after its deadline, whatever it does: `sum(range(10**12))` never comes near the interpreter's own checks
 * - all mutable globals are exported (`global0`, …), so that they can be saved and restored, and so is the tick
 * - with `only`: other exports are dropped, and so is the initial data, which a memory snapshot replaces
 *
 * @param {Uint8Array} wasm
 * @param {{ memoryLimitBytes: number, only?: readonly string[] }} options
 */
export function rewriteWasm(wasm, { memoryLimitBytes, only }) {
  const all = [...sections(wasm)];
  const bodyOf = bodiesIn(wasm, all);
  const { functionIndex, importedGlobals, onlyPlain } = readImports(bodyOf(IMPORT));
  if (functionIndex < 0) throw new Error(`got a WebAssembly file that does not import ${TICK_IMPORT}`);
  if (!onlyPlain) throw new Error('got an import of another kind, wanted functions and globals only');
  const globals = readGlobals(bodyOf(GLOBAL));
  const fuel = importedGlobals + globals.count;
  const kept = readExports(bodyOf(EXPORT)).filter((entry) => !only || only.includes(entry.name));

  return replaceSections(wasm, all, {
    [MEMORY]: limitedMemory(bodyOf(MEMORY), memoryLimitBytes),
    [GLOBAL]: withFuel(globals),
    [EXPORT]: vector([
      ...kept.map((entry) => entry.bytes),
      ...addedExports(globals, importedGlobals),
      [...name(TICK), 0, ...unsigned(functionIndex)],
    ]),
    [CODE]: meterLoops(bodyOf(CODE), { fuel, tick: callFunction(functionIndex) }),
    ...(only && { [DATA]: unsigned(0), [DATA_COUNT]: unsigned(0) }),
  });
}

/**
 * A shared library of a package, changed in the same ways: loops tick by calling what stands at `tickSlot` of the table,
 * and mutable globals are exported. Its memory is Python's, whose maximum holds.
 *
 * @param {Uint8Array} wasm
 * @param {{ tickSlot: number }} options
 */
export function rewriteLibrary(wasm, { tickSlot }) {
  const all = [...sections(wasm)];
  const bodyOf = bodiesIn(wasm, all);
  const { importedGlobals } = readImports(bodyOf(IMPORT));
  const globals = readGlobals(bodyOf(GLOBAL));
  const types = readTypes(bodyOf(TYPE));
  return replaceSections(wasm, all, {
    [TYPE]: types.body,
    [GLOBAL]: withFuel(globals),
    [EXPORT]: vector([
      ...readExports(bodyOf(EXPORT)).map((entry) => entry.bytes),
      ...addedExports(globals, importedGlobals),
    ]),
    [CODE]: meterLoops(bodyOf(CODE), {
      fuel: importedGlobals + globals.count,
      tick: callSlot(tickSlot, types.plainIndex),
    }),
  });
}

/**
 * What a shared library needs of whoever loads it: its section `dylink.0`.
 * @param {Uint8Array} wasm
 * @returns {{ memoryBytes: number, memoryAlignment: number, tableSize: number, needed: string[] }}
 */
export function readDylink(wasm) {
  const [section] = sections(wasm);
  const reader = createReader(wasm, section?.body);
  if (section?.id !== CUSTOM || reader.name() !== 'dylink.0') {
    throw new Error('got a file that does not begin with the section "dylink.0"');
  }
  const found = { memoryBytes: 0, memoryAlignment: 1, tableSize: 0, needed: /** @type {string[]} */ ([]) };
  while (reader.position < section.end) {
    const [kind, length] = [reader.byte(), reader.unsigned()];
    const end = reader.position + length;
    if (kind === 1) {
      found.memoryBytes = reader.unsigned();
      found.memoryAlignment = 2 ** reader.unsigned();
      found.tableSize = reader.unsigned();
    } else if (kind === 2) found.needed = Array.from({ length: reader.unsigned() }, () => reader.name());
    reader.skip(end - reader.position);
  }
  return found;
}

/** @typedef {{ id: number, body: number, end: number }} Section */

/** @param {Uint8Array} wasm @param {Section[]} all @returns {(id: number) => Uint8Array} a section that is missing is an empty list */
function bodiesIn(wasm, all) {
  return (id) => {
    const found = all.find((section) => section.id === id);
    return found ? wasm.subarray(found.body, found.end) : Uint8Array.of(0);
  };
}

/** The file with some bodies changed and without custom sections. @param {Uint8Array} wasm @param {Section[]} all @param {Record<number, Uint8Array | number[]>} changed */
function replaceSections(wasm, all, changed) {
  const parts = [wasm.subarray(0, 8)];
  for (const id of ORDER) {
    const found = all.find((section) => section.id === id);
    const body = changed[id] ?? (found && wasm.subarray(found.body, found.end));
    if (body) parts.push(Uint8Array.from([id, ...unsigned(body.length)]), Uint8Array.from(body));
  }
  return Buffer.concat(parts);
}

/** @param {Uint8Array} wasm */
function* sections(wasm) {
  for (let start = 8; start < wasm.length;) {
    const reader = createReader(wasm, start + 1);
    const length = reader.unsigned();
    const end = reader.position + length;
    yield { id: /** @type {number} */ (wasm[start]), body: reader.position, end };
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
  let [functions, importedGlobals, functionIndex, onlyPlain] = [0, 0, -1, true];
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
    } else {
      onlyPlain = false;
      if (kind === 1 || kind === 4) reader.skip(1); // type of a table's elements, attribute of a tag
      if (kind === 4) reader.unsigned();
      else if (reader.unsigned() & 1) reader.skipNumbers(2);
      else reader.skipNumber();
    }
  }
  return { functionIndex, importedGlobals, onlyPlain };
}

/** Where the type () → () stands; it is added where there is none. @param {Uint8Array} body */
function readTypes(body) {
  const reader = createReader(body);
  const count = reader.unsigned();
  const entries = body.subarray(reader.position);
  for (let index = 0; index < count; index += 1) {
    const form = reader.byte();
    if (form !== 0x60) throw new Error(`got a type of the unknown form 0x${form.toString(16)}`);
    const parameters = reader.unsigned();
    reader.skip(parameters);
    const results = reader.unsigned();
    reader.skip(results);
    if (parameters === 0 && results === 0) return { body, plainIndex: index };
  }
  return {
    body: Buffer.concat([Buffer.from(unsigned(count + 1)), entries, Buffer.from([0x60, 0, 0])]),
    plainIndex: count,
  };
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

/** One mutable i32 more, zero at the start. @param {ReturnType<typeof readGlobals>} globals */
function withFuel({ count, entries }) {
  return Buffer.concat([Buffer.from(unsigned(count + 1)), entries, Buffer.from([0x7f, 1, 0x41, 0, 0x0b])]);
}

/** The fuel, and all mutable globals in order. @param {ReturnType<typeof readGlobals>} globals @param {number} imported */
function addedExports({ count, mutable }, imported) {
  const added = [{ name: FUEL, index: count }, ...mutable.map((index, order) => ({ name: `global${order}`, index }))];
  return added.map((entry) => [...name(entry.name), 3, ...unsigned(imported + entry.index)]);
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
