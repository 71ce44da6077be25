import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dapoLossScalar, type Batch, type LossSpec } from '@tapo/core';
import type { Dialect } from './dialect.js';
import type { Model } from './model.js';
import { encodedText, float32, int64, type Datum } from './protocol.js';

/**
 * How the loss travels. `exact`: a forward pass for the log-probabilities, ∂loss/∂logprob here, then
 * `importance_sampling` at ratio 1 with advantages −gradient: any loss and any aggregation, two forward passes.
 * `ppo`: the server's own clipped loss in one pass; it has no dual clip, so that must be off.
 */
export type LossRoute = 'exact' | 'ppo';

const CHECKPOINT = 'tinker.json';

/** Rows of a batch as datums; `values(row, t)` fills advantages, `weights` carry the mask where the server reads it. */
function toDatums(
  batch: Batch,
  rows: readonly number[],
  dialect: Dialect,
  columns: { logprobs: ArrayLike<number>; advantages: ArrayLike<number> },
): Datum[] {
  return rows.map((row) => {
    const start = row * batch.length;
    const end = start + (batch.lengths[row] ?? 0);
    const slice = (values: ArrayLike<number>): number[] => Array.prototype.slice.call(values, start, end) as number[];
    return {
      model_input: encodedText(slice(batch.inputs)),
      loss_fn_inputs: {
        target_tokens: int64(slice(batch.targets)),
        logprobs: float32(slice(columns.logprobs), `row ${row}: logprobs`),
        advantages: float32(slice(columns.advantages), `row ${row}: advantages`),
        ...(dialect.sendWeights ? { weights: float32(slice(batch.lossMask), `row ${row}: lossMask`) } : {}),
      },
    };
  });
}

/** Rows that have something to learn from. A row without would divide by zero on servers that average per datum. */
function trainedRows(batch: Batch): number[] {
  return Array.from({ length: batch.rows }, (_, row) => row).filter((row) => rowMask(batch, row) > 0);
}

function rowMask(batch: Batch, row: number): number {
  let sum = 0;
  for (let t = 0; t < batch.length; t++) sum += batch.lossMask[row * batch.length + t] ?? 0;
  return sum;
}

/**
 * Undoes the server's averaging, so that what it optimises is the plain sum Σ weights · loss of the protocol's contract:
 * over N datums with nᵢ trained tokens, `datum-mean` wants everything times N · nᵢ (every loss here is homogeneous in
 * the advantage).
 */
function reductionScale(batch: Batch, rows: readonly number[], { reduction }: Dialect): Float64Array {
  const scale = new Float64Array(batch.rows).fill(1);
  if (reduction === 'datum-mean') for (const row of rows) scale[row] = rows.length * rowMask(batch, row);
  return scale;
}

/** Current log-probability of each target, `[rows, length]`; 0 where nothing is trained or padded. */
export async function remoteLogprobs(model: Model, batch: Batch, dialect: Dialect): Promise<Float32Array> {
  const zeros = new Float32Array(batch.rows * batch.length);
  const rows = trainedRows(batch);
  if (rows.length === 0) return zeros;
  const data = toDatums(batch, rows, dialect, { logprobs: zeros, advantages: zeros });
  const { loss_fn_outputs: outputs } = await model.forward(data, { lossFn: 'importance_sampling' });
  return scatter(batch, rows, outputs);
}

function scatter(batch: Batch, rows: readonly number[], outputs: { logprobs: { data: number[] } }[]): Float32Array {
  const logprobs = new Float32Array(batch.rows * batch.length);
  rows.forEach((row, i) => {
    const data = outputs[i]?.logprobs.data ?? [];
    if (data.length !== batch.lengths[row]) {
      throw new Error(
        `The server returned ${data.length} log-probabilities for ${batch.lengths[row]} targets of row ${row}.`,
      );
    }
    logprobs.set(data, row * batch.length);
  });
  return logprobs;
}

