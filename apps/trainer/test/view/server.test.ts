import type { FindPage, MetricsPage, RunSummary, StepRows, TokenColumns, TrajectoryDetail } from '@tapo/trainer/view';
import { appendFile, cp, mkdtemp, readFile, utimes } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRunDirectory, readJsonLines } from '../../src/run-directory.js';
import { uniqueNames } from '../../src/view/run-list.js';
import { serveRuns } from '../../src/view/server.js';
import type { ViewServer } from '../../src/view/server.js';
import { hostileTexts, longLine } from './hostile.js';
import { writeSampleRun } from './sample-run.js';

let directory: string;
let server: ViewServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tapo-view-'));
  await writeSampleRun(join(directory, 'first'), { steps: 6 });
  server = await serveRuns([directory], new Map([['index.html', '<!doctype html>']]), { intervalMs: 20 });
});
afterAll(() => server.close());

async function get<T>(path: string): Promise<T> {
  const response = await fetch(`${server.url}api/${path}`);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

const recordsOf = (step: number) => readJsonLines(join(directory, 'first', 'trajectories', `step-${step}.jsonl`));

describe('numbers are those of the files', () => {
  it('runs: the newest line of metrics.jsonl, the config, the state', async () => {
    const { runs } = await get<{ runs: RunSummary[] }>('runs');
    const lines = await readJsonLines(join(directory, 'first', 'metrics.jsonl'));
    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatchObject({ id: 'first', status: 'finished', step: 6, totalSteps: 6, unreadableLines: 0 });
    expect(runs[0]?.latest).toEqual(lines.at(-1));
    expect(runs[0]?.rewards).toEqual(lines.map(({ reward }) => reward));
    expect(runs[0]?.config).toEqual(JSON.parse(await readFile(join(directory, 'first', 'config.json'), 'utf8')));
  });

  it('metrics: the lines themselves', async () => {
    const { text } = await get<MetricsPage>('runs/first/metrics');
    expect(text).toBe(await readFile(join(directory, 'first', 'metrics.jsonl'), 'utf8'));
  });

  it('a step: one row for each record', async () => {
    const { rows } = await get<StepRows>('runs/first/steps/2');
    const records = await recordsOf(2);
    expect(rows.map(({ id, reward, advantage }) => ({ id, reward, advantage }))).toEqual(
      records.map(({ id, reward, advantage = null }) => ({ id, reward, advantage })),
    );
  });

  it('trajectories without, tokens with their columns', async () => {
    const records = await recordsOf(3);
    const { trajectories } = await get<{ trajectories: TrajectoryDetail[] }>(
      'runs/first/steps/3/trajectories?lines=1,0',
    );
    expect(trajectories.map(({ segments }) => segments)).toEqual([records[1]?.['segments'], records[0]?.['segments']]);
    expect(trajectories[0]).not.toHaveProperty('tokens');

    const columns = await get<TokenColumns>('runs/first/steps/3/tokens?line=1');
    expect(columns.tokens).toEqual(records[1]?.['tokens']);
    expect(columns.logprobs).toEqual(records[1]?.['logprobs'] ?? null);
    expect(columns.texts?.join('')).toContain(records[1]?.['question']);
    expect(columns.clip).toEqual({ low: 0.2, high: 0.28, dual: 10 });
  });
});

describe('search', () => {
  it('by flag, source, problem and text: what a plain filter over all records finds, newest first, page by page', async () => {
    const all = (await Promise.all([6, 5, 4, 3, 2, 1].map(recordsOf))).flat();
    const find = async (query: string) => {
      const ids: string[] = [];
      for (let from = ''; ;) {
        const page = await get<FindPage>(`runs/first/find?limit=7&${query}${from}`);
        ids.push(...page.rows.map(({ id }) => id));
        if (page.next === null) return ids;
        from = `&from=${page.next.step}:${page.next.line}`;
      }
    };
    const idsWhere = (holds: (record: Record<string, unknown>) => boolean) => all.filter(holds).map(({ id }) => id);
    const calls = ({ turns }: Record<string, unknown>) =>
      (turns as { calls: unknown[] }[]).flatMap((turn) => turn.calls);

    const wrong = idsWhere((record) => record['accurate'] === false && calls(record).length > 0);
    expect(wrong.length).toBeGreaterThan(7);
    expect(await find('flags=wrong-called')).toEqual(wrong);
    expect(await find('source=easy')).toEqual(idsWhere((record) => record['source'] === 'easy'));
    const problem = all[0]?.['problemId'] as string;
    expect(await find(`problem=${encodeURIComponent(problem)}`)).toEqual(
      idsWhere(({ problemId }) => problemId === problem),
    );
    const mentioned = idsWhere((record) => JSON.stringify([record['segments'], record['answer']]).includes('Lutetia'));
    expect(mentioned.length).toBeGreaterThan(0);
    expect(await find('text=LUTETIA')).toEqual(mentioned);
    expect(await find('text=nowhere-to-be-found')).toEqual([]);
  });
});

describe('a run that goes on', () => {
  it('new steps, runs and half-written lines: pages hear of what is whole', async () => {
    const controller = new AbortController();
    const response = await fetch(`${server.url}api/events`, { signal: controller.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let heard = '';
    const hear = async (text: string) => {
      while (!heard.includes(text)) heard += (await reader?.read())?.value ?? '';
    };
    await hear('event: hello');

    const run = openRunDirectory(join(directory, 'second'));
    await run.appendLine('metrics', { step: 1, reward: 0.125 });
    await hear('"latest":{"step":1,"reward":0.125}');
    await appendFile(join(directory, 'second', 'metrics.jsonl'), '{"step":2,"reward":0.2');
    await run.writeTrajectories(1, [{ id: 'step-1/0-0/0' }]);
    expect(await get<RunSummary>('runs/second')).toMatchObject({ step: 1, status: 'running', unreadableLines: 0 });
    await appendFile(join(directory, 'second', 'metrics.jsonl'), '5}\n');
    await hear('"latest":{"step":2,"reward":0.25}');
    controller.abort();
  });

  it('hostile and unusual records come through as they are', async () => {
    const run = openRunDirectory(join(directory, 'hostile'));
    const texts = [...Object.values(hostileTexts), longLine];
    const record = (text: string, i: number) => ({
      id: `step-1/0-${i}/0`,
      question: text,
      segments: [{ text, sampled: true }],
      turns: [
        { start: 1, end: 2, corrected: false, calls: [{ tool: text, input: text, observation: text, status: 'ok' }] },
      ],
      answer: text,
    });
    await run.writeTrajectories(1, texts.map(record));
    await run.appendLine('metrics', { step: 1, reward: null });
    await get('runs');
    const lines = texts.map((_, i) => i).join(',');
    const { trajectories } = await get<{ trajectories: TrajectoryDetail[] }>(
      `runs/hostile/steps/1/trajectories?lines=${lines}`,
    );
    expect(trajectories.map(({ segments }) => segments[0]?.text)).toEqual(texts);
  });
});

describe('the state of a run', () => {
  const stateOf = async (id: string) => (await get<RunSummary>(`runs/${id}`)).status;

  it('a copy from another machine is as finished as the run, whatever the times of its files', async () => {
    const copy = join(directory, 'copy');
    await cp(join(directory, 'first'), copy, { recursive: true });
    await utimes(join(copy, 'summary.json'), 1e9, 1e9);
    await get('runs');
    expect(await stateOf('copy')).toBe('finished');
    expect((await get<TokenColumns>('runs/copy/steps/3/tokens?line=1')).texts).not.toBeNull();
  });

  it('interrupted, and resumed: the summary of its first part does not count any more', async () => {
    const run = openRunDirectory(join(directory, 'interrupted'));
    await run.appendLine('metrics', { step: 1, reward: 0 });
    await run.writeJson('summary.json', { steps: 1, finished: false });
    await get('runs');
    expect(await stateOf('interrupted')).toBe('stopped');
    await run.appendLine('metrics', { step: 2, reward: 0 });
    expect(await stateOf('interrupted')).toBe('running');
    await run.writeJson('summary.json', { steps: 2, finished: true });
    expect(await stateOf('interrupted')).toBe('finished');
  });
});

describe('who may ask what', () => {
  const raw = (path: string, { host = 'localhost', method = 'GET' } = {}) =>
    new Promise<{ status: number | undefined; policy: string }>((resolve, reject) => {
      const { port } = new URL(server.url);
      httpRequest({ host: '127.0.0.1', port, path, method, headers: { host } }, (response) => {
        response.resume();
        resolve({
          status: response.statusCode,
          policy: String(response.headers['content-security-policy']),
        });
      })
        .on('error', reject)
        .end();
    });

  it('another host name gets nothing, so a page elsewhere cannot read runs by rebinding its name', async () => {
    expect((await raw('/api/runs', { host: 'evil.example' })).status).toBe(403);
    expect((await raw('/api/runs', { host: 'localhost:80' })).status).toBe(200);
  });

  it('only GET, only its own files', async () => {
    expect((await raw('/api/runs', { method: 'POST' })).status).toBe(405);
    for (const path of [
      '/../../etc/passwd',
      '/..%2f..%2fetc/passwd',
      '/package.json',
      '/api/runs/..%2f..',
      '/api/runs/%2e%2e/metrics',
      '/api/runs/first%2f..%2ffirst/metrics',
      '/api/runs/first/config.json',
    ]) {
      expect([path, (await raw(path)).status]).toEqual([path, 404]);
    }
    // what is no step has no trajectories
    for (const step of ['..%2fconfig', '1%2f..%2f1', '-1', '1e9', '%00']) {
      expect(await get<StepRows>(`runs/first/steps/${step}`)).toEqual({ rows: [] });
    }
    expect((await raw('/api/runs/%ff')).status).toBe(400);
    expect((await raw('/api/runs/first/steps/1/trajectories?lines=x')).status).toBe(200);
  });

  it('every answer forbids inline scripts, markup from strings, and other hosts', async () => {
    const { policy } = await raw('/');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  });
});

it('runs are named by their last part, with parents where that is not enough', () => {
  expect(uniqueNames(['/a/x', '/b/x', '/c/y'])).toEqual(['a/x', 'b/x', 'y']);
});
