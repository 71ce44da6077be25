export type { ForwardBackwardResult, Learner, OptimizerStepOptions } from './learner.js';
