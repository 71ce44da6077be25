/**
 * One `ModelConfig` for Qwen2/Qwen2.5, Llama and Qwen3, read from a Hugging Face `config.json`.
 * All differences between the architectures are in `architectures` below; the model itself only looks at `ModelConfig`.
 */
import { parseRope, ropeToJson, type RopeConfig } from './rope.js';

export type Architecture = 'qwen2' | 'llama' | 'qwen3';

/** What the model's mathematics depends on, and nothing else. Names are Hugging Face's in camel case. */
export interface ModelConfig {
  architecture: Architecture;
  vocabSize: number;
  hiddenSize: number;
  /** width of the SwiGLU MLP */
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  /** groups of query heads share one key/value head (GQA); equal to `numAttentionHeads` for plain attention */
  numKeyValueHeads: number;
  headDim: number;
  rmsNormEps: number;
  /** the output head is the embedding, transposed */
  tieWordEmbeddings: boolean;
  /** bias of the query, key and value projections */
  qkvBias: boolean;
  /** bias of the attention's output projection */
  outputBias: boolean;
  /** bias of the three MLP projections */
  mlpBias: boolean;
  /** RMSNorm over each head of queries and keys, before RoPE */
  qkNorm: boolean;
  /** longest sequence the model was trained on, in tokens */
  maxPositionEmbeddings: number;
  rope: RopeConfig;
}

interface ArchitectureTraits {
  className: string;
  qkNorm: boolean;
  /** which biases exist, given `attention_bias` and `mlp_bias` of config.json */
  biases(fields: { attentionBias: boolean; mlpBias: boolean }): Pick<ModelConfig, 'qkvBias' | 'outputBias' | 'mlpBias'>;
  /** what transformers assumes where config.json is silent */
  defaults: { ropeTheta: number; headDim: number | null; maxPositions: number; keyValueHeads: number | null };
}

const architectures: Record<Architecture, ArchitectureTraits> = {
  qwen2: {
    className: 'Qwen2ForCausalLM',
    qkNorm: false,
    biases: () => ({ qkvBias: true, outputBias: false, mlpBias: false }),
    defaults: { ropeTheta: 10000, headDim: null, maxPositions: 32768, keyValueHeads: 32 },
  },
  llama: {
    className: 'LlamaForCausalLM',
    qkNorm: false,
    biases: ({ attentionBias, mlpBias }) => ({ qkvBias: attentionBias, outputBias: attentionBias, mlpBias }),
    defaults: { ropeTheta: 10000, headDim: null, maxPositions: 2048, keyValueHeads: null },
  },
  qwen3: {
    className: 'Qwen3ForCausalLM',
    qkNorm: true,
    biases: ({ attentionBias }) => ({ qkvBias: attentionBias, outputBias: attentionBias, mlpBias: false }),
    defaults: { ropeTheta: 10000, headDim: 128, maxPositions: 32768, keyValueHeads: 32 },
  },
};

/** Fields that change the mathematics and of which only one value is implemented: [accepted values, what it would mean]. */
const fixedFields: Record<string, { accepted: unknown[]; meaning: string }> = {
  hidden_act: { accepted: ['silu', 'swish'], meaning: 'another activation in the MLP' },
  use_sliding_window: { accepted: [false], meaning: 'attention over a sliding window' },
  attention_dropout: { accepted: [0], meaning: 'dropout in attention' },
  pretraining_tp: { accepted: [1], meaning: 'tensor-parallel slices of the linear layers' },
  use_mrope: { accepted: [false], meaning: 'multimodal RoPE' },
  rope_interleaved: { accepted: [false], meaning: 'RoPE on neighbouring pairs' },
  partial_rotary_factor: { accepted: [1], meaning: 'RoPE on a part of each head' },
  is_decoder: { accepted: [false, true], meaning: '' },
  add_cross_attention: { accepted: [false], meaning: 'cross attention' },
  is_encoder_decoder: { accepted: [false], meaning: 'an encoder' },
  chunk_size_feed_forward: { accepted: [0], meaning: 'a chunked MLP' },
  pruned_heads: { accepted: [], meaning: 'removed attention heads' },
};

