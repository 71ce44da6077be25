import { characterTokenizer, writeTokenizerFiles } from '@tapo/policy';
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { deserialize } from 'node:v8';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { UsageError } from '../src/cli/command.js';
import { withRecovery } from '../src/recovery.js';
import { readJsonLines } from '../src/run-directory.js';

const serve = fileURLToPath(new URL('../../../packages/tinker/test/server/serve.ts', import.meta.url));
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A Tinker server in its own process; `onRequest` sees every path and may kill it. */
async function startServer(
  checkpoints: string,
  port = 0,
  onRequest: (path: string, child: ChildProcess) => void = () => {},
) {
  const argv = ['--import', 'tsx', '--conditions=tapo-source', serve, String(port), checkpoints];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const taken = await new Promise<number>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      const listening = /^listening (\d+)$/.exec(line)?.[1];
      if (listening !== undefined) resolve(Number(listening));
      else if (line.startsWith('/')) onRequest(line, child);
    });
  });
  return { url: `http://127.0.0.1:${taken}`, port: taken, child };
}

// A policy that seldom answers: only the overlong penalty tells its rollouts apart, which is enough for a gradient.
const options = (
  '--engine tinker --tinker.baseModel toy --data.template minimal --data.maxPromptTokens 8 --steps 4 ' +
  '--rollout.maxTokens 20 --reward.overlong.maxLength 20 --reward.overlong.buffer 20 --tools ["search"] ' +
  '--rollout.problemsPerStep 2 --rollout.groupSize 2 --optimizer.problemsPerMiniBatch 1 --optimizer.learningRate 0.01 ' +
  '--dynamicSampling.maxDraws 1 --checkpoint.everySteps 2'
).split(' ');

describe('a server killed with SIGKILL in the middle of a step', () => {
  const printed: string[] = [];
  let model: string;
  beforeAll(async () => {
    model = await mkdtemp(join(tmpdir(), 'tapo-recovery-'));
    // the server's model has 24 tokens: 4 special ones, 4 tags, 16 characters
    const tags = ['<search>', '</search>', '<answer>', '</answer>'];
    await writeTokenizerFiles(model, characterTokenizer({ tags, alphabet: '0123456789+-*? .' }));
    const problem = { question: '1+1', data_source: 'calculator', reward_model: { ground_truth: { target: '2' } } };
    await writeFile(join(model, 'problems.jsonl'), `${JSON.stringify(problem)}\n`.repeat(4));
    for (const stream of ['log', 'error'] as const) {
      vi.spyOn(console, stream).mockImplementation((line: string) => void printed.push(line));
    }
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  });

  /** trains and returns the weights of the last checkpoint, as the server keeps them */
  async function trainOn(url: string, checkpoints: string, out: string) {
    const argv = ['train', '--model', model, '--tinker.baseUrl', url, '--out', out, ...options];
    argv.push('--data.train', join(model, 'problems.jsonl'));
    expect([await main(argv), printed.filter((line) => line.startsWith('error'))]).toEqual([0, []]);
    const saved = deserialize(readFileSync(checkpoints)) as Map<string, { steps: number; parameters: object }>;
    const metrics = await readJsonLines(join(out, 'metrics.jsonl'));
    return { last: [...saved.values()].at(-1), steps: metrics.map(({ step }) => step) };
  }

  it('and started again: the run goes on by itself, every step once, to the same weights', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tapo-recovery-'));
    const calm = await startServer(join(directory, 'calm'));
    const expected = await trainOn(calm.url, join(directory, 'calm'), join(directory, 'calm-run'));
    // two mini-batches a step
    expect([expected.steps, expected.last?.steps]).toEqual([[1, 2, 3, 4], 8]);

    // Killed at the sixth backward pass: after the first of the two updates of step 3; the checkpoint is of step 2.
    let passes = 0;
    let restarted: Promise<unknown> | undefined;
    const killing = await startServer(join(directory, 'killed'), 0, (path, child) => {
      if (path !== '/forward_backward' || ++passes !== 6) return;
      child.kill('SIGKILL');
      child.on('exit', () => (restarted = startServer(join(directory, 'killed'), killing.port)));
    });
    const recovered = await trainOn(killing.url, join(directory, 'killed'), join(directory, 'killed-run'));
    await restarted;
    expect(recovered).toEqual(expected);
    expect(printed.join('\n')).toMatch(/the engine failed: .*; going on from the newest checkpoint \(try 1 of 5\)/);
  }, 240_000);
});

describe('withRecovery', () => {
  const quick = { recoveries: 2, resumeCommand: 'tapo train --resume runs/x', pauseMs: 0, warn: () => {} };

  it('gives up after so many failures without a step, and says how to go on', async () => {
    const resumes: boolean[] = [];
    const attempt = (resume: boolean) => {
      resumes.push(resume);
      return Promise.reject(new Error('connection refused'));
    };
    const failure = await withRecovery(attempt, false, { ...quick, reached: () => 3 }).catch(
      (error: UsageError) => error,
    );
    expect(resumes).toEqual([false, true, true]);
    expect(failure).toMatchObject({
      message: 'the engine failed 3 times without a step in between: connection refused',
      remedy: 'see that the server runs, then go on with: tapo train --resume runs/x',
    });
  });

  it('counts anew after a step', async () => {
    let attempts = 0;
    const attempt = () => (++attempts < 6 ? Promise.reject(new Error('lost')) : Promise.resolve('done'));
    expect(await withRecovery(attempt, false, { ...quick, reached: () => attempts })).toBe('done');
  });

  it('leaves alone what is the user’s to mend', async () => {
    const wrong = () => Promise.reject(new UsageError('no such model'));
    await expect(withRecovery(wrong, false, { ...quick, reached: () => 1 })).rejects.toThrow('no such model');
    const early = () => Promise.reject(new Error('no server'));
    await expect(withRecovery(early, false, { ...quick, reached: () => undefined })).rejects.toThrow(/^no server$/);
  });
});
