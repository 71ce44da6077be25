/** The model configuration in GGUF metadata. */
import { parseModelConfig, type ModelConfig } from '../config.js';
import { inverseFrequencies, type RopeScaling } from '../rope.js';

/** Keys of the file, for example `llama.block_count`. */
export type GgufMetadata = Record<string, unknown>;

interface GgufConfigOptions {
  /** the file, for errors */
  source: string;
  /** rows of the embedding */
  vocabSize: number;
  /** which tensors the file has decides on biases and a tied head */
  tensorNames: ReadonlySet<string>;
  /** rope_freqs.weight: what each RoPE frequency is divided by (Llama 3.1 and later) */
  frequencyFactors?: Float32Array;
}

/** @throws for an architecture or RoPE scaling that is not implemented, and for a missing key, by name */
export function ggufConfig(
  metadata: GgufMetadata,
  { source, vocabSize, tensorNames, frequencyFactors }: GgufConfigOptions,
): ModelConfig {
  const architecture = metadata['general.architecture'];
  const key = (name: string) => metadata[`${String(architecture)}.${name}`];
  const scaling = key('rope.scaling.type');
  if (scaling !== undefined && scaling !== 'none' && scaling !== 'linear') {
    throw new Error(
      `${source}: "${String(architecture)}.rope.scaling.type" is ${JSON.stringify(scaling)}, which is not implemented`,
    );
  }
  if (key('expert_count'))
    throw new Error(`${source}: a mixture of ${String(key('expert_count'))} experts is not implemented`);
  const eps = key('attention.layer_norm_rms_epsilon');
  const config = parseModelConfig(
    {
      model_type: architecture,
      vocab_size: vocabSize,
      hidden_size: key('embedding_length'),
      intermediate_size: key('feed_forward_length'),
      num_hidden_layers: key('block_count'),
      num_attention_heads: key('attention.head_count'),
      num_key_value_heads: key('attention.head_count_kv'),
      head_dim: key('attention.key_length') ?? key('rope.dimension_count'),
      max_position_embeddings: key('context_length'),
      rms_norm_eps: typeof eps === 'number' ? Number(eps.toPrecision(7)) : eps, // stored as float32
      rope_theta: key('rope.freq_base'),
      rope_scaling: scaling === 'linear' ? { rope_type: 'linear', factor: key('rope.scaling.factor') } : null,
      tie_word_embeddings: !tensorNames.has('output.weight'),
      attention_bias: tensorNames.has('blk.0.attn_q.bias'),
      mlp_bias: tensorNames.has('blk.0.ffn_gate.bias'),
    },
    { source },
  );
  if (!frequencyFactors) return config;
  return { ...config, rope: { ...config.rope, scaling: llama3Scaling(config, frequencyFactors, source) } };
}

/** The Llama 3 scaling behind a table of factors: all published models share low 1, high 4 and an original context of 8192. */
function llama3Scaling(config: ModelConfig, factors: Float32Array, source: string): RopeScaling {
  const scaling: RopeScaling = {
    type: 'llama3',
    factor: factors.reduce((most, factor) => Math.max(most, factor), 1),
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalMaxPositionEmbeddings: 8192,
  };
  const plain = inverseFrequencies(config.rope, config.headDim);
  const scaled = inverseFrequencies({ ...config.rope, scaling }, config.headDim);
  const agrees = plain.every(
    (frequency, i) => Math.abs(frequency / (scaled[i] as number) / (factors[i] as number) - 1) < 1e-3,
  );
  if (!agrees)
    throw new Error(
      `${source}: "rope_freqs.weight" is not Llama 3's scaling (factors 1 and 4, context 8192), which is the only one implemented`,
    );
  return scaling;
}
