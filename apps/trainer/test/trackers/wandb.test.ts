import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createWandb } from '../../src/trackers/wandb.js';

const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) console.log('the W&B tracker is not tested: no python3');

/** A package `wandb` with the calls of the real one that are used, which notes them. */
async function fakeWandb(init = ''): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tapo-wandb-'));
  const source = `
import json
def note(*values):
    with open(${JSON.stringify(join(directory, 'calls'))}, "a") as file: file.write(json.dumps(values) + "\\n")
class Settings:
    def __init__(self, **values): pass
class Run:
    def log(self, scalars, step): note("log", step, scalars)
    def finish(self): note("finish")
def init(**values):
    ${init || 'pass'}
    note("init", values["name"], values["project"], values["config"])
    return Run()
`;
  await writeFile(join(directory, 'wandb.py'), source);
  vi.stubEnv('PYTHONPATH', directory);
  return join(directory, 'calls');
}

afterEach(() => vi.unstubAllEnvs());

describe.skipIf(!hasPython)('through the Python client', () => {
  it('init, every step, finish', async () => {
    const calls = await fakeWandb();
    const tracker = await createWandb({ path: tmpdir(), name: 'first', config: { seed: 1 } }, { project: 'p' });
    await tracker.log(1, { reward: 0.5 });
    await tracker.log(2, { reward: 1 });
    await tracker.close();
    const lines = (await readFile(calls, 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      ['init', 'first', 'p', { seed: 1 }],
      ['log', 1, { reward: 0.5 }],
      ['log', 2, { reward: 1 }],
      ['finish'],
    ]);
  });

  it('a client that fails says why; a Python that is not there, too', async () => {
    await fakeWandb('raise Exception("api_key not configured")');
    const run = { path: tmpdir(), name: 'first', config: {} };
    await expect(createWandb(run)).rejects.toThrow(/ended with code 1: Exception: api_key not configured/);
    await expect(createWandb(run, { python: 'no-such-python' })).rejects.toThrow('ENOENT');
  });
});
