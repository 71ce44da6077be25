import { flatConfig } from '../view/flat-config.js';
import type { TrackedRun, Tracker } from './tracker.js';

export interface MlflowOptions {
  /** of the tracking server; default: MLFLOW_TRACKING_URI */
  url: string;
  /** created if it does not exist; default: tapo */
  experiment?: string;
  /** sent as `Authorization: Bearer` */
  token?: string | undefined;
  timeoutMs?: number;
}

/** MLflow's limits for one batch */
const maxMetrics = 1000;
const maxParams = 100;
const maxParamLength = 6000;

/** Logs to an MLflow tracking server through its REST API (mlflow.org/docs, REST API, version 2.0). */
export async function createMlflow(
  { name, config }: Pick<TrackedRun, 'name' | 'config'>,
  { url, experiment = 'tapo', token, timeoutMs = 10_000 }: MlflowOptions,
): Promise<Tracker> {
  async function call<T>(path: string, body?: object): Promise<T & { error_code?: string }> {
    const response = await fetch(`${url.replace(/\/$/, '')}/api/2.0/mlflow/${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
      signal: AbortSignal.timeout(timeoutMs),
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer = (await response.json().catch(() => ({}))) as T & { error_code?: string; message?: string };
    if (response.ok || answer.error_code === 'RESOURCE_DOES_NOT_EXIST') return answer;
    throw new Error(
      `${url} answered ${response.status} to ${path}: ${answer.message ?? answer.error_code ?? 'no reason'}`,
    );
  }

  const query = `experiments/get-by-name?experiment_name=${encodeURIComponent(experiment)}`;
  const found = await call<{ experiment?: { experiment_id: string } }>(query);
  const experimentId =
    found.experiment?.experiment_id ??
    (await call<{ experiment_id: string }>('experiments/create', { name: experiment })).experiment_id;
  const started = await call<{ run: { info: { run_id: string } } }>('runs/create', {
    experiment_id: experimentId,
    run_name: name,
    start_time: Date.now(),
  });
  const runId = started.run.info.run_id;
  const params = [...flatConfig(config)].map(([key, value]) => ({ key, value: value.slice(0, maxParamLength) }));
  for (let i = 0; i < params.length; i += maxParams) {
    await call('runs/log-batch', { run_id: runId, params: params.slice(i, i + maxParams) });
  }

  return {
    name: 'mlflow',
    async log(step, scalars) {
      const timestamp = Date.now();
      const metrics = Object.entries(scalars).map(([key, value]) => ({ key: metricName(key), value, timestamp, step }));
      for (let i = 0; i < metrics.length; i += maxMetrics) {
        await call('runs/log-batch', { run_id: runId, metrics: metrics.slice(i, i + maxMetrics) });
      }
    },
    async close() {
      await call('runs/update', { run_id: runId, status: 'FINISHED', end_time: Date.now() });
    },
  };
}

/** Names may hold letters, digits and `_-. /`. */
function metricName(key: string): string {
  return key.replaceAll(/[^\w\-. /]/g, '_');
}
