import { characterTokenizer, writeTokenizerFiles } from '@tapo/policy';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { startTinkerServer } from '../../../packages/tinker/test/server/tinker-server.js';
import { main } from '../src/cli/main.js';
import { readJsonLines } from '../src/run-directory.js';

// A policy that seldom answers: only the overlong penalty tells its rollouts apart, which is enough for a gradient.
const options = (
  '--engine tinker --tinker.baseModel toy --data.train calculator --data.template minimal --data.maxPromptTokens 40 ' +
  '--rollout.maxTokens 64 --reward.overlong.maxLength 64 --reward.overlong.buffer 64 --tools ["search"] ' +
  '--rollout.problemsPerStep 2 --rollout.groupSize 2 --optimizer.problemsPerMiniBatch 1 --optimizer.learningRate 0.01 ' +
  '--dynamicSampling.maxDraws 1 --checkpoint.everySteps 1'
).split(' ');

it('the same loop trains a model on a Tinker server, and resumes there', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const errors: string[] = [];
  const error = vi.spyOn(console, 'error').mockImplementation((line: string) => void errors.push(line));
  const server = await startTinkerServer();
  try {
    const directory = await mkdtemp(join(tmpdir(), 'tapo-remote-'));
    // the server's model has 24 tokens: 4 special ones, 4 tags, 16 characters
    const tags = ['<search>', '</search>', '<answer>', '</answer>'];
    await writeTokenizerFiles(directory, characterTokenizer({ tags, alphabet: '0123456789+-*? .' }));
    const out = join(directory, 'run');
    const argv = ['train', '--model', directory, '--tinker.baseUrl', server.url, '--out', out, ...options];
    const code = await main([...argv, '--steps', '2']);
    expect([code, errors]).toEqual([0, []]);
    const metrics = await readJsonLines(join(out, 'metrics.jsonl'));
    expect(metrics.map(({ step, updates }) => [step, updates])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect(metrics.every(({ mismatchMax }) => (mismatchMax as number) < 1e-4)).toBe(true);

    expect(await main(['train', '--resume', out, '--steps', '3'])).toBe(0);
    expect(await readJsonLines(join(out, 'metrics.jsonl'))).toHaveLength(3);
    expect(JSON.parse(await readFile(join(out, 'summary.json'), 'utf8'))).toMatchObject({ steps: 3, finished: true });
  } finally {
    await server.close();
    log.mockRestore();
    error.mockRestore();
  }
}, 60_000);

it('says what is missing', async () => {
  const errors: string[] = [];
  const error = vi.spyOn(console, 'error').mockImplementation((line: string) => void errors.push(line));
  const directory = await mkdtemp(join(tmpdir(), 'tapo-remote-'));
  await writeTokenizerFiles(directory, characterTokenizer());
  expect(await main(['eval', directory, '--engine', 'tinker', '--tools', '["search"]'])).toBe(1);
  error.mockRestore();
  expect(errors.join('\n')).toContain('tinker.baseUrl is missing');
});
