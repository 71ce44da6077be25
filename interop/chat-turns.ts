/**
 * Conversations with the real tokenizers and templates of Qwen3 (Qwen2.5's vocabulary) and SmolLM2: what stands between turns, who tells
 * the tools, closing tags that are split over tokens or share one with what follows, streams that never show half a code point.
 *
 *     node --import tsx --conditions=tapo-source interop/chat-turns.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createIncrementalDecoder, loadGguf, loadTokenizer, writeTokenizerFiles, type Tokenizer } from '@tapo/policy';
import { toolDefinitions } from '../packages/rollout/src/index.js';

import { conversation } from '../apps/trainer/src/chat/conversation.js';
import { streamedPolicy } from '../apps/trainer/src/chat/streamed-policy.js';
import { protocolOf, rulesOf, templateKnowsTools, type DescribedTool } from '../apps/trainer/src/prompt.js';
import { qwenTokenizerDirectory, smollm2Path } from './models.js';
import { report } from './python.js';

const tool = { name: 'search', description: 'Finds documents', execute: (query: string) => query };
const root = await mkdtemp(join(tmpdir(), 'tapo-turns-'));
await writeTokenizerFiles(root, (await loadGguf(smollm2Path())).tokenizer);

for (const [name, directory, knowsTools] of [
  ['Qwen3', qwenTokenizerDirectory(), true],
  ['SmolLM2', root, false],
] as const) {
  const tokenizer = await loadTokenizer(directory);
  turns(name, tokenizer);
  tools(name, tokenizer, knowsTools);
  await closingTags(name, tokenizer);
  streams(name, tokenizer);
}
await rm(root, { recursive: true });

/** A second message after an answer: the same tokens as before in front, and the template's own text between. */
function turns(name: string, tokenizer: Tokenizer): void {
  const talk = conversation({ template: 'chat', protocol: 'tags', tokenizer, tools: [] });
  const first = talk.ask('Hi');
  const answer = [...first, ...tokenizer.encode('Hello 🦉!<|im_end|>')];
  talk.answered(answer);
  const second = talk.ask('And you?');
  const kept = answer.findIndex((token, i) => second[i] !== token);
  report(`${name}: tokens of the first turn that are not kept`, kept === -1 ? 0 : answer.length - kept, 0);
  const between = tokenizer.decode(second.slice(answer.length));
  const wanted = '\n<|im_start|>user\nAnd you?<|im_end|>\n<|im_start|>assistant\n';
  if (between !== wanted) console.log(JSON.stringify({ between, wanted }));
  report(`${name}: text between the turns differs`, Number(between !== wanted), 0);
}

/** Tools reach the prompt exactly once, whether the template knows them or not; results come back in a turn of the user. */
function tools(name: string, tokenizer: Tokenizer, knowsTools: boolean): void {
  const definitions = toolDefinitions([tool]);
  report(`${name}: knows tools, wrongly told`, Number(templateKnowsTools(tokenizer, definitions) !== knowsTools), 0);
  const config = { data: {}, rollout: { protocol: 'json' as const } };
  const rules = (described: readonly DescribedTool[]) => rulesOf(config, described, tokenizer);
  const talk = conversation({ template: 'chat', protocol: 'json', tokenizer, tools: [tool], rules });
  const prompt = tokenizer.decode(talk.ask('x'));
  report(`${name}: descriptions of the tool in the prompt, beside one`, prompt.split('Finds documents').length - 2, 0);
  report(`${name}: missing <tool_call> in the prompt`, Number(!prompt.includes('<tool_call>')), 0);
  const observed = protocolOf(config, [tool], tokenizer).observation(['7']);
  const wanted = '\n<|im_start|>user\n<tool_response>\n7\n</tool_response><|im_end|>\n<|im_start|>assistant\n';
  const same = observed === wanted || observed === wanted.replace('assistant\n', 'assistant\n<think>\n\n</think>\n\n');
  if (!same) console.log(JSON.stringify({ observed, wanted }));
  report(`${name}: result of a call stands in another turn`, Number(!same), 0);
}

/** Answers cut at every place into tokens: sampling stops at the token that completes the tag, and at no other. */
async function closingTags(name: string, tokenizer: Tokenizer): Promise<void> {
  const tails = ['', '\n', '\n\n', '>', ' and', '</think>', '.', '<|im_end|>'];
  let cases = 0;
  let split = 0;
  let shared = 0;
  let wrong = 0;
  for (const tag of ['</answer>', '</search>', '</code>']) {
    for (const tail of tails) {
      for (const before of ['4', 'a ', '(x)', 'é', '🦉', '</', 'x=</b>']) {
        const tokens = tokenizer.encode(`${before}${tag}${tail}`);
        const end = tokens.findIndex((_, i) => tokenizer.decode(tokens.slice(0, i + 1)).includes(tag));
        const ends = tokenizer.decode(tokens.slice(0, end + 1)).endsWith(tag);
        let next = 0;
        const policy = streamedPolicy(
          {
            tokenizer,
            release() {},
            sample: async () => ({ tokens: [tokens[next++] as number], logprobs: [0], stopReason: 'length' }),
          },
          { onSampled() {}, onObserved() {} },
        );
        const request = {
          sequenceId: 'a',
          tokens: [1],
          maxTokens: tokens.length,
          stop: [tag],
          temperature: 0,
          topP: 1,
          topK: 0,
          seed: 0,
        };
        const { tokens: sampled, stopReason } = await policy.sample(request);
        cases++;
        split += Number(tokenizer.encode(tag).length > 1);
        shared += Number(!ends);
        wrong += Number(sampled.length !== end + 1 || stopReason !== 'stop');
      }
    }
  }
  report(
    `${name}: ${cases} closing tags (${split} split over tokens, ${shared} sharing one with what follows) stopped elsewhere`,
    wrong,
    0,
  );
}

/** Every token of a text with rare code points, one by one: no piece ends in half a code point, and all pieces are the text. */
function streams(name: string, tokenizer: Tokenizer): void {
  const text = 'naïve 🦉🦉 日本語 👩‍👩‍👧‍👦 𝔘𝔫𝔦 ﷽ Ω≈ç√ \u{10FFFD} नमस्ते';
  const tokens = tokenizer.encode(text);
  const decoder = createIncrementalDecoder(tokenizer);
  const pieces = tokens.map((token) => decoder.push(token));
  const held = pieces.filter((piece) => piece === '').length;
  const halves = pieces.filter((piece) => piece.includes('\uFFFD')).length;
  report(`${name}: halves shown in ${tokens.length} tokens (${held} held back)`, halves, 0);
  report(`${name}: streamed text differs`, Number(pieces.join('') + decoder.flush() !== tokenizer.decode(tokens)), 0);
}
