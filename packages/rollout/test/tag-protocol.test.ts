import { tagProtocol } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { describe, expect, it } from 'vitest';

const tool = (name: string, tag?: string): Tool => ({ name, tag, description: name, execute: () => '' });
const { parse, ...protocol } = tagProtocol([tool('search'), tool('python', 'code')]);
const call = (name: string, input: string) => ({ kind: 'calls', calls: [{ tool: name, input }] });

describe('what counts as a call or an answer', () => {
  it.each([
    ['<think>t</think><search>q</search>', call('search', 'q')],
    // the tag is the tool's, the name is the tool's too
    ['<code>print(1)</code>', call('python', 'print(1)')],
    ['<answer> 42 </answer>', { kind: 'answer', answer: '42' }],
    ['<answer></answer>', { kind: 'answer', answer: '' }],
    ['<search>\nmulti\nline</search>', call('search', '\nmulti\nline')],
    // any case, spelt alike, as the scorer reads them; no attributes, no spaces
    ['<Search>q</Search>', call('search', 'q')],
    ['<SEARCH>q</SEARCH>', call('search', 'q')],
    ['<Search>q</search>', { kind: 'none' }],
    ['<think>t</Think><search>q</search>', { kind: 'none' }],
    ['<search >q</search>', { kind: 'none' }],
    ['<search>q</ search>', { kind: 'none' }],
    ['text and nothing else', { kind: 'none' }],
    ['', { kind: 'none' }],
    ['<search>never closed', { kind: 'none' }],
    ['closed only</search>', { kind: 'none' }],
    ['<calc>1</calc>', { kind: 'none' }],
  ])('%j', (text, expected) => {
    expect(parse(text, false)).toEqual(expected);
  });
});

describe('the earliest complete one wins', () => {
  it.each([
    ['<search>a</search><code>b</code>', call('search', 'a')],
    ['<code>b</code><search>a</search>', call('python', 'b')],
    ['<answer>x</answer><search>a</search>', { kind: 'answer', answer: 'x' }],
    // closes first, although it opens second
    ['<search>a<code>b</code></search>', call('python', 'b')],
    // from the first opening tag of the name, as a non-greedy match reads it
    ['<search>a<search>b</search>', call('search', 'a<search>b')],
    ["<code>print('</code>')</code>", call('python', "print('")],
  ])('%j', (text, expected) => {
    expect(parse(text, false)).toEqual(expected);
  });
});

describe('a tag inside an open <think> is text', () => {
  it.each([
    ['<think>maybe <search>q</search>', { kind: 'none' }],
    ['<think><answer>x</answer>', { kind: 'none' }],
    ['<think>maybe <search>q</search> no</think><code>1</code>', call('python', '1')],
    ['<think>opened here <search></think>q</search>', { kind: 'none' }],
    ['<think><think>n</think></think><answer>x</answer>', { kind: 'answer', answer: 'x' }],
    // the other way round: inside a closed block, <think> is that block's text
    ['<code>print("<think>")</code>', call('python', 'print("<think>")')],
    ['<search>stray <think><code>1</code></think><answer>x</answer>', { kind: 'answer', answer: 'x' }],
  ])('%j', (text, expected) => {
    expect(parse(text, false)).toEqual(expected);
  });
});

it('stops after each closing tag, in the spellings that occur', () => {
  expect(protocol.stop.join(' ')).toBe(
    '</search> </Search> </SEARCH> </code> </Code> </CODE> </answer> </Answer> </ANSWER>',
  );
});

it('writes observations as blocks of their own', () => {
  expect(protocol.observation(['42'])).toBe('\n\n<response>42</response>\n\n');
  expect(protocol.correction).toContain('<search>...</search> or <code>...</code> or <answer>...</answer>');
});

it.each([
  [[tool('search'), tool('bing', 'Search')], 'tools search and bing share the tag <Search>'],
  [[tool('answer')], 'the tag <answer> is reserved'],
  [[tool('my tool')], '"my tool" is not a tag name'],
])('refuses tools that the text could not tell apart: %#', (tools, message) => {
  expect(() => tagProtocol(tools)).toThrow(message);
});
