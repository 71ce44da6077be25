/**
 * Continuous batching over a KV cache. Every step feeds one token to each active sequence, be it a token of its prompt, an
 * observation or the one just sampled; sequences join and leave between runs of one or several steps. A sequence keeps its
 * cache under its id, so a tool's answer costs only its own tokens.
 *
 * What is sampled depends neither on company nor on the clock:
 * - draw i is a function of (seed, position) (`philox.ts`), made in the graph, whatever the number of steps of a run;
 * - what a run draws after a sequence's last token is dropped;
 * - a row attends in the shape of its own pool, which its own length decides (`kv-cache.ts`);
 * - a step has at least four rows (`decoder.ts`);
 * - a chunk of a prompt or observation gives the bits of as many steps (`forwardCached`), so a dropped sequence, fed again, gets its
 *   cache back bit by bit, and a copied prefix is what the sequence would have computed itself.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { divergedMessage, tokenDrawer, type Draw } from './draw.js';
import type { Decoder, Fed } from './decoder.js';
import type { CachePool, KvCacheMemory } from './kv-cache.js';
import { uniform } from './philox.js';
import { createSequences, dropCache, type ActiveRequest, type Sequence } from './sequences.js';
import type { StopMatcher } from './stop-strings.js';
import type { SampleRequest, SampleResult } from './types.js';

export interface LocalSampler {
  sample(request: SampleRequest, signal?: AbortSignal): Promise<SampleResult>;
  release(sequenceId: string): void;
  /** forgets all cached keys and values; sequences in flight feed theirs again */
  dropCaches(): void;
  /** sequences that had to be fed again for want of memory */
  readonly evictions: number;
}

export interface SamplerOptions {
  vocabSize: number;
  /** longest sequence */
  maxPositions: number;
  eosTokenIds: readonly number[];
  /** called once per request */
  stopMatcher(stop: readonly string[]): StopMatcher;
}

/** Fewer tokens are fed one by one, beside those of the other rows. */
const MIN_CHUNK = 12;

