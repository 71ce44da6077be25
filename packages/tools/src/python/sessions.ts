/** What the calls of one rollout share. */
export interface Session {
  /** programs begun, the one under way included */
  calls: number;
  /** has cost a worker */
  suspect: boolean;
  /** variables and files after the last program that came to its end; only if they are kept */
  state?: Buffer | undefined;
}

/** Sessions of rollouts that never end are forgotten beyond this many, the longest unused first. */
const MAX_SESSIONS = 100_000;

/** One session for each rollout, from its first call to `forget`. */
export function createSessions() {
  const sessions = new Map<string, Session>();
  /** ends of the last call of each rollout */
  const queues = new Map<string, Promise<unknown>>();

  return {
    /** The rollout's session, in which a new call begins. */
    begin(rolloutId: string): Session {
      const session = sessions.get(rolloutId) ?? { calls: 0, suspect: false };
      session.calls += 1;
      sessions.delete(rolloutId);
      sessions.set(rolloutId, session);
      const [oldest] = sessions.keys();
      if (sessions.size > MAX_SESSIONS && oldest !== undefined) sessions.delete(oldest);
      return session;
    },

    /** Runs the calls of a rollout one after the other, in the order in which they came. A call that is given up while it waits does not begin. */
    async inTurn<Result>(rolloutId: string, signal: AbortSignal, call: () => Promise<Result>): Promise<Result> {
      const before = queues.get(rolloutId);
      const result = (before ?? Promise.resolve()).then(() => {
        signal.throwIfAborted();
        return call();
      });
      const end = result.then(nothing, nothing).then(() => {
        if (queues.get(rolloutId) === end) queues.delete(rolloutId);
      });
      queues.set(rolloutId, end);
      return result;
    },

    forget(rolloutId: string): void {
      sessions.delete(rolloutId);
    },

    /** How many there are, and what their states take. */
    get stats() {
      let stateBytes = 0;
      for (const { state } of sessions.values()) stateBytes += state?.length ?? 0;
      return { sessions: sessions.size, stateBytes };
    },
  };
}

function nothing(): void {}
