/** Which engine executes tensor functions here, and why the others do not. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** In order of preference. */
const order = ['tfjs-node-gpu', 'compiled', 'tfjs-node', 'wasm', 'cpu'] as const;

/** `compiled` is `@tapo/tfjs-onnx` (ONNX Runtime); the others are tfjs backends, run eagerly. */
export type BackendName = (typeof order)[number];

export interface BackendChoice {
  backend: BackendName;
  /** why this one */
  reason: string;
  /** the others, in order of preference: what keeps them from working, or that they were not needed */
  rejected: { backend: BackendName; reason: string }[];
}

export interface ChooseBackendOptions {
  /** `auto` takes the first that works */
  backend?: 'auto' | BackendName;
}

/**
 * Picks a backend: `tfjs-node-gpu` if it loads and sees a GPU, else the compiled engine, `tfjs-node`, WASM, plain JavaScript.
 * @throws when a backend is asked for by name and cannot be used
 */
export async function chooseBackend({ backend = 'auto' }: ChooseBackendOptions = {}): Promise<BackendChoice> {
  if (backend !== 'auto') {
    const problem = order.includes(backend) ? await probe(backend) : 'it does not exist';
    if (problem)
      throw new Error(`backend "${backend}" cannot be used: ${problem}. Wanted "auto" or one of ${order.join(', ')}`);
    const rejected = order
      .filter((name) => name !== backend)
      .map((name) => ({ backend: name, reason: 'not asked for' }));
    return { backend, reason: 'asked for by name', rejected };
  }
  const rejected: BackendChoice['rejected'] = [];
  let chosen: BackendName | undefined;
  for (const name of order) {
    const problem = chosen ? `not needed: ${chosen} comes first` : await probe(name);
    if (problem) rejected.push({ backend: name, reason: problem });
    else chosen = name;
  }
  if (!chosen)
    throw new Error(`no backend works: ${rejected.map((each) => `${each.backend}: ${each.reason}`).join('; ')}`);
  return { backend: chosen, reason: 'the first in order of preference that works here', rejected };
}

/** Why a backend cannot be used, or nothing. */
async function probe(backend: BackendName): Promise<string | undefined> {
  try {
    if (backend === 'compiled') await import('@tapo/tfjs-onnx');
    if (backend === 'wasm') createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
    return backend === 'tfjs-node' || backend === 'tfjs-node-gpu' ? await probeNative(backend) : undefined;
  } catch (error) {
    return firstLine(error);
  }
}

/**
 * Looks for the native binding, which is fetched at install time, then loads it in another process: libtensorflow stays out of
 * this one, and a crash or a missing CUDA library is only a reason.
 */
async function probeNative(backend: 'tfjs-node' | 'tfjs-node-gpu'): Promise<string | undefined> {
  const name = `@tensorflow/${backend}`;
  const require = createRequire(import.meta.url);
  let root: string;
  try {
    root = dirname(require.resolve(`${name}/package.json`));
  } catch {
    return `${name} is not installed`;
  }
  const files = await readdir(join(root, 'lib'), { recursive: true }).catch(() => []);
  if (!files.some((file) => file.endsWith('tfjs_binding.node'))) {
    return `${name} is installed without its native binding; run its install script (npm rebuild ${name})`;
  }
  const script = `const tf = require(${JSON.stringify(name)}); console.log('gpu=' + tf.backend().isUsingGpuDevice)`;
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: root, timeout: 60_000 });
    if (backend === 'tfjs-node-gpu' && !stdout.includes('gpu=true')) return `${name} loads but sees no GPU`;
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    return `${name} does not load: ${/^\w*Error: .*$/m.exec(stderr ?? '')?.[0] ?? firstLine(error)}`;
  }
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n')[0] as string;
}
