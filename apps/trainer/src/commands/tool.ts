import { callTool } from '@tapo/tools';
import type { Command } from '../cli/command.js';
import { integerOption, textOption, UsageError } from '../cli/command.js';
import { toolNames } from '../tools/named-tools.js';
import { openTools } from '../tools/toolbox.js';
import { printable } from '../view/visible-text.js';

export const toolCommand: Omit<Command, 'summary'> = {
  positionals: {
    NAME: `${toolNames.join(', ')}, a module (./my-tool.ts) or an installed package`,
    'INPUT?': 'what stands between the tags; - or nothing: read it from standard input',
  },
  options: {
    options: { type: 'string', value: 'JSON', description: 'options of the tool, for example {"topK": 1}' },
    timeout: { type: 'string', value: 'MS', description: 'time limit (default 30000)' },
    json: { type: 'boolean', description: 'print observation, status and time as JSON' },
  },
  details: 'Prints the observation a policy would read. Exit code 0 for status ok, 1 for error, timeout and refused.',
  examples: ['tapo tool search "area of Chad"', 'echo "print(6 * 7)" | tapo tool python -'],
  async run(input) {
    const [name = '', text = '-'] = input.positionals;
    const toolbox = await openTools([{ name, ...toolOptions(textOption(input, 'options')) }]);
    try {
      const [tool] = toolbox.tools;
      if (tool === undefined) throw new UsageError(`${name} is no tool`);
      const timeoutMs = integerOption(input, 'timeout', 1) ?? 30_000;
      const content = text === '-' ? await readStandardInput() : text;
      const result = await callTool(tool, content, { timeoutMs, maxObservationLength: 16_384 });
      if (input.options['json'] === true) console.log(JSON.stringify(result));
      else console.log(printable(result.observation));
      if (result.status === 'ok') return 0;
      console.error(`status ${result.status} after ${result.durationMs.toFixed(0)} ms`);
      return 1;
    } finally {
      await toolbox.close();
    }
  },
};

function toolOptions(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    const options: unknown = JSON.parse(text);
    if (typeof options === 'object' && options !== null) return options as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new UsageError(`--options wants a JSON object, got ${text}`);
}

async function readStandardInput(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}
