export { checkOpenAIServer } from './check.js';
export { createOpenAISampler } from './sampler.js';
export type { OpenAISampler, OpenAISamplerOptions } from './sampler.js';
export type { ApiName } from './wire.js';
