/** What the page of `tapo view` and its server have in common. Runs in browsers. */
export type {
  FindPage,
  MetricsLine,
  MetricsPage,
  RunStatus,
  RunSummary,
  StepList,
  StepRows,
  TokenColumns,
  TrajectoryDetail,
  TrajectoryRow,
  ViewEvent,
} from './protocol.js';
export { flatConfig } from './flat-config.js';
export { filterQuery, flags, parseFilter } from './trajectory-filter.js';
export type { FlagName, TrajectoryFilter } from './trajectory-filter.js';
export { printable, visibleParts } from './visible-text.js';
export type { TextPart } from './visible-text.js';
