import * as ort from 'onnxruntime-node';

/** Where ONNX Runtime computes. */
export type ExecutionProvider = 'cpu' | 'webgpu' | 'cuda';

/**
 * Opens a session on the first provider that works here; the CPU takes what that one cannot compute.
 * @throws when none does, with the reason of each
 */
export async function openSession(
  model: Uint8Array,
  providers: readonly ExecutionProvider[],
  options: Omit<ort.InferenceSession.SessionOptions, 'executionProviders'>,
): Promise<{ session: ort.InferenceSession; provider: ExecutionProvider }> {
  const reasons: string[] = [];
  for (const provider of providers) {
    const executionProviders = provider === 'cpu' ? ['cpu'] : [provider, 'cpu'];
    try {
      return { session: await ort.InferenceSession.create(model, { ...options, executionProviders }), provider };
    } catch (error) {
      reasons.push(`${provider}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`No session could be opened. ${reasons.join('; ')}`);
}
