import type { Tool, ToolContext } from './tool.js';

export interface StatefulTool<State, Input, Output> extends Omit<
  Tool<Input, Output>,
  'execute' | 'endRollout' | 'close'
> {
  /** who shares a state: nobody, the calls of one rollout, or all calls of the run */
  lifetime: 'call' | 'rollout' | 'run';
  /** makes a state at the first call that needs one */
  open(context: ToolContext): State | Promise<State>;
  execute(input: Input, context: ToolContext, state: State): Output | Promise<Output>;
  /** called once for every state that `open` made */
  release?(state: State): void | Promise<void>;
}

/**
 * A tool with state: a session, a browser page, a game. Calls that share the state of a rollout run one after the other,
 * in the order in which they came. A call that is cut off (time limit, interrupt) takes its state with it, for nobody
 * knows what is left in it: the next call opens a new one.
 */
export function statefulTool<State, Input = string, Output = unknown>({
  lifetime,
  open,
  execute,
  release,
  ...tool
}: StatefulTool<State, Input, Output>): Tool<Input, Output> {
  if (!['call', 'rollout', 'run'].includes(lifetime)) {
    throw new TypeError(`${tool.name}: got lifetime ${JSON.stringify(lifetime)}, wanted call, rollout or run`);
  }
  const states = new Map<string, Promise<State>>();
  const released = new WeakMap<Promise<State>, Promise<void>>();
  /** end of the last call of each rollout that has calls under way */
  const queues = new Map<string, Promise<void>>();

  const openState = (key: string, context: ToolContext) => {
    const opening = Promise.resolve().then(() => open(context));
    states.set(key, opening);
    return opening;
  };
  const drop = (key: string, opening: Promise<State>): Promise<void> => {
    if (states.get(key) === opening) states.delete(key);
    // if `open` failed there is nothing to release
    const done = released.get(opening) ?? opening.then((state) => release?.(state), nothing);
    released.set(opening, done);
    return done;
  };

  const run = async (key: string, input: Input, context: ToolContext): Promise<Output> => {
    const { signal } = context;
    signal.throwIfAborted();
    const opening = states.get(key) ?? openState(key, context);
    const cutOff = () => void drop(key, opening).catch(nothing);
    try {
      const state = await opening.catch((error: unknown) => {
        cutOff();
        throw error;
      });
      signal.throwIfAborted();
      if (lifetime !== 'run') signal.addEventListener('abort', cutOff, { once: true });
      return await execute(input, context, state);
    } finally {
      signal.removeEventListener('abort', cutOff);
      if (lifetime === 'call') await drop(key, opening);
    }
  };

  const inTurn = (rolloutId: string, signal: AbortSignal, call: () => Promise<Output>): Promise<Output> => {
    const result = (queues.get(rolloutId) ?? Promise.resolve()).then(call);
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    const ended = Promise.race([result.then(nothing, nothing), aborted]).then(() => {
      if (queues.get(rolloutId) === ended) queues.delete(rolloutId);
    });
    queues.set(rolloutId, ended);
    return result;
  };

  return {
    ...tool,
    execute(input, context) {
      const { toolCallId, rolloutId, signal } = context;
      if (lifetime === 'rollout') return inTurn(rolloutId, signal, () => run(rolloutId, input, context));
      return run(lifetime === 'run' ? 'run' : `${rolloutId}\0${toolCallId}`, input, context);
    },
    async endRollout(rolloutId) {
      await queues.get(rolloutId);
      const opening = lifetime === 'rollout' ? states.get(rolloutId) : undefined;
      if (opening) await drop(rolloutId, opening);
    },
    async close() {
      await settleAll(Array.from(states, ([key, opening]) => drop(key, opening)));
    },
  };
}

function nothing(): void {}

/** Tells every tool that a rollout has ended. All are told, whatever one does; then the first failure is thrown. */
export async function endRollout(tools: readonly Tool[], rolloutId: string): Promise<void> {
  await settleAll(tools.map(async (tool) => tool.endRollout?.(rolloutId)));
}

/** Closes every tool. All are closed, whatever one does; then the first failure is thrown. */
export async function closeTools(tools: readonly Tool[]): Promise<void> {
  await settleAll(tools.map(async (tool) => tool.close?.()));
}

async function settleAll(promises: Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises)) {
    if (result.status === 'rejected') throw result.reason;
  }
}
