export { groupAdvantages } from './advantages.js';
export type { AdvantageEstimator, GroupAdvantagesOptions } from './advantages.js';
export type { Batch, DapoLossOptions, LossSpec } from './batch.js';
export { callEfficiency } from './call-efficiency.js';
export type { CallEfficiencyOptions } from './call-efficiency.js';
export { collate, countSampled, selectRows } from './collate.js';
export type { CollateOptions, CollateRow } from './collate.js';
export { crossEntropyLoss, dapoLoss, dapoTokenLoss } from './dapo-loss.js';
export type { DapoLossTensors, DapoTokenTensors } from './dapo-loss.js';
export { dapoLossScalar, dapoMetrics } from './dapo-metrics.js';
export type { DapoColumns, DapoMetrics } from './dapo-metrics.js';
export { dapoTokenScalar } from './dapo-scalar.js';
export type { DapoToken, DapoTokenResult } from './dapo-scalar.js';
export { addDraw, isInformative, missingGroups, startDynamicSampling, takeStep } from './dynamic-sampling.js';
export type {
  DynamicSamplingOptions,
  DynamicSamplingState,
  DynamicSamplingStep,
  JudgedGroup,
} from './dynamic-sampling.js';
export { klEstimate, klPenalty } from './kl.js';
export type { KlEstimator } from './kl.js';
export { lossWeights } from './loss-weights.js';
export type { LossAggregation, LossWeights, LossWeightsOptions } from './loss-weights.js';
export { overlongPenalty } from './overlong-penalty.js';
export type { OverlongPenaltyOptions } from './overlong-penalty.js';
export { createRandom, hashSeed } from './random.js';
export type { Random, RandomState } from './random.js';
export { stopGradient } from './stop-gradient.js';
export { sampledLength } from './trajectory.js';
export type { ToolCall, ToolStatus, Trajectory, TrajectoryStopReason, Turn } from './trajectory.js';
export { verifyPolicyLoss } from './verify-policy-loss.js';
export type { PolicyLossVerification, VerifiedQuantity } from './verify-policy-loss.js';
