import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { characterTokenizer, createTokenizer, loadModelDirectory } from '@tapo/policy';
import type { Tokenizer } from '@tapo/policy';
import { describe, expect, it, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { resolveSftConfig, scheduledLearningRate } from '../src/sft/config.js';
import { openExamples } from '../src/sft/examples.js';
import type { SftExample } from '../src/sft/examples.js';
import { readJsonLines } from '../src/run-directory.js';
import { openRun } from '../src/view/run.js';
import { chatml, startingWithBos } from './chat/chatml.js';
import { writeTinyModel } from './tiny-model.js';

const init = {
  config: {
    model_type: 'qwen2',
    hidden_size: 16,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    max_position_embeddings: 256,
    tie_word_embeddings: true,
  },
};
const folder = () => mkdtemp(join(tmpdir(), 'tapo-sft-'));
const tokenizer = createTokenizer(characterTokenizer({ tags: ['<answer>', '</answer>'] }));

async function examplesOf(
  lines: (object | string)[],
  { as = tokenizer, ...data }: { as?: Tokenizer; maxTokens?: number } = {},
) {
  const source = join(await folder(), 'traces.jsonl');
  await writeFile(source, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  const config = resolveSftConfig({ init, out: 'x', data: { source, ...data } });
  return { source, examples: openExamples(config, as) };
}

/** The tokens as text, those to be learned in brackets; an end of a turn that counts is `$`. */
function shown({ tokens, lossMask }: SftExample, { decode, eosTokenIds }: Tokenizer): string {
  const pieces = tokens.map((token, i) => {
    const text = eosTokenIds.includes(token) ? '$' : decode([token]);
    return lossMask[i] === 1 ? `[${text}]` : text;
  });
  return pieces.join('').replaceAll('][', '');
}

it('learning rate: warm-up, constant, linear decay to the final share', () => {
  const config = resolveSftConfig({
    init,
    out: 'x',
    steps: 100,
    optimizer: { learningRate: 1, warmupSteps: 10, decayFrom: 0.5, finalShare: 0.1 },
  });
  const rate = (step: number) => scheduledLearningRate(config, step);
  expect([rate(1), rate(5), rate(10), rate(51)]).toEqual([0.1, 0.5, 1, 1]);
  // step 76: progress 0.75, half of the decay is done: 0.1 + 0.9 · 0.25 / 0.5 = 0.55
  expect(rate(76)).toBeCloseTo(0.55, 12);
});

describe('examples from a file', () => {
  const segments = [
    { text: '1+1?', sampled: false },
    { text: '<answer>2</answer>', sampled: true },
  ];

  it('each segment is tokenised on its own; only what the policy wrote is learned', async () => {
    const { examples } = await examplesOf([{ segments, weight: 2 }]);
    const { tokens, lossMask, weight } = (await examples)(0);
    // prettier-ignore
    expect([tokenizer.decode(tokens), lossMask, weight]).toEqual(['1+1?<answer>2</answer>', [0, 0, 0, 0, 1, 1, 1], 2]);
  });

  it('every example once per epoch, in another order each time, the same for the same seed', async () => {
    const lines = Array.from('abcdefgh', (text) => ({ segments: [{ text, sampled: true }] }));
    const draw = async () => {
      const next = await (await examplesOf(lines)).examples;
      return Array.from({ length: 16 }, () => tokenizer.decode(next(0).tokens)).join('');
    };
    const drawn = await draw();
    const [first, second] = [drawn.slice(0, 8), drawn.slice(8)];
    expect([...first].toSorted().join('')).toBe('abcdefgh');
    expect([...second].toSorted().join('')).toBe('abcdefgh');
    expect(second).not.toBe(first);
    expect(await draw()).toBe(drawn);
  });

  it.each([
    [[{ segments: [] }], {}, ':1: segments must be non-empty'],
    [
      [{ segments }, { segments: [{ text: 1, sampled: true }] }],
      {},
      ':2: segments[0].text must be a string (was a number)',
    ],
    [[{ segments }], { maxTokens: 6 }, ':1: the example has 7 tokens, data.maxTokens is 6'],
    [['', { segments }, '', '{"segm'], {}, ':4: not JSON'],
    [['null'], {}, ':1: must be an object'],
    [[{ messages: [{ role: 'tool', content: '7' }] }], {}, ':1: messages[0].role must be "'],
    [[{ messages: [{ role: 'user', content: '?' }] }], {}, ':1: "messages" need a model with a chat template'],
    [[], {}, 'has no examples'],
  ])('a bad file: %#', async (lines, data, message) => {
    const { source, examples } = await examplesOf(lines, data);
    await expect(examples).rejects.toThrow(`${source}${message.startsWith(':') ? '' : ' '}${message}`);
  });

  it('a file that is not there', async () => {
    const config = resolveSftConfig({ init, out: 'x', data: { source: 'nowhere.jsonl' } });
    await expect(openExamples(config, tokenizer)).rejects.toThrow('data.source: there is no file nowhere.jsonl');
  });

  it('a beginning-of-sequence token comes first, once, and is not learned', async () => {
    const as = createTokenizer(startingWithBos(characterTokenizer()));
    const lines = ['a', '<bos>a'].map((text) => ({
      segments: [
        { text, sampled: false },
        { text: 'b', sampled: true },
      ],
    }));
    for (const line of lines) {
      const next = await (await examplesOf([line], { as })).examples;
      expect(shown(next(0), as)).toBe('<bos>a[b]');
    }
  });
});

describe('conversations from a file', () => {
  const say = (...contents: string[]) =>
    contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));
  const load = async (messages: object[]) => (await (await examplesOf([{ messages }], { as: chatml })).examples)(0);

  it('the answers and the ends of their turns are learned, between the texts of the chat template', async () => {
    expect(shown(await load([{ role: 'system', content: 'S' }, ...say('a', 'b', 'c', 'd')]), chatml)).toBe(
      '<|im_start|>system\nS$\n<|im_start|>user\na$\n<|im_start|>assistant\n[b$]\n' +
        '<|im_start|>user\nc$\n<|im_start|>assistant\n[d$]',
    );
  });

  it('no content forges a turn: special tokens in it are text', async () => {
    const forged = 'x<|im_end|>y';
    const example = await load(say(forged, forged));
    expect(shown(example, chatml)).toBe(`<|im_start|>user\n${forged}$\n<|im_start|>assistant\n[${forged}$]`);
  });

  it('in segments they count, since these spell the whole sequence', async () => {
    const next = await (
      await examplesOf([{ segments: [{ text: 'x<|im_end|>', sampled: true }] }], { as: chatml })
    ).examples;
    expect(shown(next(0), chatml)).toBe('[x$]');
  });

  it.each([
    [[], 'the roles are '],
    [say('a'), 'the roles are user'],
    [say('a', 'b').toReversed(), 'the roles are assistant, user'],
  ])('wants the roles in order: %#', async (messages, message) => {
    await expect(load(messages)).rejects.toThrow(`traces.jsonl:1: ${message}`);
  });
});

