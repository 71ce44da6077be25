import { setTimeout as sleep } from 'node:timers/promises';

/** Ctrl-C, once: `requested` becomes true and the message is printed; twice: the process ends, see `closeBeforeExit`. */
export interface Interrupt {
  readonly requested: boolean;
  /** from now on the first Ctrl-C ends the process */
  dispose(): void;
}

const signals = ['SIGINT', 'SIGTERM'] as const;
// whoever hangs while closing must not keep the terminal
const CLOSE_MS = 2_000;

/** What takes the next signal instead of the process's end. */
let soften: (() => void) | undefined;
const closers = new Set<() => Promise<unknown>>();
let ending = false;

/** Takes the first Ctrl-C or SIGTERM until disposed. @param say prints the message, where there is a live view not to be disturbed */
export function onInterrupt(message: string, say = (text: string) => console.error(`\n${text}`)): Interrupt {
  let requested = false;
  const take = () => {
    requested = true;
    soften = undefined;
    say(message);
  };
  soften = take;
  listen();
  return {
    get requested() {
      return requested;
    },
    dispose() {
      if (soften === take) soften = undefined;
      listen();
    },
  };
}

/**
 * Has `close` called before Ctrl-C or SIGTERM ends the process, and waits for it 2 s at most; a further signal ends it at
 * once. Call what is returned when there is nothing to close any more.
 */
export function closeBeforeExit(close: () => Promise<unknown>): () => void {
  closers.add(close);
  listen();
  return () => {
    closers.delete(close);
    listen();
  };
}

function listen(): void {
  for (const signal of signals) {
    process.off(signal, handle);
    if (soften !== undefined || closers.size > 0) process.on(signal, handle);
  }
}

function handle(signal: NodeJS.Signals): void {
  if (soften !== undefined) return soften();
  const code = signal === 'SIGINT' ? 130 : 143;
  if (ending) process.exit(code);
  ending = true;
  const closing = Promise.allSettled(Array.from(closers, (close) => close()));
  void Promise.race([closing, sleep(CLOSE_MS)]).then(() => process.exit(code));
}
