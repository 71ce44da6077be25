import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  initializeParameters,
  loadModelDirectory,
  openSafetensors,
  parseModelConfig,
  saveModelDirectory,
  writeSafetensors,
} from '@tapo/policy';

const config = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 10,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  tie_word_embeddings: true,
});
const parameters = initializeParameters(config, { seed: 1 });

let root: string;
let model: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tapo-policy-'));
  model = join(root, 'model');
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A safetensors file with this header and this many zero bytes of data. */
async function forge(header: unknown, bytes: number): Promise<string> {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  const path = join(root, 'forged.safetensors');
  await writeFile(path, Buffer.concat([prefix, json, Buffer.alloc(bytes)]));
  return path;
}

describe('safetensors', () => {
  it('reads F16 and BF16 exactly', async () => {
    // F16: 0x3C00 = 1, 0xC000 = -2, 0x0001 = 2^-24 (smallest subnormal), 0x7C00 = ∞; BF16: 0x3F80 = 1, 0xC040 = -3
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00, 0x3f80, 0xc040);
    const path = await forge(
      {
        half: { dtype: 'F16', shape: [4], data_offsets: [0, 8] },
        brain: { dtype: 'BF16', shape: [2], data_offsets: [8, 12] },
      },
      0,
    );
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.from(bits.buffer)]));
    const file = await openSafetensors(path);
    expect([...(await file.read('half')).data]).toEqual([1, -2, 2 ** -24, Infinity]);
    expect([...(await file.read('brain')).data]).toEqual([1, -3]);
    await file.close();
  });

  it('rounds to nearest even when writing BF16', async () => {
    // BF16 keeps 8 bits of mantissa: 1 + 2^-8 lies half way between 1 and 1 + 2^-7 → even 1;
    // 1 + 3·2^-8 half way between 1 + 2^-7 and 1 + 2^-6 → even 1 + 2^-6
    const path = join(root, 'brain.safetensors');
    const data = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, -0.1, NaN);
    await writeSafetensors(path, { x: { data, shape: [4], dtype: 'float32' } }, { dtype: 'BF16' });
    const file = await openSafetensors(path);
    const read = [...(await file.read('x')).data];
    await file.close();
    expect(read).toEqual([1, 1 + 2 ** -6, -0.10009765625, NaN]);
  });

  const f32 = (shape: number[], start: number, end: number) => ({ dtype: 'F32', shape, data_offsets: [start, end] });
  it.each([
    ['truncated data', { x: f32([4], 0, 16) }, 15, /tensor "x" ends at byte \d+, the file has \d+/],
    ['an overlap', { x: f32([2], 0, 8), y: f32([2], 4, 12) }, 12, /tensor "y" overlaps/],
    ['a hole', { x: f32([1], 0, 4), y: f32([1], 8, 12) }, 12, /4 bytes before tensor "y"/],
    ['trailing bytes', { x: f32([1], 0, 4) }, 6, /2 bytes after the last tensor/],
    ['a wrong size', { x: f32([3], 0, 8) }, 8, /has 8 bytes, its F32 \[3\] needs 12/],
    ['an unknown dtype', { x: { ...f32([1], 0, 4), dtype: 'F7' } }, 4, /has dtype "F7"/],
    ['broken JSON', '{"x": ', 0, /header is not JSON/],
  ])('refuses %s', async (_, header, bytes, message) => {
    const path = await forge(header, bytes);
    await expect(openSafetensors(path)).rejects.toThrow(message);
    await expect(openSafetensors(path)).rejects.toThrow(path);
  });

  it('refuses a file that is cut inside its header or absent', async () => {
    const path = await forge({ x: f32([1], 0, 4) }, 4);
    await truncate(path, 20);
    await expect(openSafetensors(path)).rejects.toThrow(/header claims \d+ bytes, the file has 20/);
    await truncate(path, 3);
    await expect(openSafetensors(path)).rejects.toThrow(/has 3 bytes/);
    await expect(openSafetensors(join(root, 'none'))).rejects.toThrow(/cannot open \(ENOENT\)/);
  });
});

