/**
 * JavaScript sandbox: QuickJS compiled to WebAssembly, in a worker thread that can be ended.
 *
 * Covered
 * - No host: the code sees the language and `console`; no `process`, `require`, `fetch`, files, network, timers, modules.
 * - Time: QuickJS checks the limit as it runs; built-ins that never check (`Array.prototype.indexOf.call({length: 2**53-1}, 1)`)
 *   are ended with their thread shortly after. The calling thread is never held up.
 * - Memory: objects and array buffers live in one WebAssembly memory with a maximum.
 * - Stack: deep recursion and nesting fail cleanly.
 * - Output: kept up to 1 MB, shown up to `maxOutputLength`.
 * - Traces: a fresh runtime and realm per call (or per rollout, if asked for); a thread that had to be ended is replaced.
 * - Chance: `Math.random` is seeded, the clock stands still: the same code gives the same output.
 *
 * Not covered
 * - A bug in V8's WebAssembly or in the module's few imports (clock, print) would give the code this process's rights.
 *   Where that matters, run the whole process in a container without secrets.
 * - CPU use within the time limit, and time measurements by counting.
 */
import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import { codeObservation } from './code-observations.js';
import type { CodeRun } from './code-observations.js';
import { startInterpreterWorker } from './javascript/interpreter-worker.js';
import type { InterpreterWorker } from './javascript/interpreter-worker.js';
import { statefulTool } from './lifetime.js';
import type { Tool } from './tool.js';

export interface CreateJavascriptOptions {
  /** default `code` */
  name?: string;
  description?: string;
  timeLimitMs?: number;
  memoryLimitBytes?: number;
  /** UTF-16 units shown; more is cut in the middle (METHOD §5: 2000) */
  maxOutputLength?: number;
  /** show the last expression's value if nothing was printed */
  showLastValue?: boolean;
  /** runs at the same time; each has a thread of its own, others wait */
  concurrency?: number;
  /** `rollout` keeps variables between the calls of one rollout, at the price of a thread for each */
  lifetime?: 'call' | 'rollout';
  /** seed of `Math.random`, the same in each realm */
  seed?: number;
  /** what `Date.now()` says, milliseconds since 1970 */
  nowMs?: number;
}

const DESCRIPTION = 'Runs JavaScript: write a short program and print the result with console.log.';

/** A `code` tool that runs JavaScript. Threads start at the first call; `close()` ends them. */
export function createJavascript({
  name = 'code',
  description = DESCRIPTION,
  timeLimitMs = 2_000,
  memoryLimitBytes = 64 * 2 ** 20,
  maxOutputLength = 2_000,
  showLastValue = true,
  concurrency = availableParallelism(),
  lifetime = 'call',
  seed = 0,
  nowMs = Date.UTC(2025, 0, 1),
}: CreateJavascriptOptions = {}): Tool<string, string> {
  if (lifetime !== 'call' && lifetime !== 'rollout') {
    throw new TypeError(`createJavascript: got lifetime ${JSON.stringify(lifetime)}, wanted call or rollout`);
  }
  if (!(timeLimitMs > 0)) throw new TypeError(`createJavascript: got timeLimitMs ${timeLimitMs}, wanted more than 0`);
  const limit = pLimit(concurrency);
  const texts = { printExample: 'console.log(x)', timeLimitMs, memoryLimitBytes, maxOutputLength };
  const observe = ({ value, ...run }: CodeRun) => codeObservation(showLastValue ? { ...run, value } : run, texts);
  const start = () => startInterpreterWorker({ memoryLimitBytes, seed, nowMs, keepRealm: lifetime === 'rollout' });

  if (lifetime === 'rollout') {
    return statefulTool<{ worker?: InterpreterWorker }, string, string>({
      name,
      description: `${description} Variables are kept for the next program.`,
      lifetime,
      open: () => ({}),
      async execute(code, { signal }, session) {
        session.worker = session.worker?.usable ? session.worker : await start();
        const { worker } = session;
        const run = await limit(() => worker.run(code, { timeLimitMs, signal }));
        return observe({ ...run, variablesLost: !worker.usable });
      },
      release: async ({ worker }) => worker?.close(),
    });
  }

  const idle: InterpreterWorker[] = [];
  let closed = false;
  return {
    name,
    description,
    execute: (code, { signal }) =>
      limit(async () => {
        signal.throwIfAborted();
        const worker = idle.pop() ?? (await start());
        try {
          return observe(await worker.run(code, { timeLimitMs, signal }));
        } finally {
          if (closed) await worker.close();
          else if (worker.usable) idle.push(worker);
        }
      }),
    async close() {
      closed = true;
      await Promise.all(idle.splice(0).map((worker) => worker.close()));
    },
  };
}
