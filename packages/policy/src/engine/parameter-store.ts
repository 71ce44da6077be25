import type { HostParameters } from '../parameters.js';
import type { OptimizerEntry } from './adamw.js';
import { floats, type HostTensor } from './runner.js';

/** Weights, gradient accumulators and moments of one model. Learner and sampler share the weights' memory. */
export interface ParameterStore {
  readonly names: readonly string[];
  readonly values: HostParameters;
  /** by name, the accumulators that `forwardBackward` adds to */
  readonly gradients: Record<string, HostTensor>;
  readonly entries: Record<string, OptimizerEntry & { shape: number[] }>;
  readonly parameterCount: number;
  /** optimizer steps done */
  step: number;
  /** grows with every change of the weights: whatever was computed from older ones is stale */
  version: number;
}

/** Takes the parameters' memory over and adds zeroed gradients and moments. */
export function createParameterStore(values: HostParameters): ParameterStore {
  const names = Object.keys(values);
  const entries: ParameterStore['entries'] = {};
  const gradients: ParameterStore['gradients'] = {};
  for (const [name, { data, shape }] of Object.entries(values)) {
    const fresh = () => new Float32Array(data.length);
    const gradient = fresh();
    entries[name] = { value: data, gradient, mean: fresh(), variance: fresh(), decay: shape.length > 1, shape };
    gradients[name] = floats(gradient, shape);
  }
  const parameterCount = Object.values(values).reduce((total, { data }) => total + data.length, 0);
  return { names, values, gradients, entries, parameterCount, step: 0, version: 0 };
}
