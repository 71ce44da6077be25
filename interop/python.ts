/** Runs this folder's Python scripts in interop/.venv (see README.md); without it, says so and ends the check as skipped. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const interpreter = fileURLToPath(new URL('.venv/bin/python', import.meta.url));

/** The JSON that `script` prints as its last line. */
export function runPython(script: string, args: string[]): unknown {
  if (!existsSync(interpreter)) {
    console.log(`skipped: ${interpreter} is not there; make it with the two commands in interop/README.md`);
    process.exit(0);
  }
  const path = fileURLToPath(new URL(script, import.meta.url));
  const env = { ...process.env, TRANSFORMERS_VERBOSITY: 'error', HF_HUB_OFFLINE: '1', TQDM_DISABLE: '1' };
  const { status, stdout, stderr } = spawnSync(interpreter, [path, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    env,
  });
  if (status !== 0) throw new Error(`${script} failed (${status}):\n${stderr.slice(-4000)}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

/** Prints one comparison and remembers a failure for the exit code. */
export function report(what: string, deviation: number, tolerance: number): void {
  const passed = deviation <= tolerance;
  console.log(
    `${passed ? 'ok    ' : 'FAILED'}  ${what}: largest deviation ${deviation.toExponential(2)} (tolerance ${tolerance})`,
  );
  if (!passed) process.exitCode = 1;
}

/** Largest absolute difference; infinite where lengths differ or something is not a number. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}
