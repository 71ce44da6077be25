/** Which engine executes tensor functions here, and why the others do not. */

export type BackendName = 'tfjs-node-gpu' | 'compiled' | 'tfjs-node' | 'wasm' | 'cpu';

/** In order of preference. */
const order: readonly BackendName[] = ['tfjs-node-gpu', 'compiled', 'tfjs-node', 'wasm', 'cpu'];

export interface BackendChoice {
  backend: BackendName;
  /** why this one */
  reason: string;
  /** the ones before it that cannot be used, and the ones after it that were not needed */
  rejected: { backend: BackendName; reason: string }[];
}

export interface ChooseBackendOptions {
  /** `auto` takes the first that works */
  backend?: 'auto' | BackendName;
}

/**
 * Picks a backend: `tfjs-node-gpu` if it loads and sees a GPU, else the compiled engine (ONNX Runtime), `tfjs-node`, WASM, plain JavaScript.
 * @throws when a backend is asked for by name and cannot be used
 */
export async function chooseBackend({ backend = 'auto' }: ChooseBackendOptions = {}): Promise<BackendChoice> {
  if (backend !== 'auto') {
    const problem = await probe(backend);
    if (problem)
      throw new Error(`backend "${backend}" cannot be used: ${problem}. Choose "auto", or one of ${order.join(', ')}.`);
    const rejected = order
      .filter((name) => name !== backend)
      .map((name) => ({ backend: name, reason: 'not asked for' }));
    return { backend, reason: 'asked for by name', rejected };
  }
  const rejected: BackendChoice['rejected'] = [];
  let chosen: BackendName | undefined;
  for (const name of order) {
    const problem = chosen ? `"${chosen}" comes first` : await probe(name);
    if (problem) rejected.push({ backend: name, reason: problem });
    else chosen = name;
  }
  if (!chosen)
    throw new Error(`no backend works: ${rejected.map((each) => `${each.backend}: ${each.reason}`).join('; ')}`);
  return { backend: chosen, reason: 'the first that works here', rejected };
}

/** Why a backend cannot be used, or nothing. */
async function probe(backend: BackendName): Promise<string | undefined> {
  try {
    if (backend === 'compiled') await import('@tapo/tfjs-onnx');
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
}
