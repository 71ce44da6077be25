export { loadModelConfig, loadModelDirectory, saveModelDirectory } from './checkpoint-files.js';
export type { LoadModelDirectoryOptions, Model, SaveModelDirectoryOptions } from './checkpoint-files.js';
export { modelConfigToJson, parseModelConfig } from './config.js';
export type { Architecture, ModelConfig, ParseModelConfigOptions } from './config.js';
export { initializeLora, loraScaling, loraShapes, mergeLora } from './lora.js';
export type { InitializeLoraOptions, Lora, LoraConfig, LoraTarget } from './lora.js';
export { loadAdapterDirectory, saveAdapterDirectory, weightsFingerprint } from './adapter-files.js';
export type { LoraAdapter, SaveAdapterDirectoryOptions } from './adapter-files.js';
export { decodeStep, forward, forwardCached, logits, tokenLogprobs } from './model.js';
export type { CachedInputs, ForwardOptions, KvCache, ModelInputs, ModelParameters } from './model.js';
export { initializeParameters, parameterCount, parameterShapes } from './parameters.js';
export type { HostParameters, HostTensor, InitializeParametersOptions } from './parameters.js';
export type { RopeConfig, RopeScaling } from './rope.js';
export { openSafetensors, writeSafetensors } from './safetensors.js';
export type { SafetensorsEntry, SafetensorsFile, WriteSafetensorsOptions } from './safetensors.js';
export { characterTokenizer, writeTokenizerFiles } from './character-tokenizer.js';
export type { CharacterTokenizerOptions } from './character-tokenizer.js';
export type { ChatMessage, ChatTemplate, ChatTemplateOptions } from './chat-template.js';
export { checkVocabulary, createIncrementalDecoder, createTokenizer, loadTokenizer } from './tokenizer.js';
export type {
  CreateTokenizerOptions,
  EncodeOptions,
  IncrementalDecoder,
  Tokenizer,
  TokenizerFiles,
} from './tokenizer.js';
export { verifyModel } from './verify.js';
export type { ModelVerification, VerifyModelOptions } from './verify.js';
export { chooseBackend } from './engine/backend.js';
export type { BackendChoice, BackendName, ChooseBackendOptions } from './engine/backend.js';
export { estimateMemory } from './engine/memory-estimate.js';
export type { EstimateMemoryOptions, MemoryEstimate } from './engine/memory-estimate.js';
export { createLocalEngine } from './engine/local-engine.js';
export type { LocalEngine, LocalEngineInfo, LocalEngineOptions } from './engine/local-engine.js';
export type { AdamWOptions } from './engine/adamw.js';
export type { EngineStatistics } from './engine/protocol.js';
export type {
  EngineTokenizer,
  ForwardResult,
  LocalLearner,
  LocalPolicy,
  SampleRequest,
  SampleResult,
} from './engine/types.js';
export { loadGguf } from './gguf/read.js';
export type { GgufModel } from './gguf/read.js';
export {
  inspectModel,
  companionsOf,
  loadModel,
  loadModelTokenizer,
  locateModel,
  writeCompanions,
} from './model-source.js';
export type { LoadedModel, ModelLocation, StoredWeights } from './model-source.js';
export { downloadModel } from './hub.js';
export type { DownloadModelOptions, DownloadProgress } from './hub.js';
