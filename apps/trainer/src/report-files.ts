import { renderReport } from '@tapo/eval';
import type { MetricsRow, ReportInput } from '@tapo/eval';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonLines } from './run-directory.js';
import type { RunDirectory } from './run-directory.js';

/** Writes `report.html` from the run's own files and what is given. @returns its path */
export async function writeReport(run: RunDirectory, input: Omit<ReportInput, 'metrics'>): Promise<string> {
  const file = join(run.path, 'metrics.jsonl');
  const metrics = existsSync(file) ? ((await readJsonLines(file)) as MetricsRow[]) : [];
  const { html } = renderReport({ ...input, metrics });
  await run.writeText('report.html', html);
  return join(run.path, 'report.html');
}
