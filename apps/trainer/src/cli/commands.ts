import type { Command } from './command.js';

interface CommandEntry {
  summary: string;
  load(): Promise<Omit<Command, 'summary'>>;
}

/** Every command of `tapo`, in the order of `--help`. */
export const commands: Record<string, CommandEntry> = {
  sft: {
    summary: 'Make a cold start: supervised training on demonstrations',
    load: async () => (await import('../commands/sft.js')).sftCommand,
  },
};
