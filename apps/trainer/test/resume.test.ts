import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from './tiny-model.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const bin = join(root, 'apps/trainer/src/bin.ts');

/** `tapo` as a process of its own; `during` may signal it. */
async function tapo(argv: string[], during?: (child: { kill(signal: NodeJS.Signals): void }) => Promise<void>) {
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=tapo-source', bin, ...argv], { cwd: root });
  let printed = '';
  child.stdout.on('data', (chunk) => (printed += String(chunk)));
  child.stderr.on('data', (chunk) => (printed += String(chunk)));
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('exit', (code, signal) => resolve({ code, signal })),
  );
  await during?.(child);
  return { ...(await exited), printed };
}

/** waits until `steps` steps are in the metrics */
async function until(run: string, steps: number): Promise<void> {
  const file = join(run, 'metrics.jsonl');
  const lines = () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);
  while (lines() < steps) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function digest(run: string): Promise<Record<string, string>> {
  const learner = join(run, 'checkpoints', 'step-5', 'learner');
  const sha = async (file: string) =>
    createHash('sha256')
      .update(await readFile(join(learner, file)))
      .digest('hex');
  return { weights: await sha('model/model.safetensors'), moments: await sha('moments.safetensors') };
}

// A random policy never answers; the overlong penalty alone gives its rollouts different rewards, so there is a gradient.
const options = (
  '--data.template minimal --data.maxPromptTokens 64 --rollout.maxTokens 128 --tools ["search"] --rollout.groupSize 4 ' +
  '--rollout.problemsPerStep 2 --optimizer.problemsPerMiniBatch 1 --steps 5 --dynamicSampling.maxDraws 1 ' +
  '--checkpoint.everySteps 2 --reward.overlong.maxLength 128 --reward.overlong.buffer 128 --optimizer.learningRate 0.01'
).split(' ');

describe('one seed, one result, to the bit', { timeout: 120_000 }, () => {
  let model: string;
  let whole: string;

  beforeAll(async () => {
    model = await writeTinyModel();
    whole = join(await mkdtemp(join(tmpdir(), 'tapo-resume-')), 'whole');
    await tapo(['train', '--model', model, '--out', whole, ...options]);
  }, 120_000);

  it('the run changes the weights', async () => {
    const trained = await readFile(join(whole, 'checkpoints/step-5/learner/model/model.safetensors'));
    expect(trained.equals(await readFile(join(model, 'model.safetensors')))).toBe(false);
  });

  it('killed with SIGKILL after a checkpoint, in the middle of a step, and resumed', async () => {
    const out = join(await mkdtemp(join(tmpdir(), 'tapo-resume-')), 'killed');
    const killed = await tapo(['train', '--model', model, '--out', out, ...options], async (child) => {
      await until(out, 3); // the checkpoint is of step 2
      child.kill('SIGKILL');
    });
    expect(killed.signal).toBe('SIGKILL');
    const resumed = await tapo(['train', '--resume', out]);
    expect([resumed.code, resumed.printed]).toEqual([0, expect.stringContaining('done: 5 steps')]);
    expect(await digest(out)).toEqual(await digest(whole));
  });

  it('Ctrl-C finishes the step, saves and says how to go on', async () => {
    const out = join(await mkdtemp(join(tmpdir(), 'tapo-resume-')), 'interrupted');
    const stopped = await tapo(['train', '--model', model, '--out', out, ...options], async (child) => {
      await until(out, 1);
      child.kill('SIGINT');
    });
    expect(stopped.code).toBe(0);
    expect(stopped.printed).toContain(`go on with: tapo train --resume ${out}`);
    await tapo(['train', '--resume', out]);
    expect(await digest(out)).toEqual(await digest(whole));
  });
});
