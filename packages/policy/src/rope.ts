/**
 * Rotary position embeddings (Su et al., 2021, arXiv 2104.09864) and the ways of stretching them to longer contexts.
 * Everything here is about the `headDim / 2` inverse frequencies; the rotation itself is in model.ts.
 */

/** `theta` is the base of the geometric series of wavelengths. */
export interface RopeConfig {
  theta: number;
  scaling: RopeScaling | null;
}

export type RopeScaling =
  /** every frequency divided by `factor` */
  | { type: 'linear'; factor: number }
  /** Llama 3.1: long wavelengths divided by `factor`, short ones kept, a ramp between */
  | {
      type: 'llama3';
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      /** context length of pre-training, in tokens */
      originalMaxPositionEmbeddings: number;
    };

interface ParseRopeOptions {
  source: string;
  defaultTheta: number;
  maxPositionEmbeddings: number;
}

/**
 * Reads `rope_theta` and `rope_scaling` (transformers 4) or `rope_parameters` (transformers 5) of a config.json.
 * @throws for a scaling that is not implemented, by name.
 */
export function parseRope(
  fields: Record<string, unknown>,
  { source, defaultTheta, maxPositionEmbeddings }: ParseRopeOptions,
): RopeConfig {
  const name = fields.rope_parameters ? 'rope_parameters' : 'rope_scaling';
  const raw = fields[name] ?? {};
  if (typeof raw !== 'object' || raw === null)
    throw new Error(`${source}: "${name}" is ${JSON.stringify(raw)}, wanted an object`);
  const scaling = raw as Record<string, unknown>;
  const known = [
    'rope_type',
    'type',
    'rope_theta',
    'factor',
    'low_freq_factor',
    'high_freq_factor',
    'original_max_position_embeddings',
  ];
  const unknown = Object.keys(scaling).find(
    (key) => !known.includes(key) && scaling[key] !== null && !(key === 'partial_rotary_factor' && scaling[key] === 1),
  );
  if (unknown)
    throw new Error(
      `${source}: "${name}.${unknown}" (${JSON.stringify(scaling[unknown])}) is not implemented; known: ${known.join(', ')}`,
    );
  const number = (key: string, fallback?: unknown): number => {
    const value = scaling[key] ?? fallback;
    if (typeof value !== 'number' || !(value > 0)) {
      throw new Error(`${source}: "${name}.${key}" is ${JSON.stringify(value) ?? 'missing'}, wanted a positive number`);
    }
    return value;
  };
  const theta = number('rope_theta', fields.rope_theta ?? defaultTheta);
  const type: unknown = scaling.rope_type ?? scaling.type ?? 'default';
  switch (type) {
    case 'default':
      return { theta, scaling: null };
    case 'linear':
      return { theta, scaling: { type, factor: number('factor') } };
    case 'llama3':
      return {
        theta,
        scaling: {
          type,
          factor: number('factor'),
          lowFreqFactor: number('low_freq_factor'),
          highFreqFactor: number('high_freq_factor'),
          originalMaxPositionEmbeddings: number('original_max_position_embeddings', maxPositionEmbeddings),
        },
      };
    default:
      throw new Error(`${source}: "${name}.rope_type" is ${JSON.stringify(type)}, wanted default, linear or llama3`);
  }
}

/** The inverse of `parseRope`, in the layout that transformers 4 and 5 both read. */
export function ropeToJson({ theta, scaling }: RopeConfig): Record<string, unknown> {
  if (scaling === null) return { rope_theta: theta };
  if (scaling.type === 'linear')
    return { rope_theta: theta, rope_scaling: { rope_type: 'linear', factor: scaling.factor } };
  return {
    rope_theta: theta,
    rope_scaling: {
      rope_type: 'llama3',
      factor: scaling.factor,
      low_freq_factor: scaling.lowFreqFactor,
      high_freq_factor: scaling.highFreqFactor,
      original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
    },
  };
}

/** Inverse frequencies in radians per token, `[headDim / 2]`, rounded to float32 as in transformers. */
export function inverseFrequencies({ theta, scaling }: RopeConfig, headDim: number): Float32Array {
  const frequencies = Float32Array.from({ length: headDim / 2 }, (_, i) => 1 / theta ** ((2 * i) / headDim));
  if (scaling === null) return frequencies;
  if (scaling.type === 'linear') return frequencies.map((frequency) => frequency / scaling.factor);
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: context } = scaling;
  return frequencies.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < context / highFreqFactor) return frequency;
    if (wavelength > context / lowFreqFactor) return frequency / factor;
    const ramp = (context / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return (1 - ramp) * (frequency / factor) + ramp * frequency;
  });
}
