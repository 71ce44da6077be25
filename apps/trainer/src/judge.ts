import { overlongPenalty, sampledLength } from '@tapo/core';
import { createScorer } from '@tapo/eval';
import type { Tokenizer } from '@tapo/rollout';
import { taggedSegments } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { overlongLimit } from './config/derived.js';
import type { ResolvedConfig } from './config/schema.js';
import type { Judge } from './judged-group.js';
import { protocolOf } from './prompt.js';

/** The reward of a trajectory: the rule-based score (METHOD: TAPO, arXiv 2510.07038) plus the overlong penalty. */
export function createJudge(
  config: Pick<ResolvedConfig, 'reward' | 'rollout' | 'data'>,
  { tools, tokenizer }: { tools: readonly Tool[]; tokenizer: Tokenizer },
): Judge {
  const { mode, overlong } = config.reward;
  const protocol = protocolOf(config, tools, tokenizer);
  const score = createScorer({
    mode,
    tools: protocol.tagNames,
    specialTokens: tokenizer.eosTokenIds.map((token) => tokenizer.decode([token])),
  });
  const penalty = overlong && { ...overlong, maxLength: overlongLimit(config) };

  return (problem, trajectory) => {
    const segments = taggedSegments(trajectory, { tokenizer, protocol });
    const result = score({
      output: segments.map(({ text }) => text).join(''),
      expected: problem.targets,
      metadata: { dataSource: problem.dataSource, segments },
    });
    const { acc, pred, formatError } = result.metadata;
    return {
      reward: result.score + (penalty ? overlongPenalty(sampledLength(trajectory), penalty) : 0),
      score: result.score,
      accurate: acc,
      wellFormed: formatError === null,
      answer: formatError === null ? pred : null,
    };
  };
}