export function createSampler(
  decoder: Decoder,
  cache: KvCacheMemory<Sequence>,
  { vocabSize, maxPositions, eosTokenIds, stopMatcher }: SamplerOptions,
): LocalSampler {
  const sequences = createSequences(cache);
  const draw = tokenDrawer(vocabSize);
  const eos = new Set(eosTokenIds);
  let running = false;

  async function run(): Promise<void> {
    if (running) return;
    running = true;
    // What is asked for at the same time starts at the same time.
    await nextTurn();
    try {
      for (;;) {
        sequences.removeDeparted();
        if (!sequences.admit(finish)) break;
        for (const sequence of sequences.active()) await prefill(sequence);
        // Who waited for a prefix that is now there joins this very step.
        sequences.admit(finish);
        for (const pool of cache.pools()) await stepPool(pool);
      }
    } catch (error) {
      for (const sequence of sequences.active()) finish(sequence, error as Error);
    } finally {
      running = false;
      sequences.removeDeparted();
    }
  }

  /** Feeds a chunk of a sequence that has many tokens to feed before it can sample. */
  async function prefill(sequence: Sequence): Promise<void> {
    const { row, cached, request, tokens } = sequence;
    if (!decoder.prefill || !row || !request) return;
    // The last known token is left for a step, which gives the logits. A chunk stays within the row's capacity.
    const count = Math.min(decoder.chunkTokens, tokens.length - 1 - cached, row.pool.capacity - cached);
    if (count < MIN_CHUNK) return;
    await decoder.prefill(cache, row, tokens.slice(cached, cached + count));
    if (isUnchanged(sequence, request, cached, row)) sequence.cached += count;
  }

  /** Feeds one or several tokens to each working row of a pool. */
  async function stepPool(pool: CachePool<Sequence>): Promise<void> {
    const span = arrange(pool);
    for (let first = 0; first < span; first += cache.rowsPerBlock) {
      const rows = pool.rows.slice(first, Math.min(first + cache.rowsPerBlock, span));
      const before = rows.map(({ owner: sequence }) => ({ sequence, ...sequence }));
      const steps = stepsFor(before);
      const fed = before.map((sequence) => fedBy(sequence, pool.capacity, steps));
      const decoded = await decoder.run(cache, pool, first, fed, steps);
      before.forEach(({ sequence, request, cached, row }, i) => {
        if (!request || !row || !isUnchanged(sequence, request, cached, row)) return;
        for (let step = 0; step < steps && sequence.cached < pool.capacity && sequence.request; step++) {
          sequence.cached++;
          if (sequence.cached < sequence.tokens.length) continue;
          const at = i * steps + step;
          const drawn = { token: decoded.tokens[at] as number, logprob: decoded.logprobs[at] as number };
          accept(
            () => (isPlain(request) ? drawn : drawOnHost(decoded.logits(i), sequence, request)),
            sequence,
            request,
          );
        }
      });
    }
  }

  /** Several steps where all rows draw in the graph, and most of them have that many to make. */
  function stepsFor(rows: readonly Sequence[]): number {
    const { mostSteps } = decoder;
    let longEnough = 0;
    let working = 0;
    for (const { request, tokens, cached } of rows) {
      if (!request) continue;
      if (!isPlain(request)) return 1;
      working++;
      // The last token to be sampled is not fed.
      const left = tokens.length - 1 - cached + request.limit - request.tokens.length;
      if (left >= mostSteps) longEnough++;
    }
    return 2 * longEnough > working ? mostSteps : 1;
  }

  /** Whether a request's tokens are drawn in the graph. */
  function isPlain({ options: { temperature, topK, topP } }: ActiveRequest): boolean {
    return temperature === 0 || (topK === 0 && topP === 1);
  }

  /** False if the request was aborted, or the sequence released or its cache dropped, while a run was under way. */
  function isUnchanged(sequence: Sequence, request: ActiveRequest, cached: number, row: Sequence['row']): boolean {
    return sequence.request === request && sequence.cached === cached && sequence.row === row;
  }

  function drawOnHost(logits: Float32Array, { cached }: Sequence, { options }: ActiveRequest) {
    return draw(logits, uniform(options.seed, cached), options);
  }

  /** Takes the next token of a sequence. */
  function accept(next: () => Draw, sequence: Sequence, request: ActiveRequest): void {
    const { tokens, logprobs } = request;
    try {
      const { token, logprob } = next();
      if (!Number.isFinite(logprob)) throw new Error(divergedMessage(logprob));
      tokens.push(token);
      logprobs.push(logprob);
      sequence.tokens.push(token);
      const stopped = request.stop.push(token);
      if (eos.has(token)) finish(sequence, 'eos');
      else if (stopped) finish(sequence, 'stop');
      else if (tokens.length >= request.limit) finish(sequence, 'length');
    } catch (error) {
      finish(sequence, error as Error);
    }
  }

  /** Moves working rows to the front where that makes the step smaller; how many leading rows it must span. */
  function arrange({ rows }: CachePool<Sequence>): number {
    const working = rows.reduce((count, { owner }) => count + (owner.request ? 1 : 0), 0);
    if (working === 0) return 0;
    let last = rows.findLastIndex(({ owner }) => owner.request);
    let hole = 0;
    while (stepSize(last + 1) > stepSize(working)) {
      while (rows[hole]!.owner.request) hole++;
      cache.swap(rows[hole]!, rows[last]!);
      last = rows.findLastIndex(({ owner }) => owner.request);
    }
    return last + 1;
  }

  function stepSize(rows: number): number {
    const rest = rows % cache.rowsPerBlock;
    return rows - rest + (rest > 0 ? decoder.paddedRows(rest) : 0);
  }

  function fedBy({ request, tokens, cached }: Sequence, capacity: number, steps: number): Fed {
    if (!request) return { tokens: [0], cached: capacity, temperature: 1, uniforms: [] };
    const { temperature, seed } = request.options;
    const uniforms = Array.from({ length: steps }, (_, step) => uniform(seed, cached + 1 + step));
    // A chunk may have filled the row up; then this feeds nothing, and the row grows before the next round.
    return { tokens: tokens.slice(cached, cached + steps), cached, temperature, uniforms };
  }

  function finish(sequence: Sequence, outcome: SampleResult['stopReason'] | Error): void {
    const { request } = sequence;
    if (!request) return;
    sequences.retire(sequence);
    if (outcome instanceof Error) request.reject(outcome);
    else request.resolve({ tokens: request.tokens, logprobs: request.logprobs, stopReason: outcome });
  }

  return {
    get evictions() {
      return sequences.evictions;
    },
    async sample(options, signal) {
      signal?.throwIfAborted();
      check(options);
      const limit = Math.min(options.maxTokens, maxPositions - options.tokens.length);
      if (limit <= 0) return { tokens: [], logprobs: [], stopReason: 'length' };
      return new Promise<SampleResult>((resolve, reject) => {
        const request = { options, limit, tokens: [], logprobs: [], stop: stopMatcher(options.stop), resolve, reject };
        const sequence = sequences.enter(options.sequenceId, options.tokens, request);
        const abort = () => sequence.request === request && finish(sequence, signal!.reason as Error);
        signal?.addEventListener('abort', abort, { once: true });
        void run();
      });
    },
    release(sequenceId) {
      const sequence = sequences.get(sequenceId);
      if (!sequence) return;
      finish(sequence, new Error(`sequence "${sequenceId}" was released while it was being sampled`));
      sequences.forget(sequence);
      if (!running) sequences.removeDeparted();
    },
    dropCaches() {
      for (const sequence of sequences.all()) dropCache(sequence);
    },
  };

  function check({ sequenceId, tokens, maxTokens, temperature, topP, topK }: SampleRequest): void {
    const fail = (what: string) => {
      throw new Error(`sample request for sequence "${sequenceId}": ${what}`);
    };
    if (tokens.length === 0) fail('it has no tokens; give at least one, for example the beginning-of-sequence token');
    if (tokens.length > maxPositions) {
      fail(`it has ${tokens.length} tokens, the model's context holds ${maxPositions}; give a shorter prompt`);
    }
    const wrong = tokens.find((token) => !(token >= 0 && token < vocabSize));
    if (wrong !== undefined) fail(`token ${wrong} is not in the model's vocabulary of ${vocabSize}`);
    if (!(maxTokens >= 0)) fail(`maxTokens is ${maxTokens}, wanted 0 or more`);
    if (!(temperature >= 0)) fail(`temperature is ${temperature}, wanted 0 or more`);
    if (!(topP > 0 && topP <= 1)) fail(`topP is ${topP}, wanted more than 0, at most 1`);
    if (!(topK >= 0)) fail(`topK is ${topK}, wanted 0 (off) or more`);
    const busy = sequences.get(sequenceId)?.request;
    if (busy) fail('it is being sampled already; one request at a time per sequence');
  }
}
