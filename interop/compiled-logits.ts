import type * as tf from '@tensorflow/tfjs-core';

import { forward, logits, type HostParameters, type ModelConfig } from '@tapo/policy';
import { compile } from '@tapo/tfjs-onnx';

/** Logits `[T, V]` of one sequence, on the compiled engine. */
export async function compiledLogits(
  parameters: HostParameters,
  config: ModelConfig,
  tokens: number[],
): Promise<Float32Array> {
  const f = compile(
    ({ tokens: ids, ...weights }) => ({
      logits: logits(weights, forward(weights, { tokens: ids as tf.Tensor }, config), config),
    }),
    { threads: 2 },
  );
  const row = { data: Int32Array.from(tokens), shape: [1, tokens.length], dtype: 'int32' as const };
  const { logits: output } = await f.run({ ...parameters, tokens: row });
  await f.dispose();
  return output?.data as Float32Array;
}
