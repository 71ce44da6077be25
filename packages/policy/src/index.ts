export { modelConfigToJson, parseModelConfig } from './config.js';
export type { Architecture, ModelConfig, ParseModelConfigOptions } from './config.js';
export type { Lora } from './lora.js';
export { decodeStep, forward, forwardCached, logits, tokenLogprobs, writeCache } from './model.js';
export type { CachedInputs, ForwardOptions, KvCache, ModelInputs, ModelParameters } from './model.js';
export { initializeParameters, parameterCount, parameterShapes } from './parameters.js';
export type { HostParameters, HostTensor, InitializeParametersOptions } from './parameters.js';
export type { RopeConfig, RopeScaling } from './rope.js';
