import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openRunDirectory } from '../run-directory.js';
import { parseObject } from './json-lines.js';
import { followMetrics } from './metrics-file.js';
import type { MetricsFile } from './metrics-file.js';
import type { RunStatus, RunSummary } from './protocol.js';
import type { TokenBytes } from './token-columns.js';
import { openTrajectories } from './trajectory-store.js';
import type { TrajectoryStore } from './trajectory-store.js';

/** A run directory on show, whoever wrote it. Nothing in it is changed. */
export interface ViewedRun {
  readonly id: string;
  readonly path: string;
  readonly metrics: MetricsFile;
  /** evaluations on held-out problems during training */
  readonly evaluations: MetricsFile;
  readonly trajectories: TrajectoryStore;
  summary(): Promise<RunSummary>;
  config(): Promise<Record<string, unknown> | null>;
  /** of the run's tokenizer; undefined when it is not at hand */
  tokenBytes(): Promise<TokenBytes | undefined>;
}

/** A run that has not written for so long, or for five of its steps, counts as stopped. */
const silenceMs = 90_000;

export function openRun(path: string, id: string): ViewedRun {
  const metrics = followMetrics(join(path, 'metrics.jsonl'));
  const evaluations = followMetrics(join(path, 'evaluations.jsonl'));
  let tokenizer: Promise<TokenBytes | undefined> | undefined;

  const readObject = async (name: string): Promise<Record<string, unknown> | null> => {
    const text = await readFile(join(path, name), 'utf8').catch(() => '');
    return parseObject(text) ?? null;
  };
  const config = () => readObject('config.json');

  async function status(): Promise<RunStatus> {
    const { latest, updatedMs = 0 } = metrics;
    const summary = await readObject('summary.json');
    // A resumed run has the summary of its first part until it ends: that one knows fewer steps. The times of files would
    // not do: a copy from another machine has its own.
    if (summary !== null && Number(summary['steps'] ?? Infinity) >= (latest?.step ?? 0)) {
      return summary['finished'] === false ? 'stopped' : 'finished';
    }
    const seconds = latest?.['seconds'];
    const stepMs = 1000 * (typeof seconds === 'object' ? (seconds?.['total'] ?? 0) : 0);
    const quietMs = Date.now() - (updatedMs || (await startedMs()));
    if (quietMs > Math.max(silenceMs, 5 * stepMs)) return 'stopped';
    return latest === undefined ? 'waiting' : 'running';
  }

  const startedMs = async () => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;

  return {
    id,
    path,
    metrics,
    evaluations,
    config,
    trajectories: openTrajectories(path),
    async tokenBytes() {
      const found = await (tokenizer ??= findTokenizer(path, config));
      // the first checkpoint may bring one
      if (!found) tokenizer = undefined;
      return found;
    },
    async summary() {
      await metrics.refresh();
      const [resolved, record] = [await config(), await readObject('run.json')];
      const { latest = null, updatedMs = null, unreadableLines } = metrics;
      return {
        id,
        path,
        status: await status(),
        started: typeof record?.['started'] === 'string' ? record['started'] : null,
        updatedMs,
        step: latest?.step ?? 0,
        totalSteps: typeof resolved?.['steps'] === 'number' ? resolved['steps'] : null,
        config: resolved,
        latest,
        rewards: thinned(metrics.rewards, 60),
        unreadableLines,
      };
    },
  };
}

/** The tokenizer beside the run, of its newest checkpoint, or of the model it started from, if that is on this machine. */
async function findTokenizer(
  path: string,
  config: () => Promise<Record<string, unknown> | null>,
): Promise<TokenBytes | undefined> {
  const checkpoint = await openRunDirectory(path).latestCheckpoint();
  const model = (await config())?.['model'];
  const { loadTokenizer } = await import('@tapo/policy/tokenizer');
  const places = [
    path,
    ...(checkpoint ? [join(checkpoint.directory, 'learner', 'model')] : []),
    ...(typeof model === 'string' ? [model] : []),
  ];
  for (const place of places) {
    const tokenizer = await loadTokenizer(place).catch(() => undefined);
    if (tokenizer) return (token) => tokenizer.tokenBytes(token);
  }
  if (typeof model !== 'string') return undefined;
  // a .gguf file, or an id of the hub that is in its cache
  const { loadModelTokenizer, locateModel } = await import('@tapo/policy');
  const located = await locateModel(model, { localFilesOnly: true }).catch(() => undefined);
  const tokenizer = located && (await loadModelTokenizer(located).catch(() => undefined));
  return tokenizer && ((token) => tokenizer.tokenBytes(token));
}

/** Means of equal stretches. */
function thinned(values: readonly number[], most: number): number[] {
  if (values.length <= most) return [...values];
  return Array.from({ length: most }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / most), Math.floor(((i + 1) * values.length) / most));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
