/** A line of evaluations.jsonl, as far as charts need it: `Summary` of @tapo/eval. */
export interface EvaluationLine extends SourceEvaluation {
  step: number;
  bySource?: Record<string, SourceEvaluation>;
}

interface SourceEvaluation {
  accuracy?: { value: number };
  callsPerProblem?: { value: number };
  formatRate?: number;
}

/** An evaluation as metrics of its step. */
export function evaluationMetrics({ accuracy, callsPerProblem, formatRate, bySource = {} }: EvaluationLine) {
  const sources = Object.entries(bySource).map(([source, summary]) => [source, summary.accuracy?.value ?? null]);
  return {
    evaluation: {
      accuracy: accuracy?.value ?? null,
      formatRate: formatRate ?? null,
      callsPerProblem: callsPerProblem?.value ?? null,
    },
    evaluationBySource: Object.fromEntries(sources) as Record<string, number | null>,
  };
}
