import { mkdtemp, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lineSpans, parseWithoutTokens } from '../../src/view/json-lines.js';
import { followMetrics } from '../../src/view/metrics-file.js';
import { hostileTexts } from './hostile.js';

describe('lines', () => {
  it('a line is there once its line feed is', () => {
    // bytes:               0123456 7 8 9
    const spans = lineSpans(Buffer.from('{"a":1}\n\n{"b"'));
    expect(spans).toEqual([{ offset: 0, length: 7 }]);
  });

  it('token columns are left out, a text that looks like one is not', () => {
    const record = {
      id: 'a',
      tokens: [1, 2],
      text: ',"tokens":[1,2]',
      lossMask: [],
      nested: { logprobs: [0.5], tokens: 'text' },
      oldLogprobs: [-1e-7, 0],
    };
    expect(parseWithoutTokens(JSON.stringify(record))).toEqual({
      id: 'a',
      text: ',"tokens":[1,2]',
      // first of its object: not after a comma, so it stays
      nested: { logprobs: [0.5], tokens: 'text' },
    });
    for (const text of Object.values(hostileTexts)) {
      expect(parseWithoutTokens(JSON.stringify({ id: text, tokens: [1], text }))).toEqual({ id: text, text });
    }
    expect(parseWithoutTokens('{"id":"cut off')).toBeUndefined();
  });
});

describe('metrics.jsonl while it is written', () => {
  it('half a line waits for its other half; a broken line is counted; a rewritten file starts again', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'tapo-metrics-')), 'metrics.jsonl');
    const metrics = followMetrics(file);
    expect(await metrics.refresh()).toBe(false);

    await writeFile(file, '{"step":1,"reward":0.5}\n{"step":2,"re');
    expect(await metrics.refresh()).toBe(true);
    expect(metrics.latest).toEqual({ step: 1, reward: 0.5 });
    const first = await metrics.page(0, -1);
    expect(first).toEqual({ text: '{"step":1,"reward":0.5}\n', next: 24, generation: first.generation });

    await writeFile(file, 'ward":1}\n{"step":3,\n{"step":3,"reward":null}\n', { flag: 'a' });
    await metrics.refresh();
    expect(metrics.latest).toEqual({ step: 3, reward: null });
    expect(metrics.rewards).toEqual([0.5, 1, NaN]);
    expect(metrics.unreadableLines).toBe(1);
    expect((await metrics.page(24, first.generation)).text).toMatch(/^\{"step":2,"reward":1\}\n/);

    // what a resumed run does: the file without its last steps, under a new inode
    await writeFile(`${file}.partial`, '{"step":1,"reward":0.25}\n');
    await rename(`${file}.partial`, file);
    await metrics.refresh();
    expect(metrics.rewards).toEqual([0.25]);
    expect(await metrics.page(60, first.generation)).toEqual({
      text: '{"step":1,"reward":0.25}\n',
      next: 25,
      generation: first.generation + 1,
    });

    // written anew in its place, and longer than before: only the last line that was read tells
    await writeFile(file, '{"step":1,"reward":0.75}\n{"step":2,"reward":0.875}\n');
    await metrics.refresh();
    expect(metrics.rewards).toEqual([0.75, 0.875]);
    expect((await metrics.page(25, first.generation + 1)).generation).toBe(first.generation + 2);
  });
});
