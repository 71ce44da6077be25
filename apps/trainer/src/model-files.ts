import { existsSync } from 'node:fs';
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const tokenizerFile =
  /^(tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|chat_template\.jinja|generation_config\.json|vocab\.json|merges\.txt)$/;

/** Copies what a model directory has beside its weights, so that a checkpoint's model can be used by itself; a remote engine keeps none here. */
export async function copyTokenizerFiles(from: string, to: string): Promise<void> {
  if (!existsSync(to)) return;
  const names = (await readdir(from)).filter((name) => tokenizerFile.test(name));
  for (const name of names) await copyFile(join(from, name), join(to, name));
}

/** Where the local engine keeps the model inside a checkpoint: a directory in Hugging Face layout. */
export function modelOfCheckpoint(checkpoint: string): string {
  return join(checkpoint, 'learner', 'model');
}
