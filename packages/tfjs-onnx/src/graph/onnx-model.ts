import type { FinishedGraph } from './finish.js';
import type { ConstantData, GraphAttribute, GraphDType, GraphNode, GraphOutput } from './graph.js';
import { elementTypes } from './graph.js';
import type { Encoded } from './protobuf.js';
import { bytesField, floatField, integerField, message, messageField, stringField, toBytes } from './protobuf.js';

/** Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
const IR_VERSION = 10;
const OPSET_VERSION = 21;

/** Weights kept beside the model instead of inside it. */
export interface ExternalConstant {
  path: string;
  /** Where in the file at `path` the data lies: after that of the constants before it with the same path. */
  offset: number;
  data: Uint8Array;
}

export interface EncodeOptions {
  /** The graph's name, shown by viewers and in ONNX Runtime's messages. */
  name?: string;
  /** Constants of at least this many bytes are kept beside the model. Default: none is. */
  externalThresholdBytes?: number;
  /** A first output of this name that is a sequence, not a tensor; see `runtime/run-in-place.ts` for what it is good for. */
  sequenceOutput?: string;
  /** The path by which the model names an external constant. */
  externalPath?: (name: string) => string;
}

/** Serialises a graph as an ONNX `ModelProto`. */
export function encodeModel(
  { nodes, constants, inputs, outputs }: FinishedGraph,
  {
    name = 'tfjs',
    externalThresholdBytes = Infinity,
    sequenceOutput,
    externalPath = (constant) => `${constant}.bin`,
  }: EncodeOptions = {},
): { model: Uint8Array; external: ExternalConstant[] } {
  const external: ExternalConstant[] = [];
  const initializers = [...constants].map(([constant, { data, shape, dtype }]) => {
    const bytes = bytesOf(data);
    const head = [
      ...shape.map((size) => integerField(1, size)),
      integerField(2, elementTypes[dtype]),
      stringField(8, constant),
    ];
    if (bytes.byteLength < externalThresholdBytes) return message([...head, bytesField(9, bytes)]);
    const path = externalPath(constant);
    const before = external.findLast((each) => each.path === path);
    const offset = before ? before.offset + before.data.byteLength : 0;
    external.push({ path, offset, data: bytes });
    const place = { location: path, offset: `${offset}`, length: `${bytes.byteLength}` };
    const entries = Object.entries(place).map(([key, value]) =>
      messageField(13, message([stringField(1, key), stringField(2, value)])),
    );
    return message([...head, ...entries, integerField(14, 1)]);
  });
  const sequence = sequenceOutput === undefined ? [] : [sequenceOutput];
  const content = message([
    ...sequence.map((output) => messageField(1, encodeNode(emptySequence(output)))),
    ...withOutputNames(nodes, outputs).map((node) => messageField(1, encodeNode(node))),
    stringField(2, name),
    ...initializers.map((initializer) => messageField(5, initializer)),
    ...inputs.map((input) => messageField(11, encodeValueInfo(input.name, input.shape, input.dtype))),
    ...sequence.map((output) => messageField(12, encodeSequenceInfo(output))),
    ...outputs.map((output) => messageField(12, encodeValueInfo(output.name, output.shape, output.dtype))),
  ]);
  const model = message([
    integerField(1, IR_VERSION),
    stringField(2, '@tapo/tfjs-onnx'),
    messageField(7, content),
    messageField(8, message([stringField(1, ''), integerField(2, OPSET_VERSION)])),
    messageField(8, message([stringField(1, 'com.microsoft'), integerField(2, 1)])),
  ]);
  return { model: toBytes(model), external };
}

/** Gives each output's value the output's name; a value that has no node, or has a name already, is copied. */
function withOutputNames(nodes: readonly GraphNode[], outputs: readonly GraphOutput[]): GraphNode[] {
  const produced = new Set(nodes.flatMap((node) => node.outputs));
  const names = new Map<string, string>();
  const copies: GraphNode[] = [];
  for (const { name, value } of outputs) {
    if (produced.has(value) && !names.has(value)) names.set(value, name);
    else copies.push({ opType: 'Identity', domain: '', inputs: [value], outputs: [name], attributes: {}, types: [] });
  }
  const renamed = (value: string) => names.get(value) ?? value;
  return [...nodes, ...copies].map((node) => ({
    ...node,
    inputs: node.inputs.map(renamed),
    outputs: node.outputs.map(renamed),
  }));
}

function encodeNode(node: GraphNode): Encoded {
  return message([
    ...node.inputs.map((input) => stringField(1, input)),
    ...node.outputs.map((output) => stringField(2, output)),
    stringField(4, node.opType),
    ...Object.entries(node.attributes).map(([name, value]) => messageField(5, encodeAttribute(name, value))),
    ...(node.domain ? [stringField(7, node.domain)] : []),
  ]);
}

function encodeAttribute(name: string, value: GraphAttribute): Encoded {
  const head = stringField(1, name);
  if (typeof value === 'number') return message([head, integerField(3, value), integerField(20, 2)]);
  if (typeof value === 'string') return message([head, stringField(4, value), integerField(20, 3)]);
  if ('float' in value) return message([head, floatField(2, value.float), integerField(20, 1)]);
  return message([head, ...value.map((each) => integerField(8, each)), integerField(20, 7)]);
}

function encodeValueInfo(name: string, shape: readonly number[], dtype: GraphDType): Encoded {
  const dimensions = message(shape.map((size) => messageField(1, integerField(1, size))));
  const tensorType = message([integerField(1, elementTypes[dtype]), messageField(2, dimensions)]);
  return message([stringField(1, name), messageField(2, messageField(1, tensorType))]);
}

function emptySequence(output: string): GraphNode {
  return { opType: 'SequenceEmpty', domain: '', inputs: [], outputs: [output], attributes: {}, types: [] };
}

function encodeSequenceInfo(name: string): Encoded {
  const elementType = messageField(1, messageField(1, integerField(1, elementTypes.float32)));
  return message([stringField(1, name), messageField(2, messageField(4, elementType))]);
}

function bytesOf(data: ConstantData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
