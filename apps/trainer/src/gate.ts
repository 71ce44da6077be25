import type { Policy } from '@tapo/rollout';

/** Runs what it is given as soon as there is room, in the order of asking. */
export type Gate = <T>(run: () => Promise<T>) => Promise<T>;

/** A gate that lets `limit` through at once; without a limit, everything. */
export function createGate(limit = Infinity): Gate {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (run) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await run();
    } finally {
      // whoever waits longest takes over the place
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

/** The policy with at most `limit` requests under way. */
export function limitSampling(policy: Policy, limit: number | undefined): Policy {
  if (limit === undefined) return policy;
  const gate = createGate(limit);
  return {
    tokenizer: policy.tokenizer,
    sample: (request, options) => gate(async () => policy.sample(request, options)),
    release: (sequenceId) => policy.release(sequenceId),
  };
}
