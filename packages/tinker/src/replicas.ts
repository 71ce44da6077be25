import { TinkerError } from './errors.js';
import type { RemotePolicyRequest, RemotePolicyResult } from './policy.js';
import { pause } from './transport.js';

/** One of several samplers that hold the same weights. */
export interface Replica {
  /** for messages */
  name: string;
  sample(request: RemotePolicyRequest, options?: { signal?: AbortSignal }): Promise<RemotePolicyResult>;
}

export interface BalanceOptions {
  /** a replica that failed is left alone for this long */
  restMs?: number;
  /** how long a request waits for any replica to come back before it fails */
  patienceMs?: number;
  onWarning?: ((message: string) => void) | undefined;
}

/** Requests spread over replicas. */
export interface BalancedReplicas {
  sample(request: RemotePolicyRequest, options?: { signal?: AbortSignal }): Promise<RemotePolicyResult>;
  release(sequenceId: string): void;
}

interface ReplicaState extends Replica {
  underWay: number;
  restsUntil: number;
}

/**
 * Each request goes to the least loaded replica; the turns of one rollout stay on the replica that has its prefix cached,
 * as long as that lives. A request is the whole sequence, so when a replica dies in the middle of a rollout another one
 * goes on from the tokens there are: no rollout, and no group, is lost.
 */
export function balanceReplicas(replicas: readonly Replica[], options: BalanceOptions = {}): BalancedReplicas {
  const { restMs = 10_000, patienceMs = 300_000, onWarning = () => {} } = options;
  const states = replicas.map((replica): ReplicaState => ({ ...replica, underWay: 0, restsUntil: 0 }));
  const homes = new Map<string, ReplicaState>();

  function choose(sequenceId: string): ReplicaState | undefined {
    const now = Date.now();
    const awake = states.filter(({ restsUntil }) => restsUntil <= now);
    const home = homes.get(sequenceId);
    if (home && awake.includes(home)) return home;
    return awake.toSorted((a, b) => a.underWay - b.underWay)[0];
  }

  return {
    async sample(request, sampleOptions = {}) {
      const givenUpAt = Date.now() + patienceMs;
      for (let last: unknown; ;) {
        const replica = choose(request.sequenceId);
        if (replica === undefined) {
          const awakeAt = Math.min(...states.map(({ restsUntil }) => restsUntil));
          if (awakeAt > givenUpAt) throw last;
          await pause(Math.max(1, awakeAt - Date.now()), sampleOptions.signal);
          continue;
        }
        homes.set(request.sequenceId, replica);
        replica.underWay++;
        try {
          return await replica.sample(request, sampleOptions);
        } catch (error) {
          sampleOptions.signal?.throwIfAborted();
          // What the server refuses by right, another one would refuse too.
          if (!(error instanceof TinkerError) || !error.retryable || Date.now() > givenUpAt) throw error;
          if (replica.restsUntil <= Date.now()) {
            onWarning(`${replica.name} rests for ${restMs / 1000} s: ${error.message}`);
          }
          replica.restsUntil = Date.now() + restMs;
          last = error;
        } finally {
          replica.underWay--;
        }
      }
    },
    release(sequenceId) {
      homes.delete(sequenceId);
    },
  };
}
