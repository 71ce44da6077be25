/** One question with its gold answer, in the published TAPO layout (METHOD: `question`, `data_source`, `reward_model`). */
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
