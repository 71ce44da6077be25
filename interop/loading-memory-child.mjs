/** Called by loading-memory.ts, on built packages, as users have them: PATH → what loading it and starting an engine over it took. */
import { readFile } from 'node:fs/promises';

import { createLocalEngine, loadModel } from '@tapo/policy';

/** Largest resident memory of this process so far, in MiB (Linux; `resourceUsage` would count the parent's in). */
const peakMemory = async () => Number(/VmHWM:\s+(\d+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1]) / 1024;

const path = process.argv[2];
const before = await peakMemory();
const started = performance.now();
const { config, parameters, tokenizer } = await loadModel({
  kind: path.endsWith('.gguf') ? 'gguf' : 'directory',
  path,
});
const seconds = (performance.now() - started) / 1000;
const weights = Object.values(parameters).reduce((sum, { data }) => sum + data.byteLength, 0) / 2 ** 20;
const peak = (await peakMemory()) - before;
const lora = { rank: 16, alpha: 32, rsLora: false, targets: ['q_proj', 'v_proj'] };
const engine = await createLocalEngine({ config, parameters, transferParameters: true, tokenizer, lora });
const running = (await peakMemory()) - before;
await engine.close();
const times = (mebibytes) => `${mebibytes.toFixed(0)} MiB (${(mebibytes / weights).toFixed(2)}x)`;
console.log(
  `${path}: weights ${weights.toFixed(0)} MiB, peak loading ${times(peak)}, with the engine started ${times(running)}, ${seconds.toFixed(1)} s`,
);
