import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { MetricsLine, MetricsPage, RunSummary, ViewEvent } from '@tapo/trainer/view';
import { isExported, request, runPath } from './requests.js';

/** Lines of a run's metrics.jsonl, ascending by step. */
export interface RunMetrics {
  lines: readonly MetricsLine[];
}

interface FollowedMetrics {
  value: Signal<RunMetrics | undefined>;
  next: number;
  generation: number;
  loading: Promise<void> | undefined;
}

/** Every run on show; undefined until the first answer. */
export const runs = signal<readonly RunSummary[] | undefined>(undefined);
export const connection = signal<'live' | 'lost' | 'none'>('none');
export const failure = signal<string | undefined>(undefined);
const followed = new Map<string, FollowedMetrics>();

/** The metrics of a run; asked for once, then kept up to date. */
export function metricsOf(id: string): Signal<RunMetrics | undefined> {
  let entry = followed.get(id);
  if (!entry) {
    entry = { value: signal(undefined), next: 0, generation: -1, loading: undefined };
    followed.set(id, entry);
    void loadMetrics(id, entry);
  }
  return entry.value;
}

export function findRun(id: string): RunSummary | undefined {
  return runs.value?.find((run) => run.id === id);
}

/** Loads the runs and listens for changes. */
export function startLoading(): void {
  void loadRuns();
  if (isExported) return;
  const events = new EventSource('api/events');
  events.addEventListener('hello', () => {
    connection.value = 'live';
    void loadRuns();
    for (const [id, entry] of followed) void loadMetrics(id, entry);
  });
  events.addEventListener('error', () => (connection.value = 'lost'));
  events.addEventListener('message', ({ data }: MessageEvent<string>) => applyEvent(JSON.parse(data) as ViewEvent));
}

async function loadRuns(): Promise<void> {
  try {
    runs.value = (await request<{ runs: RunSummary[] }>('runs')).runs;
    failure.value = undefined;
  } catch (error) {
    failure.value = (error as Error).message;
  }
}

function applyEvent(event: ViewEvent): void {
  const others = (runs.value ?? []).filter(({ id }) => id !== (event.type === 'run' ? event.run.id : event.id));
  if (event.type === 'gone') {
    runs.value = others;
    return;
  }
  const { run } = event;
  const known = runs.value?.some(({ id }) => id === run.id) ?? false;
  runs.value = known ? runs.value?.map((other) => (other.id === run.id ? run : other)) : [...others, run];
  const entry = followed.get(run.id);
  if (entry) void loadMetrics(run.id, entry);
}

async function loadMetrics(id: string, entry: FollowedMetrics): Promise<void> {
  // what arrives while a request is under way is fetched by the next one
  await entry.loading;
  entry.loading = fetchMetrics(id, entry).catch((error: unknown) => {
    failure.value = (error as Error).message;
  });
  await entry.loading;
}

async function fetchMetrics(id: string, entry: FollowedMetrics): Promise<void> {
  const query = `from=${entry.next}&generation=${entry.generation}`;
  const { text, next, generation } = await request<MetricsPage>(`${runPath(id)}/metrics?${query}`);
  const added = parseLines(text);
  const restarted = generation !== entry.generation;
  if (!restarted && added.length === 0 && entry.value.value) return;
  const before = restarted ? [] : (entry.value.value?.lines ?? []);
  entry.next = next;
  entry.generation = generation;
  // of a step that was done twice the second counts
  const bySteps = new Map([...before, ...added].map((line) => [line.step, line]));
  entry.value.value = { lines: [...bySteps.values()].toSorted((a, b) => a.step - b.step) };
}

function parseLines(text: string): MetricsLine[] {
  return text.split('\n').flatMap((line) => {
    try {
      const value = JSON.parse(line) as MetricsLine | null;
      return typeof value?.step === 'number' ? [value] : [];
    } catch {
      return [];
    }
  });
}
