/*
 * Python for a policy: CPython compiled to WebAssembly (the binary of the npm package `pyodide`), each interpreter in a
 * process of its own. None of Pyodide's JavaScript is run, so there is no bridge to JavaScript to be closed.
 *
 * Covered, from the inside out:
 * - The wall: WebAssembly reaches nothing but its own memory and the functions it is given. Those are all in
 *   sandbox/imports.mjs, some 700 lines with the files: an in-memory file system, a coarse clock, random bytes.
 *   No host file, socket, process, thread, environment or JavaScript value is behind any of them. Python itself is not
 *   trusted: forged bytecode that writes anywhere in its memory gains nothing.
 * - Time: every loop of the binary counts its turns and looks at the clock (sandbox/wasm-code.mjs), so that nothing runs
 *   on past its deadline and nobody has to be killed; the parent kills whoever does not answer all the same.
 * - Memory: the engine refuses to grow beyond the limit; files, open files, names and output have limits of their own.
 * - Persistence: after every call the whole memory, the globals and the files are put back; calls cannot see each other.
 *   What a rollout keeps (`lifetime: 'rollout'`) goes into its own calls only, and only into that memory and those files.
 * - Compiled packages (sandbox/libraries.mjs): linked before the first program, with the same memory, imports and meter.
 * - The version: only the one WebAssembly binary these imports were written for, by its hash, with nothing unknown in it.
 * - Further layers: Node's permission model (no files but the sandbox's own, no processes, workers or addons), an empty
 *   environment, no descriptors but one channel, no eval; on Linux `prlimit` and `bwrap` where they are installed.
 *
 * Not covered:
 * - Errors in V8's WebAssembly or in the imports. Without `bwrap`, whoever breaks out of V8 has the network and may
 *   signal processes of the same user: Node's permission model stops neither.
 * - Time shared with other rollouts: a program can tell from its own speed how busy the machine is, to a millisecond.
 * - Who asks may use the processor for the whole time limit, call after call: limit the calls per rollout.
 * - What a program says of itself: its output, value and exception are its own, and it can write what it likes there.
 */
import { createHash, randomBytes } from 'node:crypto';
import { availableParallelism, homedir, totalmem } from 'node:os';
import { join } from 'node:path';
import { codeObservation } from '../code-observations.js';
import type { CodeOutcome } from '../code-observations.js';
import { ToolError } from '../tool.js';
import type { Tool } from '../tool.js';
import { loadImage } from './image.js';
import { findLayers } from './layers.js';
import { createPool } from './pool.js';
import { createSessions } from './sessions.js';
import { resolveWheels } from './wheels.js';
import type { PythonWheel } from './wheels.js';
import { SANDBOX_DIRECTORY, startWorker } from './worker-process.js';
import type { PythonWorker, RunReply, RunRequest } from './worker-process.js';

export type { PythonWheel };

export interface PythonOptions {
  name?: string;
  description?: string;
  /** programs at the same time, one process each (about 150 MB); default: one for each processor and 4 GB of memory, at most 8 */
  workers?: number;
  /** processes kept ready beyond that, to take the place of killed ones: as many kills at once are made up for at once */
  spares?: number;
  timeLimitMs?: number;
  /** Python's whole memory, about 25 MB of which are taken at the start */
  memoryLimitBytes?: number;
  /** files a program may write, in total */
  fileLimitBytes?: number;
  /** UTF-16 units of output shown; more is cut in the middle */
  maxOutputLength?: number;
  maxCallsPerRollout?: number;
  /**
   * `rollout`: variables, functions, imports and files are kept between the programs of a rollout, until `endRollout`.
   * What one leaves is saved when it ends and put into whatever worker runs the next: no worker belongs to a rollout,
   * and a program that is cut off at a limit leaves everything as it was before. The time limit stays one for each program.
   */
  lifetime?: 'call' | 'rollout';
  /** of what a rollout keeps; a program that leaves more is undone */
  keptLimitBytes?: number;
  /** show the value of a last expression when nothing was printed */
  showValue?: boolean;
  /** only these modules can be imported by a program; default: the standard library and `packages` */
  modules?: readonly string[] | undefined;
  /**
   * packages to load beside the standard library: names of Pyodide's distribution, whose files are taken from
   * `packageSource`, or wheels with their hash. Pure Python only. Imported ahead of time.
   */
  packages?: readonly (string | PythonWheel)[];
  /** directory or https URL with the wheels of Pyodide's distribution, for the names in `packages` */
  packageSource?: string | undefined;
  /** false: no `open` */
  files?: boolean;
  /** makes `random`, `os.urandom` and `uuid` repeat: the same for the n-th call of a rollout with the same id */
  seed?: number | string | undefined;
  /** what the operating system adds around the processes: `auto` takes what is installed and works (Linux: prlimit, bwrap) */
  layers?: 'auto' | 'none';
  /** where the memory image is kept between runs; where it cannot be written, a temporary directory is used */
  cacheDirectory?: string;
  /** told when the image has to be built, which takes seconds */
  onProgress?: ((message: string) => void) | undefined;
}

export interface PythonTool extends Tool<string, string> {
  /**
   * Resolves when the first interpreter is there. Calls wait for it by themselves; whoever wants to know of a missing
   * package or a full disk before the first call waits here.
   * @throws Error that says what is missing and what to do
   */
  ready(): Promise<void>;
  /** interpreters started so far, ready, on their way and at work; rollouts known, and what they keep */
  readonly stats: {
    started: number;
    idle: number;
    starting: number;
    busy: number;
    sessions: number;
    stateBytes: number;
  };
}

