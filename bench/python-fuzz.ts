/**
 * Throws programs made by a grammar at the Python sandbox and checks after each that it lives up to its promises.
 *
 *   node --import tsx --conditions=tapo-source bench/python-fuzz.ts [calls = 10000] [seed = 1]
 *
 * Ends with status 1 when a call outlived its limit, a later call saw anything of an earlier one, a host file appeared,
 * or processes or their memory piled up.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { createPython } from '@tapo/tools/python';
import { createChoices } from '../packages/tools/test/fuzz/choices.js';
import { fuzz } from '../packages/tools/test/fuzz/fuzz.js';

const calls = Number(process.argv[2] ?? 10_000);
const { random, pick, integer } = createChoices(Number(process.argv[3] ?? 1));

const MODULES =
  'os sys gc io re math json random itertools functools collections operator types builtins ast dis inspect marshal pickle struct array zlib hashlib time datetime signal faulthandler traceback threading weakref codecs decimal fractions string opcode importlib _imp _testcapi _testinternalcapi ctypes mmap fcntl select socket subprocess tempfile shutil sqlite3 asyncio tracemalloc atexit warnings contextvars symtable tokenize unicodedata bisect heapq copy resource'.split(
    ' ',
  );
const hostDirectory = mkdtempSync(join(tmpdir(), 'tapo-fuzz-'));

function expression(depth: number): string {
  if (depth <= 0) {
    return pick([
      () => String(integer(100)),
      () => String(2 ** integer(70)),
      () => `-${integer(10)}`,
      () =>
        pick([
          'None',
          'True',
          '...',
          '""',
          'b"\\xff"',
          '"é😀"',
          '[]',
          '{}',
          '()',
          'x',
          'y',
          'f',
          'object',
          'type',
          'int',
          'Exception',
          '1.5',
          'float("nan")',
        ]),
      () => `"${hostDirectory}/pwned"`,
      () => `"/home/user/a${integer(3)}"`,
    ])();
  }
  const inner = () => expression(depth - 1 - integer(2));
  return pick([
    () =>
      `(${inner()} ${pick(['+', '-', '*', '//', '%', '**', '<<', '>>', '|', '&', '^', '==', '<', 'in', 'is', 'and', 'or', '@'])} ${inner()})`,
    () => `[${inner()}, ${inner()}]`,
    () => `{${inner()}: ${inner()}}`,
    () => `(${inner()})[${inner()}]`,
    () => `[${inner()} for y in ${inner()}]`,
    () => `(lambda *a, **k: ${inner()})`,
    () =>
      `(${inner()}).${pick(['__class__', '__dict__', '__init__', '__globals__', '__code__', '__reduce_ex__', '__subclasses__', '__mro__', 'append', 'join', 'format', 'real', 'encode', 'f_back', 'gi_frame', 'tb_frame'])}`,
    () => `(${inner()})(${inner()})`,
    () => `f"{${inner().replaceAll('"', "'").replaceAll('\\', '')}}"`,
    () => `any_of('${pick(MODULES)}', ${integer(1000)})(${Array.from({ length: integer(4) }, inner).join(', ')})`,
    () =>
      `${pick(['repr', 'str', 'len', 'list', 'dict', 'iter', 'next', 'hash', 'sorted', 'sum', 'min', 'bytes', 'bytearray', 'memoryview', 'range', 'eval', 'exec', 'compile', 'open', 'vars', 'dir', 'id', 'getattr', 'setattr', 'isinstance', 'print', 'input', '__import__'])}(${Array.from({ length: integer(3) }, inner).join(', ')})`,
  ])();
}

function statement(depth: number): string[] {
  const indent = (lines: string[]) => lines.map((line) => `    ${line}`);
  const body = () => indent(block(depth - 1));
  const simple = [
    () => [`x = ${expression(3)}`],
    () => [`x += ${expression(2)}`],
    () => [`print(${expression(3)})`],
    () => [`import ${pick(MODULES)}`],
    () => [`del ${pick(['x', 'y', 'f', 'print', '__builtins__'])}`],
    () => [
      `setattr(__import__("${pick(MODULES)}"), "${pick(['loads', 'path', 'modules', 'len', 'print', 'exc_info', 'stdout'])}", ${expression(1)})`,
    ],
    () => [
      `sys.${pick(['settrace', 'setprofile', 'setrecursionlimit', 'set_int_max_str_digits', 'setswitchinterval', 'addaudithook'])}(${expression(1)})`,
    ],
    () => [
      `open("/home/user/a${integer(3)}", "${pick(['w', 'r', 'a', 'wb', 'r+b', 'x'])}").${pick(['read', 'write', 'truncate', 'seek', 'close'])}(${expression(0)})`,
    ],
    () => [`mangle(f, ${integer(2 ** 30)})`],
    () => [`poke(${integer(2 ** 30)}, ${integer(2 ** 30)})`],
    () => [`raise ${pick(['ValueError', 'SystemExit', 'KeyboardInterrupt', 'MemoryError', 'GeneratorExit', 'x'])}`],
  ];
  const compound = [
    () => [`for y in ${expression(2)}:`, ...body()],
    () => ['while True:', ...body(), ...indent(random() < 0.7 ? ['break'] : [])],
    () => ['def f(*a, **k):', ...body(), ...indent([`return ${expression(2)}`])],
    () => ['try:', ...body(), `except ${pick(['Exception', 'BaseException', 'MemoryError'])} as e:`, ...body()],
    () => [`if ${expression(2)}:`, ...body(), 'else:', ...body()],
    () => [
      'class C:',
      ...indent([
        `def ${pick(['__del__', '__repr__', '__getattr__', '__eq__', '__hash__', '__iter__', '__index__'])}(self, *a):`,
        ...body(),
      ]),
      'x = C()',
    ],
    () => ['def f(*a):', ...body(), ...indent([`yield ${expression(2)}`]), 'x = f()'],
    () => ['async def f(*a):', ...body(), 'import asyncio', 'asyncio.run(f())'],
  ];
  return (depth > 0 && random() < 0.4 ? pick(compound) : pick(simple))();
}
const block = (depth: number): string[] => Array.from({ length: 1 + integer(3) }, () => statement(depth)).flat();

/** Helpers that put all of an interpreter within reach of the grammar: any attribute of a module, any byte of bytecode and memory. */
const PRELUDE = `
import sys, random as _random
x = y = 0
def f(*a): return len(a)
def any_of(name, n):
    module = __import__(name)
    names = [name for name in dir(module) if callable(getattr(module, name, None))]
    return getattr(module, names[n % len(names)])
def mangle(function, seed):
    chance = _random.Random(seed)
    code = bytearray(function.__code__.co_code)
    for _ in range(3): code[chance.randrange(len(code))] = chance.randrange(256)
    function.__code__ = function.__code__.replace(co_code=bytes(code), co_stacksize=100)
    function(1)
def poke(seed, value):
    import ctypes
    chance = _random.Random(seed)
    for _ in range(chance.choice([1, 10, 1000])):
        ctypes.c_uint32.from_address(chance.randrange(1 << 24) & ~3).value = chance.choice([0, value, chance.randrange(1 << 32)])
`;
const CANARY =
  'import os, sys, math, json, builtins\nprint(sum(range(10)), os.listdir("/home/user"), os.listdir("/tmp"), sys.getrecursionlimit(), len(json.dumps([math.pi])), sorted(globals())[:2])';
