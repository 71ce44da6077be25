import { locateModel } from '@tapo/policy';
import type { DownloadProgress, ModelLocation } from '@tapo/policy';
import { UsageError } from './cli/command.js';

export interface FindModelOptions {
  signal?: AbortSignal;
  /** false: only the tokenizer is needed here */
  weights?: boolean;
  /** reports a download; default: one line on stderr that is written over, or a line per file where it is no terminal */
  onProgress?: (progress: DownloadProgress) => void;
}

/**
 * The model that a config or the command line names: a directory, a .gguf file, or an id of the Hugging Face hub (`owner/name` or
 * `owner/name@revision`), which is downloaded. As in Python, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE count, and so do
 * HF_HUB_CACHE and HF_HOME.
 * @throws UsageError when there is no such model
 */
export async function findModel(
  model: string,
  { signal, weights = true, onProgress = progressPrinter() }: FindModelOptions = {},
): Promise<ModelLocation> {
  const { HF_TOKEN: token, HF_ENDPOINT: endpoint, HF_HUB_OFFLINE: offline } = process.env;
  try {
    return await locateModel(model, {
      ...(token && { token }),
      ...(endpoint && { endpoint: endpoint.replace(/\/+$/, '') }),
      localFilesOnly: /^(1|true|yes|on)$/i.test(offline ?? ''),
      onProgress,
      weights,
      ...(signal && { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const [message, remedy] = (error as Error).message.split(/; (?=give )/);
    throw new UsageError(message as string, remedy ?? remedyOf(model), { cause: error });
  }
}

/** For what looked like an id of the hub and could not be had. */
function remedyOf(model: string): string {
  return (
    `if ${model} was meant as a path, check it; if as an id of the hub: HF_TOKEN opens private and gated models; without network, ` +
    `download it where there is one (\`hf download ${model.replace('@', ' --revision ')}\`) and give the directory, or a .gguf file`
  );
}

/** Prints how far a download is: a line that is written over on a terminal, else a line when a file is complete. */
function progressPrinter(): (progress: DownloadProgress) => void {
  let printed = -Infinity;
  return ({ file, bytes, totalBytes }) => {
    const complete = bytes >= totalBytes;
    const line = `downloading ${file}: ${megabytes(bytes)} of ${megabytes(totalBytes)}`;
    if (!process.stderr.isTTY) {
      if (complete) console.error(line);
    } else if (complete || performance.now() - printed > 200) {
      printed = performance.now();
      process.stderr.write(`\r\u001b[K${line}${complete ? '\n' : ''}`);
    }
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
