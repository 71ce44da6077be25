import {
  createLocalEngine,
  loadAdapterDirectory,
  loadModel,
  loadModelTokenizer,
  saveAdapterDirectory,
  weightsFingerprint,
} from '@tapo/policy';
import type { LocalEngineOptions } from '@tapo/policy';
import { UsageError } from './cli/command.js';
import type { ResolvedConfig } from './config/schema.js';
import type { Learner } from './learner.js';
import { findModel } from './find-model.js';
import type { OpenedEngine } from './engine.js';
import { openSampler, samplingElsewhere } from './sampling-servers.js';

type LocalConfig = Pick<ResolvedConfig, 'model' | 'engine' | 'lora' | 'adapter' | 'loss'>;

/** Loads `config.model` into the engine that `config.engine` names. @throws UsageError when there is no such model */
export async function openEngine(
  config: LocalConfig & Pick<ResolvedConfig, 'tinker' | 'sampler' | 'seed'>,
): Promise<OpenedEngine> {
  const { model, engine, sampler } = config;
  if (sampler === null) return engine.name === 'local' ? openLocal(config) : openTinker(config);
  const opened = await openSampler(sampler, await loadModelTokenizer(await findModel(model, { weights: false })));
  if (engine.name === 'openai') return opened.engine;
  try {
    return await samplingElsewhere(
      await (engine.name === 'local' ? openLocal(config) : openTinker(config)),
      opened,
      sampler,
    );
  } catch (error) {
    await opened.engine.close();
    throw error;
  }
}

async function openLocal({ model, engine, lora, adapter, loss }: LocalConfig): Promise<OpenedEngine> {
  const { backend, name: _, ...limits } = engine;
  const { tokenizer, ...loaded } = await loadModel(await findModel(model));
  const trained = adapter === undefined ? lora : await loadAdapterDirectory(adapter, loaded);
  const base = trained === null ? undefined : weightsFingerprint(loaded.parameters);
  const opened = await createLocalEngine({
    ...loaded,
    transferParameters: true,
    ...limits,
    ...(trained !== null && { lora: trained }),
    tokenizer,
    keepReference: loss.klCoefficient !== 0,
    backend: backend as NonNullable<LocalEngineOptions['backend']>,
  });
  const { parameters, trainedParameters, threads } = opened.info;
  const part = trainedParameters === parameters ? '' : ` (${trainedParameters} trained)`;
  const learner: Learner = { ...opened.learner };
  if (trained !== null) {
    const shape = 'rank' in trained ? trained : trained.config;
    learner.saveAdapter = async (directory) =>
      saveAdapterDirectory(
        directory,
        { config: shape, parameters: await opened.parameters() },
        base === undefined ? {} : { base },
      );
  }
  const description = `${parameters} parameters${part} on ${opened.info.backend}, ${threads} threads`;
  return { ...opened, learner, description };
}

/** The model lives on a server; here only its tokenizer is needed. */
async function openTinker({
  model,
  tinker,
  seed,
}: Pick<ResolvedConfig, 'model' | 'tinker' | 'seed'>): Promise<OpenedEngine> {
  const { createTinkerEngine } = await import('@tapo/tinker');
  const { baseModel = model, rank, lossRoute } = tinker;
  const connection = await tinkerConnection(tinker);
  const opened = await createTinkerEngine({
    ...connection,
    baseModel,
    rank,
    lossRoute,
    seed,
    tokenizer: await loadModelTokenizer(await findModel(model, { weights: false })),
  });
  return { ...opened, description: `${baseModel} at ${connection.baseUrl}` };
}

/** Where the server is, as config and environment say. @throws UsageError when neither does, or for an unknown dialect */
export async function tinkerConnection({
  baseUrl = process.env['TINKER_BASE_URL'],
  dialect,
}: ResolvedConfig['tinker']) {
  const { dialects } = await import('@tapo/tinker');
  if (baseUrl === undefined) {
    throw new UsageError(
      'engine.name is "tinker" but tinker.baseUrl is missing',
      'give --tinker.baseUrl or set TINKER_BASE_URL',
    );
  }
  if (!Object.hasOwn(dialects, dialect)) {
    throw new UsageError(`tinker.dialect is "${dialect}"`, `known: ${Object.keys(dialects).join(', ')}`);
  }
  const apiKey = process.env['TINKER_API_KEY'];
  return { baseUrl, dialect: dialect as keyof typeof dialects, ...(apiKey !== undefined && { apiKey }) };
}
