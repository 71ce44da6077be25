import { compile } from '@tapo/tfjs-onnx';

import type { Runner } from './runner.js';

/** Compiles tensor functions to ONNX Runtime on the CPU, once per input signature. */
export function compiledRunner(threads: number): Runner {
  return {
    backend: 'compiled',
    threads,
    prepare: (f, { name, cacheSize = 32 }) => compile(f, { name, threads, cacheSize }),
  };
}