describe('model directories', () => {
  it('round-trip bit for bit, in one file and in shards', async () => {
    await saveModelDirectory(model, { config, parameters });
    expect(await loadModelDirectory(model)).toEqual({ config, parameters });

    // 2.3 KB at most per shard: several shards, and an index that names them
    await saveModelDirectory(model, { config, parameters }, { maxShardBytes: 2300 });
    const names = await readdir(model);
    expect(names.filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(2);
    expect(names).toContain('model.safetensors.index.json');
    expect(await loadModelDirectory(model)).toEqual({ config, parameters });
    expect(await readdir(root)).toEqual(['model']); // nothing temporary stays
  });

  it('keeps companions and unrelated configuration fields', async () => {
    await saveModelDirectory(model, { config, parameters });
    const json = JSON.parse(await readFile(join(model, 'config.json'), 'utf8'));
    await writeFile(join(model, 'config.json'), JSON.stringify({ ...json, eos_token_id: 3, dtype: 'bfloat16' }));
    await writeFile(join(model, 'generation_config.json'), '{"eos_token_id": [3, 4]}');
    const copy = join(root, 'copy');
    await saveModelDirectory(copy, { config, parameters }, { companionsFrom: model });
    const copied = JSON.parse(await readFile(join(copy, 'config.json'), 'utf8'));
    expect(copied).toMatchObject({ eos_token_id: 3, torch_dtype: 'float32' });
    expect(copied.dtype).toBeUndefined();
    expect(await readFile(join(copy, 'generation_config.json'), 'utf8')).toBe('{"eos_token_id": [3, 4]}');
  });

  it('never replaces a directory that is not a model', async () => {
    await writeFile(join(root, 'thesis.tex'), '');
    await expect(saveModelDirectory(root, { config, parameters })).rejects.toThrow(/not empty and without config.json/);
  });

  it('names a missing shard, a missing tensor, a wrong shape, an unexpected tensor', async () => {
    await saveModelDirectory(model, { config, parameters }, { maxShardBytes: 2300 });
    const shard = (await readdir(model)).find((name) => name.startsWith('model-00002')) as string;
    await rm(join(model, shard));
    await expect(loadModelDirectory(model)).rejects.toThrow(`shard "${shard}"`);

    await saveModelDirectory(model, { config, parameters });
    const weights = join(model, 'model.safetensors');
    const { 'model.norm.weight': norm, ...others } = parameters;
    await writeSafetensors(weights, others);
    await expect(loadModelDirectory(model)).rejects.toThrow(/tensor "model.norm.weight" \[8\] is missing/);

    await writeSafetensors(weights, {
      ...others,
      'model.norm.weight': { data: new Float32Array(4), shape: [4], dtype: 'float32' },
    });
    await expect(loadModelDirectory(model)).rejects.toThrow(
      /"model.norm.weight" has shape \[4\], config.json asks for \[8\]/,
    );

    await writeSafetensors(weights, { ...parameters, 'model.surprise': norm as (typeof parameters)[string] });
    await expect(loadModelDirectory(model)).rejects.toThrow(/unexpected tensor "model.surprise"/);

    await rm(weights);
    await expect(loadModelDirectory(model)).rejects.toThrow(
      /neither model.safetensors nor model.safetensors.index.json/,
    );
    await writeFile(join(model, 'config.json'), '{');
    await expect(loadModelDirectory(model)).rejects.toThrow(/config.json:1:2: not valid JSON/);
    await expect(loadModelDirectory(join(root, 'none'))).rejects.toThrow(/none\/config.json: cannot read \(ENOENT\)/);
  });

  it('refuses to save parameters that do not fit the configuration', async () => {
    const { 'model.norm.weight': _, ...others } = parameters;
    await expect(saveModelDirectory(model, { config, parameters: others })).rejects.toThrow(
      /"model.norm.weight" is missing/,
    );
  });
});
