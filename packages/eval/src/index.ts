export { normalizeAnswer } from './scoring/answer-scorers.js';
export type { AnswerScorer } from './scoring/answer-scorers.js';
export { createScorer } from './scoring/scorer.js';
export type { Scorer, ScorerInput, ScorerOptions, ScorerResult } from './scoring/scorer.js';
export type { TextSegment } from './scoring/segments.js';
export { verifyScoring } from './scoring/verify-scoring.js';
export type { ScoringMismatch, ScoringVerification } from './scoring/verify-scoring.js';
