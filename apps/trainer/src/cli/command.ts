import { parseArgs } from 'node:util';
import { closest } from 'fastest-levenshtein';

/** An option of a command, as `parseArgs` knows it, with the words for `--help`. */
export interface OptionSpec {
  type: 'string' | 'boolean';
  short?: string;
  /** what stands for the value in `--help`, for example `FILE` */
  value?: string;
  description: string;
}

/** What a command is called with, after parsing. */
export interface CommandInput {
  positionals: string[];
  options: Record<string, string | boolean | undefined>;
  /** config keys given as options: dotted path → text as typed, `true` for a flag without a value */
  overrides: Record<string, string | true>;
  /** the command line as typed, for the record */
  argv: readonly string[];
}

/** One command of `tapo`. Its module is loaded only when it runs. */
export interface Command {
  summary: string;
  /** arguments after the name; a trailing `?` makes one optional */
  positionals?: Record<string, string>;
  options?: Record<string, OptionSpec>;
  /** accepts `--section.key value` for every key of the config */
  overrides?: boolean;
  details?: string;
  examples?: string[];
  /** @returns the exit code, 0 when undefined */
  run(input: CommandInput): Promise<number | void>;
}

/** A mistake in the command line or its files: message and remedy are printed, never a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  constructor(
    message: string,
    /** what to do about it */
    readonly remedy?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const globalOptions: Record<string, OptionSpec> = {
  help: { type: 'boolean', short: 'h', description: 'show this help' },
  debug: { type: 'boolean', description: 'print stack traces' },
};

/** Parses a command's arguments; unknown options become config overrides where the command takes them. */
export function parseCommandLine(name: string, command: Command, argv: readonly string[]): CommandInput {
  const known = { ...globalOptions, ...command.options };
  const { tokens } = parseArgs({
    args: [...argv],
    options: known,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const input: CommandInput = { positionals: [], options: {}, overrides: {}, argv };
  let expectsValue: string | undefined;
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      // to parseArgs the value of an override is a positional
      if (expectsValue === undefined) input.positionals.push(token.value);
      else input.overrides[expectsValue] = token.value;
      expectsValue = undefined;
      continue;
    }
    expectsValue = undefined;
    const spec = known[token.name];
    if (spec === undefined) {
      if (!command.overrides || token.rawName === `-${token.name}`) throw unknownOption(name, token.rawName, known);
      input.overrides[token.name] = token.value ?? true;
      if (token.value === undefined) expectsValue = token.name;
    } else if (spec.type === 'boolean') {
      if (token.value !== undefined) throw new UsageError(`${token.rawName} takes no value, got "${token.value}"`);
      input.options[token.name] = true;
    } else {
      if (token.value === undefined) throw new UsageError(`${token.rawName} needs a value (${spec.value ?? 'TEXT'})`);
      input.options[token.name] = token.value;
    }
  }
  if (input.options['help'] !== true) checkPositionals(name, command, input.positionals);
  return input;
}

function checkPositionals(name: string, { positionals = {} }: Command, given: readonly string[]): void {
  const names = Object.keys(positionals);
  const rest = names.at(-1)?.endsWith('...') ?? false;
  const missing = names
    .slice(given.length)
    .find((positional) => !positional.endsWith('?') && !positional.endsWith('...'));
  if (missing !== undefined) throw new UsageError(`tapo ${name} needs ${missing}`, `see tapo ${name} --help`);
  if (!rest && given.length > names.length) {
    throw new UsageError(`unexpected argument "${given[names.length]}"`, `see tapo ${name} --help`);
  }
}

function unknownOption(name: string, raw: string, known: Record<string, OptionSpec>): UsageError {
  const nearest = closest(raw.replace(/^-+/, ''), Object.keys(known));
  return new UsageError(`unknown option ${raw}`, `did you mean --${nearest}? See tapo ${name} --help`);
}

/** An option that must be an integer of at least `minimum`. */
export function integerOption(input: CommandInput, name: string, minimum = 0): number | undefined {
  const text = input.options[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < minimum || text === '') {
    throw new UsageError(`--${name} wants an integer of at least ${minimum}, got "${text}"`);
  }
  return value;
}

/** An option's text, or undefined. */
export function textOption(input: CommandInput, name: string): string | undefined {
  const value = input.options[name];
  return typeof value === 'string' ? value : undefined;
}

/** An option that must be a number of at least 0. */
export function numberOption(input: CommandInput, name: string): number | undefined {
  const text = input.options[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value >= 0) || text === '') throw new UsageError(`--${name} wants a number of at least 0, got "${text}"`);
  return value;
}
