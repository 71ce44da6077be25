import { writeCompanions } from '@tapo/policy';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findModel } from './find-model.js';

/**
 * Writes what the model named `model` has beside its weights into the model of a checkpoint, so that it can be used by itself. Nothing
 * where the checkpoint holds no model: it is remote, or an adapter.
 */
export async function copyTokenizerFiles(model: string, to: string): Promise<void> {
  if (existsSync(to)) await writeCompanions(await findModel(model), to);
}

/** Where the local engine keeps the model inside a checkpoint: a directory in Hugging Face layout. */
export function modelOfCheckpoint(checkpoint: string): string {
  return join(checkpoint, 'learner', 'model');
}
