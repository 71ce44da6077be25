import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from '../cli/command.js';
import { UsageError } from '../cli/command.js';

export const initCommand: Omit<Command, 'summary'> = {
  positionals: { 'DIR?': 'where to write (default: here)' },
  details: 'Writes tapo.config.ts and dice.ts, a custom tool. Nothing is overwritten.',
  async run(input) {
    const [directory = '.'] = input.positionals;
    const existing = Object.keys(files).find((name) => existsSync(join(directory, name)));
    if (existing !== undefined) {
      throw new UsageError(
        `${join(directory, existing)} exists already`,
        'nothing was written; choose another directory',
      );
    }
    await mkdir(directory, { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(directory, name), text);
      console.log(join(directory, name));
    }
    console.log('\ntry the tool:  tapo tool ./dice.ts "2 6"\ntrain:         tapo train');
  },
};

const config = `import { defineConfig } from '@tapo/trainer';
import { tool as dice } from './dice.ts';

export default defineConfig({
  name: 'first',
  // an id of the hub (downloaded once, 1 GB), a directory with config.json, safetensors and tokenizer.json, or a .gguf file
  model: 'Qwen/Qwen2.5-0.5B-Instruct',
  lora: { rank: 16, alpha: 32 },
  // built in: search, python, javascript, serper, brave, ...; and any object with name, description, execute
  tools: [{ name: 'search', documents: 'world' }, 'python', dice],
  data: { train: 'world', evaluation: 'world', template: 'chat', balanced: true, maxPromptTokens: 512 },
  rollout: { problemsPerStep: 8, groupSize: 8, maxTokens: 1024 },
  reward: { overlong: { buffer: 128 } },
  optimizer: { learningRate: 5e-5, problemsPerMiniBatch: 4 },
  steps: 100,
});
`;

const dice = `// A tool is a plain object. The policy writes <dice>2 6</dice> and reads what execute returns.
// What it throws, and a call that takes too long, is an observation too: a rollout is never lost.
export const tool = {
  name: 'dice',
  description: 'Throws dice: write how many and of how many sides, for example "2 6".',
  execute(input: string, { rolloutId }: { rolloutId: string }): string {
    const [count = NaN, sides = NaN] = input.trim().split(/\\s+/).map(Number);
    if (!(count >= 1 && count <= 100 && sides >= 2)) throw new Error('write two numbers, for example "2 6"');
    // the same rollout throws the same dice, so that a run can be repeated
    let state = [...rolloutId, ...input].reduce((hash, character) => (hash * 31 + character.charCodeAt(0)) >>> 0, 7);
    const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
    return Array.from({ length: count }, () => 1 + Math.floor(next() * sides)).join(' ');
  },
};
`;

const files: Record<string, string> = { 'tapo.config.ts': config, 'dice.ts': dice };
