import { axeViolations } from './axe.js';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openRunDirectory, readJsonLines } from '../../trainer/src/run-directory.js';
import { loadAssets } from '../../trainer/src/view/assets.js';
import { exportPage } from '../../trainer/src/view/export.js';
import { serveRuns } from '../../trainer/src/view/server.js';
import type { ViewServer } from '../../trainer/src/view/server.js';
import { hostileTexts, longLine } from '../../trainer/test/view/hostile.js';
import { writeSampleRun } from '../../trainer/test/view/sample-run.js';

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const hasBrowser = existsSync(executablePath);
if (!hasBrowser)
  console.log(`the dashboard is not tested in a browser: ${executablePath} is missing (apt-get install chromium)`);
/** kept if asked for, to be looked at */
const screenshots = process.env['DASHBOARD_SCREENSHOTS'];

describe.skipIf(!hasBrowser)('the dashboard in a browser', { timeout: 120_000 }, () => {
  let directory: string;
  let server: ViewServer;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  let requested: string[];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tapo-dashboard-'));
    await writeSampleRun(join(directory, 'one'), { steps: 8, seed: 1 });
    await writeSampleRun(join(directory, 'two'), {
      steps: 8,
      seed: 2,
      config: { optimizer: { learningRate: 3e-4, warmupSteps: 5, problemsPerMiniBatch: 2 } },
    });
    await writeHostileRun(join(directory, 'hostile'));
    await writeHostileRun(join(directory, hostileName));
    server = await serveRuns([directory], await loadAssets(), { intervalMs: 100 });
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-background-networking'] });
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  beforeEach(async () => {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    complaints = [];
    requested = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => requested.push(request.url()));
  });

  const open = (hash: string) => page.goto(`${server.url}${hash}`);
  const metricsOf = (run: string) => readJsonLines(join(directory, run, 'metrics.jsonl'));
  const recordsOf = (run: string, step: number) =>
    readJsonLines(join(directory, run, 'trajectories', `step-${step}.jsonl`));

  async function keep(name: string): Promise<void> {
    if (screenshots === undefined) return;
    await mkdir(screenshots, { recursive: true });
    await page.screenshot({ path: join(screenshots, `${name}.png`) });
  }

  it('runs: the newest numbers of the files; chosen ones are compared', async () => {
    await open('');
    const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'one', exact: true }) });
    await row.waitFor();
    const last = (await metricsOf('one')).at(-1);
    const values = await row
      .locator('data')
      .evaluateAll((cells) => cells.map((cell) => Number((cell as HTMLDataElement).value)));
    expect(values.slice(0, 5)).toEqual(
      ['reward', 'accuracy', 'formatRate', 'callsPerProblem', 'sampledTokens'].map((key) => last?.[key]),
    );
    await keep('runs');
    await page.getByLabel('Choose one').check();
    await page.getByLabel('Choose two').check();
    await page.getByRole('link', { name: 'Compare 2' }).click();
    await page.getByText('2 settings differ').waitFor();
    expect(await page.locator('.config tbody tr').allInnerTexts()).toEqual(
      expect.arrayContaining([expect.stringMatching(/^seed\s+1\s+2$/)]),
    );
    await page.getByLabel('group by').selectOption('optimizer.learningRate');
    await page.getByText('0.0003 (1 run)').first().waitFor();
    await keep('compare');
    expect(complaints).toEqual([]);
  });

  it('curves: a chart for every metric of the file, with its value', async () => {
    await open('#/curves?runs=one');
    await page.locator('.uplot').first().waitFor();
    const last = (await metricsOf('one')).at(-1) as Record<string, number | Record<string, number>>;
    const shown = await page
      .locator('figure data')
      .evaluateAll((cells) => cells.map((cell) => (cell as HTMLDataElement).value).filter((value) => value !== ''));
    const { step: _step, seconds, watch: _watch, ...metrics } = last;
    const { total: _total, ...phases } = seconds as Record<string, number>;
    const numbers = Object.values({ ...metrics, phases }).flatMap((value) =>
      typeof value === 'number' ? [value] : Object.values(value),
    );
    for (const value of numbers) expect(shown).toContain(String(value));
    await keep('curves');
    // a click on a chart leads to the step
    await page
      .locator('.u-over')
      .first()
      .click({ position: { x: 5, y: 40 } });
    await page.getByRole('heading', { name: /^Step \d$/ }).waitFor();
    expect(complaints).toEqual([]);
  });

  it('trajectories: a group side by side as written; tokens with their numbers; keys', async () => {
    await open('#/run/one/step/2');
    const records = await recordsOf('one', 2);
    const cards = page.getByRole('article');
    await cards.first().waitFor();
    expect(await cards.count()).toBe(4);
    const group = String(records[0]?.['id']).replace(/\/\d+$/, '');
    const members = records.filter(({ id }) => String(id).startsWith(`${group}/`));
    const rewards = await cards
      .locator('header data')
      .evaluateAll((cells) => cells.map((cell) => (cell as HTMLDataElement).value));
    expect(rewards).toEqual(members.map(({ reward }) => String(reward)));
    await keep('trajectories');

    await page.keyboard.press('j');
    await page.waitForURL(/group=/);
    await page.keyboard.press(']');
    await page.getByRole('heading', { name: 'Step 3' }).waitFor();
    await page.getByRole('button', { name: 'tokens' }).click();
    await page.getByRole('combobox', { name: 'coloured by' }).selectOption('ratio');
    const view = page.getByRole('group', { name: /^Tokens of/ }).first();
    await view.waitFor();
    await view.focus();
    await page.keyboard.press('ArrowRight');
    const [first] = await recordsOf('one', 3);
    const { promptLength, logprobs, oldLogprobs } = first as {
      promptLength: number;
      logprobs: number[];
      oldLogprobs: number[];
    };
    const ratio = Math.exp((logprobs[promptLength] as number) - (oldLogprobs[promptLength] as number));
    const numbers = (await page.locator('.token-numbers').innerText()).replaceAll(/\s+/g, ' ');
    expect(numbers).toContain(`${promptLength}:`);
    expect(numbers).toContain(`ratio ${Number(ratio.toPrecision(4))}`);
    await keep('tokens');
    await page.keyboard.press('Escape');
    expect(await page.locator('.token-numbers').count()).toBe(0);
    await page.locator('.token-text .token').first().hover();
    await page.locator('.token-numbers').waitFor();
    expect(complaints).toEqual([]);
  });

  it('keys: help, search, rows of a list, read or tokens', async () => {
    await open('#/run/one/find');
    await page.locator('.found-row').first().waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await keep('keys');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await page.keyboard.press('/');
    await page.keyboard.type('a?');
    expect(await page.getByRole('searchbox').inputValue()).toBe('a?');
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.getByRole('searchbox').clear();

    await page.getByRole('list', { name: 'Trajectories found' }).focus();
    const focused = () => page.evaluate(() => document.activeElement?.closest('li')?.dataset['index']);
    // beyond what is on the screen at first
    for (let i = 0; i < 40; i++) await page.keyboard.press('ArrowDown');
    await expect.poll(focused).toBe('39');
    await page.keyboard.press('ArrowUp');
    await expect.poll(focused).toBe('38');
    await page.keyboard.press('Enter');
    await page.getByRole('article').waitFor();
    await page.keyboard.press('t');
    await page.getByRole('group', { name: /^Tokens of/ }).waitFor();
    expect(complaints).toEqual([]);
  });

  it('best first sorts the rollouts; one alone tells how to replay it', async () => {
    await open('#/run/one/step/2?order=best');
    const cells = page.getByRole('article').locator('header data');
    await cells.first().waitFor();
    const rewards = await cells.evaluateAll((found) => found.map((cell) => Number((cell as HTMLDataElement).value)));
    expect(rewards).toEqual(rewards.toSorted((a, b) => b - a));
    await page
      .getByRole('link', { name: /^Show .* alone$/ })
      .first()
      .click();
    await page.getByText(`tapo replay ${join(directory, 'one')} 2 step-`).waitFor();
    expect(complaints).toEqual([]);
  });

  it('filters, search and one problem through training; every view is a link', async () => {
    await open('#/run/one/find?flags=wrong-called');
    await page.locator('.found-row').first().waitFor();
    const all = (await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((step) => recordsOf('one', step)))).flat();
    const wrong = all.filter(
      ({ accurate, turns }) =>
        accurate === false && (turns as { calls: unknown[] }[]).some(({ calls }) => calls.length > 0),
    );
    await page.getByText(`${wrong.length} trajectories found, 8 of 8 steps`).waitFor();
    await page.getByRole('searchbox').fill('lutetia');
    await page.keyboard.press('Enter');
    await page.waitForURL(/text=lutetia/);
    await keep('search');
    await open('#/run/one/find');
    await page.locator('.found-row').first().click();
    await page.getByRole('link', { name: 'this problem through training' }).click();
    await page.getByText(/sampled in \d+ steps?/).waitFor();
    await page.locator('.group-row').first().waitFor();
    await keep('problem');
    expect(complaints).toEqual([]);
  });

  it('a run that goes on: new steps and runs appear, half a line does not disturb', async () => {
    await open('');
    await page.getByRole('link', { name: 'one', exact: true }).waitFor();
    const run = openRunDirectory(join(directory, 'live'));
    await run.appendLine('metrics', { step: 1, reward: 0.123456789 });
    const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'live' }) });
    await row.locator('data[value="0.123456789"]').waitFor();
    await row.getByText('running').waitFor();
    await appendFile(join(directory, 'live', 'metrics.jsonl'), '{"step":2,"rew');
    await page.getByRole('link', { name: 'live' }).click();
    await page.locator('figure data[value="0.123456789"]').first().waitFor();
    await appendFile(join(directory, 'live', 'metrics.jsonl'), 'ard":0.5}\n');
    await page.locator('figure data[value="0.5"]').first().waitFor();
    expect(complaints).toEqual([]);
  });

  it('an answer that is older than an event does not undo it', async () => {
    const answers: (() => void)[] = [];
    await page.route('**/api/runs', async (route) => {
      const response = await route.fetch();
      // the second one, asked for when the connection is open, waits
      if (answers.push(() => {}) === 2) await new Promise<void>((resolve) => (answers[1] = resolve));
      await route.fulfill({ response });
    });
    await open('');
    await page.getByRole('link', { name: 'one', exact: true }).waitFor();
    await expect.poll(() => answers.length).toBe(2);
    await openRunDirectory(join(directory, 'late')).appendLine('metrics', { step: 1, reward: 0.25 });
    const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'late' }) });
    await row.waitFor();
    const answered = page.waitForResponse('**/api/runs');
    answers[1]?.();
    await answered;
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    expect(await row.count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  it('nothing is lost when trainer, server or tab are killed in the middle', async () => {
    const path = join(directory, 'killed');
    const run = openRunDirectory(path);
    for (const step of [1, 2, 3]) await run.appendLine('metrics', { step, reward: step / 8 });
    // the trainer was killed while it wrote
    await appendFile(join(path, 'metrics.jsonl'), '{"step":4,"rew');
    let own = await serveRuns([path], await loadAssets(), { intervalMs: 50 });
    const url = `${own.url}#/curves?runs=killed`;
    const shows = (value: number) => page.locator(`figure data[value="${value}"]`).first().waitFor();
    await page.goto(url);
    await shows(0.375);

    // it is resumed from step 2, and goes on while the server is dead
    await own.close();
    await page.getByText('server gone; trying again').waitFor();
    await run.rewindTo(2);
    for (const step of [3, 4]) await run.appendLine('metrics', { step, reward: step / 4 });
    own = await serveRuns([path], await loadAssets(), { intervalMs: 50, port: Number(new URL(own.url).port) });
    await page.getByText('live', { exact: true }).waitFor();
    await shows(1);

    // the tab's process dies; another tab shows the same, and the server goes on
    const crashed = page.waitForEvent('crash');
    await page.goto('chrome://crash').catch(() => {});
    await crashed;
    page = await browser.newPage();
    await page.goto(url);
    await shows(1);
    await run.appendLine('metrics', { step: 5, reward: 1.25 });
    await shows(1.25);
    expect(await page.locator('figure').first().locator('data').first().getAttribute('value')).toBe('1.25');
    await own.close();
  });

  it('what a model wrote is text: no markup, no script, no reordering, no request', async () => {
    await open('#/run/hostile/step/1');
    const texts = Object.values(hostileTexts);
    for (const [i, text] of texts.entries()) {
      await open(`#/run/hostile/step/1?group=${encodeURIComponent(`step-1/0-${i}`)}`);
      const shown = page.locator('.block pre').first();
      await shown.waitFor();
      const visible = text.replace(/[^ -~\n\t]/gu, '').replaceAll('\u0000', '');
      const seen = (await shown.textContent()) ?? '';
      expect(seen.replaceAll(/\\u\{[0-9a-f]+\}/g, '')).toBe(visible.trim());
      expect(seen).not.toMatch(/(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/u);
    }
    await open(`#/run/hostile/step/1?group=${encodeURIComponent(`step-1/0-${texts.length}`)}`);
    await page.locator('.block').first().getByRole('button', { name: 'show all 1,000,000 characters' }).click();
    expect(
      await page
        .locator('.block pre')
        .first()
        .evaluate((element) => element.textContent.length),
    ).toBe(1_000_000);
    // names of runs, tools and sources, config keys and values: on every page
    const [id, problem] = [encodeURIComponent(hostileName), encodeURIComponent(texts[0]?.slice(0, 50) ?? '')];
    const pages = ['', '#/curves', `#/curves?runs=${id}`, `#/run/${id}/step/1`, `#/run/${id}/step/1?line=0`];
    for (const hash of [
      ...pages,
      `#/run/${id}/step/1?view=tokens`,
      `#/run/${id}/find`,
      `#/run/${id}/problem?id=${problem}`,
      `#/run/${id}/config`,
      `#/run/${id}/config?with=one`,
      `#/run/${encodeURIComponent('none \u202e')}/step`,
    ]) {
      await open(hash);
      await page.locator('main > *').first().waitFor();
      await page.waitForFunction(() => !document.body.textContent.includes('Loading'));
      expect(await page.evaluate(hiddenCharacters), `${hash}`).toEqual([]);
    }
    await keep('hostile');
    expect(await page.evaluate(() => 'broken' in globalThis)).toBe(false);
    expect(await page.locator('main img, main script, main iframe').count()).toBe(0);
    expect(requested.filter((url) => !url.startsWith(server.url) && !url.startsWith('data:'))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('one exported file: all pages from disk, without a request', async () => {
    const { html } = await exportPage([join(directory, 'one'), join(directory, 'hostile')], await loadAssets(), {
      steps: 3,
    });
    const file = join(directory, 'export.html');
    await writeFile(file, html);
    const url = pathToFileURL(file).href;
    await page.goto(url);
    await page.getByRole('link', { name: 'one', exact: true }).click();
    await page.locator('.uplot').first().waitFor();
    await page.goto(`${url}#/run/one/step/8?view=tokens`);
    await page.locator('.token').first().waitFor();
    await page.goto(`${url}#/run/one/find?text=lutetia`);
    await page
      .getByText(/trajectory|trajectories found, 3 of 3 steps/)
      .first()
      .waitFor();
    expect(await page.evaluate(() => 'broken' in globalThis)).toBe(false);
    expect(requested.filter((request) => !/^(file|data):/.test(request))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it.each(['light', 'dark'] as const)('names, contrast and structure: axe finds nothing, %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    const problem = encodeURIComponent(String((await recordsOf('one', 1))[0]?.['problemId']));
    const pages: [string, string][] = [
      ['', '.runs'],
      ['#/curves?runs=one', '.uplot'],
      ['#/curves?runs=one,two&group=optimizer.learningRate', '.uplot'],
      ['#/run/one/step/2', '.card'],
      ['#/run/one/step/2?view=tokens&scale=logprob', '.token'],
      ['#/run/one/step/2?view=tokens&scale=ratio', '.token'],
      ['#/run/one/find', '.found-row'],
      [`#/run/one/problem?id=${problem}`, '.card'],
      ['#/run/one/config?with=two', '.config'],
    ];
    for (const [hash, ready] of pages) {
      await open(hash);
      await page.locator(ready).first().waitFor();
      expect(await axeViolations(page), `${hash} ${colorScheme}`).toEqual([]);
    }
  });
});

/** a directory may have any name but for `/` and NUL */
const hostileName = '<img src=x onerror="globalThis.broken = true"> \u202etxt.\u001b[2J\u200b';

/** In the page: texts and labels with a control, an invisible character, a bidi override or half a surrogate pair. */
function hiddenCharacters(): string[] {
  const found = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) found.push(walker.currentNode.nodeValue ?? '');
  for (const element of document.querySelectorAll('[aria-label], [title]'))
    found.push(element.getAttribute('aria-label') ?? '', element.getAttribute('title') ?? '');
  return found.filter((text) => /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u.test(text));
}

async function writeHostileRun(path: string): Promise<void> {
  const run = openRunDirectory(path);
  const record = (text: string, i: number) => ({
    id: `step-1/0-${i}/0`,
    problemId: text.slice(0, 50),
    question: text,
    source: text.slice(0, 50),
    targets: [text],
    prompt: text,
    segments: [
      { text, sampled: true },
      { text, sampled: false },
    ],
    turns: [
      {
        start: 1,
        end: 2,
        corrected: false,
        calls: [{ tool: text.slice(0, 50), input: text, observation: text, status: 'ok', durationMs: 1 }],
      },
    ],
    reward: 0,
    score: 0,
    accurate: false,
    wellFormed: true,
    answer: text,
    stopReason: 'answer',
    trained: false,
  });
  await run.writeTrajectories(1, [...Object.values(hostileTexts), longLine].map(record));
  const texts = Object.fromEntries(Object.values(hostileTexts).map((text) => [text, text]));
  const numbers = Object.fromEntries(Object.values(hostileTexts).map((text) => [text, 1]));
  await run.writeJson('config.json', { name: hostileTexts['script'], steps: 1, ...texts, section: texts });
  await run.appendLine('metrics', {
    step: 1,
    reward: 0,
    callsByTool: numbers,
    callsBySource: numbers,
    accuracyBySource: numbers,
    ...numbers,
  });
}
