import { describe, expect, it } from 'vitest';
import { problemSource, promptMessages, promptRules, renderPrompt } from '@tapo/data';
import type { ChatMessage } from '@tapo/data';

const problem = { question: 'What is the capital of Peru?' };
const search = { name: 'search' };
const code = { name: 'python', tag: 'code', description: 'Runs Python.' };

describe('promptRules', () => {
  it.each([
    ['search and code', [search, code], ['<search>', '<code>']],
    ['search only', [search], ['<search>']],
    ['code only', [code], ['<code>']],
    ['no tool', [], []],
  ] as const)('%s: names the tags of the enabled tools, and shows them in use', (_, tools, tags) => {
    const rules = promptRules(tools);
    const example = rules.slice(rules.indexOf('Example:'));
    for (const tag of ['<think>', '<answer>', ...tags]) {
      expect(rules).toContain(tag);
      expect(example).toContain(tag);
    }
    for (const tag of ['<search>', '<code>', '<response>']) {
      const enabled = tag === '<response>' ? tags.length > 0 : (tags as readonly string[]).includes(tag);
      expect(rules.includes(tag)).toBe(enabled);
    }
  });

  it('shows an example whose arithmetic is right', () => {
    // 1² + 3² + … + 79² = n(2n − 1)(2n + 1) / 3 for n = 40: 40 · 79 · 81 / 3 = 85320
    expect(promptRules([code])).toContain('<response>85320</response>');
    expect((40 * 79 * 81) / 3).toBe(85320);
    // 450295 / 92212 = 4.883…
    expect((450295 / 92212).toFixed(1)).toBe('4.9');
    expect(promptRules([search, code])).toContain('<answer>4.9</answer>');
  });

  it('lists further tools with their description', () => {
    expect(promptRules([search, { name: 'weather', description: 'Forecast for a city.' }])).toContain(
      '- <weather>input</weather>: Forecast for a city.',
    );
  });
});

describe('renderPrompt', () => {
  it('base: rules, then the question last', () => {
    const prompt = renderPrompt(problem, { tools: [search] });
    expect(prompt.startsWith(promptRules([search]))).toBe(true);
    expect(prompt.endsWith('Question: What is the capital of Peru?\n')).toBe(true);
  });

  it('minimal: the bare question', () => {
    expect(renderPrompt(problem, { template: 'minimal', tools: [search] })).toBe(problem.question);
  });

  it('chat: through the tokenizer', () => {
    const applyChatTemplate = (messages: ChatMessage[], options?: { addGenerationPrompt?: boolean }) =>
      messages.map(({ role, content }) => `[${role}]${content}`).join('') +
      (options?.addGenerationPrompt ? '[assistant]' : '');
    const prompt = renderPrompt(problem, { template: 'chat', tools: [code], tokenizer: { applyChatTemplate } });
    expect(prompt).toBe(`[system]${promptRules([code])}[user]${problem.question}[assistant]`);
    expect(promptMessages(problem, { tools: [code] }).map(({ role }) => role)).toEqual(['system', 'user']);
  });

  it('own rules take the place of the built-in ones', () => {
    const rules = 'Tools: <code>python</code>.';
    expect(renderPrompt(problem, { tools: [code], rules }).startsWith(`${rules}\n\nNow it is your turn.`)).toBe(true);
    expect(promptMessages(problem, { tools: [code], rules })[0]).toEqual({ role: 'system', content: rules });
    const applyChatTemplate = (messages: ChatMessage[]) => messages.map(({ content }) => content).join('|');
    const prompt = renderPrompt(problem, { template: 'chat', rules, tokenizer: { applyChatTemplate } });
    expect(prompt).toBe(`${rules}|${problem.question}`);
  });

  it('chat: says what to do without a chat template', () => {
    expect(() => renderPrompt(problem, { template: 'chat' })).toThrow(/got no tokenizer.*template "base"/);
    expect(() => renderPrompt(problem, { template: 'chat', tokenizer: {} })).toThrow(/got one without/);
  });
});

it('problemSource prefers the label in metadata', () => {
  expect(problemSource({ dataSource: 'default', metadata: { source: 'easy' } })).toBe('easy');
  expect(problemSource({ dataSource: 'nq', metadata: { source: 7 } })).toBe('nq');
  expect(problemSource({ dataSource: 'nq' })).toBe('nq');
});
