import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { MetricsLine, MetricsPage, RunSummary, ViewEvent } from '@tapo/trainer/view';
import { evaluationMetrics } from './evaluations.js';
import type { EvaluationLine } from './evaluations.js';
import { isExported, request, runPath } from './requests.js';

/** Lines of a run's metrics.jsonl, ascending by step. */
export interface RunMetrics {
  lines: readonly MetricsLine[];
}

interface FollowedMetrics {
  value: Signal<RunMetrics | undefined>;
  metrics: FollowedFile;
  evaluations: FollowedFile;
  loading: Promise<void> | undefined;
}

interface FollowedFile {
  lines: Map<number, MetricsLine>;
  next: number;
  generation: number;
}

/** Every run on show; undefined until the first answer. */
export const runs = signal<readonly RunSummary[] | undefined>(undefined);
export const connection = signal<'live' | 'lost' | 'none'>('none');
export const failure = signal<string | undefined>(undefined);
const followed = new Map<string, FollowedMetrics>();
let eventsApplied = 0;

/** The metrics of a run; asked for once, then kept up to date. */
export function metricsOf(id: string): Signal<RunMetrics | undefined> {
  let entry = followed.get(id);
  if (!entry) {
    entry = { value: signal(undefined), metrics: newFile(), evaluations: newFile(), loading: undefined };
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

const newFile = (): FollowedFile => ({ lines: new Map(), next: 0, generation: -1 });

async function loadRuns(): Promise<void> {
  const before = eventsApplied;
  try {
    const answer = await request<{ runs: RunSummary[] }>('runs');
    failure.value = undefined;
    // an event that came meanwhile may be newer than the answer
    if (eventsApplied > before) return await loadRuns();
    runs.value = answer.runs;
  } catch (error) {
    failure.value = (error as Error).message;
  }
}

function applyEvent(event: ViewEvent): void {
  eventsApplied++;
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
  const steps = await readOn(`${runPath(id)}/metrics`, entry.metrics);
  const evaluations = await readOn(`${runPath(id)}/evaluations`, entry.evaluations);
  if (entry.value.value && !steps && !evaluations) return;
  const lines = new Map(entry.metrics.lines);
  for (const [step, line] of entry.evaluations.lines) {
    lines.set(step, { ...(lines.get(step) ?? { step }), ...evaluationMetrics(line as unknown as EvaluationLine) });
  }
  entry.value.value = { lines: [...lines.values()].toSorted((a, b) => a.step - b.step) };
}

/** Reads what was added to a file since the last time. @returns whether there was anything */
async function readOn(path: string, file: FollowedFile): Promise<boolean> {
  const { text, next, generation } = await request<MetricsPage>(
    `${path}?from=${file.next}&generation=${file.generation}`,
  );
  const restarted = generation !== file.generation;
  if (restarted) file.lines.clear();
  file.next = next;
  file.generation = generation;
  // of a step that was done twice the second counts
  for (const line of parseLines(text)) file.lines.set(line.step, line);
  return restarted || text !== '';
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
