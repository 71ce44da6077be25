import '@tensorflow/tfjs';
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { compile, supportedKernels } from '@tapo/tfjs-onnx';
import { expect, test } from 'vitest';

test('the README lists the kernels that there are', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const listed = /<!-- kernels -->\n(.*)\n<!-- \/kernels -->/s.exec(readme)?.[1];
  expect(listed?.split(', ')).toEqual(supportedKernels());
});

test('multinomial draws by the given odds, and anew in every run', async () => {
  await tf.setBackend('cpu');
  const draw = compile(({ logits }) => ({ ids: tf.multinomial(logits as tf.Tensor2D, 1000, 1) }));
  // odds 0 : 1 : 3
  const logits = { data: Float32Array.of(-1e9, 0, Math.log(3)), shape: [1, 3], dtype: 'float32' as const };
  const [first, second] = [await draw.run({ logits }), await draw.run({ logits })].map(({ ids }) => [...ids!.data]);
  const counts = [0, 1, 2].map((id) => first!.filter((each) => each === id).length);
  expect(counts[0]).toBe(0);
  // 1000 draws at p = 1/4: mean 250, standard deviation 14
  expect(Math.abs(counts[1]! - 250)).toBeLessThan(70);
  expect(first).not.toEqual(second);
  await draw.dispose();
});
