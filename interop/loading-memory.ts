/**
 * Peak memory and time of loading SmolLM2-135M (538 MB as float32) from GGUF, and from safetensors in F32, BF16 and shards,
 * and of handing it to an engine with an adapter:
 *
 *     node --import tsx --conditions=tapo-source interop/loading-memory.ts
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createLocalEngine, loadGguf, loadModel, saveModelDirectory } from '@tapo/policy';

import { smollm2Path } from './models.js';

/** Largest resident memory of this process so far, in MiB (Linux; `resourceUsage` would count the parent's in). */
const peakMemory = async () => Number(/VmHWM:\s+(\d+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1]) / 1024;

const [path] = process.argv.slice(2);
if (path === undefined) {
  const gguf = smollm2Path();
  const root = await mkdtemp(join(tmpdir(), 'tapo-loading-'));
  const { tokenizer, ...model } = await loadGguf(gguf);
  await saveModelDirectory(join(root, 'F32'), model, { tokenizer });
  await saveModelDirectory(join(root, 'BF16'), model, { dtype: 'BF16', tokenizer });
  await saveModelDirectory(join(root, 'BF16 shards'), model, { dtype: 'BF16', tokenizer, maxShardBytes: 5e7 });
  for (const each of [gguf, ...['F32', 'BF16', 'BF16 shards'].map((name) => join(root, name))]) {
    const args = ['--import', 'tsx', '--conditions=tapo-source', fileURLToPath(import.meta.url), each];
    console.log(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout.trim());
  }
  await rm(root, { recursive: true });
} else {
  const before = await peakMemory();
  const started = performance.now();
  const { config, parameters, tokenizer } = await loadModel({
    kind: path.endsWith('.gguf') ? 'gguf' : 'directory',
    path,
  });
  const seconds = (performance.now() - started) / 1000;
  const weights = Object.values(parameters).reduce((sum, { data }) => sum + data.byteLength, 0) / 2 ** 20;
  const peak = (await peakMemory()) - before;
  const lora = { rank: 16, alpha: 32, rsLora: false, targets: ['q_proj' as const, 'v_proj' as const] };
  const engine = await createLocalEngine({ config, parameters, transferParameters: true, tokenizer, lora });
  const running = (await peakMemory()) - before;
  await engine.close();
  const times = (mebibytes: number) => `${mebibytes.toFixed(0)} MiB (${(mebibytes / weights).toFixed(2)}x)`;
  console.log(
    `${path}: weights ${weights.toFixed(0)} MiB, peak loading ${times(peak)}, with the engine started ${times(running)}, ${seconds.toFixed(1)} s`,
  );
}
