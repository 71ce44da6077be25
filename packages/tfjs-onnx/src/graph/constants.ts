import type { Constant, ConstantData, GraphDType, GraphValue } from './graph.js';
import { sizeOf } from './shape.js';

/** Constants up to this many elements are compared by content, larger ones only by identity. */
const COMPARED_BY_CONTENT = 64;

function isRepeated(data: ArrayLike<number | bigint>): boolean {
  const first = data[0];
  for (let position = 1; position < data.length; position++) if (!Object.is(data[position], first)) return false;
  return true;
}

/** The constants of one graph: equal ones are stored once, and one number repeated is stored as that number. */
export function createConstants(freshName: () => string) {
  const constants = new Map<string, Constant>();
  const byContent = new Map<string, string>();
  const byIdentity = new Map<ConstantData, Map<string, string>>();

  function nameOf(data: ConstantData, shape: readonly number[], dtype: GraphDType): string {
    const index = data.length <= COMPARED_BY_CONTENT ? byContent : (byIdentity.get(data) ?? new Map<string, string>());
    if (index !== byContent) byIdentity.set(data, index);
    // -0 and 0 print alike, but 1 / -0 differs from 1 / 0.
    const content = index === byContent ? [...data].map((x) => (Object.is(x, -0) ? '-0' : String(x))).join() : '';
    const key = `${dtype}|${shape.join()}|${content}`;
    let name = index.get(key);
    if (name === undefined) {
      name = freshName();
      constants.set(name, { data, shape, dtype });
      index.set(key, name);
    }
    return name;
  }

  function constant(data: ConstantData, shape: readonly number[], dtype: GraphDType): GraphValue {
    if (data.length !== sizeOf(shape))
      throw new Error(`A constant of shape [${shape.join(', ')}] needs ${sizeOf(shape)} elements, got ${data.length}.`);
    const repeated = dtype !== 'int64' && data.length > 1 && isRepeated(data);
    const kept = repeated ? data.slice(0, 1) : data;
    const stored = repeated ? [] : shape;
    return { name: nameOf(kept, stored, dtype), shape, stored, dtype };
  }

  function splat(value: GraphValue): number | undefined {
    const found = constants.get(value.name);
    return found?.data.length === 1 ? Number(found.data[0]) : undefined;
  }

  return { constants, constant, splat };
}
