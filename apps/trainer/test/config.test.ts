import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configKeys } from '../src/config/validate.js';
import { applyOverrides } from '../src/config/overrides.js';
import { configSchema, resolveConfig } from '../src/config/schema.js';
import { loadConfig } from '../src/config/load.js';
import { stepOptions } from '../src/config/derived.js';

it("the defaults are the paper's single-node settings", () => {
  const config = resolveConfig({ model: 'x' });
  expect(config.rollout).toMatchObject({ problemsPerStep: 64, groupSize: 4, maxTurns: 4, temperature: 1, topP: 1 });
  expect(config.loss).toMatchObject({ clipLow: 0.2, clipHigh: 0.28, dualClip: 10, aggregation: 'token-mean' });
  expect(config.optimizer).toMatchObject({ learningRate: 1e-6, warmupSteps: 10, weightDecay: 0.1, gradientClip: 1 });
  // 64 problems, 16 per mini-batch: 4 updates per batch
  expect(config.rollout.problemsPerStep / config.optimizer.problemsPerMiniBatch).toBe(4);
  expect(config.reward.overlong).toEqual({ buffer: 1024, factor: 1 });
});

describe('every error names key, value and what was wanted', () => {
  it.each([
    [{}, 'model is missing, wanted a string'],
    [{ model: 3 }, 'model is 3, wanted a string'],
    [{ model: 'x', optimiser: {} }, 'unknown key optimiser; did you mean optimizer?'],
    [
      { model: 'x', optimizer: { learningrate: 1 } },
      'unknown key optimizer.learningrate; did you mean optimizer.learningRate?',
    ],
    // right name, wrong section
    [{ model: 'x', learningRate: 1 }, 'unknown key learningRate; did you mean optimizer.learningRate?'],
    [{ model: 'x', modle: 'y' }, 'unknown key modle; did you mean model?'],
    [{ model: 'x', optimizer: { learningRate: 'fast' } }, 'optimizer.learningRate is "fast", wanted a number'],
    [{ model: 'x', steps: 1.5 }, 'steps is 1.5, wanted an integer'],
    [{ model: 'x', loss: { dualClip: 0.5 } }, 'loss.dualClip is 0.5, wanted more than 1'],
    [{ model: 'x', loss: { advantages: 'ppo' } }, 'loss.advantages is "ppo", wanted "dr-grpo", "grpo" or "rloo"'],
    [{ model: 'x', data: 'world' }, 'data is "world", wanted an object'],
    [
      { model: 'x', rollout: { maxTokens: 100 } },
      'data.maxPromptTokens is 2048, wanted less than rollout.maxTokens (100)',
    ],
    [
      { model: 'x', rollout: { problemsPerStep: 8 } },
      'optimizer.problemsPerMiniBatch is 16, wanted at most rollout.problemsPerStep (8)',
    ],
  ])('%j', (config, message) => {
    expect(() => resolveConfig(config, 'tapo.config.json')).toThrow(`tapo.config.json: ${message}`);
  });

  it('all of them at once', () => {
    expect(() => resolveConfig({ steps: 'many', seeed: 1 }, 'c')).toThrow(
      /c: model is missing.*\nc: steps is "many".*\nc: unknown key seeed/,
    );
  });
});

describe('dotted overrides', () => {
  const apply = (overrides: Record<string, string | true>) =>
    applyOverrides(configSchema, { model: 'x', optimizer: { beta1: 0.5 } }, overrides);

  it('set keys at any depth and keep their neighbours', () => {
    expect(apply({ 'optimizer.learningRate': '1e-5', steps: '7', 'reward.overlong.buffer': '64' })).toEqual({
      model: 'x',
      steps: 7,
      optimizer: { beta1: 0.5, learningRate: 0.00001 },
      reward: { overlong: { buffer: 64 } },
    });
  });

  it('read JSON where it is JSON, text where it is not, and flags as true', () => {
    expect(
      apply({ model: 'a/b', 'data.balanced': true, 'reward.overlong': 'null', tools: '["search"]' }),
    ).toMatchObject({
      model: 'a/b',
      data: { balanced: true },
      reward: { overlong: null },
      tools: ['search'],
    });
  });

  it('choose an engine by its name', () => {
    expect(apply({ engine: 'tinker' })).toMatchObject({ engine: { name: 'tinker' } });
  });

  it('refuse unknown keys', () => {
    expect(() => apply({ 'optimizer.learningrat': '1' })).toThrow(
      'unknown option or config key --optimizer.learningrat',
    );
  });
});

describe('config files', () => {
  const write = async (name: string, text: string) => {
    const file = join(await mkdtemp(join(tmpdir(), 'tapo-config-')), name);
    await writeFile(file, text);
    return file;
  };

  it('TypeScript, with tools that are objects', async () => {
    const file = await write(
      'tapo.config.ts',
      `const steps: number = 3;
       export default { model: 'm', steps, tools: [{ name: 'dice', description: '', execute: () => '4' }] };`,
    );
    const { config } = await loadConfig({ file, overrides: { seed: '9' } });
    expect(config).toMatchObject({ steps: 3, seed: 9, tools: [{ name: 'dice' }] });
  });

  it.each([
    ['tapo.config.json', '{"model": ', 'is not valid JSON'],
    ['tapo.config.json', '[]', 'wanted a config object'],
    ['tapo.config.ts', 'export const config = {};', 'has no default export'],
    ['tapo.config.ts', 'export default {', 'cannot be loaded'],
  ])('%s containing %j', async (name, text, message) => {
    await expect(loadConfig({ file: await write(name, text) })).rejects.toThrow(message);
  });

  it('a missing file', async () => {
    await expect(loadConfig({ file: '/nowhere/tapo.config.ts' })).rejects.toThrow('no such config file');
  });
});

it('learning rate: linear warm-up over optimizer steps, then constant', () => {
  const config = resolveConfig({ model: 'x', optimizer: { learningRate: 1, warmupSteps: 4 } });
  const rates = [1, 2, 3, 4, 5, 100].map((count) => stepOptions(config, count).learningRate);
  expect(rates).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
});

it('docs/configuration.md explains every key', async () => {
  const text = await readFile(new URL('../docs/configuration.md', import.meta.url), 'utf8');
  const sections = new Set(configKeys(configSchema).flatMap((key) => (key.includes('.') ? [key.split('.')[0]] : [])));
  const keys = configKeys(configSchema).filter((key) => !sections.has(key));
  expect(keys.filter((key) => !text.includes(`| \`${key}\` `))).toEqual([]);
});
