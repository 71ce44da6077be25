import { describe, expect, it } from 'vitest';

import type { BackendName } from '../../src/engine/backend.js';
import { engineBackend } from '../backend.js';
import { tinyEngine } from './fixtures.js';

const request = { sequenceId: 'a', maxTokens: 20, stop: [], temperature: 0, topP: 1, topK: 0, seed: 1 };
const inputs = Int32Array.from({ length: 48 }, (_, i) => 10 + (i % 20));
const batch = {
  rows: 3,
  length: 16,
  lengths: Int32Array.of(16, 9, 12),
  inputs,
  targets: inputs.map((token) => token + 1),
  lossMask: new Float32Array(48).fill(1),
  weights: new Float32Array(48).fill(1 / 48),
};

/** A turn, an observation, another turn; then two training steps. */
async function run(backend: BackendName) {
  const engine = await tinyEngine({ backend });
  const first = await engine.sample({ ...request, tokens: [11, 12, 13] });
  const second = await engine.sample({ ...request, tokens: [11, 12, 13, ...first.tokens, 30, 31] });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) {
    losses.push((await engine.forwardBackward(batch, { name: 'cross-entropy' })).loss);
    await engine.optimizerStep({ learningRate: 1e-2 });
  }
  return { tokens: [...first.tokens, ...second.tokens], logprobs: [...first.logprobs, ...second.logprobs], losses };
}

const eagerBackends = new Set<BackendName>(['cpu', 'wasm', engineBackend]);
eagerBackends.delete('compiled');

describe.each([...eagerBackends])('the tfjs backend %s', (backend) => {
  it('samples and learns as the compiled engine does', async () => {
    const compiled = await run('compiled');
    const eager = await run(backend);
    expect(eager.tokens).toEqual(compiled.tokens);
    eager.logprobs.forEach((value, i) => expect(value).toBeCloseTo(compiled.logprobs[i] as number, 4));
    eager.losses.forEach((value, i) => expect(value).toBeCloseTo(compiled.losses[i] as number, 4));
  });
});
