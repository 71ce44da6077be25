// The driver alone: rollouts under way at once, over an engine and a tool that only wait, and what one step of them weighs on
// the wire. Shows what the TypeScript side of a large run costs. No model, no server.
//   node --import tsx --conditions=tapo-source bench/driver.ts [ROLLOUTS …]
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { collate, createRandom, type Trajectory } from '@tapo/core';
import { characterTokenizer, createTokenizer } from '@tapo/policy';
import { rollout, type Policy } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';

const counts = process.argv.slice(2).map(Number);
if (counts.length === 0) counts.push(1000, 3000, 10_000);

/** A rollout: three turns of 1,000 sampled tokens, two observations of 500, a prompt of 300. */
const TURNS = 3;
const SAMPLED = 1000;
const OBSERVED = 500;
const PROMPT = 300;
/** as a server that decodes 100 tokens/s for each sequence */
const SAMPLE_MS = 10_000;
const TOOL_MS = 1000;

const tokenizer = createTokenizer(characterTokenizer({ tags: ['<search>', '</search>', '<answer>', '</answer>'] }));
const filler = (count: number): string =>
  'an ordinary sentence of a policy that thinks aloud. '.repeat(count).slice(0, count);
const turnTokens = ['search', 'answer'].map((tag) =>
  tokenizer.encode(`${filler(SAMPLED - 12)}<${tag}>${'q'.repeat(10)}</${tag}>`),
);

let requests = 0;
const policy: Policy = {
  tokenizer,
  async sample({ tokens, seed }) {
    requests++;
    // neighbours in time are spread over the wait, as those of a real server are
    await sleep(SAMPLE_MS * (0.5 + createRandom(seed + tokens.length).next()));
    const last = tokens.length > PROMPT + (TURNS - 1) * (SAMPLED + OBSERVED - 10);
    const sampled = turnTokens[Number(last)] as number[];
    return { tokens: sampled, logprobs: sampled.map((_, i) => -0.1 - i / 7919), stopReason: 'stop' };
  },
  release() {},
};
const tools: Tool[] = [
  { name: 'search', description: 'waits', execute: () => sleep(TOOL_MS, filler(OBSERVED - 25)) as Promise<string> },
];

const rows = [];
for (const count of counts) {
  global.gc?.();
  requests = 0;
  const before = process.memoryUsage().rss;
  const cpu = process.cpuUsage();
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const started = performance.now();
  const prompt = tokenizer.encode(filler(PROMPT));
  const trajectories = await Promise.all(
    Array.from({ length: count }, (_, seed) => rollout(prompt, { policy, tools, seed, maxTokens: 8192 })),
  );
  const seconds = (performance.now() - started) / 1000;
  delay.disable();
  const busy = process.cpuUsage(cpu);
  const cpuSeconds = (busy.user + busy.system) / 1e6;
  const lost = trajectories.filter(({ stopReason }) => stopReason !== 'answer').length;
  const tokens = trajectories.reduce((sum, trajectory) => sum + trajectory.tokens.length, 0);
  rows.push({
    rollouts: count,
    lost,
    requests,
    'tokens (M)': Number((tokens / 1e6).toFixed(1)),
    'wall s': Number(seconds.toFixed(1)),
    'CPU s': Number(cpuSeconds.toFixed(1)),
    'tokens per CPU s (M)': Number((tokens / 1e6 / cpuSeconds).toFixed(2)),
    'loop delay p99 ms': Number((delay.percentile(99) / 1e6).toFixed(0)),
    'RSS grew by MB': Math.round((process.memoryUsage().rss - before) / 1e6),
  });
  if (count === counts.at(-1)) weigh(trajectories.slice(0, 1024));
}
console.table(rows);

/** What one optimizer step's rows weigh: in the batch's typed arrays, and as JSON of the Tinker protocol. */
function weigh(trajectories: readonly Trajectory[]): void {
  const started = performance.now();
  const batch = collate(trajectories.map((trajectory) => ({ ...trajectory, advantage: 0.5 })));
  const collated = performance.now();
  const positions = batch.lengths.reduce((sum, length) => sum + length, 0);
  let arrayBytes = 0;
  for (const column of Object.values(batch)) if (ArrayBuffer.isView(column)) arrayBytes += column.byteLength;
  // as a forward_backward of the exact route: ids twice, a log-probability and an advantage for each position
  const row = 0;
  const end = batch.lengths[row] as number;
  const part = (values: ArrayLike<number>): number[] => Array.from({ length: end }, (_, t) => values[t] as number);
  const ids = part(batch.inputs).map((id) => (id * 7919) % 151_643);
  const sent = { ids, targets: ids, logprobs: part(batch.rolloutLogprobs!), advantages: part(batch.weights) };
  const bytes = Object.fromEntries(
    Object.entries(sent).map(([name, values]) => [name, JSON.stringify(values).length / end]),
  );
  const total = Object.values(bytes).reduce((sum, each) => sum + each, 0);
  const copies = Array.from({ length: 200 }, () => sent);
  const [text, writing] = timed(() => JSON.stringify(copies));
  const [, reading] = timed(() => JSON.parse(text) as unknown);
  const columns = Object.entries(bytes).map(([name, each]) => `${name} ${each.toFixed(1)}`);
  console.log(
    `${trajectories.length} rows, ${(positions / 1e6).toFixed(1)}M positions: collate ${(collated - started).toFixed(0)} ms, ` +
      `${(arrayBytes / positions).toFixed(1)} bytes a position in memory, ${total.toFixed(1)} as JSON (${columns.join(', ')}); ` +
      `JSON written at ${(text.length / 1000 / writing).toFixed(0)} MB/s, read at ${(text.length / 1000 / reading).toFixed(0)} MB/s`,
  );
}

function timed<T>(run: () => T): [T, number] {
  const from = performance.now();
  return [run(), performance.now() - from];
}
