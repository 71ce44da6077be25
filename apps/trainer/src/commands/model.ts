import { checkVocabulary, estimateMemory, inspectModel, loadModelTokenizer, parameterCount } from '@tapo/policy';
import type { MemoryEstimate, ModelConfig, StoredWeights } from '@tapo/policy';
import { freemem, totalmem } from 'node:os';
import colors from 'picocolors';
import type { Command } from '../cli/command.js';
import { integerOption, UsageError } from '../cli/command.js';
import { findTrainedModel } from '../trained-model.js';

export const modelCommand: Omit<Command, 'summary'> = {
  positionals: {
    ACTION: 'show',
    MODEL: 'a model directory, a .gguf file, an id of the hub, a run directory or a checkpoint',
  },
  options: {
    rows: { type: 'string', value: 'N', description: 'sequences sampled, or trained on, at once (default 8)' },
    length: { type: 'string', value: 'N', description: 'tokens of each (default 512, or the context of the model)' },
    'lora-rank': { type: 'string', value: 'N', description: 'of an adapter on all linear layers (default 16)' },
    'micro-batch': {
      type: 'string',
      value: 'N',
      description: 'tokens trained on at once (default: as the engine chooses)',
    },
    checkpointing: { type: 'boolean', description: 'training with engine.gradientCheckpointing' },
    json: { type: 'boolean', description: 'print it as JSON' },
  },
  details:
    'Reads configuration, tokenizer and the list of tensors, not the weights. Memory is that of the whole process at its peak, as\n' +
    'estimated from peaks measured on one machine: up to two fifths off (README of @tapo/policy).',
  examples: [
    'tapo model show models/qwen2.5-0.5b',
    'tapo model show model.gguf --rows 16 --length 1024 --lora-rank 32',
  ],
  async run(input) {
    const [action, source = ''] = input.positionals;
    if (action !== 'show') throw new UsageError(`tapo model knows no "${action}"`, 'tapo model show MODEL');
    const { model, adapter } = await findTrainedModel(source);
    const { config, stored } = await inspectModel(model);
    const tokenizer = await loadModelTokenizer(model);
    checkVocabulary(tokenizer, config, model.path);
    const rows = integerOption(input, 'rows', 1) ?? 8;
    const context = config.maxPositionEmbeddings;
    const length = integerOption(input, 'length', 1) ?? Math.min(512, context);
    if (length > context) {
      throw new UsageError(`--length is ${length}, the model's context holds ${context} tokens`, 'give fewer');
    }
    const rank = integerOption(input, 'lora-rank', 1) ?? 16;
    const microBatchTokens = integerOption(input, 'micro-batch', 1);
    const gradientCheckpointing = input.options['checkpointing'] === true;
    const memory = estimateMemory(config, {
      rows,
      length,
      lora: { rank, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] },
      gradientCheckpointing,
      ...(microBatchTokens !== undefined && { microBatchTokens }),
    });
    const shown: ShownModel = {
      path: model.path,
      ...(adapter !== undefined && { adapter }),
      config,
      parameters: parameterCount(config),
      stored,
      tokenizer: {
        tokens: tokenizer.vocabSize,
        eos: tokenizer.eosTokenIds.map((id) => tokenizer.decode([id])),
        chatTemplate: tokenizer.applyChatTemplate !== undefined,
      },
      memory,
      machine: { totalBytes: totalmem(), freeBytes: freemem() },
      rows,
      length,
      rank,
    };
    console.log(input.options['json'] === true ? JSON.stringify(shown, null, 2) : describe(shown));
  },
};

interface ShownModel {
  path: string;
  /** belongs over the model; not counted in */
  adapter?: string;
  config: ModelConfig;
  parameters: number;
  stored: StoredWeights;
  tokenizer: { tokens: number; eos: string[]; chatTemplate: boolean };
  memory: MemoryEstimate;
  machine: { totalBytes: number; freeBytes: number };
  rows: number;
  length: number;
  rank: number;
}

function describe(shown: ShownModel): string {
  const { path, adapter, config, parameters, stored, tokenizer, memory, machine, rows, length, rank } = shown;
  const { numAttentionHeads: heads, numKeyValueHeads: groups, rope } = config;
  const head = config.tieWordEmbeddings ? 'tied' : 'untied';
  const scaling = rope.scaling === null ? '' : `, ${rope.scaling.type} × ${rope.scaling.factor}`;
  const types = Object.entries(stored).map(([type, count]) => `${type} (${count.toLocaleString('en')} weights)`);
  const batch = `${rows} × ${length} tokens`;
  const micro = `${memory.microBatchTokens} tokens at once`;
  const facts: [string, string][] = [
    ['architecture', `${config.architecture}: ${config.numHiddenLayers} layers of width ${config.hiddenSize}, MLP ${config.intermediateSize}, ${heads} heads on ${groups} of keys, ${head} head`],
    ['parameters', parameters.toLocaleString('en')],
    ['stored as', types.join(', ')],
    ['context', `${config.maxPositionEmbeddings.toLocaleString('en')} tokens, RoPE base ${rope.theta}${scaling}`],
    ['tokenizer', `${tokenizer.tokens.toLocaleString('en')} tokens, ends with ${tokenizer.eos.join(' or ') || 'nothing'}, ${tokenizer.chatTemplate ? 'has a chat template' : 'no chat template'}`],
    ...(adapter === undefined ? [] : [['adapter', adapter] as [string, string]]),
  ]; // prettier-ignore
  const needs: [string, number, string][] = [
    ['weights', memory.weights, 'float32 in memory'],
    ['sampling', memory.sampling, `${batch}, of which keys and values ${gigabytes(memory.keyValueCache)}`],
    ['LoRA training', memory.loraTraining, `rank ${rank}: ${memory.loraParameters.toLocaleString('en')} trained; ${batch}, ${micro}`],
    ['full training', memory.fullTraining, `${batch}, ${micro}`],
  ]; // prettier-ignore
  const { totalBytes, freeBytes } = machine;
  return [
    colors.bold(path),
    ...facts.map(([name, text]) => `  ${name.padEnd(14)} ${text}`),
    colors.bold(`memory`) + colors.dim(` (this machine has ${gigabytes(totalBytes)}, ${gigabytes(freeBytes)} free now)`),
    ...needs.map(([name, bytes, text]) => `  ${name.padEnd(14)} ${gigabytes(bytes).padStart(9)}  ${fit(bytes, machine)}  ${text}`),
  ].join('\n'); // prettier-ignore
}

function fit(bytes: number, { totalBytes, freeBytes }: ShownModel['machine']): string {
  if (bytes <= freeBytes) return colors.green('fits        ');
  return bytes <= totalBytes ? colors.yellow('fits if free') : colors.red('does not fit');
}

function gigabytes(bytes: number): string {
  if (bytes < 1e5) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
