/** Which parameters a model has, and how to make a fresh set of them. */
import type { ModelConfig } from './config.js';
import { inverseFrequencies } from './rope.js';

/** A tensor in plain memory, row major. */
export interface HostTensor {
  data: Float32Array;
  shape: number[];
  dtype: 'float32';
}

/** Parameters by Hugging Face weight name. */
export type HostParameters = Record<string, HostTensor>;

/** Shape of every parameter of the model, in Hugging Face's order and layouts. The single list of what a model consists of. */
export function parameterShapes(config: ModelConfig): Record<string, number[]> {
  const { hiddenSize: D, intermediateSize: F, headDim: d, vocabSize: V } = config;
  const queryWidth = config.numAttentionHeads * d;
  const keyWidth = config.numKeyValueHeads * d;
  const shapes: Record<string, number[]> = { 'model.embed_tokens.weight': [V, D] };
  const linear = (name: string, out: number, input: number, bias: boolean) => {
    shapes[`${name}.weight`] = [out, input];
    if (bias) shapes[`${name}.bias`] = [out];
  };
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const at = `model.layers.${layer}`;
    linear(`${at}.self_attn.q_proj`, queryWidth, D, config.qkvBias);
    linear(`${at}.self_attn.k_proj`, keyWidth, D, config.qkvBias);
    linear(`${at}.self_attn.v_proj`, keyWidth, D, config.qkvBias);
    linear(`${at}.self_attn.o_proj`, D, queryWidth, config.outputBias);
    if (config.qkNorm) {
      shapes[`${at}.self_attn.q_norm.weight`] = [d];
      shapes[`${at}.self_attn.k_norm.weight`] = [d];
    }
    linear(`${at}.mlp.gate_proj`, F, D, config.mlpBias);
    linear(`${at}.mlp.up_proj`, F, D, config.mlpBias);
    linear(`${at}.mlp.down_proj`, D, F, config.mlpBias);
    shapes[`${at}.input_layernorm.weight`] = [D];
    shapes[`${at}.post_attention_layernorm.weight`] = [D];
  }
  shapes['model.norm.weight'] = [D];
  if (!config.tieWordEmbeddings) shapes['lm_head.weight'] = [V, D];
  return shapes;
}

/** Number of scalars in the model. */
export function parameterCount(config: ModelConfig): number {
  return Object.values(parameterShapes(config)).reduce((total, shape) => total + size(shape), 0);
}

export interface InitializeParametersOptions {
  seed?: number;
  /** standard deviation of the embedding */
  embeddingStd?: number;
  /**
   * Standard deviation of linear weights: a number, or `fan-in` for 1/√in, with the layers that write to the residual
   * stream (o_proj, down_proj) scaled by a further 1/√(2·layers) (GPT-2, Radford et al. 2019, §2.3).
   */
  linearStd?: number | 'fan-in';
  /**
   * Size of layer-0 query and key biases that make key/value head g attend to the position g + 1 back from the start
   * (all heads but the last); 0 leaves biases at zero. Helps tiny models to find copying. Needs `qkvBias`.
   */
  previousTokenBias?: number;
}

/** Random parameters: normal weights, zero biases, unit norms. The same seed gives the same bits on every machine. */
export function initializeParameters(
  config: ModelConfig,
  { seed = 0, embeddingStd = 0.02, linearStd = 0.02, previousTokenBias = 0 }: InitializeParametersOptions = {},
): HostParameters {
  const { normal } = randomGenerator(seed);
  const parameters: HostParameters = {};
  for (const [name, shape] of Object.entries(parameterShapes(config))) {
    const data = new Float32Array(size(shape));
    if (name.endsWith('norm.weight')) data.fill(1);
    else if (shape.length === 2) {
      const std = name === 'model.embed_tokens.weight' ? embeddingStd : weightStd(name, shape[1] as number);
      for (let i = 0; i < data.length; i++) data[i] = normal() * std;
    }
    parameters[name] = { data, shape, dtype: 'float32' };
  }
  if (previousTokenBias !== 0) biasTowardsPreviousTokens(parameters, config, previousTokenBias);
  return parameters;

  function weightStd(name: string, fanIn: number): number {
    if (linearStd !== 'fan-in') return linearStd;
    const residual = name.endsWith('o_proj.weight') || name.endsWith('down_proj.weight');
    return (residual ? 1 / Math.sqrt(2 * config.numHiddenLayers) : 1) / Math.sqrt(fanIn);
  }
}

/**
 * With query bias c·(1, 0) and key bias c·(cos(o·f), sin(o·f)) per frequency f, RoPE turns the score of position m for
 * position n into c²·Σ cos((m − n − o)·f), which is largest at n = m − o.
 */
function biasTowardsPreviousTokens(parameters: HostParameters, config: ModelConfig, strength: number): void {
  const queries = parameters['model.layers.0.self_attn.q_proj.bias'];
  const keys = parameters['model.layers.0.self_attn.k_proj.bias'];
  if (!queries || !keys)
    throw new Error(`previousTokenBias needs query and key biases, which ${config.architecture} does not have here`);
  const { headDim, numAttentionHeads, numKeyValueHeads } = config;
  const group = numAttentionHeads / numKeyValueHeads;
  const half = headDim / 2;
  const frequencies = inverseFrequencies(config.rope, headDim);
  for (let head = 0; head < numKeyValueHeads - 1; head++) {
    const offset = head + 1;
    frequencies.forEach((frequency, i) => {
      keys.data[head * headDim + i] = strength * Math.cos(offset * frequency);
      keys.data[head * headDim + half + i] = strength * Math.sin(offset * frequency);
      for (let member = 0; member < group; member++) queries.data[(head * group + member) * headDim + i] = strength;
    });
  }
}

function size(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Seeded draws from mulberry32 (T. Ettinger, public domain): uniform in [0, 1), and standard normal by Box and Muller's transform. */
export function randomGenerator(seed: number): { uniform(): number; normal(): number } {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return { uniform, normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()) };
}
