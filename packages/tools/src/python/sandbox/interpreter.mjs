// @ts-check
import { createClock, SandboxStop } from './clock.mjs';
import { createFileSystem } from './filesystem.mjs';
import { createImports } from './imports.mjs';
import { createLinker, inLinkOrder, LINKER_EXPORTS } from './libraries.mjs';
import { createMemoryView } from './memory.mjs';
import { PRELUDE } from './prelude.mjs';
import { decodeSnapshot, encodeSnapshot, stretchesOf } from './snapshot.mjs';
import { FUEL } from './wasm-binary.mjs';
import { zipEntries } from './zip.mjs';

const SITE_PACKAGES = '/lib/python3.14/site-packages';

/**
 * @typedef {object} InterpreterOptions
 * @property {WebAssembly.Module} module
 * @property {Uint8Array} stdlib the zip file of the standard library
 * @property {Buffer[]} wheels packages
 * @property {readonly WebAssembly.Module[]} [libraries] the compiled ones of the packages, as the snapshot has them
 * @property {readonly string[]} imports modules imported before the snapshot
 * @property {number} memoryLimitBytes
 * @property {number} fileLimitBytes
 * @property {(bytes: Uint8Array) => void} onOutput
 * @property {(bytes: Uint8Array) => void} fillRandom
 * @property {Snapshot} [snapshot] without it Python is initialised from nothing, in about a second
 *
 * @typedef {object} Snapshot the state of a fresh interpreter
 * @property {number} memoryBytes
 * @property {{ start: number, bytes: Uint8Array }[]} stretches what is not zero, in order
 * @property {number[]} globals values of the mutable globals, the stack pointer among them
 * @property {import('./libraries.mjs').Library[]} libraries
 * @property {number} run address of the Python function that runs a program
 *
 * @typedef {object} SessionState what a program left, compared with the snapshot
 * @property {number} memoryBytes
 * @property {{ start: number, bytes: Uint8Array }[]} stretches what changed
 * @property {number[]} globals
 * @property {ReturnType<import('./filesystem.mjs').FileSystem['save']>} files
 *
 * @typedef {object} RunSettings
 * @property {number} call which program of its session it is; 0: there is no session
 * @property {boolean} fresh nothing was loaded
 * @property {string} seed hexadecimal
 * @property {boolean} showValue
 * @property {readonly string[] | null} modules
 * @property {boolean} files
 */