/** One forward and backward pass on the server; returns the loss Σ weights · per-token loss and the log-probabilities. */
export async function remoteForwardBackward(
  model: Model,
  batch: Batch,
  loss: LossSpec,
  { dialect, route }: { dialect: Dialect; route: LossRoute },
): Promise<{ loss: number; logprobs: Float32Array }> {
  if (loss.name === 'dapo' && (loss.entropyCoefficient ?? 0) !== 0) {
    throw new Error(
      'entropyCoefficient needs the distribution at each position, which no Tinker server returns: set it to 0.',
    );
  }
  const rows = trainedRows(batch);
  if (rows.length === 0) return { loss: 0, logprobs: new Float32Array(batch.rows * batch.length) };
  const scale = reductionScale(batch, rows, dialect);
  const at = (i: number): number => scale[Math.floor(i / batch.length)] ?? 1;

  if (route === 'ppo' && loss.name === 'dapo') {
    const { clipLow = 0.2, clipHigh = 0.28, dualClip = 10, klCoefficient = 0, truncatedImportanceCap = null } = loss;
    if (dualClip !== null || klCoefficient !== 0 || truncatedImportanceCap !== null) {
      throw new Error(
        'The server’s ppo has no dual clip, KL or importance cap: switch them off, or use route "exact".',
      );
    }
    const { advantages } = batch;
    if (!advantages) throw new Error('The DAPO loss needs the batch’s advantages.');
    const oldLogprobs = batch.oldLogprobs ?? (await remoteLogprobs(model, batch, dialect));
    const weighted = Float64Array.from(advantages, (advantage, i) => advantage * (batch.weights[i] ?? 0) * at(i));
    const data = toDatums(batch, rows, dialect, { logprobs: oldLogprobs, advantages: weighted });
    const lossFnConfig = { clip_low_threshold: 1 - clipLow, clip_high_threshold: 1 + clipHigh };
    const output = await model.forwardBackward(data, { lossFn: 'ppo', lossFnConfig });
    const logprobs = scatter(batch, rows, output.loss_fn_outputs);
    return { loss: localLoss(batch, loss, logprobs).loss, logprobs };
  }

  const logprobs = await remoteLogprobs(model, batch, dialect);
  const { loss: value, gradient } = localLoss(batch, loss, logprobs);
  const advantages = gradient.map((g, i) => -g * at(i));
  const data = toDatums(batch, rows, dialect, { logprobs, advantages });
  await model.forwardBackward(data, { lossFn: 'importance_sampling' });
  return { loss: value, logprobs };
}

/** Σ weights · loss and its gradient by each log-probability, in float64. */
function localLoss(
  batch: Batch,
  { name, ...options }: LossSpec,
  logprobs: Float32Array,
): { loss: number; gradient: Float64Array } {
  if (name === 'dapo') return dapoLossScalar(batch, logprobs, options);
  const gradient = Float64Array.from(batch.weights, (weight, i) => (batch.lossMask[i] ? -weight : 0));
  return { loss: gradient.reduce((sum, g, i) => sum + g * (logprobs[i] ?? 0), 0), gradient };
}

/** What a checkpoint of a remote model is on this side: where the server keeps it. */
export interface RemoteCheckpoint {
  path: string;
  baseModel: string;
  server: string;
}

/** Saves on the server, then notes the path in `directory/tinker.json`: the note exists only when the save succeeded. */
export async function saveRemote(model: Model, directory: string, name: string, note: Omit<RemoteCheckpoint, 'path'>) {
  const path = await model.saveWeights(name);
  await mkdir(directory, { recursive: true });
  const file = join(directory, CHECKPOINT);
  await writeFile(`${file}.tmp`, JSON.stringify({ path, ...note } satisfies RemoteCheckpoint, null, 2));
  await rename(`${file}.tmp`, file);
}

export async function readRemoteCheckpoint(directory: string): Promise<RemoteCheckpoint> {
  const file = join(directory, CHECKPOINT);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new Error(`${file} is missing: ${directory} is no checkpoint of a remote engine.`, { cause });
  }
  const note = JSON.parse(text) as Partial<RemoteCheckpoint>;
  if (typeof note.path !== 'string' || typeof note.baseModel !== 'string') {
    throw new Error(`${file}: wanted {path, baseModel, server}, got ${text.slice(0, 200)}.`);
  }
  return note as RemoteCheckpoint;
}
