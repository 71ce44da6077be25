export type { Batch, DapoLossOptions, LossSpec } from './batch.js';
export { sampledLength } from './trajectory.js';
export type { ToolCall, ToolStatus, Trajectory, TrajectoryStopReason, Turn } from './trajectory.js';
