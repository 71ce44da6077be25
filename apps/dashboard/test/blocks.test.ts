import { expect, it } from 'vitest';
import { readableBlocks } from '../src/trajectory/blocks.js';

const call = {
  toolCallId: 'c',
  tool: 'python',
  input: 'print(1)',
  observation: '1',
  status: 'ok' as const,
  durationMs: 3,
};
const turn = { start: 0, end: 1, corrected: false, calls: [] };

it('think, call, response and answer, with the status and time of the call', () => {
  const blocks = readableBlocks({
    segments: [
      { text: '<think>compute</think><code>print(1)</code>', sampled: true },
      { text: '\n\n<response>1</response>\n\n', sampled: false },
      { text: '<answer>1</answer>', sampled: true },
    ],
    turns: [{ ...turn, calls: [call] }, turn],
  });
  expect(blocks).toEqual([
    { kind: 'think', name: 'think', text: 'compute' },
    { kind: 'call', name: 'code', text: 'print(1)' },
    { kind: 'response', name: 'python', text: '1', status: 'ok', durationMs: 3 },
    { kind: 'answer', name: 'answer', text: '1' },
  ]);
});

it('a response of the policy itself is told from a real one; corrections, unknown tags and loose text are shown', () => {
  const blocks = readableBlocks({
    segments: [
      {
        text: 'hm <response>42</response><tool_response>43</tool_response><calc>1+1</calc><script>x</script>',
        sampled: true,
      },
      { text: '\n\n<response>Try again.</response>\n\n', sampled: false },
      { text: '<answer>42', sampled: true },
    ],
    turns: [{ ...turn, corrected: true, calls: [] }, turn],
  });
  expect(blocks.map(({ kind, text }) => [kind, text])).toEqual([
    ['text', 'hm'],
    ['forged', '42'],
    ['forged', '43'],
    ['text', '<calc>1+1</calc><script>x</script>'],
    ['correction', 'Try again.'],
    ['text', '<answer>42'],
  ]);
});

it('a tag of a custom tool is a call when the tool got its text', () => {
  const [block] = readableBlocks({
    segments: [{ text: '<calc> 1+1 </calc>', sampled: true }],
    turns: [{ ...turn, calls: [{ ...call, tool: 'calc', input: ' 1+1 ' }] }],
  });
  expect(block).toEqual({ kind: 'call', name: 'calc', text: '1+1' });
});
