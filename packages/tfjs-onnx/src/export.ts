import { open, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { finishGraph } from './graph/finish.js';
import { encodeModel } from './graph/onnx-model.js';
import type { ExternalConstant } from './graph/onnx-model.js';
import type { HostTensor } from './host-tensor.js';
import { trace } from './tracing/trace.js';
import type { NamedFunction, Signature } from './tracing/trace.js';

export interface ExportOptions {
  /** The graph's name in the file. Default: the file's name. */
  name?: string;
  /** Tensors that become initializers of the file. */
  constants?: Record<string, HostTensor>;
  /**
   * Initializers of at least this many bytes go to `<path>.data`. Default: none does, unless all of them together are
   * more than protobuf can hold (2 GB); then 1024.
   */
  externalThresholdBytes?: number;
}

/** What was written. An output that has an input's name is called `<name>:out` in the file. */
export interface ExportedModel {
  files: string[];
  inputs: string[];
  outputs: string[];
}

/** Protobuf's limit for one message, less some room for everything that is not weights. */
const MESSAGE_LIMIT_BYTES = 2 ** 31 - 2 ** 24;

/**
 * Records `f` for one signature and writes it as an ONNX file, which any ONNX Runtime of at least version 1.20 runs.
 * Besides standard operators (opset 21) it may hold some of ONNX Runtime's own ('com.microsoft').
 * @param signature shape and dtype of every input; host tensors will do
 */
export async function exportOnnx(
  f: NamedFunction,
  signature: Signature,
  path: string,
  { name = basename(path, '.onnx'), constants = {}, externalThresholdBytes }: ExportOptions = {},
): Promise<ExportedModel> {
  const traced = trace(f, signature, { constants });
  const assigned = [...traced.assignments.keys()].map((variable) => `'${variable.name}'`);
  if (assigned.length > 0)
    throw new Error(`A file cannot assign variables (${assigned.join(', ')}). Return their new values as outputs.`);
  const finished = finishGraph(traced.graph, [...traced.outputs.values()]);
  const totalBytes = [...finished.constants.values()].reduce((total, { data }) => total + data.byteLength, 0);
  const dataName = `${basename(path)}.data`;
  const { model, external } = encodeModel(finished, {
    name,
    externalThresholdBytes: externalThresholdBytes ?? (totalBytes > MESSAGE_LIMIT_BYTES ? 1024 : Infinity),
    externalPath: () => dataName,
  });
  await writeFile(path, model);
  const files = [path];
  if (external.length > 0) files.push(await writeData(join(dirname(path), dataName), external));
  return {
    files,
    inputs: finished.inputs.map((input) => input.name),
    outputs: finished.outputs.map((output) => output.name),
  };
}

async function writeData(path: string, constants: readonly ExternalConstant[]): Promise<string> {
  const file = await open(path, 'w');
  try {
    for (const { data, offset } of constants) await file.write(data, 0, data.byteLength, offset);
  } finally {
    await file.close();
  }
  return path;
}