/** Fields read below. */
const readFields = [
  'model_type', 'architectures', 'vocab_size', 'hidden_size', 'intermediate_size', 'num_hidden_layers',
  'num_attention_heads', 'num_key_value_heads', 'head_dim', 'rms_norm_eps', 'tie_word_embeddings', 'attention_bias',
  'mlp_bias', 'max_position_embeddings', 'rope_theta', 'rope_scaling', 'rope_parameters', 'layer_types',
]; // prettier-ignore

/** Fields that say nothing about the mathematics of a forward pass: storage, initialisation, generation, labels. */
const harmlessFields = [
  'torch_dtype', 'dtype', 'transformers_version', '_name_or_path', '_attn_implementation', 'attn_implementation',
  'use_cache', 'initializer_range', 'bos_token_id', 'eos_token_id', 'pad_token_id', 'sep_token_id', 'unk_token_id',
  'decoder_start_token_id', 'sliding_window', 'max_window_layers', 'transformers.js_config',
  'id2label', 'label2id', 'problem_type', 'finetuning_task', 'task_specific_params', 'return_dict', 'return_dict_in_generate',
  'output_attentions', 'output_hidden_states', 'output_scores', 'torchscript', 'tokenizer_class', 'prefix', 'auto_map',
  'max_length', 'min_length', 'max_new_tokens', 'do_sample', 'temperature', 'top_k', 'top_p', 'typical_p',
  'repetition_penalty', 'length_penalty', 'no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'num_beams',
  'num_beam_groups', 'num_return_sequences', 'diversity_penalty', 'early_stopping', 'bad_words_ids', 'suppress_tokens',
  'begin_suppress_tokens', 'forced_bos_token_id', 'forced_eos_token_id', 'remove_invalid_values',
  'exponential_decay_length_penalty', 'cross_attention_hidden_size', 'tie_encoder_decoder', 'tf_legacy_loss',
  'use_bfloat16', 'use_flash_attn', '_flash_attn_2_enabled', 'gradient_checkpointing',
  'model_max_length', 'tokenizer_padding_side', 'unsloth_fixed', 'unsloth_version', 'is_llama_config',
]; // prettier-ignore

export interface ParseModelConfigOptions {
  /** named in errors: the file the object was read from */
  source?: string;
  /** unknown fields that are known to be harmless for this model */
  ignoreFields?: readonly string[];
}

/**
 * Reads the object of a Hugging Face `config.json` (transformers 4 and 5 layouts).
 * @throws when a needed field is missing or wrong, and, by name, for any field that may change the mathematics and is not implemented.
 */
export function parseModelConfig(
  json: unknown,
  { source = 'config.json', ignoreFields = [] }: ParseModelConfigOptions = {},
): ModelConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Error(
      `${source}: got ${json === null ? 'null' : typeof json}, wanted the JSON object of a model's config.json`,
    );
  }
  const fields = json as Record<string, unknown>;
  const architecture = parseArchitecture(fields, source);
  const traits = architectures[architecture];
  refuseUnsupported(fields, new Set(ignoreFields), source);

  const positiveInteger = (name: string, fallback?: number): number => {
    const value = fields[name] ?? fallback;
    if (value === undefined) throw new Error(`${source}: field "${name}" is missing; a ${architecture} model needs it`);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
      throw new Error(`${source}: "${name}" is ${JSON.stringify(value)}, wanted a positive integer`);
    }
    return value;
  };
  const boolean = (name: string): boolean => {
    const value = fields[name] ?? false;
    if (typeof value !== 'boolean')
      throw new Error(`${source}: "${name}" is ${JSON.stringify(value)}, wanted true or false`);
    return value;
  };

  const hiddenSize = positiveInteger('hidden_size');
  const numHiddenLayers = positiveInteger('num_hidden_layers');
  const numAttentionHeads = positiveInteger('num_attention_heads');
  if (numHiddenLayers > MOST_LAYERS)
    throw new Error(`${source}: "num_hidden_layers" is ${numHiddenLayers}, wanted at most ${MOST_LAYERS}`);
  // An absent field has the class's default, null means one per query head. Where transformers could not run, neither do we guess worse.
  const groups = fields.num_key_value_heads === null ? null : traits.defaults.keyValueHeads;
  const usualGroups = groups !== null && numAttentionHeads % groups === 0 ? groups : numAttentionHeads;
  const numKeyValueHeads = positiveInteger('num_key_value_heads', usualGroups);
  const headDim = positiveInteger('head_dim', traits.defaults.headDim ?? hiddenSize / numAttentionHeads);
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw new Error(
      `${source}: num_attention_heads ${numAttentionHeads} is not a multiple of num_key_value_heads ${numKeyValueHeads}`,
    );
  }
  if (headDim % 2 !== 0)
    throw new Error(`${source}: head_dim is ${headDim}, wanted an even number (RoPE rotates pairs)`);
  const rmsNormEps = fields.rms_norm_eps ?? 1e-6;
  if (typeof rmsNormEps !== 'number' || !(rmsNormEps > 0)) {
    throw new Error(`${source}: "rms_norm_eps" is ${JSON.stringify(rmsNormEps)}, wanted a positive number`);
  }
  const maxPositionEmbeddings = positiveInteger('max_position_embeddings', traits.defaults.maxPositions);
  return {
    architecture,
    vocabSize: positiveInteger('vocab_size'),
    hiddenSize,
    intermediateSize: positiveInteger('intermediate_size'),
    numHiddenLayers,
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    rmsNormEps,
    tieWordEmbeddings: boolean('tie_word_embeddings'),
    ...traits.biases({ attentionBias: boolean('attention_bias'), mlpBias: boolean('mlp_bias') }),
    qkNorm: traits.qkNorm,
    maxPositionEmbeddings,
    rope: parseRope(fields, { source, defaultTheta: traits.defaults.ropeTheta, maxPositionEmbeddings }),
  };
}

