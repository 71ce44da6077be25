/**
 * Peak memory and time of loading SmolLM2-135M (538 MB as float32) from GGUF, and from safetensors in F32, BF16 and shards,
 * and of handing it to an engine with an adapter. On built packages (`pnpm build`): running from TypeScript, as the other checks do,
 * would count the compiler in.
 *
 *     node --import tsx --conditions=tapo-source interop/loading-memory.ts
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { loadGguf, saveModelDirectory } from '@tapo/policy';

import { smollm2Path } from './models.js';

const gguf = smollm2Path();
const root = await mkdtemp(join(tmpdir(), 'tapo-loading-'));
const { tokenizer, ...model } = await loadGguf(gguf);
await saveModelDirectory(join(root, 'F32'), model, { tokenizer });
await saveModelDirectory(join(root, 'BF16'), model, { dtype: 'BF16', tokenizer });
await saveModelDirectory(join(root, 'BF16 shards'), model, { dtype: 'BF16', tokenizer, maxShardBytes: 5e7 });
const child = fileURLToPath(new URL('loading-memory-child.mjs', import.meta.url));
for (const each of [gguf, ...['F32', 'BF16', 'BF16 shards'].map((name) => join(root, name))]) {
  const { stdout, stderr } = spawnSync(process.execPath, [child, each], { encoding: 'utf8' });
  console.log(stdout.trim() || stderr.trim());
}
await rm(root, { recursive: true });
