export { compile } from './compile.js';
export type {
  CompileOptions,
  CompiledFunction,
  CompiledTensorFunction,
  RunOptions,
  TensorFunction,
} from './compile.js';
export { exportOnnx } from './export.js';
export type { ExportOptions, ExportedModel } from './export.js';
export type { HostTensor } from './host-tensor.js';
export type { OnnxKernel, OnnxKernelContext } from './kernels/kernel.js';
export { registerOnnxKernel, supportedKernels } from './kernels/registry.js';
export { cachedAttention } from './fused/cached-attention.js';
export type { CachedAttentionInputs, CachedAttentionOptions, CachedAttentionResult } from './fused/cached-attention.js';
export { causalAttention } from './fused/causal-attention.js';
export type { CausalAttentionOptions } from './fused/causal-attention.js';
export { checkpoint } from './fused/checkpoint.js';
export { rmsNorm } from './fused/rms-norm.js';
export type { RmsNormOptions } from './fused/rms-norm.js';
export { rope } from './fused/rope.js';
export { linearTokenLogprobs, selectedLogprobs } from './fused/token-logprobs.js';
export type { SelectedLogprobsOptions, TokenLogprobs, TokenLogprobsOptions } from './fused/token-logprobs.js';
export { createArenaBudget } from './runtime/arena-budget.js';
export type { ArenaBudget } from './runtime/arena-budget.js';
export type { ExecutionProvider } from './runtime/execution-providers.js';
