/** One question with its gold answer, in the published TAPO layout (`question`, `data_source`, `reward_model`). */
export interface Problem {
  /** unique within its file: `file:row` unless the record brings one */
  id: string;
  question: string;
  /** chooses the scorer: `nq`, `calculator`, `complex`, `gsm8k`, … */
  dataSource: string;
  ability?: string;
  /** gold answers; the best counts */
  targets: string[];
  metadata?: Record<string, unknown>;
}

/**
 * The label under which metrics count a problem: `metadata.source` if it is a string, else `dataSource`. The two differ
 * where one scorer serves several kinds of problems: the world's easy sums are scored as `default` and counted as `easy`.
 */
export function problemSource(problem: Pick<Problem, 'dataSource' | 'metadata'>): string {
  const source = problem.metadata?.['source'];
  return typeof source === 'string' && source !== '' ? source : problem.dataSource;
}