/** No model has more; a damaged file may claim so, and all names of its tensors would be listed. */
const MOST_LAYERS = 4096;

function parseArchitecture(fields: Record<string, unknown>, source: string): Architecture {
  const names = Object.keys(architectures) as Architecture[];
  const found = names.find((name) => name === fields.model_type);
  if (found) return found;
  throw new Error(
    `${source}: "model_type" is ${JSON.stringify(fields.model_type) ?? 'missing'}, wanted one of ${names.join(', ')}`,
  );
}

function refuseUnsupported(fields: Record<string, unknown>, ignored: Set<string>, source: string): void {
  const known = new Set([...readFields, ...harmlessFields]);
  for (const [name, value] of Object.entries(fields)) {
    if (ignored.has(name) || known.has(name) || value === null || value === undefined) continue;
    const fixed = fixedFields[name];
    if (fixed) {
      const empty = typeof value === 'object' && Object.keys(value).length === 0;
      if (fixed.accepted.includes(value) || empty) continue;
      throw new Error(
        `${source}: "${name}" is ${JSON.stringify(value)}: ${fixed.meaning} is not implemented (accepted: ${JSON.stringify(fixed.accepted)})`,
      );
    }
    throw new Error(
      `${source}: unknown field "${name}" (${JSON.stringify(value)}) may change the mathematics; ` +
        `if it does not, name it in ignoreFields`,
    );
  }
  const layerTypes = fields.layer_types;
  if (Array.isArray(layerTypes) && layerTypes.some((type) => type !== 'full_attention')) {
    throw new Error(
      `${source}: "layer_types" holds ${[...new Set(layerTypes)].join(', ')}; only full_attention is implemented`,
    );
  }
}

/** The Hugging Face `config.json` of a model; reads back to the same `ModelConfig` here and in transformers 4 and 5. */
export function modelConfigToJson(config: ModelConfig): Record<string, unknown> {
  const json: Record<string, unknown> = {
    architectures: [architectures[config.architecture].className],
    model_type: config.architecture,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    num_key_value_heads: config.numKeyValueHeads,
    hidden_act: 'silu',
    rms_norm_eps: config.rmsNormEps,
    tie_word_embeddings: config.tieWordEmbeddings,
    max_position_embeddings: config.maxPositionEmbeddings,
    attention_dropout: 0,
    use_cache: true,
    ...ropeToJson(config.rope),
  };
  if (config.architecture === 'qwen3' || config.headDim * config.numAttentionHeads !== config.hiddenSize) {
    json.head_dim = config.headDim;
  }
  if (config.architecture !== 'qwen2') json.attention_bias = config.qkvBias;
  if (config.architecture === 'llama') json.mlp_bias = config.mlpBias;
  if (config.architecture !== 'llama') json.use_sliding_window = false;
  return json;
}
