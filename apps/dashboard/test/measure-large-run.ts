/**
 * How the dashboard does with 2,000 steps and 250,000 trajectories. Needs a browser and some gigabytes:
 * `node --import tsx --conditions=tapo-source apps/dashboard/test/measure-large-run.ts SOURCE_RUN [DIR]`
 * SOURCE_RUN is a real run, whose trajectories are repeated. An existing DIR is used as it is.
 */
import { chromium } from 'playwright-core';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openRunDirectory, readJson, readJsonLines } from '../../trainer/src/run-directory.js';

const [source = '', directory = '/tmp/tapo-large-run'] = process.argv.slice(2);
const steps = 2000;
const rolloutsPerStep = 125;

async function write(): Promise<void> {
  const run = openRunDirectory(directory);
  await run.writeJson('config.json', { ...((await readJson(join(source, 'config.json'))) as object), steps });
  const metrics = await readJsonLines(join(source, 'metrics.jsonl'));
  const files = await readdir(join(source, 'trajectories'));
  const records = (
    await Promise.all(files.slice(0, 8).map((name) => readJsonLines(join(source, 'trajectories', name))))
  ).flat();
  for (let step = 1; step <= steps; step++) {
    const own = Array.from({ length: rolloutsPerStep }, (_, i) => ({
      ...records[(step * rolloutsPerStep + i) % records.length],
      id: `step-${step}/0-${Math.floor(i / 5)}/${i % 5}`,
    }));
    await run.writeTrajectories(step, own);
    await run.appendLine('metrics', { ...metrics[Math.floor(((step - 1) * metrics.length) / steps)], step });
  }
}

async function measure(): Promise<void> {
  const bin = new URL('../../trainer/src/bin.ts', import.meta.url).pathname;
  const argv = ['--import', 'tsx', '--conditions=tapo-source', bin, 'view', directory];
  const server = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve) => {
    server.stdout.on('data', (chunk: Buffer) => {
      const found = /http:\S+\//.exec(chunk.toString())?.[0];
      if (found !== undefined) resolve(found);
    });
  });
  const id = encodeURIComponent(directory.split('/').at(-1) ?? '');
  const memory = () =>
    `${(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024).toFixed(0)} MB`;
  const timed = async (what: string, work: () => Promise<unknown>) => {
    const started = performance.now();
    const note = await work();
    const text = typeof note === 'string' ? `  ${note}` : '';
    console.log(
      `${what.padEnd(52)} ${((performance.now() - started) / 1000).toFixed(2).padStart(7)} s  server ${memory()}${text}`,
    );
  };
  const findAll = async (query: string) => {
    let found = 0;
    for (let from = ''; ;) {
      const page = (await (await fetch(`${url}api/runs/${id}/find?limit=1000&${query}${from}`)).json()) as {
        rows: unknown[];
        next: { step: number; line: number } | null;
      };
      found += page.rows.length;
      if (page.next === null) return `${found} found`;
      from = `&from=${page.next.step}:${page.next.line}`;
    }
  };

  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-background-networking', '--enable-precise-memory-info'],
  });
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const heap = async () => {
    const bytes = (await page.evaluate('performance.memory.usedJSHeapSize')) as number;
    return `page ${(bytes / 1e6).toFixed(0)} MB`;
  };
  await timed('open the runs', async () => {
    await page.goto(url);
    await page.locator('.runs tbody tr').first().waitFor();
    return heap();
  });
  await timed('open all curves (2,000 steps)', async () => {
    await page.goto(`${url}#/curves?runs=${id}`);
    await page.locator('.uplot').nth(3).waitFor();
    return heap();
  });
  await timed('change the smoothing', async () => {
    await page.getByLabel('smoothing').fill('0.9');
    await page.waitForFunction('document.querySelector("output").textContent === "0.90"');
  });
  await timed('open the newest step', async () => {
    await page.goto(`${url}#/run/${id}/step`);
    await page.locator('.card').first().waitFor();
    return heap();
  });
  await timed('open the search', async () => {
    await page.goto(`${url}#/run/${id}/find`);
    await page.locator('.found-row').first().waitFor();
  });
  await timed('scroll through 20,000 trajectories', async () => {
    await page.locator('.virtual').hover();
    const gaps = (await page.evaluate(scrollDown)) as number[];
    const sorted = gaps.toSorted((a, b) => a - b);
    const at = (share: number) => `${(sorted[Math.floor(share * (sorted.length - 1))] as number).toFixed(0)} ms`;
    return `${await heap()}, frames: median ${at(0.5)}, p95 ${at(0.95)}, longest ${at(1)}`;
  });
  await timed('all with a filter, first time (reads every file)', () => findAll('flags=timeout'));
  await timed('all with a filter, second time', () => findAll('flags=timeout'));
  await timed('text search over everything', () => findAll('text=nowhere-to-be-found'));
  await browser.close();
  server.kill();
}

/** in the page: scrolls until 20,000 rows are there, and notes the time between frames */
const scrollDown = `new Promise((resolve) => {
  const list = document.querySelector('.virtual');
  const gaps = [];
  let last = performance.now();
  const frame = (now) => {
    gaps.push(now - last);
    last = now;
    list.scrollTop += 4000;
    if (list.scrollTop > 20000 * 38 || gaps.length > 3000) resolve(gaps.slice(1));
    else requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})`;

if (!existsSync(directory)) await write();
await measure();
