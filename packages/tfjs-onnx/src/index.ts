export { compile } from './compile.js';
export type { CompileOptions, CompiledFunction, RunOptions } from './compile.js';
export type { HostTensor } from './host-tensor.js';
export type { OnnxKernel, OnnxKernelContext } from './kernels/kernel.js';
export { registerOnnxKernel, supportedKernels } from './kernels/registry.js';
export { cachedAttention } from './fused/cached-attention.js';
export type { CachedAttentionInputs, CachedAttentionOptions, CachedAttentionResult } from './fused/cached-attention.js';
