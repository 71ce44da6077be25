import { colors } from './colors.js';
import type { Command, OptionSpec } from './command.js';
import { globalOptions } from './command.js';

/** `tapo --help`: every command with its summary. */
export function overviewHelp(commands: Record<string, { summary: string }>): string {
  return [
    'Train a language model to use tools with TAPO (Tool-Augmented Policy Optimization).',
    '',
    `${colors.bold('Usage')}  tapo COMMAND [arguments]`,
    '',
    colors.bold('Commands'),
    ...table(Object.entries(commands).map(([name, { summary }]) => [name, summary])),
    '',
    'tapo COMMAND --help explains one of them.',
  ].join('\n');
}

/** `tapo NAME --help`. */
export function commandHelp(name: string, command: Command): string {
  const positionals = Object.entries(command.positionals ?? {});
  const usage = [
    `tapo ${name}`,
    ...positionals.map(([positional]) => (positional.endsWith('?') ? `[${positional.slice(0, -1)}]` : positional)),
    '[options]',
  ].join(' ');
  const options: [string, string][] = Object.entries({ ...command.options, ...globalOptions }).map(([key, option]) => [
    optionUsage(key, option),
    option.description,
  ]);
  if (command.overrides)
    options.push(['--SECTION.KEY VALUE', 'set any key of the config, e.g. --optimizer.learningRate 1e-5']);
  const sections = [`${command.summary}.`, '', `${colors.bold('Usage')}  ${usage}`];
  if (positionals.length > 0) {
    const rows = positionals.map(([key, text]): [string, string] => [key.replace(/\?$/, ''), text]);
    sections.push('', colors.bold('Arguments'), ...table(rows));
  }
  sections.push('', colors.bold('Options'), ...table(options));
  if (command.details) sections.push('', command.details);
  if (command.examples) sections.push('', colors.bold('Examples'), ...command.examples.map((line) => `  ${line}`));
  return sections.join('\n');
}

function optionUsage(key: string, { short, type, value = 'TEXT' }: OptionSpec): string {
  return `${short ? `-${short}, ` : ''}--${key}${type === 'string' ? ` ${value}` : ''}`;
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
