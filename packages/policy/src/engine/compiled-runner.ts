import { compile, createArenaBudget } from '@tapo/tfjs-onnx';

import type { Runner } from './runner.js';

/** Compiles tensor functions to ONNX Runtime on the CPU, once per input signature. They share the memory kept between runs. */
export function compiledRunner(threads: number, maxArenaBytes: number): Runner {
  const memoryArena = createArenaBudget(maxArenaBytes);
  return {
    backend: 'compiled',
    threads,
    prepare: (f, { name, cacheSize = 32 }) => compile(f, { name, threads, cacheSize, memoryArena }),
  };
}
