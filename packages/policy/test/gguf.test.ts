import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createTokenizer, inspectModel, loadGguf, loadModelDirectory } from '@tapo/policy';

import { blockFormats } from '../src/gguf/dequantize.js';

// Made by interop/make_gguf_fixtures.py with the gguf package of llama.cpp.
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const tiny = fixture('gguf/tiny-llama.gguf');

const golden = JSON.parse(await readFile(fixture('gguf/dequantize.json'), 'utf8')) as Record<
  string,
  { bytes: string; values: number[] }
>;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tapo-gguf-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A copy of the small file with one ASCII string replaced by another of the same length. */
async function patched(from: string, to: string): Promise<string> {
  const bytes = await readFile(tiny);
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThan(0);
  bytes.write(to, at);
  const path = join(root, 'patched.gguf');
  await writeFile(path, bytes);
  return path;
}

describe('dequantisation', () => {
  it.each(Object.entries(golden))('of %s equals the gguf package', (name, { bytes, values }) => {
    const source = Uint8Array.from(Buffer.from(bytes, 'base64'));
    const format = blockFormats[name];
    const target = new Float32Array(3 * (format?.weights ?? 0) + 1);
    format?.dequantize(source, 3, target, 1); // offset 1: nothing before it is touched
    expect(target[0]).toBe(0);
    expect(target).toHaveLength(values.length + 1);
    const largest = Math.max(...values.map(Math.abs));
    values.forEach((value, i) =>
      expect(Math.abs((target[i + 1] as number) - value)).toBeLessThanOrEqual(1e-6 * largest),
    );
  });
});

describe('loadGguf', () => {
  it('reads configuration, biases, a separate head and Llama 3’s RoPE scaling', async () => {
    const { config } = await loadGguf(tiny);
    expect(config).toMatchObject({
      architecture: 'llama',
      vocabSize: 61,
      numKeyValueHeads: 1,
      headDim: 16,
      tieWordEmbeddings: false,
    });
    expect(config).toMatchObject({ qkvBias: true, outputBias: true, mlpBias: true, rmsNormEps: 1e-6 });
    expect(config.rope).toEqual({
      theta: 500000,
      scaling: { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 8192 },
    });
  });

  it('reads the weights that the converter stored, query and key rows back in halves', async () => {
    const { parameters } = await loadGguf(tiny);
    const original = (await loadModelDirectory(fixture('llama3-scaled-biases'))).parameters;
    expect(Object.keys(parameters)).toEqual(Object.keys(original));
    for (const [name, { data, shape }] of Object.entries(parameters)) {
      const expected = original[name] as (typeof original)[string];
      expect(shape).toEqual(expected.shape);
      const quantized = /(gate_proj|up_proj|lm_head).weight/.test(name);
      // Q8_0 rounds to 1/127 of a block's largest weight: at most half of that off
      const tolerance = quantized ? Math.max(...expected.data.map(Math.abs)) / 127 / 2 + 1e-3 : 0;
      const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected.data[i] as number))), 0);
      expect(worst).toBeLessThanOrEqual(tolerance);
      expect(worst > 0).toBe(quantized);
    }
  });

  it('brings its tokenizer and chat template', async () => {
    const tokenizer = createTokenizer((await loadGguf(tiny)).tokenizer);
    const text = '<|user|>the a 12<|end|>';
    const pieces = tokenizer.encode(text).map((token) => tokenizer.decode([token]));
    expect(pieces).toEqual(['<|user|>', 'the', ' a', ' ', '1', '2', '<|end|>']);
    expect(tokenizer.eosTokenIds).toEqual([0]);
    expect(tokenizer.applyChatTemplate?.([{ role: 'user', content: 'a' }])).toBe('<|user|>a<|end|>');
  });

  it('says what it cannot read', async () => {
    const bytes = await readFile(tiny);
    const short = join(root, 'short.gguf');
    await writeFile(short, bytes.subarray(0, bytes.length - 4000));
    await expect(loadGguf(short)).rejects.toThrow(/short.gguf: the file ends inside tensor ".*"; download it again/);
    // also where the weights are not read
    await expect(inspectModel({ kind: 'gguf', path: short })).rejects.toThrow(/the file ends inside tensor/);
    const bare = Buffer.from(bytes);
    for (const key of ['tokenizer.ggml.model', 'tokenizer.ggml.merges']) {
      bare.write('x', bare.indexOf(key) + key.length - 1);
      await writeFile(short, bare);
      await expect(loadGguf(short)).rejects.toThrow(/short.gguf: it holds no tokenizer .*; take a file that has one/);
    }
    await writeFile(short, bytes.subarray(0, 300));
    await expect(loadGguf(short)).rejects.toThrow(/short.gguf: the file ends inside its header/);
    await writeFile(short, 'GGML');
    await expect(loadGguf(short)).rejects.toThrow(/short.gguf: not a readable GGUF file/);
    await expect(loadGguf(join(root, 'none.gguf'))).rejects.toThrow(/cannot open \(ENOENT\)/);

    await expect(loadGguf(await patched('smollm', 'klingo'))).rejects.toThrow(
      /"tokenizer.ggml.pre" is "klingo", implemented: gpt-2/,
    );
    await expect(loadGguf(await patched('blk.1.ffn_up.bias', 'blk.1.ffn_xy.bias'))).rejects.toThrow(
      /unexpected tensor "blk.1.ffn_xy.bias"/,
    );

    // name, dimensions (u32), 2 sizes (u64), then the type (u32): 16 is IQ2_XXS
    const at = bytes.indexOf('blk.0.ffn_down.weight') + 'blk.0.ffn_down.weight'.length + 4 + 16;
    bytes.writeUInt32LE(16, at);
    await writeFile(short, bytes);
    await expect(loadGguf(short)).rejects.toThrow(
      /"blk.0.ffn_down.weight" is quantised as IQ2_XXS; readable: F32, F16/,
    );
  });
});
