import { describe, expect, test } from 'vitest';
import { renderReport, summarize } from '@tapo/eval';
import type { EvaluationRecord, MetricsRow, ReportTrajectory } from '@tapo/eval';

const EVIL = `<script>alert("x")</script><img src=x onerror='y'>&amp;\u202Egnp.exe\u0007 \`\`\`\n# not a heading | x`;

const records = (right: number): EvaluationRecord[] =>
  Array.from({ length: 10 }, (_, i) => ({
    problemId: `p${i}`,
    source: i % 2 === 0 ? 'nq' : EVIL,
    score: i < right ? 1 : 0,
    accurate: i < right,
    wellFormed: true,
    answer: 'x',
    turns: [{ calls: [{ tool: EVIL, status: 'ok' }] }],
  }));
const before = summarize(records(2));
const after = summarize(records(9));
const metrics: MetricsRow[] = Array.from({ length: 30 }, (_, i) => ({
  step: i + 1,
  reward: i / 30,
  accuracyBySource: { nq: 0.5, [EVIL]: i / 30 },
  watch: { forgedResponses: i / 30, callInflation: 1 },
  somethingNew: -i,
  broken: Number.NaN,
  text: EVIL,
}));
const trajectory: ReportTrajectory = {
  id: EVIL,
  question: EVIL,
  source: EVIL,
  targets: [EVIL],
  segments: [
    { text: `<think>${EVIL}</think> loose <lookup>${EVIL}</lookup>`, sampled: true },
    { text: `\n\n<response>${EVIL}</response>\n\n`, sampled: false },
    { text: `<response>${EVIL}</response><answer>${EVIL}</answer>`, sampled: true },
  ],
  score: 0,
  accurate: false,
  answer: EVIL,
  stopReason: EVIL,
  label: EVIL,
};
const full = {
  title: EVIL,
  summary: { seed: 1, [EVIL]: EVIL },
  metrics,
  before,
  after,
  trajectories: [trajectory],
  config: { [EVIL]: EVIL },
};

/** tag names of an HTML text in order, with attributes; text and attribute values must be escaped for this to work */
const tags = (html: string): string[] => html.match(/<[^<>]*>/g) ?? [];

