import { parentPort, workerData } from 'node:worker_threads';
import { createInterpreter } from './interpreter.js';
import type { InterpreterOptions, InterpreterRun } from './interpreter.js';

/** One piece of code to run. */
export interface WorkerRequest {
  code: string;
  timeLimitMs: number;
}

/** `undefined` once, when ready for requests; then one answer for each. */
export type WorkerAnswer = InterpreterRun | undefined;

const interpreter = await createInterpreter(workerData as InterpreterOptions);
parentPort!.on('message', ({ code, timeLimitMs }: WorkerRequest) => {
  parentPort!.postMessage(interpreter.run(code, timeLimitMs) satisfies WorkerAnswer);
});
parentPort!.postMessage(undefined);
