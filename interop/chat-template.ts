/**
 * Chat templates of Qwen3 and SmolLM2-Instruct rendered here and by transformers:
 *
 *     node --import tsx --conditions=tapo-source interop/chat-template.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadGguf, loadTokenizer, writeTokenizerFiles, type ChatMessage } from '@tapo/policy';

import { qwenTokenizerDirectory, smollm2Path } from './models.js';
import { report, runPython } from './python.js';

const system: ChatMessage = { role: 'system', content: 'Answer in one word.' };
const question: ChatMessage = { role: 'user', content: 'What is "2 + 2"?\n<b>é🦉</b>' };
const answer: ChatMessage = { role: 'assistant', content: 'four' };
const parameters = {
  type: 'object',
  properties: { query: { type: 'string', description: "the user's question" } },
  required: ['query'],
};
const tool = { type: 'function', function: { name: 'search', description: 'Finds documents', parameters } };
const conversations = [[question], [system, question], [system, question, answer, question], [question, answer]];
const cases = conversations.flatMap((messages) =>
  [true, false].flatMap((addGenerationPrompt) =>
    [[], [tool]].map((tools) => ({ messages, addGenerationPrompt, tools })),
  ),
);

const root = await mkdtemp(join(tmpdir(), 'tapo-templates-'));
await writeTokenizerFiles(root, (await loadGguf(smollm2Path())).tokenizer);
for (const [name, directory] of [
  ['Qwen3', qwenTokenizerDirectory()],
  ['SmolLM2', root],
] as const) {
  const tokenizer = await loadTokenizer(directory);
  const theirs = runPython('chat_template.py', [directory, JSON.stringify(cases)]) as string[];
  const different = cases.filter(({ messages, ...options }, i) => {
    const ours = tokenizer.applyChatTemplate?.(messages, options);
    if (ours !== theirs[i]) console.log(JSON.stringify({ ours, theirs: theirs[i] }, null, 1));
    return ours !== theirs[i];
  });
  report(`${name}: conversations of ${cases.length} rendered differently`, different.length, 0);
}
await rm(root, { recursive: true });