/** beyond the time limit, which the worker watches itself, with room for a busy machine; then it is killed */
const KILL_GRACE_MS = 1000;

/**
 * A pool of Python interpreters as a tool. It starts at once, in the background; the first call waits for it. Every call
 * sees a fresh interpreter, and throws `ToolError` with the observation when it ends other than well.
 */
export function createPython({
  name = 'code',
  description = 'runs a Python program and gives what it prints',
  workers = defaultWorkers(),
  spares = Math.ceil(workers / 2),
  timeLimitMs = 2000,
  memoryLimitBytes = 256 * 2 ** 20,
  fileLimitBytes = 32 * 2 ** 20,
  maxOutputLength = 2000,
  maxCallsPerRollout = 100,
  lifetime = 'call',
  keptLimitBytes = 32 * 2 ** 20,
  showValue = true,
  modules,
  packages = [],
  packageSource,
  files = true,
  seed,
  layers = 'auto',
  cacheDirectory = join(homedir(), '.cache', 'tapo'),
  onProgress,
}: PythonOptions = {}): PythonTool {
  if (lifetime !== 'call' && lifetime !== 'rollout') {
    throw new TypeError(`createPython: got lifetime ${JSON.stringify(lifetime)}, wanted call or rollout`);
  }
  if (!Number.isInteger(workers) || workers < 1) {
    throw new TypeError(`createPython: got workers ${workers}, wanted a whole number of at least 1`);
  }
  const limits = { memoryLimitBytes, fileLimitBytes, outputLength: maxOutputLength };
  let prepared: ReturnType<typeof prepare> | undefined;
  async function prepare(signal: AbortSignal) {
    const [{ directories, ...paths }, wrap] = await Promise.all([
      resolveWheels({ packages, packageSource, signal }).then((wheels) =>
        loadImage({ memoryLimitBytes, fileLimitBytes, cacheDirectory, wheels, signal, onProgress }),
      ),
      layers === 'auto' ? findLayers(memoryLimitBytes) : () => [],
    ]);
    const wrapper = wrap([SANDBOX_DIRECTORY, ...directories]);
    return { paths, directories, wrapper };
  }
  const pool = createPool<PythonWorker>({
    size: workers,
    spares,
    parallelStarts: availableParallelism(),
    start: async (signal) => {
      prepared ??= prepare(signal);
      // a failure is not kept: what was missing may be there at the next attempt
      const { paths, directories, wrapper } = await prepared.catch((error: unknown) => {
        prepared = undefined;
        throw error;
      });
      return startWorker({ mode: 'serve', ...paths, ...limits }, directories, wrapper, signal);
    },
  });
  const observation = { printExample: '`print(x)`', timeLimitMs, memoryLimitBytes, maxOutputLength };
  const sessions = createSessions();
  const keeps = lifetime === 'rollout';

  return {
    name,
    description: keeps ? `${description}; variables are kept for the next program` : description,
    execute(source, { rolloutId, signal }) {
      const call = () => execute(source, rolloutId, signal);
      return keeps ? sessions.inTurn(rolloutId, signal, call) : call();
    },
    endRollout: sessions.forget,
    close: () => pool.close(),
    ready: () => pool.use(async () => {}),
    get stats() {
      return { ...pool.stats, ...sessions.stats };
    },
  };

  async function execute(source: string, rolloutId: string, signal: AbortSignal): Promise<string> {
    const session = sessions.begin(rolloutId);
    if (session.calls > maxCallsPerRollout) {
      throw new ToolError('refused', `No more ${name} calls: the limit of ${maxCallsPerRollout} is reached.`);
    }
    const deterministic = seed !== undefined;
    const before = session.state;
    const request: RunRequest = {
      source,
      timeLimitMs,
      showValue,
      modules: modules ?? null,
      files,
      deterministic,
      call: keeps ? session.calls : 0,
      fresh: before === undefined,
      session: keeps ? { goesOn: before !== undefined, limitBytes: keptLimitBytes } : null,
      seed: deterministic
        ? createHash('sha256')
            .update(JSON.stringify([seed, rolloutId, session.calls]))
            .digest('hex')
        : randomBytes(32).toString('hex'),
    };
    const use = async (worker: PythonWorker) => {
      const reply = await runWithin(worker, request, before, timeLimitMs + KILL_GRACE_MS, signal);
      if (!worker.alive) session.suspect = true;
      return reply;
    };
    const reply = await pool.use(use, { signal, suspect: session.suspect });
    if (reply.state) session.state = reply.state;
    const undone =
      !keeps || reply.session === 'kept'
        ? undefined
        : reply.session === 'too-large'
          ? { limitBytes: keptLimitBytes }
          : 'cut-off';
    const { stdout, value, error } = reply;
    const outcome = reply.outcome as CodeOutcome;
    return codeObservation(
      { outcome, stdout, value: value ?? undefined, error: error ?? undefined, undone },
      observation,
    );
  }
}

function defaultWorkers(): number {
  return Math.max(1, Math.min(8, availableParallelism(), Math.floor(totalmem() / 2 ** 32)));
}

/** Kills the worker when it does not answer in time or the caller gives up. */
async function runWithin(
  worker: PythonWorker,
  request: RunRequest,
  state: Buffer | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<RunReply & { state?: Buffer }> {
  signal.throwIfAborted();
  let killed = false;
  const kill = () => {
    killed = true;
    worker.kill();
  };
  const timer = setTimeout(kill, timeoutMs);
  signal.addEventListener('abort', kill, { once: true });
  try {
    const reply = await worker.run(request, state);
    return killed && reply.outcome === 'crashed' ? { ...reply, outcome: 'time-limit' } : reply;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
  }
}
