/** The Python peer: one process that answers JSON lines (peer.py), in a virtual environment that it makes for itself. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const venv = fileURLToPath(new URL('.venv', import.meta.url));
const requirements = ['torch==2.13.0', 'transformers', 'trl', 'gguf'];

export interface PythonPeer {
  call<Result = { ms: number }>(op: string, parameters?: Record<string, unknown>): Promise<Result>;
  close(): void;
}

/** Starts the peer, making its environment the first time. Prints why not, and gives nothing, where that cannot be done. */
export async function startPython(threads: number): Promise<PythonPeer | undefined> {
  if (!existsSync(`${venv}/ready`) && !makeEnvironment()) return undefined;
  const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...env } = process.env; // set for other software; they slow numpy
  const child = spawn(`${venv}/bin/python`, [fileURLToPath(new URL('peer.py', import.meta.url))], {
    stdio: ['pipe', 'pipe', process.env['BENCH_VERBOSE'] ? 'inherit' : 'ignore'],
    env: {
      ...env,
      OMP_NUM_THREADS: String(threads),
      MKL_NUM_THREADS: String(threads),
      TOKENIZERS_PARALLELISM: 'false',
      TRANSFORMERS_VERBOSITY: 'error',
      HF_HUB_OFFLINE: '1',
    },
  });
  const waiting: { resolve(answer: never): void; reject(error: Error): void }[] = [];
  createInterface(child.stdout).on('line', (line) => {
    const answer = JSON.parse(line) as { error?: string };
    const request = waiting.shift();
    if (answer.error === undefined) request?.resolve(answer as never);
    else request?.reject(new Error(`bench/peer.py: ${answer.error}`));
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting) reject(new Error(`bench/peer.py ended with ${code} (BENCH_VERBOSE=1 shows why)`));
  });
  return {
    call: (op, parameters = {}) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        child.stdin.write(`${JSON.stringify({ op, arguments: parameters })}\n`);
      }),
    close: () => child.kill(),
  };
}

function makeEnvironment(): boolean {
  const steps: [string, string[]][] = [
    ['python3', ['-m', 'venv', venv]],
    [`${venv}/bin/pip`, ['install', '--quiet', ...requirements]],
    ['touch', [`${venv}/ready`]],
  ];
  for (const [command, parameters] of steps) {
    const { status, stderr, error } = spawnSync(command, parameters, { encoding: 'utf8' });
    if (status === 0) continue;
    rmSync(venv, { recursive: true, force: true });
    const reason = error?.message ?? stderr.trim().split('\n').at(-1);
    console.log(`skipped: everything against Python, since \`${command} ${parameters.join(' ')}\` failed: ${reason}`);
    return false;
  }
  return true;
}