const CANARY_ANSWER = /^45 \[\] \[\] 1000 19 \['__annotations__', '__builtins__'\]$/;

const python = createPython({ workers: 1, spares: 1, timeLimitMs: 300, maxCallsPerRollout: Infinity });
await callTool(python as Tool, '1');
const before = measure();
const started = performance.now();
const { problems, counts, slowestMs } = await fuzz({
  tool: python,
  calls,
  program: () => `${PRELUDE}${block(3).join('\n')}\n`,
  canary: CANARY,
  isFresh: (observation) => CANARY_ANSWER.test(observation),
  kinds: /Time limit|Memory limit|Recursion limit|interpreter failed|exit status|SyntaxError/,
  onProgress: (done, found) =>
    done % 500 === 0 && console.log(done, `${found.problems.length} problems`, measure(), found.counts),
});
const after = measure();
if (readdirSync(hostDirectory).length > 0) problems.push('a host file was written');
if (after.processes > before.processes) problems.push(`${after.processes} processes, ${before.processes} at the start`);
if (after.workersMb > before.workersMb * 2 + 200)
  problems.push(`workers use ${after.workersMb} MB, ${before.workersMb} at the start`);
await python.close?.();
const seconds = (performance.now() - started) / 1000;
console.log(`${calls} programs in ${seconds.toFixed(0)} s, the slowest in ${slowestMs.toFixed(0)} ms`, counts);
console.log({ before, after });
console.log(problems.length === 0 ? 'no problem found' : problems.slice(0, 10).join('\n---\n'));
process.exitCode = problems.length === 0 ? 0 : 1;

function measure(): { hostMb: number; workersMb: number; processes: number } {
  const rows = execFileSync('ps', ['-eo', 'ppid=,rss=,stat=,args='], { encoding: 'utf8' }).split('\n');
  const workers = rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([parent, , state]) => Number(parent) === process.pid && !state!.startsWith('Z'))
    .filter((row) => row.some((part) => part.endsWith('worker.mjs')));
  const workersMb = Math.round(workers.reduce((sum, [, rss]) => sum + Number(rss), 0) / 1024);
  return { hostMb: Math.round(process.memoryUsage.rss() / 2 ** 20), workersMb, processes: workers.length };
}
