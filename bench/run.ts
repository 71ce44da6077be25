/**
 * All benchmarks: tables on the screen, and with --json FILE the same numbers as JSON.
 *
 *     node --import tsx --conditions=tapo-source bench/run.ts [SECTION…] [--sizes 0.1M,1M] [--threads 2] [--rounds 5] [--json FILE]
 *
 * Sections: train, sampling, rl-step, gemm. The Python they compare with brings itself along, and says so where it cannot.
 */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { gemm } from './gemm.js';
import type { Size } from './policy-bench.js';
import { startPython } from './python.js';
import { rlStep } from './rl-step.js';
import { sampling } from './sampling.js';
import type { BenchContext, Table } from './section.js';
import { train } from './train.js';

const sections: Record<string, (context: BenchContext) => Promise<Table[]>> = {
  train,
  sampling,
  'rl-step': rlStep,
  gemm,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sizes: { type: 'string', default: '0.1M,1M,10M,135M' },
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(sections);
const unknown = wanted.find((name) => !(name in sections));
if (unknown) throw new Error(`There is no section '${unknown}'; there are: ${Object.keys(sections).join(', ')}.`);

const threads = Number(values.threads);
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`;
const python = await startPython(threads);
const peers = await python?.call<Record<string, string | number>>('versions');
console.log(`${machine}; node ${process.version}; ${peers ? JSON.stringify(peers) : 'without Python'}`);
const context = { threads, python, rounds: Number(values.rounds), sizes: values.sizes.split(',') as Size[] };
const tables: Table[] = [];
for (const name of wanted) {
  for (const table of await sections[name]!(context)) {
    tables.push(table);
    console.log(`\n${table.title}`);
    console.table(
      table.rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, x]) => [key, rounded(x)]))),
    );
  }
}
if (values.json) await writeFile(values.json, JSON.stringify({ machine, peers, tables }, null, 1));
python?.close();

function rounded(value: string | number): string | number {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}
