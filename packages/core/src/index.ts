export type { Batch, DapoLossOptions, LossSpec } from './batch.js';
export { crossEntropyLoss, dapoLoss, dapoTokenLoss } from './dapo-loss.js';
export type { DapoLossTensors, DapoTokenTensors } from './dapo-loss.js';
export { klEstimate, klPenalty } from './kl.js';
export type { KlEstimator } from './kl.js';
export { sampledLength } from './trajectory.js';
export type { ToolCall, ToolStatus, Trajectory, TrajectoryStopReason, Turn } from './trajectory.js';
