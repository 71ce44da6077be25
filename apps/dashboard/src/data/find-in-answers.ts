import { flags, parseFilter } from '@tapo/trainer/view';
import type { FindPage, StepList, StepRows, TrajectoryDetail } from '@tapo/trainer/view';

/** What the server's search does, over the steps that an exported page holds. */
export function findInAnswers(answers: Record<string, unknown>, run: string, query: URLSearchParams): FindPage {
  const filter = parseFilter(query);
  const needle = filter.text?.toLowerCase();
  const { steps } = answers[`${run}/steps`] as StepList;
  const ordered = query.get('order') === 'oldest' ? steps : steps.toReversed();
  const rows = ordered.flatMap((step) => {
    const texts = needle === undefined ? undefined : textsOfStep(answers, `${run}/steps/${step}/`);
    return (answers[`${run}/steps/${step}`] as StepRows).rows.filter(
      (row) =>
        filter.flags.every((name) => flags[name].holds(row)) &&
        (filter.source === undefined || row.source === filter.source) &&
        (filter.problemId === undefined || row.problemId === filter.problemId) &&
        (needle === undefined || (texts?.get(row.line) ?? '').includes(needle)),
    );
  });
  return { rows, next: null, looked: steps.length, steps: steps.length };
}

function textsOfStep(answers: Record<string, unknown>, prefix: string): Map<number, string> {
  const groups = Object.keys(answers)
    .filter((path) => path.startsWith(`${prefix}trajectories`))
    .flatMap((path) => (answers[path] as { trajectories: TrajectoryDetail[] }).trajectories);
  return new Map(
    groups.map(({ line, id, question, answer, segments }) => [
      line,
      [id, question, answer ?? '', ...segments.map(({ text }) => text)].join('\n').toLowerCase(),
    ]),
  );
}
