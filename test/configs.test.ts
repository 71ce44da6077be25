import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadConfig } from '../apps/trainer/src/config/load.js';

const configs = fileURLToPath(new URL('../configs/', import.meta.url));

it.each(readdirSync(configs))('configs/%s is a valid training config', async (file) => {
  const { config } = await loadConfig({ file: `${configs}${file}` });
  expect(config.name).toBe(file.replace('.ts', ''));
  expect(config.rollout.problemsPerStep % config.optimizer.problemsPerMiniBatch).toBe(0);
});