describe('html', () => {
  const { html } = renderReport(full);

  test('is one page without script, handler, link, image or any other request', () => {
    const names = new Set(tags(html).map((tag) => /^<\/?!?([a-z0-9]+)/i.exec(tag)?.[1]?.toLowerCase()));
    expect(names.has(undefined)).toBe(false);
    const loading = ['script', 'img', 'link', 'iframe', 'object', 'a', 'form', 'base', 'image', 'use'];
    expect(loading.filter((name) => names.has(name))).toEqual([]);
    expect(html).not.toMatch(/https?:|url\(|@import/i);
    expect(tags(html).filter((tag) => /\s(on\w+|src|href)\s*=/i.test(tag))).toEqual([]);
    expect(html).toContain(`http-equiv="Content-Security-Policy" content="default-src 'none'`);
  });

  test('shows hostile text by its characters, and what would reorder it by code point', () => {
    expect(html).toContain(
      '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&lt;img src=x onerror=&#39;y&#39;&gt;&amp;amp;[U+202E]gnp.exe[U+0007]'.replace(
        'src=x',
        'src=x',
      ),
    );
    expect(html).not.toContain('\u202E');
  });

  test('every element that is opened is closed, in order', () => {
    const open: string[] = [];
    for (const tag of tags(html)) {
      const [, closing, name = '', selfClosed] = /^<(\/?)([a-z0-9]+)[^]*?(\/?)>$/i.exec(tag) ?? [];
      if (name === '' || name === 'meta' || selfClosed === '/') continue;
      if (closing === '') open.push(name);
      else if (open.at(-1) === name) open.pop();
      else open.push(`unexpected ${tag}`);
    }
    expect(open).toEqual([]);
  });

  test('tells blocks apart: thoughts, calls of any tool, responses genuine and forged, loose text, answers', () => {
    const kinds = Array.from(html.matchAll(/<div class="block (\w+)"><span class="tag">([^<]*)</g), ([, kind, tag]) => [
      kind,
      tag,
    ]);
    expect(kinds).toEqual([
      ['think', 'think'],
      ['text', 'outside of blocks'],
      ['call', 'lookup'],
      ['response', 'response'],
      ['forged', 'response, written by the policy itself'],
      ['answer', 'answer'],
    ]);
  });

  test('draws known metrics first and folds the rest away; what is no number is left out', () => {
    const [main = '', more = ''] = html.split('More metrics');
    expect(main).toContain('aria-label="reward: 0 to 0.967 over steps 1 to 30"');
    expect(main).toContain('accuracy by source');
    expect(main).toContain('signs of reward hacking per rollout');
    expect(main).toContain('forgedResponses');
    expect(more).toContain('something new');
    expect(html).not.toMatch(/NaN|undefined|\[object/);
  });

  test('follows light and dark', () => {
    expect(html).toContain('prefers-color-scheme: dark');
  });
});

test('the first sentence says what happened: 2 of 10 right, then 9 of 10', () => {
  expect(renderReport({ ...full, metrics }).markdown).toMatch(
    /Accuracy rose from 20\.0% to 90\.0% \(\+70\.0 points\) on 10 problems in 30 training steps\. The 95% intervals do not overlap: 0\.0% to 50\.0% before, 70\.0% to 100\.0% after\./,
  );
  expect(renderReport({ before: after, after: before }).markdown).toContain('fell from 90.0% to 20.0% (−70.0 points)');
  expect(renderReport({ after }).markdown).toContain('Accuracy is 90.0% (70.0–100.0) on 10 problems.');
});

test('markdown: hostile text breaks neither table, heading nor fence', () => {
  const { markdown } = renderReport(full);
  const table = markdown.split('\n').filter((line) => line.startsWith('|'));
  expect(table).toHaveLength(5); // head, rule, two sources, all
  expect(new Set(table.map((line) => line.replaceAll('\\|', '').split('|').length))).toEqual(new Set([9])); // seven columns;
  expect(markdown).toMatch(/^````text$/m); // longer than the ``` inside
  const outside = markdown.replace(/^````text$.*?^````$/ms, '');
  expect(outside.match(/^#+ .*/gm)?.map((line) => line.slice(0, 12))).toEqual([
    '# &lt;script',
    '## Trajector',
    '### &lt;scri',
  ]);
  expect(outside).not.toContain('<script>');
});

test('json holds everything', () => {
  expect(JSON.parse(renderReport(full).json)).toMatchObject({
    before: { problems: 10 },
    trajectories: [{ answer: EVIL }],
    config: { [EVIL]: EVIL },
  });
});

test('every part may be missing', () => {
  for (const report of [
    {},
    { metrics },
    { after },
    { trajectories: [trajectory] },
    { metrics: [{ step: 1, reward: 1 }] },
  ]) {
    const { html, markdown } = renderReport(report);
    expect(`${html}${markdown}`).not.toMatch(/NaN|undefined|Infinity/);
    expect(html).toMatch(/^<!doctype html>/);
  }
});

test('several attempts per problem are tabulated', () => {
  const twice = summarize([...records(5), ...records(5)]);
  expect(renderReport({ after: twice }).html).toContain('pass@k');
  expect(renderReport({ after }).html).not.toContain('pass@k');
});

test('a very long rollout is cut in the middle, and says by how much', () => {
  const long = { ...trajectory, segments: [{ text: `<think>${'a'.repeat(20_000)}</think>`, sampled: true }] };
  const { html } = renderReport({ trajectories: [long] });
  expect(html).toContain('… 12015 characters left out …'); // 20 000 + <think></think> (15) − 8 000
  expect(html.length).toBeLessThan(25_000);
});
