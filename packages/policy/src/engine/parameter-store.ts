import type * as tf from '@tensorflow/tfjs-core';

import type { LoraAdapter } from '../adapter-files.js';
import { loraScaling, type LoraConfig } from '../lora.js';
import type { ForwardOptions, ModelParameters } from '../model.js';
import type { HostParameters } from '../parameters.js';
import type { OptimizerEntry } from './adamw.js';
import { floats, type HostTensor } from './runner.js';

/** Weights, gradient accumulators and moments of one model. Learner and sampler share the weights' memory. */
export interface ParameterStore {
  /** the whole model, without adapters */
  readonly base: HostParameters;
  /** what the optimizer changes: the base itself, or the adapter over it */
  readonly trained: HostParameters;
  readonly lora?: LoraConfig;
  /** `base` and `trained` together: the inputs of every function of the model */
  readonly weights: Record<string, HostTensor>;
  /** of each trained parameter, the accumulator that `forwardBackward` adds to */
  readonly gradients: Record<string, HostTensor>;
  readonly entries: Record<string, OptimizerEntry & { shape: number[] }>;
  /** optimizer steps done */
  step: number;
}

/** Takes the parameters' memory over; adds zeroed gradients and moments of those that are trained. */
export function createParameterStore(base: HostParameters, adapter?: LoraAdapter): ParameterStore {
  const trained = adapter?.parameters ?? base;
  const entries: ParameterStore['entries'] = {};
  const gradients: ParameterStore['gradients'] = {};
  for (const [name, { data, shape }] of Object.entries(trained)) {
    const zeros = () => new Float32Array(data.length);
    const gradient = zeros();
    entries[name] = { value: data, gradient, mean: zeros(), variance: zeros(), decay: shape.length > 1, shape };
    gradients[name] = floats(gradient, shape);
  }
  const weights = { ...base, ...trained };
  return { base, trained, ...(adapter && { lora: adapter.config }), weights, gradients, entries, step: 0 };
}

/** The model inside a tensor function: parameters, and adapters where there are any, of tensors by parameter name. */
export function modelOf(
  { base, trained, lora }: ParameterStore,
  tensor: (name: string) => tf.Tensor,
): { parameters: ModelParameters; options: ForwardOptions } {
  const pick = (names: object) => Object.fromEntries(Object.keys(names).map((name) => [name, tensor(name)]));
  const parameters = pick(base);
  return { parameters, options: lora ? { lora: { parameters: pick(trained), scaling: loraScaling(lora) } } : {} };
}
