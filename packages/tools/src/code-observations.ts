import { elide } from './elide.js';
import { ToolError } from './tool.js';

/** How one run of an interpreter ended. */
export type CodeOutcome =
  | 'finished'
  /** the code raised; `error` says what */
  | 'exception'
  | 'time-limit'
  | 'memory-limit'
  /** recursion or nesting too deep */
  | 'stack-limit'
  /** the interpreter itself died or misbehaved and was replaced */
  | 'crashed';

/** What an interpreter reports of one run. */
export interface CodeRun {
  outcome: CodeOutcome;
  /** what the code printed, also if it failed later; interpreters stop collecting at `COLLECTED_OUTPUT_LENGTH` */
  stdout: string;
  /** the last expression's value as text; shown only if nothing was printed */
  value?: string | undefined;
  /** exception text with the line in the code, no host paths */
  error?: string | undefined;
  /** true when variables of earlier calls, meant to be kept, are gone */
  variablesLost?: boolean;
  /** why variables and files, meant to be kept, are again as before the call: it was cut off, or left more than the limit */
  undone?: 'cut-off' | { limitBytes: number } | undefined;
}

interface CodeObservationOptions {
  /** statement that shows a value: `print(x)`, `console.log(x)` */
  printExample: string;
  timeLimitMs: number;
  memoryLimitBytes: number;
  /** UTF-16 units of output shown; more is cut in the middle (METHOD §5: 2000) */
  maxOutputLength: number;
}

/** UTF-16 units of output an interpreter keeps; what is printed beyond is dropped where it arises, so printing costs no memory. */
export const COLLECTED_OUTPUT_LENGTH = 1_000_000;

/**
 * The one wording of results and limits for all code tools.
 * @returns the observation of a run that finished
 * @throws ToolError with the observation of any other: `timeout` at the time limit, else `error`. What was printed before is kept.
 */
export function codeObservation(
  { outcome, stdout, value, error, variablesLost, undone }: CodeRun,
  { printExample, timeLimitMs, memoryLimitBytes, maxOutputLength }: CodeObservationOptions,
): string {
  const printed = elide(stdout.replace(/\n$/, ''), maxOutputLength);
  const back = 'Variables and files are again as before this program.';
  const note = !undone
    ? ''
    : undone === 'cut-off'
      ? back
      : `${back} What it left takes more than ${megabytes(undone.limitBytes)}.`;
  if (outcome === 'finished') {
    const shown = printed.trim() ? printed : value?.trim() ? elide(value, maxOutputLength) : undefined;
    const text = shown ?? `The code ran but printed nothing. Use ${printExample} to see a result.`;
    return note ? `${text}\n${note}` : text;
  }
  const what = {
    exception: elide(error?.trim() || 'The code raised an exception.', maxOutputLength),
    'time-limit': `Time limit exceeded: the code ran longer than ${timeLimitMs / 1000} s.`,
    'memory-limit': `Memory limit exceeded: the code needs more than ${megabytes(memoryLimitBytes)}.`,
    'stack-limit': 'Recursion limit exceeded: the code nests or recurses too deeply.',
    crashed: 'The interpreter failed and was restarted. Try simpler code.',
  }[outcome];
  const text = variablesLost ? `${what} All variables are lost.` : note ? `${what} ${note}` : what;
  throw new ToolError(outcome === 'time-limit' ? 'timeout' : 'error', printed.trim() ? `${printed}\n${text}` : text);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`;
}
