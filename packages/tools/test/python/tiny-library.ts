import { name, signed, unsigned, vector } from '../../src/python/sandbox/wasm-encoding.mjs';

/**
 * A compiled extension module, assembled by hand so that the tests need no compiler and no download. In C:
 *
 *     static int calls = 0;
 *     answer(): return PyLong_FromLong(42), called through its address
 *     spin():   for (;;) {}
 *     fail():   PyErr_SetString(PyExc_ValueError, "it failed")
 *     count():  return PyLong_FromLong(++calls)
 */
export function tinyLibrary(): Buffer {
  const strings = ['tiny', 'answer', 'spin', 'fail', 'count', 'it failed'];
  const text = strings.map((string) => `${string}\0`).join('');
  const addressOf = (string: string) => STRINGS + text.indexOf(`${string}\0`);
  const methods = ['answer', 'spin', 'fail', 'count'];

  const data = Buffer.alloc(STRINGS + text.length);
  data.writeInt32LE(1, 0); // reference count
  data.writeInt32LE(-1, 28); // m_size: no state per interpreter
  methods.forEach((_, index) => data.writeInt32LE(4, METHODS + 16 * index + 8)); // METH_NOARGS
  data.write(text, STRINGS);

  const { memoryBase, tableBase, addressOfFromLong, addressOfValueError, calls } = GLOBALS;
  const get = (global: number) => [0x23, ...unsigned(global)];
  const integer = (value: number) => [0x41, ...signed(value)];
  const call = (index: number) => [0x10, index];
  const address = (offset: number) => [...get(memoryBase), ...integer(offset), 0x6a];
  const store = (offset: number, value: number[]) => [...get(memoryBase), ...value, 0x36, 2, ...unsigned(offset)];
  const start = [...address(0), ...integer(1013), ...call(FUNCTIONS.PyModule_Create2)];
  const answer = [...integer(42), ...get(addressOfFromLong), 0x11, TYPES.unary, 0];
  const spin = [0x03, 0x40, 0x0c, 0, 0x0b, 0x00]; // loop, br 0, end, unreachable
  const valueError = [...get(addressOfValueError), 0x28, 2, 0]; // i32.load
  const fail = [...valueError, ...address(addressOf('it failed')), ...call(FUNCTIONS.PyErr_SetString), ...integer(0)];
  const count = [...get(calls), ...integer(1), 0x6a, 0x24, calls, ...get(calls), ...call(FUNCTIONS.PyLong_FromLong)];
  const relocations = [
    ...store(20, address(addressOf('tiny'))),
    ...store(32, address(METHODS)),
    ...methods.flatMap((method, index) => [
      ...store(METHODS + 16 * index, address(addressOf(method))),
      ...store(METHODS + 16 * index + 4, [...get(tableBase), ...integer(index), 0x6a]),
    ]),
  ];

  const env = (field: string, description: number[]) => [...name('env'), ...name(field), ...description];
  const offsetIn = (table: string, field: string) => [...name(table), ...name(field), 3, 0x7f, 1];
  const imports = [
    env('memory', [2, 0, 1]),
    env('__indirect_function_table', [1, 0x70, 0, 4]),
    env('__memory_base', [3, 0x7f, 0]),
    env('__table_base', [3, 0x7f, 0]),
    offsetIn('GOT.func', 'PyLong_FromLong'),
    offsetIn('GOT.mem', 'PyExc_ValueError'),
    env('PyModule_Create2', [0, TYPES.binary]),
    env('PyLong_FromLong', [0, TYPES.unary]),
    env('PyErr_SetString', [0, TYPES.procedure]),
  ];
  const body = (instructions: number[]) => {
    const code = [0, ...instructions, 0x0b];
    return [...unsigned(code.length), ...code];
  };
  const functions = [start, answer, spin, fail, count, relocations].map(body);
  const I32 = 0x7f;
  return Buffer.concat([
    Buffer.from('\0asm\x01\0\0\0'),
    section(0, [...name('dylink.0'), 1, 4, ...[data.length, 2, methods.length, 0].flatMap((value) => unsigned(value))]),
    section(
      1,
      vector([
        [0x60, 2, I32, I32, 1, I32],
        [0x60, 1, I32, 1, I32],
        [0x60, 2, I32, I32, 0],
        [0x60, 0, 1, I32],
        [0x60, 0, 0],
      ]),
    ),
    section(2, vector(imports)),
    section(3, vector([[TYPES.getter], ...methods.map(() => [TYPES.binary]), [TYPES.action]])),
    section(6, vector([[I32, 1, 0x41, 0, 0x0b]])),
    section(
      7,
      vector([
        [...name('PyInit_tiny'), 0, 3],
        [...name('__wasm_apply_data_relocs'), 0, 8],
      ]),
    ),
    section(9, vector([[0, ...get(tableBase), 0x0b, ...vector([[4], [5], [6], [7]])]])),
    section(10, vector(functions)),
    section(11, vector([[0, ...get(memoryBase), 0x0b, ...unsigned(data.length), ...data]])),
  ]);
}

const METHODS = 64;
const STRINGS = 160;
const TYPES = { binary: 0, unary: 1, procedure: 2, getter: 3, action: 4 };
const FUNCTIONS = { PyModule_Create2: 0, PyLong_FromLong: 1, PyErr_SetString: 2 };
const GLOBALS = { memoryBase: 0, tableBase: 1, addressOfFromLong: 2, addressOfValueError: 3, calls: 4 };

function section(id: number, body: Iterable<number>): Buffer {
  const bytes = Buffer.from([...body]);
  return Buffer.concat([Buffer.from([id, ...unsigned(bytes.length)]), bytes]);
}

/** The beginning of a library that needs others. */
export function libraryThatNeeds(...needed: string[]): Buffer {
  const names = Buffer.from([...unsigned(needed.length), ...needed.flatMap(name)]);
  return Buffer.concat([
    Buffer.from('\0asm\x01\0\0\0'),
    section(0, [...name('dylink.0'), 2, ...unsigned(names.length), ...names]),
  ]);
}
