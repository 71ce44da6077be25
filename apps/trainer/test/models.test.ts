import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  initializeLora,
  loadAdapterDirectory,
  loadGguf,
  loadModelDirectory,
  loadTokenizer,
  mergeLora,
  openSafetensors,
  saveAdapterDirectory,
  saveModelDirectory,
} from '@tapo/policy';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { copyTokenizerFiles } from '../src/model-files.js';
import { failure, folder, tapo } from './run-tapo.js';
import { writeTinyModel } from './tiny-model.js';

const gguf = fileURLToPath(new URL('../../../packages/policy/test/fixtures/gguf/tiny-llama.gguf', import.meta.url));

/** A run directory as training leaves it behind, with all weights or an adapter in its one checkpoint. */
async function writeRun(model: string, kind: 'model' | 'adapter'): Promise<string> {
  const run = join(await folder(), 'run');
  const base = await loadModelDirectory(model);
  const learner = join(run, 'checkpoints/step-7/learner');
  await mkdir(learner, { recursive: true });
  await writeFile(join(run, 'config.json'), JSON.stringify({ model }));
  if (kind === 'model') {
    await saveModelDirectory(join(learner, 'model'), base);
    await copyTokenizerFiles(model, join(learner, 'model'));
  } else {
    const config = { rank: 2, alpha: 4, targets: ['q_proj' as const, 'down_proj' as const], rsLora: false };
    const parameters = initializeLora(base.config, config, { seed: 1 });
    for (const { data } of Object.values(parameters)) data.forEach((value, i) => (data[i] = value + Math.sin(i)));
    await saveAdapterDirectory(join(learner, 'adapter'), { config, parameters }, { base: base.parameters });
  }
  return run;
}

it('a checkpoint of a model from a .gguf file gets its tokenizer', async () => {
  const out = await folder();
  await copyTokenizerFiles(gguf, out);
  expect((await loadTokenizer(out)).eosTokenIds).toEqual([0]);
});

