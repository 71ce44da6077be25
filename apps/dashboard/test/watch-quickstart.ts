/**
 * A real quickstart in a real browser: watched live, trainer and server killed in the middle and started again, then every
 * page of the finished run, its numbers compared with the files, in light and dark, wide and narrow.
 * `node --import tsx --conditions=tapo-source apps/dashboard/test/watch-quickstart.ts [SCREENSHOTS] [STEPS]`
 */
import { chromium } from 'playwright-core';
import type { Page } from 'playwright-core';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readJsonLines } from '../../trainer/src/run-directory.js';
import { axeViolations } from './axe.js';

const [screenshots = 'artifacts/dashboard', steps = '6'] = process.argv.slice(2);
const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const bin = fileURLToPath(new URL('../../trainer/src/bin.ts', import.meta.url));
const patienceMs = 300_000;

if (!existsSync(executablePath)) {
  console.log(`skipped: ${executablePath} is missing (apt-get install chromium)`);
  process.exit(0);
}

const children = new Set<ChildProcess>();
function tapo(...argv: string[]): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=tapo-source', bin, ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  child.on('exit', () => children.delete(child));
  child.stdout?.resume();
  return child;
}
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

const ended = (child: ChildProcess) => new Promise<number | null>((resolve) => child.on('exit', resolve));
const addressOf = (server: ChildProcess) =>
  new Promise<string>((resolve) => {
    let printed = '';
    server.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      const url = /http:\S+\//.exec(printed)?.[0];
      if (url !== undefined) resolve(url);
    });
  });

const directory = await mkdtemp(join(tmpdir(), 'tapo-watch-'));
const run = join(directory, 'quickstart');
const metrics = () => readJsonLines(join(run, 'metrics.jsonl')).catch(() => []);
await mkdir(screenshots, { recursive: true });

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-background-networking'],
});
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
page.setDefaultTimeout(patienceMs);
const complaints: string[] = [];
const strangers: string[] = [];
let expectsOutage = false;
page.on('pageerror', (error) => complaints.push(error.message));
page.on('console', (message) => {
  const isOutage = expectsOutage && /ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING)/.test(message.text());
  if (['error', 'warning'].includes(message.type()) && !isOutage) complaints.push(message.text());
});
page.on('request', (request) => {
  if (!/^(http:\/\/127\.0\.0\.1:|data:)/.test(request.url())) strangers.push(request.url());
});
const shoot = (name: string, on: Page = page) => on.screenshot({ path: join(screenshots, `${name}.png`) });

// live: the page is open before there is a run
let server = tapo('view', directory, '--port', '0');
const address = await addressOf(server);
const { port } = new URL(address);
await page.goto(address);
await page.getByText('No runs here yet').waitFor();
await shoot('no-runs');
const quickstart = ['quickstart', '--seed', '1', '--steps', steps, '--out', run];
let trainer = tapo(...quickstart);
await page.getByRole('link', { name: 'quickstart', exact: true }).click();
await page.locator('figure data').first().waitFor();
console.log('ok  the run appeared by itself, and its first step');
await shoot('live-curves');
const reached = async (step: number) => {
  while (!((await metrics()).length >= step)) await sleep(200);
};
await reached(2);

// the trainer dies in the middle of a step, the server with it; the page waits
trainer.kill('SIGKILL');
await ended(trainer);
const before = await metrics();
expectsOutage = true;
server.kill('SIGKILL');
await page.getByText('server gone; trying again').waitFor();
await shoot('server-gone');
server = tapo('view', directory, '--port', port);
await page.getByText('live', { exact: true }).waitFor();
expectsOutage = false;
await sameNumbers(before);
console.log(`ok  trainer and server killed after step ${before.length}: the page shows every step that was written`);
trainer = tapo(...quickstart, '--resume');
await page.locator('.state.running').first().waitFor();
assert.equal(await ended(trainer), 0);
await page.locator('.headline .state.finished').waitFor();
const after = await metrics();
assert.deepEqual(
  after.map(({ step }) => step),
  Array.from({ length: Number(steps) }, (_, i) => i + 1),
);
const timeless = ({ reward, accuracy, callsByTool, loss, entropy }: Record<string, unknown>) =>
  JSON.stringify([reward, accuracy, callsByTool, loss, entropy]);
assert.deepEqual(after.slice(0, before.length).map(timeless), before.map(timeless));
await sameNumbers(after);
console.log(`ok  resumed and finished: ${steps} steps, the repeated ones to the same numbers`);

// every page of the finished run
const problem = (await readJsonLines(join(run, 'trajectories', 'step-1.jsonl')))[0] ?? {};
const pages: Record<string, string> = {
  runs: '#/',
  curves: '#/curves?runs=quickstart',
  trajectories: '#/run/quickstart/step',
  tokens: '#/run/quickstart/step?view=tokens',
  'tokens-ratio': '#/run/quickstart/step?view=tokens&scale=ratio',
  'tokens-mask': '#/run/quickstart/step?view=tokens&scale=mask',
  search: '#/run/quickstart/find?flags=wrong-called',
  problem: `#/run/quickstart/problem?id=${encodeURIComponent(String(problem['problemId']))}`,
  config: '#/run/quickstart/config',
};
for (const [colorScheme, width] of [
  ['light', 1440],
  ['dark', 1440],
  ['light', 390],
] as const) {
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme });
  for (const [name, hash] of Object.entries(pages)) {
    await page.goto(`${address}${hash}`);
    await page.waitForFunction(() => !document.body.textContent.includes('Loading'));
    await sleep(300);
    await shoot(`${name}-${colorScheme}-${width}`);
    assert.deepEqual(await axeViolations(page), [], `${name} ${colorScheme} ${width}`);
  }
}
console.log(`ok  ${Object.keys(pages).length} pages, light, dark and narrow: axe finds nothing`);
assert.deepEqual(complaints, []);
assert.deepEqual(strangers, []);
console.log(`ok  no complaint of the browser, no request elsewhere. Screenshots: ${screenshots}`);
await browser.close();
server.kill();

/** The newest value of every metric in the file is on the page of curves. */
async function sameNumbers(lines: Record<string, unknown>[]): Promise<void> {
  await page.goto(`${address}#/curves?runs=quickstart`);
  const last = lines.at(-1) ?? {};
  await page
    .locator(`figure data[value="${String(last['reward'])}"]`)
    .first()
    .waitFor();
  const shown = new Set(
    await page.locator('figure data').evaluateAll((cells) => cells.map((cell) => (cell as HTMLDataElement).value)),
  );
  const { step: _, seconds, ...metricsOfStep } = last as Record<string, number | Record<string, number>>;
  const { total: __, ...phases } = seconds as Record<string, number>;
  const values = Object.values({ ...metricsOfStep, phases }).flatMap((value) =>
    typeof value === 'number' ? [value] : Object.values(value),
  );
  assert.deepEqual(
    values.filter((value) => !shown.has(String(value))),
    [],
  );
}
