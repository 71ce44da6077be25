// @ts-check
import { FUEL, readDylink, rewriteLibrary, TICK } from './wasm-binary.mjs';

/**
 * The dynamic linker: puts the compiled libraries of packages (numpy's, say) beside Python, in its memory and its table
 * of functions. All are linked before the first program, when the image is built; workers repeat what was decided then.
 *
 * A library is WebAssembly like Python itself: it can call the functions of Python and of other libraries, and the
 * imports in imports.mjs, nothing else; its loops tick. A program cannot add one: `dlopen` knows only those linked here.
 *
 * @typedef {object} Library what is kept of one in the snapshot
 * @property {string} path in the sandbox
 * @property {number} memoryBase where its data stand
 * @property {number} tableBase where its functions stand
 * @property {number} tableSize
 * @property {Record<string, number>} addresses of the data and functions it uses by address (`GOT.mem.PyExc_ValueError`)
 * @property {[owner: string | null, name: string][]} slots functions that were put into the table after its own
 * @property {Record<string, number>} starts where in the table its `PyInit_…` stand
 *
 * @typedef {{ path: string, bytes: Uint8Array }} LibraryFile as it comes in a wheel
 * @typedef {{ path: string, module: WebAssembly.Module }} CompiledLibrary
 */

/** Exports of Python that libraries are linked with, besides the functions they call. */
export const LINKER_EXPORTS = ['__stack_pointer', '__cpp_exception', '__c_longjmp'];

/**
 * @param {object} host
 * @param {Record<string, any>} host.python exports of Python
 * @param {(name: string) => Function} host.importOf
 * @param {(fuel: WebAssembly.Global) => void} host.attachFuel
 */
