/** A model from one GGUF file (llama.cpp's format): configuration, weights as float32, tokenizer. */
import { open, type FileHandle } from 'node:fs/promises';

import { GGMLQuantizationType, gguf, type GGUFTensorInfo } from '@huggingface/gguf';

import type { Model } from '../checkpoint-files.js';
import type { ModelConfig } from '../config.js';
import { requireFinite } from '../finite.js';
import { parameterShapes, type HostParameters, type HostTensor } from '../parameters.js';
import type { TokenizerFiles } from '../tokenizer.js';
import { blockFormats } from './dequantize.js';
import { ggufConfig, type GgufMetadata } from './metadata.js';
import { ggufTokenizer } from './tokenizer.js';

export interface GgufModel extends Model {
  /** for `createTokenizer`, or `writeTokenizerFiles` */
  tokenizer: TokenizerFiles;
}

const chunkBytes = 4 << 20;

/** What a GGUF file says before its weights. */
export interface GgufHeader {
  config: ModelConfig;
  /** for `createTokenizer`, or `writeTokenizerFiles` */
  tokenizer: TokenizerFiles;
  /** how each tensor is stored, by llama.cpp's name */
  tensors: { name: string; quantization: string; shape: number[] }[];
}

/**
 * Reads Llama (SmolLM2), Qwen2 and Qwen3 files in F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K, one tensor at a time.
 * @throws naming the file and what is wrong: not GGUF, truncated, another architecture, an unsupported quantisation or tokenizer, a missing tensor
 */
export function loadGguf(path: string, { signal }: { signal?: AbortSignal } = {}): Promise<GgufModel> {
  return withGguf(path, async ({ config, metadata, tensors, read }) => {
    const shapes = parameterShapes(config);
    const wanted = new Set(['rope_freqs.weight', ...Object.keys(shapes).map(ggufName)]);
    const unexpected = [...tensors.keys()].find((name) => !wanted.has(name));
    if (unexpected)
      throw new Error(
        `${path}: unexpected tensor "${unexpected}"; a ${config.architecture} model has none of that name`,
      );
    const tokenizer = ggufTokenizer(metadata, path);
    const parameters: HostParameters = {};
    for (const [name, shape] of Object.entries(shapes)) {
      signal?.throwIfAborted();
      const tensor = await read(ggufName(name), shape);
      requireFinite(tensor, ggufName(name), path);
      parameters[name] = config.architecture === 'llama' ? halvesOfHeads(name, tensor, config) : tensor;
    }
    return { config, parameters, tokenizer };
  });
}

/** Configuration, tokenizer and list of tensors, without reading the weights. */
export function readGgufHeader(path: string): Promise<GgufHeader> {
  return withGguf(path, async ({ config, metadata, tensors }) => ({
    config,
    tokenizer: ggufTokenizer(metadata, path),
    tensors: [...tensors.values()].map((info) => ({
      name: info.name,
      quantization: quantizationOf(info),
      shape: shapeOf(info),
    })),
  }));
}

interface OpenGguf {
  config: ModelConfig;
  metadata: GgufMetadata;
  tensors: ReadonlyMap<string, GGUFTensorInfo>;
  /** a tensor as float32, which must have this shape */
  read(name: string, shape?: readonly number[]): Promise<HostTensor>;
}

