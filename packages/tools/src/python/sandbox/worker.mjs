// @ts-check
import { createHash } from 'node:crypto';
import { readFileSync, readSync, writeSync } from 'node:fs';
import { SandboxStop } from './clock.mjs';
import { createInterpreter } from './interpreter.mjs';
import { createOutput } from './output.mjs';
import { decodeSnapshot, encodeSnapshot } from './snapshot.mjs';
import { rewriteWasm } from './wasm-binary.mjs';

/**
 * The child process: one interpreter, one channel (descriptor 3), one call at a time, everything synchronous. When the
 * parent goes away, the read of the next request ends and so does the process.
 *
 * Frames both ways: a 32-bit length (little endian), then as many bytes; JSON but for the parts of a new image.
 *
 * @typedef {object} WorkerConfig
 * @property {'build' | 'serve'} mode
 * @property {string} wasm path of `pyodide.asm.wasm`, or of the rewritten one of an image
 * @property {string} stdlib path of the zip file
 * @property {readonly string[]} wheels paths
 * @property {readonly string[]} imports modules that are part of the snapshot
 * @property {string} [snapshot] path
 * @property {readonly string[]} [libraries] paths of the rewritten libraries of an image, in its order
 * @property {number} memoryLimitBytes
 * @property {number} fileLimitBytes
 * @property {number} outputLength UTF-16 units that will be shown
 *
 * @typedef {object} Session part of a request: what the program leaves is kept
 * @property {boolean} goesOn the state of the call before follows in a frame of its own
 * @property {number} limitBytes larger states are not kept
 * @typedef {import('./interpreter.mjs').RunSettings & { source: string, timeLimitMs: number, deterministic: boolean, session: Session | null }} RunRequest
 *
 * @typedef {'kept' | 'undone' | 'too-large'} SessionEnd `kept`: the new state follows in a frame of its own
 * @typedef {{ outcome: string, stdout: string, value?: string | null, error?: string | null, durationMs: number, broken: boolean, session?: SessionEnd }} RunReply
 */
const CHANNEL = 3;

/** @type {WorkerConfig} */
const config = JSON.parse(process.argv[2] ?? '{}');
const output = createOutput(Math.max(65_536, config.outputLength * 4));
/** @type {(bytes: Uint8Array) => void} */
let fillRandom = (bytes) => void crypto.getRandomValues(bytes);

try {
  start();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  sendFrame(Buffer.from(JSON.stringify({ failed: `${message}\n${output.text()}`.trim() })));
  process.exit(1);
}

function start() {
  const file = readFileSync(config.wasm);
  const options = {
    module: new WebAssembly.Module(config.mode === 'build' ? rewriteWasm(file, config) : file),
    stdlib: readFileSync(config.stdlib),
    wheels: config.wheels.map((path) => readFileSync(path)),
    imports: config.imports,
    memoryLimitBytes: config.memoryLimitBytes,
    fileLimitBytes: config.fileLimitBytes,
    onOutput: output.write,
    fillRandom: (/** @type {Uint8Array} */ bytes) => fillRandom(bytes),
  };
  if (config.mode === 'serve') {
    const snapshot = decodeSnapshot(readFileSync(/** @type {string} */ (config.snapshot)));
    const libraries = (config.libraries ?? []).map((path) => new WebAssembly.Module(readFileSync(path)));
    serve(() => createInterpreter({ ...options, snapshot, libraries }));
    return;
  }
  const { snapshot, libraryFiles, exportsInUse } = createInterpreter(options);
  sendFrame(rewriteWasm(file, { ...config, only: exportsInUse() }));
  sendFrame(encodeSnapshot(snapshot));
  for (const library of libraryFiles) sendFrame(library);
}

/** @param {() => import('./interpreter.mjs').Interpreter} create */
function serve(create) {
  let interpreter = create();
  lock();
  warmUp(interpreter);
  sendFrame(Buffer.from(JSON.stringify({ ready: true })));
  for (let frame = receiveFrame(); frame; frame = receiveFrame()) {
    /** @type {RunRequest} */
    const { session, ...program } = JSON.parse(frame.toString());
    const before = session?.goesOn ? receiveFrame() : undefined;
    if (before) interpreter.load(before);
    const { completed, trapped, ...reply } = run(interpreter, program);
    const state = session && completed ? save(interpreter) : undefined;
    if (session) {
      const kept = state && state.length <= session.limitBytes;
      reply.session = kept ? 'kept' : state ? 'too-large' : 'undone';
    }
    sendFrame(Buffer.from(JSON.stringify(reply)));
    if (state && reply.session === 'kept') sendFrame(state);
    // whoever got as far as an import no program calls, or an error in one of ours, gets no second try
    if (reply.broken) process.exit(1);
    // a trap spoils nothing but its instance; and memory cannot shrink: after much growth a new one is cheaper than clearing it
    const renew = trapped || interpreter.memoryBytes > 2 * interpreter.snapshot.memoryBytes;
    if (renew) interpreter = create();
    else interpreter.reset();
  }
  process.exit(0);
}

