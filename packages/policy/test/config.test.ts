import { describe, expect, it } from 'vitest';

import { modelConfigToJson, parameterCount, parameterShapes, parseModelConfig } from '@tapo/policy';

const qwen2 = {
  model_type: 'qwen2',
  vocab_size: 100,
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
};
const llama = { ...qwen2, model_type: 'llama', tie_word_embeddings: false };
const qwen3 = { ...qwen2, model_type: 'qwen3', head_dim: 16 };
const llama3 = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

describe('parseModelConfig', () => {
  it('knows what differs between the architectures', () => {
    const traits = (json: object) => {
      const { qkvBias, outputBias, mlpBias, qkNorm, headDim } = parseModelConfig(json);
      return { qkvBias, outputBias, mlpBias, qkNorm, headDim };
    };
    expect(traits(qwen2)).toEqual({ qkvBias: true, outputBias: false, mlpBias: false, qkNorm: false, headDim: 8 });
    expect(traits(llama)).toEqual({ qkvBias: false, outputBias: false, mlpBias: false, qkNorm: false, headDim: 8 });
    expect(traits(qwen3)).toEqual({ qkvBias: false, outputBias: false, mlpBias: false, qkNorm: true, headDim: 16 });
    expect(traits({ ...llama, attention_bias: true, mlp_bias: true })).toMatchObject({
      outputBias: true,
      mlpBias: true,
    });
  });

  it('reads RoPE in the layouts of transformers 4 and 5', () => {
    const expected = {
      theta: 500000,
      scaling: { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 8192 },
    };
    expect(parseModelConfig({ ...llama, rope_theta: 500000, rope_scaling: llama3 }).rope).toEqual(expected);
    expect(parseModelConfig({ ...llama, rope_parameters: { rope_theta: 500000, ...llama3 } }).rope).toEqual(expected);
    expect(parseModelConfig({ ...llama, rope_scaling: null }).rope).toEqual({ theta: 10000, scaling: null });
  });

  it('survives a round trip through config.json', () => {
    for (const json of [qwen2, llama, qwen3, { ...llama, rope_scaling: llama3, mlp_bias: true, head_dim: 10 }]) {
      const config = parseModelConfig(json);
      expect(parseModelConfig(modelConfigToJson(config))).toEqual(config);
    }
  });

  it.each([
    [{ ...qwen2, use_sliding_window: true }, /"use_sliding_window" is true/],
    [{ ...llama, rope_interleaved: true }, /"rope_interleaved" is true: RoPE on neighbouring pairs is not implemented/],
    [{ ...qwen2, hidden_act: 'gelu' }, /"hidden_act" is "gelu".*another activation/],
    [{ ...qwen2, logit_softcapping: 30 }, /unknown field "logit_softcapping" \(30\)/],
    [{ ...qwen2, layer_types: ['full_attention', 'sliding_attention'] }, /sliding_attention; only full_attention/],
    [{ ...qwen2, rope_scaling: { type: 'yarn', factor: 4 } }, /rope_type" is "yarn", wanted default, linear or llama3/],
    [{ ...qwen2, quantization_config: { bits: 4 } }, /unknown field "quantization_config"/],
    [{ ...qwen2, model_type: 'mamba' }, /"model_type" is "mamba", wanted one of qwen2, llama, qwen3/],
    [{ ...qwen2, vocab_size: undefined }, /"vocab_size" is missing/],
    [{ ...qwen2, num_key_value_heads: 3 }, /4 is not a multiple of num_key_value_heads 3/],
    [{ ...qwen2, hidden_size: '32' }, /"hidden_size" is "32", wanted a positive integer/],
    [[], /wanted the JSON object/],
  ])('refuses %j', (json, message) => {
    expect(() => parseModelConfig(json, { source: 'there/config.json' })).toThrow(message);
    expect(() => parseModelConfig(json, { source: 'there/config.json' })).toThrow('there/config.json');
  });

  it('reads configurations as they are published', () => {
    // Fields of Qwen2.5-0.5B and SmolLM2-135M-Instruct besides those above.
    const qwen25 = { attention_dropout: 0.0, bos_token_id: 151643, eos_token_id: 151643, hidden_act: 'silu', max_window_layers: 24,
      rope_theta: 1000000.0, sliding_window: 32768, use_mrope: false, use_sliding_window: false, torch_dtype: 'bfloat16' }; // prettier-ignore
    expect(parseModelConfig({ ...qwen2, ...qwen25 }).rope.theta).toBe(1e6);
    const smol = { attention_bias: false, is_llama_config: true, mlp_bias: false, pretraining_tp: 1, rope_interleaved: false,
      rope_scaling: null, rope_theta: 100000, 'transformers.js_config': { kv_cache_dtype: { fp16: 'float16' } } }; // prettier-ignore
    expect(parseModelConfig({ ...llama, ...smol }).rope.theta).toBe(1e5);
  });

  it('takes what transformers takes where config.json is silent', () => {
    // Qwen2Config, LlamaConfig and Qwen3Config of transformers 5.24: 32, 32 and as many key/value heads as heads; null means the latter
    const silent = (model_type: string, fields: object = {}) => {
      const {
        num_key_value_heads: _,
        tie_word_embeddings: __,
        ...rest
      } = { ...qwen2, num_attention_heads: 64, hidden_size: 128 };
      const config = parseModelConfig({ ...rest, model_type, ...fields });
      const { numKeyValueHeads, maxPositionEmbeddings, tieWordEmbeddings, rmsNormEps, headDim, rope } = config;
      return [numKeyValueHeads, maxPositionEmbeddings, tieWordEmbeddings, rmsNormEps, headDim, rope.theta];
    };
    expect(silent('qwen2')).toEqual([32, 32768, false, 1e-6, 2, 10000]);
    expect(silent('llama')).toEqual([64, 2048, false, 1e-6, 2, 10000]);
    expect(silent('qwen3')).toEqual([32, 32768, false, 1e-6, 128, 10000]);
    expect(silent('qwen3', { num_key_value_heads: null })[0]).toBe(64);
  });

  it('lets a field through that the caller vouches for', () => {
    expect(() => parseModelConfig({ ...qwen2, my_note: 'x' }, { ignoreFields: ['my_note'] })).not.toThrow();
  });
});

describe('parameterShapes', () => {
  it('counts what the layers hold', () => {
    // embedding 100·32 = 3200, last norm 32; per layer: q 32·32+32, k and v 16·32+16 each, o 32·32,
    // MLP 3·64·32, two norms 64 → 1056 + 2·528 + 1024 + 6144 + 64 = 9344
    expect(parameterCount(parseModelConfig(qwen2))).toBe(3200 + 32 + 2 * 9344);
    expect(parameterShapes(parseModelConfig(llama))['lm_head.weight']).toEqual([100, 32]);
    expect(parameterShapes(parseModelConfig(qwen3))['model.layers.1.self_attn.q_norm.weight']).toEqual([16]);
  });
});
