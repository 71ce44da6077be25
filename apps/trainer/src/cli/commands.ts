import type { Command } from './command.js';

interface CommandEntry {
  summary: string;
  load(): Promise<Omit<Command, 'summary'>>;
}

/** Every command of `tapo`, in the order of `--help`. Modules are loaded when their command runs. */
export const commands: Record<string, CommandEntry> = {
  quickstart: {
    summary: 'Watch a tiny policy learn to use tools, in minutes',
    load: async () => (await import('../commands/quickstart.js')).quickstartCommand,
  },
  train: {
    summary: 'Train a policy with TAPO',
    load: async () => (await import('../commands/train.js')).trainCommand,
  },
  sft: {
    summary: 'Make a cold start: supervised training on demonstrations',
    load: async () => (await import('../commands/sft.js')).sftCommand,
  },
  eval: {
    summary: 'Measure a model on held-out problems',
    load: async () => (await import('../commands/eval.js')).evalCommand,
  },
  view: {
    summary: 'Look at runs in the browser: curves, and what the model wrote',
    load: async () => (await import('../commands/view.js')).viewCommand,
  },
  replay: {
    summary: 'Repeat a recorded rollout to the bit, or say where it diverges',
    load: async () => (await import('../commands/replay.js')).replayCommand,
  },
  rollout: {
    summary: 'Ask one question and show the trace',
    load: async () => (await import('../commands/rollout.js')).rolloutCommand,
  },
  chat: {
    summary: 'Talk with a model that has its tools',
    load: async () => (await import('../commands/chat.js')).chatCommand,
  },
  export: {
    summary: 'Write a trained model for other programs: merged, or its adapter',
    load: async () => (await import('../commands/export.js')).exportCommand,
  },
  model: {
    summary: 'Say what a model is and what memory it needs',
    load: async () => (await import('../commands/model.js')).modelCommand,
  },
  tool: {
    summary: 'Call a tool once and print what a policy would read',
    load: async () => (await import('../commands/tool.js')).toolCommand,
  },
  data: {
    summary: 'Build, show and convert problems',
    load: async () => (await import('../commands/data.js')).dataCommand,
  },
  init: {
    summary: 'Write a config and a custom tool to start from',
    load: async () => (await import('../commands/init.js')).initCommand,
  },
  verify: {
    summary: 'Check this implementation against golden numbers',
    load: async () => (await import('../commands/verify.js')).verifyCommand,
  },
  doctor: {
    summary: 'Say what works on this machine and why',
    load: async () => (await import('../commands/doctor.js')).doctorCommand,
  },
  bench: {
    summary: 'Measure how fast this machine trains and samples, and in how much memory',
    load: async () => (await import('../commands/bench.js')).benchCommand,
  },
  'serve-code': {
    summary: 'Serve the code sandbox over HTTP',
    load: async () => (await import('../commands/serve-code.js')).serveCodeCommand,
  },
  'serve-mcp': {
    summary: 'Serve tools to other agents over the Model Context Protocol',
    load: async () => (await import('../commands/serve-mcp.js')).serveMcpCommand,
  },
};