describe('a model from the hub', () => {
  let server: Server;
  let requests: string[];
  let model: string;
  beforeAll(async () => {
    model = await writeTinyModel();
    const files = Object.fromEntries(
      await Promise.all((await readdir(model)).map(async (name) => [name, await readFile(join(model, name))] as const)),
    );
    server = createServer((request, response) => {
      const path = request.url ?? '';
      requests.push(path);
      if (path.includes('/api/') && !path.includes('org/tiny')) return void response.writeHead(404).end('{}');
      if (path.includes('/revision/')) return void response.end(JSON.stringify({ id: 'org/tiny', sha: 'c0ffee' }));
      if (path.includes('/api/')) {
        const entries = Object.entries(files).map(([name, bytes]) => {
          const oid = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
          return { type: 'file', path: name, size: bytes.length, oid };
        });
        return void response.end(JSON.stringify(entries));
      }
      const bytes = files[path.split('/').at(-1) as string] as Buffer;
      const [start, end] = (/bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []).slice(1).map(Number);
      const part = start === undefined ? bytes : bytes.subarray(start, (end as number) + 1);
      response.writeHead(start === undefined ? 200 : 206, {
        'content-length': part.length,
        'content-range': `bytes ${start ?? 0}-${end ?? bytes.length - 1}/${bytes.length}`,
        etag: '"x"',
      });
      response.end(part);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    vi.stubEnv('HF_HUB_CACHE', await folder());
    requests = [];
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    server.closeAllConnections();
    server.close();
  });

  it('is downloaded, with a word about it, and then found without network', async () => {
    const [first, again] = [join(await folder(), 'a'), join(await folder(), 'b')];
    const { code, err } = await tapo('export', 'org/tiny@v1', first);
    expect(code).toBe(0);
    expect(err).toMatch(/downloading model.safetensors: [\d.]+ MB of [\d.]+ MB/);
    expect(requests[0]).toContain('/revision/v1');
    expect(await loadModelDirectory(first)).toEqual(await loadModelDirectory(model));
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect((await tapo('export', 'org/tiny@v1', again)).err).toBe('');
    vi.stubEnv('HF_HUB_OFFLINE', '');
    expect(await loadModelDirectory(again)).toEqual(await loadModelDirectory(model));
  });

  it('that does not exist: what was looked for, and what to do', async () => {
    const err = await failure('export', 'org/none', join(await folder(), 'x'));
    expect(err).toContain('no model in org/none: no such directory here; as an id of the hub');
    expect(err).toContain('does not exist');
  });

  it('that is not cached while offline: the remedy', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const err = await failure('export', 'org/other', join(await folder(), 'x'));
    vi.stubEnv('HF_HUB_OFFLINE', '');
    expect(err).toContain('only local files are allowed');
    expect(err).toContain('hf download org/other');
  });
});

describe('tapo export', () => {
  it('gives back every bit of a model, in one float32 file or through BF16', async () => {
    const model = await writeTinyModel();
    const [once, half, twice] = [join(await folder(), 'a'), join(await folder(), 'b'), join(await folder(), 'c')];
    const { out } = await tapo('export', model, once);
    // embedding 110·16, q 16·16 + 16, k and v 2·(8·16 + 8), o 16·16, MLP 3·16·16, norms 3·16
    expect(out).toContain(`${model} → ${once}: model, 3,376 parameters, F32`);
    expect(out).toMatch(/model.safetensors +[\d,]+ bytes/);
    expect(await loadModelDirectory(once)).toEqual(await loadModelDirectory(model));
    expect(await readFile(join(once, 'model.safetensors'))).toEqual(await readFile(join(model, 'model.safetensors')));
    await tapo('export', once, half, '--dtype', 'bf16');
    await tapo('export', half, twice, '--dtype', 'BF16');
    expect(await readFile(join(twice, 'model.safetensors'))).toEqual(await readFile(join(half, 'model.safetensors')));
  });

  it('makes a directory of a .gguf file', async () => {
    const out = join(await folder(), 'model');
    const { out: printed } = await tapo('export', gguf, out, '--json');
    expect(JSON.parse(printed)).toMatchObject({
      kind: 'model',
      dtype: 'F32',
      files: { 'tokenizer.json': expect.any(Number) },
    });
    expect(await loadModelDirectory(out)).toEqual(
      (({ config, parameters }) => ({ config, parameters }))(await loadGguf(gguf)),
    );
  });

  it('writes the adapter of a run alone, or merged', async () => {
    const model = await writeTinyModel();
    const run = await writeRun(model, 'adapter');
    const base = await loadModelDirectory(model);
    const trained = await loadAdapterDirectory(join(run, 'checkpoints/step-7/learner/adapter'), base);

    const adapter = join(await folder(), 'adapter');
    expect((await tapo('export', run, adapter, '--adapter')).out).toContain(`LoRA adapter over ${model}`);
    expect(await loadAdapterDirectory(adapter, base)).toEqual(trained);
    const json = JSON.parse(await readFile(join(adapter, 'adapter_config.json'), 'utf8')) as object;
    expect(json).toMatchObject({ base_model_name_or_path: model, r: 2 });

    const merged = join(await folder(), 'merged');
    expect((await tapo('export', adapter, merged)).out).toContain('model, adapter merged');
    const expected = mergeLora(base.parameters, trained.parameters, trained.config);
    expect((await loadModelDirectory(merged)).parameters).toEqual(expected);
    expect(await readdir(merged)).toContain('tokenizer.json');
  });

  it('refuses what would lose something, and leaves OUT as it was', async () => {
    const model = await writeTinyModel();
    const other = await writeTinyModel();
    expect(await failure('export', model, other)).toContain(`${other} is not empty`);
    expect((await tapo('export', model, other, '--force')).code).toBe(0);
    expect(await failure('export', model, model, '--force')).toContain('OUT is what is exported');
    const notes = await folder();
    await writeFile(join(notes, 'notes.txt'), 'mine');
    expect(await failure('export', model, notes, '--force')).toContain('is not empty');
    expect(await failure('export', model, join(notes, 'x'), '--adapter')).toContain('holds all weights, no adapter');
    expect(await failure('export', model, join(notes, 'x'), '--dtype', 'F8')).toContain('known: F32, BF16');
    expect(await failure('export', model, join(notes, 'x'), '--base', model)).toContain('--base goes with an adapter');
    expect(await readdir(notes)).toEqual(['notes.txt']);
  });

  it('refuses weights that are not numbers', async () => {
    const model = await writeTinyModel();
    const file = join(model, 'model.safetensors');
    const opened = await openSafetensors(file);
    const { start } = opened.entries.get('model.norm.weight') as { start: number };
    await opened.close();
    const bytes = await readFile(file);
    bytes.writeFloatLE(NaN, start + 8);
    await writeFile(file, bytes);
    const err = await failure('export', model, join(await folder(), 'x'));
    expect(err).toContain('model.safetensors: tensor "model.norm.weight" holds NaN at index 2');
  });

  it('names a checkpoint that is not whole', async () => {
    const model = await writeTinyModel();
    const run = await writeRun(model, 'model');
    const checkpoint = join(run, 'checkpoints/step-7');
    const whole = join(await folder(), 'whole');
    expect((await tapo('export', run, whole)).out).toContain('checkpoint 7 of');
    expect(await loadModelDirectory(whole)).toEqual(await loadModelDirectory(model));
    await truncate(join(checkpoint, 'learner/model/model.safetensors'), 1000);
    expect(await failure('export', run, join(await folder(), 'x'))).toContain('learner/model/model.safetensors');
    await rm(join(checkpoint, 'learner/model'), { recursive: true });
    expect(await failure('export', run, join(await folder(), 'x'))).toContain('holds neither learner/model nor');
    await rm(checkpoint, { recursive: true });
    expect(await failure('export', run, join(await folder(), 'x'))).toContain('has no checkpoint yet');
  });
});

describe('tapo chat', () => {
  it.each([
    [['--template', 'nope'], 'known: chat, base, minimal'],
    [['--temperature', 'hot'], '--temperature wants a number'],
    [['--max-tokens', '0'], '--max-tokens wants an integer of at least 1'],
    [['--seed', '-1'], '--seed wants an integer'],
  ])('checks its options before it looks for a model: %j', async (options, message) => {
    expect(await failure('chat', 'nowhere', ...options)).toContain(message);
  });

  it('without a model, with an adapter for one, with one that is no directory', async () => {
    expect(await failure('chat')).toContain('no model: none was named, and there is no tapo.config.ts in');
    const model = await writeTinyModel();
    const adapter = join(await writeRun(model, 'adapter'), 'checkpoints/step-7/learner/adapter');
    expect(await failure('chat', adapter)).toContain('a LoRA adapter, no model');
    expect(await failure('chat', model, '--adapter', 'nowhere')).toContain(
      'an adapter directory holds it and adapter_model',
    );
  });
});

describe('tapo verify model', () => {
  it('says what is missing', async () => {
    expect(await failure('verify', 'model', gguf)).toContain('wanted MODEL and FILE, got 1 paths');
    expect(await failure('verify', 'model', 'nowhere', 'numbers.json')).toContain('no model in nowhere');
  });
});

describe('tapo model show', () => {
  it('says what a model is and what it needs', async () => {
    const { code, out } = await tapo('model', 'show', gguf, '--rows', '2', '--length', '64');
    expect(code).toBe(0);
    expect(out).toMatch(/architecture +llama: 2 layers of width 32, MLP 40, 2 heads on 1 of keys, untied head/);
    expect(out).toMatch(/context +\d+ tokens, RoPE base 500000, llama3 × 8/);
    expect(out).toMatch(/stored as .*Q8_0 \([\d,]+ weights\)/);
    expect(out).toMatch(/full training +0\.\d\d GB  fits/);
  });

  it('--json; an adapter is named with its base', async () => {
    const model = await writeTinyModel();
    const { out } = await tapo('model', 'show', await writeRun(model, 'adapter'), '--json', '--lora-rank', '2');
    expect(JSON.parse(out)).toMatchObject({
      path: model,
      adapter: expect.stringContaining('step-7'),
      parameters: 3376,
    });
  });

  it('at the length of a short context; no longer one', async () => {
    const model = await writeTinyModel(); // of 256 tokens
    expect((await tapo('model', 'show', model)).out).toMatch(/weights +13.5 kB[^]*8 × 256 tokens/);
    expect(await failure('model', 'show', model, '--length', '257')).toContain("the model's context holds 256 tokens");
  });

  it('an adapter whose base is gone', async () => {
    const [model, adapter] = [await writeTinyModel(), join(await folder(), 'adapter')];
    await tapo('export', await writeRun(model, 'adapter'), adapter, '--adapter');
    await rm(model, { recursive: true });
    const err = await failure('model', 'show', adapter);
    expect(err).toContain(`${adapter}: its base, base_model_name_or_path of adapter_config.json, is not here`);
    expect(err).toContain(`no model in ${model}`);
    expect(err).toContain('--base MODEL');
  });

  it('a tokenizer of another model', async () => {
    expect(await failure('model', 'show', await writeTinyModel({ vocabSize: 64 }))).toMatch(
      /tokenizer and model disagree/,
    );
    expect(await failure('model', 'delete', 'x')).toContain('tapo model show MODEL');
  });
});
