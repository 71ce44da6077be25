/**
 * Other people's wheels in the Python sandbox: downloaded with pip for its binary interface, linked, used. C (msgspec), Rust
 * (pydantic-core) and C++ with exceptions (luau-wasm), and the two of the reference's programs that need a package:
 * an integral with sympy, and a matrix product with numpy once PyPI, or a directory of wheels, has it.
 *
 *   node --import tsx --conditions=tapo-source interop/python-wheels.ts [directory with more wheels]
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { createPython } from '@tapo/tools/python';

const PLATFORM = 'pyemscripten_2026_0_wasm32';
const directory = mkdtempSync(join(tmpdir(), 'tapo-wheels-'));

/** A package, what it needs before it, a program, and what it must show. */
const packages: [name: string, needs: string[], program: string, shown: RegExp][] = [
  ['msgspec', [], 'import msgspec\nprint(msgspec.json.decode(b\'{"a": [1, 2.5]}\'))', /^\{'a': \[1, 2\.5\]\}$/],
  [
    'pydantic_core',
    ['typing_extensions'],
    'from pydantic_core import SchemaValidator, core_schema as c\nprint(SchemaValidator(c.list_schema(c.int_schema())).validate_python(["1", 2]))',
    /^\[1, 2\]$/,
  ],
  ['luau_wasm', [], 'import luau_wasm\nluau_wasm.execute("error(\'boom\')")', /LuauError: stdin:1: boom/],
  ['luau_wasm', [], 'import luau_wasm\nluau_wasm.execute("while true do end")', /^Time limit exceeded/],
  [
    'sympy',
    ['mpmath<1.4'],
    'import sympy\nx = sympy.symbols("x")\nprint(sympy.integrate(x ** 2 * sympy.exp(x), x), sympy.integrate(sympy.sin(x), (x, 0, sympy.pi)))',
    /^\(x\*\*2 - 2\*x \+ 2\)\*exp\(x\) 2$/,
  ],
  [
    'numpy',
    [],
    'import numpy as np\nprint(np.array([[1, 2], [3, 4]]) @ np.array([[5, 6], [7, 8]]))',
    /^\[\[19 22\]\n \[43 50\]\]$/,
  ],
];

let [tried, wrong] = [0, 0];
for (const [name, needs, program, shown] of packages) {
  const wheels = [...needs, name].map(find);
  const missing = wheels.findIndex((wheel) => wheel === undefined);
  if (missing >= 0) {
    console.log(`left out: ${name} (no wheel of ${[...needs, name][missing]} for ${PLATFORM} is within reach)`);
    continue;
  }
  const files = wheels.filter((wheel) => wheel !== undefined);
  const python = createPython({
    workers: 1,
    spares: 0,
    timeLimitMs: 5000, // an integral takes half a second alone, and three on a busy machine
    packages: files.map((wheel) => ({ wheel, sha256: createHash('sha256').update(readFileSync(wheel)).digest('hex') })),
  });
  await python.ready();
  const { observation } = await callTool(python as Tool, program);
  await python.close?.();
  const right = shown.test(observation);
  tried += 1;
  if (!right) wrong += 1;
  console.log(`${right ? 'as wanted' : 'WRONG'}: ${files.at(-1)}\n${observation}\n`);
}
if (tried === 0) console.log('skipped: none of the wheels is within reach');
process.exitCode = wrong === 0 ? 0 : 1;

/** A wheel of the directory given, or of PyPI. `requirement` is a name, and perhaps a version. */
function find(requirement: string): string | undefined {
  const given = process.argv[2];
  const [name] = requirement.split('<');
  const local = given && readdirSync(given).find((file) => file.startsWith(`${name}-`) && file.endsWith('.whl'));
  if (given && local) return join(given, local);
  const target = ['--python-version', '3.14', '--implementation', 'cp', '--abi', 'cp314', '--platform', PLATFORM];
  const options = [
    'download',
    '--quiet',
    '--no-deps',
    '--only-binary',
    ':all:',
    ...target,
    '--dest',
    directory,
    requirement,
  ];
  try {
    execFileSync('python3', ['-m', 'pip', ...options], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const file = readdirSync(directory).find((one) => one.startsWith(`${name}-`));
  return file && join(directory, file);
}
