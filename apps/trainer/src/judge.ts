import { overlongPenalty, sampledLength } from '@tapo/core';
import type { Trajectory } from '@tapo/core';
import { createScorer, watchCounters } from '@tapo/eval';
import type { Tokenizer } from '@tapo/rollout';
import { taggedSegments, textSegments } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { overlongLimit } from './config/overlong-limit.js';
import type { ResolvedConfig } from './config/schema.js';
import { countCalls } from './judged-group.js';
import type { Judge } from './judged-group.js';
import { protocolOf } from './prompt.js';

/**
 * The reward of a trajectory: the rule-based score (METHOD: TAPO, arXiv 2510.07038) plus the overlong penalty. What
 * `reward.block` and `reward.maxCalls` forbid is scored as a format error, −1.
 */
export function createJudge(
  config: Pick<ResolvedConfig, 'reward' | 'rollout' | 'data'>,
  { tools, tokenizer }: { tools: readonly Tool[]; tokenizer: Tokenizer },
): Judge {
  const { mode, overlong, block, maxCalls } = config.reward;
  const protocol = protocolOf(config, tools, tokenizer);
  const scorer = createScorer({
    mode,
    tools: protocol.tagNames,
    specialTokens: tokenizer.eosTokenIds.map((token) => tokenizer.decode([token])),
  });
  const penalty = overlong && { ...overlong, maxLength: overlongLimit(config) };

  return (problem, trajectory) => {
    const segments = taggedSegments(trajectory, { tokenizer, protocol });
    const result = scorer({
      output: segments.map(({ text }) => text).join(''),
      expected: problem.targets,
      metadata: { dataSource: problem.dataSource, segments },
    });
    const { acc, pred, formatError } = result.metadata;
    const allowed = formatError === null && !isBlocked(trajectory);
    const score = allowed ? result.score : -1;
    return {
      reward: score + (penalty ? overlongPenalty(sampledLength(trajectory), penalty) : 0),
      score,
      accurate: allowed && acc,
      wellFormed: allowed,
      answer: allowed ? pred : null,
    };
  };

  function isBlocked(trajectory: Trajectory): boolean {
    if (maxCalls !== null && countCalls(trajectory) > maxCalls) return true;
    if (block.length === 0) return false;
    const prompt = tokenizer.decode(trajectory.tokens.slice(0, trajectory.promptLength));
    const segments = textSegments(trajectory, tokenizer);
    const counts = watchCounters([{ prompt, segments, turns: trajectory.turns }]);
    return block.some((sign) => counts[sign] > 0);
  }
}
