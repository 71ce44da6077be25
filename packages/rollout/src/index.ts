export type { Policy, SampleRequest, SampleResult, Tokenizer } from './policy.js';