/** @param {import('./interpreter.mjs').Interpreter} interpreter @returns {Buffer | undefined} nothing if hostile code left what cannot be saved */
function save(interpreter) {
  try {
    return interpreter.save();
  } catch {
    return undefined;
  }
}

/** Runs what many programs use, so that the engine has compiled it before the first call. @param {import('./interpreter.mjs').Interpreter} interpreter */
function warmUp(interpreter) {
  const source = `
import math, re, json, collections, itertools
class Point:
    def __init__(self, x): self.x = x
def square(n): return n * n
print(sum(square(i) for i in range(100)), f"{math.pi:.3f}", sorted({3: "a", 1: "b"}.items()), 2 ** 100, 10 / 4)
for word in re.findall("[a-z]+", "one two"): print(word.upper(), len(word), Point(1).x)
json.dumps({"a": [1, 2.5, None]})
raise ValueError("done")`;
  run(interpreter, {
    source,
    timeLimitMs: 5000,
    deterministic: false,
    seed: '00',
    showValue: true,
    modules: null,
    files: true,
    call: 0,
    fresh: true,
  });
  interpreter.reset();
}

/** Takes from the process what nothing here needs any more: a last obstacle for whoever might come out of WebAssembly. */
function lock() {
  for (const key of ['binding', '_linkedBinding', 'dlopen', 'getBuiltinModule', 'kill', 'chdir', 'env']) {
    Reflect.deleteProperty(process, key);
  }
  for (const key of ['fetch', 'WebSocket', 'Request', 'Response', 'eval', 'Function', 'setTimeout', 'setInterval']) {
    Reflect.deleteProperty(globalThis, key);
  }
}

/** @param {import('./interpreter.mjs').Interpreter} interpreter @param {Omit<RunRequest, 'session'>} program @returns {RunReply & { completed: boolean, trapped: boolean }} `completed`: Python came to its end, by an exception or not; `trapped`: WebAssembly stopped it (out of bounds, unreachable, a wrong function type) */
function run(interpreter, { source, timeLimitMs, deterministic, ...settings }) {
  output.reset();
  fillRandom = deterministic ? seededRandom(settings.seed) : (bytes) => void crypto.getRandomValues(bytes);
  const started = performance.now();
  let [broken, completed, trapped] = [false, false, false];
  /** @type {Omit<RunReply, 'stdout' | 'durationMs' | 'broken'>} */
  let ending;
  try {
    ending = checkedEnding(interpreter.run(source, settings, timeLimitMs));
    completed = true;
  } catch (error) {
    if (error instanceof SandboxStop && error.reason === 'time-limit') ending = { outcome: 'time-limit' };
    else if (error instanceof SandboxStop && error.reason === 'exit') ending = exitEnding(error.message);
    else if (error instanceof RangeError && /call stack/.test(error.message)) ending = { outcome: 'stack-limit' };
    else {
      ending = { outcome: interpreter.memoryRefused ? 'memory-limit' : 'crashed' };
      trapped = error instanceof WebAssembly.RuntimeError;
      broken = !trapped;
    }
  }
  return { ...ending, stdout: output.text(), durationMs: performance.now() - started, broken, completed, trapped };
}

/** What Python says of a run, of which hostile code may have written every word. @param {Record<string, unknown>} ending */
function checkedEnding({ outcome, value, error }) {
  return {
    outcome: outcome === 'finished' || outcome === 'memory-limit' || outcome === 'stack-limit' ? outcome : 'exception',
    value: typeof value === 'string' ? value : null,
    error: typeof error === 'string' ? error : null,
  };
}

/** @param {string} status @returns {{ outcome: string, error?: string }} */
function exitEnding(status) {
  if (status === '0') return { outcome: 'finished' };
  return { outcome: 'exception', error: `The program ended the interpreter with exit status ${status}.` };
}

/** A reproducible stream of bytes. @param {string} seed @returns {(bytes: Uint8Array) => void} */
function seededRandom(seed) {
  let block = 0;
  return (bytes) => {
    for (let start = 0; start < bytes.length; start += 32) {
      const digest = createHash('sha256').update(`${seed}:${block++}`).digest();
      bytes.set(digest.subarray(0, bytes.length - start), start);
    }
  };
}

/** @param {Uint8Array} body */
function sendFrame(body) {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(body.length);
  const frame = body.length < 65_536 ? [Buffer.concat([header, body])] : [header, body];
  for (const part of frame) {
    for (let sent = 0; sent < part.length;) sent += writeSync(CHANNEL, part, sent);
  }
}

/** The next frame, or nothing when the parent has closed the channel or died. @returns {Buffer | undefined} */
function receiveFrame() {
  const header = receiveBytes(4);
  return header && receiveBytes(header.readUInt32LE());
}

/** @param {number} length @returns {Buffer | undefined} */
function receiveBytes(length) {
  const bytes = Buffer.allocUnsafe(length);
  for (let got = 0; got < length;) {
    let count = 0;
    try {
      count = readSync(CHANNEL, bytes, got, length - got, null);
    } catch {
      return undefined;
    }
    if (count === 0) return undefined;
    got += count;
  }
  return bytes;
}
