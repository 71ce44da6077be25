/** Ctrl-C, once: `requested` becomes true and the message is printed; twice: the process ends at once. */
export interface Interrupt {
  readonly requested: boolean;
  /** removes the handlers */
  dispose(): void;
}

const signals = ['SIGINT', 'SIGTERM'] as const;

/** Listens for Ctrl-C and SIGTERM until disposed. @param say prints the message, where there is a live view not to be disturbed */
export function onInterrupt(message: string, say = (text: string) => console.error(`\n${text}`)): Interrupt {
  let requested = false;
  const handle = (signal: NodeJS.Signals) => {
    if (requested) process.exit(signal === 'SIGINT' ? 130 : 143);
    requested = true;
    say(message);
  };
  for (const signal of signals) process.on(signal, handle);
  return {
    get requested() {
      return requested;
    },
    dispose() {
      for (const signal of signals) process.off(signal, handle);
    },
  };
}
