import type { TrajectoryRow } from './protocol.js';

/** What can be asked of trajectories beside their text. */
export interface TrajectoryFilter {
  /** names of `flags`: all must hold */
  flags: readonly FlagName[];
  source?: string;
  problemId?: string;
  /** case is ignored */
  text?: string;
}

export type FlagName = keyof typeof flags;

/** Filters by name, with the words the page shows. */
export const flags = {
  right: { label: 'right', holds: (row: FlaggedRow) => row.accurate },
  wrong: { label: 'wrong', holds: (row: FlaggedRow) => !row.accurate },
  'wrong-called': {
    label: 'wrong, but called',
    holds: (row: FlaggedRow) => !row.accurate && row.calls.length > 0,
  },
  'right-uncalled': {
    label: 'right without a call',
    holds: (row: FlaggedRow) => row.accurate && row.calls.length === 0,
  },
  'format-error': { label: 'format error', holds: (row: FlaggedRow) => !row.wellFormed },
  'tool-error': {
    label: 'tool error',
    holds: (row: FlaggedRow) => row.calls.some(({ status }) => status === 'error' || status === 'refused'),
  },
  timeout: { label: 'timeout', holds: (row: FlaggedRow) => row.calls.some(({ status }) => status === 'timeout') },
  unfinished: { label: 'no answer', holds: (row: FlaggedRow) => row.stopReason !== 'answer' },
  trained: { label: 'trained on', holds: (row: FlaggedRow) => row.trained },
  untrained: { label: 'not trained on', holds: (row: FlaggedRow) => !row.trained },
} as const;

type FlaggedRow = Pick<TrajectoryRow, 'accurate' | 'calls' | 'wellFormed' | 'stopReason' | 'trained'>;

const names = Object.keys(flags) as FlagName[];

/** The flags that hold, as bits in the order of `flags`: 250,000 of them fit in half a megabyte. */
export function flagBits(row: FlaggedRow): number {
  return names.reduce((bits, name, index) => (flags[name].holds(row) ? bits | (1 << index) : bits), 0);
}

/** Bits that a row must have to match. */
export function requiredBits({ flags: wanted }: Pick<TrajectoryFilter, 'flags'>): number {
  return names.reduce((bits, name, index) => (wanted.includes(name) ? bits | (1 << index) : bits), 0);
}

/** Reads a filter from a query string; what is not known is ignored. */
export function parseFilter(query: URLSearchParams): TrajectoryFilter {
  const text = (name: string) => query.get(name) || undefined;
  const [source, problemId, search] = [text('source'), text('problem'), text('text')];
  return {
    flags: (query.get('flags') ?? '').split(',').filter((name): name is FlagName => name in flags),
    ...(source !== undefined && { source }),
    ...(problemId !== undefined && { problemId }),
    ...(search !== undefined && { text: search }),
  };
}

/** The query string that `parseFilter` reads. */
export function filterQuery({ flags: wanted, source, problemId, text }: TrajectoryFilter): URLSearchParams {
  const entries = { flags: wanted.join(','), source, problem: problemId, text };
  return new URLSearchParams(Object.entries(entries).filter((entry): entry is [string, string] => Boolean(entry[1])));
}
