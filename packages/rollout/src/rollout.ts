import { inspect } from 'node:util';
import type { Trajectory, TrajectoryStopReason } from '@tapo/core';
import { endRollout } from '@tapo/tools';
import type { ParsedTurn, Protocol } from './protocol.js';
import type { RolloutOptions } from './rollout-options.js';
import { runCalls } from './run-calls.js';
import { tagProtocol } from './tag-protocol.js';
import type { TrajectoryBuilder } from './trajectory-builder.js';
import { trajectoryBuilder } from './trajectory-builder.js';
import { encodeUntrusted } from './untrusted-text.js';

let anonymous = 0;

/**
 * One rollout: the policy samples until a call or an answer is complete, the tool runs, its observation is appended,
 * and so on until the answer (METHOD: TAPO, arXiv 2510.07038, section on interleaved inference). Token in, token out:
 * what was sampled is fed back as it is, an observation is tokenised once, on its own, special tokens in it as text. Never rejects because of what
 * the policy or a tool does; `stopReason` says how it ended, and `error` what failed in the policy.
 * @throws for a prompt that is no list of tokens, limits that are none, tools without a tag
 */
export async function rollout(promptTokens: readonly number[], options: RolloutOptions): Promise<Trajectory> {
  const { policy, tools = [], protocol = tagProtocol(tools), maxTurns = 4, maxTokens = 4096, signal } = options;
  const { id = `rollout-${anonymous++}`, problemId = '' } = options;
  const { tokenizer } = policy;
  checkTokens(promptTokens);
  checkCount('maxTurns', maxTurns);
  checkCount('maxTokens', maxTokens);
  const builder = trajectoryBuilder(promptTokens, { id, problemId, tokenizer });

  async function run(): Promise<TrajectoryStopReason> {
    for (let turn = 0; turn <= maxTurns; turn++) {
      const parsed = await sampleTurn(builder, { ...options, protocol, maxTokens, id });
      if (parsed === 'length') return 'length';
      if (parsed.kind === 'answer') return 'answer';

      if (builder.tokens.length >= maxTokens) return 'length';
      let observed: number[];
      if (parsed.kind === 'calls') {
        const callId = `${id}/turn-${turn}`;
        const exhausted = turn === maxTurns;
        const calls = await runCalls(parsed.calls, {
          ...options,
          tools,
          protocol,
          id: callId,
          rolloutId: id,
          exhausted,
        });
        builder.endTurn({ calls });
        signal?.throwIfAborted();
        const observations = calls.map((call) => call.observation);
        observed = encodeUntrusted(tokenizer, observations, protocol.observation);
      } else {
        builder.endTurn({ corrected: true });
        observed = tokenizer.encode(protocol.correction);
      }
      if (builder.tokens.length + observed.length >= maxTokens) return 'length';
      builder.observed(observed);
    }
    return 'turns';
  }

  let stopReason: TrajectoryStopReason;
  let failure: string | undefined;
  try {
    stopReason = await run();
  } catch (error) {
    stopReason = signal?.aborted ? 'aborted' : 'error';
    if (!signal?.aborted) failure = messageOf(error);
  }
  try {
    await policy.release(id);
  } catch (error) {
    failure ??= `policy.release failed: ${messageOf(error)}`;
  }
  // a tool that fails to clean up is not the rollout's concern
  await endRollout(tools, id).catch(() => {});
  return builder.finish(stopReason, failure);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Samples until the turn holds a call or an answer, ends, or the budget is used up. */
async function sampleTurn(
  builder: TrajectoryBuilder,
  options: RolloutOptions & { protocol: Protocol; maxTokens: number; id: string },
): Promise<ParsedTurn | 'length'> {
  const { policy, protocol, maxTokens, id, temperature = 1, topP = 1, topK = 0, seed = 0, signal } = options;
  if (builder.tokens.length >= maxTokens) return 'length';
  builder.startTurn();
  while (builder.tokens.length < maxTokens) {
    signal?.throwIfAborted();
    const remaining = maxTokens - builder.tokens.length;
    const result = await policy.sample(
      {
        sequenceId: id,
        tokens: [...builder.tokens],
        maxTokens: remaining,
        stop: protocol.stop,
        temperature,
        topP,
        topK,
        seed,
      },
      { signal },
    );
    if (!Array.isArray(result?.tokens) || !Array.isArray(result.logprobs)) {
      throw new TypeError(
        `the policy returned ${inspect(result)}, wanted {tokens: number[], logprobs: number[], stopReason}`,
      );
    }
    const { tokens, logprobs, stopReason } = result;
    // the model's own limit may be nearer than the budget
    if (tokens.length === 0 && stopReason === 'length') return 'length';
    if (tokens.length === 0 || tokens.length > remaining) {
      throw new Error(`the policy returned ${tokens.length} tokens where 1 to ${remaining} were asked for`);
    }
    builder.sampled(tokens, logprobs);
    const ended = stopReason === 'eos';
    const parsed = protocol.parse(builder.turnText(), ended);
    // A stop string may complete inside an open <think>, where it is text: then the turn goes on.
    if (parsed.kind !== 'none' || ended) return parsed;
  }
  return 'length';
}

/** Text would pass for a list of tokens, one per character. */
function checkTokens(promptTokens: readonly number[]): void {
  if (Array.isArray(promptTokens) && promptTokens.every((token) => Number.isInteger(token) && token >= 0)) return;
  const got = typeof promptTokens === 'string' ? 'text' : inspect(promptTokens, { breakLength: Infinity });
  throw new TypeError(`promptTokens: got ${got}, wanted a list of token ids: policy.tokenizer.encode(text)`);
}

function checkCount(option: string, value: number): void {
  if (Number.isInteger(value) && value >= 0) return;
  throw new RangeError(`${option}: got ${inspect(value)}, wanted a whole number of at least 0`);
}
