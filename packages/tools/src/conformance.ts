import assert from 'node:assert/strict';
import { callTool } from './call-tool.js';
import type { CallToolOptions, ToolResult } from './call-tool.js';
import type { Tool, ToolStatus } from './tool.js';

/** A call and what must come of it. */
export interface ConformanceCase {
  input: unknown;
  /** default `ok` */
  status?: ToolStatus;
  /** a part of the observation */
  observation: string | RegExp;
}

export interface ToolConformanceOptions {
  /**
   * registers one test: `it` of vitest or jest, `test` of node:test. The suite takes the runner from its caller instead of
   * importing one, so that a tool package may test with whatever it has, in whatever version.
   */
  test: (name: string, run: () => Promise<void>) => unknown;
  /** at least one call that succeeds, with distinct observations if there are several */
  cases: ConformanceCase[];
  /** an input whose answer takes longer than its `timeoutMs`: must end as `timeout`, and the next call must work */
  slow?: { input: unknown; timeoutMs: number };
  /** limit of every other call */
  timeoutMs?: number;
  /** false for tools whose answers change by themselves */
  deterministic?: boolean;
}

const STATUSES: readonly ToolStatus[] = ['ok', 'error', 'timeout', 'refused'];
const ODD_INPUTS: readonly unknown[] = [
  '',
  ' \n',
  '\0',
  '\ud800',
  '</search>',
  '{"a":',
  'x'.repeat(20_000),
  7,
  null,
  undefined,
  {},
  [],
];

/**
 * The suite every tool passes: call it once per adapter, in a test file.
 *
 * ```ts
 * toolConformance('dice', () => createDice({ seed: 1 }), { test: it, cases: [{ input: '2d6', observation: /^\d+$/ }] });
 * ```
 *
 * One tool is made by the first test, shared by all, and closed by the last: starting a sandbox may take seconds.
 */
export function toolConformance(
  name: string,
  createTool: () => Tool | Promise<Tool>,
  { test, cases, slow, timeoutMs = 10_000, deterministic = true }: ToolConformanceOptions,
): void {
  if (typeof test !== 'function' || !Array.isArray(cases)) {
    throw new TypeError(
      `toolConformance('${name}'): wanted {test, cases}: your runner's function that registers a test, and calls with what must come of them`,
    );
  }
  const good = cases.find((one) => (one.status ?? 'ok') === 'ok');
  if (!good) throw new Error(`toolConformance(${name}): got no case with status ok, wanted at least one`);

  let shared: Promise<Tool> | undefined;
  const getTool = () => (shared ??= Promise.resolve().then(createTool));
  let calls = 0;
  const call = async (input: unknown, options: CallToolOptions = {}): Promise<ToolResult> => {
    calls += 1;
    const result = await callTool(await getTool(), input, {
      toolCallId: `call-${calls}`,
      rolloutId: 'conformance',
      timeoutMs,
      ...options,
    });
    assert.ok(STATUSES.includes(result.status), `status ${result.status} is none of ${STATUSES.join(', ')}`);
    assert.ok(result.observation.trim(), 'the observation is blank');
    return result;
  };
  const expectCase = ({ status = 'ok', observation }: ConformanceCase, result: ToolResult) => {
    const got = `got ${result.status}: ${JSON.stringify(result.observation.slice(0, 300))}`;
    assert.equal(result.status, status, got);
    const found =
      typeof observation === 'string' ? result.observation.includes(observation) : observation.test(result.observation);
    assert.ok(found, `wanted ${String(observation)} in the observation, ${got}`);
  };
  const check = (what: string, run: () => Promise<void>) => test(`${name}: ${what}`, run);

  check('has a name that can be a tag, and a description', async () => {
    const tool = await getTool();
    assert.match(tool.tag ?? tool.name, /^[A-Za-z][\w-]*$/);
    assert.ok(tool.description.trim(), 'the description is blank');
  });

  for (const one of cases) {
    const shown = elideInput(one.input);
    check(`${shown} gives ${one.status ?? 'ok'}`, async () => expectCase(one, await call(one.input)));
  }

  if (deterministic) {
    check('gives the same answer again', async () => {
      const [first, second] = [await call(good.input), await call(good.input)];
      assert.equal(first.observation, second.observation);
    });
  }

  check('answers concurrent calls, each with its own answer', async () => {
    const many = Array.from({ length: 3 }, () => cases).flat();
    const results = await Promise.all(many.map((one) => call(one.input)));
    for (const [index, one] of many.entries()) expectCase(one, results[index]!);
  });

  check('turns odd inputs into observations', async () => {
    for (const input of ODD_INPUTS) await call(input);
    expectCase(good, await call(good.input));
  });

  check('keeps to the length limit of observations', async () => {
    const { observation } = await call(good.input, { maxObservationLength: 8 });
    assert.ok(observation.length <= 8, `${observation.length} units, wanted at most 8`);
  });

  check('ends at once when its caller gives up, and works afterwards', async () => {
    assert.equal((await call(good.input, { signal: AbortSignal.abort() })).status, 'error');
    const controller = new AbortController();
    const pending = call((slow ?? good).input, { signal: controller.signal });
    await new Promise((resolve) => setImmediate(resolve)); // the tool is at work by now
    controller.abort();
    assert.ok((await pending).durationMs < timeoutMs);
    expectCase(good, await call(good.input));
  });

  if (slow) {
    check('is stopped at the time limit, and works afterwards', async () => {
      assert.equal((await call(slow.input, { timeoutMs: slow.timeoutMs })).status, 'timeout');
      expectCase(good, await call(good.input));
    });
  }

  check('ends rollouts it never saw, and can be closed twice', async () => {
    const tool = await getTool();
    await tool.endRollout?.('never-seen');
    await tool.endRollout?.('conformance');
    await tool.close?.();
    await tool.close?.();
  });
}

function elideInput(input: unknown): string {
  const text = typeof input === 'string' ? input : (JSON.stringify(input) ?? String(input));
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
