import type { ToolStatus } from '@tapo/core';
import { expect, it } from 'vitest';
import type { JudgedRolloutGroup } from '../src/judged-group.js';
import { stepMetrics } from '../src/step-metrics.js';
import { noUsage } from '../src/tools/tool-usage.js';

type Call = [tool: string, status: ToolStatus, durationMs: number];

/** A group of one source; each rollout is given by its calls. */
function group(source: string, rollouts: Call[][]): JudgedRolloutGroup {
  return {
    policyStep: 0,
    problem: { id: source, question: '?', dataSource: source, targets: ['1'] },
    accuracies: rollouts.map(() => 0),
    members: rollouts.map((calls, i) => ({
      judgement: { reward: 0, score: 0, accurate: false, wellFormed: true, answer: null },
      trajectory: {
        id: `step-1/0-0/${i}`,
        problemId: source,
        tokens: [0, 1],
        lossMask: [0, 1],
        rolloutLogprobs: [0, -1],
        promptLength: 1,
        turns: calls.map(([tool, status, durationMs]) => ({
          start: 1,
          end: 2,
          corrected: false,
          calls: [{ toolCallId: '0', tool, input: '', observation: '', status, durationMs }],
        })),
        stopReason: 'answer',
      },
    })),
  };
}

function metricsOf(drawn: JudgedRolloutGroup[], firstCalls: number[] = []) {
  return stepMetrics(1, {
    drawn,
    chosen: {
      groups: [],
      draws: 1,
      unfiltered: 0,
      dropped: 2,
      missing: 0,
      next: { kept: [], rejected: [], draws: 0 },
    },
    updates: [],
    stale: 0,
    overlapped: false,
    tokenizer: { decode: () => '' },
    firstCalls,
    usage: [noUsage, noUsage],
    timing: { started: 0, sampled: 1000, prepared: 1000, updated: 2000 },
  });
}

it('calls, their time and their failures, by tool', () => {
  const drawn = [
    group('nq', [
      [
        ['search', 'ok', 10],
        ['search', 'timeout', 100],
      ],
      [['code', 'refused', 0]],
    ]),
    group('math', [
      [
        ['search', 'ok', 40],
        ['code', 'ok', 2],
        ['code', 'error', 4],
      ],
      [],
    ]),
  ];
  const metrics = metricsOf(drawn);
  expect(metrics).toMatchObject({
    callsPerProblem: 6 / 4,
    callsByTool: { code: 3 / 4, search: 3 / 4 },
    callsBySource: { math: 3 / 2, nq: 3 / 2 },
    callStatus: { error: 1 / 6, ok: 3 / 6, refused: 1 / 6, timeout: 1 / 6 },
    // code: refused and error of three; search: one timeout of three
    callErrorsByTool: { code: 2 / 3, search: 1 / 3 },
    callMs: (10 + 100 + 0 + 40 + 2 + 4) / 6,
    callMsByTool: { code: (0 + 2 + 4) / 3, search: (10 + 100 + 40) / 3 },
  });
});

it('call inflation: calls per problem over those of the first steps, if there were any', () => {
  const drawn = [
    group('nq', [
      [
        ['search', 'ok', 1],
        ['search', 'ok', 1],
      ],
      [['search', 'ok', 1]],
    ]),
  ];
  // 3 calls of 2 rollouts, where the first steps had 0.4 and 0.6 per rollout: 1.5 / 0.5
  expect(metricsOf(drawn, [0.4, 0.6])).toMatchObject({ watch: { callInflation: 3 } });
  expect(metricsOf(drawn).watch).not.toHaveProperty('callInflation');
});
