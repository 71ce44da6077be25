/**
 * Throws programs made by a grammar at the JavaScript sandbox and checks after each that it lives up to its promises.
 *
 *   node --import tsx --conditions=tapo-source bench/javascript-fuzz.ts [calls = 10000] [seed = 1]
 *
 * Ends with status 1 when a call outlived its limit, a later call saw anything of an earlier one, or threads or memory
 * piled up; a crash of the host would end it with a status of its own.
 */
import { execFileSync } from 'node:child_process';
import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { createJavascript } from '@tapo/tools/javascript';
import { createChoices } from '../packages/tools/test/fuzz/choices.js';
import { fuzz } from '../packages/tools/test/fuzz/fuzz.js';
import { JAVASCRIPT_CANARY, javascriptProgram } from '../packages/tools/test/fuzz/javascript-programs.js';

const calls = Number(process.argv[2] ?? 10_000);
const choices = createChoices(Number(process.argv[3] ?? 1));

const javascript = createJavascript({ concurrency: 1, timeLimitMs: 200 });
const fresh = await callTool(javascript as Tool, JAVASCRIPT_CANARY);
const before = measure();
const started = performance.now();
const { problems, counts, slowestMs } = await fuzz({
  tool: javascript,
  calls,
  program: () => javascriptProgram(choices),
  canary: JAVASCRIPT_CANARY,
  isFresh: (observation) => observation === fresh.observation,
  kinds: /Time limit|Memory limit|Recursion limit|interpreter failed|SyntaxError/,
  onProgress: (done, found) =>
    done % 500 === 0 && console.log(done, `${found.problems.length} problems`, measure(), found.counts),
});
await javascript.close?.();
const seconds = (performance.now() - started) / 1000;
const after = measure();
if (after.threads > before.threads) problems.push(`${after.threads} threads, ${before.threads} at the start`);
if (after.megabytes > before.megabytes + 200) problems.push(`${after.megabytes} MB, ${before.megabytes} at the start`);
console.log(`${calls} programs in ${seconds.toFixed(0)} s, the slowest in ${slowestMs.toFixed(0)} ms`, counts);
console.log({ before, after });
console.log(problems.length === 0 ? 'no problem found' : problems.slice(0, 10).join('\n---\n'));
process.exitCode = problems.length === 0 ? 0 : 1;

/** Of this process, the interpreter's thread included. */
function measure(): { megabytes: number; threads: number } {
  const threads = Number(execFileSync('ps', ['-o', 'nlwp=', '-p', String(process.pid)], { encoding: 'utf8' }));
  return { megabytes: Math.round(process.memoryUsage.rss() / 2 ** 20), threads };
}
