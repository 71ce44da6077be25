import type { ModelConfig } from '../config.js';

/** Of one position in the KV cache: `layers` pairs of `[heads, headDim]`. */
export interface KvGeometry {
  layers: number;
  /** key/value heads */
  heads: number;
  headDim: number;
}

export function cacheGeometry({ numHiddenLayers, numKeyValueHeads, headDim }: ModelConfig): KvGeometry {
  return { layers: numHiddenLayers, heads: numKeyValueHeads, headDim };
}

/** Bytes of keys and values of one position. */
export function positionBytes({ layers, heads, headDim }: KvGeometry): number {
  return 2 * layers * heads * headDim * 4;
}
