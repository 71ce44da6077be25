import type * as ort from 'onnxruntime-node';

/** The name of the extra output that every session built here has. */
export const SEQUENCE_OUTPUT = '%no-copy';

const REFUSAL = 'Non tensor type is temporarily not supported';

/**
 * Runs a session whose outputs all have memory already. onnxruntime-node 1.30 writes them there, and then copies each one
 * into a new ArrayBuffer that nobody asked for: 0.17 ms for 0.4 MB, 50 ms for 100 MB, every run. It converts its results
 * in order and refuses one that is not a tensor, so a sequence as the first output makes it stop before the first copy,
 * when the computation is done. A version that accepts sequences would only be slower, not wrong.
 */
export async function runInPlace(
  session: ort.InferenceSession,
  feeds: Record<string, ort.Tensor>,
  outputs: Record<string, ort.Tensor>,
): Promise<void> {
  try {
    await session.run(feeds, { [SEQUENCE_OUTPUT]: null, ...outputs });
  } catch (error) {
    if (!(error instanceof Error && error.message.includes(REFUSAL))) throw error;
  }
}
