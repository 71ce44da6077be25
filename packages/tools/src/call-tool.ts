import { inspect } from 'node:util';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { elide } from './elide.js';
import { onAbort } from './on-abort.js';
import { isToolError } from './tool.js';
import type { Tool, ToolStatus } from './tool.js';

/** What came of one call: a value, whatever the tool did. */
export interface ToolResult {
  /** never blank, at most `maxObservationLength` UTF-16 units, without the `<response>` wrapper */
  observation: string;
  status: ToolStatus;
  durationMs: number;
}

export interface CallToolOptions {
  toolCallId?: string;
  rolloutId?: string;
  /** interrupts the run; the call then ends at once as `error` */
  signal?: AbortSignal | undefined;
  /** includes validation; Infinity = no limit */
  timeoutMs?: number;
  /** UTF-16 units; longer observations are cut in the middle */
  maxObservationLength?: number;
}

/**
 * Runs one tool call. What the tool or the policy does wrong becomes an observation and a status, never a rejection.
 *
 * - blank text input, or a schema that rejects the input → `refused`, with the schema's complaints
 * - the tool throws → `error`; throws a `ToolError` → its own status and text
 * - no answer in `timeoutMs` → `timeout`, and the tool's `signal` fires. A tool that ignores its signal goes on in the
 *   background; one that never gives the thread back (`while (true) {}`) cannot be stopped from here: run such code in a worker.
 * - `undefined`, `null`, `[]` → "returned no result", unless `toObservation` has its own words for an empty list;
 *   blank text → "returned empty text" (both `ok`)
 *
 * @param input the text between the tags, or the arguments of a function call. Text that the schema rejects is read as JSON.
 * @throws TypeError for a tool that is none, or a time limit that is no number
 */
export async function callTool(
  tool: Tool,
  input: unknown,
  {
    toolCallId = 'call',
    rolloutId = 'rollout',
    signal,
    timeoutMs = 30_000,
    maxObservationLength = 16_384,
  }: CallToolOptions = {},
): Promise<ToolResult> {
  if (typeof tool?.execute !== 'function') {
    throw new TypeError(
      `callTool: got the tool ${inspect(tool, { depth: 0, breakLength: Infinity })}, wanted {name, description, execute(input)}`,
    );
  }
  if (!(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
    throw new TypeError(`callTool: got timeoutMs ${inspect(timeoutMs)}, wanted a number of at least 0`);
  }
  const started = performance.now();
  const controller = new AbortController();
  const finish = (status: ToolStatus, text: string): ToolResult => ({
    observation: elide(text, maxObservationLength),
    status,
    durationMs: performance.now() - started,
  });

  let stop!: (result: ToolResult) => void;
  const stopped = new Promise<ToolResult>((resolve) => (stop = resolve));
  const onTimeout = () => {
    controller.abort(new DOMException(`no answer within ${timeoutMs} ms`, 'TimeoutError'));
    stop(finish('timeout', `The ${tool.name} tool did not answer within ${seconds(timeoutMs)}.`));
  };
  const cancel = () => {
    controller.abort(signal?.reason);
    stop(finish('error', `The ${tool.name} call was cancelled.`));
  };
  // setTimeout cannot count beyond 2^31-1 ms: such a limit is none
  const timer = timeoutMs < 2 ** 31 ? setTimeout(onTimeout, timeoutMs) : undefined;
  const forget = signal && onAbort(signal, cancel);

  const run = async (): Promise<ToolResult> => {
    const parsed = await parseInput(tool, input);
    if ('refusal' in parsed) return finish('refused', parsed.refusal);
    if (controller.signal.aborted) return stopped;
    const output = await tool.execute(parsed.value, { toolCallId, rolloutId, signal: controller.signal });
    return finish('ok', observationOf(tool, output));
  };
  const guarded = run().catch((error: unknown) => {
    if (isToolError(error) && error.message.trim()) return finish(error.status, error.message);
    return finish('error', `The ${tool.name} tool failed: ${messageOf(error)}`);
  });

  try {
    return await Promise.race([stopped, guarded]);
  } finally {
    clearTimeout(timer);
    forget?.();
  }
}

/** Limits as a policy reads them: "2 s", "0.25 s". */
function seconds(ms: number): string {
  return `${Number((ms / 1000).toPrecision(3))} s`;
}

function messageOf(error: unknown): string {
  let message: string;
  try {
    message = error instanceof Error ? error.message || error.name : String(error);
  } catch {
    message = 'unknown error';
  }
  return elide(message.trim() || 'unknown error', 500);
}

function observationOf(tool: Tool, output: unknown): string {
  const isEmptyList = Array.isArray(output) && output.length === 0;
  if (output === undefined || output === null || (isEmptyList && !tool.toObservation)) {
    return `The ${tool.name} tool returned no result.`;
  }
  const text: unknown = tool.toObservation
    ? tool.toObservation(output)
    : typeof output === 'string'
      ? output
      : JSON.stringify(output);
  if (text === undefined) return `The ${tool.name} tool returned no result.`;
  if (typeof text !== 'string') throw new TypeError(`toObservation gave ${typeof text}, wanted a string`);
  return text.trim() ? text : `The ${tool.name} tool returned empty text.`;
}

type Parsed = { value: unknown } | { refusal: string };

async function parseInput(tool: Tool, input: unknown): Promise<Parsed> {
  if (!tool.inputSchema) {
    const text = textOf(input);
    if (text === undefined) return { refusal: `Invalid input for ${tool.name}: wanted text, as {"input": "…"}.` };
    return text.trim() ? { value: text } : { refusal: `The ${tool.name} call was empty: write its input.` };
  }
  const schema = tool.inputSchema['~standard'];
  if (typeof schema?.validate !== 'function') {
    throw new TypeError(
      'its inputSchema is no Standard Schema (arktype, zod, valibot); wrap a JSON Schema in fromJsonSchema',
    );
  }
  const asGiven = await schema.validate(input);
  if (!asGiven.issues) return { value: asGiven.value };
  let issues = asGiven.issues;
  // function calls carry objects: a tool whose schema wants text takes `{input: text}`; tags carry text: it may be JSON
  const second = typeof input === 'string' ? parseJson(input) : textOf(input);
  if (second !== undefined) {
    const again = await schema.validate(second);
    if (!again.issues) return { value: again.value };
    if (typeof input === 'string') issues = again.issues;
  }
  return { refusal: `Invalid input for ${tool.name}: ${describeIssues(issues)}` };
}

/** Text given as it is or as `{input: text}`, the form in which text tools are offered as functions. */
function textOf(input: unknown): string | undefined {
  if (typeof input === 'string') return input;
  if (typeof input !== 'object' || input === null || !('input' in input)) return undefined;
  return typeof input.input === 'string' ? input.input : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** At most three complaints, each with its path, in one line. */
function describeIssues(issues: readonly StandardSchemaV1.Issue[]): string {
  const lines = issues.slice(0, 3).map(({ message, path }) => {
    const keys = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
    return keys && !message.startsWith(keys) ? `${keys}: ${message}` : message;
  });
  const more = issues.length > 3 ? `; and ${issues.length - 3} more` : '';
  return elide(lines.join('; ') + more, 500);
}