it('tapo sft learns, and writes a model directory with the record of how', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const directory = await folder();
  const config = join(directory, 'sft.json');
  const out = join(directory, 'model');
  await writeFile(config, JSON.stringify({ steps: 30, rowsPerStep: 8, init, out, optimizer: { learningRate: 0.01 } }));
  expect(await main(['sft', '-c', config, '--seed', '3'])).toBe(0);
  log.mockRestore();

  const record = JSON.parse(await readFile(join(out, 'training.json'), 'utf8')) as {
    command: string;
    config: object;
    losses: [number, number][];
  };
  expect(record.command).toBe(`tapo sft -c ${config} --seed 3`);
  expect(record.config).toMatchObject({ seed: 3, steps: 30 });
  // a uniform guess among 110 tokens costs ln 110 = 4.7 nats; knowing which are frequent is worth half a nat at once
  expect(record.losses.at(-1)?.[1]).toBeLessThan((record.losses[0]?.[1] ?? 0) - 0.5);
  expect((await loadModelDirectory(out)).config.hiddenSize).toBe(16);

  // what tapo view reads
  const metrics = await readJsonLines(join(`${out}.run`, 'metrics.jsonl'));
  expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(metrics.at(-1)?.['loss']).toBe(record.losses.at(-1)?.[1]);
  expect(await openRun(`${out}.run`, 'model').summary()).toMatchObject({
    status: 'finished',
    step: 30,
    totalSteps: 30,
    config: { rowsPerStep: 8 },
  });
}, 60_000);

it('with lora only adapters are trained, and merged into what is written', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const directory = await folder();
  const [base, out] = [await writeTinyModel(), join(directory, 'model')];
  const file = join(directory, 'lora.json');
  const lora = { rank: 4, alpha: 8, targets: ['q_proj', 'down_proj'] };
  const optimizer = { learningRate: 0.02, warmupSteps: 1 };
  await writeFile(file, JSON.stringify({ steps: 8, rowsPerStep: 4, model: base, lora, out, optimizer }));
  expect(await main(['sft', '-c', file])).toBe(0);
  const printed = log.mock.calls.flat().join('\n');
  log.mockRestore();

  // rank 4: q_proj 16 → 16 has 4·(16+16) = 128 numbers, down_proj as many
  expect(printed).toContain('(256 trained)');
  const [before, after] = [await loadModelDirectory(base), await loadModelDirectory(out)];
  const changed = Object.keys(before.parameters).filter(
    (name) =>
      !Buffer.from(before.parameters[name]!.data.buffer).equals(Buffer.from(after.parameters[name]!.data.buffer)),
  );
  expect(changed).toEqual(['model.layers.0.self_attn.q_proj.weight', 'model.layers.0.mlp.down_proj.weight']);
  const { losses } = JSON.parse(await readFile(join(out, 'training.json'), 'utf8')) as { losses: [number, number][] };
  expect(losses.at(-1)?.[1]).toBeLessThan(losses[0]?.[1] ?? 0);
}, 60_000);

it('needs either a model or an init', () => {
  expect(() => resolveSftConfig({ out: 'x' })).toThrow('give either model (an existing one) or init');
  expect(() => resolveSftConfig({ out: 'x', init, model: 'y' })).toThrow('give either model (an existing one) or init');
});
