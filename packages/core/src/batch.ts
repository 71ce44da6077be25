/**
 * One optimizer step's rows, shifted by one and padded: position t of a row predicts `targets[t]` from `inputs[0..t]`.
 * Plain row-major typed arrays of `rows * length` numbers, so that a batch crosses a worker or a network unchanged.
 */
export interface Batch {
  rows: number;
  /** padded length: longest row minus one (of the shift) */
  length: number;
  /** real positions of each row, ≤ `length` */
  lengths: Int32Array;
  /** input ids; padding is `padId` */
  inputs: Int32Array;
  /** next-token ids */
  targets: Int32Array;
  /** 1 where `targets[t]` was sampled by the policy */
  lossMask: Float32Array;
  /** weight of each position in the loss sum; carries the aggregation and the whole step's denominator, so any split into micro-batches sums to the same loss */
  weights: Float32Array;
  /** advantage of each position; absent for supervised batches */
  advantages?: Float32Array;
  /** training-forward log-probabilities before the update; absent where no update came between: the pass that takes the gradient gives them */
  oldLogprobs?: Float32Array;
  /** the sampler's log-probabilities */
  rolloutLogprobs?: Float32Array;
  /** reference policy's log-probabilities, when a KL term is asked for */
  referenceLogprobs?: Float32Array;
}

/** Which loss a learner computes over a batch. Serialisable: it crosses worker and network boundaries. */
export type LossSpec = { name: 'cross-entropy' } | ({ name: 'dapo' } & DapoLossOptions);

/** Options of the DAPO loss. `clipLow`/`clipHigh` are offsets from 1 (0.2/0.28), not ratios. */
export interface DapoLossOptions {
  clipLow?: number;
  clipHigh?: number;
  /** upper bound c of the loss where A < 0: at most −A·c; `null` switches it off */
  dualClip?: number | null;
  /** weight of the KL penalty against the reference policy; 0 = off */
  klCoefficient?: number;
  klEstimator?: 'k1' | 'k2' | 'k3' | 'abs';
  entropyCoefficient?: number;
  /** truncated importance sampling: cap on exp(oldLogprobs − rolloutLogprobs); `null` = off */
  truncatedImportanceCap?: number | null;
}
