import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { writeTinyModel } from './tiny-model.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const bin = join(root, 'apps/trainer/src/bin.ts');
let model: string;
beforeAll(async () => {
  model = await writeTinyModel();
});

/** Trains for ever with a tool that writes a file when it is closed; `presses` Ctrl-C after the first step. */
async function train(presses: number, close = '') {
  const directory = await mkdtemp(join(tmpdir(), 'tapo-quit-'));
  const [run, closed, tool] = ['run', 'closed', 'tool.mjs'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(
    tool,
    `import { appendFileSync } from 'node:fs';
     export const tool = { name: 'session', description: '', execute: (x) => x,
       async close() { appendFileSync(${JSON.stringify(closed)}, 'closed\\n'); ${close} } };`,
  );
  const config = {
    model,
    tools: [{ module: tool }],
    steps: 100_000,
    data: { template: 'minimal', maxPromptTokens: 64 },
    rollout: { maxTokens: 96, groupSize: 2, problemsPerStep: 2 },
    optimizer: { problemsPerMiniBatch: 2 },
    dynamicSampling: { maxDraws: 1 },
    reward: { overlong: null },
  };
  await writeFile(join(directory, 'config.json'), JSON.stringify(config));
  const args = ['--import', 'tsx', '--conditions=tapo-source', bin, 'train', '-c', join(directory, 'config.json')];
  const child = spawn(process.execPath, [...args, '--out', run], { cwd: root });
  let printed = '';
  child.stdout.on('data', (chunk) => (printed += String(chunk)));
  child.stderr.on('data', (chunk) => (printed += String(chunk)));
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  while (!existsSync(join(run, 'metrics.jsonl'))) await new Promise((resolve) => setTimeout(resolve, 20));
  for (let press = 1; press <= presses; press++) {
    child.kill('SIGINT');
    if (press === 1) while (!printed.includes('press again')) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const code = await exited;
  const checkpoints = existsSync(join(run, 'checkpoints')) ? readdirSync(join(run, 'checkpoints')) : [];
  return { code, closed: existsSync(closed) ? await readFile(closed, 'utf8') : '', checkpoints };
}

it('Ctrl-C once: saved, closed, code 0', { timeout: 120_000 }, async () => {
  expect(await train(1)).toEqual({ code: 0, closed: 'closed\n', checkpoints: [expect.stringMatching(/^step-\d+$/)] });
});

it('Ctrl-C twice: closed all the same, even if closing never ends', { timeout: 120_000 }, async () => {
  const { code, closed } = await train(2, 'await new Promise(() => {});');
  expect([code, closed]).toEqual([130, 'closed\n']);
});
