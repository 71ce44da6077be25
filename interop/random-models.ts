/**
 * `verifyModel` on models of random configurations that transformers makes on the spot:
 *
 *     node --import tsx --conditions=tapo-source interop/random-models.ts [COUNT] [SEED] [BACKEND]
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { verifyModel, type BackendName } from '@tapo/policy';

import { report, runPython } from './python.js';

const [count = '30', seed = '1', backend = 'compiled'] = process.argv.slice(2);
const root = await mkdtemp(join(tmpdir(), 'tapo-random-'));
runPython('random_models.py', [count, seed, root]);
for (let i = 0; i < Number(count); i++) {
  const directory = join(root, String(i));
  const json = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8')) as Record<string, unknown>;
  const rope = (json.rope_parameters ?? json.rope_scaling) as { rope_type?: string } | null;
  const what = `${i} ${String(json.model_type)} ${String(json.num_attention_heads)}/${String(json.num_key_value_heads)} heads, RoPE ${rope?.rope_type ?? 'default'}`;
  const { logits, worstGradient } = await verifyModel(directory, join(directory, 'numbers.json'), {
    backend: backend as BackendName,
  });
  report(`${what}: logits`, logits.deviation, logits.tolerance);
  report(`${what}: gradient of ${worstGradient.name}`, worstGradient.deviation, worstGradient.tolerance);
}
await rm(root, { recursive: true });