/** CPython in WebAssembly: `pyodide.asm.wasm` without any of Pyodide's JavaScript. @param {InterpreterOptions} options */
export function createInterpreter({
  module,
  stdlib,
  wheels,
  libraries: libraryModules = [],
  imports: preloaded,
  memoryLimitBytes,
  fileLimitBytes,
  onOutput,
  fillRandom,
  snapshot,
}) {
  const memory = createMemoryView();
  /** @type {SandboxStop | undefined} */
  let stopped;
  /** @type {import('./clock.mjs').Stop} */
  const stop = (reason, detail) => {
    if (!stopped || reason === 'time-limit') stopped = new SandboxStop(reason, detail);
    throw stopped;
  };
  const clock = createClock(memory, stop);
  const files = createFileSystem({ fileLimitBytes, now: Date.now, onOutput });
  files.install('/lib/python314.zip', stdlib.length, () => stdlib);
  files.install('/lib/python3.14/lib-dynload/.keep', 0, () => stdlib);
  files.install(`${SITE_PACKAGES}/.keep`, 0, () => stdlib);
  const packaged = wheels.flatMap(zipEntries).map((entry) => ({ ...entry, path: `${SITE_PACKAGES}/${entry.name}` }));
  for (const { path, size, read } of packaged) files.install(path, size, read);

  let memoryRefused = false;
  let saving = false;
  /** @type {Function[]} */
  const tableCache = [];
  const importOf = createImports({
    memory,
    files,
    clock,
    stop,
    fillRandom,
    tableFunction: (index) => (tableCache[index] ??= /** @type {Function} */ (table.get(index))),
    heap: { malloc: (size) => exported.malloc(size), free: (pointer) => exported.free(pointer) },
    memoryLimit: () => (saving ? 0 : memoryLimitBytes),
    onMemoryRefused: () => (memoryRefused = true),
    libraries: { has: (path) => linker.has(path), symbol: (path, name) => linker.symbol(path, name) },
  });
  /** @type {WebAssembly.Imports} */
  const imports = {};
  for (const { module: namespace, name, kind } of WebAssembly.Module.imports(module)) {
    const target = (imports[namespace] ??= {});
    if (kind === 'function') target[name] = importOf(name);
    else if (kind === 'global') target[name] = new WebAssembly.Global({ value: 'i32', mutable: true }, 0);
    else throw new Error(`got an import of kind ${kind} (${namespace}.${name}), wanted functions and globals only`);
  }
  const instance = new WebAssembly.Instance(module, imports);
  const exported = /** @type {any} */ (instance.exports);
  /** @type {WebAssembly.Table} */
  const table = exported.__indirect_function_table;
  memory.attach(exported.memory);
  clock.attachFuel(exported[FUEL]);
  const linker = createLinker({ python: exported, importOf, attachFuel: clock.attachFuel });
  /** @type {Uint8Array[]} */
  const libraryFiles = [];

  /** @type {(text: string) => number} address of a new Python string */
  function newString(text) {
    const bytes = Buffer.from(text);
    const buffer = exported.malloc(bytes.length + 1);
    if (!buffer) return 0;
    memory.bytes.set(bytes, buffer);
    const string = exported.PyUnicode_DecodeUTF8(buffer, bytes.length, 0);
    exported.free(buffer);
    return string;
  }
  /** @type {(address: number) => string | undefined} */
  function readString(address) {
    const length = exported.malloc(4);
    const text = address && exported.PyUnicode_AsUTF8AndSize(address, length);
    return text ? Buffer.from(memory.slice(text, memory.view.getUint32(length, true))).toString() : undefined;
  }

  /** Initialises Python and gives the address of its `run` function. */
  function initialise() {
    exported.__wasm_call_ctors();
    exported.Py_InitializeEx(0);
    const compiled = packaged.filter(({ name }) => name.endsWith('.so'));
    const libraries = inLinkOrder(compiled.map(({ path, read }) => ({ path, bytes: read() }))).map((file) => {
      const { library, wasm } = linker.link(file);
      libraryFiles.push(wasm);
      return library;
    });
    for (const source of [...preloaded.map((name) => `import ${name}`), PRELUDE]) {
      const failed = withText(source, (pointer) => exported.PyRun_SimpleStringFlags(pointer, 0)) !== 0;
      if (failed) throw new Error(`Python could not run ${source.slice(0, 60).trim()}`);
    }
    memory.view.setInt32(exported.Py_EMSCRIPTEN_SIGNAL_HANDLING.value, 1, true);
    const sys = withText('sys', exported.PyImport_ImportModule);
    const run = withText('_run', (name) => exported.PyObject_GetAttrString(sys, name));
    withText('_run', (name) => exported.PyObject_SetAttrString(sys, name, 0));
    return { run, libraries };
  }

  /** @type {(text: string, use: (pointer: number) => number) => number} */
  function withText(text, use) {
    const room = Buffer.byteLength(text) + 1;
    const pointer = exported.malloc(room);
    memory.writeText(text, pointer, room);
    const result = use(pointer);
    exported.free(pointer);
    return result;
  }

  const initial = snapshot ? relinked(snapshot) : takeSnapshot();
  const globals = linker.globals();
  restore();

  /** What was freed still stands in memory: as zeros it need not be saved. Takes all free blocks, without growing, and gives them back. @param {number} timeLimitMs */
  function clearFreeMemory(timeLimitMs) {
    saving = true;
    clock.start(timeLimitMs);
    try {
      const blocks = [];
      for (let size = 1 << 24; size >= 1 << 14;) {
        const block = exported.malloc(size) >>> 0;
        if (block) {
          memory.bytes.fill(0, block, block + size);
          blocks.push(block);
        } else size /= 2;
      }
      for (const block of blocks) exported.free(block);
    } finally {
      clock.stop();
      saving = false;
    }
  }

  /** @param {Snapshot} image */
  function relinked(image) {
    memory.grow(image.memoryBytes); // instances write their initial data, which `restore` overwrites
    image.libraries.forEach((library, index) => {
      const compiled = libraryModules[index];
      if (!compiled) throw new Error(`${library.path} is missing in the image`);
      linker.relink(library, compiled);
    });
    return image;
  }

  /** @returns {Snapshot} */
  function takeSnapshot() {
    const { run, libraries } = initialise();
    clearFreeMemory(Infinity);
    const { bytes } = memory;
    const values = linker.globals().map((global) => global.value);
    return { memoryBytes: bytes.length, stretches: stretchesOf(bytes), globals: values, libraries, run };
  }

  function restore() {
    memory.grow(initial.memoryBytes);
    const { bytes } = memory;
    let end = 0;
    for (const { start, bytes: clean } of initial.stretches) {
      bytes.fill(0, end, start);
      bytes.set(clean, start);
      end = start + clean.length;
    }
    bytes.fill(0, end);
    globals.forEach((global, index) => (global.value = initial.globals[index] ?? 0));
    files.reset();
  }

  return {
    /** The state to start other interpreters from. */
    snapshot: initial,
    /** What else an image needs: the libraries as rewritten, and the exports of Python that workers use. */
    libraryFiles,
    exportsInUse: () => [...EXPORTS_IN_USE, ...(libraryFiles.length > 0 ? [...LINKER_EXPORTS, ...linker.used()] : [])],

    /**
     * Runs one program. The interpreter is dirty afterwards: `reset` before the next one.
     * @param {string} source @param {RunSettings} settings @param {number} timeLimitMs
     * @returns {{ outcome: string, value: string | null, error: string | null }}
     * @throws SandboxStop at the time limit, when the program ends the process or calls what is denied; whatever WebAssembly throws
     */
    run(source, settings, timeLimitMs) {
      memoryRefused = false;
      stopped = undefined;
      clock.start(timeLimitMs);
      let result, failure;
      try {
        const parameters = exported.malloc(8);
        memory.view.setUint32(parameters, newString(source), true);
        memory.view.setUint32(parameters + 4, newString(JSON.stringify(settings)), true);
        result = readString(exported.PyObject_Vectorcall(initial.run, parameters, 2, 0));
      } catch (error) {
        failure = error;
      }
      clock.stop();
      // a stop counts even if a library caught it
      if (stopped || failure) throw stopped ?? failure;
      // no result: the program took apart what runs it (`gc`, `sys.settrace`, patched built-ins)
      return result === undefined ? { outcome: 'exception', value: null, error: null } : JSON.parse(result);
    },

    /** Puts memory, stack and files back as they were. */
    reset: restore,

    /** What the program left, for `load` in this process or another of the same image. @returns {Buffer} */
    save() {
      clearFreeMemory(1000); // a heap that hostile code has broken may be a circle
      const { bytes } = memory;
      /** @type {SessionState} */
      const state = {
        memoryBytes: bytes.length,
        stretches: stretchesOf(bytes, initial.stretches),
        globals: globals.map((global) => global.value),
        files: files.save(),
      };
      return encodeSnapshot(state);
    },

    /** Goes on from a saved state; the interpreter must be as `reset` leaves it. @param {Buffer} saved */
    load(saved) {
      /** @type {SessionState} */
      const state = decodeSnapshot(saved);
      if (!memory.grow(state.memoryBytes)) throw new Error('there is no memory for the saved state');
      for (const { start, bytes } of state.stretches) memory.bytes.set(bytes, start);
      globals.forEach((global, index) => (global.value = state.globals[index] ?? 0));
      files.load(state.files);
    },

    get memoryRefused() {
      return memoryRefused;
    },
    get memoryBytes() {
      return memory.bytes.length;
    },
  };
}

/** @typedef {ReturnType<typeof createInterpreter>} Interpreter */

/** What is used of the WebAssembly exports once Python is initialised. */
const EXPORTS_IN_USE = [
  'memory',
  '__indirect_function_table',
  'malloc',
  'free',
  'PyUnicode_DecodeUTF8',
  'PyUnicode_AsUTF8AndSize',
  'PyObject_Vectorcall',
];