async function withGguf<T>(path: string, body: (opened: OpenGguf) => Promise<T>): Promise<T> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${path}: cannot open (${cause.code})`, { cause });
  });
  try {
    const { size } = await file.stat();
    const { metadata, tensors, dataStart } = await readHeader(path, size);
    for (const info of tensors.values()) requireWhole(path, info, { dataStart, size });
    const chunk = new Uint8Array(Math.min(chunkBytes, size)); // one for all tensors, which are read one after the other
    const read = async (name: string, shape?: readonly number[]): Promise<HostTensor> => {
      const info = tensors.get(name);
      if (!info) throw new Error(`${path}: tensor "${name}" is missing`);
      const found = shapeOf(info);
      // before anything is allocated: a file may claim any shape
      if (shape && found.join() !== shape.join())
        throw new Error(`${path}: tensor "${name}" has shape [${found.join(', ')}], wanted [${shape.join(', ')}]`);
      return readTensor(file, path, info, { dataStart, chunk });
    };
    const config = ggufConfig(metadata, {
      source: path,
      vocabSize: Number(tensors.get('token_embd.weight')?.shape[1] ?? 0),
      tensorNames: new Set(tensors.keys()),
      frequencyFactors: tensors.has('rope_freqs.weight') ? (await read('rope_freqs.weight')).data : undefined,
    });
    return await body({ config, metadata, tensors, read });
  } finally {
    await file.close();
  }
}

async function readHeader(path: string, size: number) {
  const parsed = await gguf(path, { allowLocalFile: true }).catch((cause: Error) => {
    throw new Error(`${path}: not a readable GGUF file: ${cause.message}; download it again`, { cause });
  });
  // The parser reads zeros past the end of a truncated file.
  if (parsed.tensorDataOffset > size) throw new Error(`${path}: the file ends inside its header; download it again`);
  return {
    metadata: parsed.metadata as unknown as GgufMetadata,
    tensors: new Map(parsed.tensorInfos.map((info) => [info.name, info])),
    dataStart: Number(parsed.tensorDataOffset),
  };
}

/** @throws for a tensor that reaches beyond the file; nothing is known of formats that are not read */
function requireWhole(path: string, info: GGUFTensorInfo, { dataStart, size }: { dataStart: number; size: number }) {
  const quantization = quantizationOf(info);
  const { bytes, weights } = blockFormats[quantization] ?? { bytes: 0, weights: 1 };
  const shape = shapeOf(info);
  const blocks = shape.reduce((product, dimension) => product * dimension, 1) / weights;
  const end = dataStart + Number(info.offset) + blocks * bytes;
  if (end <= size) return;
  throw new Error(
    `${path}: the file ends inside tensor "${info.name}"; download it again (its [${shape.join(', ')}] in ${quantization} reach byte ${end} of ${size})`,
  );
}

async function readTensor(
  file: FileHandle,
  path: string,
  info: GGUFTensorInfo,
  { dataStart, chunk }: { dataStart: number; chunk: Uint8Array },
): Promise<HostTensor> {
  const shape = shapeOf(info);
  const quantization = quantizationOf(info);
  const format = blockFormats[quantization];
  if (!format) {
    throw new Error(
      `${path}: tensor "${info.name}" is quantised as ${quantization}; readable: ${Object.keys(blockFormats).join(', ')}. Take another file of this model`,
    );
  }
  const weights = shape.reduce((product, dimension) => product * dimension, 1);
  const blocks = weights / format.weights;
  if (!Number.isInteger(blocks)) {
    throw new Error(
      `${path}: tensor "${info.name}" has ${weights} weights, no multiple of ${quantization}'s ${format.weights}`,
    );
  }
  const data = new Float32Array(weights);
  const blocksPerChunk = Math.floor(chunk.length / format.bytes);
  for (let block = 0; block < blocks; block += blocksPerChunk) {
    const count = Math.min(blocksPerChunk, blocks - block);
    const position = dataStart + Number(info.offset) + block * format.bytes;
    const { bytesRead } = await file.read(chunk, 0, count * format.bytes, position);
    if (bytesRead !== count * format.bytes) {
      throw new Error(`${path}: the file ends inside tensor "${info.name}"; download it again`);
    }
    format.dequantize(chunk, count, data, block * format.weights);
  }
  return { data, shape, dtype: 'float32' };
}

/** ggml counts dimensions from the innermost. */
function shapeOf(info: GGUFTensorInfo): number[] {
  return info.shape.map(Number).toReversed();
}

function quantizationOf({ dtype }: GGUFTensorInfo): string {
  return GGMLQuantizationType[dtype] ?? String(dtype);
}

const layerNames: Record<string, string> = {
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
};

/** llama.cpp's name of a Hugging Face weight. */
function ggufName(name: string): string {
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  if (part) return `blk.${layer}.${layerNames[part]}.${kind}`;
  return name
    .replace('model.embed_tokens', 'token_embd')
    .replace('model.norm', 'output_norm')
    .replace('lm_head', 'output');
}

/**
 * llama.cpp stores query and key rows of Llama models interleaved for RoPE on neighbouring pairs (row 2i and 2i+1 of a head);
 * Hugging Face rotates halves (rows i and i + d/2). Other architectures are stored as they are. Rewrites the tensor head by head.
 */
function halvesOfHeads(name: string, tensor: HostTensor, { headDim }: ModelConfig): HostTensor {
  if (!/self_attn\.[qk]_proj\./.test(name)) return tensor;
  const [, width = 1] = tensor.shape as [number, number?];
  const head = new Float32Array(headDim * width);
  for (let start = 0; start < tensor.data.length; start += head.length) {
    const target = tensor.data.subarray(start, start + head.length);
    head.set(target);
    for (let row = 0; row < headDim; row++) {
      const stored = row < headDim / 2 ? 2 * row : 2 * row - headDim + 1;
      target.set(head.subarray(stored * width, (stored + 1) * width), row * width);
    }
  }
  return tensor;
}
