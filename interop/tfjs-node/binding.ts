/**
 * Builds the native binding of @tensorflow/tfjs-node from its own source, where its install script cannot fetch one: against
 * libtensorflow and its C headers in PyPI's `tensorflow-cpu` wheel, and the N-API headers of npm's `node-api-headers`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('.cache', import.meta.url));
const policy = createRequire(new URL('../../packages/policy/package.json', import.meta.url));

/** The C API is stable from one 2.x to the next; the binding was written for 2.9. */
const WHEEL = 'tensorflow-cpu==2.21.0';
/** What is taken out of the 270 MB wheel. */
const PARTS = [
  'libtensorflow_',
  'include/tensorflow/c/',
  'include/tensorflow/core/platform/',
  'include/xla/',
  'include/tsl/',
];

/** Runs a program; what it printed, or an error that says what it was for. */
function must(purpose: string, command: string, ...parameters: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, parameters, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status === 0) return stdout;
  throw new Error(`${purpose}: ${error?.message ?? stderr.trim().split('\n').slice(-8).join('\n')}`);
}

/** Downloads and compiles what is not in `.cache` yet. Returns the path of tfjs_binding.node. */
export function buildBinding(): string {
  const binding = join(cache, 'tfjs_binding.node');
  if (existsSync(binding)) return binding;
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`the wheel is for Linux on x64, this is ${process.platform} on ${process.arch}`);
  must('a C++ compiler', 'g++', '--version');
  mkdirSync(cache, { recursive: true });
  const tensorflow = unpackWheel();
  const source = join(dirname(policy.resolve('@tensorflow/tfjs-node/package.json')), 'binding');
  const half = `${binding}.part`;
  must(
    'compiling the binding',
    'g++',
    '-std=c++17',
    '-O2',
    '-fPIC',
    '-shared',
    '-DNAPI_VERSION=8',
    `-I${unpackHeaders()}`,
    `-I${join(tensorflow, 'include')}`,
    join(source, 'tfjs_backend.cc'),
    join(source, 'tfjs_binding.cc'),
    `-L${tensorflow}`,
    `-Wl,-rpath,${tensorflow}`,
    '-l:libtensorflow_cc.so.2',
    '-l:libtensorflow_framework.so.2',
    '-o',
    half,
  );
  renameSync(half, binding);
  return binding;
}

/** A directory with libtensorflow and `include/`. */
function unpackWheel(): string {
  const root = join(cache, 'wheel');
  if (existsSync(root)) return join(root, 'tensorflow');
  const venv = fileURLToPath(new URL('../.venv/bin/python', import.meta.url));
  const python = existsSync(venv) ? venv : 'python3';
  const only = [
    '--no-deps',
    '--only-binary',
    ':all:',
    '--python-version',
    '3.11',
    '--platform',
    'manylinux_2_27_x86_64',
  ];
  must('libtensorflow from PyPI', python, '-m', 'pip', 'download', '--quiet', ...only, '-d', cache, WHEEL);
  const script = [
    'import sys, zipfile, glob',
    'archive, half, *parts = sys.argv[1:]',
    'wheel = zipfile.ZipFile(glob.glob(archive)[0])',
    'wheel.extractall(half, [n for n in wheel.namelist() if n.startswith(tuple("tensorflow/" + p for p in parts))])',
  ];
  const [archive, half] = [join(cache, 'tensorflow_cpu-*.whl'), `${root}.part`];
  must('unpacking libtensorflow', python, '-c', script.join('\n'), archive, half, ...PARTS);
  renameSync(half, root);
  must('removing the wheel', 'sh', '-c', `rm -f ${cache}/*.whl`);
  return join(root, 'tensorflow');
}

/** The directory of node_api.h. */
function unpackHeaders(): string {
  const root = join(cache, 'node-api-headers');
  mkdirSync(root, { recursive: true });
  const archive = must(
    'N-API headers from npm',
    'npm',
    'pack',
    '--silent',
    '--pack-destination',
    root,
    'node-api-headers',
  );
  must('unpacking the N-API headers', 'tar', 'xzf', join(root, archive.trim()), '-C', root);
  return join(root, 'package', 'include');
}

/** Puts the binding where tfjs-node's install script puts it, while `action` runs. */
export function withBinding<Result>(binding: string, action: () => Result): Result {
  const root = dirname(policy.resolve('@tensorflow/tfjs-node/package.json'));
  const lib = join(root, 'lib');
  const link = join(lib, 'napi-v8', 'tfjs_binding.node');
  if (existsSync(lib) && !lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink())
    throw new Error(`${lib} is there already: a binding that is not from here`);
  rmSync(lib, { recursive: true, force: true }); // left behind by a run that was killed
  try {
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(binding, link);
    return action();
  } finally {
    rmSync(lib, { recursive: true, force: true });
  }
}
