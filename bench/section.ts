import type { Size } from './policy-bench.js';
import type { PythonPeer } from './python.js';

export interface BenchContext {
  threads: number;
  /** absent where Python or PyPI is out of reach */
  python: PythonPeer | undefined;
  /** measurements of each contestant, after one that does not count */
  rounds: number;
  sizes: Size[];
}

export interface Table {
  title: string;
  rows: Record<string, string | number>[];
}
