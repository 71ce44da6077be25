export { checkTinkerServer } from './check.js';
export type { CheckTinkerOptions, ServerCheck } from './check.js';
export { createTinkerClient } from './client.js';
export type { CreateSessionOptions, Session, TinkerClient, TinkerClientOptions } from './client.js';
export { dialects } from './dialect.js';
export type { Dialect, DialectName } from './dialect.js';
export { createTinkerEngine } from './engine.js';
export type { TinkerEngine, TinkerEngineOptions, TinkerOptimizerOptions } from './engine.js';
export { TinkerError } from './errors.js';
export type { LossRoute } from './learner.js';
export type { CreateModelOptions, LossOptions, Model } from './model.js';
export type { RemotePolicyRequest, RemotePolicyResult, RemoteTokenizer } from './policy.js';
export { encodedText, float32, int64 } from './protocol.js';
export type {
  AdamParams,
  CheckpointInfo,
  Datum,
  ForwardBackwardOutput,
  LossFn,
  ModelInput,
  SampleOutput,
  SamplingParams,
  TensorData,
} from './protocol.js';
export type { RemoteSampleRequest, Sampler } from './sampler.js';
export type { CallOptions, TransportOptions } from './transport.js';