export function createLinker({ python, importOf, attachFuel }) {
  /** @type {WebAssembly.Table} */
  const table = python['__indirect_function_table'];
  /** @type {Map<string, { exports: Record<string, any>, memoryBase: number, starts: Record<string, number> }>} */
  const linked = new Map();
  /** @type {Set<string>} */
  const used = new Set();
  // what ticks stands first after Python's own functions
  const tickSlot = table.grow(1);
  table.set(tickSlot, python[TICK]);
  /** where each function stands in the table, as far as it was looked at */
  /** @type {Map<Function, number>} */
  const slots = new Map();
  let seen = 0;

  /** Whoever exports it: Python, the libraries linked so far in their order. @param {string} name @returns {{ owner: string | null, value: any, base: number } | undefined} */
  function find(name) {
    if (Object.hasOwn(python, name)) {
      used.add(name);
      return { owner: null, value: python[name], base: 0 };
    }
    for (const [owner, { exports, memoryBase }] of linked) {
      if (Object.hasOwn(exports, name)) return { owner, value: exports[name], base: memoryBase };
    }
    return undefined;
  }

  /**
   * @param {CompiledLibrary} library
   * @param {{ memoryBase: number, tableBase: number, addressOf: (kind: string, name: string) => number }} places
   */
  function instantiate({ path, module }, { memoryBase, tableBase, addressOf }) {
    /** @type {Record<string, any>} */
    let own = {};
    /** @type {WebAssembly.Imports} */
    const imports = {};
    /** @type {{ kind: string, name: string, global: WebAssembly.Global }[]} */
    const offsets = [];
    for (const { module: namespace, name, kind } of WebAssembly.Module.imports(module)) {
      const target = (imports[namespace] ??= {});
      if (namespace === 'GOT.mem' || namespace === 'GOT.func') {
        const global = new WebAssembly.Global({ value: 'i32', mutable: true }, 0);
        offsets.push({ kind: namespace, name, global });
        target[name] = global;
      } else if (name === '__memory_base') target[name] = new WebAssembly.Global({ value: 'i32' }, memoryBase);
      else if (name === '__table_base') target[name] = new WebAssembly.Global({ value: 'i32' }, tableBase);
      else if (kind !== 'function') target[name] = find(name)?.value;
      else {
        // a C++ library may import what it exports itself: it is there once the instance is
        const itself = (/** @type {any[]} */ ...args) =>
          (Object.hasOwn(own, name) ? own[name] : importOf(name))(...args);
        target[name] = find(name)?.value ?? itself;
      }
    }
    own = new WebAssembly.Instance(module, imports).exports;
    attachFuel(own[FUEL]);
    const entry = { exports: own, memoryBase, starts: {} };
    linked.set(path, entry);
    for (const { kind, name, global } of offsets) global.value = addressOf(kind, name);
    return entry;
  }

  /** @type {(exports: Record<string, any>) => WebAssembly.Global[]} */
  const mutableGlobals = (exports) => {
    const found = [];
    while (exports[`global${found.length}`]) found.push(exports[`global${found.length}`]);
    return found;
  };

  return {
    /**
     * Links a library for the first time: finds room for it, looks up all names, runs its constructors.
     * @param {LibraryFile} file
     * @returns {{ library: Library, wasm: Uint8Array }} what `relink` needs
     */
    link({ path, bytes }) {
      const { memoryBytes, memoryAlignment, tableSize } = readDylink(bytes);
      const wasm = rewriteLibrary(bytes, { tickSlot });
      const room = python['calloc'](memoryBytes + memoryAlignment, 1);
      if (!room) throw new Error(`there is no memory left for ${path} (${memoryBytes} bytes)`);
      const memoryBase = Math.ceil(room / memoryAlignment) * memoryAlignment;
      /** @type {Library} */
      const library = {
        path,
        memoryBase,
        tableBase: table.grow(tableSize),
        tableSize,
        addresses: {},
        slots: [],
        starts: {},
      };
      /** @type {(found: { owner: string | null, value: Function }, name: string) => number} */
      const slotOf = ({ owner, value }, name) => {
        for (; seen < table.length; seen += 1) {
          const known = table.get(seen);
          if (known && !slots.has(known)) slots.set(known, seen);
        }
        const slot = slots.get(value);
        if (slot !== undefined) return slot;
        library.slots.push([owner, name]);
        table.set(table.grow(1), value);
        return table.length - 1;
      };
      const addressOf = (/** @type {string} */ kind, /** @type {string} */ name) => {
        const found = find(name);
        // a weak symbol that nobody has stays 0
        const address = !found ? 0 : kind === 'GOT.mem' ? found.value.value + found.base : slotOf(found, name);
        library.addresses[`${kind}.${name}`] = address;
        return address;
      };
      const module = new WebAssembly.Module(wasm);
      const entry = instantiate({ path, module }, { ...library, addressOf });
      for (const [name, value] of Object.entries(entry.exports)) {
        if (name.startsWith('PyInit_')) library.starts[name] = slotOf({ owner: path, value }, name);
      }
      entry.starts = library.starts;
      entry.exports['__wasm_apply_data_relocs']?.();
      entry.exports['__wasm_call_ctors']?.();
      return { library, wasm };
    },

    /** Puts a library where it was when the image was built; memory comes from the snapshot. @param {Library} library @param {WebAssembly.Module} module */
    relink(library, module) {
      const { path, tableBase, tableSize, addresses: known, slots, starts } = library;
      if (table.grow(tableSize) !== tableBase) throw new Error(`${path}: the table is not as it was in the image`);
      const addressOf = (/** @type {string} */ kind, /** @type {string} */ name) => known[`${kind}.${name}`] ?? 0;
      const entry = instantiate({ path, module }, { ...library, addressOf });
      entry.starts = starts;
      for (const [owner, name] of slots) {
        const value = owner === null ? python[name] : linked.get(owner)?.exports[name];
        table.set(table.grow(1), value);
      }
    },

    /** Mutable globals of Python and all libraries, in order. */
    globals: () => [python, ...[...linked.values()].map(({ exports }) => exports)].flatMap(mutableGlobals),
    /** Exports of Python that the libraries use. */
    used: () => [...used],
    /** @type {(path: string) => boolean} */
    has: (path) => linked.has(path),
    /** @type {(path: string, name: string) => number} 0: there is none */
    symbol: (path, name) => {
      const starts = linked.get(path)?.starts ?? {};
      return Object.hasOwn(starts, name) ? (starts[name] ?? 0) : 0;
    },
  };
}

/**
 * In the order in which they can be linked: each after those it needs, which may stand in any wheel.
 * @param {readonly LibraryFile[]} files
 * @returns {LibraryFile[]}
 */
export function inLinkOrder(files) {
  const nameOf = (/** @type {string} */ path) => path.slice(path.lastIndexOf('/') + 1);
  const byName = new Map(files.map((file) => [nameOf(file.path), file]));
  /** @type {Set<LibraryFile>} */
  const ordered = new Set();
  const neededBy = (/** @type {LibraryFile} */ { path, bytes }) => {
    try {
      return readDylink(bytes).needed;
    } catch (error) {
      throw new Error(`${path} is no shared library of WebAssembly`, { cause: error });
    }
  };
  /** @type {(file: LibraryFile, askedBy: readonly LibraryFile[]) => void} */
  const add = (file, askedBy) => {
    if (ordered.has(file) || askedBy.includes(file)) return;
    for (const needed of neededBy(file)) {
      const found = byName.get(nameOf(needed));
      if (!found) throw new Error(`${file.path} needs the shared library ${needed}, which is in none of the packages`);
      add(found, [...askedBy, file]);
    }
    ordered.add(file);
  };
  for (const file of files) add(file, []);
  return [...ordered];
}
