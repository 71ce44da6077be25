/**
 * `tapo chat` with SmolLM2-135M-Instruct in a real terminal (util-linux's `script`): Ctrl-C in the middle of an answer stops it and
 * leaves the conversation usable, Ctrl-D ends it.
 *
 *     node --import tsx --conditions=tapo-source interop/chat-interrupt.ts
 */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

import { smollm2Path } from './models.js';

if (spawnSync('script', ['--version']).status !== 0) {
  console.log('skipped: util-linux has no `script` here');
  process.exit(0);
}
const bin = fileURLToPath(new URL('../apps/trainer/src/bin.ts', import.meta.url));
const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
const chat = ['--import', 'tsx', '--conditions=tapo-source', bin, 'chat', smollm2Path(), '--max-tokens', '400'];
const command = [process.execPath, ...chat].map(quoted).join(' ');
const terminal = spawn('script', ['--quiet', '--flush', '--return', '--command', command, '/dev/null'], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
});
const exited = new Promise<number | null>((resolve) => terminal.on('exit', resolve));
let shown = '';
terminal.stdout.on('data', (chunk) => (shown += String(chunk)));

/** What is shown between now and the first match. */
async function until(what: string, pattern: RegExp): Promise<string> {
  const started = Date.now();
  for (;;) {
    const text = stripVTControlCharacters(shown);
    const match = pattern.exec(text);
    if (match) {
      shown = text.slice(match.index + match[0].length);
      return text.slice(0, match.index + match[0].length);
    }
    if (Date.now() - started > 120_000 || terminal.exitCode !== null) {
      terminal.kill();
      throw new Error(`waited for ${what}; shown: ${JSON.stringify(text)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

await until('the prompt', /> $/);
terminal.stdin.write('Tell me a very long story about an owl and a lighthouse.\r');
await until('my message', /lighthouse\.[\r\n]+/);
await until('the beginning of an answer', /\S+ \S+ \S+ /);
terminal.stdin.write('\u0003');
const rest = await until('the answer to stop', /\(stopped; (\d+) tokens/);
const tokens = Number(/\(stopped; (\d+)/.exec(rest)?.[1]);
await until('the prompt after Ctrl-C', /> $/);
terminal.stdin.write('What is the capital of France?\r');
await until('my second message', /France\?[\r\n]+/);
const answer = await until('its answer', /\((?!stopped)[^)]*\d+ tokens, [^)]*\)/);
await until('the prompt at the end', /> $/);
terminal.stdin.write('\u0004');
const code = await exited;
console.log(`stopped after ${tokens} tokens; then: ${answer.trim()}; exit code ${code}`);
if (!(tokens > 0 && tokens < 400) || code !== 0) process.exitCode = 1;
