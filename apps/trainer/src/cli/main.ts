import { closest } from 'fastest-levenshtein';
import { colors } from './colors.js';
import type { Command } from './command.js';
import { parseCommandLine, UsageError } from './command.js';
import { commands } from './commands.js';
import { commandHelp, overviewHelp } from './help.js';
import { printable } from '../view/visible-text.js';

/** Runs `tapo` with the given arguments; prints, and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(overviewHelp(commands));
    return name === undefined ? 1 : 0;
  }
  try {
    const entry = commands[name];
    if (entry === undefined) {
      throw new UsageError(
        `unknown command "${name}"`,
        `did you mean ${closest(name, Object.keys(commands))}? See tapo --help`,
      );
    }
    const command: Command = { summary: entry.summary, ...(await entry.load()) };
    const input = parseCommandLine(name, command, rest);
    if (input.options['help'] === true) {
      console.log(commandHelp(name, command));
      return 0;
    }
    return (await command.run(input)) ?? 0;
  } catch (error) {
    printError(error, rest.includes('--debug'));
    return 1;
  }
}

function printError(error: unknown, debug: boolean): void {
  if (debug) console.error(error);
  const message = error instanceof Error ? error.message || error.name : String(error);
  // a file, a server or a model may be quoted in it
  console.error(`${colors.red('error')} ${printable(message)}`);
  if (error instanceof UsageError && error.remedy !== undefined)
    console.error(`${colors.cyan('→')} ${printable(error.remedy)}`);
  else if (!debug && isOurFault(error)) console.error(colors.dim('(--debug prints where this comes from)'));
}

/** Programming errors; everything else explains itself. */
function isOurFault(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError || !(error instanceof Error);
}
